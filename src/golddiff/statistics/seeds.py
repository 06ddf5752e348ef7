"""What other training seeds would have given: the level above repository, session and task.

How it fits: `evaluate` averages the trainings of one recipe task by task, draws clusters of tasks as always, and adds
`seed_noise` to every draw: the uncertainty of a mean over so few trainings. Small differences between trained arms are
of the size that a seed makes; without at least `FEWEST_SEEDS` trainings an interval speaks of tasks, not of the recipe.

Method: seeds and tasks are crossed (every training answers every task), so the two levels are drawn independently and
added. Drawing 3 trainings with replacement would never leave their range and shows only 2/3 of their variance, so the
mean is drawn from its fiducial distribution instead, mean + s / sqrt(K) * t with K - 1 degrees of freedom: for seeds
alone that is Student's interval; together with tasks it is a generalized confidence interval (Weerahandi 1993), of the
Behrens-Fisher kind, which errs on the wide side. The spread s between trainings holds the noise of the tasks within a
training as well, which errs on the same side. Measured by simulation in the tests.

Sources: Student (1908), Biometrika 6:1-25. Fisher (1935), Ann. Eugenics 6:391-398. Weerahandi (1993), JASA 88:899-905.

Not covered: trainings that share their seed across arms; they are taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST_SEEDS", "seed_noise"]

FEWEST_SEEDS = 3
"""Trainings of one arm below which nothing is said about other seeds."""


def seed_noise(means: Sequence[float], draws: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Return draws of (mean over all seeds) - (mean over these trainings), to be added to draws of tasks.

    `means` is one figure per training, such as its success. Zeros where all trainings agree.
    Raises ValueError below `FEWEST_SEEDS` trainings.
    """
    if len(means) < FEWEST_SEEDS:
        raise ValueError(f"{len(means)} trainings say nothing about other seeds: at least {FEWEST_SEEDS}")
    error = stdev([float(mean) for mean in means], fmean(means)) / math.sqrt(len(means))
    # Another stream than the draws of tasks, which begin at the same seed.
    random = np.random.default_rng([seed, len(means), 0x5EED])
    noise: NDArray[np.float64] = error * random.standard_t(len(means) - 1, size=draws)
    return noise
