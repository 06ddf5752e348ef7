"""What the linker knows of a repository's history."""

from __future__ import annotations

from datetime import UTC, datetime

from golddiff.git import GitRepository
from golddiff.outcomes.history import History, line_hash, read_history
from golddiff.outcomes.lines import key
from outcomes.world import World, feature

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def read(world: World, *lines: str) -> History:
    """Read the history, indexing `lines`."""
    with GitRepository.open(world.folder) as git:
        wanted = {line_hash(key(line)) for line in lines}
        return read_history(git, wanted, set(), None if not lines else BEGINNING)


def test_a_line_of_every_commit_is_worth_little_and_a_line_of_one_much(world: World) -> None:
    history = read(world, "x")
    common = history.weight(line_hash(key("        return found")), {}, 0)
    rare = history.weight(line_hash(key("class Store3:")), {}, 0)
    unseen = history.weight(line_hash(key("never written")), {}, 0)
    assert common < 0.2 < rare < unseen
    assert history.weight(line_hash(key("class Store3:")), {line_hash(key("class Store3:")): 3}, 3) < rare


def test_rebased_and_squashed_copies_of_a_patch_count_once(world: World) -> None:
    for name in ("one", "two", "three"):
        world.git("checkout", "-q", "-b", name, "main")
        world.file("src/new.py", feature("alpha"))
        world.commit(f"alpha on {name}")
    history = read(world, "def alpha(value):")
    line = line_hash(key("def alpha(value):"))
    assert history.frequency[line] == 1
    assert len(history.by_line[line]) == 3


def test_branches_without_a_common_root_are_no_place_where_work_is_accepted(world: World) -> None:
    world.git("checkout", "-q", "--orphan", "checkpoints")
    world.file("src/new.py", feature("alpha"))
    stored = world.commit("a stored transcript")
    world.git("checkout", "-q", "-f", "main")
    history = read(world, "def alpha(value):")
    assert stored not in history.graph
    assert line_hash(key("def alpha(value):")) not in history.by_line


def test_ancestors_are_found_among_the_given_commits_only(world: World) -> None:
    history = read(world, "x")
    shas = list(history.graph)
    assert history.ancestors(shas[0], {shas[2], shas[5]}) == {shas[2], shas[5]}
    assert history.ancestors(shas[5], {shas[2]}) == set()


def test_ancestors_are_found_through_merges_and_empty_commits(world: World) -> None:
    world.git("checkout", "-q", "-b", "topic")
    world.file("src/new.py", feature("alpha"))
    first = world.commit("alpha")
    world.git("checkout", "-q", "main")
    world.commit("nothing")
    world.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    world.file("src/new.py", feature("beta"))
    last = world.commit("beta")
    assert read(world, "x").ancestors(last, {first}) == {first}
