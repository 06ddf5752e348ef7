"""Outcomes of random histories, held to the truth that the generator knows.

All properties look at the same histories, each of which is made and judged once; `GOLDDIFF_TEST_SCALE=50` draws fifty
times as many. Where only text can tell which of several equal lines is
which (`return None` written by three people), a count may differ by as many lines as the session wrote of that kind.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import cache
from random import Random
from typing import Protocol

import pytest
from bench.histories import OPERATIONS, RESHAPING, REVERTING, SCENARIOS, History, SessionTruth, generate, git
from bench.histories.judged import Judged, judge, told_lives, true_lives
from bench.histories.trees import Key, Line
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from golddiff import patch
from golddiff.outcomes.lines import key, tells
from golddiff.outcomes.survival.forward import write_new
from golddiff.outcomes.survival.reshaped import carry_reshaped
from golddiff.types import LineFate, LivedLines, SessionState

SCALE = int(os.environ.get("GOLDDIFF_TEST_SCALE", "1"))
SOME = settings(max_examples=2 * SCALE, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
SAME = 20260301
"""Seed of every property: with one seed all of them draw the same histories."""
ENOUGH = 4
"""Lines written nowhere else that a commit must bring before a link to it is demanded."""

Names = tuple[str, ...]


Test = Callable[..., None]


def histories(*, without: Collection[str] = ()) -> Callable[[Test], Test]:
    """Hold a property to four histories that hold every scenario, and to drawn ones."""
    scenarios = [names for names in SCENARIOS.values() if not set(without) & set(names)]
    parts = [*scenarios, *((name,) for name in OPERATIONS if name not in without)]
    drawn = st.lists(st.sampled_from(parts), min_size=2, max_size=5).map(chained)

    def decorate(test: Test) -> Test:
        for number, names in enumerate(_chains(scenarios)):
            test = example(number=number, names=names)(test)
        return seed(SAME)(SOME(given(number=st.integers(0, 2**20), names=drawn)(test)))

    return decorate


def _chains(scenarios: list[Names]) -> list[Names]:
    return [chained(scenarios[number::4]) for number in range(4)]


def chained(parts: Iterable[Names]) -> Names:
    """Lists of operations as one."""
    return tuple(name for names in parts for name in names)


class Solve(Protocol):
    """Makes a history and judges it, or remembers."""

    def __call__(self, number: int, names: Names) -> tuple[History, Judged]: ...


@pytest.fixture(scope="module")
def solve(tmp_path_factory: pytest.TempPathFactory) -> Solve:
    """A history and what golddiff says of its sessions, by seed and operations."""

    @cache
    def solved(number: int, names: Names) -> tuple[History, Judged]:
        history = generate(number, names, tmp_path_factory.mktemp("history") / "repository")
        return history, judge(history)

    return solved


def common(history: History, session: SessionTruth) -> int:
    """Lines of a session whose text was written more than once."""
    return sum(not history.truth.alone(line) for line in session.final)


@histories()
def test_every_line_that_a_session_wrote_is_counted_once(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    for name, outcome in judged.outcomes.items():
        assert outcome.written_lines == len(history.truth.sessions[name].final), name


@histories()
def test_kept_revised_and_dropped_lines_add_up_to_those_written(solve: Solve, number: int, names: Names) -> None:
    for outcome in solve(number, names)[1].outcomes.values():
        told = outcome.kept_lines + outcome.revised_lines + outcome.dropped_lines
        assert told == (0 if outcome.state is SessionState.UNKNOWN else outcome.written_lines)


@histories()
def test_hunks_count_the_lines_that_the_outcome_counts(solve: Solve, number: int, names: Names) -> None:
    for outcome in solve(number, names)[1].outcomes.values():
        if outcome.hunks:
            assert sum(hunk.kept for hunk in outcome.hunks) == outcome.kept_lines
            assert sum(hunk.revised for hunk in outcome.hunks) == outcome.revised_lines
            assert sum(hunk.dropped for hunk in outcome.hunks) == outcome.dropped_lines


@histories()
def test_every_session_has_exactly_one_outcome(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)

    assert judged.outcomes.keys() == history.truth.sessions.keys()


@histories()
def test_the_outcomes_do_not_depend_on_the_order_of_import(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    shuffled = list(history.sessions)
    Random(number).shuffle(shuffled)

    assert judge(history, shuffled) == judged


@histories()
def test_no_session_is_linked_to_a_commit_that_has_nothing_to_do_with_it(
    solve: Solve, number: int, names: Names
) -> None:
    history, judged = solve(number, names)
    for name, outcome in judged.outcomes.items():
        assert {link.sha for link in outcome.commits} <= history.truth.sessions[name].touches, name


@histories(without=("rename_file", "move_across", "wrap_lines"))
def test_commits_that_bring_lines_of_a_session_are_linked_to_it(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    for name, session in history.truth.sessions.items():
        plain = {sha for sha, own in session.brings.items() if sum(map(history.truth.alone, own)) >= ENOUGH}
        assert plain <= {link.sha for link in judged.outcomes[name].commits}, name


@histories()
def test_work_that_no_commit_holds_is_never_said_to_be_accepted(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    for name, session in history.truth.sessions.items():
        if session.nowhere:
            assert judged.outcomes[name].state not in (SessionState.ACCEPTED, SessionState.REVISED)
            assert (judged.outcomes[name].kept_lines, judged.outcomes[name].gold_patch) == (0, "")


@histories()
def test_a_gold_diff_applies_to_its_base(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    for outcome in judged.outcomes.values():
        for file in patch.parse(outcome.gold_patch):
            assert outcome.base is not None
            lines = history.truth.trees[outcome.base].get(file.old_path or "")
            text = None if lines is None else "".join(line.text + "\n" for line in lines)
            assert patch.apply(file, text) != text


@histories()
def test_git_applies_a_gold_diff_to_its_base(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    for outcome in judged.outcomes.values():
        if outcome.gold_patch and outcome.base is not None:
            git(history.folder, "read-tree", outcome.base)
            git(history.folder, "apply", "--cached", "--whitespace=nowarn", "-", stdin=outcome.gold_patch.encode())


@histories()
def test_what_a_gold_diff_adds_to_a_file_was_not_all_written_by_others(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    truth = history.truth
    for name, outcome in judged.outcomes.items():
        for file in patch.parse(outcome.gold_patch):
            added = {"".join(text.split()) for hunk in file.hunks for sign, text in hunk.lines if sign == "+"}
            writers = [truth.lines[line].writer for text in added for line in truth.by_text.get(text, ())]
            revised = {truth.lines[line].revises for text in added for line in truth.by_text.get(text, ())} - {None}
            assert (
                not writers
                or any(writer.name == name for writer in writers)
                or any(truth.lines[line].writer.name == name for line in revised if line is not None)
                or any(sign == "-" for hunk in file.hunks for sign, _ in hunk.lines)
            ), (name, file.new_path)


@histories(without=("user_revises", "follow_up", "move_across", "wrap_lines", "revert", "rename_file"))
def test_as_many_lines_are_kept_as_in_truth(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    for name, session in history.truth.sessions.items():
        outcome = judged.outcomes[name]
        if session.landed and outcome.commits and outcome.state is not SessionState.UNKNOWN:
            assert abs(outcome.kept_lines - len(session.kept)) <= common(history, session), name


def told_alone(history: History) -> set[int]:
    """Lines that can be told from all others, wherever they are moved."""
    truth = history.truth
    return {line for line, own in truth.lines.items() if own.text and truth.alone(line) and tells([key(own.text)])}


@histories(without=(*RESHAPING, *REVERTING))
def test_every_line_lives_as_long_as_blame_says_where_nothing_is_moved(solve: Solve, number: int, names: Names) -> None:
    history, _ = solve(number, names)
    told, truth, sure = told_lives(history, write_new), true_lives(history), told_alone(history)

    assert {life: end for life, end in told.items() if life[0] in sure} == {
        life: end for life, end in truth.items() if life[0] in sure
    }


@histories()
def test_every_line_lives_as_long_as_in_truth_through_moves_and_reformatting(
    solve: Solve, number: int, names: Names
) -> None:
    history, _ = solve(number, names)
    told, truth, sure = told_lives(history, carry_reshaped), true_lives(history), told_alone(history)

    assert {life: end for life, end in told.items() if life[0] in sure} == {
        life: end for life, end in truth.items() if life[0] in sure
    }


@histories()
def test_survival_counts_only_lines_of_the_session_and_changed_forms_of_them(
    solve: Solve, number: int, names: Names
) -> None:
    history, judged = solve(number, names)
    truth = history.truth
    for name, survival in judged.survivals.items():
        for group in survival.groups:
            for line in lines_of(history, group):
                if truth.alone(line.id):
                    old = truth.lines[line.id].revises
                    own = line.id if group.fate is LineFate.KEPT or old is None else old
                    assert truth.lines[own].writer.name == name, line.text


@histories(without=tuple(REVERTING))
def test_lines_of_sessions_survive_as_long_as_in_truth(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    truth, sure = history.truth, told_alone(history)
    for survival in judged.survivals.values():
        for group in survival.groups:
            for line in lines_of(history, group):
                if line.id in sure and truth.lines[line.id].lives:
                    assert group.ended_by == truth.lines[line.id].lives[-1].ended, line.text


@histories()
def test_a_session_that_wrote_over_lines_is_named_at_their_end(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)
    truth = history.truth
    ids = {outcome.session_id: name for name, outcome in judged.outcomes.items()}
    for survival in judged.survivals.values():
        for group in survival.groups:
            for line in lines_of(history, group):
                by = next((life.ended_by for life in truth.lines[line.id].lives if life.ended == group.ended_by), None)
                if by is not None and by.kind == "session" and group.ended_by in truth.sessions[by.name].brings:
                    assert by.name in {ids[session] for session in group.ended_by_sessions}, line.text


@histories()
def test_no_line_of_a_commit_is_counted_for_two_sessions(solve: Solve, number: int, names: Names) -> None:
    history, judged = solve(number, names)

    assert not counted_twice(history, judged)


def counted_twice(history: History, judged: Judged) -> set[tuple[str, Key]]:
    """Lines of a commit that the survival of more than one session counts."""
    counts = Counter(
        (group.accepted_by, line.key)
        for survival in judged.survivals.values()
        for group in survival.groups
        for line in lines_of(history, group)
    )
    return {line for line, count in counts.items() if count > 1}


def lines_of(history: History, group: LivedLines) -> tuple[Line, ...]:
    """The lines of a group as they stand in the commit that holds them; blank ones are not counted."""
    rest = history.truth.trees[group.accepted_by][group.path][group.first_line - 1 :]
    return tuple(line for line in rest if line.text.strip())[: group.lines]


def test_the_histories_hold_sessions_of_every_kind(solve: Solve) -> None:
    chains = _chains(list(SCENARIOS.values()))
    sessions = [one for n, names in enumerate(chains) for one in solve(n, names)[0].truth.sessions.values()]

    assert any(one.nowhere for one in sessions)
    assert any(one.undone for one in sessions)
    assert any(one.revised for one in sessions)
    assert any(one.brings and not one.landed for one in sessions)
    assert any(len(one.brings) > 1 for one in sessions)


FOUND: dict[str, tuple[int, Names, str, SessionState, tuple[int, int, int]]] = {
    "a line that the user appended to is revised": (
        8, ("session", "commit", "user_revises", "amend"), "session-1", SessionState.REVISED, (15, 1, 0),
    ),
    "lines that were moved to another file after the commit are kept": (
        46, (*SCENARIOS["moved"], "commit_some_lines"), "session-1", SessionState.ACCEPTED, (8, 0, 0),
    ),
    "lines that were moved to another file later on are not corrected": (
        14, (*SCENARIOS["mended"], *SCENARIOS["moved"]), "session-1", SessionState.ACCEPTED, (26, 1, 0),
    ),
    "after a revert nothing is revised": (
        23,
        (*SCENARIOS["by the line"], *SCENARIOS["wrapped"], *SCENARIOS["wrapped"], *SCENARIOS["taken back"]),
        "session-4",
        SessionState.REJECTED,
        (0, 0, 13),
    ),
    "work that was thrown away is not accepted because a later session wrote the same": (
        4, SCENARIOS["rejected and written again"], "session-1", SessionState.REJECTED, (0, 0, 9),
    ),
    "a new file that the user renamed before the commit is found": (
        48,
        (*SCENARIOS["picked"], *SCENARIOS["renamed"], "wait", *SCENARIOS["two commits"]),
        "session-3",
        SessionState.ACCEPTED,
        (11, 0, 0),
    ),
}  # fmt: skip
"""Shrunk examples that once differed from the truth: seed, operations, session, its state and its lines."""


@pytest.mark.parametrize("case", FOUND)
def test_a_case_that_was_once_wrong_is_told_as_it_is(solve: Solve, case: str) -> None:
    number, names, session, state, lines = FOUND[case]
    history, judged = solve(number, names)
    truth, outcome = history.truth.sessions[session], judged.outcomes[session]

    assert (len(truth.kept), len(truth.revised), len(truth.dropped)) == lines
    assert (outcome.kept_lines, outcome.revised_lines, outcome.dropped_lines) == lines
    assert outcome.state is state
