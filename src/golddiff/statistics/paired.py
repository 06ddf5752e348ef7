"""Did one arm beat another on the same tasks? Exact McNemar, Holm over several arms, paired differences.

How it fits: `evaluate` compares every arm with the base on the tasks that both arms have a score for. Right or
wrong per task is tested exactly; anything else (similarities, nats per token) gets an interval of the difference
from the same cluster draws for both arms.

Not covered: McNemar takes tasks as independent; where sessions hold many alike tasks, trust the interval of the
difference, which draws whole clusters, over the p-value.

Sources: McNemar, Q. (1947), Psychometrika 12:153-157, in its exact (binomial) form as in Fagerland, Lydersen &
Laake (2013), BMC Med. Res. Methodol. 13:91, eq. 4. Holm, S. (1979), Scand. J. Statist. 6:65-70.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from golddiff.statistics.intervals import Interval, never_certain, percentile_interval, resampled_ratios

__all__ = ["holm", "mcnemar_exact", "paired_difference", "success_difference"]


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p-value for the pairs on which the arms disagree; 1 where they never do.

    `only_first` counts tasks that only the first arm got right, `only_second` those that only the second did.
    Raises ValueError for negative counts.
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"counts of pairs cannot be negative, got {only_first} and {only_second}")
    pairs, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(pairs, wins) for wins in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << pairs))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's adjusted p-values: below `alpha`, a claim holds with all of them tested at once."""
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    adjusted: dict[str, float] = {}
    least = 0.0
    for rank, (name, p_value) in enumerate(ordered):
        least = max(least, min(1.0, (len(ordered) - rank) * p_value))
        adjusted[name] = least
    return {name: adjusted[name] for name in p_values}


def paired_difference(
    first: tuple[Sequence[float], Sequence[float]],
    second: tuple[Sequence[float], Sequence[float]],
    counts_RN: NDArray[np.float64],
    *,
    clusters: int,
    level: float = 0.95,
) -> Interval:
    """Return ratio(first) - ratio(second) with its percentile interval over the same cluster draws.

    Each arm is (numerators, denominators) over the same rows; `counts_RN` comes from `intervals.resample`.
    Raises ValueError where the columns differ in length or a denominator sums to 0.
    """
    columns = [np.asarray(column, dtype=float) for column in (*first, *second)]
    if {len(column) for column in columns} != {counts_RN.shape[1]}:
        raise ValueError(f"columns of {[len(column) for column in columns]} rows, draws of {counts_RN.shape[1]}")
    if 0 in (columns[1].sum(), columns[3].sum()):
        raise ValueError("a denominator is 0 throughout: there is nothing to compare")
    estimate = columns[0].sum() / columns[1].sum() - columns[2].sum() / columns[3].sum()
    replicates = resampled_ratios(columns[0], columns[1], counts_RN) - resampled_ratios(
        columns[2], columns[3], counts_RN
    )
    return percentile_interval(float(estimate), replicates, clusters=clusters, level=level)


def success_difference(
    first: Sequence[float],
    second: Sequence[float],
    known: Sequence[float],
    counts_RN: NDArray[np.float64],
    *,
    clusters: int,
    level: float = 0.95,
) -> Interval:
    """Return the share of tasks done by the first arm less that by the second, over tasks with `known` 1 (else 0).

    Where the arms differ by the same on every task, all draws agree, which is no certainty: the interval is then as
    wide as Wilson's for none of `clusters` trials. Raises ValueError as `paired_difference` does.
    """
    found = paired_difference((first, known), (second, known), counts_RN, clusters=clusters, level=level)
    return never_certain(found, least=-1.0)
