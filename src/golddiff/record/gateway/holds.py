"""Waiting for verdicts: the last bytes of an answer are let go when its record is on disk, or when the deadline is up.

How it fits: an exchange that is over hands its account to `Holds.submit`. Calls go to the recorder together: those that
ended while a group commit ran, or within a few milliseconds where many end, because the same work costs a fraction
of what it does between the steps of other requests, and a commit costs the same for one as for twenty. A call that
nobody else can join does not wait for others. The recorder says from any thread what became of each; one wake-up of the
event loop takes all verdicts that came together. Deadlines are equal for all, so they pass in the order of
submission and one timer is enough.

Every call ends in exactly one state: `acked` (on disk before its last bytes were let go), `late` (on disk, but the
deadline passed first), `dropped` (not kept, with a reason), `partial` (kept, but the answer had not ended as the
upstream meant it). The bytes are let go exactly once, whatever the recorder does or fails to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sized
from enum import StrEnum
from threading import get_ident
from typing import Protocol

from golddiff.record.capture import Drop, RawCall, Recorder, Verdict
from golddiff.record.gateway.bell import Bell

_log = logging.getLogger(__name__)

_GATHER_SEC = 0.004
"""Shortest time between two groups of calls where many end."""
_MANY_PER_SEC = 400.0
"""Calls that end in a second from which on that is so."""
_MOST_GATHERED = 64
_MOST_BYTES = 64 << 10
"""Size from which on a call is handed over at once, so that what gathers holds little memory."""


class State(StrEnum):
    """What became of a call's record."""

    ACKED = "acked"
    LATE = "late"
    DROPPED = "dropped"
    PARTIAL = "partial"


class Ended(Protocol):
    """One call that is over."""

    whole: bool
    """The answer ended as the upstream meant it."""
    let_go: Callable[[], None] | None
    """Writes the bytes that were kept back; called once, at the verdict or the deadline. None: there are none."""

    @property
    def size_bytes(self) -> int:
        """Memory that its bodies take."""
        ...

    def call(self) -> RawCall:
        """Return what the recorder gets; asked for once, and may raise."""
        ...

    def report(self, state: str, reason: str) -> None:
        """Be told the final state and, for `dropped`, the reason; called once, when the verdict comes."""
        ...


class _Hold:
    __slots__ = ("ended", "expires", "group", "holds", "let_go", "waited_out")

    def __init__(self, ended: Ended, expires: float, holds: Holds) -> None:
        self.ended = ended
        self.expires = expires
        self.holds = holds
        # taken, not shared: an ended call that kept its own method would keep itself, and its bodies, until the garbage
        # collector comes round
        self.let_go, ended.let_go = ended.let_go, None
        self.waited_out = False
        self.group = 0

    def done(self, verdict: Verdict) -> None:
        """Take the verdict, from any thread."""
        self.holds.say(self, verdict)


class Holds:
    """All calls of one worker whose verdict is not known yet.

    `others`: those who have a call under way, that of a submitted one included, and may join its group; None: nobody
    waits for others.
    """

    def __init__(
        self, recorder: Recorder, deadline_sec: float, loop: asyncio.AbstractEventLoop, others: Sized | None = None
    ) -> None:
        self._recorder = recorder
        self._deadline = deadline_sec
        self._loop = loop
        self._bell = Bell()
        self._thread = get_ident()
        loop.add_reader(self._bell.fileno(), self._rung)
        self._others: Sized = () if others is None else others
        self._gathered: list[_Hold] = []
        self._handing: asyncio.Handle | None = None
        self._handing_waits = False
        self._handed = 0.0
        self._many = False
        self._at_recorder = 0
        self._group = 0
        self._unsaid = 0
        """Calls of the last group whose verdict has not come. Those of earlier ones are never waited for: one that the
        recorder lost would hold up all others."""
        self._waiting: deque[_Hold] = deque()
        self._verdicts: deque[tuple[_Hold, Verdict]] = deque()
        self._woken = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def deadline(self) -> float:
        """Longest wait, seconds; 0: nothing is held back."""
        return self._deadline

    @property
    def open(self) -> int:
        """Calls whose verdict has not come."""
        return self._at_recorder + len(self._gathered)

    @property
    def alone(self) -> bool:
        """No call but one is under way."""
        return len(self._others) == 1

    def submit(self, ended: Ended) -> None:
        """Have a call recorded, and its bytes let go."""
        now = self._loop.time()
        hold = _Hold(ended, now + self._deadline, self)
        if self._deadline > 0:
            if hold.let_go is not None:
                self._waiting.append(hold)
            if self._timer is None:
                self._timer = self._loop.call_at(hold.expires, self._time_is_up)
        elif hold.let_go is not None:
            hold.waited_out = True
            self._release(hold)
        gathered = self._gathered
        gathered.append(hold)
        if ended.size_bytes >= _MOST_BYTES or len(gathered) >= _MOST_GATHERED:
            self.hand_over()
        elif not self._unsaid and (self._handing is None or self._handing_waits):
            wait = self._wait()
            if wait <= 0:
                if self.alone:
                    self.hand_over()
                else:
                    self._hand_over_at(None)
            elif self._handing is None:
                self._hand_over_at(now + wait)

    def hand_over(self) -> None:
        """Give the recorder what gathered."""
        if self._handing is not None:
            self._handing.cancel()
            self._handing = None
        gathered, self._gathered = self._gathered, []
        now = self._loop.time()
        self._many = len(gathered) > max(1.0, _MANY_PER_SEC * (now - self._handed))
        self._handed = now
        self._at_recorder += len(gathered)
        if gathered:
            self._group += 1
            self._unsaid = len(gathered)
        for hold in gathered:
            hold.group = self._group
            try:
                self._recorder.submit(hold.ended.call(), hold.done)
            except Exception:
                _log.exception("a call could not be recorded")
                self.say(hold, Verdict(Drop.INTERNAL))

    def say(self, hold: _Hold, verdict: Verdict) -> None:
        """Take a verdict, from any thread."""
        self._verdicts.append((hold, verdict))
        if self._woken:
            return
        self._woken = True
        if get_ident() == self._thread:
            self._loop.call_soon(self.take_verdicts)
        else:
            self._bell.ring()

    def close(self) -> None:
        """Take the verdicts that have come, and listen to no more."""
        self.take_verdicts()
        self._loop.remove_reader(self._bell.fileno())

    def _rung(self) -> None:
        self._bell.silence()
        self.take_verdicts()

    def take_verdicts(self) -> None:
        """Let go what has its verdict."""
        self._woken = False  # before the queue is read: a verdict that comes now wakes the loop again
        while self._verdicts:
            hold, verdict = self._verdicts.popleft()
            self._at_recorder -= 1
            self._unsaid -= hold.group == self._group
            self._release(hold)
            if verdict.drop is not None:
                hold.ended.report(State.DROPPED, verdict.drop)
            elif not hold.ended.whole:
                hold.ended.report(State.PARTIAL, "")
            else:
                hold.ended.report(State.LATE if hold.waited_out else State.ACKED, "")
        while self._waiting and self._waiting[0].let_go is None:
            self._waiting.popleft()
        if self._gathered and not self._unsaid and self._handing is None:
            wait = self._wait()
            if wait > 0:
                self._hand_over_at(self._loop.time() + wait)
            else:
                self.hand_over()

    def _hand_over_at(self, moment: float | None) -> None:
        """Hand over then; None: in the next turn of the loop."""
        if self._handing is not None:
            self._handing.cancel()
        self._handing_waits = moment is not None
        self._handing = (
            self._loop.call_soon(self.hand_over) if moment is None else self._loop.call_at(moment, self.hand_over)
        )

    def _wait(self) -> float:
        """Seconds until enough may have gathered."""
        if not self._many or len(self._gathered) >= len(self._others):
            return 0.0
        return self._handed + _GATHER_SEC - self._loop.time()

    def _time_is_up(self) -> None:
        self._timer = None
        # those of the next moment go now, too: a turn of the loop for each costs more
        until = self._loop.time() + self._deadline / 16
        while self._waiting:
            hold = self._waiting[0]
            if hold.let_go is not None:
                if hold.expires > until:
                    self._timer = self._loop.call_at(hold.expires, self._time_is_up)
                    break
                hold.waited_out = True
                self._release(hold)
            self._waiting.popleft()
        if self._gathered and self._gathered[0].expires <= until:
            self.hand_over()  # the recorder is slow, or silent: what it was given last is not waited for any longer
        elif self._gathered and self._timer is None:
            self._timer = self._loop.call_at(self._gathered[0].expires, self._time_is_up)

    @staticmethod
    def _release(hold: _Hold) -> None:
        let_go, hold.let_go = hold.let_go, None
        if let_go is not None:
            let_go()
