"""HumanEval: `task_id`, `prompt`, `entry_point`, `canonical_solution`, `test`; one JSON object per line, or gzip of it.

Hugging Face's copies of EvalPlus's HumanEval+ have this form, too. Source: Chen et al. (2021), arXiv 2107.03374.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.formats import Found
from golddiff.evaluate.tasks.programs import ProgramTask
from golddiff.evaluate.tasks.repository import objects

__all__ = ["read"]


def read(path: Path) -> Found:
    """Read tasks; fields that golddiff does not know are left alone. Raises InputError with the line that is none."""
    found = Found()
    for number, row in objects(path):
        try:
            task = msgspec.convert(row, ProgramTask)
        except msgspec.ValidationError as error:
            raise InputError(f"{path}:{number}: this is no row of HumanEval ({error}).") from error
        if task.test:
            found.tasks.append(task)
        else:
            found.dropped["no tests"] += 1
    return found
