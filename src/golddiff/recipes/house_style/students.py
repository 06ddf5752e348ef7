"""Three students of one base on the same rows: what was accepted, what the teacher first said, shuffled pairs.

How it fits: one training recipe, one set of settings, one seed; only the answers differ. Every arm sees the same
number of rows and, within the difference of the answers' lengths, of tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from golddiff.curate import Built
from golddiff.recipes.house_style.config import DemoConfig
from golddiff.store import Store
from golddiff.train.config import R1Config
from golddiff.train.r1 import Tick
from golddiff.train.run import train_checkpoints
from golddiff.types import Checkpoint

__all__ = ["STUDENTS", "train_students", "training_config"]

STUDENTS = {"student": "accepted", "first attempts": "attempt", "shuffled": "shuffled"}
"""Arm in reports → arm of the dataset."""


def training_config(config: DemoConfig) -> R1Config:
    """Return the settings that all three students are trained with."""
    return R1Config(
        epochs=config.epochs, learning_rate=config.learning_rate, seed=config.seed % 2**31, save_every_sec=300
    )


def train_students(
    store: Store,
    built: Built,
    base: Path,
    config: DemoConfig,
    report: Callable[[str, Tick], None],
    say: Callable[[str], None],
) -> dict[str, Checkpoint]:
    """Return the checkpoint of every arm, training what is not trained yet."""
    datasets = {arm: built.datasets[target].id for arm, target in STUDENTS.items()}
    return train_checkpoints(store, datasets, base, training_config(config), report=report, say=say)
