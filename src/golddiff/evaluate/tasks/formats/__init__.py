"""The field's files of tasks and answers, read and written: one module per format.

How it fits: `golddiff tasks import` calls `read_tasks`, which makes `programs.ProgramTask` of whatever it is given;
`samples` reads answers, `inspect_log` writes runs. Rows of SWE-bench are `repository` and `predictions`.
What a file holds and golddiff cannot take is counted with its reason.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from golddiff.errors import InputError
from golddiff.evaluate.tasks.programs import ProgramTask
from golddiff.evaluate.tasks.repository import objects

__all__ = ["READERS", "Found", "detect", "read_tasks"]

READERS = {
    "humaneval": "golddiff.evaluate.tasks.formats.humaneval:read",
    "mbpp": "golddiff.evaluate.tasks.formats.mbpp:read",
    "evalplus": "golddiff.evaluate.tasks.formats.evalplus:read",
    "exercism": "golddiff.evaluate.tasks.formats.exercism:read",
    "quixbugs": "golddiff.evaluate.tasks.formats.quixbugs:read",
}
"""Format → what reads it."""


@dataclass
class Found:
    """What a file or folder held."""

    tasks: list[ProgramTask] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows or exercises that make no task, by reason."""


def read_tasks(path: Path, name: str | None = None) -> Found:
    """Read tasks of a format, or of the one that the file looks like.

    Raises:
        InputError: the file cannot be read, or looks like none of the formats.
        SandboxError: a format needs the reference solution run, and there is no sandbox.
    """
    module, _, function = READERS[name or detect(path)].partition(":")
    read: Callable[[Path], Found] = getattr(importlib.import_module(module), function)
    return read(path)


def detect(path: Path) -> str:
    """Return the format that a file or folder has the marks of. Raises InputError where it has none."""
    known = ", ".join(READERS)
    if path.is_dir():
        if (path / "json_testcases").is_dir() and (path / "python_programs").is_dir():
            return "quixbugs"
        if (path / ".meta").is_dir() or (path / "exercises").is_dir() or any(path.glob("*/.meta/config.json")):
            return "exercism"
        raise InputError(f"{path} is a folder of neither exercism nor QuixBugs. Say what it is: --format {known}")
    for _, row in objects(path):
        if "base_input" in row:
            return "evalplus"
        if "test_list" in row:
            return "mbpp"
        if {"task_id", "prompt", "test"} <= row.keys():
            return "humaneval"
        said = f"{path}: the first row has {', '.join(sorted(row))[:200]}."
        if "instance_id" in row:
            raise InputError(f"{said} SWE-bench's rows need no import: golddiff tasks grade --tasks {path} --accepted")
        raise InputError(f"{said} None of the formats {known} looks like that.")
    raise InputError(f"{path} holds no row.")
