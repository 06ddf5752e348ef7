"""A model is opened when it is asked, once, and again after it was closed."""

from dataclasses import dataclass, field

from golddiff.providers import Completion, ScriptedUpstream, Upstream
from golddiff.providers.on_demand import OnDemand


@dataclass(frozen=True)
class Counting:
    name: str = "model"
    opened: list[int] = field(default_factory=list, hash=False)

    def open(self) -> Upstream:
        self.opened.append(1)
        return ScriptedUpstream(lambda _: "yes", likelihood=lambda pair: 1.0)


def test_it_is_opened_late_once_and_again_after_closing() -> None:
    opener = Counting()
    model = OnDemand(opener)
    assert (model.name, model.is_open, opener.opened) == ("model", False, [])
    assert [one.text for one in model.complete([()], 5)] == ["yes"]
    assert model.loglikelihood([((), "ab")]) == [(2.0, 2)]
    assert opener.opened == [1]
    model.close()
    assert not model.is_open
    assert isinstance(model.complete([()], 5)[0], Completion)
    assert opener.opened == [1, 1]
    assert isinstance(model, Upstream)
