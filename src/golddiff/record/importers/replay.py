"""The events of a session too long to hold: made from its file again each time they are gone through.

A transcript is its own spill file: nothing unredacted is written anywhere, and making an event again costs about what
it costs to compress and unpack it. So an importer states one pass over its records, which enters every event in a log,
and the log lets go of what is older than its last few thousand slots. An event that changes later than that (an answer
that comes hours after its call) is learnt in one pass and right in the next: where the first pass, which finds the
header, meets such a change, there is a second. Memory is the log's window, and every slot that changed late.

Used by importers of JSON Lines for files from `LONG_BYTES` on; the records' names (`JsonLines`) tell a file that is not
the same any more.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias, overload

from golddiff.record.importers.contract import ChangedWhileRead
from golddiff.record.importers.event_log import Derived, EventLog, numbered
from golddiff.record.importers.jsonl import JsonLines
from golddiff.types import Event, EventKind, RawSession, Session, Transcript

LONG_BYTES = 16 << 20
"""Files from this size on are gone through again instead of held."""

WINDOW_SLOTS = 2048
WINDOW_CHARS = 16 << 20
"""Events that can still change in place are so many, and their texts so long; there may be twice as much."""

_MOST_PASSES = 8

Pass: TypeAlias = Callable[[EventLog], Generator[None, None, RawSession | None]]
"""Enters the whole session in a log, a step at a time, and returns what `EventLog.finish` made of it; None where there
is no session. It does the same each time."""


def is_long(files: Iterable[JsonLines[Any]]) -> bool:
    """Say whether the session in these files is too long to hold. Raises `OSError` where one cannot be read."""
    return sum(lines.path.stat().st_size for lines in files) >= LONG_BYTES


def read_through(session_id: str, one_pass: Pass, *, long: bool) -> RawSession | None:
    """Return what a pass makes; of a `long` session without holding its events.

    Raises ChangedWhileRead where the file of a long one is not the same any more, and `OSError` from the pass.
    """
    if long:
        return ReplayedEvents(session_id, one_pass).settle()
    steps = one_pass(EventLog(session_id))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            transcript: RawSession | None = end.value
            return transcript


@dataclass
class _Late:
    """What happens to slots after they left the window, as far as passes have shown it."""

    slots: dict[int, Sequence[Event[str]]] = field(default_factory=dict)
    """Slots that change late, as they are in the end."""
    cuts: list[tuple[int, int]] = field(default_factory=list)
    """Slots from one number up to another that are taken back."""


class ReplayedEvents(Sequence[Event[str]]):
    """The events of a long session, with ids and numbers."""

    def __init__(self, session_id: str, one_pass: Pass) -> None:
        self.kinds: Counter[EventKind] = Counter()
        """How many events there are of each kind."""
        self._session_id = session_id
        self._pass = one_pass
        self._late = _Late()
        self._length = 0
        self._made: RawSession | None = None
        """What the last pass made: its header is that of the session."""

    def settle(self) -> RawSession | None:
        """Find out what changes late, and all that the header says; return the transcript with these events.

        Raises ChangedWhileRead where the file is not the same any more, and `OSError` where it cannot be read.
        """
        for _ in range(_MOST_PASSES):
            log = ReplayLog(self._session_id, self._late)
            for _ in self._events(log):
                pass
            if log.settled():
                self.kinds = log.derived.kinds
                self._length = sum(self.kinds.values())
                return None if self._made is None else Transcript(self._made.session, self)
        raise ChangedWhileRead("the events of a session were others each time they were made from its file")

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Event[str]]:
        """Yield every event. Raises ChangedWhileRead where the file is not the same any more."""
        return numbered(self._session_id, self._events(ReplayLog(self._session_id, self._late)))

    def _events(self, log: ReplayLog) -> Iterator[Event[str]]:
        """One pass."""
        for _ in self._steps(log):
            yield from log.gone()
        yield from log.gone()

    def _steps(self, log: ReplayLog) -> Iterator[None]:
        self._made = yield from self._pass(log)

    @overload
    def __getitem__(self, index: int) -> Event[str]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Event[str], ...]: ...
    def __getitem__(self, index: int | slice) -> Event[str] | tuple[Event[str], ...]:
        """One event, or some; every one before it is made as well."""
        if isinstance(index, slice):
            return tuple(islice(self, *index.indices(self._length)))
        place = index if index >= 0 else self._length + index
        for event in islice(self, place, None) if place >= 0 else ():
            return event
        raise IndexError(index)


class ReplayLog(EventLog):
    """A log that holds its last slots only; the others are taken from it with `gone`, once they are left behind."""

    def __init__(self, session_id: str, late: _Late) -> None:
        super().__init__(session_id)
        self._late = late
        self._first = 0
        """Number of the first slot that is held."""
        self._chars = 0
        self._counts = array("I")
        """Events that each slot had when it was left behind, less those taken back since."""
        self._changed: dict[int, Sequence[Event[str]]] = {}
        """Slots that change late, as they are now."""
        self._cuts: list[tuple[int, int]] = []
        self._blind = False
        """Something was asked of a slot that was not known to change late."""
        self._out: list[Event[str]] = []
        self.derived = Derived()

    def __len__(self) -> int:
        return self._first + len(self._slots)

    def gone(self) -> Sequence[Event[str]]:
        """Return the events that were left behind since the last call, in order and as they are in the end."""
        if len(self._slots) >= 2 * WINDOW_SLOTS or self._chars >= 2 * WINDOW_CHARS:
            self._leave(len(self._slots) // 2)
        out, self._out = self._out, []
        return out

    def cut(self, slot: int) -> int:
        """Empty everything from `slot` on, for good; return how many events went."""
        gone = super().cut(max(0, slot - self._first))
        if slot < self._first:
            self._cuts.append((slot, self._first))
            gone += sum(self._counts[slot:])
            self._counts[slot:] = array("I", bytes(self._counts.itemsize * (self._first - slot)))
            self._changed.update((late, ()) for late in self._changed if late >= slot)
        return gone

    def finish(self, session: Session[str]) -> RawSession:
        """Let everything go. The transcript that is returned has its header only."""
        self._leave(len(self._slots))
        for slot, events in self._changed.items():
            self.derived.take(events, slot)
        return Transcript(self.derived.header(session), ())

    def settled(self) -> bool:
        """Say whether it was known what changes late, so that the header is right; the next pass knows it."""
        same = not self._blind and self._changed.keys() == self._late.slots.keys() and self._cuts == self._late.cuts
        self._late.slots, self._late.cuts = self._changed, self._cuts
        return same

    def _leave(self, count: int) -> None:
        """Let the first slots go."""
        late, cuts = self._late.slots, self._late.cuts
        for slot, events in enumerate(self._slots[:count], self._first):
            self._counts.append(len(events))
            if slot in late:
                self._changed[slot] = events
                self._out += late[slot]
            elif not (cuts and any(begin <= slot < end for begin, end in cuts)):
                self._out += events
                self.derived.take(events, slot)
        del self._slots[:count]
        self._first += count
        self._chars = sum(map(_chars, self._slots))

    def _events(self, slot: int) -> Sequence[Event[str]]:
        if slot >= self._first:
            return self._slots[slot - self._first]
        if slot not in self._changed:  # what it was is gone: anything of that number stands in, in this pass
            self._blind = True
            self._changed[slot] = [self.event(EventKind.NOTE, None)] * self._counts[slot]
        return self._changed[slot]

    def _put(self, slot: int, events: Sequence[Event[str]]) -> None:
        if slot >= self._first:
            self._chars += _chars(events)
            self._slots[slot - self._first] = events
        else:
            self._changed[slot] = events
            self._counts[slot] = len(events)

    def _enter(self, events: Sequence[Event[str]]) -> int:
        self._chars += _chars(events)
        return super()._enter(events)


def _chars(events: Sequence[Event[str]]) -> int:
    """About how long the texts of some events are."""
    total = 0
    for event in events:
        total += len(event.text or "") + len(event.arguments or "") + len(event.command or "")
        if edit := event.edit:
            total += len(edit.before or "") + len(edit.after or "") + len(edit.hunks or "")
    return total
