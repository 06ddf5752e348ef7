"""Arms hold the same inputs; only the answers to learn differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.made_rows import row
from golddiff.curate.arms import training_side
from golddiff.errors import UsageError


@given(st.integers(0, 20), st.integers(0, 5))
def test_shuffling_deals_the_same_answers_out_again(count: int, seed: int) -> None:
    rows = [row(number) for number in range(count)]
    dealt = training_side("shuffled", rows, seed)
    assert sorted(example.after for example in dealt) == sorted(item.example.after for item in rows)
    assert [example.before for example in dealt] == [item.example.before for item in rows]
    assert dealt == training_side("shuffled", rows, seed)
    assert len({example.id for example in dealt}) == count


def test_the_attempt_arm_answers_with_what_the_agent_said_first() -> None:
    rows = [row(1, attempt="first try\n")]
    (example,) = training_side("attempt", rows, 0)
    assert example.after == "first try\n"
    assert example.kind == "attempt"
    assert example.before == rows[0].example.before


def test_a_row_without_a_first_attempt_cannot_be_in_that_arm() -> None:
    with pytest.raises(UsageError, match="first attempt"):
        training_side("attempt", [row(1)], 0)
