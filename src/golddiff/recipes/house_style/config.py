"""Everything that shapes the demo. Budgets are rows and steps, never seconds: the same seed gives the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

__all__ = ["DemoConfig"]


def _train_rows() -> dict[str, int]:
    return {"f-strings": 270, "annotations": 140, "isinstance": 100, "literals": 60, "keys": 45, "super": 35}


def _test_rows() -> dict[str, int]:
    return {"f-strings": 80, "annotations": 55, "isinstance": 40, "literals": 16, "keys": 14, "super": 10}


@dataclass(frozen=True)
class DemoConfig:
    """Settings of one run of the demo."""

    seed: int = 20261121
    train_rows: Mapping[str, int] = field(default_factory=_train_rows)
    """Sites per family for training, at most."""
    test_rows: Mapping[str, int] = field(default_factory=_test_rows)
    """Sites per family in held-out files, at most."""
    tasks: int = 160
    """Held-out tasks that every arm is asked, drawn by hash from those that are left after deduplication."""
    off_workflow_rows: int = 120
    """Tasks of families that are never trained on."""
    untouched_samples: int = 24
    """Pieces of code that nobody edits, for the likelihood before and after."""
    test_reserve: float = 1.6
    """Sites reserved in held-out files per task wanted: capping and deduplication take some."""
    most_of_a_file: int = 14
    """Files with more sites are for training."""
    same_shape: int = 3
    """Sites of one shape (names and words taken out) on each side, at most."""
    sites_per_session: int = 14
    files_per_session: int = 6
    rejected_sessions: int = 5
    """Sessions whose work the user throws away."""
    slip_rate: float = 0.9
    """How often the teacher's first attempt slips where its slip does harm; the error rate is measured by running."""
    repair_rate: float = 0.75
    """How often one more attempt repairs a slip that the user pointed out."""
    longest_characters: int = 100
    """Longer statements are not used: a row should stay under about 80 tokens."""

    epochs: int = 1
    """Passes over the training rows."""
    learning_rate: float = 5e-4
    shots: int = 2
    """Earlier accepted changes that R0 shows, and solved examples in off-workflow tasks."""

    def record(self) -> dict[str, object]:
        """Return the settings as plain data, for the record of the run."""
        return asdict(self)
