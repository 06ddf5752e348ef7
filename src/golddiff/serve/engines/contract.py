"""What an engine is: a program that continues token sequences on this machine. It knows nothing about chats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol


class Engine(Protocol):
    """Greedy decoding and scoring of batches. Safe to call from several threads."""

    def generate(self, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
        """Continue each prompt until its end token (left out) or the limit of new tokens, in the order given."""
        ...

    def stream(self, prompt: Sequence[int], max_tokens: int) -> Iterator[int]:
        """Yield the tokens of one continuation as they are made, without the end token."""
        ...

    def score(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
        """Return, for each (context, continuation), the summed log-probability of the continuation in nats."""
        ...
