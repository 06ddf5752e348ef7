"""Do the lines of one group die faster? Hazard ratios by Cox's regression, with errors clustered by session.

How it fits: `hazard_ratios` compares each group (model, tool, language, path, kind of task) with a reference, over all
the time that lines were watched; `survival.survival_difference` compares two groups at one time. A competing end
(overwritten by a later agent session) can be left out of the events: then the ratio is cause-specific.

Method: proportional hazards, Efron's likelihood for ties, fitted by Newton-Raphson with halved steps. A row's weight
is its number of lines; as in R's coxph, tied ends of different weight share their mean. The variance is the sandwich:
score residuals (Efron's form), times weights, summed within a session. It is widened for few sessions as in `survival`.
Tests hold it to lifelines and statsmodels where those are installed, and to a published example where they are not:
both bring pandas and much else, too heavy for the core, and neither gives this variance for weighted, tied rows of
competing ends.

Not covered: time-varying covariates, strata, a test of proportionality (compare the curves).

Sources: Cox (1972), JRSS B 34:187-220; Efron (1977), JASA 72:557-565; Lin & Wei (1989), JASA 84:1074-1078; Therneau &
Grambsch (2000), Modeling Survival Data, sections 3.3 and 7.1 (score residuals with Efron's ties). Prentice et al.
(1978), Biometrics 34:541-554, for cause-specific hazards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from golddiff.statistics.intervals import t_quantile
from golddiff.statistics.shares import Refused, effective_clusters, instability
from golddiff.statistics.survival import Codes, Floats, Lifetimes

__all__ = ["CoxFit", "HazardRatio", "cox_regression", "hazard_ratios", "too_little"]

FEWEST_ENDING = 5
"""Least number of sessions with an end, in either group, at which a ratio is given."""
_STEPS = 30
_TOLERANCE = 1e-9


class HazardRatio(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as fast lines of a group end as those of the reference."""

    ratio: float
    low: float
    high: float
    p_value: float
    """Of the clustered Wald test of a ratio of 1, not adjusted for other comparisons."""
    level: float

    @property
    def verdict(self) -> str:
        """`die faster`, `live longer`, or `not told apart` where the interval holds 1."""
        return "die faster" if self.low > 1 else "live longer" if self.high < 1 else "not told apart"


@dataclass(frozen=True)
class CoxFit:
    """A fitted regression of P covariates."""

    coefficients_P: Floats
    """Log hazard ratios."""
    naive_PP: Floats
    """Inverse information: what the variance would be if every line were independent."""
    robust_PP: Floats
    """Sandwich variance, clustered, without the widening for few sessions."""
    log_likelihood: float
    converged: bool


def cox_regression(lifetimes: Lifetimes, covariates_NP: Floats) -> CoxFit:
    """Fit the regression of every end (any cause above 0) on the covariates.

    Raises ValueError where no row ended or a covariate does not vary.
    """
    x_NP = np.asarray(covariates_NP, dtype=float)
    if not (lifetimes.causes_N > 0).any():
        raise ValueError("no line ended: there is no hazard to compare")
    if (np.ptp(x_NP, axis=0) == 0).any():
        raise ValueError("a covariate is the same in every row")
    problem = _Problem(lifetimes, x_NP)
    beta_P = np.zeros(x_NP.shape[1])
    value, gradient_P, information_PP = problem.derivatives(beta_P)
    converged = False
    for _ in range(_STEPS):
        step_P = np.linalg.solve(information_PP, gradient_P)
        for _ in range(20):
            tried = problem.derivatives(beta_P + step_P)
            if math.isfinite(tried[0]) and tried[0] >= value - 1e-12 * abs(value):
                break
            step_P = step_P / 2
        gained, value = tried[0] - value, tried[0]
        beta_P = beta_P + step_P
        gradient_P, information_PP = tried[1:]
        if abs(gained) <= _TOLERANCE * (1 + abs(value)) and np.abs(step_P).max() < 1e-6:
            converged = True
            break
    inverse_PP: Floats = np.linalg.inv(information_PP).astype(float)
    influence_CP = problem.scores(beta_P) @ inverse_PP
    return CoxFit(beta_P, inverse_PP, influence_CP.T @ influence_CP, value, converged)


def hazard_ratios(
    lifetimes: Lifetimes, groups: Sequence[str], reference: str, *, comparisons: int | None = None
) -> dict[str, HazardRatio | Refused]:
    """Return the hazard ratio of every group in `groups` (one name per row) against `reference`, or why it is refused.

    The level is raised for the number of comparisons (Bonferroni). Groups that are refused are left out of the fit.
    """
    names = [name for name in dict.fromkeys(groups) if name != reference]
    labels_N = np.asarray(groups, dtype=object)
    found: dict[str, HazardRatio | Refused] = {}
    base = too_little(lifetimes.where(labels_N == reference))
    for name in names:
        reason = too_little(lifetimes.where(labels_N == name))
        if base is not None or reason is not None:
            found[name] = Refused(f"{reference}: {base}" if base is not None else str(reason))
    fitted = [name for name in names if name not in found]
    if not fitted:
        return found
    used_N = np.isin(labels_N, [reference, *fitted])
    rows = lifetimes.where(used_N)
    dummies_NP = np.column_stack([labels_N[used_N] == name for name in fitted]).astype(float)
    fit = cox_regression(rows, dummies_NP)
    level = 1 - 0.05 / max(1, len(fitted) if comparisons is None else comparisons)
    smallest = _effective(rows, labels_N[used_N] == reference)
    for column, name in enumerate(fitted):
        if not fit.converged:
            found[name] = Refused("the regression does not converge on these lines")
            continue
        effective = min(smallest, _effective(rows, labels_N[used_N] == name))
        error = math.sqrt(float(fit.robust_PP[column, column]) * effective / (effective - 1))
        found[name] = _ratio(float(fit.coefficients_P[column]), error, effective - 1, level)
    return {name: found[name] for name in names}


def _ratio(coefficient: float, error: float, freedom: float, level: float) -> HazardRatio:
    half = t_quantile(0.5 + level / 2, freedom) * error
    return HazardRatio(
        ratio=math.exp(coefficient),
        low=math.exp(coefficient - half),
        high=math.exp(coefficient + half),
        p_value=_p_value(abs(coefficient) / error, freedom) if error > 0 else math.nan,
        level=level,
    )


def _p_value(statistic: float, freedom: float) -> float:
    """Two-sided p-value of Student's t. With t = sqrt(n) tan(a) its density is cos(a)^(n - 1): smooth, on a quarter."""

    def area(begin: float) -> float:
        angles = np.linspace(begin, math.pi / 2, 4_001)
        return float(np.trapezoid(np.clip(np.cos(angles), 0.0, 1.0) ** (freedom - 1), angles))

    return area(math.atan(statistic / math.sqrt(freedom))) / area(0.0)


def too_little(rows: Lifetimes) -> str | None:
    """Say why nothing can be said of the hazard of a group, or None."""
    if (reason := instability(rows.by_cluster())) is not None:
        return reason
    ended = len(np.unique(rows.clusters_N[rows.causes_N > 0]))
    return f"lines of only {ended} sessions ended" if ended < FEWEST_ENDING else None


def _effective(rows: Lifetimes, chosen_N: NDArray[np.bool_]) -> float:
    return effective_clusters(rows.where(chosen_N).by_cluster())


class _Problem:
    """Sums over risk sets. A slot is one of d tied ends of rows: Efron takes l / d of them out of the l-th risk set."""

    def __init__(self, lifetimes: Lifetimes, x_NP: Floats) -> None:
        self._lifetimes = lifetimes
        self._weights_N = lifetimes.weights_N
        self._x_NP = x_NP - np.average(x_NP, axis=0, weights=lifetimes.weights_N)
        self._ended_N = lifetimes.causes_N > 0
        times_T, self._time_E = np.unique(lifetimes.durations_N[self._ended_N], return_inverse=True)
        self._steps = len(times_T)
        # The last time at which a row is at risk: it counts in the risk sets of all times up to its own duration.
        self._last_N = np.searchsorted(times_T, lifetimes.durations_N, side="right") - 1
        tied_T = np.bincount(self._time_E, minlength=self._steps)
        self._slot_time_S: Codes = np.repeat(np.arange(self._steps), tied_T)
        begins_T = np.concatenate([[0], np.cumsum(tied_T)[:-1]])
        self._fraction_S = (np.arange(len(self._slot_time_S)) - begins_T[self._slot_time_S]) / tied_T[self._slot_time_S]
        died_T = np.bincount(self._time_E, self._weights_N[self._ended_N], minlength=self._steps)
        self._weight_S = (died_T / tied_T)[self._slot_time_S]

    def _risk(self, beta_P: Floats) -> tuple[Floats, Floats, Floats]:
        """Risk of each row, and for each slot the sum of risks and the risk-weighted mean covariates."""
        eta_N = self._x_NP @ beta_P
        risk_N = np.exp(np.clip(eta_N, -500, 500))
        weighted_N = self._weights_N * risk_N
        sums_S = self._slots(weighted_N)
        means_SP = np.column_stack([self._slots(weighted_N * column) for column in self._x_NP.T]) / sums_S[:, None]
        return risk_N, sums_S, means_SP

    def _slots(self, values_N: Floats) -> Floats:
        """Sum of values over each slot's risk set."""
        seen_N = self._last_N >= 0
        sums_T = np.bincount(self._last_N[seen_N], values_N[seen_N], minlength=self._steps)[::-1].cumsum()[::-1]
        died_T = np.bincount(self._time_E, values_N[self._ended_N], minlength=self._steps)
        return np.asarray(sums_T[self._slot_time_S] - self._fraction_S * died_T[self._slot_time_S])

    def derivatives(self, beta_P: Floats) -> tuple[float, Floats, Floats]:
        """Log partial likelihood, its gradient and the information matrix."""
        risk_N, sums_S, means_SP = self._risk(beta_P)
        ended_weights_E = self._weights_N[self._ended_N]
        ended_x_EP = self._x_NP[self._ended_N]
        value = float(ended_weights_E @ (ended_x_EP @ beta_P) - self._weight_S @ np.log(sums_S))
        gradient_P = ended_weights_E @ ended_x_EP - self._weight_S @ means_SP
        size = len(beta_P)
        information_PP = np.zeros((size, size))
        weighted_N = self._weights_N * risk_N
        for row in range(size):
            for column in range(row + 1):
                squares_S = self._slots(weighted_N * self._x_NP[:, row] * self._x_NP[:, column]) / sums_S
                value_S = squares_S - means_SP[:, row] * means_SP[:, column]
                information_PP[row, column] = information_PP[column, row] = float(self._weight_S @ value_S)
        return value, gradient_P, information_PP

    def scores(self, beta_P: Floats) -> Floats:
        """Score residuals times weights, summed by session: shape (sessions, P)."""
        risk_N, sums_S, means_SP = self._risk(beta_P)
        hazard_S = self._weight_S / sums_S
        hazard_T = np.bincount(self._slot_time_S, hazard_S, minlength=self._steps)
        spared_T = np.bincount(self._slot_time_S, hazard_S * self._fraction_S, minlength=self._steps)
        tied_T = np.bincount(self._slot_time_S, minlength=self._steps)
        total_T = np.concatenate([[0.0], hazard_T.cumsum()])
        residuals_NP = np.zeros_like(self._x_NP)
        for column in range(residuals_NP.shape[1]):
            x_N, mean_S = self._x_NP[:, column], means_SP[:, column]
            drift_T = np.bincount(self._slot_time_S, hazard_S * mean_S, minlength=self._steps)
            drift_total_T = np.concatenate([[0.0], drift_T.cumsum()])
            residuals_N = -risk_N * (x_N * total_T[self._last_N + 1] - drift_total_T[self._last_N + 1])
            # A tied end is only partly at risk in the later slots of its own time.
            spared_drift_T = np.bincount(self._slot_time_S, hazard_S * self._fraction_S * mean_S, minlength=self._steps)
            mean_T = np.bincount(self._slot_time_S, mean_S, minlength=self._steps) / tied_T
            at_E, x_E = self._time_E, x_N[self._ended_N]
            residuals_N[self._ended_N] += x_E - mean_T[at_E]
            residuals_N[self._ended_N] += risk_N[self._ended_N] * (x_E * spared_T[at_E] - spared_drift_T[at_E])
            residuals_NP[:, column] = residuals_N
        weighted_NP = residuals_NP * self._weights_N[:, None]
        clusters_N, size = self._lifetimes.clusters_N, self._lifetimes.clusters
        return np.column_stack([np.bincount(clusters_N, column, minlength=size) for column in weighted_NP.T])
