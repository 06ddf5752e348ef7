"""Curves of survival and of competing ends, clustered by session, held to published numbers and to lifelines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from golddiff.statistics.shares import Refused, Share
from golddiff.statistics.survival import Curve, Lifetimes, Median, survival_curve, survival_difference

REMISSION = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
"""Weeks in remission under 6-MP: Freireich et al. (1963), Blood 21:699-716, as in Kalbfleisch & Prentice, table 1.1."""
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def rows(durations: Any, causes: Any, weights: Any = None, clusters: Any = None, kinds: int = 1) -> Lifetimes:
    size = len(durations)
    names = np.arange(size) if clusters is None else np.asarray(clusters)
    return Lifetimes(
        np.asarray(durations, float),
        np.asarray(causes, int),
        np.ones(size) if weights is None else np.asarray(weights, float),
        names,
        int(names.max()) + 1 if size else 0,
        kinds,
    )


def simulated(random: np.random.Generator, sessions: int = 30, groups: int = 6) -> Lifetimes:
    """Groups of lines of sessions that differ, with two ways to end and ties, as their lifetimes."""
    clusters = np.repeat(np.arange(sessions), groups)
    scale = 20 * np.exp(0.7 * random.normal(size=sessions))[clusters]
    first, second = random.exponential(scale), random.exponential(3 * scale)
    watched = random.uniform(5, 60, size=len(clusters))
    durations = np.minimum(np.minimum(first, second), watched)
    causes = np.where(durations == watched, 0, np.where(first < second, 1, 2))
    weights = random.integers(1, 9, len(clusters))
    return rows(np.ceil(durations), causes, weights, clusters, 2)


def test_the_published_remission_curve_comes_out_with_greenwoods_errors() -> None:
    curve = survival_curve(rows(REMISSION, RELAPSED))
    assert curve.times_T.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk_T.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.still == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    assert curve.errors_KT[0] == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5e-5)


def test_the_median_is_where_the_published_curve_crosses_a_half() -> None:
    median = survival_curve(rows(REMISSION, RELAPSED)).median()
    assert isinstance(median, Median)
    assert median.estimate == 23
    assert median.low == 10  # 13 in R's survfit, conf.type = "log-log": ours is widened for 21 subjects
    assert median.high is None


def test_what_is_still_there_and_what_ended_sums_to_one() -> None:
    curve = survival_curve(simulated(np.random.default_rng(1)))
    assert curve.estimates_KT.sum(axis=0) == pytest.approx(np.ones(len(curve.times_T)))


def test_an_end_by_another_cause_is_no_censoring() -> None:
    curve = survival_curve(rows([1, 2, 3, 4], [1, 2, 1, 0], kinds=2))
    assert curve.estimates_KT[1].tolist() == pytest.approx([0.25, 0.25, 0.5])
    assert curve.estimates_KT[2].tolist() == pytest.approx([0, 0.25, 0.25])


def test_a_row_of_three_lines_is_three_rows_of_one() -> None:
    random = np.random.default_rng(2)
    grouped = simulated(random)
    times = grouped.weights_N.astype(int)
    single = rows(*(np.repeat(column, times) for column in (grouped.durations_N, grouped.causes_N)), None,
                  np.repeat(grouped.clusters_N, times), 2)  # fmt: skip
    one, two = survival_curve(grouped), survival_curve(single)
    assert one.estimates_KT == pytest.approx(two.estimates_KT)
    assert one.errors_KT == pytest.approx(two.errors_KT)


def test_lines_that_die_together_count_as_one_observation() -> None:
    random = np.random.default_rng(3)
    durations, causes = random.exponential(5, 40), np.ones(40, int)
    alone = survival_curve(rows(durations, causes))
    tenfold = survival_curve(rows(np.repeat(durations, 10), np.repeat(causes, 10), None, np.repeat(np.arange(40), 10)))
    assert tenfold.errors_KT == pytest.approx(alone.errors_KT)


def test_the_errors_are_those_of_leaving_sessions_out() -> None:
    lifetimes = simulated(np.random.default_rng(4), sessions=120)
    curve = survival_curve(lifetimes)
    squares = np.zeros(3)
    for session in range(lifetimes.clusters):
        left = survival_curve(lifetimes.where(lifetimes.clusters_N != session))
        for cause in range(3):
            squares[cause] += (_at(left, 20, cause) - _at(curve, 20, cause)) ** 2
    step = np.searchsorted(curve.times_T, 20, side="right") - 1
    assert curve.errors_KT[:, step] == pytest.approx(np.sqrt(squares), rel=0.03)


def _at(curve: Curve, time: float, cause: int) -> float:
    return float(curve.estimates_KT[cause, np.searchsorted(curve.times_T, time, side="right") - 1])


def test_the_interval_lies_within_zero_and_one_and_holds_the_estimate() -> None:
    curve = survival_curve(simulated(np.random.default_rng(5), sessions=8))
    for cause in range(3):
        low, high = curve.band(cause)
        assert (low >= 0).all()
        assert (high <= 1).all()
        assert (low <= curve.estimates_KT[cause]).all()
        assert (curve.estimates_KT[cause] <= high).all()


def test_a_time_that_no_line_was_watched_for_is_refused() -> None:
    found = survival_curve(rows([5] * 10, [0] * 10)).at(6)
    assert isinstance(found, Refused)
    assert "watched" in str(found)


def test_a_time_that_too_few_sessions_reach_is_refused() -> None:
    found = survival_curve(rows([1] * 10 + [9] * 3, [0] * 13)).at(5)
    assert str(found) == "too few sessions (3)"


def test_one_session_that_holds_nearly_all_lines_is_refused() -> None:
    found = survival_curve(rows([9] * 8, [0] * 8, [1000] + [1] * 7)).at(5)
    assert "one session" in str(found)


def test_where_no_line_ended_yet_the_interval_still_has_a_width() -> None:
    found = survival_curve(rows([9] * 12, [0] * 12)).at(5)
    assert isinstance(found, Share)
    assert (found.estimate, found.high) == (1.0, 1.0)
    assert 0.7 < found.low < 0.8


def test_before_the_first_end_everything_is_still_there() -> None:
    assert survival_curve(rows(REMISSION, RELAPSED)).at(3).estimate == 1.0


def test_after_the_last_end_nothing_is_left() -> None:
    found = survival_curve(rows(range(1, 11), [1] * 10)).at(10)
    assert (found.estimate, found.low) == (0.0, 0.0)
    assert found.high > 0.2


def test_two_groups_of_the_same_lines_do_not_differ() -> None:
    lifetimes = simulated(np.random.default_rng(6))
    found = survival_difference(lifetimes, lifetimes, 20)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_groups_within_the_same_sessions_are_compared_within_them() -> None:
    random = np.random.default_rng(7)
    clusters = np.repeat(np.arange(40), 20)
    share = random.beta(0.5, 0.5, 40)[clusters]
    ended = (random.random(800) < share).astype(int)
    first = np.arange(800) % 2 == 0
    both = rows(np.where(ended, 5, 10), ended, None, clusters)
    paired = survival_difference(both.where(first), both.where(~first), 7)
    apart = np.where(first, clusters, clusters + 40)
    unpaired = rows(np.where(ended, 5, 10), ended, None, apart)
    loose = survival_difference(unpaired.where(first), unpaired.where(~first), 7)
    assert paired.estimate == pytest.approx(loose.estimate)
    assert paired.high - paired.low < 0.5 * (loose.high - loose.low)


def test_comparing_several_groups_widens_the_interval() -> None:
    lifetimes = simulated(np.random.default_rng(8))
    half = lifetimes.clusters_N % 2 == 0
    one, five = (
        survival_difference(lifetimes.where(half), lifetimes.where(~half), 20, comparisons=count) for count in (1, 5)
    )
    assert five.high - five.low > one.high - one.low


def test_a_comparison_with_too_few_sessions_is_refused() -> None:
    lifetimes = simulated(np.random.default_rng(9))
    few = lifetimes.clusters_N < 3
    assert str(survival_difference(lifetimes.where(few), lifetimes.where(~few), 20)) == "too few sessions (3)"


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(10)
    # Sessions differ by a gamma frailty of mean 1 and variance 0.5; then the marginal curve is (1 + 0.5 t / 20) ** -2.
    truth, held, given = (1 + 0.5 * 15 / 20) ** -2, 0, 0
    for _ in range(100):
        clusters = np.repeat(np.arange(25), 5)
        frailty = random.gamma(2, 0.5, 25)[clusters]
        lived, watched = random.exponential(20 / frailty), random.uniform(10, 60, 25)[clusters]
        found = survival_curve(rows(np.minimum(lived, watched), lived <= watched, None, clusters)).at(15)
        given += isinstance(found, Share)
        held += found.low <= truth <= found.high
    assert given == 100
    assert 0.89 <= held / given <= 0.99


def test_no_rows_make_an_empty_curve_that_refuses() -> None:
    curve = survival_curve(rows([], []))
    assert len(curve.times_T) == 0
    assert isinstance(curve.at(1), Refused)
    assert isinstance(curve.median(), Refused)


@pytest.mark.parametrize(
    ("durations", "causes", "weights"),
    [([-1.0], [0], [1]), ([math.nan], [0], [1]), ([1.0], [2], [1]), ([1.0], [1], [0]), ([1.0, 2.0], [1], [1])],
)
def test_rows_that_make_no_sense_are_errors(durations: list[float], causes: list[int], weights: list[int]) -> None:
    with pytest.raises(ValueError):
        Lifetimes(np.array(durations), np.array(causes), np.array(weights, float), np.zeros(len(durations), int), 1)


@pytest.mark.filterwarnings("ignore")
def test_the_curve_equals_that_of_lifelines() -> None:
    lifelines = pytest.importorskip("lifelines", reason="a second implementation: pip install lifelines")
    lifetimes = simulated(np.random.default_rng(11))
    curve = survival_curve(lifetimes)
    theirs = lifelines.KaplanMeierFitter().fit(
        lifetimes.durations_N, lifetimes.causes_N > 0, weights=lifetimes.weights_N
    )
    assert theirs.survival_function_at_times(curve.times_T).to_numpy() == pytest.approx(curve.still)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cause", [1, 2])
def test_competing_ends_and_their_errors_equal_those_of_lifelines(cause: int) -> None:
    lifelines = pytest.importorskip("lifelines", reason="a second implementation: pip install lifelines")
    random = np.random.default_rng(12)
    durations, causes = random.permutation(200) + 1.0, random.integers(0, 3, 200)
    causes[np.argmax(durations)] = 0  # after the last end their variance is not defined
    curve = survival_curve(rows(durations, causes, kinds=2))
    theirs = lifelines.AalenJohansenFitter(calculate_variance=True).fit(durations, causes, event_of_interest=cause)
    place = np.searchsorted(theirs.cumulative_density_.index, curve.times_T, side="right") - 1
    assert theirs.cumulative_density_.iloc[place, 0].to_numpy() == pytest.approx(curve.estimates_KT[cause])
    assert np.sqrt(np.asarray(theirs.variance_).ravel()[place]) == pytest.approx(curve.errors_KT[cause])
