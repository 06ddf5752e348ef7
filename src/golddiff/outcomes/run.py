"""The stage `outcomes`: read sessions from the store, decide what was kept (`decide`), write the outcomes back.

Writes one `Repository`, the linked `Commit`s, and per session one `Outcome` and its `Attempt`s, with lineage session →
attempt, session → outcome, repository → commit → outcome → survival. Ids are derived, so a second run replaces what
the first wrote; an outcome of a session that turns out to belong elsewhere is removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import timedelta
from pathlib import Path

from golddiff.errors import UsageError
from golddiff.git import GitRepository
from golddiff.outcomes.analyse import Progress
from golddiff.outcomes.decide import Decision, Material, Options, Summary, decide
from golddiff.outcomes.evidence import KINDS
from golddiff.outcomes.later import FOLLOW_UP
from golddiff.outcomes.survival.stored import forget_survival, lines_file
from golddiff.outcomes.told import load_events
from golddiff.store import Store
from golddiff.store.repositories import describe_repository, remember
from golddiff.store.signals import SignalBook
from golddiff.types import Attempt, Attribution, Clean, Event, Outcome, Session, Snapshot, derive_id


def parse_kinds(text: str | None) -> frozenset[str]:
    """Parse a comma-separated list of evidence kinds. Raises UsageError for an unknown one."""
    kinds = frozenset(part.strip() for part in (text or "").split(",") if part.strip())
    if unknown := sorted(kinds - set(KINDS)):
        raise UsageError(f"unknown kind of evidence {', '.join(unknown)}; there are {', '.join(KINDS)}.")
    return kinds


def compute(
    store: Store,
    path: Path,
    *,
    ignore: AbstractSet[str] = frozenset(),
    sessions: Iterable[str] | None = None,
    progress: Progress | None = None,
    follow_up: timedelta = FOLLOW_UP,
) -> Summary:
    """Decide what was kept of every session that belongs to the repository at `path`, and store it.

    `ignore` leaves kinds of evidence out; `sessions` limits the run to these ids. What a person changes of a session's
    lines within `follow_up` after its last commit is part of the outcome. Raises InputError where `path` is in no
    readable git repository.
    """
    chosen = set(sessions) if sessions is not None else None
    with GitRepository.open(path) as git:
        wanted = [session for session in store.sessions() if chosen is None or session.id in chosen]
        material = gather(store, describe_repository(git).id, wanted, SignalBook(store))
        decision = decide(git, material, Options(frozenset(ignore), follow_up), progress)
    keep(store, decision)
    return decision.summary


def gather(store: Store, repository_id: str, sessions: Iterable[Session[Clean]], book: SignalBook) -> Material:
    """What the store knows of a repository and of sessions that may be its own; events are read as they are needed."""

    def load(session_id: str) -> tuple[Event[Clean], ...]:
        return load_events(store, book, store.get(Session, session_id)) if book else store.events(session_id)

    return Material(
        sessions,
        load,
        book,
        list(store.find(Snapshot, repository_id=repository_id)),
        list(store.find(Attribution, repository_id=repository_id)),
        list(store.find(Outcome, repository_id=repository_id)),
        lines_file(store, repository_id),
    )


def keep(store: Store, decision: Decision) -> None:
    """Store what was decided of one repository, in one transaction; `decision.summary` names it as it is stored."""
    summary = decision.summary
    with store.transaction():
        repository = summary.repository = remember(store, summary.repository)
        for one in decision.settled:
            outcome = one.outcome
            for commit in one.commits:
                store.put(commit, parents=(repository.id,))
            store.put(outcome, parents=(outcome.session_id, *(commit.id for commit in one.commits)))
            keep_attempts(store, outcome, one.attempts)
            forget_survival(store, outcome.session_id, repository.id)
        for session_id in summary.elsewhere:
            for stale in list(store.find(Outcome, session_id=session_id, repository_id=repository.id)):
                store.remove(Outcome, stale.id)
                drop_attempts(store, session_id, repository.id, set())
                forget_survival(store, session_id, repository.id)
        for record in decision.survivals:
            store.put(record, parents=(record.outcome_id,))


def keep_attempts(store: Store, outcome: Outcome, attempts: Iterable[Attempt]) -> None:
    """Store a session's attempts; those that an earlier run stored are replaced."""
    kept: set[str] = set()
    for attempt in attempts:
        kept.add(attempt.id)
        store.put(attempt, parents=(outcome.session_id,))
    drop_attempts(store, outcome.session_id, outcome.repository_id, kept)


def drop_attempts(store: Store, session_id: str, repository_id: str, kept: set[str]) -> None:
    """Remove this repository's attempts of a session, except `kept`; those of another repository stay."""
    stored = list(store.find(Attempt, session_id=session_id))
    ours = {derive_id("att", session_id, repository_id, attempt.index) for attempt in stored}
    for attempt in stored:
        if attempt.id in ours and attempt.id not in kept:
            store.remove(Attempt, attempt.id)


__all__ = ["Summary", "compute", "gather", "keep", "parse_kinds"]
