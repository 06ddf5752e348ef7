"""How an arm asks."""

import pytest

from golddiff.errors import UsageError
from golddiff.evaluate import Arm, Role
from golddiff.prompts.nearest import EarlierChanges

from .conftest import answering, arm, task


def test_an_arm_has_a_model_or_a_record() -> None:
    with pytest.raises(UsageError, match="either a model"):
        Arm(name="x", role=Role.BASE, identity="x")
    with pytest.raises(UsageError, match="either a model"):
        Arm(name="x", role=Role.BASE, identity="x", upstream=answering(1), recorded={})


def test_the_farthest_shots_give_way_to_the_context() -> None:
    earlier = EarlierChanges([task(number, split="train") for number in range(5)])
    full = arm("base", Role.BASE, 1, shots=3).messages(task(1), earlier)
    short = arm("base", Role.BASE, 1, shots=3, context_characters=200).messages(task(1), earlier)
    assert len(full) == 8
    assert 1 < len(short) < 8
    assert short == (full[0], *full[1 - len(short) :])


def test_with_earlier_changes_shown_every_arm_is_told_the_format() -> None:
    asked = arm("student", Role.STUDENT, 1, shots=1)
    earlier = EarlierChanges([task(2, split="train")])
    assert [one.role for one in asked.messages(task(1), earlier)] == ["system", "user", "assistant", "user"]
    assert [one.role for one in asked.messages(task(1), EarlierChanges([]))] == ["user"]


def test_the_request_is_never_cut() -> None:
    earlier = EarlierChanges([task(2, split="train")])
    assert len(arm("base", Role.BASE, 1, shots=3, context_characters=1).messages(task(1), earlier)) == 1
