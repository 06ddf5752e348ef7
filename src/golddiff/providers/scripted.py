"""A fake upstream: answers come from a function of the conversation. For tests and for simulated teachers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from golddiff.providers.upstream import Completion, Conversation, ScoredPair


class ScriptedUpstream:
    """Answers with `script(conversation)`; every call is kept in `calls`.

    `likelihood` gives the negative log-likelihood in nats per character of a text (tokens are characters here).
    """

    def __init__(
        self,
        script: Callable[[Conversation], str],
        *,
        name: str = "scripted",
        likelihood: Callable[[ScoredPair], float] = lambda pair: 1.0,
    ) -> None:
        self._script = script
        self._name = name
        self._likelihood = likelihood
        self.calls: list[Conversation] = []

    @property
    def name(self) -> str:
        """Name given at construction."""
        return self._name

    def complete(self, batch: Sequence[Conversation], max_tokens: int) -> list[Completion]:
        """Answer from the script, cut at `max_tokens` characters."""
        self.calls.extend(batch)
        answers = [self._script(conversation) for conversation in batch]
        return [
            Completion(
                text=text[:max_tokens],
                finish_reason="stop" if len(text) <= max_tokens else "length",
                completion_tokens=min(len(text), max_tokens),
            )
            for text in answers
        ]

    def loglikelihood(self, pairs: Sequence[ScoredPair]) -> list[tuple[float, int]]:
        """Return `likelihood` times the number of characters."""
        return [(self._likelihood(pair) * len(pair[1]), len(pair[1])) for pair in pairs]
