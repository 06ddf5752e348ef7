"""Answers of models, asked once and kept: an evaluation that stops goes on where it was.

How it fits: `run` asks through `AnswerBook`; what is known is not asked again, the rest is put by `requests`. The key
is the hash of everything that an answer depends on (model identity, harness, limit, messages), so a changed prompt or
checkpoint never meets an old answer. One append-only file per model, a JSON line per answer; a torn last line is
dropped and asked again.

Answers are redacted before they are kept, and the redacted text is what is scored: the same on every run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from golddiff.errors import WorkspaceError
from golddiff.evaluate.asking.requests import Asking, Failure, Way, put
from golddiff.evaluate.budget import Price
from golddiff.providers.upstream import ScoredPair, Upstream
from golddiff.rights.redact import redact_text
from golddiff.types import Clean, Message, derive_id

__all__ = ["Answer", "AnswerBook", "Failure", "Likelihood", "Question"]

ItemT = TypeVar("ItemT")


class Question(msgspec.Struct, frozen=True):
    """What a model is asked."""

    messages: tuple[Message, ...]
    max_tokens: int


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What it answered."""

    text: Clean
    cut: bool
    """It met the limit of tokens."""
    tokens: int
    """Tokens generated; 0 where nobody said."""
    prompt_tokens: int = 0
    """Tokens of the conversation; 0 where nobody said."""
    seconds: float | None = None
    """Of a request in flight: until it was answered, retries included. Of a batch: its time by its answers. None where
    nobody measured."""
    in_flight: int = 0
    """Requests at a time when it was asked; 0: in a batch. `seconds` hold for that."""


class Likelihood(msgspec.Struct, frozen=True):
    """How likely it found a text."""

    nll: float
    """Negative log-likelihood in nats, summed."""
    tokens: int


class _Entry(msgspec.Struct, omit_defaults=True):
    key: str
    answer: Answer | None = None
    likelihood: Likelihood | None = None


def _answers(upstream: Upstream, items: Sequence[Question]) -> list[_Entry]:
    began = time.perf_counter()
    completions = upstream.complete([item.messages for item in items], items[0].max_tokens)
    each = round((time.perf_counter() - began) / len(items), 6)
    return [
        _Entry(
            "",
            answer=Answer(redact_text(c.text), c.finish_reason == "length", c.completion_tokens, c.prompt_tokens, each),
        )
        for c in completions
    ]


def _likelihoods(upstream: Upstream, items: Sequence[ScoredPair]) -> list[_Entry]:
    return [_Entry("", likelihood=Likelihood(*found)) for found in upstream.loglikelihood(items)]


def _order_of_question(question: Question) -> tuple[int, int]:
    return question.max_tokens, sum(len(message.content) for message in question.messages)


def _order_of_pair(pair: ScoredPair) -> tuple[int, int]:
    return 0, sum(len(message.content) for message in pair[0]) + len(pair[1])


class AnswerBook:
    """The kept answers of one model. Use as a context manager."""

    def __init__(
        self, folder: Path, identity: str, harness: str, upstream: Upstream, price: Price | None = None
    ) -> None:
        """Open the book of one model; `price` is what its server charges, None: nothing, or nobody said."""
        self._upstream, self._price = upstream, price
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
        self,
        questions: Sequence[Question],
        way: Way | None = None,
        *,
        progress: Callable[[int], None] = lambda _: None,
        answered: Callable[[int, Answer], None] = lambda index, answer: None,
    ) -> list[Answer | Failure]:
        """Answer all questions in order.

        `progress` gets the number that is done, `answered` each answer with its place: first those that were kept.
        """
        keys = [derive_id("q", q.max_tokens, *(f"{m.role}\n{m.content}" for m in q.messages)) for q in questions]
        places = {key: index for index, key in enumerate(keys)}
        asking = Asking(
            fetch=_answers,
            order=_order_of_question,
            most_usd=lambda one: self._price.most(one.messages, one.max_tokens) if self._price else 0.0,
            usd=self._usd,
        )

        def told(entry: _Entry) -> None:
            if entry.answer is not None:
                answered(places[entry.key], entry.answer)

        failures = self._fill(keys, questions, asking, way, progress, told)
        return [self._known[key].answer or Failure.of("?") if key in self._known else failures[key] for key in keys]

    def score(
        self,
        pairs: Sequence[ScoredPair],
        way: Way | None = None,
        *,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[Likelihood | Failure]:
        """Return the likelihood of every text as the answer to its conversation, in order."""
        keys = [derive_id("l", *(f"{m.role}\n{m.content}" for m in messages), text) for messages, text in pairs]
        asking = Asking(
            fetch=_likelihoods, order=_order_of_pair, most_usd=lambda pair: 0.0, usd=lambda pair, entry: 0.0
        )
        failures = self._fill(keys, pairs, asking, way, progress, lambda entry: None)
        return [self._known[key].likelihood or Failure.of("?") if key in self._known else failures[key] for key in keys]

    def _usd(self, question: Question, entry: _Entry) -> float:
        if self._price is None or entry.answer is None:
            return 0.0
        if not entry.answer.prompt_tokens:  # the server does not tell: what it may have been
            return self._price.most(question.messages, question.max_tokens)
        return self._price.cost(entry.answer.prompt_tokens, entry.answer.tokens)

    def _fill(
        self,
        keys: Sequence[str],
        items: Sequence[ItemT],
        asking: Asking[ItemT, _Entry],
        way: Way | None,
        progress: Callable[[int], None],
        told: Callable[[_Entry], None],
    ) -> dict[str, Failure]:
        put_how = way or Way()
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in self._known}
        failures: dict[str, Failure] = {}
        done = len(items) - len(missing)
        progress(done)
        for key in dict.fromkeys(keys):
            if key in self._known:
                told(self._known[key])

        def keep(key: str, found: _Entry | Failure) -> None:
            nonlocal done
            if isinstance(found, Failure):
                failures[key] = found
            else:
                found.key = key
                if found.answer is not None:
                    found.answer = msgspec.structs.replace(found.answer, in_flight=put_how.in_flight)
                self._keep(found)
                told(found)
            done += 1
            progress(done)

        put(self._upstream, missing, asking, put_how, keep)
        return failures

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
