"""Takes the calls of a spool into the store, each exactly once.

A batch of calls is one transaction; only after it is on disk is the spool told that they were taken. A crash between
the two delivers the batch again, and calls whose id is in the store are passed over (D7). Where the store does not
answer, `take` raises, nothing is told to the spool, and the backlog waits for the next round (D6).

A worker's calls stay in the order in which it wrote them; those of several workers are merged by when they ended: an
answer is on disk before the request that goes on from it begins. Files are read one after the other, so a call that
ended after reading began is left for a second reading, in case the call before it is in a file that was read before.

How it fits: the process that brings calls into the store keeps a `Taker` and calls `round` every second or so, with the
store that it opened for that turn (`use`); what was read of a file is not read again. `take` is one round for `golddiff
import`. The wall clock decides nothing but how workers are merged.

Not covered: a backlog of more than `window_bytes` is ordered a window at a time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from golddiff.record.calls.store_call import CallStore
from golddiff.record.spool.reader import SpoolReader
from golddiff.record.spool.segments import SUFFIX
from golddiff.record.spool.stored import StoredCall
from golddiff.store import Store
from golddiff.types import Call

_SOON = timedelta(seconds=5)
"""A call that ended further in the future than this has a clock that was set; it does not wait."""


@dataclass
class TakeSummary:
    """What one or several rounds did."""

    calls: int = 0
    """Calls that were stored."""
    known: int = 0
    """Calls that were in the store already."""
    new_sessions: int = 0
    relations: Counter[str] = field(default_factory=Counter)
    """Stored calls by their relation to the calls before, as in `types.Call`."""
    events: Counter[str] = field(default_factory=Counter)
    """Events that were added, by kind."""
    damaged: int = 0
    """Calls of whose bodies something could not be read; all of their bytes are kept."""
    failed: Counter[str] = field(default_factory=Counter)
    """Calls that are kept without events, by reason."""
    session_ids: list[str] = field(default_factory=list)
    """Sessions that calls were added to, in order and once each."""
    waiting_bytes: int = 0
    """Bytes of the spool that are left, about."""
    more: bool = False
    """The time was over before all calls that could be taken were."""

    def add(self, other: TakeSummary) -> None:
        """Count another round."""
        self.calls += other.calls
        self.known += other.known
        self.new_sessions += other.new_sessions
        self.relations += other.relations
        self.events += other.events
        self.damaged += other.damaged
        self.failed += other.failed
        self.session_ids = list(dict.fromkeys([*self.session_ids, *other.session_ids]))
        self.waiting_bytes = other.waiting_bytes
        self.more = other.more


def take(store: Store, spool_folder: Path, *, subject: str | None = None) -> TakeSummary:
    """Take everything that a spool holds now into the store.

    `subject` is the opaque id of the person whose sessions these are; without it, the virtual key's id is.

    Raises:
        WorkspaceError: the store refused, or another process takes from this spool; what was stored stays stored.
    """
    with Taker(store, spool_folder, subject=subject) as taker:
        return taker.round(everything=True)


def is_spool(folder: Path) -> bool:
    """Say whether a folder is a gateway's spool: it holds segments, or the note of what was taken from them."""
    return folder.is_dir() and (any(folder.glob(f"*{SUFFIX}")) or (folder / "taken.json").is_file())


class Taker:
    """Takes from one spool, round after round. Only one may be open for a spool."""

    def __init__(
        self,
        store: Store,
        spool_folder: Path,
        *,
        subject: str | None = None,
        batch_calls: int = 256,
        batch_bytes: int = 16 << 20,
        window_bytes: int = 128 << 20,
    ) -> None:
        """`batch_calls`, `batch_bytes`: most calls and bodies of one transaction, which are in memory taken apart.

        `window_bytes`: bodies that are in memory at once.
        """
        self._reader = SpoolReader(spool_folder)
        self._store = store
        self._calls = CallStore(store, subject)
        self._batch_calls = batch_calls
        self._batch_bytes = batch_bytes
        self._window_bytes = window_bytes
        self._held: list[StoredCall] = []
        """Calls that were read and are not in the store yet, in order for each worker."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another taker in."""
        self._reader.close()

    def use(self, store: Store) -> None:
        """Take into this store from now on, which was opened anew."""
        self._store = store
        self._calls.use(store)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the spool that were not taken, about."""
        return self._reader.waiting_bytes

    def round(self, *, everything: bool = False, end: float | None = None) -> TakeSummary:
        """Take what is there. `everything`: nothing is left for the next round.

        After the moment `end` of `time.monotonic` no further batch is begun, and `summary.more` says whether calls that
        were read wait for the next round: a round ends, however fast calls come in. One batch is always taken.

        Raises WorkspaceError where the store refuses; the calls are taken by the next round.
        """
        summary = self._pass(everything, end)
        if self._held and not _is_over(end):  # they ended while files were read; now every file is read after that
            summary.add(self._pass(everything, end))
        summary.more |= bool(self._held) and _is_over(end)
        return summary

    def _pass(self, everything: bool, end: float | None) -> TakeSummary:
        began = datetime.now(UTC)
        summary = TakeSummary()
        incoming = self._reader.read()
        more = True
        while more:
            more = self._fill(incoming)
            ready, later = _part(self._held, None if everything or more else began)
            self._held = [*_in_order(ready), *later]
            waiting = len(ready)
            while waiting:
                batch = self._batch(waiting)
                self._store_batch(batch, summary)
                del self._held[: len(batch)]
                waiting -= len(batch)
                self._reader.taken(call.place for call in batch)
                if _is_over(end):
                    summary.more = more or waiting > 0
                    break
            more = more and not _is_over(end)
        summary.waiting_bytes = self._reader.waiting_bytes
        return summary

    def _batch(self, ready: int) -> list[StoredCall]:
        """The next calls that go into one transaction; at least one."""
        batch: list[StoredCall] = []
        size = 0
        for call in islice(self._held, min(ready, self._batch_calls)):
            size += _size(call)
            if batch and size > self._batch_bytes:
                break
            batch.append(call)
        return batch

    def _fill(self, incoming: Iterator[StoredCall]) -> bool:
        """Read until the window is full; say whether there may be more."""
        size = sum(_size(call) for call in self._held)
        if size >= self._window_bytes:
            return True
        for call in incoming:
            self._held.append(call)
            size += _size(call)
            if size >= self._window_bytes:
                return True
        return False

    def _store_batch(self, batch: list[StoredCall], summary: TakeSummary) -> None:
        done = TakeSummary()
        new = {call.call_id: call for call in batch}
        with self._store.transaction():
            for call_id in self._store.count_any(Call, "id", new):
                del new[call_id]
            done.known = len(batch) - len(new)
            for outcome in self._calls.add(*new.values()):
                done.calls += 1
                done.new_sessions += outcome.new_session
                done.relations[outcome.relation] += 1
                done.events.update(outcome.events)
                done.damaged += bool(outcome.damaged)
                if outcome.failed is not None:
                    done.failed[outcome.failed] += 1
                if outcome.session_id is not None:
                    done.session_ids.append(outcome.session_id)
        summary.add(done)


def _is_over(end: float | None) -> bool:
    return end is not None and time.monotonic() >= end


def _part(held: list[StoredCall], before: datetime | None) -> tuple[list[StoredCall], list[StoredCall]]:
    """Part what ended before a moment from the rest; what a worker wrote after something that waits, waits too."""
    if before is None:
        return list(held), []
    waits: set[str] = set()
    ready: list[StoredCall] = []
    later: list[StoredCall] = []
    for call in held:
        if before < _ended(call) < before + _SOON:
            waits.add(call.worker)
        (later if call.worker in waits else ready).append(call)
    return ready, later


def _in_order(calls: list[StoredCall]) -> list[StoredCall]:
    """Merge what the workers wrote by when it ended; the calls of one worker stay in their order."""
    by_worker: dict[str, list[StoredCall]] = {}
    for call in calls:
        by_worker.setdefault(call.worker, []).append(call)
    return list(merge(*by_worker.values(), key=_ended))


def _ended(call: StoredCall) -> datetime:
    return call.started_at + timedelta(microseconds=call.duration_ns // 1000)


def _size(call: StoredCall) -> int:
    return len(call.request_body) + len(call.response_body) + 2048
