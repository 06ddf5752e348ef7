"""How often does grading reject a change that was accepted? On real tasks, each graded several times. One command:

    python -m bench.accepted --shared SHARED/data --repositories FOLDER [--packages SITE-PACKAGES] [--write]

Tasks: HumanEval and MBPP with their reference solutions (`exec-tasks`), and commits of six Python repositories with
their own tests (`git-history-tasks`), whose trees come from bare clones `FOLDER/<owner>+<name>/repo`. A task is first
confirmed as any task is: its accepted change passes three runs out of three, the tree before does not. What is flaky is
quarantined, what cannot be confirmed is listed with the reason. Then every accepted change is graded three times more,
each time with other canaries; a grade that is not `passed` is a false reject. Tests need the packages that the shared
README names; pytest below 8 runs the older ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from golddiff.git.repository import GitRepository
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.scoring.executed import Unscored
from golddiff.scoring.grading import Grade, Grader
from golddiff.scoring.suite import Suite

_BEGIN, _END = "<!-- bench/accepted begin -->", "<!-- bench/accepted end -->"
Task = tuple[str, Suite, dict[str, str | None]]


def main() -> None:
    """Confirm and grade every task, print, and with `--write` put the table into docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True, help="folder with exec-tasks and git-history-tasks")
    parser.add_argument("--repositories", type=Path, required=True, help="folder of bare clones, <owner>+<name>/repo")
    parser.add_argument("--packages", type=Path, action="append", default=[], help="site-packages with pytest")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", default="", help="names of sources that hold this text")
    parser.add_argument("--most", type=int, default=None, help="tasks of each source")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/benchmarks.md")
    arguments = parser.parse_args()
    grader = Grader(open_sandbox())
    rows = ["| source | tasks | confirmed | flaky | not confirmed | grades | false rejects | seconds a grade |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    total: Counter[str] = Counter()
    reasons: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for source, tasks in _sources(arguments, Path(folder)):
            if arguments.only in source:
                counted = _measure(grader, source, tasks[: arguments.most], arguments.times, reasons)
                total.update(counted)
                rows.append(_row(source, counted))
                print(rows[-1], flush=True)
    rows.append(_row("all", total))
    text = "\n".join([f"Measured with {grader.describe()}.", "", *rows, "", *reasons])
    print(text)
    if arguments.write:
        page = Path(__file__).parents[1] / "docs/benchmarks.md"
        head, _, rest = page.read_text("utf-8").partition(_BEGIN)
        page.write_text(head + _BEGIN + "\n" + text + "\n" + _END + rest.partition(_END)[2], "utf-8")


def _row(source: str, counted: Counter[str]) -> str:
    rejects = f"{counted['rejects']} ({counted['rejects'] / max(1, counted['grades']):.2%})"
    seconds = f"{counted['milliseconds'] / 1000 / max(1, counted['grades']):.2f}"
    names = ("tasks", "confirmed", "flaky", "unusable", "grades")
    return f"| {source} | {' | '.join(str(counted[name]) for name in names)} | {rejects} | {seconds} |"


def _measure(grader: Grader, source: str, tasks: list[Task], times: int, reasons: list[str]) -> Counter[str]:
    counted: Counter[str] = Counter(tasks=len(tasks))
    started = time.monotonic()
    confirmed = grader.confirm([(suite, accepted) for _, suite, accepted in tasks])
    usable = []
    for (name, _, accepted), found in zip(tasks, confirmed, strict=True):
        if isinstance(found, Unscored):
            flaky = found.reason.startswith("flaky")
            counted["flaky" if flaky else "unusable"] += 1
            reasons.append(f"- {name}: {' '.join(found.reason.split())[:300]}")
            print(reasons[-1], flush=True)
        else:
            usable.append((name, found, accepted))
            counted["mutants"] += len(found.mutants)
    counted["confirmed"] = len(usable)
    print(f"{source}: confirmed {len(usable)} of {len(tasks)} in {time.monotonic() - started:.0f} s", flush=True)
    for grade, (name, _, _) in zip(
        grader.grade([(suite, accepted) for _, suite, accepted in usable for _ in range(times)]),
        [task for task in usable for _ in range(times)],
        strict=True,
    ):
        counted["grades"] += 1
        if isinstance(grade, Grade):
            counted["milliseconds"] += round(1000 * grade.seconds)
        if not isinstance(grade, Grade) or not grade.passed:
            counted["rejects"] += 1
            said = f"{grade.kind}: {grade.detail}" if isinstance(grade, Grade) else grade.reason
            reasons.append(f"- false reject of {name}: {' '.join(said.split())[:300]}")
            print(reasons[-1], flush=True)
    return counted


# --------------------------------------------------------------------------------------------------------------
# tasks


def _sources(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[str, list[Task]]]:
    packages = tuple(arguments.packages)
    empty = folder / "empty"
    empty.mkdir()
    for source, name in (("HumanEval", "humaneval.jsonl"), ("MBPP", "mbpp_train_val_prompt.jsonl")):
        yield source, [_small(row, empty, packages) for row in _rows(arguments.shared / "exec-tasks" / name)]
    for path in sorted((arguments.shared / "git-history-tasks").glob("*.jsonl")):
        clone, source = arguments.repositories / path.stem / "repo", path.stem.replace("+", "/")
        if arguments.only not in source:
            continue
        if clone.exists():
            with GitRepository.open(clone) as git:
                rows = list(_rows(path))[: arguments.most]
                yield source, [_commit(row, git, folder, packages) for row in rows]
        else:
            print(f"{path.stem}: no clone at {clone}, left out", flush=True)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text("utf-8").splitlines():
        yield json.loads(line)


def _small(row: dict[str, Any], tree: Path, packages: tuple[Path, ...]) -> Task:
    """A function and its asserts, as a module and a test file."""
    if "entry_point" in row:
        solution = row["prompt"] + row["canonical_solution"]
        body = "\n".join("    " + line for line in row["test"].splitlines())
        entry = row["entry_point"]
        test = (
            f"from solution import *\nfrom solution import {entry}\n\n\ndef test_all():\n{body}\n    check({entry})\n"
        )
    else:
        solution = row["code"]
        setup = "\n".join("    " + line for line in row.get("test_setup_code", "").splitlines())
        body = "\n".join("    " + line for line in row["test_list"])
        test = f"import solution\n\n\ndef test_all():\n    globals().update(vars(solution))\n{setup}\n{body}\n"
    suite = Suite(
        tree=tree,
        expected=("test_task.py::test_all",),
        protected={"test_task.py": test.encode()},
        packages=packages,
    )
    return str(row["task_id"]), suite, {"solution.py": solution.replace("\r", "")}


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
    return row["task_id"], suite, accepted


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
