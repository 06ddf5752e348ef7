"""What containment costs: starts beside a plain subprocess, a warm pytest beside a cold one, one core beside all.

    python -m bench.sandbox [--rounds 25] [--write]

Everything is measured in rounds that take turns, so that other work on the machine falls on all sides alike; figures
are medians, ratios are of medians of the same run, with a 95 % bootstrap interval over rounds. `start` is from spawning
to the end of /bin/true. `cold` is `python -m pytest` on one file with one test, plug-ins off; `warm` is the same file
graded by `Grader` with its canaries in a sandbox whose interpreter has imported pytest, the server's start not counted
(it is printed). CPU is the processor time of the process and of all that it started; what the kernel's own threads do
to take namespaces down is not in it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from golddiff.sandbox.bubblewrap import Bubblewrap, open_sandbox
from golddiff.sandbox.contract import Batch, Job, Limits
from golddiff.scoring.grading import Grade, Grader
from golddiff.scoring.suite import Suite

_PR_SET_CHILD_SUBREAPER = 36
_BEGIN, _END = "<!-- bench/sandbox begin -->", "<!-- bench/sandbox end -->"
TEST = "from solution import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
SOLUTION = "def add(a, b):\n    return a + b\n"
SPIN = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nprint(1)\n"


def main() -> None:
    """Measure, print, and with `--write` put the tables into docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/benchmarks.md")
    arguments = parser.parse_args()
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise SystemExit("cannot become the reaper of what is started: CPU time would be missing")
    sandbox = open_sandbox(workers=1)
    heading = (
        f"{time.strftime('%Y-%m-%d')}, {sandbox.describe()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} hardware threads, {'root' if os.geteuid() == 0 else 'no root'}, "
        f"load {os.getloadavg()[0]:.0f} at the start, {arguments.rounds} rounds."
    )
    lines = [
        heading,
        "",
        *_starts(sandbox, arguments.rounds),
        "",
        *_warm(sandbox, arguments.rounds),
        "",
        *_pool(sandbox),
    ]
    text = "\n".join(lines)
    print(text)
    if arguments.write:
        page = Path(__file__).parents[1] / "docs/benchmarks.md"
        head, _, rest = page.read_text("utf-8").partition(_BEGIN)
        page.write_text(head + _BEGIN + "\n" + text + "\n" + _END + rest.partition(_END)[2], "utf-8")


def _starts(sandbox: Bubblewrap, rounds: int) -> Sequence[str]:
    environment = {"PATH": "/usr/bin:/bin"}
    python = [sandbox._interpreter.executable, "-I", "-S", "-c", "pass"]
    own = [sys._base_executable, "-I", "-S", "-c", "pass"]  # type: ignore[attr-defined]
    work: dict[str, Callable[[], object]] = {
        "plain subprocess": lambda: subprocess.run(["/bin/true"], env=environment, check=True),
        "sandbox": lambda: sandbox.run(["/bin/true"]),
        "plain Python": lambda: subprocess.run(own, env=environment, check=True),
        "sandboxed Python": lambda: sandbox.run(python),
    }
    wall: dict[str, list[float]] = {name: [] for name in work}
    cpu: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            started, used = time.monotonic(), _cpu()
            do()
            wall[name].append(time.monotonic() - started)
            _reap()
            cpu[name].append(_cpu() - used)
    lines = ["| start | ms | least ms | p95 ms | × plain | CPU ms | CPU, × plain |", "|---|---|---|---|---|---|---|"]
    for name, base in zip(work, ("plain subprocess",) * 2 + ("plain Python",) * 2, strict=True):
        least, median, p95 = (1000 * float(np.percentile(wall[name], share)) for share in (0, 50, 95))
        ratio, more = ("1", "1") if name == base else (_ratio(wall[name], wall[base]), _ratio(cpu[name], cpu[base]))
        used = 1000 * statistics.median(cpu[name])
        lines.append(f"| {name} | {median:.1f} | {least:.1f} | {p95:.1f} | {ratio} | {used:.1f} | {more} |")
    return lines


def _reap() -> None:
    """Wait for what a process that has ended left behind: bubblewrap does not wait for the sandbox's first process."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _cpu() -> float:
    """Processor seconds of this process and of everything that it has waited for."""
    used = os.times()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.user + used.system + usage.ru_utime + usage.ru_stime


def _warm(sandbox: Bubblewrap, rounds: int) -> Sequence[str]:
    with tempfile.TemporaryDirectory() as folder:
        tree, cold_tree = Path(folder) / "tree", Path(folder) / "cold"
        tree.mkdir()
        cold_tree.mkdir()
        (cold_tree / "solution.py").write_text(SOLUTION)
        (cold_tree / "test_solution.py").write_text(TEST)
        suite = Suite(
            tree=tree, expected=("test_solution.py::test_add",), protected={"test_solution.py": TEST.encode()}
        )
        grader = Grader(sandbox)
        (confirmed,) = grader.confirm([(suite, {"solution.py": SOLUTION})])
        assert isinstance(confirmed, Suite), confirmed
        environment = {"PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        cold = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cold_tree)]

        def run_cold() -> None:
            subprocess.run(cold, env=environment, check=True, stdout=subprocess.DEVNULL)

        wall: dict[str, list[float]] = {name: [] for name in ("cold", "start", "warm")}
        cpu: dict[str, list[float]] = {"cold": [], "warm": []}
        for _ in range(rounds):
            started, used = time.monotonic(), _cpu()
            run_cold()
            wall["cold"].append(time.monotonic() - started)
            cpu["cold"].append(_cpu() - used)
            started = time.monotonic()
            grades = grader.grade([(confirmed, {"solution.py": SOLUTION})] * 6)
            whole = time.monotonic() - started
            good = [grade for grade in grades if isinstance(grade, Grade) and grade.passed]
            assert len(good) == len(grades), grades
            wall["start"].append(whole - sum(grade.seconds for grade in good))
            wall["warm"].append(statistics.median(grade.seconds for grade in good))
            cpu["warm"].append(statistics.median(grade.cpu_sec for grade in good))
    rows = {
        "cold": "cold pytest, no sandbox",
        "warm": "graded warm, in the sandbox",
        "start": "start of the warm sandbox, once per trust domain",
    }
    return [
        "| one test file | ms | × cold | CPU ms | × cold |",
        "|---|---|---|---|---|",
        *(
            f"| {said} | {1000 * statistics.median(wall[name]):.0f} | {_ratio(wall[name], wall['cold'])} |"
            + (
                f" {1000 * statistics.median(cpu[name]):.0f} | {_ratio(cpu[name], cpu['cold'])} |"
                if name in cpu
                else " | |"
            )
            for name, said in rows.items()
        ),
    ]


def _pool(sandbox: Bubblewrap) -> Sequence[str]:
    """CPU-bound jobs of two trust domains on one worker and on all; a machine shared with others shows less."""
    jobs = [Job(SPIN, "")] * 12
    batches = [Batch(jobs=jobs, limits=Limits(wall_sec=60.0)), Batch(jobs=jobs[:4], limits=Limits(wall_sec=60.0))]
    times: dict[int, float] = {}
    for workers in (1, os.cpu_count() or 1):
        sandbox.workers = workers
        started = time.monotonic()
        sandbox.run_batches(batches)
        times[workers] = time.monotonic() - started
    lines = ["| workers | seconds for 16 jobs of 0.2 CPU seconds |", "|---|---|"]
    return lines + [f"| {workers} | {seconds:.2f} |" for workers, seconds in times.items()]


def _ratio(top: Sequence[float], bottom: Sequence[float]) -> str:
    random = np.random.default_rng(1)
    rows = random.integers(0, len(top), (2000, len(top)))
    ratios = np.median(np.asarray(top)[rows], axis=1) / np.median(np.asarray(bottom)[rows], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return f"{statistics.median(top) / statistics.median(bottom):.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
