"""The events of one session while it is read: an ordered list whose entries can still change.

A call is entered where it was made and moved to where its result came (that is when a file changed or a command
ended); a call without a result stays where it was made. `finish` numbers the events without gaps. The log of a session
too long to hold is `replay.ReplayLog`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from golddiff.types import Event, EventKind, FileEdit, RawSession, Session, Transcript, Usage

UNNAMED = "unnamed"
"""Stands in `Session.models` for calls that name no model, in a session where others do."""
SYNTHETIC = "<synthetic>"
"""What Claude Code names as the model of messages that it wrote itself, such as errors; others copy it. It is none."""


class EventLog:
    """Slots in order, each with any number of events (a patch of three files is one call and three edits)."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self._slots: list[Sequence[Event[str]]] = []

    def __len__(self) -> int:
        """Number of slots that were ever made; none is used twice."""
        return len(self._slots)

    def add(self, kind: EventKind, at: datetime | None, **fields: Any) -> int:
        """Append one event and return its slot."""
        return self._enter([self.event(kind, at, **fields)])

    def event(self, kind: EventKind, at: datetime | None, **fields: Any) -> Event[str]:
        """Make an event that is not in the log yet."""
        if fields.get("model") == SYNTHETIC:
            fields["model"] = None
        return Event(id="", session_id=self.session_id, sequence=-1, kind=kind, at=at, **fields)

    def get(self, slot: int) -> Event[str] | None:
        """Return the slot's event, or None where it is empty or holds several."""
        events = self._events(slot)
        return events[0] if len(events) == 1 else None

    def update(self, slot: int, **changes: Any) -> None:
        """Change fields of the slot's events."""
        self._put(slot, [msgspec.structs.replace(event, **changes) for event in self._events(slot)])

    def fill(self, slot: int, events: Sequence[Event[str]]) -> None:
        """Replace the slot's events."""
        self._put(slot, events)

    def move(self, slot: int, events: Sequence[Event[str]]) -> int:
        """Empty the slot and append `events` as a new one, which is returned."""
        self._put(slot, ())
        return self._enter(events)

    def cut(self, slot: int) -> int:
        """Empty everything from `slot` on, for good; return how many events went."""
        gone = sum(map(len, self._slots[slot:]))
        self._slots[slot:] = [()] * (len(self._slots) - slot)
        return gone

    def edits(self) -> Iterator[FileEdit[str]]:
        """Yield the edits so far, in order."""
        for event in (event for slot in self._slots for event in slot):
            if event.edit is not None:
                yield event.edit

    def finish(self, session: Session[str]) -> RawSession:
        """Number the events, and fill in what the header derives from them: times, models and usage."""
        events = tuple(numbered(self.session_id, (event for slot in self._slots for event in slot)))
        derived = Derived()
        derived.take(events, 0)
        return Transcript(derived.header(session), events)

    def _events(self, slot: int) -> Sequence[Event[str]]:
        return self._slots[slot]

    def _put(self, slot: int, events: Sequence[Event[str]]) -> None:
        self._slots[slot] = events

    def _enter(self, events: Sequence[Event[str]]) -> int:
        self._slots.append(events)
        return len(self) - 1


def numbered(session_id: str, events: Iterable[Event[str]]) -> Iterator[Event[str]]:
    """Yield the events with ids and numbers."""
    for sequence, event in enumerate(events):
        yield msgspec.structs.replace(event, id=f"{session_id}/{sequence}", sequence=sequence)


class Derived:
    """What a session's header says of its events."""

    def __init__(self) -> None:
        self.kinds: Counter[EventKind] = Counter()
        """Number of events by kind."""
        self._models: dict[str, int] = {}
        """Where each model was used first."""
        self._unnamed = False
        self._usage = [0, 0, 0, 0]
        self._first: datetime | None = None
        self._last: datetime | None = None

    def take(self, events: Iterable[Event[str]], place: int) -> None:
        """Take in some events; they may come in any order of `place`."""
        for event in events:
            self.kinds[event.kind] += 1
            if event.at is not None:
                self._first = event.at if self._first is None or event.at < self._first else self._first
                self._last = event.at if self._last is None or event.at > self._last else self._last
            if event.model is not None:
                self._models[event.model] = min(place, self._models.get(event.model, place))
            elif event.kind is EventKind.MODEL_CALL:
                self._unnamed = True
            if event.usage is not None:
                for index, count in enumerate(msgspec.structs.astuple(event.usage)):
                    self._usage[index] += count

    def header(self, session: Session[str]) -> Session[str]:
        """Return the header with times, models and usage filled in."""
        models = dict.fromkeys(sorted(self._models, key=lambda model: self._models[model]))
        if models and self._unnamed:  # no terms are on file for it, so what it wrote is not taken for the others'
            models.setdefault(UNNAMED)
        given, written, cache_read, cache_write = self._usage
        return msgspec.structs.replace(
            session,
            models=tuple(models),
            started_at=self._first,
            ended_at=self._last,
            usage=Usage(
                input_tokens=given,
                output_tokens=written,
                cache_read_tokens=cache_read,
                cache_write_tokens=cache_write,
            ),
        )
