"""The arms of a comparison: the same rows and the same split with another answer to learn.

`attempt` answers with what the agent said first instead of what was accepted; `shuffled` deals the accepted answers
out among the training rows again, a control that keeps every text and destroys its relation to the input. Only the
training side changes: all arms are tested on the same rows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from golddiff.curate.row import Row
from golddiff.errors import UsageError
from golddiff.types import Clean, Example, derive_id


def training_side(target: str, rows: Sequence[Row], seed: int) -> list[Example]:
    """Return the training examples of one arm, in the order of `rows`.

    Raises UsageError where a row has no first attempt to answer with.
    """
    if target == "accepted":
        return [row.example for row in rows]
    if target == "attempt":
        answers = [row.attempt for row in rows]
    else:
        answers = [row.example.after for row in rows]
        random.Random(seed).shuffle(answers)  # noqa: S311 - a control, not a secret
    return [_answering(row.example, answer, target) for row, answer in zip(rows, answers, strict=True)]


def _answering(example: Example, answer: Clean | None, kind: str) -> Example:
    if answer is None:
        raise UsageError(f"row {example.id} has no known first attempt: build with require_attempt.")
    return msgspec.structs.replace(example, id=derive_id("exa", kind, example.id, answer), kind=kind, after=answer)
