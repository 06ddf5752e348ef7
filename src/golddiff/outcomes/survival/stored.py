"""Survival as the stage writes it: one pass up to the default branch, one record per session with accepted lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from golddiff.git import GitRepository
from golddiff.outcomes.history import History
from golddiff.outcomes.survival.accepted import Accepted, has_accepted, survivals
from golddiff.outcomes.survival.forward import follow
from golddiff.outcomes.survival.kept import follow_on
from golddiff.outcomes.survival.reshaped import carry_reshaped
from golddiff.store import Store
from golddiff.types import Outcome, Survival


def survivals_of(
    git: GitRepository,
    history: History,
    sessions: Sequence[Accepted],
    outcomes: Iterable[Outcome],
    file: Path | None,
    progress: Callable[[str], None] | None = None,
) -> Iterator[Survival]:
    """Yield how long the accepted lines of these sessions lived.

    `outcomes` are all that are known of the repository; `file` is where the pass is kept for the next time.
    """
    chosen = [one for one in sessions if has_accepted(one)]
    tip = git.default_branch()
    if not chosen or tip is None:
        return
    if progress:
        progress(f"following lines through {len(history.default_commits):,} commits")
    if file is None:
        followed = follow(git, tip[1], carry=carry_reshaped)
    else:
        followed = follow_on(git, tip[1], file, carry=carry_reshaped, mode="reshaped")
    yield from survivals(git, history, followed, chosen, outcomes, "reshaped")


def lines_file(store: Store, repository_id: str) -> Path:
    """Where the workspace keeps the pass over a repository's lines."""
    return store.folder("lines") / repository_id


def forget_survival(store: Store, session_id: str, repository_id: str) -> None:
    """Remove what is stored of a session in a repository."""
    for record in list(store.find(Survival, session_id=session_id, repository_id=repository_id)):
        store.remove(Survival, record.id)
