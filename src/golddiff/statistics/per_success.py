"""What one accepted patch costs: everything that was spent, divided by what it brought.

    cost per success = sum of costs over all tasks / number of tasks done

How it fits: the report's cost, time and tokens per accepted patch, and the frontier of cost and quality. Failures are
paid for too, so an arm that is cheap and often wrong is not cheap. Both sums are drawn together, cluster by cluster.

Method: percentile cluster bootstrap of the ratio. A draw without any success has an infinite cost: it stays among the
draws, so an arm that hardly ever succeeds gets the upper bound `inf` rather than a short interval over the lucky draws.
An arm without any success has no cost per success.

Source: Davison & Hinkley (1997), Bootstrap Methods and their Application, sections 2.2 and 3.8. Counting failures in
the cost of a success: Kapoor et al. (2024), AI Agents That Matter, arXiv 2407.01502, section 2, ask for cost beside
accuracy and draw the frontier of `frontier`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golddiff.statistics.intervals import Interval, percentile_interval

__all__ = ["cost_per_success", "frontier"]


def cost_per_success(
    costs: ArrayLike, successes: ArrayLike, counts_RN: NDArray[np.float64], *, clusters: int, level: float = 0.95
) -> Interval | None:
    """Return the cost of one success, one cost and success (0 to 1) per task; None without any success.

    `counts_RN` comes from `intervals.resample`; `high` is infinite where too few draws hold a success.
    Raises ValueError where the columns differ in length or a cost is below 0.
    """
    cost_N, success_N = np.asarray(costs, dtype=float), np.asarray(successes, dtype=float)
    if not len(cost_N) == len(success_N) == counts_RN.shape[1] or (cost_N < 0).any():
        raise ValueError(f"need costs of at least 0 and as many successes, got {len(cost_N)} and {len(success_N)}")
    if not success_N.sum():
        return None
    bottom_R = counts_RN @ success_N
    draws_R = np.divide(counts_RN @ cost_N, bottom_R, out=np.full_like(bottom_R, math.inf), where=bottom_R > 0)
    return percentile_interval(float(cost_N.sum() / success_N.sum()), draws_R, clusters=clusters, level=level)


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which (cost, quality) no other point beats in both, cheapest first. Ties go to the earlier point."""
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1], index))
    best, found = -math.inf, []
    for index in order:
        if points[index][1] > best:
            best = points[index][1]
            found.append(index)
    return found
