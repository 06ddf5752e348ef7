"""Tasks and differences: published counts, the inverse, and simulated power."""

import numpy as np
import pytest
from scipy.stats import binom

from golddiff.statistics.power import detectable_difference, tasks_needed


@pytest.mark.parametrize(("points", "tasks"), [(10, 155), (5, 626), (3, 1742)])
def test_known_counts_at_a_fifth_discordant(points: int, tasks: int) -> None:
    """Computed apart from this code in the study that the project began with."""
    assert tasks_needed(points / 100, 0.2) == tasks


@pytest.mark.parametrize("discordance", [0.1, 0.2, 0.45])
@pytest.mark.parametrize("tasks", [80, 160, 1000])
def test_the_detectable_difference_is_the_inverse(tasks: int, discordance: float) -> None:
    found = detectable_difference(tasks, discordance)
    assert found is not None
    assert tasks_needed(found, discordance) <= tasks < tasks_needed(found - 0.001, discordance)


def test_too_few_tasks_find_nothing() -> None:
    assert detectable_difference(10, 0.1) is None


def test_simulated_power_is_what_was_asked_for() -> None:
    """The normal McNemar test on 4,000 simulated comparisons; its power is 80 % by design."""
    random = np.random.default_rng(5)
    tasks, discordance, difference = tasks_needed(0.1, 0.2), 0.2, 0.1
    wins = (discordance + difference) / 2
    drawn = random.multinomial(tasks, [wins, discordance - wins, 1 - discordance], size=4000)
    disagree = drawn[:, 0] + drawn[:, 1]
    statistic = (drawn[:, 0] - drawn[:, 1]) / np.sqrt(np.maximum(disagree, 1))
    found = int((np.abs(statistic) > 1.96).sum())
    assert binom.ppf(0.001, 4000, 0.8) - 60 <= found <= binom.ppf(0.999, 4000, 0.8) + 60


@pytest.mark.parametrize(("difference", "discordance"), [(0, 0.2), (0.3, 0.2), (0.1, 1.2)])
def test_impossible_differences_are_refused(difference: float, discordance: float) -> None:
    with pytest.raises(ValueError, match="need 0 < difference"):
        tasks_needed(difference, discordance)
