"""What a recipe gives, from several trainings of it: intervals over seeds as well as tasks, and N50.

How it fits: part of the summary. Arms of one `training` are averaged task by task, over the tasks that all of them have
a score for; `statistics.seeds` adds what other seeds would have given. Below three trainings of an arm the report says
that small differences are not carried. Students that were trained on different numbers of examples give N50.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from golddiff.evaluate.arms import Role
from golddiff.evaluate.summary.columns import Columns, Floats
from golddiff.evaluate.summary.recovery import Recovery
from golddiff.statistics.intervals import Interval, never_certain, percentile_interval, resampled_ratios
from golddiff.statistics.learning import HalfPlateau, NoHalfPlateau, half_plateau
from golddiff.statistics.recovered import capability_recovered
from golddiff.statistics.seeds import FEWEST_SEEDS, seed_noise

__all__ = ["Learning", "SizeGain", "Training", "caution_of_seeds", "learning_of", "trainings_of"]

SEEDS_CAUTION = (
    f"an arm has fewer than {FEWEST_SEEDS} trainings: another seed may move a student by a few points, so small "
    "differences are not carried"
)


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """Several trainings of one recipe."""

    name: str
    arms: tuple[str, ...]
    tasks: int
    """Tasks that all of them have a score for."""
    each: tuple[float, ...]
    """Success of every training on those."""
    success: Interval | None
    """Over tasks and seeds; None below three trainings."""
    differences: dict[str, Interval]
    """Points of success less those of other arms, over tasks and seeds."""
    recoveries: tuple[Recovery, ...]


class SizeGain(msgspec.Struct, frozen=True, kw_only=True):
    """One student of the learning curve."""

    arm: str
    examples: int
    gain: Interval
    """Success less that of the best untrained arm."""


class Learning(msgspec.Struct, frozen=True, kw_only=True):
    """How success grows with examples."""

    points: tuple[SizeGain, ...]
    fit: HalfPlateau | NoHalfPlateau


def caution_of_seeds(columns: Columns) -> str:
    """Return what a reader must know of seeds; empty where nothing was trained or all have enough trainings."""
    trained = columns.of_role(Role.STUDENT)
    groups: dict[str, int] = {}
    for arm in trained:
        name = columns.about[arm].training or f"\0{arm}"
        groups[name] = groups.get(name, 0) + 1
    return SEEDS_CAUTION if any(count < FEWEST_SEEDS for count in groups.values()) else ""


def trainings_of(columns: Columns) -> tuple[Training, ...]:
    """Return every group of arms that share a training."""
    groups: dict[str, list[str]] = {}
    for arm in columns.arms:
        if columns.about[arm].training:
            groups.setdefault(columns.about[arm].training, []).append(arm)
    return tuple(_training(columns, name, arms) for name, arms in groups.items() if len(arms) > 1)


def _training(columns: Columns, name: str, arms: Sequence[str]) -> Training:
    mean_N, known_N, each = _together(columns, arms)
    base = columns.best_base()
    enough = len(arms) >= FEWEST_SEEDS and bool(known_N.sum())
    others = [base] if base else []
    others += [one for one in columns.of_role(Role.TEACHER, Role.CONTROL) if one not in arms]
    differences = {other: _difference(columns, arms, other) for other in others} if enough else {}
    return Training(
        name=name,
        arms=tuple(arms),
        tasks=int(known_N.sum()),
        each=tuple(each),
        success=_widened(columns, mean_N, known_N, each, least=0.0) if enough else None,
        differences={other: found for other, found in differences.items() if found},
        recoveries=_recoveries(columns, name, arms, base) if enough and base else (),
    )


def _together(columns: Columns, arms: Sequence[str], *others: str) -> tuple[Floats, Floats, list[float]]:
    """Mean success per task over the trainings, 1 where all (and the others) have a score, success of each there."""
    found = [columns.values(arm, "success") for arm in arms]
    known_N = np.prod([known for _, known in found] + [columns.values(arm, "success")[1] for arm in others], axis=0)
    mean_N = np.mean([value for value, _ in found], axis=0) * known_N
    total = float(known_N.sum())
    return mean_N, known_N, [float((value * known_N).sum() / total) if total else 0.0 for value, _ in found]


def _widened(columns: Columns, mean_N: Floats, known_N: Floats, each: Sequence[float], *, least: float) -> Interval:
    draws_R = resampled_ratios(mean_N, known_N, columns.counts_RN) + seed_noise(
        each, columns.resamples, seed=columns.seed
    )
    found = percentile_interval(float(mean_N.sum() / known_N.sum()), draws_R, clusters=columns.width)
    found = never_certain(found, least=least)
    return msgspec.structs.replace(found, method=f"{found.method} over tasks, Student's t over {len(each)} seeds")


def _difference(columns: Columns, arms: Sequence[str], other: str) -> Interval | None:
    mean_N, known_N, each = _together(columns, arms, other)
    if not known_N.sum():
        return None
    return _widened(columns, mean_N - columns.values(other, "success")[0] * known_N, known_N, each, least=-1.0)


def _recoveries(columns: Columns, name: str, arms: Sequence[str], base: str) -> tuple[Recovery, ...]:
    made = []
    for teacher in columns.of_role(Role.TEACHER):
        mean_N, known_N, each = _together(columns, arms, base, teacher)
        there = np.flatnonzero(known_N)
        if not len(there):
            continue
        result = capability_recovered(
            list(mean_N[there]),
            list(columns.values(base, "success")[0][there]),
            list(columns.values(teacher, "success")[0][there]),
            [columns.paths[index] for index in there],
            resamples=columns.resamples,
            seed=columns.seed,
            seeds=each,
        )
        made.append(Recovery(student=name, base=base, teacher=teacher, result=result))
    return tuple(made)


def learning_of(columns: Columns) -> Learning | None:
    """Return how the students' gains over the best untrained arm grow; None with fewer than two sizes."""
    base = columns.best_base()
    sizes = {arm: columns.about[arm].examples for arm in columns.of_role(Role.STUDENT)}
    known = {arm: size for arm, size in sizes.items() if size}
    if base is None or len(set(known.values())) < 2:
        return None
    points, draws = [], []
    for arm, size in sorted(known.items(), key=lambda item: item[1]):
        (first, one), (second, two) = columns.values(arm, "success"), columns.values(base, "success")
        both = one * two
        if not both.sum():
            continue
        draws.append(resampled_ratios((first - second) * both, both, columns.counts_RN))
        gain = percentile_interval(
            float(((first - second) * both).sum() / both.sum()), draws[-1], clusters=columns.width
        )
        points.append(SizeGain(arm=arm, examples=size, gain=gain))
    if not points:
        return None
    fit = half_plateau(
        [one.examples for one in points],
        [one.gain.estimate for one in points],
        np.column_stack(draws),
        clusters=columns.width,
    )
    return Learning(points=tuple(points), fit=fit)
