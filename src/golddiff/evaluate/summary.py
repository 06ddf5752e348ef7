"""From scores to the numbers of a report: every arm with its interval, every difference paired, CR or its refusal.

How it fits: `run.evaluate` leaves scores; `terminal` and `report` show what this makes of them. All arms are measured
on the same draws of clusters (file or repository, then session, then task), so differences are paired. A task that
an arm has no score for is left out of that arm, and of every comparison with it; the counts stand beside.

Comparisons: every arm with the best *untrained* arm, so that context is not credited to training, and every student
with every control. p-values are McNemar's, exact, adjusted after Holm over all comparisons of the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from golddiff.errors import UsageError
from golddiff.evaluate.arms import Role
from golddiff.evaluate.tasks import cluster_paths
from golddiff.statistics.intervals import Interval, percentile_interval, resample, resampled_ratios, wilson
from golddiff.statistics.paired import holm, mcnemar_exact, paired_difference, success_difference
from golddiff.statistics.recovered import CRRefused, Recovered, capability_recovered
from golddiff.types import EvaluationRun, Example, Score

__all__ = ["ArmSummary", "Contrast", "Recovery", "Summary", "require_same_harness", "summarise"]

RESAMPLES = 10_000
FEW_CLUSTERS = 10
"""Below it a percentile bootstrap is too short; the report says so."""
MEASURES = ("success", "exact", "line_f1", "delta_chrf", "applied")


class ArmSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One arm."""

    name: str
    role: str
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


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """Capability recovered by one student."""

    student: str
    base: str
    teacher: str
    result: Recovered | CRRefused

    def __str__(self) -> str:
        if isinstance(self.result, CRRefused):
            return f"not given: {self.result.reason}"
        ratio = self.result.ratio
        return f"{ratio.estimate:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


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

    @property
    def caution(self) -> str:
        """What a reader must know about the intervals; empty where nothing."""
        if self.clusters >= FEW_CLUSTERS:
            return ""
        return f"Only {self.clusters} independent clusters: these intervals are too short."

    def arm(self, name: str) -> ArmSummary:
        """Return one arm. Raises KeyError."""
        return next((arm for arm in self.arms if arm.name == name), None) or _missing(name)

    def flat(self) -> dict[str, float | int | str | None]:
        """Return the headline numbers for `EvaluationRun.summary`."""
        values: dict[str, float | int | str | None] = {"tasks": self.tasks, "sandbox": self.sandbox}
        for arm in self.arms:
            values |= {f"role:{arm.name}": arm.role, f"scored:{arm.name}": arm.scored}
            if "success" in arm.measures:
                values[f"theta:{arm.name}"] = arm.measures["success"].estimate
        for item in self.recoveries:
            given = isinstance(item.result, Recovered)
            values[f"cr:{item.student}"] = item.result.ratio.estimate if isinstance(item.result, Recovered) else None
            values[f"cr_refused:{item.student}"] = None if given else str(item)
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
    return _Summarising(run, tasks, scores, seed, resamples).summary()


class _Summarising:
    def __init__(
        self, run: EvaluationRun, tasks: Sequence[Example], scores: Sequence[Score], seed: int, resamples: int
    ) -> None:
        self._run, self._tasks, self._seed, self._resamples = run, tasks, seed, resamples
        self._paths = cluster_paths(tasks)
        self._width = len({path[0] for path in self._paths})
        self._counts: NDArray[np.float64] = resample(self._paths, resamples=resamples, seed=seed)
        self._scores: dict[str, list[Score | None]] = {}
        places = {task.id: index for index, task in enumerate(tasks)}
        for score in scores:
            column = self._scores.setdefault(score.arm, [None] * len(tasks))
            if score.example_id in places:
                column[places[score.example_id]] = score
        self._arms = [name for name in run.arms if name in self._scores]
        self._roles = {name: str(run.summary.get(f"role:{name}") or Role.STUDENT.value) for name in self._arms}

    def summary(self) -> Summary:
        """Return everything."""
        checks = [task.check for task in self._tasks if task.check is not None]
        executed = sum(check.executes for check in checks)
        return Summary(
            run_id=self._run.id,
            dataset_id=self._run.dataset_id,
            harness=self._run.harness,
            sandbox=str(self._run.summary.get("sandbox") or ""),
            tasks=len(self._tasks),
            clusters=self._width,
            checked_by_running=executed,
            checked_by_structure=len(checks) - executed,
            arms=tuple(self._arm(name) for name in self._arms),
            contrasts=self._contrasts(),
            recoveries=self._recoveries(),
        )

    def _values(self, arm: str, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (value, 1) per task where there is a value, (0, 0) where there is none."""
        found = [score.metrics.get(metric) if score else None for score in self._scores[arm]]
        return np.array([value or 0.0 for value in found]), np.array([float(value is not None) for value in found])

    def _interval(
        self, top: NDArray[np.float64], bottom: NDArray[np.float64], *, shares: bool = True
    ) -> Interval | None:
        if not bottom.sum():
            return None
        estimate = float(top.sum() / bottom.sum())
        if shares and estimate in (0.0, 1.0):
            # Draws of equal values never differ, which is no certainty: Wilson, each cluster counted as one trial.
            there = len({path[0] for path, known in zip(self._paths, bottom, strict=True) if known})
            return wilson(round(estimate) * there, there)
        return percentile_interval(estimate, resampled_ratios(top, bottom, self._counts), clusters=self._width)

    def _arm(self, name: str) -> ArmSummary:
        column = self._scores[name]
        measures = {metric: self._interval(*self._values(name, metric)) for metric in MEASURES}
        families = sorted({task.family for task in self._tasks if task.family})
        success, scored = self._values(name, "success")
        of_family = {
            family: self._interval(success * mask, scored * mask)
            for family in families
            for mask in [np.array([float(task.family == family) for task in self._tasks])]
        }
        unscored = Counter(
            (score.unscored or "no score") if score else "not part of the run"
            for score in column
            if score is None or "success" not in score.metrics
        )
        return ArmSummary(
            name=name,
            role=self._roles[name],
            identity=self._run.arms[name],
            scored=int(scored.sum()),
            unscored=dict(unscored.most_common()),
            measures={metric: interval for metric, interval in measures.items() if interval},
            executed=self._passed(name, "executed"),
            structural=self._passed(name, "structural"),
            nll=self._interval(self._values(name, "nll")[0], self._values(name, "nll_tokens")[0], shares=False),
            nll_tasks=int(self._values(name, "nll")[1].sum()),
            failures=dict(Counter(score.failure for score in column if score and score.failure).most_common()),
            families={family: interval for family, interval in of_family.items() if interval},
            tokens=float(
                np.mean([one.metrics["tokens"] for one in column if one and "tokens" in one.metrics] or [0.0])
            ),
        )

    def _passed(self, arm: str, metric: str) -> tuple[int, int]:
        values, there = self._values(arm, metric)
        return int(values.sum()), int(there.sum())

    def _best_base(self) -> str | None:
        """Return the untrained arm with the highest success: context is not to be credited to training."""
        means: dict[str, float] = {}
        for name in self._arms:
            values, there = self._values(name, "success")
            if self._roles[name] == Role.BASE and there.sum():
                means[name] = float(values.sum() / there.sum())
        return max(means, key=lambda name: means[name], default=None)

    def _contrasts(self) -> tuple[Contrast, ...]:
        base = self._best_base()
        of_role = {role: [name for name in self._arms if self._roles[name] == role] for role in Role}
        pairs = [(name, base) for name in self._arms if base and name != base]
        pairs += [(student, control) for student in of_role[Role.STUDENT] for control in of_role[Role.CONTROL]]
        made = [contrast for arm, against in pairs if (contrast := self._contrast(arm, against))]
        adjusted = holm({f"{one.arm}\0{one.against}": one.p_value for one in made})
        return tuple(msgspec.structs.replace(one, p_adjusted=adjusted[f"{one.arm}\0{one.against}"]) for one in made)

    def _contrast(self, arm: str, against: str) -> Contrast | None:
        (first, first_there), (second, second_there) = self._values(arm, "success"), self._values(against, "success")
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
            difference=success_difference(list(first), list(second), list(both), self._counts, clusters=self._width),
            only_arm=only_arm,
            only_against=only_against,
            p_value=p_value,
            p_adjusted=p_value,
            nll=self._nll_difference(arm, against),
        )

    def _nll_difference(self, arm: str, against: str) -> Interval | None:
        columns = [self._values(name, metric) for name in (arm, against) for metric in ("nll", "nll_tokens")]
        both = columns[0][1] * columns[2][1]
        if not both.sum():
            return None
        values = [list(column * both) for column, _ in columns]
        return paired_difference((values[0], values[1]), (values[2], values[3]), self._counts, clusters=self._width)

    def _recoveries(self) -> tuple[Recovery, ...]:
        base = self._best_base()
        teachers = [name for name in self._arms if self._roles[name] == Role.TEACHER]
        trained = [name for name in self._arms if self._roles[name] in (Role.STUDENT, Role.CONTROL)]
        if base is None or not teachers:
            return ()
        made = []
        for teacher in teachers:
            for student in trained:
                columns = [self._values(name, "success") for name in (student, base, teacher)]
                shared = np.flatnonzero(columns[0][1] * columns[1][1] * columns[2][1])
                if not len(shared):
                    continue
                result = capability_recovered(
                    list(columns[0][0][shared]),
                    list(columns[1][0][shared]),
                    list(columns[2][0][shared]),
                    [self._paths[index] for index in shared],
                    resamples=self._resamples,
                    seed=self._seed,
                )
                made.append(Recovery(student=student, base=base, teacher=teacher, result=result))
        return tuple(made)


def _missing(name: str) -> ArmSummary:
    raise KeyError(name)
