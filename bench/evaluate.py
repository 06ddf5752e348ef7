"""Evaluation beside its peers: the same answers, the same verdicts, at what speed.

    python -m bench.evaluate --humaneval HumanEval.jsonl.gz [--quixbugs CHECKOUT] [--peers VENV]
        [--human-eval CHECKOUT] [--only speed|agreement|quixbugs|growth] [--tasks 40] [--rounds 3] [--write]

`speed`: the reference solutions of HumanEval, judged by a plain `python FILE` each without containment, by HumanEval's
own runner, by EvalPlus's own check (inputs taken from the same asserts), and by `Grader` in the sandbox with canaries.
SWE-bench's harness builds and runs containers: it does not run without Docker and is not among them. Rounds take
turns, figures are medians. CPU is of the process and of all that it waited for; wall-clock figures depend on the load.
What runs inside the sandbox reports its own CPU; the warm interpreter's start, once per worker, is measured outside by
the same imports and added.

`agreement`: HumanEval's runner and ours on four sets of answers to all 164 tasks: the reference, the reference without
its last line or with one operator turned around, and `return None`. `quixbugs`: correct versions and wrong ones.
`growth`: tasks and workers.

Peers live in an environment of their own: `pip install evalplus`, and a checkout of openai/human-eval, whose code is
run as it is, outside the sandbox, on the answers named above only.
"""

from __future__ import annotations

import argparse
import ast
import functools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from golddiff.evaluate.tasks.formats import read_tasks
from golddiff.evaluate.tasks.programs import ProgramTask, candidate, suite_of
from golddiff.evaluate.tasks.samples import accepted_samples, judge
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.scoring.grading import _PREPARE, Grade, Grader

_BEGIN, _END = "<!-- bench/evaluate {} begin -->", "<!-- bench/evaluate {} end -->"
WORKERS = os.cpu_count() or 1
_HUMAN_EVAL = """
import json, sys, tempfile, os
order = json.load(sys.stdin)
sys.path.insert(0, order["checkout"])
from human_eval.evaluation import evaluate_functional_correctness
folder = tempfile.mkdtemp()
problems, samples = os.path.join(folder, "problems.jsonl"), os.path.join(folder, "samples.jsonl")
with open(problems, "w") as file:
    file.writelines(json.dumps(row) + "\\n" for row in order["problems"])
with open(samples, "w") as file:
    file.writelines(json.dumps(row) + "\\n" for row in order["samples"])
sys.stdout, said = sys.stderr, sys.stdout
evaluate_functional_correctness(samples, [1], order["workers"], 10.0, problems)
rows = [json.loads(line) for line in open(samples + "_results.jsonl")]
json.dump({row["task_id"]: row["passed"] for row in rows}, said)
"""
_EVALPLUS = """
import json, sys
from concurrent.futures import ProcessPoolExecutor
order = json.load(sys.stdin)
sys.stdout, said = sys.stderr, sys.stdout
from evalplus.evaluate import check_correctness
from evalplus.gen.util import trusted_exec
def check(problem):
    code = problem["prompt"] + problem["canonical_solution"]
    expected, times = trusted_exec(code, problem["base_input"], problem["entry_point"], record_time=True)
    oracle = {"base": expected, "base_time": times}
    found = check_correctness("humaneval", 0, problem, code, oracle, base_only=True, fast_check=True)
    return problem["task_id"], found["base"][0] == "pass"
if __name__ == "__main__":
    with ProcessPoolExecutor(max_workers=order["workers"]) as pool:
        json.dump(dict(pool.map(check, order["problems"])), said)
"""


def main() -> None:
    """Measure what is asked for, print it, and with `--write` put it into docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--humaneval", type=Path, required=True, help="HumanEval's file, or tasks imported from it")
    parser.add_argument("--quixbugs", type=Path, help="checkout of jkoppel/QuixBugs, or tasks imported from it")
    parser.add_argument("--peers", type=Path, help="virtual environment with evalplus, numpy and tqdm")
    parser.add_argument("--human-eval", type=Path, help="checkout of openai/human-eval")
    parser.add_argument("--only", choices=("speed", "agreement", "quixbugs", "growth"))
    parser.add_argument("--tasks", type=int, default=40, help="tasks of `speed`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/benchmarks.md")
    arguments = parser.parse_args()
    parts: dict[str, Callable[[argparse.Namespace], list[str]]] = {
        "speed": _speed,
        "agreement": _agreement,
        "quixbugs": _quixbugs,
        "growth": _growth,
    }
    for name, part in parts.items():
        if arguments.only in (None, name):
            started, load = time.monotonic(), os.getloadavg()[0]
            lines = part(arguments)
            head = (
                f"{time.strftime('%Y-%m-%d')}, {open_sandbox().describe()}, Python {platform.python_version()}, "
                f"{WORKERS} hardware threads, load {load:.0f} to {os.getloadavg()[0]:.0f}, "
                f"{time.monotonic() - started:.0f} s."
            )
            text = "\n".join([head, "", *lines])
            print(text, flush=True)
            if arguments.write:
                _write(name, text)


def _write(name: str, text: str) -> None:
    page = Path(__file__).parents[1] / "docs/benchmarks.md"
    begin, end = _BEGIN.format(name), _END.format(name)
    head, found, rest = page.read_text("utf-8").partition(begin)
    if not found:
        raise SystemExit(f"docs/benchmarks.md has no place for this: add the lines {begin} and {end}.")
    page.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")


# --------------------------------------------------------------------------------------------------------- speed


def _speed(arguments: argparse.Namespace) -> list[str]:
    tasks = [task for task in read_tasks(arguments.humaneval).tasks if _inputs(task)][: arguments.tasks]
    work: dict[str, Callable[[], int]] = {"plain subprocess, nothing contained": lambda: _plain(tasks)}
    if arguments.peers and arguments.human_eval:
        work["HumanEval's runner"] = lambda: sum(_human_eval(arguments, tasks, _references(tasks)).values())
    if arguments.peers:
        work["EvalPlus's check, base inputs"] = lambda: sum(_evalplus(arguments, tasks).values())
    with tempfile.TemporaryDirectory() as folder:
        grader = Grader(open_sandbox(workers=WORKERS))
        pairs = [(suite_of(task, Path(folder)), candidate(task, task.canonical_solution)) for task in tasks]
        _start_cpu()  # measured before the rounds
        inside: list[float] = []
        ours = "golddiff, sandbox and canaries"
        work[ours] = lambda: _ours(grader, pairs, inside)
        wall: dict[str, list[float]] = {name: [] for name in work}
        cpu: dict[str, list[float]] = {name: [] for name in work}
        passed: dict[str, int] = {}
        for _ in range(arguments.rounds):
            for name, do in work.items():
                started, used = time.monotonic(), _cpu()
                passed[name] = do()
                wall[name].append(time.monotonic() - started)
                cpu[name].append(_cpu() - used + (inside.pop() if name == ours else 0.0))
    base = statistics.median(cpu["plain subprocess, nothing contained"])
    rows = [
        f"| {name} | {passed[name]} of {len(tasks)} | {len(tasks) / statistics.median(wall[name]):.1f} | "
        f"{1000 * statistics.median(cpu[name]) / len(tasks):.0f} | {statistics.median(cpu[name]) / base:.2f} "
        f"({min(cpu[name]) / base:.2f} to {max(cpu[name]) / base:.2f}) |"
        for name in work
    ]
    head = f"{len(tasks)} reference solutions of HumanEval, {WORKERS} workers, {arguments.rounds} rounds."
    return [head, "", "| judged by | passed | tasks/s | CPU ms a task | CPU, × plain |", "|---|---|---|---|---|", *rows]


def _cpu() -> float:
    """Processor seconds of this process and of everything that it has waited for."""
    used, children = os.times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.user + used.system + children.ru_utime + children.ru_stime


def _ours(grader: Grader, pairs: Sequence[tuple[Any, Any]], inside: list[float]) -> int:
    """Return how many pass, and append the CPU seconds spent inside the sandbox."""
    grades = [grade for grade in grader.grade(list(pairs)) if isinstance(grade, Grade)]
    inside.append(sum(grade.cpu_sec for grade in grades) + WORKERS * _start_cpu())
    return sum(grade.passed for grade in grades)


@functools.cache
def _start_cpu() -> float:
    """CPU seconds of what a warm interpreter imports before it has seen a candidate."""
    used = _cpu()
    subprocess.run([sys.executable, "-c", _PREPARE.format(plugins=())], check=True)
    return _cpu() - used


def _plain(tasks: Sequence[ProgramTask]) -> int:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:

        def one(numbered: tuple[int, ProgramTask]) -> bool:
            number, task = numbered
            path = Path(folder) / f"{number}.py"
            path.write_text(f"{task.prompt}{task.canonical_solution}\n{task.test}\ncheck({task.entry_point})\n")
            done = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, timeout=60, check=False)
            return done.returncode == 0

        return sum(pool.map(one, enumerate(tasks)))


# --------------------------------------------------------------------------------------------------------- peers


def _references(tasks: Sequence[ProgramTask]) -> dict[str, str]:
    return {task.task_id: task.canonical_solution for task in tasks}


def _human_eval(
    arguments: argparse.Namespace, tasks: Sequence[ProgramTask], answers: dict[str, str]
) -> dict[str, bool]:
    """Return the verdict of HumanEval's own runner on each answer."""
    problems = [
        {"task_id": task.task_id, "prompt": task.prompt, "test": task.test, "entry_point": task.entry_point}
        for task in tasks
    ]
    samples = [{"task_id": name, "completion": answer} for name, answer in answers.items()]
    checkout = str(arguments.human_eval.resolve())
    order = {"checkout": checkout, "problems": problems, "samples": samples, "workers": WORKERS}
    return _peer(arguments, _HUMAN_EVAL, order)


def _evalplus(arguments: argparse.Namespace, tasks: Sequence[ProgramTask]) -> dict[str, bool]:
    problems = [
        {
            "task_id": task.task_id,
            "prompt": task.prompt,
            "entry_point": task.entry_point,
            "canonical_solution": task.canonical_solution,
            "base_input": _inputs(task),
            "atol": 0,
        }
        for task in tasks
    ]
    return _peer(arguments, _EVALPLUS, {"problems": problems, "workers": WORKERS})


def _peer(arguments: argparse.Namespace, script: str, order: object) -> dict[str, bool]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peer.py"
        path.write_text(script)
        done = subprocess.run(
            [str(arguments.peers / "bin/python"), str(path)],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, bool] = json.loads(done.stdout)
    return found


def _inputs(task: ProgramTask) -> list[list[Any]]:
    """Return the arguments of every call of `candidate` in the asserts; none where one is not literal."""
    found = []
    for node in ast.walk(ast.parse(task.test)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "candidate":
            try:
                found.append([ast.literal_eval(argument) for argument in node.args])
                json.dumps(found[-1])
            except (ValueError, TypeError):
                return []
            if json.loads(json.dumps(found[-1])) != found[-1]:
                return []  # tuples would arrive as lists
    return found


# ----------------------------------------------------------------------------------------------------- agreement


def _agreement(arguments: argparse.Namespace) -> list[str]:
    if not (arguments.peers and arguments.human_eval):
        return ["not measured: give --peers and --human-eval."]
    tasks = read_tasks(arguments.humaneval).tasks
    lines = ["| answers | passed there | passed here | the same verdict | differ |", "|---|---|---|---|---|"]
    for name, answers in _answers(tasks):
        theirs = _human_eval(arguments, tasks, answers)
        grader = Grader(open_sandbox(workers=WORKERS))
        with tempfile.TemporaryDirectory() as folder:
            pairs = [(suite_of(task, Path(folder)), candidate(task, answers[task.task_id])) for task in tasks]
            grades = grader.grade(pairs)
        ours = {
            task.task_id: isinstance(grade, Grade) and grade.passed for task, grade in zip(tasks, grades, strict=True)
        }
        differ = [task_id for task_id in ours if ours[task_id] != theirs[task_id]]
        same = f"{len(ours) - len(differ)} of {len(ours)}"
        counts = f"{sum(theirs.values())} | {sum(ours.values())} | {same}"
        lines.append(f"| {name} | {counts} | {', '.join(differ) or '–'} |")
        print(lines[-1], flush=True)
    return lines


def _answers(tasks: Sequence[ProgramTask]) -> Iterator[tuple[str, dict[str, str]]]:
    yield "reference solutions", _references(tasks)
    short = {task.task_id: task.canonical_solution.rstrip().rpartition("\n")[0] + "\n" for task in tasks}
    yield "without their last line", short
    turned = {task.task_id: _turned(task.canonical_solution) for task in tasks}
    yield "with one operator turned around, where there is one", turned
    yield "`return None`", {task.task_id: "    return None\n" for task in tasks}


def _turned(solution: str) -> str:
    """Return a solution with the first of these operators replaced, or as it is where it has none of them."""
    pairs = ((" == ", " != "), (" < ", " > "), (" += ", " -= "), (" % ", " + "))
    return next((solution.replace(old, new, 1) for old, new in pairs if old in solution), solution)


def _quixbugs(arguments: argparse.Namespace) -> list[str]:
    if not arguments.quixbugs:
        return ["not measured: give --quixbugs."]
    found = read_tasks(arguments.quixbugs)
    grader = Grader(open_sandbox(workers=WORKERS))
    lines = ["| programs | passed | failed | unscored |", "|---|---|---|---|"]
    judged = judge(found.tasks, [*accepted_samples(found.tasks), *accepted_samples(found.tasks, wrong=True)], grader)
    for name, model, right in (("correct versions", "accepted", True), ("wrong ones", "wrong", False)):
        ends = [one.passed for one in judged if one.model == model]
        lines.append(f"| {name} | {ends.count(True)} | {ends.count(False)} | {ends.count(None)} |")
        odd = [one for one in judged if one.model == model and one.passed is not right]
        lines += [f"| {one.task_id} | {one.result} | {' '.join(one.detail.split())[:120]} | |" for one in odd]
    return [f"{len(found.tasks)} programs with tests; left out: {dict(found.dropped) or 'none'}.", "", *lines]


def _growth(arguments: argparse.Namespace) -> list[str]:
    tasks = read_tasks(arguments.humaneval).tasks
    _start_cpu()
    lines = ["| tasks | workers | seconds | CPU s | CPU ms a task |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(suite_of(task, Path(folder)), candidate(task, task.canonical_solution)) for task in tasks]
        for count, workers in [*((count, WORKERS) for count in (20, 40, 80, 160)), (80, 1)]:
            grader = Grader(open_sandbox(workers=workers))
            started, used = time.monotonic(), _cpu()
            inside: list[float] = []
            passed = _ours(grader, pairs[:count], inside)
            wall, cpu = time.monotonic() - started, _cpu() - used + inside[0]
            assert passed == min(count, len(pairs)), (passed, count)
            lines.append(f"| {count} | {workers} | {wall:.1f} | {cpu:.1f} | {1000 * cpu / count:.0f} |")
            print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    main()
