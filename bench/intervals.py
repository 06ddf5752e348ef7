"""How often do the report's intervals hold the truth, with few sessions of unequal size?

    python bench/intervals.py

Simulated sessions: lines per session are lognormal (median 33, one session in twenty writes 240 or more); the share
kept of each is drawn from a beta or from two peaks (kept or thrown away). The truth is the ratio over two million
sessions. Printed per number of sessions: coverage of nominal 95 % intervals by the plain percentile cluster bootstrap
and by `statistics.shares` as the report uses it, and how often the latter refuses.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from golddiff.statistics.intervals import resample, resampled_ratios
from golddiff.statistics.shares import Draws, Share

Rows = tuple[NDArray[np.float64], NDArray[np.float64]]


def draw(random: np.random.Generator, count: int, shape: str) -> Rows:
    """Kept and written lines of `count` sessions."""
    written = random.lognormal(3.5, 1.2, count).round() + 1
    if shape == "beta":
        share = random.beta(1.2, 0.8, count)
    else:
        share = np.where(random.random(count) < 0.6, random.beta(8, 1, count), random.beta(0.5, 4, count))
    return random.binomial(written.astype(int), share).astype(float), written


def main(repetitions: int = 1_000, resamples: int = 1_000) -> None:
    """Print one line per number of sessions and shape."""
    random = np.random.default_rng(1)
    print("sessions  shape  plain  expanded  refused")
    for shape in ("beta", "peaks"):
        kept, written = draw(random, 2_000_000, shape)
        truth = float(kept.sum() / written.sum())
        for count in (5, 8, 10, 20, 40, 80):
            plain = expanded = given = 0
            for repetition in range(repetitions):
                top, bottom = draw(random, count, shape)
                draws = resampled_ratios(top, bottom, resample([()] * count, resamples=resamples, seed=repetition))
                low, high = np.quantile(draws, [0.025, 0.975])
                plain += low <= truth <= high
                share = Draws(count, resamples=resamples, seed=repetition).share(top, bottom)
                if isinstance(share, Share):
                    given += 1
                    expanded += share.low <= truth <= share.high
            print(
                f"{count:8}  {shape:5}  {plain / repetitions:5.1%}  {expanded / max(1, given):8.1%}"
                f"  {1 - given / repetitions:7.1%}"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
