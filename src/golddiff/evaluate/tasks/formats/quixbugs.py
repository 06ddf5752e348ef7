"""QuixBugs: 40 small programs with one wrong line each, their correct versions, and tests that tell the two apart.

A task asks for the correct version of the wrong program (`ProgramTask.wrong`). Its tests are the original ones, but
for the place that they import the program from, and with slow cases skipped as the original skips them.

Source: Lin et al. (2017), SPLASH Companion; the repository jkoppel/QuixBugs.
"""

from __future__ import annotations

import re
from pathlib import Path

from golddiff.errors import InputError
from golddiff.evaluate.tasks.formats import Found
from golddiff.evaluate.tasks.programs import ProgramTask

__all__ = ["read"]

_IMPORT = re.compile(
    r"^if pytest\.use_correct:\n +from correct_python_programs\.(\w+) import .*\nelse:\n"
    r" +(from) python_programs\.\w+ (import .*)$",
    re.MULTILINE,
)
_PROMPT = "Fix the one wrong line of this program and give the whole program:\n\n```python\n{program}\n```\n"


def read(path: Path) -> Found:
    """Read the programs that have tests, from a checkout. Raises InputError where a file cannot be read."""
    found = Found()
    tests = path / "python_testcases"
    try:
        shared = {f"src/{name}": (tests / name).read_text("utf-8") for name in ("load_testdata.py", "node.py")}
        for program in sorted((path / "python_programs").glob("*.py")):
            name = program.stem
            if name.endswith("_test") or name == "node":
                continue
            test, cases = tests / f"test_{name}.py", path / f"json_testcases/{name}.json"
            if not test.is_file():
                found.dropped["no tests in Python"] += 1
                continue
            text, replaced = _IMPORT.subn(r"from \1 \3", test.read_text("utf-8"))
            if replaced != 1:
                found.dropped["tests of an unknown form"] += 1
                continue
            wrong = program.read_text("utf-8")
            # Cases are looked for one folder above the module that loads them; `src` is imported from.
            data = {f"json_testcases/{name}.json": cases.read_text("utf-8")} if cases.is_file() else {}
            found.tasks.append(
                ProgramTask(
                    task_id=f"QuixBugs/{name}",
                    prompt=_PROMPT.format(program=wrong.strip()),
                    canonical_solution=(path / "correct_python_programs" / program.name).read_text("utf-8"),
                    test=text.replace("pytest.run_slow", "False"),
                    whole=True,
                    module=name,
                    test_file=f"test_{name}.py",
                    files={**shared, **data},
                    wrong=wrong,
                )
            )
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read QuixBugs from {path} ({error}). Give the folder of its checkout.") from error
    return found
