"""A fake engine: continuations come from a function of the prompt's tokens. For tests of what lies above engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence


class ScriptedEngine:
    """Continues with `script(prompt)`; `batches` keeps the size of every call to `generate`."""

    def __init__(self, script: Callable[[Sequence[int]], list[int]]) -> None:
        self._script = script
        self.batches: list[int] = []

    def generate(self, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
        """See `Engine.generate`."""
        self.batches.append(len(prompts))
        return [self._script(prompt)[:max_tokens] for prompt in prompts]

    def stream(self, prompt: Sequence[int], max_tokens: int) -> Iterator[int]:
        """See `Engine.stream`."""
        yield from self._script(prompt)[:max_tokens]

    def score(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
        """Minus one nat per token."""
        return [-float(len(continuation)) for _, continuation in pairs]
