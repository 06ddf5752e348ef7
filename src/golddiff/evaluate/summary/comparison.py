"""Two runs side by side: for every arm that both have, what was won and lost on the tasks that both asked.

How it fits: `golddiff compare` after a new training, another engine, another prompt. Only runs of one harness are
compared (`summary.require_same_harness`), task by task: a task that one run did not ask or could not score is left out
of that arm's comparison, and counted. Intervals draw the same clusters for both runs, p-values are adjusted after
Holm over the arms.

Capability recovered stands for both runs beside each other, on the tasks that both could score for student, base and
teacher, with the interval of its difference where neither refuses it; base is the best untrained arm of each run. What
the runs asked off the workflow is compared in the same way (`off_workflow`).

Not covered: training seeds. Two runs that hold one training each say nothing about how trainings differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from golddiff.errors import UsageError
from golddiff.evaluate.arms import Role
from golddiff.evaluate.summary.columns import Columns
from golddiff.evaluate.summary.recovery import Recovery
from golddiff.evaluate.summary.summary import require_same_harness
from golddiff.evaluate.tasks.held_out import cluster_paths
from golddiff.statistics.intervals import Interval, resample
from golddiff.statistics.paired import holm, mcnemar_exact, success_difference
from golddiff.statistics.recovered import Recovered, capability_recovered, recovered_difference
from golddiff.types import EvaluationRun, Example, Score

__all__ = ["ArmChange", "Comparison", "RecoveryChange", "compare"]

RESAMPLES = 10_000


class ArmChange(msgspec.Struct, frozen=True, kw_only=True):
    """One arm in both runs."""

    arm: str
    first_identity: str
    second_identity: str
    tasks: int
    """Tasks that both runs have a success or failure for."""
    left_out: int
    """Shared tasks that at least one of them could not score."""
    first: float
    """Share of `tasks` done in the first run."""
    second: float
    difference: Interval
    """Success in the second run less that in the first."""
    won: tuple[str, ...]
    """Tasks that only the second run did."""
    lost: tuple[str, ...]
    """Tasks that only the first run did."""
    p_value: float
    """McNemar's exact test, adjusted after Holm over the arms."""


class RecoveryChange(msgspec.Struct, frozen=True, kw_only=True):
    """Capability recovered by one student of one teacher in both runs, on the same tasks and draws."""

    tasks: int
    """Tasks that both runs have a score for, for student, base and teacher."""
    first: Recovery
    second: Recovery
    difference: Interval | None
    """The second ratio less the first; None where either is refused."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All that two runs have in common, and what they have not."""

    first_run: str
    second_run: str
    harness: str
    shared: int
    """Tasks that both runs asked."""
    only_first: int
    only_second: int
    clusters: int
    """Independent units that the intervals draw from."""
    changes: tuple[ArmChange, ...]
    arms_only_first: tuple[str, ...]
    arms_only_second: tuple[str, ...]
    recovered: tuple[RecoveryChange, ...] = ()
    off_workflow: Comparison | None = None
    """The same of the tasks that both runs asked off the workflow; None where one asked none."""


def compare(
    first: tuple[EvaluationRun, Sequence[Score]],
    second: tuple[EvaluationRun, Sequence[Score]],
    tasks: Sequence[Example],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two runs with their scores; `tasks` must hold the tasks of at least one of them.

    Raises:
        UsageError: other harnesses, no task in common, or no arm of one name that both could score.
    """
    (one, one_scores), (two, two_scores) = first, second
    require_same_harness(one, two)
    asked = [{score.example_id for score in scores} for scores in (one_scores, two_scores)]
    shared = [task for task in tasks if task.id in asked[0] & asked[1]]
    if not shared:
        raise UsageError(
            f"{one.id} and {two.id} have no task in common. Evaluate both models on one dataset: "
            "golddiff evaluate --dataset DATASET --arm student-1=CHECKPOINT --arm student-2=CHECKPOINT"
        )
    paths = cluster_paths(shared)
    counts = resample(paths, resamples=resamples, seed=seed)
    width = len({path[0] for path in paths})
    known = [
        {(score.arm, score.example_id): score.metrics.get("success") for score in scores}
        for scores in (one_scores, two_scores)
    ]
    changes = []
    for arm in one.arms:
        if arm not in two.arms:
            continue
        pairs = [(known[0].get((arm, task.id)), known[1].get((arm, task.id))) for task in shared]
        both = [float(a is not None and b is not None) for a, b in pairs]
        if not any(both):
            continue
        columns = [[(pair[side] or 0.0) * there for pair, there in zip(pairs, both, strict=True)] for side in (0, 1)]
        won = tuple(task.id for task, a, b in zip(shared, *columns, strict=True) if b > a)
        lost = tuple(task.id for task, a, b in zip(shared, *columns, strict=True) if a > b)
        count = int(sum(both))
        changes.append(
            ArmChange(
                arm=arm,
                first_identity=one.arms[arm],
                second_identity=two.arms[arm],
                tasks=count,
                left_out=len(shared) - count,
                first=sum(columns[0]) / count,
                second=sum(columns[1]) / count,
                difference=success_difference(columns[1], columns[0], both, counts, clusters=width),
                won=won,
                lost=lost,
                p_value=mcnemar_exact(len(won), len(lost)),
            )
        )
    if not changes:
        raise UsageError(
            f"{one.id} has the arms {', '.join(one.arms)} and {two.id} {', '.join(two.arms)}: no arm of one name has "
            "scores in both. Name the arms alike, or show one run beside the other with `golddiff evaluate --against`."
        )
    adjusted = holm({change.arm: change.p_value for change in changes})
    return Comparison(
        first_run=one.id,
        second_run=two.id,
        harness=one.harness,
        shared=len(shared),
        only_first=len(asked[0] - asked[1]),
        only_second=len(asked[1] - asked[0]),
        clusters=width,
        changes=tuple(msgspec.structs.replace(change, p_value=adjusted[change.arm]) for change in changes),
        arms_only_first=tuple(arm for arm in one.arms if arm not in two.arms),
        arms_only_second=tuple(arm for arm in two.arms if arm not in one.arms),
        recovered=_recovered(
            Columns(one, shared, one_scores, seed=seed, resamples=resamples),
            Columns(two, shared, two_scores, seed=seed, resamples=resamples),
        ),
    )


def _recovered(first: Columns, second: Columns) -> tuple[RecoveryChange, ...]:
    """Return the change for every student and teacher that both runs have and that single arms stand for."""
    bases = first.best_base(), second.best_base()
    made: list[RecoveryChange] = []
    if bases[0] is None or bases[1] is None:
        return ()
    for teacher in first.of_role(Role.TEACHER):
        for student in first.of_role(Role.STUDENT):
            if student not in second.of_role(Role.STUDENT) or teacher not in second.of_role(Role.TEACHER):
                continue
            arms = [(student, bases[0], teacher), (student, bases[1], teacher)]
            found = [[run.values(arm, "success") for arm in of] for run, of in zip((first, second), arms, strict=True)]
            there = np.flatnonzero(np.prod([known for run in found for _, known in run], axis=0))
            if not len(there):
                continue
            one, two = ([list(values[there]) for values, _ in run] for run in found)
            paths = [first.paths[index] for index in there]
            draws, seed = first.resamples, first.seed
            results = [
                capability_recovered(of_student, of_base, of_teacher, paths, resamples=draws, seed=seed)
                for of_student, of_base, of_teacher in (one, two)
            ]
            recoveries = [
                Recovery(student=student, base=base, teacher=teacher, result=result)
                for (_, base, _), result in zip(arms, results, strict=True)
            ]
            given = all(isinstance(result, Recovered) for result in results)
            made.append(
                RecoveryChange(
                    tasks=len(there),
                    first=recoveries[0],
                    second=recoveries[1],
                    difference=recovered_difference(one, two, paths, resamples=draws, seed=seed) if given else None,
                )
            )
    return tuple(made)
