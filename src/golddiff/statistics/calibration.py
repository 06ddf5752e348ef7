"""Does a model know when it is right? Its confidence in each answer beside what became of it.

How it fits: `evaluate` takes as confidence the probability that the model gives to its own answer. A router can use
it to keep hard tasks from the student only if it separates right from wrong (`auroc`); it can be read as a chance only
if `overconfidence` is near 0 and the `bins` lie on the diagonal.

- `auroc`: the probability that a task done is given more confidence than one not done; 1/2 is chance. Ties count half.
- `brier`: mean squared distance between confidence and outcome; `brier_constant` always says the share done.
- `overconfidence`: mean confidence less the share of tasks done.
- `bins`: tasks in order of confidence, cut into equal parts; mean confidence and share done of each.

All intervals are percentile cluster bootstraps on the draws of the report. Where confidence separates all tasks, draws
never differ, which is no certainty: the area then has Wilson's interval, with the clusters of the rarer outcome as
trials, since their number bounds what can be known of it. No expected calibration error: binned, it is
biased upwards by noise alone (Kumar, Liang & Ma 2019, NeurIPS, arXiv 1909.10155), so an interval around it misleads.

Sources: Mann & Whitney (1947), Ann. Math. Statist. 18:50-60, and Hanley & McNeil (1982), Radiology 143:29-36, for the
area; Brier (1950), Mon. Weather Rev. 78:1-3; Murphy & Winkler (1977), JRSS C 26:41-47, reliability diagrams. For code
models: Spiess et al. (2024), arXiv 2402.02047, who use the same confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from golddiff.statistics.intervals import Interval, percentile_interval, resampled_ratios, wilson

__all__ = ["Bin", "Calibration", "calibration", "weighted_auroc"]

FEWEST_OF_A_KIND = 5
"""Tasks done, and not done, below which nothing is said."""
_DRAWS = 2_000


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of similar confidence."""

    tasks: int
    confidence: float
    """Mean."""
    done: Interval


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How confidence and success go together."""

    tasks: int
    auroc: Interval
    brier: Interval
    brier_constant: float
    overconfidence: Interval
    bins: tuple[Bin, ...]


def calibration(
    confidences: Sequence[float],
    successes: Sequence[float],
    clusters: Sequence[str],
    counts_RN: NDArray[np.float64],
    *,
    bins: int = 8,
    level: float = 0.95,
) -> Calibration | None:
    """Return the calibration of one arm; None where fewer than `FEWEST_OF_A_KIND` tasks are done, or not done.

    Confidence and success are 0 to 1 per task, `clusters` the widest cluster of each, `counts_RN` from
    `intervals.resample`. Raises ValueError where the columns differ in length or a confidence is no probability.
    """
    sure_N, done_N = np.asarray(confidences, dtype=float), np.asarray(successes, dtype=float)
    if not len(sure_N) == len(done_N) == len(clusters) == counts_RN.shape[1]:
        raise ValueError(f"columns of {len(sure_N)}, {len(done_N)} and {len(clusters)} rows")
    if ((sure_N < 0) | (sure_N > 1)).any():
        raise ValueError("a confidence is a probability, 0 to 1")
    if min(done_N.sum(), len(done_N) - done_N.sum()) < FEWEST_OF_A_KIND:
        return None
    counts_RN, ones_N, width = counts_RN[:_DRAWS], np.ones(len(sure_N)), len(set(clusters))

    def mean(values_N: NDArray[np.float64]) -> Interval:
        draws = resampled_ratios(values_N, ones_N, counts_RN)
        return percentile_interval(float(values_N.mean()), draws, clusters=width, level=level)

    def binned(rows: NDArray[np.intp]) -> Bin:
        share, there = float(done_N[rows].mean()), len({clusters[row] for row in rows})
        # As with the area: equal values are no certainty.
        found = (
            wilson(round(share) * there, there, level)
            if share in (0.0, 1.0)
            else percentile_interval(
                share, resampled_ratios(done_N[rows], ones_N[rows], counts_RN[:, rows]), clusters=there, level=level
            )
        )
        return Bin(tasks=len(rows), confidence=float(sure_N[rows].mean()), done=found)

    area = float(weighted_auroc(sure_N, done_N, ones_N[None, :])[0])
    rarer = min(len({name for name, one in zip(clusters, done_N, strict=True) if one == kind}) for kind in (0.0, 1.0))
    return Calibration(
        tasks=len(sure_N),
        auroc=wilson(round(area) * rarer, rarer, level)
        if area in (0.0, 1.0)
        else percentile_interval(area, weighted_auroc(sure_N, done_N, counts_RN), clusters=width, level=level),
        brier=mean((sure_N - done_N) ** 2),
        brier_constant=float(done_N.mean() * (1 - done_N.mean())),
        overconfidence=mean(sure_N - done_N),
        bins=tuple(binned(rows) for rows in np.array_split(np.argsort(sure_N, kind="stable"), bins) if len(rows)),
    )


def weighted_auroc(
    confidences_N: NDArray[np.float64], done_N: NDArray[np.float64], weights_RN: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the area under the ROC curve for each row of weights; NaN where one kind of outcome has no weight."""
    order_N = np.argsort(confidences_N, kind="stable")
    level_N = np.unique(confidences_N[order_N], return_inverse=True)[1]
    right_RN = (weights_RN * done_N)[:, order_N]
    wrong_RN = (weights_RN * (1 - done_N))[:, order_N]
    upto_RN = np.concatenate([np.zeros((len(weights_RN), 1)), wrong_RN.cumsum(axis=1)], axis=1)
    begins_N = np.searchsorted(level_N, level_N, side="left")
    ends_N = np.searchsorted(level_N, level_N, side="right")
    won_R = (right_RN * (upto_RN[:, begins_N] + upto_RN[:, ends_N]) / 2).sum(axis=1)
    pairs_R = right_RN.sum(axis=1) * wrong_RN.sum(axis=1)
    areas: NDArray[np.float64] = np.divide(won_R, pairs_R, out=np.full(len(pairs_R), math.nan), where=pairs_R > 0)
    return areas
