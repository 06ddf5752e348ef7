"""Shares, differences and refusals over sessions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from golddiff.statistics.intervals import t_quantile
from golddiff.statistics.shares import Difference, Draws, Refused, Share


def test_a_share_is_the_ratio_of_sums_not_the_mean_of_ratios() -> None:
    share = Draws(6).share([10, 0, 5, 5, 5, 5], [10, 10, 10, 10, 10, 50])
    assert isinstance(share, Share)
    assert share.estimate == pytest.approx(0.30)
    assert share.low < 0.30 < share.high
    assert share.clusters == 6


def test_the_same_columns_give_the_same_interval() -> None:
    columns = [3, 8, 1, 9, 4, 6], [9] * 6
    assert Draws(6).share(*columns) == Draws(6).share(*columns)


def test_sessions_outside_a_group_do_not_count_as_its_clusters() -> None:
    share = Draws(8).share([3, 8, 1, 9, 4, 6, 0, 0], [9] * 6 + [0, 0])
    assert isinstance(share, Share)
    assert share.clusters == 6


@pytest.mark.parametrize("clusters", [1, 4])
def test_a_share_of_fewer_than_five_sessions_is_refused_with_their_number(clusters: int) -> None:
    assert Draws(9).share([1] * 9, [2] * clusters + [0] * (9 - clusters)) == Refused(f"too few sessions ({clusters})")


def test_a_share_that_one_session_decides_is_refused_with_its_weight() -> None:
    assert Draws(6).share([1] * 6, [95, 1, 1, 1, 1, 1]) == Refused("one session is 95 % of it")


def test_nothing_at_all_is_refused() -> None:
    assert Draws(0).share([], []) == Refused("nothing to measure")
    assert Draws(7).share([0] * 7, [0] * 7) == Refused("nothing to measure")


@pytest.mark.parametrize(("kept", "low", "high"), [(0, 0.0, 0.28), (4, 0.72, 1.0)])
def test_none_and_all_have_an_interval_too(kept: int, low: float, high: float) -> None:
    """Every resample agrees there; Wilson over ten sessions says how little that proves."""
    share = Draws(10).share([kept] * 10, [4] * 10)
    assert isinstance(share, Share)
    assert (share.low, share.high) == (pytest.approx(low, abs=0.005), pytest.approx(high, abs=0.005))


def test_a_ratio_that_is_no_share_may_exceed_one() -> None:
    ratio = Draws(6).share([40, 44, 38, 41, 60, 39], [2] * 6, bounded=False)
    assert isinstance(ratio, Share)
    assert ratio.estimate == pytest.approx(262 / 12)


def test_a_clear_difference_is_told_apart_and_none_is_not() -> None:
    good, bad, size = [9, 8, 9, 9, 8, 9] + [0] * 6, [0] * 6 + [1, 2, 1, 1, 2, 1], [10] * 6 + [0] * 6
    found = Draws(12).difference((good, size), (bad, size[::-1]))
    assert isinstance(found, Difference)
    assert found.estimate == pytest.approx(52 / 60 - 8 / 60)
    assert found.verdict == "higher"
    mixed = Draws(12).difference(([9, 1] * 3 + [0] * 6, size), ([0] * 6 + [1, 9] * 3, size[::-1]))
    assert isinstance(mixed, Difference)
    assert mixed.verdict == "not told apart"


def test_a_share_of_all_still_leaves_its_difference_open() -> None:
    """Six sessions that kept everything do not prove that a seventh would: resampling alone would say so."""
    sizes = [10] * 6 + [0] * 12, [0] * 6 + [10] * 12
    found = Draws(18).difference(([10] * 6 + [0] * 12, sizes[0]), ([0] * 6 + [8, 9] * 6, sizes[1]))
    assert isinstance(found, Difference)
    assert found.estimate == pytest.approx(0.15)
    assert found.low < 0 < found.high
    assert found.verdict == "not told apart"


def test_more_comparisons_widen_a_difference() -> None:
    columns = ([9, 1, 4, 6, 5, 5] + [0] * 6, [10] * 6 + [0] * 6), ([0] * 6 + [3] * 6, [0] * 6 + [10] * 6)
    one, eight = Draws(12).difference(*columns), Draws(12).difference(*columns, comparisons=8)
    assert isinstance(one, Difference)
    assert isinstance(eight, Difference)
    assert eight.high - eight.low > one.high - one.low


def test_a_difference_from_too_little_is_refused() -> None:
    assert isinstance(Draws(6).difference(([1] * 6, [2] * 6), ([1] * 6, [2, 2, 0, 0, 0, 0])), Refused)


@pytest.mark.parametrize("freedom", [4, 6, 12, 50])
def test_t_quantiles_agree_with_scipy(freedom: float) -> None:
    for probability in (0.975, 0.995):
        assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=0.005)


def test_intervals_cover_the_truth_with_few_unequal_sessions() -> None:
    """Ten sessions of lognormal size: the truth lies inside at least 92 % of the time (plain percentiles: 87 %)."""
    random = np.random.default_rng(5)
    shares, sizes = random.beta(1.2, 0.8, 400_000), random.lognormal(3.5, 1.2, 400_000)
    truth = float((shares * sizes).sum() / sizes.sum())
    found = []
    for _ in range(300):
        size = random.lognormal(3.5, 1.2, 10).round() + 1
        share = Draws(10, resamples=400).share(random.binomial(size.astype(int), random.beta(1.2, 0.8, 10)), size)
        if isinstance(share, Share):
            found.append(share.low <= truth <= share.high)
    assert len(found) > 250
    assert np.mean(found) > 0.92
