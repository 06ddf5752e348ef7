"""What a comparison of two arms can find before it is run: tasks ↔ smallest difference.

How it fits: `evaluate` says it before anything slow is asked, so that nobody reads "no difference" where none could
have been seen. Two arms differ only on the tasks where one is right and the other wrong (`discordance`, a share of all
tasks); McNemar's test looks at nothing else.

Not covered: tasks of one file or session resemble each other, which finds less than as many independent ones.

Source: Connor, R. J. (1987), Biometrics 43:207-211, eq. 3, the normal approximation with both variances.
"""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["detectable_difference", "tasks_needed"]


def tasks_needed(difference: float, discordance: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Return how many independent tasks McNemar's two-sided test needs to find `difference` with that power.

    All are shares, 0 to 1. Raises ValueError unless 0 < |difference| <= discordance <= 1.
    """
    size = abs(difference)
    if not 0 < size <= discordance <= 1:
        raise ValueError(f"need 0 < difference <= discordance <= 1, got {difference} and {discordance}")
    normal = NormalDist()
    under_null = normal.inv_cdf(1 - alpha / 2) * math.sqrt(discordance)
    under_truth = normal.inv_cdf(power) * math.sqrt(discordance - size * size)
    return math.ceil((under_null + under_truth) ** 2 / (size * size))


def detectable_difference(tasks: float, discordance: float, *, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """Return the smallest difference that `tasks` independent tasks find with that power, rounded up to 0.001.

    None where even a difference as large as `discordance`, the largest there can be, would be missed. Raises ValueError
    unless `tasks` > 0 and 0 < discordance <= 1.
    """
    if tasks <= 0 or not 0 < discordance <= 1:
        raise ValueError(f"need tasks > 0 and 0 < discordance <= 1, got {tasks} and {discordance}")
    # The number needed falls with the difference: the first that is enough is the smallest.
    low, high = 1, math.floor(discordance * 1000)
    if not high or tasks_needed(high / 1000, discordance, power=power, alpha=alpha) > tasks:
        return None
    while low < high:
        middle = (low + high) // 2
        if tasks_needed(middle / 1000, discordance, power=power, alpha=alpha) <= tasks:
            high = middle
        else:
            low = middle + 1
    return high / 1000
