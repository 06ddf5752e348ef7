"""The held-out tasks of a dataset, and which of them belong together.

How it fits: rows of the split `test`, later in time than everything that was trained on (`curate` sees to that). A
sample of them is drawn by hash, so that the same limit gives the same tasks on every machine.

Clusters are what intervals draw: tasks of one repository resemble each other, within one repository those of one
file, within that those of one session or commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from golddiff.types import Example

__all__ = ["cluster_paths", "sample"]


def sample(tasks: Iterable[Example], limit: int | None) -> list[Example]:
    """Return at most `limit` tasks in their order, chosen by the hash of their ids; None or 0 takes all."""
    tasks = list(tasks)
    if not limit or limit >= len(tasks):
        return tasks
    chosen = set(sorted((task.id for task in tasks), key=lambda identity: blake2b(identity.encode()).digest())[:limit])
    return [task for task in tasks if task.id in chosen]


def cluster_paths(tasks: Sequence[Example]) -> list[tuple[str, str]]:
    """Return each task's clusters, widest first: repository (or file, where there is but one), session or commit."""
    repositories = {task.provenance.repository_id for task in tasks}
    return [
        (
            str(task.provenance.repository_id) if len(repositories) > 1 else task.path,
            str(task.provenance.session_id or task.provenance.commit or task.id),
        )
        for task in tasks
    ]
