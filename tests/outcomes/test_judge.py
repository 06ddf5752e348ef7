"""How far an attempt is from what was accepted, also where it only takes lines out."""

from __future__ import annotations

from golddiff.types import Attempt, AttemptFate
from outcomes.world import World, feature

PATH = "src/module_3.py"


def attempts(world: World, session: str) -> list[tuple[AttemptFate, float | None]]:
    """Fates and distances, in order."""
    found = sorted(world.store.find(Attempt, session_id=session), key=lambda attempt: attempt.index)
    return [(attempt.fate, attempt.distance) for attempt in found]


def test_an_attempt_that_only_removes_is_judged_by_what_stayed_away(world: World) -> None:
    before = world.read(PATH)
    kept = before[: before.index("    def lookup_3")]
    recorder = world.session("s1").prompt().write(PATH, kept)
    recorder.prompt("put it back, and add alpha").write(PATH, before)
    session = recorder.write(PATH, before + feature("alpha")).save()
    world.commit("alpha")
    world.outcomes()
    (first, second) = attempts(world, session)
    assert first == (AttemptFate.SUPERSEDED, 1.0)
    assert second[0] is AttemptFate.KEPT


def test_a_removal_that_was_committed_is_kept(world: World) -> None:
    before = world.read(PATH)
    session = world.session("s1").prompt().write(PATH, before[: before.index("    def lookup_3")]).save()
    world.commit("remove lookup")
    world.outcomes()
    assert attempts(world, session) == [(AttemptFate.KEPT, 0.0)]


def test_an_attempt_half_of_which_was_kept_is_half_way(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha", 6) + feature("beta", 6)).save()
    world.file("src/new.py", feature("alpha", 6))
    world.commit("alpha only")
    world.outcomes()
    assert attempts(world, session) == [(AttemptFate.REVISED, 0.5)]
