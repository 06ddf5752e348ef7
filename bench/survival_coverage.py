"""How often do the intervals of survival and of hazard ratios hold the truth, with few sessions of unequal size?

    python bench/survival_coverage.py [repetitions]

Simulated sessions: lines per session are lognormal (median 33), in groups of about eight that end together; sessions
differ by a gamma frailty of mean 1 and variance 0.5, so that lines of one session resemble each other; lines end by a
person (two thirds of the hazard) or by a later agent session, and are watched for 10 to 120 days. The truth is known
in closed form: the marginal share still in place at time t is (1 + 0.5 t / 40) ** -2. Printed per number of sessions:
coverage of nominal 95 % intervals at 7 and 30 days, of the competing end at 30 days, of the difference at 30 days
between two halves of the sessions, of their hazard ratio (which is 1), and how often each is refused.
"""

from __future__ import annotations

import sys

import numpy as np

from golddiff.statistics.shares import Difference, Share
from golddiff.statistics.survival import Lifetimes, survival_curve, survival_difference
from golddiff.statistics.survival_hazards import HazardRatio, hazard_ratios

MEAN_DAYS, VARIANCE, BY_AGENT = 40.0, 0.5, 1 / 3


def draw(random: np.random.Generator, sessions: int) -> Lifetimes:
    """Lines of so many sessions."""
    lines = random.lognormal(3.5, 1.2, sessions).round() + 1
    groups = np.maximum(1, lines // 8).astype(int)
    clusters = np.repeat(np.arange(sessions), groups)
    weights = np.maximum(1.0, (lines / groups)[clusters].round())
    hazard = random.gamma(1 / VARIANCE, VARIANCE, sessions)[clusters] / MEAN_DAYS
    lived, watched = random.exponential(1 / hazard), random.uniform(10, 120, sessions)[clusters]
    cause = np.where(random.random(len(lived)) < BY_AGENT, 2, 1)
    return Lifetimes(
        np.minimum(lived, watched), np.where(lived <= watched, cause, 0), weights, clusters, sessions, causes=2
    )


def still(days: float) -> float:
    """The marginal share still in place: the Laplace transform of the frailty."""
    return float((1 + VARIANCE * days / MEAN_DAYS) ** (-1 / VARIANCE))


def main(repetitions: int) -> None:
    """Print one line per number of sessions."""
    random = np.random.default_rng(1)
    names = ("7 days", "30 days", "by agent", "difference", "hazard")
    print("sessions  " + "  ".join(f"{name:>18}" for name in names) + "   (coverage, refused)")
    for sessions in (6, 10, 20, 40, 80, 160):
        held, given = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        for _ in range(repetitions):
            lifetimes = draw(random, sessions)
            curve = survival_curve(lifetimes)
            first = lifetimes.clusters_N % 2 == 0
            found = {
                "7 days": (curve.at(7), still(7)),
                "30 days": (curve.at(30), still(30)),
                "by agent": (curve.at(30, cause=2), BY_AGENT * (1 - still(30))),
                "difference": (survival_difference(lifetimes.where(first), lifetimes.where(~first), 30), 0.0),
                "hazard": (hazard_ratios(lifetimes, ["ab"[one] for one in first.astype(int)], "a").get("b"), 1.0),
            }
            for name, (measured, truth) in found.items():
                if isinstance(measured, Share | Difference | HazardRatio):
                    given[name] += 1
                    held[name] += measured.low <= truth <= measured.high
        cells = (f"{held[name] / max(1, given[name]):8.1%} {1 - given[name] / repetitions:8.1%}" for name in names)
        print(f"{sessions:8}  " + "  ".join(f"{cell:>18}" for cell in cells))
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
