"""How long do accepted lines live? Kaplan-Meier and Aalen-Johansen curves, with errors clustered by session.

How it fits: a row is a group of lines of one session that began together and ended together, or are still there; its
weight is their number. A line that a later agent session overwrote did not die of what the other lines die of, so it
is a competing event, not a censored row. `Curve.still` is the share of lines still in place (Kaplan-Meier over all
causes), `Curve.ended[cause]` the share that ended by that cause (Aalen-Johansen); at any time they sum to 1.
`survival_hazards` compares groups.

Method: product limit and its competing-risk form; the variance is the infinitesimal jackknife: each row's derivative
of the estimate, summed within a session before squaring, so lines that are committed and deleted together count as
one observation (with every row a cluster of its own and equal weights it equals Greenwood's). As everywhere in this
package, few and unequal sessions widen it: the sum is multiplied by n / (n - 1) and the quantile is Student's t with
n - 1 degrees of freedom, n being Kish's effective number of sessions. Intervals are on the log(-log) scale. Where no
line ended yet there is no spread to estimate; the interval is then Wilson's over the sessions. A time that too few
sessions reach is refused. `bench/survival_coverage.py` simulates how often the intervals hold the truth.

Not covered: delayed entry, interval censoring (a line that git saw vanish ended at the commit that removed it), and
censoring that depends on the fate of the lines.

Sources: Kaplan & Meier (1958), JASA 53:457-481. Aalen & Johansen (1978), Scand. J. Statist. 5:141-150. Williams (1995),
Biometrics 51:194-199, for clustered errors by linearisation; Therneau & Grambsch (2000), Modeling Survival Data,
section 2.3 and appendix, for the jackknife of both curves. Kalbfleisch & Prentice (2002), section 1.4, for
log(-log) intervals; Brookmeyer & Crowley (1982), Biometrics 38:29-41, for that of the median.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from golddiff.statistics.intervals import t_quantile, wilson
from golddiff.statistics.shares import (
    Difference,
    Measured,
    Refused,
    Share,
    effective_clusters,
    instability,
)

__all__ = ["Curve", "Lifetimes", "Median", "survival_curve", "survival_difference"]

Floats: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]
STILL = 0
"""Row of the curve's estimates that is the share still in place; row k is cause k."""


@dataclass(frozen=True)
class Lifetimes:
    """Rows of lines: how long each was followed, and how it ended."""

    durations_N: Floats
    """Time from the beginning to the end or, where it has none, to the last look; any unit, from 0."""
    causes_N: Codes
    """0: still there when last looked at (right-censored); 1 to `causes`: why it ended."""
    weights_N: Floats
    """Lines in the row, above 0."""
    clusters_N: Codes
    """Session of the row, 0 to `clusters` - 1."""
    clusters: int
    """Sessions in all; the groups of one report share one numbering."""
    causes: int = 1
    """Number of ways to end."""

    def __post_init__(self) -> None:
        columns = (self.durations_N, self.causes_N, self.weights_N, self.clusters_N)
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"columns of {[len(column) for column in columns]} rows")
        if not len(self.durations_N):
            return
        if not (np.isfinite(self.durations_N).all() and self.durations_N.min() >= 0 and self.weights_N.min() > 0):
            raise ValueError("durations must be finite and not negative, weights above 0")
        if not (self.causes_N.min() >= 0 and self.causes_N.max() <= self.causes):
            raise ValueError(f"causes must lie in 0..{self.causes}, got up to {self.causes_N.max()}")
        if not (self.clusters_N.min() >= 0 and self.clusters_N.max() < self.clusters):
            raise ValueError(f"sessions must lie in 0..{self.clusters - 1}, got up to {self.clusters_N.max()}")

    def where(self, chosen_N: NDArray[np.bool_]) -> Lifetimes:
        """Return some of the rows, with the same numbering of sessions."""
        return Lifetimes(
            self.durations_N[chosen_N],
            self.causes_N[chosen_N],
            self.weights_N[chosen_N],
            self.clusters_N[chosen_N],
            self.clusters,
            self.causes,
        )

    def followed(self, time: float) -> Floats:
        """Lines by session whose fate at `time` is known: ended by then, or still watched."""
        return self.where((self.durations_N >= time) | (self.causes_N > 0)).by_cluster()

    def by_cluster(self) -> Floats:
        """Lines of each session."""
        return np.bincount(self.clusters_N, self.weights_N, minlength=self.clusters).astype(float)

    def at_risk(self, time: float) -> float:
        """Lines that are in place and watched just before `time`."""
        return float(self.weights_N[self.durations_N >= time].sum())


class Median(msgspec.Struct, frozen=True, kw_only=True):
    """The time by which half of the lines are gone; None where the curve or a bound never comes down to a half."""

    estimate: float | None
    low: float | None
    high: float | None
    level: float = 0.95


@dataclass(frozen=True)
class Curve:
    """Step functions that change at `times_T`; row 0 is the share still in place, row k what ended by cause k."""

    lifetimes: Lifetimes
    times_T: Floats
    """Times at which lines ended, rising."""
    at_risk_T: Floats
    """Lines in place and watched just before each."""
    estimates_KT: Floats
    errors_KT: Floats
    """Clustered standard errors, without the widening for few sessions."""
    effective: float
    """Kish's effective number of sessions."""

    @property
    def still(self) -> Floats:
        """Share still in place after each time."""
        still_T: Floats = self.estimates_KT[STILL]
        return still_T

    def at(self, time: float, cause: int = STILL, level: float = 0.95) -> Measured:
        """Share still in place at `time`, or ended by a cause until then, or why it is refused."""
        followed_C = self.lifetimes.followed(time)
        if not len(self.lifetimes.durations_N) or self.lifetimes.durations_N.max() < time:
            return Refused("not watched so long")
        if (reason := instability(followed_C)) is not None:
            return Refused(reason)
        step = int(np.searchsorted(self.times_T, time, side="right")) - 1
        estimate = float(self.estimates_KT[cause, step]) if step >= 0 else float(cause == STILL)
        sessions = int((followed_C > 0).sum())
        if estimate in (0.0, 1.0):
            found = wilson(round(estimate * sessions), sessions, level)
            low, high = found.low, found.high
        else:
            low, high = self._bounds(np.array([estimate]), self.errors_KT[cause, [step]], followed_C, level)[:, 0]
        return Share(estimate=estimate, low=float(low), high=float(high), clusters=sessions, level=level)

    def band(self, cause: int = STILL, level: float = 0.95) -> tuple[Floats, Floats]:
        """Pointwise bounds at `times_T`; where the estimate is 0 or 1 it bounds itself."""
        low_T, high_T = self._bounds(self.estimates_KT[cause], self.errors_KT[cause], None, level)
        return low_T, high_T

    def median(self, level: float = 0.95) -> Median | Refused:
        """Time by which half of the lines are gone, with the times at which the band crosses a half."""
        if (reason := instability(self.lifetimes.followed(0.0))) is not None:
            return Refused(reason)
        low_T, high_T = self.band(STILL, level)
        crossed = [self._first(self.times_T, values_T) for values_T in (self.still, low_T, high_T)]
        return Median(estimate=crossed[0], low=crossed[1], high=crossed[2], level=level)

    @staticmethod
    def _first(times_T: Floats, values_T: Floats) -> float | None:
        below = np.flatnonzero(values_T <= 0.5 + 1e-12)
        return float(times_T[below[0]]) if len(below) else None

    def _bounds(self, estimates_T: Floats, errors_T: Floats, weights_C: Floats | None, level: float) -> Floats:
        """Bounds of shares that are neither 0 nor 1, on the log(-log) scale; others bound themselves."""
        effective = self.effective if weights_C is None else effective_clusters(weights_C)
        if effective <= 1:
            return np.full((2, len(estimates_T)), math.nan)
        quantile = t_quantile(0.5 + level / 2, effective - 1) * math.sqrt(effective / (effective - 1))
        inner_T = (estimates_T > 1e-12) & (estimates_T < 1 - 1e-12)
        shares_T = np.where(inner_T, estimates_T, 0.5)
        spread_T = np.where(inner_T, quantile * errors_T / (shares_T * np.abs(np.log(shares_T))), 0.0)
        # Beyond e^30 the bound is 0 or 1 in double precision; the clip only keeps the power from overflowing.
        power_T = np.exp(np.clip(spread_T, 0.0, 30.0))
        bounds = np.stack([shares_T**power_T, shares_T ** (1 / power_T)])
        return np.where(inner_T, bounds, np.clip(estimates_T, 0.0, 1.0))


def survival_curve(lifetimes: Lifetimes) -> Curve:
    """Return the curve of these rows. Lines that end at the time of another's last look count as ended before it."""
    times_T, at_risk_T, estimates_KT, squares_KT = _walk(lifetimes, None)[:4]
    weights_C = lifetimes.by_cluster()
    effective = effective_clusters(weights_C) if weights_C.any() else 0.0
    return Curve(lifetimes, times_T, at_risk_T, estimates_KT, np.sqrt(squares_KT), effective)


def survival_difference(
    first: Lifetimes, second: Lifetimes, time: float, *, comparisons: int = 1
) -> Difference | Refused:
    """Return (share still in place in `first`) - (in `second`) at `time`, or why it is refused.

    Both are numbered alike, so a session that wrote lines of both counts as one observation of the difference. The
    level is raised for `comparisons` shown together (Bonferroni). Where a share is 0 or 1 the two intervals are joined
    as if independent (MOVER, as in `shares`).
    """
    level = 1 - 0.05 / max(1, comparisons)
    one, two = (survival_curve(rows).at(time, level=level) for rows in (first, second))
    for found, rows in ((one, first), (two, second)):
        if isinstance(found, Refused):
            return found if len(rows.durations_N) else Refused("nothing to compare with")
    if isinstance(one, Refused) or isinstance(two, Refused):
        raise AssertionError("both were just seen to be given")
    estimate = one.estimate - two.estimate
    if {one.estimate, two.estimate} & {0.0, 1.0}:
        low = estimate - math.hypot(one.estimate - one.low, two.high - two.estimate)
        high = estimate + math.hypot(one.high - one.estimate, two.estimate - two.low)
        return Difference(estimate=estimate, low=low, high=high, level=level)
    influence_C = _walk(first, time)[4] - _walk(second, time)[4]
    effective = min(effective_clusters(rows.followed(time)) for rows in (first, second))
    error = math.sqrt(float(influence_C @ influence_C) * effective / (effective - 1))
    half = t_quantile(0.5 + level / 2, effective - 1) * error
    return Difference(estimate=estimate, low=estimate - half, high=estimate + half, level=level)


def _walk(lifetimes: Lifetimes, until: float | None) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Walk through the times at which lines ended, up to `until`.

    Returns times_T, at_risk_T, estimates_KT, sums of squared influences KT, and the influence of each session on the
    share still in place at the last time. With hazards h_k = d_k / n, the derivative of the curve in a row's weight is
    carried along: dS = dS (1 - h) - S (I - Y h) / n and dF_k += dS h_k + S (I_k - Y h_k) / n, where Y and I_k say
    whether the row is at risk, and ends by cause k, at that time.
    """
    order_N = np.argsort(lifetimes.durations_N, kind="stable")
    durations_N, causes_N = lifetimes.durations_N[order_N], lifetimes.causes_N[order_N]
    weights_N, clusters_N = lifetimes.weights_N[order_N], lifetimes.clusters_N[order_N]
    times_T = np.unique(durations_N[causes_N > 0])
    if until is not None:
        times_T = times_T[times_T <= until]
    begins_T = np.searchsorted(durations_N, times_T, side="left")
    ends_T = np.searchsorted(durations_N, times_T, side="right")
    kinds, steps, size = lifetimes.causes + 1, len(times_T), lifetimes.clusters
    at_risk_T = np.zeros(steps)
    estimates_KT, squares_KT = np.zeros((kinds, steps)), np.zeros((kinds, steps))
    share, ended_K = 1.0, np.zeros(kinds)
    share_C, ended_KC = np.zeros(size), np.zeros((kinds, size))
    watched_C = np.bincount(clusters_N, weights_N, minlength=size).astype(float)
    done = 0
    for step, (begin, end) in enumerate(zip(begins_T, ends_T, strict=True)):
        np.subtract.at(watched_C, clusters_N[done:begin], weights_N[done:begin])
        done = int(begin)
        now = slice(int(begin), int(end))
        died_KC = np.zeros((kinds, size))
        np.add.at(died_KC, (causes_N[now], clusters_N[now]), weights_N[now])
        died_KC[STILL] = 0.0  # watched until just now, and still there
        total = float(watched_C.sum())
        for cause in range(1, kinds):
            hazard = float(died_KC[cause].sum()) / total
            if hazard:
                ended_KC[cause] += share_C * hazard + share * (died_KC[cause] - watched_C * hazard) / total
                ended_K[cause] += share * hazard
        hazard = float(died_KC.sum()) / total
        share_C = share_C * (1 - hazard) - share * (died_KC.sum(axis=0) - watched_C * hazard) / total
        share *= 1 - hazard
        at_risk_T[step] = total
        estimates_KT[:, step] = ended_K
        estimates_KT[STILL, step] = share
        squares_KT[:, step] = (ended_KC * ended_KC).sum(axis=1)
        squares_KT[STILL, step] = share_C @ share_C
    return times_T, at_risk_T, estimates_KT, squares_KT, share_C
