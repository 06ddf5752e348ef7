"""Ten minutes after the agent handed back: how many of its lines were still there, where `golddiff watch` looked on.

How it fits: git knows nothing of lines before a commit, so this share comes from snapshots alone and is unknown without
them. Counted are the lines that the session's last attempt added; they are still there where the file's text ten
minutes after the session's last `yield` holds them, whatever their indentation. A snapshot is taken whenever files
rest after a change, so the state at that moment is that of the last one before it, provided that watching went on: the
next snapshot is then no `start`. Nothing is said of a session where another one yielded in between, nor of files that
were committed, redacted or left out meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from golddiff.patch import PatchError, parse
from golddiff.statistics.shares import Draws, Measured
from golddiff.store import Store
from golddiff.types import Attempt, Session, Snapshot
from golddiff.web.facts import SessionFacts

AFTER = timedelta(minutes=10)
_YIELD, _START = "yield", "start"


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one session's lines."""

    lines: int
    """Lines of its last attempt in files whose text is known at both times."""
    still: int
    """Of these, there ten minutes later."""


class TenMinutes(msgspec.Struct, frozen=True, kw_only=True):
    """The share over sessions."""

    sessions: int
    """Watched for so long."""
    lines: int
    still: Measured


class _Taken(msgspec.Struct, frozen=True):
    id: str
    at: datetime
    cause: str
    session: str | None
    root: str


def read(store: Store, facts: Sequence[SessionFacts]) -> dict[str, Glance]:
    """Return what snapshots show, by session; sessions that nobody watched are not in it."""
    found: dict[str, Glance] = {}
    taken: dict[str, list[_Taken]] = {}
    for fact in facts:
        name = store.get(Session, fact.id).provider_session_id
        yields = [] if name is None else list(store.find(Snapshot, provider_session_id=name, cause=_YIELD))
        if not yields:
            continue
        last = max(yields, key=lambda snapshot: snapshot.taken_at)
        if last.repository_id not in taken:
            taken[last.repository_id] = _light(store.find(Snapshot, repository_id=last.repository_id))
        later_id = state_after(last.id, taken[last.repository_id])
        attempts = list(store.find(Attempt, session_id=fact.id))
        if later_id is not None and attempts:
            glance = compare(max(attempts, key=lambda one: one.index), last, store.get(Snapshot, later_id))
            if glance.lines:
                found[fact.id] = glance
    return found


def _light(snapshots: Iterable[Snapshot]) -> list[_Taken]:
    rows = [_Taken(one.id, one.taken_at, one.cause, one.provider_session_id, one.root) for one in snapshots]
    return sorted(rows, key=lambda row: row.at)


def state_after(yield_id: str, taken: Sequence[_Taken]) -> str | None:
    """Return the snapshot that shows the files ten minutes after a yield; None where that cannot be told."""
    mine = next(row for row in taken if row.id == yield_id)
    rows = [row for row in taken if row.root == mine.root and row.at >= mine.at]
    until = mine.at + AFTER
    within = [row for row in rows if row.at <= until]
    following = next((row for row in rows if row.at > until), None)
    if following is None or following.cause == _START or any(row.cause == _START for row in within if row is not mine):
        return None
    if any(row.cause == _YIELD and row.session != mine.session for row in within):
        return None
    return within[-1].id


def compare(attempt: Attempt, before: Snapshot, after: Snapshot) -> Glance:
    """Count the attempt's added lines that both snapshots can tell of, and those that the later one holds."""
    texts, later = _texts(before), _texts(after)
    lines = still = 0
    try:
        files = parse(attempt.patch)
    except PatchError:
        return Glance(lines=0, still=0)
    for file in files:
        path = file.new_path
        if path is None or path not in texts or path not in later:
            continue
        added = Counter(
            line.strip() for hunk in file.hunks for sign, line in hunk.lines if sign == "+" and line.strip()
        )
        there = Counter(line.strip() for line in texts[path].splitlines())
        handed_over = added & there
        lines += handed_over.total()
        still += (handed_over & Counter(line.strip() for line in later[path].splitlines())).total()
    return Glance(lines=lines, still=still)


def _texts(snapshot: Snapshot) -> dict[str, str]:
    return {
        file.path: file.text
        for file in snapshot.files
        if file.text is not None and not file.redacted and file.unknown is None
    }


def summarise_minutes(glances: Mapping[str, Glance], facts: Sequence[SessionFacts]) -> TenMinutes | None:
    """Return the share over the report's sessions; None where nobody watched."""
    if not glances:
        return None
    position = {name: index for index, name in enumerate(dict.fromkeys(fact.cluster for fact in facts))}
    tops, bottoms = [0] * len(position), [0] * len(position)
    for fact in facts:
        if (glance := glances.get(fact.id)) is not None:
            tops[position[fact.cluster]] += glance.still
            bottoms[position[fact.cluster]] += glance.lines
    return TenMinutes(sessions=len(glances), lines=sum(bottoms), still=Draws(len(position)).share(tops, bottoms))
