"""What a success costs: SciPy's interval, infinity where there may be none, and who is on the frontier."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from golddiff.statistics.intervals import resample
from golddiff.statistics.per_success import cost_per_success, frontier


def test_the_interval_of_independent_tasks_is_scipys() -> None:
    random = np.random.default_rng(1)
    costs, done = random.gamma(2, 0.01, 150), (random.uniform(size=150) < 0.4).astype(float)
    ours = cost_per_success(costs, done, resample([()] * 150, resamples=8_000), clusters=150)
    theirs = bootstrap(
        (costs, done),
        lambda cost, success, axis=-1: cost.sum(axis) / success.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=8_000,
        method="percentile",
        rng=random,
    ).confidence_interval
    assert ours is not None
    assert ours.estimate == pytest.approx(costs.sum() / done.sum())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.02)


def test_it_covers_the_truth() -> None:
    """Tasks of mean cost 2 in 30 clusters, 40 % done: 5 a success; 200 worlds."""
    random = np.random.default_rng(9)
    counts = resample([(str(i // 4),) for i in range(120)], resamples=400)
    covered = 0
    for _ in range(200):
        ease = np.repeat(random.uniform(0.2, 0.6, 30), 4)
        done = (random.uniform(size=120) < ease).astype(float)
        found = cost_per_success(random.exponential(2, 120), done, counts, clusters=30)
        assert found is not None
        covered += found.low <= 5 <= found.high
    assert covered / 200 >= 0.92


def test_a_lucky_arm_has_no_upper_bound_and_a_hopeless_one_no_cost() -> None:
    counts = resample([(str(i),) for i in range(20)], resamples=500)
    one = cost_per_success([1.0] * 20, [1.0] + [0.0] * 19, counts, clusters=20)
    assert one is not None
    assert (one.estimate, one.high) == (20.0, math.inf)
    assert one.low < 20
    assert cost_per_success([1.0] * 20, [0.0] * 20, counts, clusters=20) is None
    with pytest.raises(ValueError, match="at least 0"):
        cost_per_success([-1.0] * 20, [1.0] * 20, counts, clusters=20)


def test_the_frontier_holds_what_nothing_beats() -> None:
    assert frontier([(1.0, 0.2), (2.0, 0.1), (3.0, 0.9), (3.0, 0.8), (9.0, 0.9)]) == [0, 2]
    assert frontier([]) == []
