"""Paired tests agree with SciPy, and paired intervals are shorter than unpaired ones and honest."""

import numpy as np
import pytest
from scipy.stats import binomtest

from golddiff.statistics.intervals import resample, wilson
from golddiff.statistics.paired import holm, mcnemar_exact, paired_difference, success_difference


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 10), (200, 260)])
def test_mcnemar_equals_the_binomial_test(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(expected)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 2)


def test_holm_steps_down() -> None:
    """Holm's procedure by hand: 4 x 0.005, 3 x 0.01, then the running maximum."""
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})


def test_holm_holds_the_family_error() -> None:
    """With nothing to find, at most 5 % of 2,000 families of five claim anything."""
    random = np.random.default_rng(4)
    families = [holm({str(i): p for i, p in enumerate(row)}) for row in random.uniform(size=(2_000, 5))]
    assert np.mean([min(family.values()) < 0.05 for family in families]) < 0.065


def test_the_difference_of_equal_arms_is_exactly_0() -> None:
    rows, ones = [0.0, 1.0, 1.0, 0.0], [1.0] * 4
    counts = resample([("a",), ("a",), ("b",), ("c",)])
    interval = paired_difference((rows, ones), (rows, ones), counts, clusters=3)
    assert (interval.low, interval.estimate, interval.high) == (0.0, 0.0, 0.0)


def test_paired_differences_cover_the_truth() -> None:
    """Two correlated arms, 30 clusters of 4 tasks, true difference 0.2, 200 worlds."""
    random = np.random.default_rng(8)
    clusters = [(str(i // 4),) for i in range(120)]
    ones = [1.0] * 120
    covered = 0
    for world in range(200):
        ease = np.repeat(random.uniform(0, 0.6, 30), 4)
        first = random.uniform(size=120) < ease + 0.3
        second = random.uniform(size=120) < ease + 0.1
        counts = resample(clusters, resamples=400, seed=world)
        interval = paired_difference((list(first), ones), (list(second), ones), counts, clusters=30)
        covered += interval.low <= 0.2 <= interval.high
    assert covered / 200 >= 0.89


def test_differences_refuse_what_does_not_match() -> None:
    counts = resample([("a",), ("b",)])
    with pytest.raises(ValueError, match="rows"):
        paired_difference(([1.0], [1.0]), ([1.0], [1.0]), counts, clusters=2)
    with pytest.raises(ValueError, match="denominator"):
        paired_difference(([1.0, 1.0], [0.0, 0.0]), ([1.0, 1.0], [1.0, 1.0]), counts, clusters=2)


def test_arms_that_never_differ_leave_room_for_a_difference() -> None:
    """Twelve clusters without one disagreement do not show that there is none."""
    clusters = [(f"file{index}",) for index in range(12)]
    counts = resample(clusters, resamples=200)
    ones, zeros = [1.0] * 12, [0.0] * 12
    same = success_difference(ones, ones, ones, counts, clusters=12)
    room = wilson(0, 12).high
    assert (same.low, same.estimate, same.high) == (-room, 0.0, room)
    apart = success_difference(ones, zeros, ones, counts, clusters=12)
    assert (apart.low, apart.high) == (1 - room, 1.0)


def test_mcnemar_and_holm_equal_statsmodels() -> None:
    tables = pytest.importorskip(
        "statsmodels.stats.contingency_tables", reason="a second implementation: pip install statsmodels"
    )
    multiple = pytest.importorskip("statsmodels.stats.multitest")
    for first, second in [(0, 3), (7, 2), (40, 61)]:
        theirs = tables.mcnemar([[50, first], [second, 9]], exact=True).pvalue
        assert mcnemar_exact(first, second) == pytest.approx(theirs)
    p_values = {"a": 0.013, "b": 0.5, "c": 0.001, "d": 0.02, "e": 0.02}
    theirs = multiple.multipletests(list(p_values.values()), method="holm")[1]
    assert list(holm(p_values).values()) == pytest.approx(list(theirs))
