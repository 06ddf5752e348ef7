"""How often do an evaluation's intervals hold the truth, by number of independent clusters?

    python -m bench.coverage [--repetitions 1000] [--write]

Simulated evaluations: clusters (files or repositories) of 1 to 12 tasks, geometrically distributed, 4 on average; how
easy a cluster is, is normal on the log odds (standard deviation 0.8) and shared by all arms. Base 15 %, student 42 %,
teacher 60 % of an average cluster's tasks. A training's own log odds vary by 0.2. The truth is by quadrature.

Printed per number of clusters: the share of simulated reports whose nominal 95 % interval holds the truth, by the plain
percentile bootstrap and as golddiff gives it, and how often capability recovered is refused; shares are of the others.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from golddiff.statistics import intervals, recovered
from golddiff.statistics.intervals import Interval, percentile_interval, resampled_ratios
from golddiff.statistics.paired import success_difference
from golddiff.statistics.per_success import cost_per_success
from golddiff.statistics.recovered import Recovered, capability_recovered
from golddiff.statistics.seeds import seed_noise

_BEGIN, _END = "<!-- bench/coverage begin -->", "<!-- bench/coverage end -->"
BASE, STUDENT, TEACHER = (float(np.log(share / (1 - share))) for share in (0.15, 0.42, 0.60))
CLUSTER_SPREAD, SEED_SPREAD, MEAN_COST = 0.8, 0.2, 2.0
CLUSTERS = (5, 10, 15, 20, 40, 80)
RESAMPLES = 1_000
Paths: TypeAlias = tuple[tuple[str, ...], ...]
resample = recovered.resample = lru_cache(maxsize=4)(intervals.resample)  # type: ignore[attr-defined]


def _mean(log_odds: float, spread: float = CLUSTER_SPREAD) -> float:
    """Success over all clusters (and trainings)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((weights / (1 + np.exp(-(log_odds + spread * nodes)))).sum() / weights.sum())


TRUTH_BASE, TRUTH_STUDENT, TRUTH_TEACHER = (_mean(odds) for odds in (BASE, STUDENT, TEACHER))
OVER_SEEDS = _mean(STUDENT, float(np.hypot(CLUSTER_SPREAD, SEED_SPREAD)))
GAP = TRUTH_TEACHER - TRUTH_BASE


def draw(random: np.random.Generator, count: int, trainings: int = 0) -> tuple[NDArray[np.float64], Paths]:
    """Return 0 or 1 per arm (base, teacher, then students) and task, and each task's cluster."""
    sizes = np.minimum(random.geometric(0.25, count), 12)
    ease = np.repeat(random.normal(0, CLUSTER_SPREAD, count), sizes)
    own = random.normal(0, SEED_SPREAD, trainings) if trainings else np.zeros(1)
    odds = np.array([BASE, TEACHER, *(STUDENT + own)])[:, None] + ease
    done = (random.uniform(size=odds.shape) < 1 / (1 + np.exp(-odds))).astype(float)
    return done, tuple((str(name),) for name in np.repeat(np.arange(count), sizes))


def figures(random: np.random.Generator, count: int, seed: int) -> Iterator[tuple[str, float, Interval | None]]:
    """Give every figure of one simulated report: its name, the truth, the interval or None where it is refused."""
    (base, teacher, student), paths = draw(random, count)
    counts = resample(paths, resamples=RESAMPLES, seed=seed)
    ones = np.ones(len(paths))
    yield (
        "success",
        TRUTH_STUDENT,
        percentile_interval(float(student.mean()), resampled_ratios(student, ones, counts), clusters=count),
    )
    yield (
        "difference",
        TRUTH_STUDENT - TRUTH_BASE,
        success_difference(list(student), list(base), list(ones), counts, clusters=count),
    )
    costs = random.exponential(MEAN_COST, len(paths))
    yield "cost per success", MEAN_COST / TRUTH_STUDENT, cost_per_success(costs, student, counts, clusters=count)
    found = capability_recovered(list(student), list(base), list(teacher), paths, resamples=RESAMPLES, seed=seed)
    yield "CR", (TRUTH_STUDENT - TRUTH_BASE) / GAP, found.ratio if isinstance(found, Recovered) else None
    for trainings in (3, 5):
        (base, teacher, *students), paths = draw(random, count, trainings)
        each = [float(one.mean()) for one in students]
        mean = np.mean(students, axis=0)
        counts = resample(paths, resamples=RESAMPLES, seed=seed)
        noise = seed_noise(each, RESAMPLES, seed=seed)
        draws = resampled_ratios(mean, np.ones(len(paths)), counts) + noise
        yield (
            f"success, {trainings} trainings",
            OVER_SEEDS,
            percentile_interval(float(mean.mean()), draws, clusters=count),
        )
        found = capability_recovered(
            list(mean), list(base), list(teacher), paths, resamples=RESAMPLES, seed=seed, seeds=each
        )
        ratio = found.ratio if isinstance(found, Recovered) else None
        yield f"CR, {trainings} trainings", (OVER_SEEDS - TRUTH_BASE) / GAP, ratio


@contextmanager
def _plain() -> Iterator[None]:
    """Intervals whose tails are not taken further out for few clusters."""
    kept = intervals.expanded
    intervals.expanded = lambda level, clusters: level
    try:
        yield
    finally:
        intervals.expanded = kept


def measure(count: int, repetitions: int) -> dict[str, list[tuple[bool, bool] | None]]:
    """Return for each figure whether the plain and the given interval hold the truth; None where it is refused."""
    held: dict[str, list[tuple[bool, bool] | None]] = {}
    for repetition in range(repetitions):
        with _plain():
            plain = list(figures(np.random.default_rng([count, repetition]), count, repetition))
        given = figures(np.random.default_rng([count, repetition]), count, repetition)
        for (name, truth, short), (_, _, long) in zip(plain, given, strict=True):
            both = (short.low <= truth <= short.high, long.low <= truth <= long.high) if short and long else None
            held.setdefault(name, []).append(both)
    return held


def main() -> None:
    """Simulate, print, and with `--write` put the table into docs/evaluation.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=1_000)
    parser.add_argument("--write", action="store_true", help="replace the table in docs/evaluation.md")
    arguments = parser.parse_args()
    columns = {count: measure(count, arguments.repetitions) for count in CLUSTERS}
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {arguments.repetitions} simulated reports each, {RESAMPLES} draws, load "
        f"{os.getloadavg()[0]:.0f}.",
        "",
        "| coverage in %, plain → given | " + " | ".join(f"{count} clusters" for count in CLUSTERS) + " |",
        "|---" * (1 + len(CLUSTERS)) + "|",
    ]
    for name in columns[CLUSTERS[0]]:
        cells = []
        for count in CLUSTERS:
            found = columns[count][name]
            there = [one for one in found if one is not None]
            short, long = (100 * np.mean([one[side] for one in there]) if there else float("nan") for side in (0, 1))
            refused = f" ({100 * (1 - len(there) / len(found)):.0f} % refused)" if len(there) < len(found) else ""
            cells.append(f"{short:.1f} → {long:.1f}{refused}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    text = "\n".join(lines)
    print(text)
    if arguments.write:
        page = Path(__file__).parents[1] / "docs/evaluation.md"
        head, _, rest = page.read_text("utf-8").partition(_BEGIN)
        page.write_text(head + _BEGIN + "\n" + text + "\n" + _END + rest.partition(_END)[2], "utf-8")


if __name__ == "__main__":
    main()
