"""Join the files of this folder into the one program that the sandbox runs, and make a row's `Check`.

How it fits: the sandbox has no golddiff; imports of golddiff are taken out of the sources, since all names meet in
one file. `make_check` runs the same code here on the text before the edit to learn what must come out.
"""

from __future__ import annotations

import inspect
import json
from functools import cache
from typing import Any

from golddiff.recipes.house_style.harness import annotations as types_of_annotations
from golddiff.recipes.house_style.harness import execution, judge, stubs, style
from golddiff.rights.redact import redact_text
from golddiff.types import Check, Clean

__all__ = ["check_of", "expected_of", "program_of"]


@cache
def joined_sources() -> str:
    """Return the harness as one Python text without imports of golddiff."""
    lines = ["from __future__ import annotations"]
    for module in (stubs, execution, style, types_of_annotations, judge):
        skipping = False
        for line in inspect.getsource(module).splitlines():
            if line.startswith("from golddiff."):
                skipping = line.endswith("(")
            elif skipping:
                skipping = not line.startswith(")")
            elif line != "from __future__ import annotations":
                lines.append(line)
    return "\n".join(lines)


def program_of(spec: dict[str, Any]) -> Clean:
    """Return the program that judges a candidate for `spec`."""
    return redact_text(f"{joined_sources()}\n\nmain({json.loads(json.dumps(spec))!r})\n")


def expected_of(before: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return what a right answer's judgement is: what the text before the edit does, in style."""
    return {**judge.judge(before, spec), "style": True}


def check_of(before: str, spec: dict[str, Any]) -> Check:
    """Return the executed check of one row."""
    expected = json.dumps(expected_of(before, spec), sort_keys=True)
    return Check(program=program_of(spec), expected=redact_text(expected), executes=True)
