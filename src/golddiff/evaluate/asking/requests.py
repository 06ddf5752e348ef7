"""Three ways to put questions to a model: in batches here, one by one in flight at a server, in chunks on workers.

How it fits: `answers.AnswerBook` knows what was answered before and hands over the rest; each answer goes back to it
the moment it is there, so that what was paid for is kept whatever happens next.

- A local engine wants batches of like length: shortest first, little padding; an impossible question costs only itself.
- A server wants many single requests at once. They are put in the order of their hashes, so that what is there so far
  is a fair sample, and a request that fails is not asked again with its neighbours (that would be paid for twice).
- Workers (`golddiff.parallel`: processes, or Ray on other machines) each open the model and get batches as above.

Everything that leaves a worker is redacted there: what travels may be spilled to a disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Generic, TypeAlias, TypeVar

import msgspec

from golddiff.errors import GolddiffError, UpstreamError
from golddiff.evaluate.budget import Budget
from golddiff.parallel import Workers, spread
from golddiff.providers.on_demand import Opener
from golddiff.providers.upstream import Upstream
from golddiff.rights.redact import redact_text
from golddiff.types import Clean

__all__ = ["LEFT", "Asking", "Failure", "Way", "put"]

ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")

Fetch: TypeAlias = Callable[[Upstream, Sequence[ItemT]], Sequence[FoundT]]
"""Ask a model; as many answers as questions. Raises UpstreamError. A function of a module: it may run on a worker."""

LEFT = "the budget was used up before it was asked"
_LOST_AFTER = 3  # batches in a row without any answer


class Failure(msgspec.Struct, frozen=True):
    """There is no answer, and why: our machinery's failure, not the model's."""

    reason: Clean

    @classmethod
    def of(cls, reason: object) -> Failure:
        """Return a failure for `reason`, redacted: providers repeat what they were sent, keys included."""
        return cls(redact_text(str(reason)))


@dataclass(frozen=True, kw_only=True)
class Way:
    """How questions reach one model."""

    batch: int = 64
    """Questions given to a local engine at a time."""
    in_flight: int = 0
    """Requests at a time where the model is a server; 0: it is asked in batches."""
    workers: Workers | None = None
    """Where batches are answered; None: here."""
    opener: Opener | None = None
    """Opens the model on a worker; None: it is asked here."""
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, kw_only=True)
class Asking(Generic[ItemT, FoundT]):
    """What is asked, and what it costs."""

    fetch: Fetch[ItemT, FoundT]
    order: Callable[[ItemT], tuple[int, int]]
    """(what must be equal within a batch, length)."""
    most_usd: Callable[[ItemT], float]
    """What an answer costs at most; 0 where nobody charges."""
    usd: Callable[[ItemT, FoundT], float]
    """What it did cost."""


Keep: TypeAlias = Callable[[str, FoundT | Failure], None]
"""Called with the key of every question, in whatever order they end, from this thread."""


def put(
    model: Upstream, questions: dict[str, ItemT], asking: Asking[ItemT, FoundT], way: Way, keep: Keep[FoundT]
) -> None:
    """Put all questions and hand every answer, or why there is none, to `keep`."""
    spread_out = way.workers is not None and (way.workers.ray is not None or (way.workers.jobs or 1) > 1)
    if way.in_flight:
        _in_flight(model, questions, asking, way, keep)
    elif spread_out and way.opener is not None:
        _on_workers(questions, asking, way, keep, way.opener)
    else:
        _in_batches(model, questions, asking, way, keep)


# ---------------------------------------------------------------------------------------------------- batches, here


def _batches(questions: dict[str, ItemT], asking: Asking[ItemT, FoundT], size: int) -> Iterator[list[str]]:
    """Keys of questions that may be answered together, shortest first."""
    queue = sorted(questions, key=lambda key: asking.order(questions[key]))
    while queue:
        kind = asking.order(questions[queue[0]])[0]
        taken = [key for key in queue[:size] if asking.order(questions[key])[0] == kind]
        queue = queue[len(taken) :]
        yield taken


def _in_batches(
    model: Upstream, questions: dict[str, ItemT], asking: Asking[ItemT, FoundT], way: Way, keep: Keep[FoundT]
) -> None:
    lost, took = 0, 0.0
    for keys in _batches(questions, asking, way.batch):
        if lost >= _LOST_AFTER:
            for key in keys:
                keep(key, Failure.of("the model stopped answering"))
            continue
        most = sum(asking.most_usd(questions[key]) for key in keys)
        while not (admitted := way.budget.admit(most, took)) and way.budget.ended is None:
            way.budget.wait()  # what is under way elsewhere may turn out cheaper than it could have been
        if not admitted:
            for key in keys:
                keep(key, Failure.of(LEFT))
            continue
        began = time.perf_counter()
        found = _attempt(model, [questions[key] for key in keys], asking.fetch)
        took = time.perf_counter() - began
        costs = [
            asking.usd(questions[key], one)
            for key, one in zip(keys, found, strict=True)
            if not isinstance(one, Failure)
        ]
        way.budget.settle(most, sum(costs))
        lost = 0 if costs else lost + 1
        for key, one in zip(keys, found, strict=True):
            keep(key, one)


def _attempt(model: Upstream, items: Sequence[ItemT], fetch: Fetch[ItemT, FoundT]) -> list[FoundT | Failure]:
    """Ask a batch; where it fails, one by one, so that one impossible question costs only itself."""
    try:
        return list(fetch(model, items))
    except UpstreamError as error:
        if len(items) == 1:
            return [Failure.of(f"model: {error}")]
    found: list[FoundT | Failure] = []
    for index, item in enumerate(items):
        if index >= _LOST_AFTER and all(isinstance(one, Failure) for one in found):
            found.append(Failure.of("the model stopped answering"))  # shortest first: what follows is no easier
        else:
            found += _attempt(model, [item], fetch)
    return found


# ------------------------------------------------------------------------------------------------ requests, in flight


def _in_flight(
    model: Upstream, questions: dict[str, ItemT], asking: Asking[ItemT, FoundT], way: Way, keep: Keep[FoundT]
) -> None:
    queue = sorted(questions, key=lambda key: blake2b(key.encode()).digest(), reverse=True)
    running: dict[Future[Sequence[FoundT]], tuple[str, float]] = {}
    lost = 0

    def settle_some() -> None:
        nonlocal lost
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            key, most = running.pop(future)
            try:
                (found,) = future.result()
            except UpstreamError as error:
                way.budget.settle(most, 0.0)
                lost += 1
                keep(key, Failure.of(f"model: {error}"))
            else:
                way.budget.settle(most, asking.usd(questions[key], found))
                lost = 0
                keep(key, found)

    with ThreadPoolExecutor(way.in_flight) as pool:
        try:
            while queue or running:
                while queue and len(running) < way.in_flight and lost < _LOST_AFTER * way.in_flight:
                    most = asking.most_usd(questions[queue[-1]])
                    if not way.budget.admit(most):
                        break
                    key = queue.pop()
                    running[pool.submit(asking.fetch, model, [questions[key]])] = key, most
                if running:
                    settle_some()
                elif queue and lost >= _LOST_AFTER * way.in_flight:
                    break
                elif way.budget.ended is None:
                    way.budget.wait()  # another arm's requests may turn out cheaper than they could have been
                else:
                    break
        except KeyboardInterrupt:
            way.budget.stop()
            while running:  # what is under way is paid for
                settle_some()
            raise
    for key in reversed(queue):
        keep(key, Failure.of(LEFT if way.budget.ended else "the model stopped answering"))


# ------------------------------------------------------------------------------------------------- batches, elsewhere


def _on_workers(
    questions: dict[str, ItemT], asking: Asking[ItemT, FoundT], way: Way, keep: Keep[FoundT], opener: Opener
) -> None:
    left: list[str] = []
    batches: list[list[str]] = []

    def chunks() -> Iterator[tuple[str, list[ItemT]]]:
        for keys in _batches(questions, asking, way.batch):
            if not way.budget.admit():
                left.extend(keys)
                continue
            batches.append(keys)
            yield f"batch {len(batches)}", [questions[key] for key in keys]

    work = partial(_on_worker, opener, asking.fetch)
    for number, done in enumerate(spread(work, chunks(), way.workers)):
        way.budget.settle(0.0, 0.0)
        failed = Failure.of(done.error) if done.error else None
        found = [failed] * len(batches[number]) if failed else done.get()
        for key, one in zip(batches[number], found, strict=True):
            keep(key, one)
    for key in left:
        keep(key, Failure.of(LEFT))


def _on_worker(opener: Opener, fetch: Fetch[ItemT, FoundT], items: list[ItemT]) -> list[FoundT | Failure]:
    try:
        return _attempt(_opened(opener), items, fetch)
    except GolddiffError as error:
        return [Failure.of(f"model: {error}")] * len(items)


@lru_cache(maxsize=1)
def _opened(opener: Opener) -> Upstream:
    """One model per worker: the next arm's takes its place."""
    return opener.open()
