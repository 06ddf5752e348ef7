"""The table of what git does to a session's work: each row builds a history, and says where the work is and if kept.

A row returns the sessions with the commits that hold them and their states. Branches that are gone have no reflog
either: nothing here may need one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from golddiff import patch
from golddiff.types import Outcome, SessionState
from outcomes.world import World, feature

ACCEPTED, REVISED, REJECTED = SessionState.ACCEPTED, SessionState.REVISED, SessionState.REJECTED

Expected = dict[str, tuple[set[str], SessionState]]
"""Session → commits that hold its work, and its state."""
ROWS: dict[str, Callable[[World], Expected]] = {}


def row(build: Callable[[World], Expected]) -> Callable[[World], Expected]:
    """Add one row to the table."""
    ROWS[build.__name__.replace("_", " ")] = build
    return build


def wrote(world: World, text: str, *, path: str = "src/new.py", name: str = "s1") -> str:
    """One session that writes one file."""
    return world.session(name).prompt().write(path, text).save()


def forget(world: World, branch: str) -> None:
    """Delete a branch and every reflog."""
    world.git("branch", "-q", "-D", branch)
    shutil.rmtree(world.folder / ".git" / "logs", ignore_errors=True)


def moved_on(world: World, text: str = "meanwhile\n") -> str:
    """Somebody else's commit."""
    world.file("README.md", text)
    return world.commit("something else", "README.md")


@row
def a_squash_merge_whose_branch_is_deleted(world: World) -> Expected:
    world.git("checkout", "-q", "-b", "topic")
    session = wrote(world, feature("alpha", 12))
    world.commit("wip")
    world.file("src/other.py", feature("users_own"))
    world.commit("more wip, by hand")
    world.git("checkout", "-q", "main")
    moved_on(world)
    world.git("merge", "-q", "--squash", "topic")
    squash = world.commit("the feature (#7)")
    forget(world, "topic")
    return {session: ({squash}, ACCEPTED)}


@row
def a_rebased_branch_merged_by_fast_forward(world: World) -> Expected:
    world.git("checkout", "-q", "-b", "topic")
    session = wrote(world, feature("alpha"))
    world.commit("draft")
    world.git("checkout", "-q", "main")
    moved_on(world)
    world.git("checkout", "-q", "topic")
    world.wait(hours=3)
    world.git("rebase", "-q", "main")
    world.git("checkout", "-q", "main")
    world.git("merge", "-q", "--ff-only", "topic")
    forget(world, "topic")
    return {session: ({world.git("rev-parse", "HEAD")}, ACCEPTED)}


@row
def a_fixup_folded_into_its_commit(world: World) -> Expected:
    session = wrote(world, feature("alpha", 30))
    world.commit("alpha")
    world.file("src/new.py", world.read("src/new.py").replace("'alpha-3'", "'alpha-three'"))
    world.commit("fixup! alpha")
    world.git("-c", "sequence.editor=true", "rebase", "-q", "-i", "--autosquash", "HEAD~2")
    shutil.rmtree(world.folder / ".git" / "logs")
    return {session: ({world.git("rev-parse", "HEAD")}, ACCEPTED)}


@row
def an_amended_commit(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    world.commit("alpha")
    world.wait(minutes=20)
    text = world.read("src/new.py").replace("    alpha_step_4 = compute_alpha(4, 'alpha-4')\n", "")
    world.file("src/new.py", text.replace("compute_alpha(2, 'alpha-2')", "compute_alpha(2, 'alpha-TWO')"))
    world.git("commit", "-q", "-a", "--amend", "-m", "alpha, better")
    shutil.rmtree(world.folder / ".git" / "logs")
    return {session: ({world.git("rev-parse", "HEAD")}, REVISED)}


@row
def a_cherry_picked_commit_whose_branch_is_deleted(world: World) -> Expected:
    world.git("checkout", "-q", "-b", "topic")
    moved_on(world, "only on the branch\n")
    session = wrote(world, feature("alpha"))
    picked = world.commit("alpha")
    world.git("checkout", "-q", "main")
    world.wait(days=2)
    world.git("cherry-pick", picked)
    forget(world, "topic")
    return {session: ({world.git("rev-parse", "HEAD")}, ACCEPTED)}


@row
def a_cherry_picked_commit_whose_branch_is_there(world: World) -> Expected:
    world.git("checkout", "-q", "-b", "topic")
    session = wrote(world, feature("alpha"))
    picked = world.commit("alpha")
    world.git("checkout", "-q", "main")
    moved_on(world)
    world.git("cherry-pick", picked)
    return {session: ({picked, world.git("rev-parse", "HEAD")}, ACCEPTED)}


@row
def hunks_staged_in_part_and_the_rest_thrown_away(world: World) -> Expected:
    before = world.read("src/module_1.py")
    recorder = world.session("s1").prompt().write("src/module_1.py", feature("alpha").lstrip() + before)
    session = recorder.write("src/module_1.py", feature("alpha").lstrip() + before + feature("beta", 9)).save()
    world.file("src/module_1.py", before + feature("beta", 9))
    sha = world.commit("only beta")
    return {session: ({sha}, REVISED)}


@row
def hunks_staged_in_part_and_the_rest_later(world: World) -> Expected:
    before = world.read("src/module_1.py")
    both = feature("alpha").lstrip() + before + feature("beta", 9)
    session = wrote(world, both, path="src/module_1.py")
    world.file("src/module_1.py", before + feature("beta", 9))
    first = world.commit("only beta")
    world.wait(hours=5)
    world.file("src/module_1.py", both)
    second = world.commit("now alpha")
    return {session: ({first, second}, ACCEPTED)}


@row
def a_new_file_renamed_before_the_commit(world: World) -> Expected:
    session = wrote(world, feature("alpha", 12), path="src/draft.py")
    (world.folder / "src/draft.py").rename(world.folder / "src/final.py")
    return {session: ({world.commit("alpha, under its final name")}, ACCEPTED)}


@row
def an_edited_file_moved_to_another_folder_before_the_commit(world: World) -> Expected:
    session = wrote(world, world.read("src/module_2.py") + feature("alpha"), path="src/module_2.py")
    (world.folder / "lib").mkdir()
    world.git("mv", "src/module_2.py", "lib/part_two.py")
    return {session: ({world.commit("alpha, and a move")}, ACCEPTED)}


@row
def a_file_renamed_in_a_later_commit_of_the_session(world: World) -> Expected:
    recorder = world.session("s1").prompt().write("src/draft.py", feature("alpha", 12))
    first = world.commit("alpha")
    world.git("mv", "src/draft.py", "src/final.py")
    world.commit("its final name")
    recorder.prompt("now beta").write("src/final.py", feature("alpha", 12) + feature("beta"))
    second = world.commit("beta")
    return {recorder.save(): ({first, second}, ACCEPTED)}


@row
def a_function_moved_to_another_file_before_the_commit(world: World) -> Expected:
    before = world.read("src/module_2.py")
    recorder = world.session("s1").prompt().write("src/module_2.py", before + feature("alpha", 12))
    session = recorder.write("src/new.py", feature("beta")).save()
    world.file("src/module_2.py", before)
    world.file("src/new.py", feature("beta") + feature("alpha", 12))
    return {session: ({world.commit("both, in one file")}, ACCEPTED)}


@row
def a_formatter_that_breaks_and_joins_lines(world: World) -> Expected:
    body = "".join(f"    total_{i} = combine_{i}(first_{i}, second_{i}, 'third {i}')\n" for i in range(8))
    session = wrote(world, f"def alpha(value):\n{body}    return total_0\n")
    broken = "".join(
        f'    total_{i} = combine_{i}(\n        first_{i},\n        second_{i},\n        "third {i}",\n    )\n'
        if i % 3 == 0
        else f'    total_{i} = combine_{i}(first_{i}, second_{i}, "third {i}")\n'
        for i in range(8)
    )
    world.file("src/new.py", f"def alpha(value):\n{broken}    return total_0\n")
    return {session: ({world.commit("alpha, formatted")}, ACCEPTED)}


@row
def several_sessions_in_one_commit(world: World) -> Expected:
    one = wrote(world, feature("alpha"), path="src/one.py")
    two = wrote(world, world.read("src/one.py") + feature("beta"), path="src/one.py", name="s2")
    world.file("src/three.py", feature("users_own"))
    sha = world.commit("everything")
    return {one: ({sha}, ACCEPTED), two: ({sha}, ACCEPTED)}


@row
def one_session_over_two_pull_requests(world: World) -> Expected:
    recorder = world.session("s1").prompt()
    squashes = set()
    for number, name in enumerate(("alpha", "beta"), 1):
        world.git("checkout", "-q", "-b", f"topic-{name}")
        recorder.prompt(f"now {name}").write(f"src/{name}.py", feature(name))
        world.commit("wip")
        world.git("checkout", "-q", "main")
        world.git("merge", "-q", "--squash", f"topic-{name}")
        squashes.add(world.commit(f"{name} (#{number})"))
        forget(world, f"topic-{name}")
    return {recorder.save(): (squashes, ACCEPTED)}


@row
def a_revert(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    world.wait(days=1)
    world.git("revert", "--no-edit", "HEAD")
    return {session: ({sha}, REJECTED)}


@row
def a_revert_that_does_not_say_so(world: World) -> Expected:
    before = world.read("src/module_1.py")
    session = wrote(world, before + feature("alpha"), path="src/module_1.py")
    sha = world.commit("alpha")
    world.wait(days=1)
    world.file("src/module_1.py", before)
    world.commit("back to how it was")
    return {session: ({sha}, REJECTED)}


@row
def a_revert_of_a_revert(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    for _ in range(2):
        world.wait(days=1)
        world.git("revert", "--no-edit", "HEAD")
    return {session: ({sha}, ACCEPTED)}


@row
def a_revert_of_a_revert_of_a_revert(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    for _ in range(3):
        world.wait(days=1)
        world.git("revert", "--no-edit", "HEAD")
    return {session: ({sha}, REJECTED)}


@row
def a_revert_and_the_same_again_by_cherry_pick(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    world.git("revert", "--no-edit", "HEAD")
    world.wait(days=3)
    world.git("cherry-pick", sha)
    return {session: ({sha}, ACCEPTED)}


@row
def a_revert_of_a_file_that_was_renamed(world: World) -> Expected:
    session = wrote(world, world.read("src/module_1.py") + feature("alpha"), path="src/module_1.py")
    sha = world.commit("alpha")
    world.git("mv", "src/module_1.py", "src/renamed.py")
    world.commit("another name")
    world.git("revert", "--no-edit", sha)
    return {session: ({sha}, REJECTED)}


@row
def a_revert_of_one_of_two_commits(world: World) -> Expected:
    recorder = world.session("s1").prompt().write("src/alpha.py", feature("alpha"))
    first = world.commit("alpha")
    recorder.prompt("now beta").write("src/beta.py", feature("beta"))
    second = world.commit("beta")
    world.git("revert", "--no-edit", first)
    return {recorder.save(): ({first, second}, REVISED)}


@row
def a_revert_of_a_squash_whose_branch_is_there(world: World) -> Expected:
    world.git("checkout", "-q", "-b", "topic")
    session = wrote(world, feature("alpha"))
    draft = world.commit("wip")
    world.git("checkout", "-q", "main")
    world.git("merge", "-q", "--squash", "topic")
    squash = world.commit("alpha (#3)")
    world.git("revert", "--no-edit", "HEAD")
    return {session: ({draft, squash}, REJECTED)}


@row
def a_revert_on_a_branch_that_was_never_merged(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    world.git("checkout", "-q", "-b", "doubts")
    world.git("revert", "--no-edit", "HEAD")
    world.git("checkout", "-q", "main")
    moved_on(world)
    return {session: ({sha}, ACCEPTED)}


@row
def a_revert_that_is_amended_by_hand(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    world.git("revert", "--no-commit", "HEAD")
    world.file("docs/why.md", "It was not what we needed.\n")
    world.commit(f"Take alpha out again\n\nThis reverts commit {sha}.")
    return {session: ({sha}, REJECTED)}


@row
def a_revert_of_the_merge_that_brought_it(world: World) -> Expected:
    world.git("checkout", "-q", "-b", "topic")
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    world.file("src/beta.py", feature("beta"))
    world.commit("beta, by hand")
    world.git("checkout", "-q", "main")
    moved_on(world)
    world.git("merge", "-q", "--no-ff", "-m", "merge topic", "topic")
    world.wait(days=40)
    world.git("revert", "--no-edit", "-m", "1", "HEAD")
    return {session: ({sha}, REJECTED)}


@row
def a_message_that_claims_a_revert_and_does_none(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    world.file("src/new.py", world.read("src/new.py") + feature("users_own"))
    world.commit(f"More of it\n\nThis reverts commit {sha}.")
    return {session: ({sha}, ACCEPTED)}


@row
def code_that_is_deleted_a_year_later(world: World) -> Expected:
    session = wrote(world, feature("alpha"))
    sha = world.commit("alpha")
    world.wait(days=365)
    world.git("rm", "-q", "src/new.py")
    world.commit("the old way is no longer needed")
    return {session: ({sha}, ACCEPTED)}


@pytest.mark.parametrize("case", ROWS)
def test_the_work_is_found_and_the_state_follows(world: World, case: str) -> None:
    expected = ROWS[case](world)
    found: dict[str, Outcome] = {item.session_id: item for item in world.outcomes().outcomes}
    shown = {name: ({link.sha for link in found[name].commits}, found[name].state) for name in expected}
    assert shown == expected
    for name, (_, state) in expected.items():
        assert bool(found[name].gold_patch) is (state is not REJECTED)
        assert patch.parse(found[name].gold_patch) is not None
