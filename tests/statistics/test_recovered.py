"""Capability recovered: the ratio, its refusal, and how often its interval holds the truth."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import bootstrap, norm

from golddiff.statistics.recovered import CRRefused, Recovered, capability_recovered


def world(seed: int, thetas: tuple[float, ...], tasks: int) -> tuple[Any, ...]:
    """Scores of student, base and teacher (or others) that share each file's difficulty, and the files."""
    random = np.random.default_rng(seed)
    ease = np.repeat(random.normal(0, 0.08, tasks // 4), 4)
    arms = [list((random.uniform(size=tasks) < np.clip(theta + ease, 0, 1)).astype(float)) for theta in thetas]
    return *arms, [(str(i // 4),) for i in range(tasks)]


def test_the_ratio_is_the_share_of_the_gap() -> None:
    tasks = [("f" + str(i),) for i in range(40)]
    result = capability_recovered([1.0] * 20 + [0.0] * 20, [0.0] * 40, [1.0] * 40, tasks, resamples=500)
    assert isinstance(result, Recovered)
    assert result.ratio.estimate == 0.5
    assert result.ratio.low < 0.5 < result.ratio.high
    assert result.fieller == pytest.approx((result.ratio.low, result.ratio.high), abs=0.06)


def test_it_is_not_clipped() -> None:
    tasks = [("f" + str(i),) for i in range(40)]
    below = capability_recovered([0.0] * 40, [1.0] * 10 + [0.0] * 30, [1.0] * 40, tasks, resamples=500)
    above = capability_recovered([1.0] * 40, [0.0] * 40, [1.0] * 20 + [0.0] * 20, tasks, resamples=500)
    assert isinstance(below, Recovered)
    assert isinstance(above, Recovered)
    assert below.ratio.estimate < 0
    assert above.ratio.estimate == 2.0


def test_a_small_gap_is_refused_with_the_deltas() -> None:
    student, base, teacher, clusters = world(1, (0.5, 0.45, 0.5), 100)
    result = capability_recovered(student, base, teacher, clusters, resamples=500)
    assert isinstance(result, CRRefused)
    assert "below 5 points" in result.reason
    assert result.gain.estimate == pytest.approx(np.mean(student) - np.mean(base))


def test_a_handful_of_clusters_is_refused_however_wide_the_gap() -> None:
    tasks = [("f" + str(i % 6),) for i in range(60)]
    result = capability_recovered([1.0] * 60, [0.0] * 60, [1.0] * 60, tasks, resamples=500)
    assert isinstance(result, CRRefused)
    assert result.reason.startswith("6 independent clusters")


def test_it_refuses_unequal_columns() -> None:
    with pytest.raises(ValueError, match="equal columns"):
        capability_recovered([1.0], [1.0, 0.0], [1.0], [("a",)])
    with pytest.raises(ValueError, match="at least one"):
        capability_recovered([], [], [], [])


def test_the_interval_is_scipys_and_fieller_solves_its_own_equation() -> None:
    student, base, teacher, _ = world(4, (0.42, 0.15, 0.60), 240)
    ours = capability_recovered(student, base, teacher, [(str(i),) for i in range(240)], resamples=8_000)
    assert isinstance(ours, Recovered)
    columns = [np.array(one) for one in (student, base, teacher)]

    def ratio(s: np.ndarray, b: np.ndarray, t: np.ndarray, axis: int = -1) -> np.ndarray:
        return (s.mean(axis) - b.mean(axis)) / (t.mean(axis) - b.mean(axis))

    drawn = bootstrap(columns, ratio, paired=True, vectorized=True, n_resamples=8_000, method="percentile", rng=1)
    theirs = drawn.confidence_interval
    assert (ours.ratio.low, ours.ratio.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)
    gain, gap = columns[0] - columns[1], columns[2] - columns[1]

    def beyond(rho: float) -> float:  # Fieller: the ratios that a test of gain - rho * gap = 0 does not refuse
        rest = gain - rho * gap
        return abs(rest.mean()) / (rest.std() / np.sqrt(len(rest))) - norm.ppf(0.975)

    middle = ours.ratio.estimate
    assert ours.fieller == pytest.approx(
        (brentq(beyond, middle - 1, middle), brentq(beyond, middle, middle + 1)), abs=0.01
    )


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_a_student_that_never_differs_from_the_base_or_the_teacher_is_no_certainty(right: float) -> None:
    tasks = [("f" + str(i),) for i in range(40)]
    for seeds in ([], [right] * 3):
        result = capability_recovered([right] * 40, [0.0] * 40, [1.0] * 40, tasks, resamples=300, seeds=seeds)
        assert isinstance(result, Recovered)
        assert result.ratio.low < right == result.ratio.estimate < result.ratio.high
        assert result.gap.low < 1
        assert result.theta_base.high > 0


def test_the_interval_covers_the_true_ratio() -> None:
    """True ratio 0.6 with base 0.15, student 0.42, teacher 0.60 on 200 tasks; 150 worlds."""
    covered = refused = 0
    for seed in range(150):
        result = capability_recovered(*world(seed, (0.42, 0.15, 0.60), 200), resamples=300, seed=seed)
        if isinstance(result, CRRefused):
            refused += 1
        else:
            covered += result.ratio.low <= 0.6 <= result.ratio.high
    assert refused == 0
    assert covered / 150 >= 0.92


def test_the_interval_over_trainings_covers_what_all_of_them_would_recover() -> None:
    """As above with three trainings of a student whose seeds spread by 4 points, 120 tasks in 30 files; 150 worlds."""
    covered = refused = 0
    for number in range(150):
        random = np.random.default_rng(number)
        chances = tuple(np.clip(0.42 + random.normal(0, 0.04, 3), 0, 1))
        *students, base, teacher, clusters = world(number, (*chances, 0.15, 0.60), 120)
        each, mean = [float(np.mean(one)) for one in students], list(np.mean(students, axis=0))
        result = capability_recovered(mean, base, teacher, clusters, resamples=300, seed=number, seeds=each)
        if isinstance(result, CRRefused):
            refused += 1
        else:
            covered += result.ratio.low <= 0.6 <= result.ratio.high
    assert refused < 5
    assert covered / (150 - refused) >= 0.93


def test_trainings_widen_the_interval_and_too_few_of_them_are_no_seed_level() -> None:
    student, base, teacher, clusters = world(3, (0.42, 0.15, 0.60), 200)
    one = capability_recovered(student, base, teacher, clusters, resamples=500)
    several = capability_recovered(student, base, teacher, clusters, resamples=500, seeds=[0.35, 0.42, 0.5])
    assert isinstance(one, Recovered)
    assert isinstance(several, Recovered)
    assert several.ratio.estimate == one.ratio.estimate
    assert several.ratio.high - several.ratio.low > one.ratio.high - one.ratio.low
    assert several.fieller is None
    with pytest.raises(ValueError, match="at least 3"):
        capability_recovered(student, base, teacher, clusters, resamples=500, seeds=[0.4, 0.5])


def test_a_stage_counts_only_the_tasks_that_reached_it() -> None:
    """Of ten tasks each arm finds the place in other ones; those it did not find say nothing of writing the change."""
    tasks = [("f" + str(i),) for i in range(40)]
    done, half, none = [1.0] * 40, [1.0, 0.0] * 20, [0.0] * 40
    result = capability_recovered(half, none, done, tasks, resamples=300, known=(half, done, done))
    assert isinstance(result, Recovered)
    assert (result.theta_student.estimate, result.ratio.estimate) == (1.0, 1.0)
    with pytest.raises(ValueError, match="no task that counts"):
        capability_recovered(half, none, done, tasks, resamples=300, known=(none, done, done))
