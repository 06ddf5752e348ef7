"""Confidence beside outcome: the area is Mann and Whitney's, intervals cover, extremes are refused."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from golddiff.statistics.calibration import calibration, weighted_auroc
from golddiff.statistics.intervals import resample


def world(random: np.random.Generator, tasks: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Perfectly calibrated: a task is done with the chance that the confidence states."""
    sure = random.uniform(size=tasks).round(2)
    return sure, (random.uniform(size=tasks) < sure).astype(float)


def test_the_area_is_mann_and_whitneys_with_ties_and_weights() -> None:
    sure, done = world(np.random.default_rng(3))
    u = mannwhitneyu(sure[done == 1], sure[done == 0]).statistic
    weights = np.random.default_rng(4).integers(0, 4, len(sure))
    twice = np.repeat(np.arange(len(sure)), weights)
    drawn_u = mannwhitneyu(sure[twice][done[twice] == 1], sure[twice][done[twice] == 0]).statistic
    ours = weighted_auroc(sure, done, np.stack([np.ones(len(sure)), weights.astype(float)]))
    kinds = [(done.sum(), (1 - done).sum()), (done[twice].sum(), (1 - done[twice]).sum())]
    assert ours == pytest.approx([one / (a * b) for one, (a, b) in zip((u, drawn_u), kinds, strict=True)])


def test_a_calibrated_model_is_called_so() -> None:
    """Area 5/6 and Brier score 1/6 in truth, overconfidence 0; 100 worlds."""
    random = np.random.default_rng(8)
    names = [str(i // 2) for i in range(120)]
    counts = resample([(name,) for name in names], resamples=300)
    held = np.zeros(3)
    for _ in range(100):
        sure, done = world(random)
        found = calibration(list(sure), list(done), names, counts)
        assert found is not None
        truths = ((found.auroc, 5 / 6), (found.brier, 1 / 6), (found.overconfidence, 0.0))
        held += [one.low <= truth <= one.high for one, truth in truths]
    assert (held >= 88).all()
    assert sum(one.tasks for one in found.bins) == 120
    assert [one.confidence for one in found.bins] == sorted(one.confidence for one in found.bins)


def test_an_overconfident_model_is_found_out_and_extremes_are_refused() -> None:
    names = [str(i) for i in range(40)]
    counts = resample([(name,) for name in names], resamples=300)
    found = calibration([0.9] * 40, [1.0] * 20 + [0.0] * 20, names, counts)
    assert found is not None
    assert found.overconfidence.low > 0.2
    assert found.auroc.estimate == 0.5
    assert found.brier.estimate > found.brier_constant
    perfect = calibration([0.9] * 10 + [0.1] * 30, [1.0] * 10 + [0.0] * 30, names, counts)
    assert perfect is not None
    assert perfect.auroc.estimate == 1
    assert 0.65 < perfect.auroc.low < 0.8  # ten tasks done are no certainty
    assert calibration([0.9] * 40, [1.0] * 37 + [0.0] * 3, names, counts) is None
    with pytest.raises(ValueError, match="probability"):
        calibration([1.2] * 40, [1.0] * 20 + [0.0] * 20, names, counts)
