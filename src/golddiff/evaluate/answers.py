"""Answers of models, asked once and kept: an evaluation that stops goes on where it was.

How it fits: `run` asks through `AnswerBook`; what is known is not asked again. The key is the hash of everything that
an answer depends on (model identity, harness, limit, messages), so a changed prompt or checkpoint never meets an old
answer. One append-only file per model, a JSON line per answer; a torn last line is dropped and asked again.

Answers are redacted before they are kept, and the redacted text is what is scored: the same on every run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from golddiff.errors import UpstreamError, WorkspaceError
from golddiff.providers.upstream import ScoredPair, Upstream
from golddiff.rights.redact import redact_text
from golddiff.types import Clean, Message, derive_id

__all__ = ["Answer", "AnswerBook", "Failure", "Likelihood", "Question"]

ItemT = TypeVar("ItemT")
_LOST_AFTER = 3  # batches in a row without any answer


class Question(msgspec.Struct, frozen=True):
    """What a model is asked."""

    messages: tuple[Message, ...]
    max_tokens: int


class Answer(msgspec.Struct, frozen=True):
    """What it answered."""

    text: Clean
    cut: bool
    """It met the limit of tokens."""
    tokens: int


class Likelihood(msgspec.Struct, frozen=True):
    """How likely it found a text."""

    nll: float
    """Negative log-likelihood in nats, summed."""
    tokens: int


class Failure(msgspec.Struct, frozen=True):
    """There is no answer, and why: our machinery's failure, not the model's."""

    reason: str


class _Entry(msgspec.Struct, omit_defaults=True):
    key: str
    answer: Answer | None = None
    likelihood: Likelihood | None = None


class AnswerBook:
    """The kept answers of one model. Use as a context manager."""

    def __init__(self, folder: Path, identity: str, harness: str, upstream: Upstream) -> None:
        self._upstream = upstream
        self._path = folder / f"{derive_id('ans', identity, harness)}.jsonl"
        self._known: dict[str, _Entry] = {}
        try:
            self._load()
            self._file: IO[bytes] = self._path.open("ab")
        except OSError as error:
            raise WorkspaceError(f"cannot keep answers in {self._path} ({error}): check the disk.") from error

    def __enter__(self) -> AnswerBook:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def ask(
        self, questions: Sequence[Question], *, batch: int, progress: Callable[[int], None] = lambda _: None
    ) -> list[Answer | Failure]:
        """Answer all questions in order, `batch` at a time; `progress` gets the number answered after each batch.

        Questions of one limit are batched together, shortest first, so that an engine pads little.
        """
        keys = [derive_id("q", q.max_tokens, *(f"{m.role}\n{m.content}" for m in q.messages)) for q in questions]

        def fetch(items: Sequence[Question]) -> list[_Entry]:
            completions = self._upstream.complete([item.messages for item in items], items[0].max_tokens)
            return [
                _Entry("", answer=Answer(redact_text(c.text), c.finish_reason == "length", c.completion_tokens))
                for c in completions
            ]

        def order(question: Question) -> tuple[int, int]:
            return question.max_tokens, sum(len(message.content) for message in question.messages)

        failures = self._fill(keys, questions, batch, order, fetch, progress)
        return [self._known[key].answer or Failure("?") if key in self._known else failures[key] for key in keys]

    def score(
        self, pairs: Sequence[ScoredPair], *, batch: int, progress: Callable[[int], None] = lambda _: None
    ) -> list[Likelihood | Failure]:
        """Return the likelihood of every text as the answer to its conversation, in order."""
        keys = [derive_id("l", *(f"{m.role}\n{m.content}" for m in messages), text) for messages, text in pairs]

        def fetch(items: Sequence[ScoredPair]) -> list[_Entry]:
            return [_Entry("", likelihood=Likelihood(*found)) for found in self._upstream.loglikelihood(items)]

        def order(pair: ScoredPair) -> tuple[int, int]:
            return 0, sum(len(message.content) for message in pair[0]) + len(pair[1])

        failures = self._fill(keys, pairs, batch, order, fetch, progress)
        return [self._known[key].likelihood or Failure("?") if key in self._known else failures[key] for key in keys]

    def _fill(
        self,
        keys: Sequence[str],
        items: Sequence[ItemT],
        batch: int,
        order: Callable[[ItemT], tuple[int, int]],
        fetch: Callable[[Sequence[ItemT]], list[_Entry]],
        progress: Callable[[int], None],
    ) -> dict[str, Failure]:
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in self._known}
        queue = sorted(missing, key=lambda key: order(missing[key]))
        failures: dict[str, Failure] = {}
        done = len(items) - len(queue)
        progress(done)
        lost = 0
        while queue:
            limit = order(missing[queue[0]])[0]
            taken = [key for key in queue[:batch] if order(missing[key])[0] == limit]
            queue = queue[len(taken) :]
            answered = self._attempt(taken, missing, fetch, failures) if lost < _LOST_AFTER else 0
            for key in taken:
                if key not in self._known:
                    failures.setdefault(key, Failure("the model stopped answering"))
            lost = 0 if answered else lost + 1
            done += len(taken)
            progress(done)
        return failures

    def _attempt(
        self,
        keys: Sequence[str],
        items: dict[str, ItemT],
        fetch: Callable[[Sequence[ItemT]], list[_Entry]],
        failures: dict[str, Failure],
    ) -> int:
        """Fetch a batch; where it fails, one by one, so that one impossible question costs only itself."""
        try:
            entries = fetch([items[key] for key in keys])
        except UpstreamError as error:
            if len(keys) == 1:
                failures[keys[0]] = Failure(f"model: {error}")
                return 0
            answered = 0
            for index, key in enumerate(keys):
                if index >= _LOST_AFTER and not answered:
                    break  # shortest first: what follows is no easier
                answered += self._attempt([key], items, fetch, failures)
            return answered
        for key, entry in zip(keys, entries, strict=True):
            entry.key = key
            self._keep(entry)
        return len(keys)

    def _keep(self, entry: _Entry) -> None:
        self._known[entry.key] = entry
        try:
            self._file.write(msgspec.json.encode(entry) + b"\n")
            self._file.flush()
        except OSError as error:
            raise WorkspaceError(f"cannot keep answers in {self._path} ({error}): free space, run again.") from error

    def _load(self) -> None:
        if not self._path.exists():
            return
        whole = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    entry = msgspec.json.decode(line, type=_Entry)
                except msgspec.DecodeError:
                    continue  # damaged: asked again, appended again
                self._known[entry.key] = entry
        if whole < self._path.stat().st_size:
            os.truncate(self._path, whole)
