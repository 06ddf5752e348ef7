"""The events of one session while it is read: an ordered list whose entries can still change.

A call is entered where it was made and moved to where its result came (that is when a file changed or a command
ended); a call without a result stays where it was made. `finish` numbers the events without gaps. Of a long session
the older events lie compressed, and its transcript unpacks them while they are gone through (`packed`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, overload

import msgspec

from golddiff.record.importers.packed import Packed
from golddiff.types import Event, EventKind, FileEdit, RawSession, Session, Transcript, Usage

UNNAMED = "unnamed"
"""Stands in `Session.models` for calls that name no model, in a session where others do."""


class NumberedEvents(Sequence[Event[str]]):
    """The events of a long session, with ids and numbers, unpacked while they are gone through."""

    def __init__(self, session_id: str, slots: Packed[list[Event[str]]]) -> None:
        self._session_id = session_id
        self._slots = slots
        self._length = sum(map(len, slots))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Event[str]]:
        for sequence, event in enumerate(event for slot in self._slots for event in slot):
            yield msgspec.structs.replace(event, id=f"{self._session_id}/{sequence}", sequence=sequence)

    @overload
    def __getitem__(self, index: int) -> Event[str]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Event[str], ...]: ...
    def __getitem__(self, index: int | slice) -> Event[str] | tuple[Event[str], ...]:
        """One event, or some; every one before it is unpacked as well."""
        if isinstance(index, slice):
            return tuple(islice(self, *index.indices(self._length)))
        place = index if index >= 0 else self._length + index
        for event in islice(self, place, None) if place >= 0 else ():
            return event
        raise IndexError(index)


class EventLog:
    """Slots in order, each with any number of events (a patch of three files is one call and three edits)."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._slots: Packed[list[Event[str]]] = Packed(list[Event[str]])

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, kind: EventKind, at: datetime | None, **fields: Any) -> int:
        """Append one event and return its slot."""
        self._slots.append([self.event(kind, at, **fields)])
        return len(self._slots) - 1

    def event(self, kind: EventKind, at: datetime | None, **fields: Any) -> Event[str]:
        """Make an event that is not in the log yet."""
        return Event(id="", session_id=self._session_id, sequence=-1, kind=kind, at=at, **fields)

    def get(self, slot: int) -> Event[str] | None:
        """Return the slot's event, or None where it is empty or holds several."""
        events = self._slots[slot]
        return events[0] if len(events) == 1 else None

    def update(self, slot: int, **changes: Any) -> None:
        """Change fields of the slot's events."""
        self._slots[slot] = [msgspec.structs.replace(event, **changes) for event in self._slots[slot]]

    def fill(self, slot: int, events: Sequence[Event[str]]) -> None:
        """Replace the slot's events."""
        self._slots[slot] = list(events)

    def move(self, slot: int, events: Sequence[Event[str]]) -> int:
        """Empty the slot and append `events` as a new one, which is returned."""
        self._slots[slot] = []
        self._slots.append(list(events))
        return len(self._slots) - 1

    def cut(self, slot: int) -> int:
        """Remove everything from `slot` on; return how many events went."""
        gone = sum(len(self._slots[index]) for index in range(slot, len(self._slots)))
        self._slots.truncate(slot)
        return gone

    def edits(self) -> Iterator[FileEdit[str]]:
        """Yield the edits so far, in order."""
        for event in (event for slot in self._slots for event in slot):
            if event.edit is not None:
                yield event.edit

    def finish(self, session: Session[str]) -> RawSession:
        """Number the events, and fill in what the header derives from them: times, models and usage."""
        events: Sequence[Event[str]] = NumberedEvents(self._session_id, self._slots)
        if self._slots.is_open:
            events = tuple(events)
        models: dict[str, None] = {}
        unnamed = False
        total = [0, 0, 0, 0]
        first: datetime | None = None
        last: datetime | None = None
        for event in events:
            if event.at is not None:
                first = event.at if first is None or event.at < first else first
                last = event.at if last is None or event.at > last else last
            if event.model is not None:
                models.setdefault(event.model)
            elif event.kind is EventKind.MODEL_CALL:
                unnamed = True
            if event.usage is not None:
                for index, count in enumerate(msgspec.structs.astuple(event.usage)):
                    total[index] += count
        if models and unnamed:  # no terms are on file for it, so what it wrote is not taken for the others'
            models.setdefault(UNNAMED)
        header = msgspec.structs.replace(
            session,
            models=tuple(models),
            started_at=first,
            ended_at=last,
            usage=Usage(
                input_tokens=total[0],
                output_tokens=total[1],
                cache_read_tokens=total[2],
                cache_write_tokens=total[3],
            ),
        )
        return Transcript(header, events)
