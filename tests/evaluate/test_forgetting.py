"""Forgetting is the paired change of the likelihood of code that nobody touched."""

import pytest

from golddiff.errors import UsageError
from golddiff.evaluate import Arm, Role
from golddiff.evaluate.forgetting import Document, measure_forgetting
from golddiff.providers import ScriptedUpstream
from golddiff.store import Store

from .conftest import arm


def model(name: str, role: Role, nats: float) -> Arm:
    upstream = ScriptedUpstream(lambda _: "", likelihood=lambda pair: nats + len(pair[1]) / 100)
    return Arm(name=name, role=role, identity=name, upstream=upstream)


def test_the_difference_to_the_base_is_paired(store: Store) -> None:
    documents = [Document(f"file{number % 5}", "x" * (10 + number)) for number in range(20)]
    found = measure_forgetting(store, [model("base", Role.BASE, 1.0), model("student", Role.STUDENT, 1.25)], documents)
    assert found.documents == 20
    assert found.tokens == sum(10 + number for number in range(20))
    change = found.differences["student"]
    assert (change.low, change.estimate, change.high) == pytest.approx((0.25, 0.25, 0.25))
    assert found.arms["base"].low < found.arms["base"].estimate < found.arms["base"].high


def test_arms_that_add_no_model_are_left_out(store: Store) -> None:
    recorded = Arm(name="teacher", role=Role.TEACHER, identity="r", recorded={})
    shots = arm("base + R0", Role.BASE, 1, shots=3)
    found = measure_forgetting(store, [model("base", Role.BASE, 1.0), shots, recorded], [Document("f", "abc")])
    assert list(found.arms) == ["base"]
    with pytest.raises(UsageError, match="no document"):
        measure_forgetting(store, [recorded], [Document("f", "abc")])
