"""Intervals for shares, means and ratios: Wilson for independent trials, else percentile cluster bootstrap.

How it fits: every share that a report prints goes through here, so that none is printed without its interval.
Lines of one session and tasks of one file resemble each other; treating them as independent gives intervals
that are far too short. `resample` therefore draws whole clusters, and every statistic of one report is computed on the
*same* draws, which makes differences between arms paired. What is inside a cluster comes with it: drawing that again
counts its variance twice, and nominal 95 % intervals then held the truth in 97 to 99 % of simulated reports. Only
inside of a few clusters it is drawn all the same, level by level (repository, then session, then task).

A percentile interval of few clusters is too short, so its tails are taken further out, where those of Student's t with
one degree of freedom less than there are clusters lie. How often the intervals of an evaluation then hold the truth is
measured by `bench/coverage.py`, and in docs/evaluation.md.

Not covered: tests (`paired`), ratios of differences (`recovered`). Below about ten clusters intervals still hold the
truth too seldom; `Interval.clusters` is kept so that a reader can see it.

Sources: Wilson, E. B. (1927), JASA 22:209-212, the score interval without continuity correction. Efron
(1979), Ann. Statist. 7:1-26, and Davison & Hinkley (1997), Bootstrap Methods and their Application, section
3.8, for resampling of hierarchical data (whole clusters are its first strategy); sums over the draws of one node are
multinomial, hence the speed. Field & Welsh (2007), J. R. Statist. Soc. B 69:369-390, compare one stage with two.
Hesterberg, T. (2015), The American Statistician 69:371-386, for the tails of few clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Interval",
    "cluster_bootstrap",
    "expanded",
    "never_certain",
    "percentile_interval",
    "resample",
    "resampled_ratios",
    "t_quantile",
    "wilson",
]


ENOUGH_CLUSTERS = 10
"""From so many on, draws of whole clusters say enough of what would have been."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate between two bounds."""

    estimate: float
    low: float
    high: float
    level: float
    """Nominal coverage, 0 to 1."""
    clusters: int
    """Independent units behind it: trials for Wilson, top-level clusters for the bootstrap."""
    method: str

    def __str__(self) -> str:
        """Render as `61.3 % [54.0, 68.2]`; for shares."""
        return f"{100 * self.estimate:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Return the Wilson score interval of a share of independent trials.

    Raises ValueError without trials or where `successes` is not within 0..`trials`.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"need 0 <= successes <= trials and trials >= 1, got {successes} of {trials}")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # At 0 and n the exact bounds are 0 and 1; rounding would leave 1e-17.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(estimate=share, low=low, high=high, level=level, clusters=trials, method="wilson")


def resample(clusters: Sequence[Sequence[str]], *, resamples: int = 2_000, seed: int = 0) -> NDArray[np.float64]:
    """Return how often each row is drawn in each resample: an array of shape (resamples, rows).

    `clusters` gives each row's path of cluster names from the widest level inwards, for example
    `(repository, session)`; all paths have the same length, and below the last level rows are clusters of one. What
    is drawn are the clusters of the widest level, whole where there are at least `ENOUGH_CLUSTERS` of them. Inside
    of fewer, what they hold is drawn as well, in the same way: a few clusters may agree by chance, and the interval
    then errs on the wide side. A level on which all rows agree adds nothing, so one repository is the same as none.
    Raises ValueError where there are no rows or the paths differ in length.
    """
    if not clusters or len({len(path) for path in clusters}) != 1:
        raise ValueError("need at least one row, and cluster paths of equal length")
    random = np.random.default_rng(seed)
    counts_RN = np.zeros((resamples, len(clusters)))

    def draw(rows: list[int], depth: int, times_R: NDArray[np.int64]) -> None:
        groups: dict[str, list[int]] = {}
        for row in rows:
            name = clusters[row][depth] if depth < len(clusters[row]) else str(row)
            groups.setdefault(name, []).append(row)
        size = len(groups)
        # `times` independent draws of `size` children each are one multinomial of times * size trials.
        shares_RG = random.multinomial(times_R * size, np.full(size, 1 / size)) if size > 1 else times_R[:, None]
        for column, members in enumerate(groups.values()):
            if size >= ENOUGH_CLUSTERS or depth == len(clusters[members[0]]):
                counts_RN[:, members] = shares_RG[:, [column]]
            else:
                draw(members, depth + 1, shares_RG[:, column])

    draw(list(range(len(clusters))), 0, np.ones(resamples, dtype=np.int64))
    return counts_RN


def resampled_ratios(
    numerators: ArrayLike, denominators: ArrayLike, counts_RN: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return sum(numerator) / sum(denominator) in every resample; NaN where a resample's denominator is 0."""
    top = counts_RN @ np.asarray(numerators, dtype=float)
    bottom = counts_RN @ np.asarray(denominators, dtype=float)
    ratios: NDArray[np.float64] = np.divide(top, bottom, out=np.full_like(top, math.nan), where=bottom != 0)
    return ratios


def percentile_interval(
    estimate: float,
    replicates: NDArray[np.float64],
    *,
    clusters: int,
    level: float = 0.95,
    effective: float | None = None,
) -> Interval:
    """Return the percentile interval of bootstrap replicates, expanded for few clusters; NaNs are left out.

    `effective` is as how many equal clusters they count, None: as they are. Where some replicates are infinite nothing
    is interpolated: between a number and infinity there is nothing.
    """
    known = replicates[~np.isnan(replicates)]
    reach = expanded(level, clusters if effective is None else effective)
    ends = [0.5 - reach / 2, 0.5 + reach / 2]
    method: Literal["linear", "inverted_cdf"] = "linear" if np.isfinite(known).all() else "inverted_cdf"
    low, high = np.quantile(known, ends, method=method) if len(known) else (math.nan, math.nan)
    return Interval(
        estimate=estimate,
        low=float(low),
        high=float(high),
        level=level,
        clusters=clusters,
        method="percentile cluster bootstrap",
    )


def expanded(level: float, clusters: float) -> float:
    """Return the level of a percentile interval that covers like Student's interval of `clusters` equal clusters.

    Draws of n clusters vary (n - 1) / n as much as the clusters do, and a normal tail is too short for that few. One
    cluster has nothing to be expanded by: then the level itself. Source: Hesterberg (2015), section 4.
    """
    if clusters <= 1:
        return level
    quantile = t_quantile(0.5 + level / 2, clusters - 1)
    return 2 * NormalDist().cdf(math.sqrt(clusters / (clusters - 1)) * quantile) - 1


def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t above its median, by Cornish-Fisher (Abramowitz & Stegun 1964, 26.7.5).

    At 1.5 degrees of freedom, the fewest that are not refused, 3 % short at 0.975 and 12 % at 0.995; from 4 on
    within half a percent.
    """
    z = NormalDist().inv_cdf(probability)
    terms: Sequence[float] = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def never_certain(found: Interval, *, least: float) -> Interval:
    """Return `found`; where all its draws agree, which is no certainty, as wide as Wilson's for none of its clusters.

    `least` is the smallest value there can be (0 for a share, -1 for a difference of shares); the largest is 1.
    """
    if found.low < found.high:
        return found
    room = wilson(0, found.clusters, found.level).high
    return msgspec.structs.replace(
        found,
        low=max(least, found.estimate - room),
        high=min(1.0, found.estimate + room),
        method="wilson, one trial per cluster",
    )


def cluster_bootstrap(
    numerators: Sequence[float],
    denominators: Sequence[float],
    clusters: Sequence[Sequence[str]] | Sequence[str],
    *,
    resamples: int = 2_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return sum(numerators) / sum(denominators) with its cluster-bootstrap interval.

    For a mean, let every denominator be 1; for a share of lines, let the rows be sessions and the two columns
    lines kept and lines written. `clusters` is one name per row, or one path of names (see `resample`).
    Raises ValueError where the columns differ in length or all denominators are 0.
    """
    if not len(numerators) == len(denominators) == len(clusters):
        raise ValueError(f"columns of {len(numerators)}, {len(denominators)} and {len(clusters)} rows")
    if not any(denominators):
        raise ValueError("every denominator is 0: there is nothing to estimate")
    if all(isinstance(name, str) for name in clusters):
        # Whole clusters are the units: adding their rows up first draws exactly the same statistic, faster.
        sums: dict[str, list[float]] = {}
        for name, top, bottom in zip(clusters, numerators, denominators, strict=True):
            total = sums.setdefault(str(name), [0.0, 0.0])
            total[0] += top
            total[1] += bottom
        paths: list[tuple[str, ...]] = [() for _ in sums]
        columns = np.array(list(sums.values()))
        width = len(sums)
    else:
        paths = [tuple(path) for path in clusters]
        columns = np.column_stack([np.asarray(numerators, float), np.asarray(denominators, float)])
        width = len({path[:1] for path in paths})
    ratios = resampled_ratios(columns[:, 0], columns[:, 1], resample(paths, resamples=resamples, seed=seed))
    estimate = float(columns[:, 0].sum() / columns[:, 1].sum())
    return percentile_interval(estimate, ratios, clusters=width, level=level)
