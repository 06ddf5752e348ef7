"""What an evaluation may spend: money at servers that charge, and time.

How it fits: `asking` wants a question admitted before it is put and settles it when the answer is there. A question is
admitted if the most that it can cost still fits beside what is under way; so the money is never overdrawn, as long as
the server's tokens are bytes or longer and it charges no more than was stated. Once nothing more is admitted,
`evaluate` stops: what was answered is kept, and the same command goes on, with a new budget.

A request that fails is taken as free (providers do not bill errors), and one that is sent again after its connection
broke as one (a provider may bill both); one whose usage the server does not tell is taken
at the most that it can cost. Time is that of asking: judging what was answered is not cut off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from golddiff.errors import UsageError
from golddiff.types import Message

__all__ = ["Budget", "Price"]

MILLION = 1_000_000
_TEMPLATE_TOKENS = 32
"""Tokens that a chat template may put around one message."""


class Price(msgspec.Struct, frozen=True):
    """US dollars per million tokens."""

    input: float
    output: float
    source: str = ""
    """Where it is from, for the report."""

    def cost(self, prompt_tokens: int, tokens: int) -> float:
        """Return US dollars."""
        return (prompt_tokens * self.input + tokens * self.output) / MILLION

    def most(self, messages: Sequence[Message], max_tokens: int) -> float:
        """Return the US dollars that an answer can cost at most: a token is a byte or longer."""
        prompt = sum(len(message.content.encode()) + _TEMPLATE_TOKENS for message in messages)
        return self.cost(prompt, max_tokens)


class Budget:
    """Admits questions until the money or the time is used up. Safe to use from several threads."""

    def __init__(
        self, usd: float | None = None, minutes: float | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the clock. None is no limit. Raises UsageError for a limit that is not above 0."""
        for name, value in (("usd", usd), ("minutes", minutes)):
            if value is not None and not value > 0:
                raise UsageError(f"a budget of {value:g} {name} buys nothing: give more than 0, or leave it out.")
        self.usd, self.minutes = usd, minutes
        self.spent = 0.0
        """US dollars of answers that are there."""
        self.ended: str | None = None
        """What is used up; None while nothing was refused for good."""
        self._halted = False
        self._under_way_usd, self._under_way = 0.0, 0
        self._clock, self._began = clock, clock()
        self._changed = threading.Condition()

    @property
    def elapsed_sec(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    def admit(self, usd: float = 0.0, sec: float = 0.0) -> bool:
        """Whether a question may be put that costs at most `usd` and takes about `sec`; if so, settle it afterwards.

        Refused and `ended` still None: it may fit once what is under way has turned out cheaper (`wait`).
        """
        with self._changed:
            if self.minutes is not None and self.elapsed_sec + sec > 60 * self.minutes:
                self.ended, self._halted = self.ended or f"{self.minutes:g} minutes", True
            if self._halted:
                return False
            if usd and self.usd is not None and self.spent + self._under_way_usd + usd > self.usd:
                if not self._under_way:
                    self.ended = self.ended or f"{self.usd:g} US dollars"
                return False
            self._under_way += 1
            self._under_way_usd += usd
            return True

    def settle(self, admitted_usd: float, usd: float) -> None:
        """Record what an admitted question has cost."""
        with self._changed:
            self._under_way -= 1
            self._under_way_usd = max(0.0, self._under_way_usd - admitted_usd)
            self.spent += usd
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until something is settled, a second at most."""
        with self._changed:
            self._changed.wait(1.0)

    def stop(self) -> None:
        """Admit nothing more."""
        with self._changed:
            self.ended, self._halted = self.ended or "stopped", True
            self._changed.notify_all()
