"""Survival as the stage writes it: one pass up to the default branch, one record per session with accepted lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from golddiff.git import GitRepository
from golddiff.outcomes.history import History
from golddiff.outcomes.survival.accepted import Accepted, has_accepted, survivals
from golddiff.outcomes.survival.kept import follow_on
from golddiff.outcomes.survival.reshaped import carry_reshaped
from golddiff.store import Store
from golddiff.types import Outcome, Survival


def store_survivals(
    store: Store,
    git: GitRepository,
    history: History,
    sessions: Sequence[Accepted],
    progress: Callable[[str], None] | None = None,
) -> int:
    """Store how long the accepted lines of these sessions lived, in place of what was stored; return how many records.

    Call it after their outcomes are stored, inside the same transaction.
    """
    for one in sessions:
        forget_survival(store, one.outcome.session_id, one.outcome.repository_id)
    chosen = [one for one in sessions if has_accepted(one)]
    tip = git.default_branch()
    if not chosen or tip is None:
        return 0
    if progress:
        progress(f"following lines through {len(history.default_commits):,} commits")
    repository_id = chosen[0].outcome.repository_id
    file = store.folder("lines") / repository_id
    followed = follow_on(git, tip[1], file, carry=carry_reshaped, mode="reshaped")
    outcomes = list(store.find(Outcome, repository_id=repository_id))
    made = 0
    for record in survivals(git, history, followed, chosen, outcomes, "reshaped"):
        store.put(record, parents=(record.outcome_id,))
        made += 1
    return made


def forget_survival(store: Store, session_id: str, repository_id: str) -> None:
    """Remove what is stored of a session in a repository."""
    for record in list(store.find(Survival, session_id=session_id, repository_id=repository_id)):
        store.remove(Survival, record.id)
