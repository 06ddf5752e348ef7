"""The records that a batch of calls looks up and changes: read with one query for many, written once at the end.

A call looks up a dozen records, most of them by the hash of a history, and changes four. One by one that is two dozen
round trips to a database server. So what a batch will look for is told to `look_up` first, for all of its calls at
once; what the calls put is seen by the calls after them, and goes to the store with `write`.

How it fits: `CallStore` makes one inside the transaction of a batch. What `look_up` was not told is asked for when it
is wanted: slower, never wrong. Only one process writes a workspace, so nothing changes beneath a batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar, cast

from golddiff.errors import InputError
from golddiff.store import Store
from golddiff.store.schema import TABLES
from golddiff.types import Event, Record

RecordT = TypeVar("RecordT", bound=Record)


class Batch:
    """A view of the store in which what was put is there already. To be used inside one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[tuple[type[Record], str], Record] = {}
        self._put: dict[tuple[type[Record], str], None] = {}
        """Keys of the records that are to be written, in order."""
        self._with: defaultdict[tuple[type[Record], str, str], dict[str, None]] = defaultdict(dict)
        """Ids of the known records whose column has a value."""
        self._asked: set[tuple[type[Record], str, str]] = set()
        """Columns with values that the store was asked for: all such records are known."""
        self._lengths: dict[str, int] = {}

    def look_up(self, kind: type[Record], column: str, values: Iterable[str]) -> None:
        """Ask the store for the records whose column is one of the values."""
        wanted = [value for value in dict.fromkeys(values) if (kind, column, value) not in self._asked]
        if column == "id":
            wanted = [value for value in wanted if (kind, value) not in self._records]
        if not wanted:
            return
        self._asked.update((kind, column, value) for value in wanted)
        changed = {value: self._with.pop((kind, column, value), {}) for value in wanted}
        for record in self._store.find_any(kind, column, wanted):
            key = (kind, record.id)
            if key not in self._records:
                self._records[key] = record
                self._enter(record)
            elif getattr(record, column) == getattr(self._records[key], column):  # it may have been changed since
                self._with[kind, column, getattr(record, column)][record.id] = None
        for value, ids in changed.items():
            self._with[kind, column, value] |= ids  # what was put is younger than what was stored

    def look_up_lengths(self, session_ids: Iterable[str]) -> None:
        """Ask the store how many events these sessions have."""
        wanted = [one for one in dict.fromkeys(session_ids) if one not in self._lengths]
        found = self._store.count_any(Event, "session_id", wanted) if wanted else {}
        self._lengths |= {one: found.get(one, 0) for one in wanted}

    def find(self, kind: type[RecordT], column: str, value: str) -> list[RecordT]:
        """Return the records whose column has this value, in order of insertion."""
        if (kind, column, value) not in self._asked:
            self.look_up(kind, column, [value])
        return [cast(RecordT, self._records[kind, one]) for one in self._with.get((kind, column, value), ())]

    def get(self, kind: type[RecordT], record_id: str) -> RecordT:
        """Return the record. Raises `InputError` where there is none."""
        found = self.known(kind, record_id)
        if found is None:
            raise InputError(f"no {kind.__name__.lower()} with id {record_id}: `golddiff show` lists what there is.")
        return found

    def known(self, kind: type[RecordT], record_id: str) -> RecordT | None:
        """Return the record, or None where there is none."""
        if (kind, record_id) not in self._records:
            self.look_up(kind, "id", [record_id])
        return cast("RecordT | None", self._records.get((kind, record_id)))

    def length(self, session_id: str) -> int:
        """Number of events of a session."""
        self.look_up_lengths([session_id])
        return self._lengths[session_id]

    def begin(self, session_id: str) -> None:
        """Say that a session is new: it has no events."""
        self._lengths[session_id] = 0

    def put(self, *records: Record) -> None:
        """Insert or replace by id."""
        for record in records:
            key = (type(record), record.id)
            self._enter(record, self._records.get(key))
            self._records[key] = record
            self._put[key] = None
            if isinstance(record, Event):
                self._lengths[record.session_id] = max(self.length(record.session_id), record.sequence + 1)

    def write(self) -> None:
        """Put everything into the store. The batch is of no use after that."""
        kinds = list(TABLES)
        self._store.put(*(self._records[key] for key in sorted(self._put, key=lambda key: kinds.index(key[0]))))

    def _enter(self, record: Record, old: Record | None = None) -> None:
        """Let a record be found by its columns, and no more by what they held before."""
        kind = type(record)
        for column in TABLES[kind].columns:
            value, before = getattr(record, column), getattr(old, column, None)
            if isinstance(before, str) and before != value:
                self._with[kind, column, before].pop(record.id, None)
            if isinstance(value, str):
                self._with[kind, column, value][record.id] = None
