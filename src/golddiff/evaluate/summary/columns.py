"""The scores of one run as columns: a value per task for every arm and metric, and the draws that all figures share.

How it fits: `summary` makes one `Columns` of a run; everything that it reports (`stages`, `trainings`, `effort`) is
computed on these draws, so that any two figures of one report are paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from golddiff.evaluate.about import About
from golddiff.evaluate.arms import Role
from golddiff.evaluate.tasks.held_out import cluster_paths
from golddiff.statistics.intervals import Interval, percentile_interval, resample, resampled_ratios, wilson
from golddiff.types import EvaluationRun, Example, Score

__all__ = ["Columns", "Floats"]

Floats = NDArray[np.float64]


class Columns:
    """Values of N tasks for every arm, and R draws of the tasks' clusters."""

    def __init__(
        self, run: EvaluationRun, tasks: Sequence[Example], scores: Sequence[Score], *, seed: int, resamples: int
    ) -> None:
        """Scores of other tasks are ignored."""
        self.run, self.tasks, self.seed, self.resamples = run, tasks, seed, resamples
        self.paths = cluster_paths(tasks)
        self.width = len({path[0] for path in self.paths})
        """Top-level clusters."""
        self.counts_RN = resample(self.paths, resamples=resamples, seed=seed)
        self.scores: dict[str, list[Score | None]] = {}
        places = {task.id: index for index, task in enumerate(tasks)}
        for score in scores:
            column = self.scores.setdefault(score.arm, [None] * len(tasks))
            if score.example_id in places:
                column[places[score.example_id]] = score
        self.arms = [name for name in run.arms if name in self.scores]
        self.about = {name: About.read(run.summary, name) for name in self.arms}

    def of_role(self, *roles: Role) -> list[str]:
        """Return the arms of these roles, in order."""
        return [name for name in self.arms if self.about[name].role in roles]

    def values(self, arm: str, metric: str) -> tuple[Floats, Floats]:
        """Return (value, 1) per task where there is a value, (0, 0) where there is none."""
        found = [score.metrics.get(metric) if score else None for score in self.scores[arm]]
        return np.array([value or 0.0 for value in found]), np.array([float(value is not None) for value in found])

    def interval(self, top_N: Floats, bottom_N: Floats, *, shares: bool = True) -> Interval | None:
        """Return sum(top) / sum(bottom) with its interval; None where there is nothing below."""
        if not bottom_N.sum():
            return None
        estimate = float(top_N.sum() / bottom_N.sum())
        if shares and estimate in (0.0, 1.0):
            # Draws of equal values never differ, which is no certainty: Wilson, each cluster counted as one trial.
            there = len({path[0] for path, known in zip(self.paths, bottom_N, strict=True) if known})
            return wilson(round(estimate) * there, there)
        return percentile_interval(estimate, resampled_ratios(top_N, bottom_N, self.counts_RN), clusters=self.width)

    def best_base(self) -> str | None:
        """Return the untrained arm with the highest success: context is not to be credited to training."""
        means: dict[str, float] = {}
        for name in self.of_role(Role.BASE):
            values, there = self.values(name, "success")
            if there.sum():
                means[name] = float(values.sum() / there.sum())
        return max(means, key=lambda name: means[name], default=None)
