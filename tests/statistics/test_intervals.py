"""Intervals agree with SciPy where it has them, and cover the truth as often as they say."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, norm, t

from golddiff.statistics.intervals import cluster_bootstrap, expanded, percentile_interval, resample, wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 20), (1, 3), (61, 150), (150, 150), (999, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_equals_scipy(successes: int, trials: int, level: float) -> None:
    ours = wilson(successes, trials, level)
    theirs = binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)
    assert ours.low <= ours.estimate <= ours.high


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, trials)


def test_bootstrap_of_independent_rows_equals_scipy() -> None:
    random = np.random.default_rng(3)
    values = random.normal(2.0, 1.0, 80)
    ours = cluster_bootstrap(list(values), [1.0] * 80, [str(i) for i in range(80)], resamples=20_000)
    theirs = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=random)
    assert ours.estimate == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.01)


def test_a_single_name_per_row_draws_whole_clusters() -> None:
    """Ten equal rows in each of two clusters: the only possible means are 0, 1/2 and 1."""
    interval = cluster_bootstrap([0] * 10 + [1] * 10, [1] * 20, ["a"] * 10 + ["b"] * 10)
    assert (interval.low, interval.estimate, interval.high) == (0.0, 0.5, 1.0)
    assert interval.clusters == 2


def test_every_resample_draws_as_many_rows_as_there_are_where_clusters_are_equal() -> None:
    counts = resample([(repository, session) for repository in "ab" for session in "xyz" for _ in range(4)])
    assert counts.shape == (2_000, 24)
    assert set(counts.sum(axis=1)) == {24.0}
    assert counts.mean() == pytest.approx(1.0)


def test_enough_clusters_are_drawn_whole_and_of_fewer_what_is_inside_too() -> None:
    enough, few = (resample([(str(row // 4),) for row in range(4 * count)]) for count in (10, 9))
    assert (enough.reshape(-1, 10, 4) == enough[:, ::4, None]).all()
    assert not (few.reshape(-1, 9, 4) == few[:, ::4, None]).all()


def test_one_repository_is_the_same_as_no_repository_level() -> None:
    rows = [str(i % 7) for i in range(30)]
    with_level = resample([("only", row) for row in rows], seed=5)
    without = resample([(row,) for row in rows], seed=5)
    assert np.array_equal(with_level, without)


def test_the_same_seed_gives_the_same_interval() -> None:
    rows = ([1, 0, 1, 1], [1, 1, 1, 1], ["a", "a", "b", "c"])
    assert cluster_bootstrap(*rows, seed=1) == cluster_bootstrap(*rows, seed=1)


def test_bootstrap_refuses_what_it_cannot_estimate() -> None:
    with pytest.raises(ValueError, match="denominator"):
        cluster_bootstrap([0], [0], ["a"])
    with pytest.raises(ValueError, match="rows"):
        cluster_bootstrap([0, 1], [1], ["a"])
    with pytest.raises(ValueError, match="equal length"):
        resample([("a",), ("a", "b")])


def test_cluster_intervals_cover_the_truth_where_naive_ones_do_not() -> None:
    """40 sessions of 10 lines that share their fate to a large degree; true share 0.5; 200 worlds."""
    random = np.random.default_rng(11)
    names = [str(i) for i in range(40)]
    covered = naive = 0
    for world in range(200):
        shares = random.beta(0.5, 0.5, 40)
        kept = random.binomial(10, shares)
        interval = cluster_bootstrap(list(kept), [10] * 40, names, resamples=500, seed=world)
        covered += interval.low <= 0.5 <= interval.high
        flat = wilson(int(kept.sum()), 400)
        naive += flat.low <= 0.5 <= flat.high
    assert covered / 200 >= 0.90
    assert naive / 200 < 0.75


@pytest.mark.parametrize("clusters", [5, 10, 40])
def test_tails_lie_where_students_do_for_draws_that_vary_too_little(clusters: int) -> None:
    reached = norm.ppf(0.5 + expanded(0.95, clusters) / 2)
    assert reached == pytest.approx(t.ppf(0.975, clusters - 1) * math.sqrt(clusters / (clusters - 1)), rel=0.005)
    assert expanded(0.95, 1) == 0.95


def test_intervals_of_ten_clusters_cover_the_truth_where_plain_ones_do_not() -> None:
    """Ten clusters of 4 tasks, success 0.5 on average, half of the spread between clusters; 300 worlds."""
    random = np.random.default_rng(4)
    counts = resample([()] * 10, resamples=500)
    held = plain = 0
    for _ in range(300):
        done = random.binomial(4, random.beta(0.5, 0.5, 10))
        draws = counts @ done / 40
        found = percentile_interval(done.mean() / 4, draws, clusters=10)
        low, high = np.quantile(draws, [0.025, 0.975])
        held += found.low <= 0.5 <= found.high
        plain += low <= 0.5 <= high
    assert plain / 300 < 0.93 <= held / 300


def test_rows_whose_ratio_is_undefined_in_a_resample_are_left_out() -> None:
    interval = cluster_bootstrap([1, 0], [2, 0], ["a", "b"])
    assert interval.estimate == 0.5
    assert not math.isnan(interval.low)
