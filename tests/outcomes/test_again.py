"""Work that was thrown away and that a later session did once more is the later session's."""

from __future__ import annotations

import pytest

from golddiff.types import SessionState
from outcomes.world import World, feature

PATH = "src/module_1.py"


def attempt(world: World, name: str, *, thrown_away: bool) -> str:
    """A session that adds the same function to the same file; its id."""
    world.wait(hours=1)
    before = world.read(PATH)
    session = world.session(name).prompt().write(PATH, before + feature("tariff", 12))
    saved = session.save()
    if thrown_away:
        world.file(PATH, before)
    return saved


def settle(world: World) -> None:
    """Enough time for absence to say something."""
    world.wait(days=30)
    world.file("later.txt", "later\n")
    world.commit("later")


def test_only_the_session_whose_work_was_committed_is_linked(world: World) -> None:
    first = attempt(world, "first", thrown_away=True)
    second = attempt(world, "second", thrown_away=False)
    commit = world.commit("a function")
    settle(world)

    assert [link.sha for link in world.outcome(second).commits] == [commit]
    assert not world.outcome(first).commits


def test_work_that_was_thrown_away_is_not_accepted(world: World) -> None:
    first = attempt(world, "first", thrown_away=True)
    attempt(world, "second", thrown_away=False)
    world.commit("a function")
    settle(world)

    assert world.outcome(first).state is SessionState.ABANDONED


def test_what_was_committed_before_a_later_session_did_it_again_stays_the_first_ones(world: World) -> None:
    first = attempt(world, "first", thrown_away=False)
    commit = world.commit("a function")
    world.git("revert", "--no-edit", commit)
    attempt(world, "second", thrown_away=False)
    again = world.commit("the function again")
    settle(world)

    assert commit in {link.sha for link in world.outcome(first).commits}
    assert again not in {link.sha for link in world.outcome(first).commits}


@pytest.mark.parametrize("moved_by_agent", [True, False])
def test_lines_that_a_later_session_only_moved_stay_the_first_ones(world: World, moved_by_agent: bool) -> None:
    first = attempt(world, "first", thrown_away=False)
    world.wait(hours=1)
    without, goal = world.read(PATH).replace(feature("tariff", 12), ""), world.read("src/module_2.py")
    if moved_by_agent:
        mover = world.session("mover").prompt().write(PATH, without)
        mover.write("src/module_2.py", goal + feature("tariff", 12)).save()
    else:
        world.file(PATH, without)
        world.file("src/module_2.py", goal + feature("tariff", 12))
    commit = world.commit("a function")
    settle(world)

    assert commit in {link.sha for link in world.outcome(first).commits}
