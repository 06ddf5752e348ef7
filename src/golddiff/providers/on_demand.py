"""An upstream that is opened when it is first asked, and may be closed again: one model in memory at a time.

How it fits: `evaluate` closes each arm's model when its last question is answered, and never opens one whose answers
are all kept. An `Opener` is a small value that can travel to a worker, which opens the model there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from golddiff.providers.upstream import Completion, Conversation, ScoredPair, Upstream

__all__ = ["OnDemand", "Opener"]


class Opener(Protocol):
    """How a model is opened; hashable and picklable, equal for equal models."""

    @property
    def name(self) -> str:
        """Name of the model, known without opening it."""
        ...

    def open(self) -> Upstream:
        """Return the model. Raises ModelError."""
        ...

    def __hash__(self) -> int: ...


class OnDemand:
    """See the module's text. Safe to use from several threads."""

    def __init__(self, opener: Opener) -> None:
        self.opener = opener
        self._opened: Upstream | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Name of the model, known without opening it."""
        return self.opener.name

    @property
    def is_open(self) -> bool:
        """Whether the model is in memory."""
        return self._opened is not None

    def complete(self, batch: Sequence[Conversation], max_tokens: int) -> list[Completion]:
        """See `Upstream.complete`. Raises ModelError where the model cannot be opened."""
        return self._model().complete(batch, max_tokens)

    def loglikelihood(self, pairs: Sequence[ScoredPair]) -> list[tuple[float, int]]:
        """See `Upstream.loglikelihood`."""
        return self._model().loglikelihood(pairs)

    def close(self) -> None:
        """Let go of the model; it is opened again when it is asked again."""
        with self._lock:
            self._opened = None

    def _model(self) -> Upstream:
        with self._lock:
            if self._opened is None:
                self._opened = self.opener.open()
            return self._opened
