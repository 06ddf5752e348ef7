"""Capability recovered: how far the student came from the untrained base towards the teacher.

    CR = (theta_student - theta_base) / (theta_teacher - theta_base)

How it fits: the headline of every evaluation. The base is the best *untrained* arm, so that context is not
credited to training. CR is not clipped: below 0 the training did harm, above 1 the student beats the teacher. The
three thetas always stand beside it.

A ratio over a small gap says nothing. CR is refused where the lower end of the 95 % interval of
theta_teacher - theta_base lies below 5 points; the deltas are given instead. (The two-sided interval is used,
which refuses a little more often than a one-sided bound would.) It is refused as well below 10 clusters, where that
interval itself is not to be trusted (bench/coverage.py).

Method: percentile interval of a paired cluster bootstrap, all three arms on the same draws; Fieller's interval,
with the covariance of those draws, as a check. Where all draws agree (the student is the base, or the teacher, on every
task) that is no certainty: the interval is then as wide as Wilson's for none of the clusters. The form is that of
"performance gap recovered" (Burns et al. 2023, arXiv 2312.09390), unclipped. Fieller, E. C. (1954), J. R. Statist.
Soc. B 16:175-185.

Of stages, such as writing the right change once the right place is found, each arm has tasks of its own (`known`): its
theta is then a share of those. Which tasks these are is itself a result of the arm, so such a ratio describes a stage
and is no experiment.

Training seeds are an outer level where there are enough trainings (`seeds`); with one checkpoint per arm the interval
speaks of tasks only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from golddiff.statistics.intervals import (
    Interval,
    never_certain,
    percentile_interval,
    resample,
    resampled_ratios,
    t_quantile,
    wilson,
)
from golddiff.statistics.seeds import seed_noise

__all__ = ["CRRefused", "Recovered", "capability_recovered", "recovered_difference"]

SMALLEST_GAP = 0.05
"""Least lower bound of theta_teacher - theta_base at which the ratio is given."""

FEWEST_CLUSTERS = 10
"""Least number of independent clusters at which the ratio is given."""


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """Capability recovered, with everything it was made of."""

    ratio: Interval
    fieller: tuple[float, float] | None
    """Fieller's interval; None where it is unbounded, where seeds are drawn, and where all draws agree."""
    theta_base: Interval
    theta_student: Interval
    theta_teacher: Interval
    gap: Interval
    """theta_teacher - theta_base."""
    gain: Interval
    """theta_student - theta_base."""
    tasks: int


class CRRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Why no ratio is given, and the deltas in its place."""

    reason: str
    theta_base: Interval
    theta_student: Interval
    theta_teacher: Interval
    gap: Interval
    gain: Interval
    tasks: int


def capability_recovered(
    student: Sequence[float],
    base: Sequence[float],
    teacher: Sequence[float],
    clusters: Sequence[Sequence[str]],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    known: tuple[Sequence[float], Sequence[float], Sequence[float]] | None = None,
    seeds: Sequence[float] = (),
) -> Recovered | CRRefused:
    """Return capability recovered on tasks that all three arms have a score for, or why it is refused.

    Scores are 0 to 1 per task; `clusters` is each task's path of cluster names (see `intervals.resample`). `known`
    holds 1 for each task that counts for student, base and teacher, else 0; None counts all. `seeds` are the success of
    each training, where `student` is their mean task by task; nothing says that there was one training.
    Raises ValueError where there are no tasks or the columns differ in length.
    """
    if not len(student) == len(base) == len(teacher) == len(clusters) or not len(student):
        raise ValueError(f"need equal columns of at least one task, got {len(student)}, {len(base)}, {len(teacher)}")
    counts_RN = resample(clusters, resamples=resamples, seed=seed)
    width = len({tuple(path[:1]) for path in clusters})
    columns = {name: np.asarray(column, float) for name, column in zip("SBT", (student, base, teacher), strict=True)}
    counted = {name: np.asarray(column, float) for name, column in zip("SBT", known or (), strict=known is not None)}
    counted = counted or dict.fromkeys("SBT", np.ones(len(student)))
    if not all(column.sum() for column in counted.values()):
        raise ValueError("an arm has no task that counts: there is no share of them")
    draws = {
        name: resampled_ratios(column * counted[name], counted[name], counts_RN) for name, column in columns.items()
    }
    points = {name: float((column * counted[name]).sum() / counted[name].sum()) for name, column in columns.items()}
    if seeds:
        draws["S"] = draws["S"] + seed_noise(seeds, resamples, seed=seed)

    def interval(estimate: float, replicates: NDArray[np.float64], least: float) -> Interval:
        return never_certain(percentile_interval(estimate, replicates, clusters=width, level=level), least=least)

    theta = {name: interval(points[name], draws[name], 0.0) for name in "SBT"}
    gap = interval(points["T"] - points["B"], draws["T"] - draws["B"], -1.0)
    gain = interval(points["S"] - points["B"], draws["S"] - draws["B"], -1.0)
    if gap.low < SMALLEST_GAP or width < FEWEST_CLUSTERS:
        few = f"{width} independent clusters of tasks are too few for an interval: at least {FEWEST_CLUSTERS}"
        return CRRefused(
            reason=few
            if width < FEWEST_CLUSTERS
            else f"the teacher leads the base by {_points(gap)}: its lower bound is below "
            f"{100 * SMALLEST_GAP:.0f} points, so the ratio would be unstable",
            theta_base=theta["B"],
            theta_student=theta["S"],
            theta_teacher=theta["T"],
            gap=gap,
            gain=gain,
            tasks=len(student),
        )
    # The gap's own draws may touch 0 beyond the interval; such draws have no ratio.
    denominators = np.where(draws["T"] - draws["B"] > 0, draws["T"] - draws["B"], math.nan)
    ratios = (draws["S"] - draws["B"]) / denominators
    ratio = percentile_interval(gain.estimate / gap.estimate, ratios, clusters=width, level=level)
    if certain := not ratio.low < ratio.high:  # the student is the base, or the teacher, on every task
        room = never_certain(msgspec.structs.replace(ratio, estimate=0.0, low=0.0, high=0.0), least=-1.0)
        high = room.high / gap.estimate
        ratio = msgspec.structs.replace(
            ratio, low=ratio.estimate - high, high=ratio.estimate + high, method=room.method
        )
    return Recovered(
        ratio=ratio,
        # Student's t with few degrees of freedom has no variance, so Fieller's interval has no covariance to work with.
        fieller=None if seeds or certain else _fieller(gain.estimate, gap.estimate, _covariance(draws), width),
        theta_base=theta["B"],
        theta_student=theta["S"],
        theta_teacher=theta["T"],
        gap=gap,
        gain=gain,
        tasks=len(student),
    )


def recovered_difference(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    clusters: Sequence[Sequence[str]],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return the second ratio less the first, where `capability_recovered` refuses neither.

    Both are the columns of student, base and teacher on the same tasks; a draw takes the same clusters for all six.
    """
    counts_RN = resample(clusters, resamples=resamples, seed=seed)
    width = len({tuple(path[:1]) for path in clusters})
    estimates, ratios, gaps = [], [], []
    for columns in (first, second):
        student, base, teacher = (np.asarray(column, float) for column in columns)
        gaps.append(float((teacher - base).mean()))
        estimates.append(float((student - base).mean()) / gaps[-1])
        gaps_R = counts_RN @ (teacher - base)
        ratios.append(counts_RN @ (student - base) / np.where(gaps_R > 0, gaps_R, math.nan))
    estimate = estimates[1] - estimates[0]
    found = percentile_interval(estimate, ratios[1] - ratios[0], clusters=width, level=level)
    if found.low < found.high:
        return found
    room = wilson(0, width, level).high / min(gaps)  # all draws agree, which is no certainty
    return msgspec.structs.replace(
        found, low=estimate - room, high=estimate + room, method="wilson, one trial per cluster"
    )


def _covariance(draws: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    gains, gaps = draws["S"] - draws["B"], draws["T"] - draws["B"]
    both = ~(np.isnan(gains) | np.isnan(gaps))
    return np.cov(gains[both], gaps[both])


def _fieller(top: float, bottom: float, covariance: NDArray[np.float64], clusters: int) -> tuple[float, float] | None:
    # The covariance of draws is (n - 1) / n of that of the estimates.
    z_squared = t_quantile(0.975, clusters - 1) ** 2 * clusters / (clusters - 1)
    a = bottom**2 - z_squared * float(covariance[1, 1])
    b = top * bottom - z_squared * float(covariance[0, 1])
    c = top**2 - z_squared * float(covariance[0, 0])
    root = b * b - a * c
    if a <= 0 or root < 0:
        return None
    return (b - math.sqrt(root)) / a, (b + math.sqrt(root)) / a


def _points(interval: Interval) -> str:
    return f"{100 * interval.estimate:.1f} points [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
