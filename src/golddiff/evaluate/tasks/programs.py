"""A task that asks for a program: the prompt, the tests that decide, and the accepted solution.

How it fits: `formats` reads such tasks from HumanEval, MBPP, EvalPlus, exercism and QuixBugs; `samples` judges answers
to them. A task is kept as a row of HumanEval (Chen et al. 2021, arXiv 2107.03374), so that any harness that reads that
form reads ours; what HumanEval has no name for are further fields, which such harnesses do not look at.

The tests run as a test file beside the solution's module, in the sandbox, with canaries (`scoring.grading`). All tasks
of one file share one trust domain: an empty tree, into which each run writes its own files.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.repository import objects
from golddiff.sandbox.contract import MIB, Limits
from golddiff.scoring.executed import Unscored
from golddiff.scoring.grading import Grader
from golddiff.scoring.suite import Mutant, Suite

__all__ = ["ProgramTask", "candidate", "confirm", "read_programs", "suite_of", "write_programs"]

TEST_FILE = "test_task.py"
LIMITS = Limits(
    wall_sec=60.0,  # processor time is the limit that a busy machine does not shorten
    cpu_sec=20,
    memory_bytes=1024 * MIB,
    processes=16,
    file_bytes=8 * MIB,
    disk_bytes=64 * MIB,
    output_bytes=4 * MIB,
)


class ProgramTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row. The first five fields are HumanEval's."""

    task_id: str
    prompt: str
    """What is asked: code to continue, or words where `whole`."""
    entry_point: str = ""
    """Function that is called by `test`; empty where `test` is a test file of its own."""
    canonical_solution: str = ""
    """What was accepted: it continues the prompt, or stands alone where `whole`."""
    test: str = ""
    """Source that defines `check(candidate)`; a whole test file where `entry_point` is empty."""
    whole: bool = False
    """An answer is a whole module, not the rest of the prompt."""
    module: str = "solution"
    """Module that `test` imports the solution from."""
    test_file: str = TEST_FILE
    files: dict[str, str] = {}
    """Further files that the tests need, by path."""
    expected: tuple[str, ...] = ()
    """Test ids that must pass; empty: the one of HumanEval's form."""
    wrong: str = ""
    """A program that is known to be wrong, where the source gives one (QuixBugs, the stub of an exercise)."""
    mutants: tuple[Mutant, ...] = ()
    """Assertions that were seen to fail when turned around; none: the task is not confirmed here."""
    confirmed: bool = False
    """The accepted solution passed three times, and no solution at all did not."""


def candidate(task: ProgramTask, answer: str, *, whole: bool | None = None) -> dict[str, str | None]:
    """Return an answer as the files that the grader takes. `whole` overrides how the task takes answers."""
    alone = task.whole if whole is None else whole
    text = answer if alone else task.prompt + answer
    return {f"{task.module}.py": text.replace("\r\n", "\n")}


def suite_of(task: ProgramTask, empty: Path, packages: tuple[Path, ...] = ()) -> Suite:
    """Return what the grader needs; `empty` is an empty folder, the same one for all tasks that belong together."""
    test = task.test
    if task.entry_point:
        test = _test_file(task)
    return Suite(
        tree=empty,
        expected=task.expected or (f"{task.test_file}::test_all",),
        protected={path: text.encode() for path, text in {**task.files, task.test_file: test}.items()},
        packages=packages,
        limits=LIMITS,
        mutants=task.mutants,
    )


def _test_file(task: ProgramTask) -> str:
    """Return a test file that does what HumanEval's own runner does: the tests see every name of the solution.

    The body of `check` becomes a test's, so that its asserts can be turned around; where `check` is no plain function
    of `candidate`, it is called.
    """
    names = "{name: value for name, value in vars(_solution).items() if not name.startswith('__')}"
    head, source = f"import {task.module} as _solution\n", task.test.replace("\r\n", "\n")
    steps = [f"globals().update({names})", f"candidate = {task.entry_point}"]
    try:
        check = ast.parse(source).body[-1]
    except (SyntaxError, ValueError, IndexError):
        check = None
    if isinstance(check, ast.FunctionDef) and check.name == "check" and ast.unparse(check.args) == "candidate":
        lines, first = source.splitlines(), check.body[0]
        if first.lineno > check.lineno:  # the body begins on a line of its own
            indent = " " * first.col_offset
            body = lines[first.lineno - 1 : check.end_lineno]
            return "\n".join(
                [head, *lines[: check.lineno - 1], "", "def test_all():", *(indent + step for step in steps), *body, ""]
            )
    return f"{head}\n{source}\n\n\ndef test_all():\n    {steps[0]}\n    check({task.entry_point})\n"


def confirm(
    tasks: Sequence[ProgramTask], grader: Grader, empty: Path, packages: tuple[Path, ...] = ()
) -> list[ProgramTask | Unscored]:
    """Return each task as confirmed by its accepted solution, or why its tests decide nothing, in order.

    Tests that a whole test file holds are found by running it: those that the accepted solution passes must pass.
    """
    found = _with_tests(tasks, grader, empty, packages)
    ready = [(index, task) for index, task in enumerate(found) if isinstance(task, ProgramTask)]
    work = [(suite_of(task, empty, packages), candidate(task, task.canonical_solution)) for _, task in ready]
    for (index, task), suite in zip(ready, grader.confirm(work), strict=True):
        if isinstance(suite, Unscored):
            found[index] = suite
        else:
            found[index] = msgspec.structs.replace(task, mutants=suite.mutants, confirmed=True)
    return found


def _with_tests(
    tasks: Sequence[ProgramTask], grader: Grader, empty: Path, packages: tuple[Path, ...]
) -> list[ProgramTask | Unscored]:
    """Return tasks with the tests that decide them; of a whole test file, those that the accepted solution passes."""
    found: list[ProgramTask | Unscored] = [
        task if task.canonical_solution.strip() else Unscored("there is no accepted solution to confirm it with")
        for task in tasks
    ]
    unknown = [index for index, task in enumerate(found) if isinstance(task, ProgramTask) and not _names_tests(task)]
    wanted = [msgspec.structs.replace(tasks[index], expected=(f"{tasks[index].test_file}::",)) for index in unknown]
    work = [(suite_of(task, empty, packages), candidate(task, task.canonical_solution)) for task in wanted]
    for index, ends in zip(unknown, grader.all_outcomes(work), strict=True):
        if isinstance(ends, Unscored):
            found[index] = ends
            continue
        passed = tuple(name for name, end in ends.items() if end == "passed")
        failed = next((name for name, end in ends.items() if end == "failed"), None if passed else "no test ran")
        found[index] = (
            Unscored(f"the accepted solution does not pass: {failed}")
            if failed
            else msgspec.structs.replace(tasks[index], expected=passed)
        )
    return found


def _names_tests(task: ProgramTask) -> bool:
    return bool(task.expected or task.entry_point)


def read_programs(path: Path) -> list[ProgramTask]:
    """Read rows as `write_programs` writes them, or as HumanEval's own file has them.

    Raises InputError with the line that cannot be read.
    """
    tasks = []
    for number, row in objects(path):
        try:
            tasks.append(msgspec.convert(row, ProgramTask))
        except msgspec.ValidationError as error:
            said = f"{path}:{number}: this is no program task ({error})."
            raise InputError(f"{said} Make some: golddiff tasks import {path} --output tasks.jsonl") from error
    if not tasks:
        raise InputError(f"{path} holds no task.")
    twice = next((name for name, count in Counter(task.task_id for task in tasks).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"{path} holds {twice!r} more than once, so answers to it could not be told apart.")
    return tasks


def write_programs(path: Path, tasks: Iterable[ProgramTask]) -> None:
    """Write the rows, replacing the file. Raises InputError where it cannot be written."""
    try:
        path.write_bytes(b"".join(msgspec.json.encode(task) + b"\n" for task in tasks))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error}). Give another --output.") from error
