"""What the linker looks at of one session: lines written and removed, states found and left, commits it made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from golddiff import patch
from golddiff.outcomes.history import line_hash
from golddiff.outcomes.lines import key, significant
from golddiff.outcomes.place import blob_id
from golddiff.outcomes.replay import Replay, Write
from golddiff.types import Clean, Event, EventKind, Session

_COMMITTED = re.compile(r"^\[[^\]\n]*?\b([0-9a-f]{7,40})\] ", re.MULTILINE)
"""What `git commit` prints first: `[branch abcdef0] subject`."""

Place = tuple[str, int]
"""Path and line hash."""


@dataclass(slots=True)
class Again:
    """What a later session in the same folder did once more, with the earliest such time; `again` fills it in."""

    added: dict[Place, datetime] = field(default_factory=dict)
    removed: dict[Place, datetime] = field(default_factory=dict)
    left: dict[tuple[str, str], datetime] = field(default_factory=dict)


@dataclass(slots=True)
class Written:
    """What the linker looks at of one session."""

    session: Session[Clean]
    added: dict[Place, datetime | None] = field(default_factory=dict)
    """Lines written that their file did not hold before the session, with the time of the first writing."""
    removed: dict[Place, datetime | None] = field(default_factory=dict)
    results: set[tuple[str, str]] = field(default_factory=set)
    """(path, blob) of every whole state that the session left."""
    starts: set[tuple[str, str]] = field(default_factory=set)
    """(path, blob) of every whole state that the session found."""
    committed: set[str] = field(default_factory=set)
    """Abbreviated ids that `git commit` printed."""
    added_at: dict[Place, datetime] = field(default_factory=dict)
    """Lines added to a file that the transcript shows without them, with the time of the last such writing."""
    removed_at: dict[Place, datetime] = field(default_factory=dict)
    """Lines removed from a file that the transcript shows, with the last time."""
    left_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """(path, blob) of whole states that were left and had not been found, with the last time."""
    again: Again = field(default_factory=Again)


def collect(session: Session[Clean], events: tuple[Event[Clean], ...], replay: Replay, digits: int) -> Written:
    """Collect what a session wrote, removed, found, left and committed."""
    result = Written(session)
    idioms = {
        path: {key(line) for line in state.lines} for path, state in replay.base.items() if state.lines is not None
    }
    shown = {event.sequence for event in events if event.edit is not None and event.edit.before is not None}
    for write in replay.writes:
        at = write.author.at or session.started_at
        known = idioms.get(write.path, set())
        for lines, found in ((write.added, result.added), (write.removed, result.removed)):
            for line in lines:
                line_key = key(line)
                if significant(line_key) and (found is result.removed or line_key not in known):
                    found.setdefault((write.path, line_hash(line_key)), at)
        if write.after is not None:
            result.results.add((write.path, blob_id(write.after, digits)))
        if write.before:
            result.starts.add((write.path, blob_id(write.before, digits)))
        if write.before is not None and write.author.at is not None and write.author.sequence in shown:
            _note_times(result, write, write.author.at, digits)
    found_first = {(path, blob_id(state.text, digits)) for path, state in replay.base.items() if state.text is not None}
    result.results -= found_first
    result.starts -= result.results
    for event in events:
        if event.kind is EventKind.COMMAND and event.text and event.command and "git" in event.command:
            result.committed.update(_COMMITTED.findall(event.text))
    return result


def _note_times(result: Written, write: Write, at: datetime, digits: int) -> None:
    """Note when a write did what it did to a file that the transcript shows."""
    before = {key(line) for line in patch.split(write.before or "")}
    for line_key in map(key, write.added):
        if significant(line_key) and line_key not in before:
            result.added_at[write.path, line_hash(line_key)] = at
    for line_key in map(key, write.removed):
        if significant(line_key):
            result.removed_at[write.path, line_hash(line_key)] = at
    if write.after is not None and write.after != write.before:
        result.left_at[write.path, blob_id(write.after, digits)] = at
