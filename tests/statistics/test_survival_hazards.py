"""Hazard ratios with clustered errors, held to published numbers, to lifelines and to statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from golddiff.statistics.shares import Refused
from golddiff.statistics.survival import Lifetimes
from golddiff.statistics.survival_hazards import HazardRatio, _p_value, cox_regression, hazard_ratios

REMISSION = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
"""Weeks in remission under 6-MP: Freireich et al. (1963), Blood 21:699-716."""
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
"""Under placebo, all of them until the relapse."""


def rows(durations: Any, causes: Any, weights: Any = None, clusters: Any = None) -> Lifetimes:
    size = len(durations)
    names = np.arange(size) if clusters is None else np.asarray(clusters)
    lines = np.ones(size) if weights is None else np.asarray(weights, float)
    return Lifetimes(np.asarray(durations, float), np.asarray(causes, int), lines, names, int(names.max()) + 1)


def simulated(seed: int, ratio: float = 1.0, sessions: int = 40, ties: bool = False) -> tuple[Lifetimes, list[str]]:
    """Sessions of one group each, which differ by a gamma frailty; group b dies `ratio` times as fast."""
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(sessions), 8)
    hazard = random.gamma(4, 0.25, sessions)[clusters] * np.where(clusters % 2, ratio, 1.0) / 20
    lived, watched = random.exponential(1 / hazard), random.uniform(10, 60, len(clusters))
    durations = np.minimum(lived, watched)
    if ties:
        durations = np.ceil(durations)
    else:
        durations[np.argmin(durations)] = 1e-3  # statsmodels has no residual of rows censored before the first end
    causes = (lived <= watched).astype(int)
    causes[np.argmin(durations)] = 1
    return rows(durations, causes, random.integers(1, 9, len(clusters)), clusters), [
        "ba"[1 - cluster % 2] for cluster in clusters
    ]


def dummies(groups: list[str]) -> np.ndarray[Any, Any]:
    return np.array([[group == "b"] for group in groups], float)


def test_the_published_remission_trial_comes_out_with_efrons_ties() -> None:
    lifetimes = rows(PLACEBO + REMISSION, [1] * 21 + RELAPSED)
    fit = cox_regression(lifetimes, np.array([[1.0]] * 21 + [[0.0]] * 21))
    assert fit.converged
    assert fit.coefficients_P == pytest.approx([1.5721], abs=5e-5)  # R's coxph(Surv(time, cens) ~ treat, gehan)
    assert np.sqrt(fit.naive_PP[0, 0]) == pytest.approx(0.4124, abs=5e-5)


def test_equal_weights_change_no_estimate() -> None:
    lifetimes, groups = simulated(1, ties=True)
    ones, tens = (
        rows(lifetimes.durations_N, lifetimes.causes_N, [weight] * len(groups), lifetimes.clusters_N)
        for weight in (1, 10)
    )
    one, ten = (cox_regression(each, dummies(groups)) for each in (ones, tens))
    assert one.coefficients_P == pytest.approx(ten.coefficients_P)
    assert one.robust_PP == pytest.approx(ten.robust_PP)


def test_score_residuals_with_ties_are_those_of_the_definition() -> None:
    lifetimes, groups = simulated(2, ties=True, sessions=12)
    x, w, d = dummies(groups)[:, 0], lifetimes.weights_N, lifetimes.durations_N
    fit = cox_regression(lifetimes, dummies(groups))
    risk, residuals = np.exp(x * fit.coefficients_P[0]), np.zeros(len(x))
    for time in np.unique(d[lifetimes.causes_N > 0]):
        dying = (d == time) & (lifetimes.causes_N > 0)
        count = int(dying.sum())
        for taken in range(count):
            present = (d >= time) * np.where(dying, 1 - taken / count, 1.0)
            total = (present * w * risk).sum()
            mean = (present * w * risk * x).sum() / total
            residuals += dying * (x - mean) / count - present * risk * (x - mean) * w[dying].mean() / total
    sums = np.bincount(lifetimes.clusters_N, residuals * w)
    assert sums.sum() == pytest.approx(0, abs=1e-6)
    assert fit.robust_PP[0, 0] == pytest.approx((sums**2).sum() * fit.naive_PP[0, 0] ** 2)


def test_the_errors_are_those_of_leaving_sessions_out() -> None:
    lifetimes, groups = simulated(3, sessions=120, ties=True)
    fit, square = cox_regression(lifetimes, dummies(groups)), 0.0
    for session in range(lifetimes.clusters):
        kept = lifetimes.clusters_N != session
        left = cox_regression(lifetimes.where(kept), dummies(groups)[kept])
        square += float(left.coefficients_P[0] - fit.coefficients_P[0]) ** 2
    assert np.sqrt(fit.robust_PP[0, 0]) == pytest.approx(np.sqrt(square), rel=0.05)


def test_a_group_whose_lines_die_three_times_as_fast_is_told_apart() -> None:
    lifetimes, groups = simulated(4, ratio=3.0, sessions=80)
    found = hazard_ratios(lifetimes, groups, "a")["b"]
    assert isinstance(found, HazardRatio)
    assert found.low < 3 < found.high
    assert found.verdict == "die faster"
    assert found.p_value < 0.001


def test_the_ratio_turns_round_with_the_reference() -> None:
    lifetimes, groups = simulated(5, ratio=2.0)
    forth, back = hazard_ratios(lifetimes, groups, "a")["b"], hazard_ratios(lifetimes, groups, "b")["a"]
    assert isinstance(forth, HazardRatio)
    assert isinstance(back, HazardRatio)
    assert forth.ratio == pytest.approx(1 / back.ratio)
    assert forth.low == pytest.approx(1 / back.high)


def test_a_group_of_few_sessions_is_refused_and_the_others_are_not() -> None:
    lifetimes, groups = simulated(6)
    named = ["c" if session < 3 else group for session, group in zip(lifetimes.clusters_N, groups, strict=True)]
    found = hazard_ratios(lifetimes, named, "a")
    assert str(found["c"]) == "too few sessions (3)"
    assert isinstance(found["b"], HazardRatio)


def test_a_group_in_which_hardly_anything_ended_is_refused() -> None:
    lifetimes, groups = simulated(7)
    causes = np.where(np.array(groups) == "b", 0, lifetimes.causes_N)
    found = hazard_ratios(rows(lifetimes.durations_N, causes, None, lifetimes.clusters_N), groups, "a")
    assert str(found["b"]) == "lines of only 0 sessions ended"


def test_a_reference_that_is_too_small_refuses_every_group() -> None:
    lifetimes, groups = simulated(8)
    named = ["c" if session < 3 else group for session, group in zip(lifetimes.clusters_N, groups, strict=True)]
    found = hazard_ratios(lifetimes, named, "c")
    assert {str(each) for each in found.values()} == {"c: too few sessions (3)"}


def test_the_p_value_and_the_interval_agree() -> None:
    for seed in range(9, 15):
        lifetimes, groups = simulated(seed, ratio=1.6, sessions=30)
        found = hazard_ratios(lifetimes, groups, "a")["b"]
        assert isinstance(found, HazardRatio)
        assert (found.p_value < 0.05) == (found.verdict != "not told apart")


@pytest.mark.parametrize("freedom", [1.5, 3.0, 10.0, 200.0])
@pytest.mark.parametrize("statistic", [0.0, 0.5, 2.0, 6.0])
def test_p_values_are_students(statistic: float, freedom: float) -> None:
    assert _p_value(statistic, freedom) == pytest.approx(2 * stats.t.sf(statistic, freedom), rel=2e-3)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held, given = 0, 0
    for seed in range(100, 180):
        lifetimes, groups = simulated(seed, sessions=24)
        found = hazard_ratios(lifetimes, groups, "a")["b"]
        if not isinstance(found, Refused):
            given += 1
            held += found.low <= 1 <= found.high
    assert given >= 75
    assert 0.88 <= held / given <= 1.0


def test_nothing_that_ended_and_a_constant_covariate_are_errors() -> None:
    with pytest.raises(ValueError, match="ended"):
        cox_regression(rows([1, 2], [0, 0]), np.array([[0.0], [1.0]]))
    with pytest.raises(ValueError, match="same in every row"):
        cox_regression(rows([1, 2], [1, 1]), np.array([[1.0], [1.0]]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ties", [False, True])
def test_coefficients_and_likelihood_equal_those_of_lifelines(ties: bool) -> None:
    lifelines = pytest.importorskip("lifelines", reason="a second implementation: pip install lifelines")
    pandas = pytest.importorskip("pandas")
    lifetimes, groups = simulated(20, ratio=2.0, ties=ties)
    fit = cox_regression(lifetimes, dummies(groups))
    frame = pandas.DataFrame(
        {"t": lifetimes.durations_N, "e": lifetimes.causes_N, "x": dummies(groups)[:, 0], "w": lifetimes.weights_N,
         "c": lifetimes.clusters_N}
    )  # fmt: skip
    theirs = lifelines.CoxPHFitter().fit(frame, "t", "e", weights_col="w", cluster_col="c")
    assert fit.coefficients_P == pytest.approx(theirs.params_.to_numpy(), rel=1e-5)
    assert fit.log_likelihood == pytest.approx(theirs.log_likelihood_)
    if not ties:  # its residuals take tied ends by Breslow's rule
        assert np.sqrt(fit.robust_PP[0, 0]) == pytest.approx(theirs.standard_errors_.iloc[0], rel=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_clustered_errors_equal_those_of_statsmodels() -> None:
    hazard_regression = pytest.importorskip(
        "statsmodels.duration.hazard_regression", reason="a second implementation: pip install statsmodels"
    )
    lifetimes, groups = simulated(21, ratio=2.0)
    alike = rows(lifetimes.durations_N, lifetimes.causes_N, None, lifetimes.clusters_N)
    fit = cox_regression(alike, dummies(groups))
    model = hazard_regression.PHReg(alike.durations_N, dummies(groups), status=alike.causes_N)
    theirs = model.fit(groups=alike.clusters_N)
    assert fit.coefficients_P == pytest.approx(theirs.params)
    assert fit.robust_PP[0, 0] == pytest.approx(float(np.squeeze(theirs.cov_params())))
