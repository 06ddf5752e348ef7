"""pass@k: how likely at least one of k answers to a task passes, estimated from n >= k answers.

How it fits: `evaluate.tasks` judges several answers per task and asks here. Averaging over all subsets of k answers
makes the estimate unbiased; 1 - (1 - c/n)^k is not. Tasks are the units of the interval: answers to one task are
exchangeable and say nothing about other tasks. A task with fewer than k answers has no estimate; it is counted, not
guessed.

Not covered: tasks that resemble each other (give `clusters`), and answers drawn at different temperatures.

Source: Chen et al. (2021), arXiv 2107.03374, section 2.1, eq. 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from golddiff.statistics.intervals import Interval, cluster_bootstrap, wilson

__all__ = ["PassAtK", "mean_pass_at_k", "pass_at_k"]


class PassAtK(msgspec.Struct, frozen=True, kw_only=True):
    """pass@k over tasks."""

    k: int
    interval: Interval | None
    """None where no task has k answers, or all have the same share between 0 and 1, as a single task has: nothing then
    tells how far tasks differ."""
    tasks: int
    """Tasks with an estimate."""
    too_few: int
    """Tasks with fewer than k answers; not part of the estimate."""


def pass_at_k(answers: int, passed: int, k: int) -> float:
    """Return the share of all subsets of `k` of `answers` that hold at least one of the `passed`.

    Raises ValueError unless 1 <= k <= answers and 0 <= passed <= answers.
    """
    if not 1 <= k <= answers or not 0 <= passed <= answers:
        raise ValueError(f"need 1 <= k <= answers and 0 <= passed <= answers, got k={k}, {passed} of {answers}")
    return 1.0 - math.comb(answers - passed, k) / math.comb(answers, k)


def mean_pass_at_k(
    counts: Sequence[tuple[int, int]],
    k: int,
    clusters: Sequence[str] | None = None,
    *,
    resamples: int = 2_000,
    seed: int = 0,
) -> PassAtK:
    """Return the mean of pass@k over tasks, given (answers, passed) of each; tasks count alike.

    The 95 % interval is Wilson's where every task's estimate is 0 or 1 and tasks stand alone, else a percentile
    bootstrap over tasks, or over `clusters` (one name per task). Raises ValueError as `pass_at_k` does.
    """
    names = list(clusters) if clusters is not None else [str(index) for index in range(len(counts))]
    rows = [(name, pass_at_k(n, c, k)) for name, (n, c) in zip(names, counts, strict=True) if n >= k]
    estimates = [value for _, value in rows]
    width = len({name for name, _ in rows})
    interval = None
    if rows and set(estimates) <= {0.0, 1.0} and width == len(rows):
        interval = wilson(int(sum(estimates)), len(rows))
    elif rows and len(set(estimates)) == 1 and estimates[0] in (0.0, 1.0):
        interval = wilson(int(estimates[0]) * width, width)  # draws of equal values never differ, which is no certainty
    elif len(set(estimates)) > 1 and width > 1:
        interval = cluster_bootstrap(
            estimates, [1.0] * len(rows), [name for name, _ in rows], resamples=resamples, seed=seed
        )
    return PassAtK(k=k, interval=interval, tasks=len(rows), too_few=len(counts) - len(rows))
