"""The same evaluation here, in processes and on Ray workers: the same scores, and what that costs in time.

    python -m bench.evaluate_workers --humaneval HumanEval.jsonl.gz [--arms 2,4,8] [--jobs 4] [--write]

Tasks are HumanEval's whose asserts compare calls with literals; arms are recorded answers: references, references
without their last line, with one operator turned around, `return None`, again and again. `evaluate` runs all their
checks in sandboxes: in this process on one interpreter a core, in processes, on a Ray of this machine where the extra
`ray` is installed. Every score of every arm is compared with what it is here. Wall-clock time, so the load counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.evaluate import _answers, _write

from golddiff.evaluate import Arm, EvaluationConfig, Role, evaluate
from golddiff.evaluate.tasks.formats import read_tasks
from golddiff.parallel import Workers
from golddiff.rights.redact import redact_text
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.scoring.calls import asserted_calls
from golddiff.store import Store
from golddiff.types import Check, Example, Provenance, Score, derive_id

AT = datetime(2026, 1, 1, tzinfo=UTC)
Scores = dict[str, tuple[float | None, str | None, str | None]]
"""By score: success, failure, why it is unscored."""


def main() -> None:
    """Measure, print, and with `--write` put the table into docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--humaneval", type=Path, required=True, help="HumanEval's file, or tasks imported from it")
    parser.add_argument("--arms", default="2,4,8", help="how many arms, for each run")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--write", action="store_true", help="replace the table in docs/benchmarks.md")
    arguments = parser.parse_args()
    started, load = time.monotonic(), os.getloadavg()[0]
    tasks, answers = _material(arguments.humaneval)
    places: dict[str, Workers | None] = {
        "here": None,
        "2 processes": Workers(jobs=2),
        f"{arguments.jobs} processes": Workers(jobs=arguments.jobs),
    }
    if importlib.util.find_spec("ray"):
        places[f"{arguments.jobs} Ray workers"] = Workers(jobs=arguments.jobs, ray="local")
    lines = ["| candidates | where | seconds | pass | unscored | the same scores |", "|---|---|---|---|---|---|"]
    for count in map(int, arguments.arms.split(",")):
        arms = [
            Arm(name=f"arm-{number}", role=Role.STUDENT, identity=str(number), recorded=answers[number % len(answers)])
            for number in range(count)
        ]
        known: Scores = {}
        for place, workers in places.items():
            took, scores = _scored(tasks, arms, workers)
            known = known or scores
            same = sum(scores[name] == known[name] for name in known)
            passed = sum(success == 1.0 for success, _, _ in scores.values())
            unscored = sum(reason is not None for _, _, reason in scores.values())
            lines.append(f"| {len(scores)} | {place} | {took:.1f} | {passed} | {unscored} | {same} of {len(known)} |")
            print(lines[-1], flush=True)
    ray = "" if importlib.util.find_spec("ray") else " Ray is not installed: it has no row."
    head = (
        f"{time.strftime('%Y-%m-%d')}, {open_sandbox().describe()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} hardware threads, load {load:.0f} to {os.getloadavg()[0]:.0f}, "
        f"{time.monotonic() - started:.0f} s. {len(tasks)} tasks.{ray}"
    )
    text = "\n".join([head, "", *lines])
    print(text)
    if arguments.write:
        _write("workers", text)


def _material(path: Path) -> tuple[list[Example], list[dict[str, str]]]:
    """Return the tasks, and for each set of answers the window by task."""
    found = {}
    rows = read_tasks(path).tasks
    for row in rows:
        calls = asserted_calls(row.test, callee="candidate", entry=row.entry_point)
        if calls:
            found[row.task_id] = Example(
                id=derive_id("ex", row.task_id),
                kind="history",
                instruction=redact_text(row.prompt),
                path=f"{row.entry_point}.py",
                start_line=1,
                before=redact_text(row.prompt + "    pass\n"),
                after=redact_text(row.prompt + row.canonical_solution),
                at=AT,
                provenance=Provenance(written_by="human"),
                check=Check(program=redact_text(calls.program), expected=redact_text(calls.expected)),
            )
    prompts = {row.task_id: row.prompt for row in rows}
    sets = [
        {found[name].id: prompts[name] + answer for name, answer in answers.items() if name in found}
        for _, answers in _answers(rows)
    ]
    return list(found.values()), sets


def _scored(tasks: list[Example], arms: list[Arm], workers: Workers | None) -> tuple[float, Scores]:
    """Return the seconds of one evaluation, and its scores."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "workspace") as store:
        started = time.monotonic()
        config = EvaluationConfig(likelihood=False)
        run = evaluate(store, tasks, arms, dataset_id="bench", config=config, workers=workers)
        took = time.monotonic() - started
        scores = store.find(Score, run_id=run.id)
        return took, {one.id: (one.metrics.get("success"), one.failure, one.unscored) for one in scores}


if __name__ == "__main__":
    main()
