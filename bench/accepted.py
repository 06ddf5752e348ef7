"""Are the shared tasks real ones for our own runner, and how often does grading reject a change that was accepted?

    python -m bench.accepted --shared SHARED/data --repositories FOLDER [--packages SITE-PACKAGES] [--results FILE]

Tasks: HumanEval and MBPP with their reference solutions (`exec-tasks`, as `golddiff tasks import` reads them), and
commits of six Python repositories with their own tests (`git-history-tasks`), whose trees come from bare clones
`FOLDER/<owner>+<name>/repo`. Of each task:

1. *before*: the tree with the accepted change's tests and without the change. Every test that the task says the change
   made pass must not pass.
2. *after*: confirmed as any task is. The accepted change passes three runs out of three, canaries work. What is flaky
   is quarantined, what cannot be confirmed is listed with its reason.
3. *graded* three times more, each time with other canaries. A grade that is not `passed` is a false reject.

With `--results` every task is written down when it is done, and is not done again by a later call: the run may be cut
into pieces (`--only`, `--most`), and the table is of all that the file holds. Tests need the packages that the shared
README names; pytest below 8 runs the older ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from golddiff.evaluate.tasks.formats import read_tasks
from golddiff.evaluate.tasks.programs import ProgramTask, candidate, suite_of
from golddiff.git.repository import GitRepository
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.scoring.executed import Unscored
from golddiff.scoring.grading import Grade, Grader
from golddiff.scoring.suite import Suite

_BEGIN, _END = "<!-- bench/accepted begin -->", "<!-- bench/accepted end -->"
_PROGRAMS, _COMMITS = 60, 4
"""Tasks at once: programs share a warm interpreter, commits have one each."""


@dataclass(frozen=True)
class Task:
    """One task with its accepted change."""

    name: str
    suite: Suite
    accepted: dict[str, str | None]
    fixed: tuple[str, ...]
    """Ids that must not pass before the change."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one task came to."""

    source: str
    task: str
    harness: str
    passes_before: list[str]
    """Ids that pass without the change, and must not."""
    reason: str
    """Why it was not confirmed; empty where it was."""
    grades: list[str]
    rejections: list[str]
    seconds: list[float]


def main() -> None:
    """Confirm and grade every task, print, and with `--write` put the table into docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True, help="folder with exec-tasks and git-history-tasks")
    parser.add_argument("--repositories", type=Path, required=True, help="folder of bare clones, <owner>+<name>/repo")
    parser.add_argument("--packages", type=Path, action="append", default=[], help="site-packages with pytest")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", default="", help="names of sources that hold this text")
    parser.add_argument("--most", type=int, default=None, help="tasks of each source")
    parser.add_argument("--results", type=Path, help="JSONL file that is added to, and not repeated")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/benchmarks.md")
    arguments = parser.parse_args()
    grader = Grader(open_sandbox())
    done = [msgspec.convert(row, Found) for row in _rows(arguments.results)] if arguments.results else []
    known = {(found.source, found.task) for found in done}
    with tempfile.TemporaryDirectory() as folder:
        for source, tasks in _chunks(arguments, Path(folder), known):
            for found in _measure(grader, source, tasks, arguments.times):
                done.append(found)
                print(found.task, found.reason or "confirmed", *found.grades, flush=True)
                if arguments.results:
                    with arguments.results.open("ab") as target:
                        target.write(msgspec.json.encode(found) + b"\n")
    text = "\n".join(_report(done))
    print(text)
    if arguments.write:
        page = Path(__file__).parents[1] / "docs/benchmarks.md"
        head, _, rest = page.read_text("utf-8").partition(_BEGIN)
        page.write_text(head + _BEGIN + "\n" + text + "\n" + _END + rest.partition(_END)[2], "utf-8")


def _report(done: Sequence[Found]) -> list[str]:
    names = ("tasks", "fail before", "pass after", "flaky", "not confirmed", "grades", "false rejects", "ms a grade")
    lines = [f"Measured with {', '.join(dict.fromkeys(found.harness for found in done))}.", ""]
    lines += [f"| source | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for source in (*dict.fromkeys(found.source for found in done), "all"):
        rows = [found for found in done if source in (found.source, "all")]
        grades = [grade for found in rows for grade in found.grades]
        rejects = sum(grade != "passed" for grade in grades)
        seconds = [second for found in rows for second in found.seconds]
        cells: tuple[object, ...] = (
            len(rows),
            sum(not found.passes_before for found in rows),
            sum(not found.reason for found in rows),
            sum(found.reason.startswith("flaky") for found in rows),
            sum(bool(found.reason) and not found.reason.startswith("flaky") for found in rows),
            len(grades),
            f"{rejects} ({rejects / max(1, len(grades)):.2%})",
            round(1000 * statistics.median(seconds)) if seconds else "",
        )
        lines.append(f"| {source} | {' | '.join(map(str, cells))} |")
    notes = []
    for found in done:
        if found.passes_before:
            notes.append(f"- {found.task}: passes before the change: {', '.join(found.passes_before)[:300]}")
        if found.reason:
            notes.append(f"- {found.task}: {found.reason[:300]}")
        notes += [f"- false reject of {found.task}: {said[:300]}" for said in found.rejections]
    return [*lines, *([""] if notes else []), *notes]


def _measure(grader: Grader, source: str, tasks: Sequence[Task], times: int) -> list[Found]:
    confirmed = grader.confirm([(task.suite, task.accepted) for task in tasks])
    usable = {task.name: suite for task, suite in zip(tasks, confirmed, strict=True) if isinstance(suite, Suite)}
    work = [task for task in tasks if task.name in usable for _ in range(times)]
    grades = grader.grade([(usable[task.name], task.accepted) for task in work])
    unchanged = grader.all_outcomes([(task.suite, {}) for task in tasks])
    found = []
    for task, suite, before in zip(tasks, confirmed, unchanged, strict=True):
        ended = [grade for one, grade in zip(work, grades, strict=True) if one is task]
        found.append(
            Found(
                source=source,
                task=task.name,
                harness=grader.describe(),
                passes_before=[]
                if isinstance(before, Unscored)
                else [test for test in task.fixed if before.get(test) == "passed"],
                reason="" if isinstance(suite, Suite) else _line(suite.reason),
                grades=[grade.kind if isinstance(grade, Grade) else "unscored" for grade in ended],
                rejections=[
                    _line(f"{grade.kind}: {grade.detail}" if isinstance(grade, Grade) else grade.reason)
                    for grade in ended
                    if not isinstance(grade, Grade) or not grade.passed
                ],
                seconds=[grade.seconds for grade in ended if isinstance(grade, Grade)],
            )
        )
    return found


def _line(text: str) -> str:
    return " ".join(text.split())


# --------------------------------------------------------------------------------------------------------------
# tasks


def _chunks(
    arguments: argparse.Namespace, folder: Path, known: set[tuple[str, str]]
) -> Iterator[tuple[str, list[Task]]]:
    """Yield tasks to measure together with their source; trees of commits are laid out when their turn comes."""
    packages = tuple(arguments.packages)
    empty = folder / "empty"
    empty.mkdir()
    for source, name in (("HumanEval", "humaneval.jsonl"), ("MBPP", "mbpp_train_val_prompt.jsonl")):
        if arguments.only not in source:
            continue
        read = read_tasks(arguments.shared / "exec-tasks" / name)
        for reason, count in read.dropped.items():
            print(f"{source}: {count} left out: {reason}", flush=True)
        programs = [task for task in read.tasks[: arguments.most] if (source, task.task_id) not in known]
        for start in range(0, len(programs), _PROGRAMS):
            yield source, [_program(task, empty, packages) for task in programs[start : start + _PROGRAMS]]
    for path in sorted((arguments.shared / "git-history-tasks").glob("*.jsonl")):
        clone, source = arguments.repositories / path.stem / "repo", path.stem.replace("+", "/")
        if arguments.only not in source:
            continue
        if clone.exists():
            with GitRepository.open(clone) as git:
                rows = list(_rows(path))[: arguments.most]
                rows = [row for row in rows if (source, row["task_id"]) not in known]
                for start in range(0, len(rows), _COMMITS):
                    yield source, [_commit(row, git, folder, packages) for row in rows[start : start + _COMMITS]]
        else:
            print(f"{path.stem}: no clone at {clone}, left out", flush=True)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        yield json.loads(line)


def _program(task: ProgramTask, empty: Path, packages: tuple[Path, ...]) -> Task:
    suite = suite_of(task, empty, packages)
    return Task(task.task_id, suite, dict(candidate(task, task.canonical_solution)), suite.expected)


def _commit(row: dict[str, Any], git: GitRepository, folder: Path, packages: tuple[Path, ...]) -> Task:
    """A commit: its parent's files as the tree, its tests as protected files, its other files as the change."""
    tree = folder / row["task_id"]
    for path, sha in git.tree(row["parent"]).items():
        data = git.blob(sha)
        if data is not None:
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
    after = git.tree(row["commit"])

    def at_commit(path: str) -> bytes | None:
        return git.blob(after[path]) if path in after else None

    protected = {file["path"]: at_commit(file["path"]) for file in row["test_files"]}
    changed = {file["path"]: at_commit(file["path"]) for file in row["source_files"]}
    accepted = {
        path: None if data is None else data.decode("utf-8", "surrogateescape") for path, data in changed.items()
    }
    files = [file["path"] for file in row["test_files"]]
    wanted = {_node_id(name, files) for name in (*row["fail_to_pass"], *row["pass_to_pass"])}
    suite = Suite(
        tree=tree,
        expected=tuple(sorted(wanted)),
        protected=protected,
        allowed=frozenset(changed),
        packages=packages,
    )
    fixed = tuple(sorted({_node_id(name, files) for name in row["fail_to_pass"]}))
    return Task(row["task_id"], suite, accepted, fixed)


def _node_id(name: str, files: list[str]) -> str:
    """Return pytest's id of a test that is named as in JUnit XML."""
    owner, _, test = name.partition("::")
    for file in files:
        module = file.removesuffix(".py").replace("/", ".")
        if owner == module or owner.startswith(f"{module}."):
            return "::".join([file, *owner[len(module) + 1 :].split("."), test] if owner != module else [file, test])
    return f"{owner}::{test}"


if __name__ == "__main__":
    main()
