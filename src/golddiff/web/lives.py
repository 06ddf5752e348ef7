"""Accepted lines as rows: how long each group of them lived, how it ended, and what it belongs to.

How it fits: `read` turns the `Survival` records of the report's sessions into rows (`Life`), with the model, tool,
language, folder, kind of task and user of each; a `Clock` gives them to `statistics.survival` in days or in commits;
`survival` summarises them.

A line that a commit of a known agent session removed was overwritten by an agent, which competes with every other end;
all other lines ended by a person or by someone unknown. Lines whose fate is known but that no mainline was followed for
are censored at once.

Not covered: what happened before the commit; lines of outcomes that are unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import numpy as np

from golddiff.statistics.survival import Lifetimes
from golddiff.store import Store
from golddiff.types import HunkFate, Outcome, Survival
from golddiff.web.facts import SessionFacts, folder, language

PERSON, AGENT = 1, 2
"""Ways to end: by a person or someone unknown; overwritten by an agent session."""
_DAY_SEC = 86_400


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted lines of one session that lived alike."""

    session_id: str
    cluster: str
    lines: int
    characters: int
    days: float
    """From the accepting commit to the end or the last look."""
    commits: int
    """Mainline commits that still had them."""
    cause: int
    """0: still there at the last look; else `PERSON` or `AGENT`."""
    model: str
    agent: str
    tool: str
    language: str
    folder: str
    task: str
    user: str = "unknown"


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of the report's sessions, and what they say nothing of."""

    lives: tuple[Life, ...] = ()
    observed_until: datetime | None = None
    """Latest commit that was looked at."""
    left_out: dict[str, int] = {}
    """Accepted lines that are in no row, by reason."""
    followed: dict[str, int] = {}
    """Sessions whose accepted lines were followed, with how many of them are in no row."""


def read(store: Store, facts: Sequence[SessionFacts]) -> Watched:
    """Return the rows of these sessions: of the repositories that each was counted in."""
    lives: list[Life] = []
    left_out: Counter[str] = Counter()
    until: list[datetime] = []
    followed: Counter[str] = Counter()
    for fact in facts:
        for record in store.find(Survival, session_id=fact.id):
            if record.repository_id not in fact.repositories:
                continue
            hunks = [hunk for found in store.find(Outcome, id=record.outcome_id) for hunk in found.hunks]
            lives += rows_of(record, fact, hunks)
            left_out.update(record.left_out)
            followed[fact.id] += sum(record.left_out.values())
            until.append(record.observed_until)
    return Watched(
        lives=tuple(lives),
        observed_until=max(until, default=None),
        left_out=dict(left_out),
        followed=dict(followed),
    )


def rows_of(record: Survival, fact: SessionFacts, hunks: Sequence[HunkFate]) -> list[Life]:
    """The rows of one record. Model and tool are those that wrote most of the file's accepted lines."""
    models = _authors(hunks, lambda hunk: hunk.model)
    tools = _authors(hunks, lambda hunk: hunk.tool)
    only_model = fact.models[0] if len(fact.models) == 1 else "unknown"
    rows = []
    for group in record.groups:
        end = group.ended_at or record.observed_until
        cause = 0 if group.ended_by is None else AGENT if group.ended_by_sessions else PERSON
        rows.append(
            Life(
                session_id=fact.id,
                cluster=fact.cluster,
                lines=group.lines,
                characters=group.characters,
                days=max(0.0, (end - group.accepted_at).total_seconds() / _DAY_SEC),
                commits=group.commits_survived,
                cause=cause,
                model=models.get(group.path, only_model),
                agent=fact.agent,
                tool=tools.get(group.path, "unknown"),
                language=language(group.path),
                folder=folder(group.path),
                task=fact.task,
                user=fact.user,
            )
        )
    return rows


def _authors(hunks: Sequence[HunkFate], name: Callable[[HunkFate], str | None]) -> dict[str, str]:
    counts: dict[str, Counter[str]] = {}
    for hunk in hunks:
        if (found := name(hunk)) is not None:
            counts.setdefault(hunk.path, Counter())[found] += hunk.kept + hunk.revised
    return {path: counter.most_common(1)[0][0] for path, counter in counts.items()}


class Clock:
    """Lifetimes of rows on one time scale, with one numbering of the report's sessions."""

    def __init__(self, clusters: Sequence[str], time: Callable[[Life], float]) -> None:
        self._position = {name: index for index, name in enumerate(clusters)}
        self._time = time

    def accepted(self, lives: Sequence[Life], weight: Callable[[Life], float] = lambda life: life.lines) -> Lifetimes:
        """Lifetimes of accepted lines."""
        return self._lifetimes([(self._time(life), life.cause, weight(life), life.cluster) for life in lives])

    def written(self, watched: Watched, facts: Sequence[SessionFacts]) -> Lifetimes:
        """Lifetimes of all lines of known fate: those in no commit ended at 0, those that nobody followed left at 0.

        Where accepted lines were followed, the rest of what was written never got into a commit, whatever the outcome
        calls it: a line that was committed and corrected the next day is dropped to the outcome, and has a life here.
        """
        rows = [(self._time(life), life.cause, float(life.lines), life.cluster) for life in watched.lives]
        lived: Counter[str] = Counter()
        for life in watched.lives:
            lived[life.session_id] += life.lines
        for fact in facts:
            if fact.id in watched.followed or lived[fact.id]:
                rest = max(0, fact.lines.known - lived[fact.id])
                unfollowed = min(rest, watched.followed.get(fact.id, 0))
                never = rest - unfollowed
            else:
                unfollowed, never = fact.lines.kept + fact.lines.revised, fact.lines.dropped
            rows += [(0.0, PERSON, float(never), fact.cluster), (0.0, 0, float(unfollowed), fact.cluster)]
        return self._lifetimes(rows)

    def _lifetimes(self, rows: Sequence[tuple[float, int, float, str]]) -> Lifetimes:
        kept = [row for row in rows if row[2] > 0]
        return Lifetimes(
            np.array([row[0] for row in kept], dtype=float),
            np.array([row[1] for row in kept], dtype=np.int64),
            np.array([row[2] for row in kept], dtype=float),
            np.array([self._position[row[3]] for row in kept], dtype=np.int64),
            len(self._position),
            causes=2,
        )


def days_clock(clusters: Sequence[str]) -> Clock:
    """Time in days."""
    return Clock(clusters, lambda life: life.days)


def commits_clock(clusters: Sequence[str]) -> Clock:
    """Time in mainline commits: lines that ended did so at the commit after the last that still had them."""
    return Clock(clusters, lambda life: life.commits + (life.cause > 0))
