"""The generator of histories: its repositories are git's, and its truth is what git can confirm."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

import pytest
from bench import histories
from bench.histories import OPERATIONS, RESHAPING, REVERTING, SCENARIOS, History, Truth, generate, git, play
from bench.histories.agent import TEAM, USER
from bench.histories.builder import Builder
from bench.histories.content import wrapped
from bench.histories.trees import File, Line, Tree, transfer
from bench.histories.truth import find_truth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golddiff.rights.redact import redact_transcript
from golddiff.types import EventKind

SMALL = settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SEEDS = st.integers(0, 2**20)
OPERATION_LISTS = st.lists(
    st.one_of(st.sampled_from([*SCENARIOS.values()]), st.sampled_from([(name,) for name in OPERATIONS])),
    min_size=1,
    max_size=4,
).map(lambda parts: tuple(name for part in parts for name in part))

_folders = count()


def made(tmp_path: Path, seed: int, operations: tuple[str, ...], modules: int = 3) -> History:
    """A history in a folder of its own."""
    return generate(seed, operations, tmp_path / f"history-{next(_folders)}", modules=modules)


def truth_of(seed: int, operations: tuple[str, ...]) -> Truth:
    """The truth alone; no repository is made."""
    builder = play(seed, operations, modules=3)
    reachable = set[int]().union(*(builder.ancestors(tip) for tip in builder.branches.values()))
    return find_truth(builder, {number: str(number) for number in sorted(reachable)})


@st.composite
def trees(draw: st.DrawFn, numbers: tuple[int, ...] = (1, 2, 3)) -> Tree:
    """A tree of some of twenty lines in up to three files, each line in one place."""
    lines = draw(st.permutations(range(20)))
    cuts = sorted(draw(st.lists(st.integers(0, 20), min_size=3, max_size=3)))
    parts = (lines[: cuts[0]], lines[cuts[0] : cuts[1]], lines[cuts[1] : cuts[2]])
    return {
        number: File(f"f{number}", tuple(Line(item, f"line {item}") for item in part))
        for number, part in zip(numbers, parts, strict=True)
        if part
    }


@given(trees(), trees())
@settings(deadline=None, derandomize=True, max_examples=40)
def test_carrying_a_change_to_where_it_came_from_gives_the_changed_tree(base: Tree, changed: Tree) -> None:
    assert transfer(base, changed, base) == changed


@given(trees(), trees(), trees())
@settings(deadline=None, derandomize=True, max_examples=40)
def test_no_line_stands_in_two_places_after_a_change_was_carried_over(base: Tree, changed: Tree, target: Tree) -> None:
    found = [line.key for file in transfer(base, changed, target).values() for line in file.lines]

    assert len(found) == len(set(found))


@given(trees(), trees(), trees(), st.randoms(use_true_random=False))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_no_line_stands_in_two_places_after_a_part_of_a_change_was_carried_over(
    base: Tree, changed: Tree, target: Tree, random: object
) -> None:
    some = transfer(base, changed, target, lambda _: random.random() < 0.5)  # type: ignore[attr-defined]
    found = [line.key for file in some.values() for line in file.lines]

    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_uses_operations_that_there_are(name: str) -> None:
    assert set(SCENARIOS[name]) <= set(OPERATIONS)


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_git_finds_no_fault_in_a_repository(tmp_path: Path, seed: int, operations: tuple[str, ...]) -> None:
    assert git(made(tmp_path, seed, operations).folder, "fsck", "--strict", "--no-dangling") == b""


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_the_files_in_git_are_the_lines_of_the_truth(tmp_path: Path, seed: int, operations: tuple[str, ...]) -> None:
    history = made(tmp_path, seed, operations)
    asked = [(sha, path) for sha, tree in history.truth.trees.items() for path in tree]
    told = git(history.folder, "cat-file", "--batch=", stdin="".join(f"{sha}:{path}\n" for sha, path in asked).encode())

    assert told == b"".join(
        b"\n" + File(path, history.truth.trees[sha][path]).text.encode() + b"\n" for sha, path in asked
    )
    assert history.truth.trees.keys() == set(git(history.folder, "rev-list", "--all").decode().split())


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_every_line_of_every_commit_has_one_writer(seed: int, operations: tuple[str, ...]) -> None:
    truth = truth_of(seed, operations)
    for tree in truth.trees.values():
        keys = [line.key for lines in tree.values() for line in lines]
        assert len(keys) == len(set(keys))
        assert {line for line, _ in keys} <= truth.lines.keys()


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_lines_live_exactly_where_the_main_line_holds_them(seed: int, operations: tuple[str, ...]) -> None:
    truth = truth_of(seed, operations)
    place = {sha: index for index, sha in enumerate(truth.main_line)}
    for index, sha in enumerate(truth.main_line):
        living = {line.id for lines in truth.trees[sha].values() for line in lines}
        assert living == {
            number
            for number, line in truth.lines.items()
            if any(place[life.born] <= index < place.get(life.ended or "", len(place)) for life in line.lives)
        }


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_whoever_ended_a_line_is_known(seed: int, operations: tuple[str, ...]) -> None:
    truth = truth_of(seed, operations)

    assert all(life.ended is None or life.ended_by is not None for line in truth.lines.values() for life in line.lives)


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_kept_revised_and_dropped_lines_are_those_written(seed: int, operations: tuple[str, ...]) -> None:
    for session in truth_of(seed, operations).sessions.values():
        assert sorted([*session.kept, *session.revised, *session.dropped]) == sorted(session.final)


@given(SEEDS, OPERATION_LISTS.map(lambda names: tuple(n for n in names if n not in RESHAPING | REVERTING)))
@SMALL
def test_the_truth_agrees_with_git_blame(tmp_path: Path, seed: int, operations: tuple[str, ...]) -> None:
    history = made(tmp_path, seed, operations)
    truth, tip = history.truth, history.truth.main_line[-1]
    for path, lines in sorted(truth.trees[tip].items()):
        told = git(history.folder, "blame", "--porcelain", tip, "--", path).decode()
        blamed = re.findall(r"^([0-9a-f]{40}) \d+ \d+", told, re.MULTILINE)
        for line, sha in zip(lines, blamed, strict=True):
            if truth.alone(line.id):  # which of two equal lines is which, blame can only guess
                assert truth.introduced(tip, path, line) == sha, line.text


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_the_same_seed_and_operations_give_the_same_history(
    tmp_path: Path, seed: int, operations: tuple[str, ...]
) -> None:
    one, two = made(tmp_path, seed, operations), made(tmp_path, seed, operations)

    assert one.truth == two.truth
    assert [session.events for session in one.sessions] == [session.events for session in two.sessions]


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_redaction_changes_nothing_in_the_sessions(tmp_path: Path, seed: int, operations: tuple[str, ...]) -> None:
    for session in made(tmp_path, seed, operations).sessions:
        clean = redact_transcript(session)
        assert [event.edit for event in clean.events] == [event.edit for event in session.events]


@given(SEEDS, OPERATION_LISTS)
@SMALL
def test_sessions_tell_every_edit_that_they_made(tmp_path: Path, seed: int, operations: tuple[str, ...]) -> None:
    for session in made(tmp_path, seed, operations).sessions:
        edits = [event.edit for event in session.events if event.kind is EventKind.EDIT and event.edit is not None]
        assert all(edit.hunks or edit.replacements or edit.after is not None for edit in edits)


def test_a_wrapped_line_has_the_same_tokens() -> None:
    pieces = wrapped("    total = price_parcel(parcels, limit=3)")

    assert pieces is not None
    assert "".join("".join(pieces).split()) == "total=price_parcel(parcels,limit=3)"


def test_a_line_that_is_reverted_and_restored_lives_twice(tmp_path: Path) -> None:
    truth = made(tmp_path, 2, ("session", "commit", "revert", "others", "unrevert")).truth

    assert [life.ended_by for life in truth.lines[max(truth.sessions["session-1"].kept)].lives] == [USER, None]


def test_hundreds_of_commits_are_made_in_seconds(tmp_path: Path) -> None:
    names = [name for index in range(100) for name in ("others", "session", "commit")][:300]

    assert len(made(tmp_path, 1, tuple(names)).truth.main_line) > 150


def test_the_readme_lists_every_operation_and_every_scenario() -> None:
    readme = (Path(histories.__file__).parent / "README.md").read_text()

    assert re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE) == list(OPERATIONS)
    assert re.findall(r"^\| “(.+?)” \|", readme, re.MULTILINE) == list(SCENARIOS)


def test_others_write_lines_of_their_own() -> None:
    builder = Builder(1, 2)
    OPERATIONS["others"](builder, builder.rng)

    assert set(builder.writers.values()) == {TEAM}
