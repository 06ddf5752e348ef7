"""N50 is the half of the plateau of the curve that SciPy fits, and is refused where it would be extrapolation."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from golddiff.statistics.learning import HalfPlateau, NoHalfPlateau, half_plateau

SIZES = [32.0, 128.0, 512.0, 2048.0, 8192.0]


def curve(n: np.ndarray, c: float, n50: float, a: float) -> np.ndarray:
    return c * (1 - (1 + n / (n50 / (2 ** (1 / a) - 1))) ** -a)


def noisy(random: np.random.Generator, n50: float, error: float) -> tuple[list[float], np.ndarray]:
    gains = curve(np.array(SIZES), 0.5, n50, 1.0) + random.normal(0, error, len(SIZES))
    return list(gains), gains + random.normal(0, error, (200, len(SIZES)))


def test_the_fit_is_scipys() -> None:
    gains, draws = noisy(np.random.default_rng(2), 200.0, 0.01)
    ours = half_plateau(SIZES, gains, draws, clusters=50)
    assert isinstance(ours, HalfPlateau)
    theirs, _ = curve_fit(curve, SIZES, gains, p0=[0.5, 200, 1.0], bounds=([0, 1, 0.25], [1, 1e5, 4]))
    errors = [np.square(np.array(gains) - found).sum() for found in (curve(np.array(SIZES), *theirs), _gains(ours))]
    assert errors[1] == pytest.approx(errors[0], rel=0.1, abs=1e-5)
    assert ours.n50.estimate == pytest.approx(theirs[1], rel=0.1)
    assert ours.gain(ours.n50.estimate) == pytest.approx(ours.plateau / 2)


def _gains(fit: HalfPlateau) -> np.ndarray:
    return np.array([fit.gain(size) for size in SIZES])


def test_the_interval_covers_the_truth() -> None:
    """True N50 300; 60 worlds with errors of 2 points a size."""
    random = np.random.default_rng(5)
    covered = given = 0
    for _ in range(60):
        found = half_plateau(SIZES, *noisy(random, 300.0, 0.02), clusters=50)
        if isinstance(found, HalfPlateau):
            given += 1
            covered += found.n50.low <= 300 <= found.n50.high
    assert given >= 55
    assert covered / given >= 0.88


def test_a_bound_at_the_edge_of_what_was_looked_at_is_none() -> None:
    gains = curve(np.array(SIZES), 0.5, 2000.0, 1.0)
    straight, step = 0.02 * np.array(SIZES) / SIZES[-1], np.full(5, 0.5)
    found = half_plateau(SIZES, list(gains), np.vstack([np.tile(gains, (80, 1)), [straight] * 20]), clusters=20)
    assert isinstance(found, HalfPlateau)
    assert (found.n50.low, found.n50.high) == (pytest.approx(2000, rel=0.1), np.inf)
    found = half_plateau(SIZES, list(gains), np.vstack([np.tile(gains, (80, 1)), [step] * 20]), clusters=20)
    assert isinstance(found, HalfPlateau)
    assert (found.n50.low, found.n50.high) == (0.0, pytest.approx(2000, rel=0.1))


def test_it_is_refused_where_it_would_be_a_guess() -> None:
    early = list(curve(np.array(SIZES), 0.5, 12.0, 1.0))
    flat, rising = np.zeros((100, 5)), np.tile(np.array(SIZES) / 20_000, (100, 1))
    for sizes, gains, draws, reason in [
        (SIZES[:3], [0.1, 0.2, 0.3], flat[:, :3] + 0.3, "at least 4"),
        (SIZES, [0.0] * 5, flat, "may be 0"),
        (SIZES, list(rising[0]), rising, "beyond the 8192 examples"),
        (SIZES, [0.3] * 5, flat + 0.3, "smallest training set"),
        (SIZES, early, np.tile(early, (100, 1)), "more than half of the plateau already"),
        (SIZES, [0.3] * 5, flat + np.nan, "no draw"),
    ]:
        found = half_plateau(sizes, gains, draws, clusters=20)
        assert isinstance(found, NoHalfPlateau)
        assert reason in found.reason
    with pytest.raises(ValueError, match="sizes above 0"):
        half_plateau([0.0, 1.0], [0.0, 0.1], np.zeros((5, 2)), clusters=5)
