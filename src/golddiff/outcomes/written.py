"""What the linker looks at of one session: lines written and removed, states found and left, commits it made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from golddiff.outcomes.history import line_hash
from golddiff.outcomes.lines import key, significant
from golddiff.outcomes.place import blob_id
from golddiff.outcomes.replay import Replay
from golddiff.types import Clean, Event, EventKind, Session

_COMMITTED = re.compile(r"^\[[^\]\n]*?\b([0-9a-f]{7,40})\] ", re.MULTILINE)
"""What `git commit` prints first: `[branch abcdef0] subject`."""

Place = tuple[str, int]
"""Path and line hash."""


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


def collect(session: Session[Clean], events: tuple[Event[Clean], ...], replay: Replay, digits: int) -> Written:
    """Collect what a session wrote, removed, found, left and committed."""
    result = Written(session)
    idioms = {
        path: {key(line) for line in state.lines} for path, state in replay.base.items() if state.lines is not None
    }
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
    found_first = {(path, blob_id(state.text, digits)) for path, state in replay.base.items() if state.text is not None}
    result.results -= found_first
    result.starts -= result.results
    for event in events:
        if event.kind is EventKind.COMMAND and event.text and event.command and "git" in event.command:
            result.committed.update(_COMMITTED.findall(event.text))
    return result
