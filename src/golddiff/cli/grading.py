"""What the commands that judge by tests share: the grader in its sandbox, a bar, a place to write to, short reasons.

How it fits: `golddiff tasks` (`tasks`, `task_files`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from golddiff.cli.app import console
from golddiff.errors import InputError

if TYPE_CHECKING:
    from golddiff.scoring.grading import Grader

__all__ = ["in_a_line", "open_grader", "progress_bar", "require_folder"]


def open_grader() -> Grader:
    """Return a grader on this machine's sandbox. Raises SandboxError where none works."""
    from golddiff.sandbox.bubblewrap import open_sandbox
    from golddiff.scoring.grading import Grader

    return Grader(open_sandbox())


def require_folder(option: str, target: Path | None) -> None:
    """Raise InputError where the folder of a file to write does not exist; called before anything slow is done."""
    if target is not None and not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist; make it first, or give another {option}.")


def in_a_line(reason: str) -> str:
    """Return the beginning of a reason, on one line."""
    return " ".join(reason.split())[:110]


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show how much is done; the function that it gives takes what is done, what there is, and a few words."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total, said: bars.update(task, completed=done, total=total, description=said)
