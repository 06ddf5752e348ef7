"""Other seeds: Student's interval where only seeds vary, and honest intervals where tasks vary too."""

import numpy as np
import pytest
from scipy.stats import t

from golddiff.statistics.intervals import percentile_interval, resample
from golddiff.statistics.seeds import FEWEST_SEEDS, seed_noise


def test_where_only_seeds_vary_the_interval_is_students() -> None:
    means = [0.4, 0.5, 0.45, 0.61]
    noise = seed_noise(means, 50_000)
    theirs = t.interval(0.95, 3, loc=0, scale=np.std(means, ddof=1) / 2)
    assert np.quantile(noise, [0.025, 0.975]) == pytest.approx(theirs, rel=0.05)


def test_equal_trainings_add_nothing_and_two_are_too_few() -> None:
    assert not seed_noise([0.5, 0.5, 0.5], 100).any()
    with pytest.raises(ValueError, match="2 trainings say nothing"):
        seed_noise([0.5, 0.6], 100)


@pytest.mark.parametrize("trainings", [FEWEST_SEEDS, 5])
def test_the_interval_covers_what_all_seeds_would_give(trainings: int) -> None:
    """True success 0.5, seeds spread by 5 points, 20 clusters of 4 tasks; 200 worlds. Tasks alone cover too seldom."""
    random = np.random.default_rng(trainings)
    counts = resample([(str(i // 4),) for i in range(80)], resamples=500)
    covered = naive = 0
    for world in range(200):
        ease = np.repeat(random.normal(0, 0.1, 20), 4)
        chance = np.clip(0.5 + ease + random.normal(0, 0.05, (trainings, 1)), 0, 1)
        done = (random.uniform(size=(trainings, 80)) < chance).astype(float)
        draws = counts @ done.mean(axis=0) / 80
        only_tasks = percentile_interval(0.5, draws, clusters=20)
        both = percentile_interval(0.5, draws + seed_noise(list(done.mean(axis=1)), 500, seed=world), clusters=20)
        naive += only_tasks.low <= 0.5 <= only_tasks.high
        covered += both.low <= 0.5 <= both.high
    assert covered / 200 >= 0.93
    assert naive < covered
