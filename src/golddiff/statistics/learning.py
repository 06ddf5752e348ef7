"""How many examples reach half of what more examples could give: N50, from students trained on different numbers.

    gain(N) = c * (1 - (1 + N / N0)^-a)        N50 = N0 * (2^(1/a) - 1)

How it fits: `evaluate` measures students of several sizes of training set on the same tasks; `half_plateau` fits the
curve to their gains over the base. The plateau c scales everything, so gains and capability recovered (the gains over
one fixed gap) have the same N50: it needs no teacher.

Method: least squares. For a given shape (N50, a) the curve is linear in c, so the fit looks at a grid of shapes and
solves c exactly; every bootstrap draw of the tasks is fitted anew (all sizes on the same draws). N0 and a alone are
hardly told apart by a handful of sizes; N50 is. c is kept within 0..1: no arm gains more than all tasks.

N50 is refused below `FEWEST_SIZES` sizes, where the largest set gains nothing for sure, and where half of the plateau
lies outside of the sizes that were tried (that is extrapolation). Draws may lie outside; those at an edge of the grid
could be anywhere beyond it, so they count as 0 or as infinite, and a bound there is none. Draws without a task of some
size (NaN) say nothing of the curve and are left out.

Sources: the shifted power law of learning curves, Hestness et al. (2017), arXiv 1712.00409, section 3, and Viering &
Loog (2023), IEEE TPAMI 45:7799-7819, table 1. Percentile bootstrap: Davison & Hinkley (1997), section 7.3.

Not covered: training seeds (one training per size moves the curve as much as its seed does).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from golddiff.statistics.intervals import Interval, percentile_interval

__all__ = ["HalfPlateau", "NoHalfPlateau", "half_plateau"]

FEWEST_SIZES = 4
"""Sizes of training set: one more than the curve has parameters."""
REACH = 20
"""Factor outside the sizes that were tried, on both sides, up to which N50 is looked for."""
_SHAPES = np.array([0.35, 0.6, 1.0, 1.7, 3.0])
"""Values of a."""
_STEPS = 200
"""Values of N50, evenly spaced in its logarithm."""
_DRAWS = 1_000
"""Draws that are fitted; a percentile of the interval needs no more."""


class HalfPlateau(msgspec.Struct, frozen=True, kw_only=True):
    """Examples to half of the plateau."""

    n50: Interval
    """Examples. `low` 0 or `high` infinite (null in JSON): beyond what was looked at, a factor of `REACH` outside the
    sizes that were tried."""
    plateau: float
    """c: the gain that the curve ends at."""
    n0: float
    a: float

    def gain(self, examples: float) -> float:
        """Return the fitted gain of a training set of that size."""
        return float(self.plateau * (1 - (1 + examples / self.n0) ** -self.a))


class NoHalfPlateau(msgspec.Struct, frozen=True):
    """Why there is no N50."""

    reason: str


def half_plateau(
    sizes: Sequence[float], gains: Sequence[float], gains_RS: NDArray[np.float64], *, clusters: int, level: float = 0.95
) -> HalfPlateau | NoHalfPlateau:
    """Fit the curve to one gain per size and to every draw of them; `gains_RS` has shape (draws, sizes).

    Raises ValueError where the columns differ in length or a size is not above 0.
    """
    if not len(sizes) == len(gains) == gains_RS.shape[1] or any(size <= 0 for size in sizes):
        raise ValueError(f"need sizes above 0 with a gain each, got {list(sizes)} and {len(gains)} gains")
    if len(set(sizes)) < FEWEST_SIZES:
        return NoHalfPlateau(f"{len(set(sizes))} sizes of training set; the curve needs at least {FEWEST_SIZES}")
    smallest, largest = min(sizes), max(sizes)
    gains_RS = gains_RS[~np.isnan(gains_RS).any(axis=1)]
    if not len(gains_RS):
        return NoHalfPlateau("no draw of the tasks holds one of every size of training set")
    at_most = gains_RS[:, [size == largest for size in sizes]].mean(axis=1)
    if np.quantile(at_most, 0.5 - level / 2) <= 0:
        return NoHalfPlateau(f"the gain of the largest training set ({largest:.0f} examples) may be 0")
    shapes_G2, curves_GS = _grid(np.asarray(sizes, dtype=float))
    best, plateau = _fit(curves_GS, np.asarray([gains], dtype=float))
    n50, a = shapes_G2[best[0]]
    if n50 > largest:
        return NoHalfPlateau(f"half of the plateau lies beyond the {largest:.0f} examples of the largest training set")
    if n50 < smallest:
        return NoHalfPlateau(
            f"the smallest training set ({smallest:.0f} examples) gains more than half of the plateau already"
        )
    drawn = shapes_G2[_fit(curves_GS, gains_RS[:_DRAWS])[0], 0]
    drawn = np.where(drawn >= shapes_G2[-1, 0], np.inf, np.where(drawn <= shapes_G2[0, 0], 0.0, drawn))
    return HalfPlateau(
        n50=percentile_interval(float(n50), drawn, clusters=clusters, level=level),
        plateau=float(plateau[0]),
        n0=float(n50 / (2 ** (1 / a) - 1)),
        a=float(a),
    )


def _grid(sizes_S: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shapes (N50, a) and, for each, the curve at the sizes for a plateau of 1."""
    halves = np.geomspace(sizes_S.min() / REACH, sizes_S.max() * REACH, _STEPS)
    n50_G, a_G = (column.ravel() for column in np.meshgrid(halves, _SHAPES, indexing="ij"))
    n0_G = n50_G / (2 ** (1 / a_G) - 1)
    curves_GS = 1 - (1 + sizes_S[None, :] / n0_G[:, None]) ** -a_G[:, None]
    return np.column_stack([n50_G, a_G]), curves_GS


def _fit(curves_GS: NDArray[np.float64], gains_RS: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Place of the best shape on the grid, and its plateau, for each row of gains."""
    squares_G = (curves_GS**2).sum(axis=1)
    best, plateaus = [], []
    for rows in np.array_split(gains_RS, max(1, len(gains_RS) // 500)):  # all shapes for all draws take much memory
        products_RG = rows @ curves_GS.T
        plateau_RG = np.clip(products_RG / squares_G, 0, 1)
        errors_RG = plateau_RG * (plateau_RG * squares_G - 2 * products_RG)
        place_R = errors_RG.argmin(axis=1)
        best.append(place_R)
        plateaus.append(plateau_RG[np.arange(len(rows)), place_R])
    return np.concatenate(best), np.concatenate(plateaus)
