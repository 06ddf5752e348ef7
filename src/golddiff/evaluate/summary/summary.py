"""From scores to the numbers of a report: every arm with its interval, every difference paired, CR or its refusal.

How it fits: `run.evaluate` leaves scores; `terminal` and `report` show what this makes of them. All arms are measured
on the same draws of clusters (repositories, or files of a single one), so differences are paired. A task that
an arm has no score for is left out of that arm, and of every comparison with it; the counts stand beside.

Comparisons: every arm with the best *untrained* arm, so that context is not credited to training, and every student
with every control and every teacher. p-values are McNemar's, exact, adjusted after Holm over all comparisons of the
report. Several trainings of one recipe are compared as one (`trainings`), not one by one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from golddiff.errors import UsageError
from golddiff.evaluate.about import About
from golddiff.evaluate.arms import Role
from golddiff.evaluate.summary.columns import Columns
from golddiff.evaluate.summary.effort import Effort, efforts_of
from golddiff.evaluate.summary.recovery import Recovery
from golddiff.evaluate.summary.stages import stage_recoveries, stages_of
from golddiff.evaluate.summary.trainings import Learning, Training, caution_of_seeds, learning_of, trainings_of
from golddiff.statistics.calibration import Calibration, calibration
from golddiff.statistics.intervals import ENOUGH_CLUSTERS, Interval
from golddiff.statistics.paired import holm, mcnemar_exact, paired_difference, success_difference
from golddiff.statistics.recovered import Recovered, capability_recovered
from golddiff.types import EvaluationRun, Example, Score

__all__ = ["ArmSummary", "Contrast", "Recovery", "Summary", "require_same_harness", "summarise"]

RESAMPLES = 10_000
FEW_CLUSTERS = ENOUGH_CLUSTERS
"""Below it intervals are no good guide; the report says so."""
MEASURES = ("success", "exact", "line_f1", "delta_chrf", "applied")


class ArmSummary(About, frozen=True, kw_only=True):
    """One arm."""

    name: str
    identity: str
    scored: int
    """Tasks with a success or failure."""
    unscored: dict[str, int]
    """Tasks without, by reason."""
    measures: dict[str, Interval]
    """`success` first; text measures over all tasks that were answered."""
    executed: tuple[int, int]
    """(passed, of) among tasks whose check runs the candidate."""
    structural: tuple[int, int]
    """(passed, of) among tasks whose check only inspects it."""
    nll: Interval | None
    """Nats per token of the changed lines; None where the model gives no likelihood."""
    nll_tasks: int
    """Tasks behind it: changes that only delete have no lines to score."""
    failures: dict[str, int]
    """Failures by kind, most frequent first."""
    families: dict[str, Interval]
    """Success by task family."""
    tokens: float
    """Tokens written per answer, on average; 0 where unknown."""
    stages: dict[str, Interval] = msgspec.field(default_factory=dict)
    """`apply`, `locate`, `patch`: see `stages`."""
    efforts: dict[str, Effort] = msgspec.field(default_factory=dict)
    """`usd`, `seconds`, `tokens`: of an answer, and of an accepted patch."""
    calibration: Calibration | None = None
    """Its confidence in its answers beside what became of them; None where it was not asked for or says too little."""


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """One arm against another on the tasks that both have a score for."""

    arm: str
    against: str
    tasks: int
    difference: Interval
    """Success of `arm` less that of `against`."""
    only_arm: int
    only_against: int
    p_value: float
    p_adjusted: float
    nll: Interval | None
    """Difference of nats per token of the changed lines."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All numbers of one report."""

    run_id: str
    dataset_id: str
    harness: str
    sandbox: str
    tasks: int
    clusters: int
    """Top-level clusters that intervals draw from."""
    checked_by_running: int
    checked_by_structure: int
    arms: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    recoveries: tuple[Recovery, ...]
    stage_recoveries: dict[str, tuple[Recovery, ...]] = {}
    """Capability recovered at `apply`, `locate` and `patch`."""
    trainings: tuple[Training, ...] = ()
    learning: Learning | None = None
    seeds_caution: str = ""
    """What a reader must know of seeds; empty where nothing."""
    off_workflow: Summary | None = None
    """The same arms on tasks that nobody trained for."""

    @property
    def caution(self) -> str:
        """What a reader must know about the intervals; empty where nothing."""
        if self.clusters >= FEW_CLUSTERS:
            return ""
        return f"Only {self.clusters} independent clusters: these intervals are a rough guide only."

    def arm(self, name: str) -> ArmSummary:
        """Return one arm. Raises KeyError."""
        return next((arm for arm in self.arms if arm.name == name), None) or _missing(name)

    def recovered(self) -> list[Recovery]:
        """Return capability recovered by recipes with several trainings, then by single arms."""
        return [one for training in self.trainings for one in training.recoveries] + list(self.recoveries)

    def flat(self) -> dict[str, float | int | str | None]:
        """Return the headline numbers for `EvaluationRun.summary`."""
        values: dict[str, float | int | str | None] = {"tasks": self.tasks, "sandbox": self.sandbox}
        for arm in self.arms:
            values |= arm.flat(arm.name) | {f"scored:{arm.name}": arm.scored}
            if "success" in arm.measures:
                values[f"theta:{arm.name}"] = arm.measures["success"].estimate
        for training in self.trainings:
            values[f"theta:{training.name}"] = sum(training.each) / len(training.each)
        here, off = self.recovered(), self.off_workflow.recovered() if self.off_workflow else []
        several = len({item.teacher for item in here}) > 1
        for key, items in (("cr", here), ("cr_off", off)):
            for item in items:
                who = f"{item.student} of {item.teacher}" if several else item.student
                given = isinstance(item.result, Recovered)
                values[f"{key}:{who}"] = item.result.ratio.estimate if isinstance(item.result, Recovered) else None
                values[f"{key}_refused:{who}"] = None if given else str(item)
        return values


def require_same_harness(*runs: EvaluationRun) -> None:
    """Raise UsageError where runs were scored by different harness versions: their numbers are not comparable."""
    harnesses = {run.harness for run in runs}
    if len(harnesses) > 1:
        said = "; ".join(f"{run.id}: {run.harness}" for run in runs)
        raise UsageError(
            f"these runs were made by different harnesses and are not compared ({said}). "
            "Run `golddiff evaluate` again for the older one."
        )


def summarise(
    run: EvaluationRun, tasks: Sequence[Example], scores: Sequence[Score], *, seed: int = 0, resamples: int = RESAMPLES
) -> Summary:
    """Return the numbers of one run. `tasks` are the run's tasks; scores of other tasks are ignored.

    Raises UsageError where there are no tasks.
    """
    if not tasks:
        raise UsageError("there is no task to summarise")
    return _Summarising(Columns(run, tasks, scores, seed=seed, resamples=resamples)).summary()


class _Summarising:
    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._base = columns.best_base()
        self._trainings = trainings_of(columns)
        together = {name for training in self._trainings for name in training.arms}
        self._alone = [name for name in columns.arms if name not in together]

    def summary(self) -> Summary:
        """Return everything."""
        columns = self._columns
        checks = [task.check for task in columns.tasks if task.check is not None]
        executed = sum(check.executes for check in checks)
        return Summary(
            run_id=columns.run.id,
            dataset_id=columns.run.dataset_id,
            harness=columns.run.harness,
            sandbox=str(columns.run.summary.get("sandbox") or ""),
            tasks=len(columns.tasks),
            clusters=columns.width,
            checked_by_running=executed,
            checked_by_structure=len(checks) - executed,
            arms=tuple(self._arm(name) for name in columns.arms),
            contrasts=self._contrasts(),
            recoveries=self._recoveries(),
            stage_recoveries=self._stage_recoveries(),
            trainings=self._trainings,
            learning=learning_of(columns),
            seeds_caution=caution_of_seeds(columns),
        )

    def _arm(self, name: str) -> ArmSummary:
        columns = self._columns
        column = columns.scores[name]
        measures = {metric: columns.interval(*columns.values(name, metric)) for metric in MEASURES}
        families = sorted({task.family for task in columns.tasks if task.family})
        success, scored = columns.values(name, "success")
        of_family = {
            family: columns.interval(success * mask, scored * mask)
            for family in families
            for mask in [np.array([float(task.family == family) for task in columns.tasks])]
        }
        unscored = Counter(
            (score.unscored or "no score") if score else "not part of the run"
            for score in column
            if score is None or "success" not in score.metrics
        )
        return ArmSummary(
            **msgspec.structs.asdict(columns.about[name]),
            name=name,
            identity=columns.run.arms[name],
            scored=int(scored.sum()),
            unscored=dict(unscored.most_common()),
            measures={metric: interval for metric, interval in measures.items() if interval},
            executed=self._passed(name, "executed"),
            structural=self._passed(name, "structural"),
            nll=columns.interval(columns.values(name, "nll")[0], columns.values(name, "nll_tokens")[0], shares=False),
            nll_tasks=int(columns.values(name, "nll")[1].sum()),
            failures=dict(Counter(score.failure for score in column if score and score.failure).most_common()),
            families={family: interval for family, interval in of_family.items() if interval},
            tokens=float(
                np.mean([one.metrics["tokens"] for one in column if one and "tokens" in one.metrics] or [0.0])
            ),
            stages=stages_of(columns, name),
            efforts=efforts_of(columns, name),
            calibration=self._calibration(name),
        )

    def _passed(self, arm: str, metric: str) -> tuple[int, int]:
        values, there = self._columns.values(arm, metric)
        return int(values.sum()), int(there.sum())

    def _calibration(self, arm: str) -> Calibration | None:
        columns = self._columns
        nll, known = columns.values(arm, "answer_nll")
        success, scored = columns.values(arm, "success")
        there = np.flatnonzero(known * scored)
        if not len(there):
            return None
        return calibration(
            [math.exp(-max(0.0, value)) for value in nll[there]],
            list(success[there]),
            [columns.paths[index][0] for index in there],
            columns.counts_RN[:, there],
        )

    def _contrasts(self) -> tuple[Contrast, ...]:
        columns, base = self._columns, self._base
        pairs = [(name, base) for name in self._alone if base and name != base]
        for role in (Role.CONTROL, Role.TEACHER):
            others = [name for name in columns.of_role(role) if name in self._alone]
            students = [name for name in columns.of_role(Role.STUDENT) if name in self._alone]
            pairs += [(student, other) for student in students for other in others]
        made = [contrast for arm, against in pairs if (contrast := self._contrast(arm, against))]
        adjusted = holm({f"{one.arm}\0{one.against}": one.p_value for one in made})
        return tuple(msgspec.structs.replace(one, p_adjusted=adjusted[f"{one.arm}\0{one.against}"]) for one in made)

    def _contrast(self, arm: str, against: str) -> Contrast | None:
        columns = self._columns
        (first, first_there), (second, second_there) = (
            columns.values(arm, "success"),
            columns.values(against, "success"),
        )
        both = first_there * second_there
        if not both.sum():
            return None
        first, second = first * both, second * both
        only_arm, only_against = int((first * (1 - second)).sum()), int((second * (1 - first) * both).sum())
        p_value = mcnemar_exact(only_arm, only_against)
        return Contrast(
            arm=arm,
            against=against,
            tasks=int(both.sum()),
            difference=success_difference(
                list(first), list(second), list(both), columns.counts_RN, clusters=columns.width
            ),
            only_arm=only_arm,
            only_against=only_against,
            p_value=p_value,
            p_adjusted=p_value,
            nll=self._nll_difference(arm, against),
        )

    def _nll_difference(self, arm: str, against: str) -> Interval | None:
        columns = self._columns
        found = [columns.values(name, metric) for name in (arm, against) for metric in ("nll", "nll_tokens")]
        both = found[0][1] * found[2][1]
        if not both.sum():
            return None
        values = [list(column * both) for column, _ in found]
        return paired_difference(
            (values[0], values[1]), (values[2], values[3]), columns.counts_RN, clusters=columns.width
        )

    def _pairs(self) -> list[tuple[str, str, str]]:
        """(student, base, teacher) of every capability recovered, trainings of one recipe left out."""
        trained = [name for name in self._columns.of_role(Role.STUDENT, Role.CONTROL) if name in self._alone]
        teachers = self._columns.of_role(Role.TEACHER)
        return [(student, self._base, teacher) for teacher in teachers for student in trained if self._base]

    def _recoveries(self) -> tuple[Recovery, ...]:
        columns, made = self._columns, []
        for student, base, teacher in self._pairs():
            found = [columns.values(name, "success") for name in (student, base, teacher)]
            shared = np.flatnonzero(found[0][1] * found[1][1] * found[2][1])
            if not len(shared):
                continue
            result = capability_recovered(
                list(found[0][0][shared]),
                list(found[1][0][shared]),
                list(found[2][0][shared]),
                [columns.paths[index] for index in shared],
                resamples=columns.resamples,
                seed=columns.seed,
            )
            made.append(Recovery(student=student, base=base, teacher=teacher, result=result))
        return tuple(made)

    def _stage_recoveries(self) -> dict[str, tuple[Recovery, ...]]:
        columns = self._columns
        made = [
            stage_recoveries(columns, one.base, one.teacher, one.student, training.arms)
            for training in self._trainings
            for one in training.recoveries
        ]
        made += [
            stage_recoveries(columns, base, teacher, student)
            for student, base, teacher in self._pairs()
            if columns.about[student].role == Role.STUDENT
        ]
        found: dict[str, tuple[Recovery, ...]] = {}
        for stages in made:
            for stage, one in stages.items():
                found[stage] = (*found.get(stage, ()), one)
        return found


def _missing(name: str) -> ArmSummary:
    raise KeyError(name)
