"""Survival records as rows, and rows as lifetimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from golddiff.store import Store
from golddiff.types import EventKind, Transcript
from golddiff.web import facts, lives
from golddiff.web.facts import SessionFacts
from golddiff.web.lives import AGENT, PERSON, Watched
from web.report_lives import followed, group, life, record
from web.report_records import event, outcome, session
from web.report_sessions import lines
from web.report_sessions import session as fact_of


def test_a_row_says_how_long_its_lines_lived_and_what_ended_them() -> None:
    fact = facts.of_session(session(), prompts=[], attempts=[], outcomes=[outcome()])
    groups = (group(), group(ended_days=2.5), group("web/x.ts", 9, ("ses_9",)))
    still, person, agent = lives.rows_of(record(groups), fact, outcome().hunks)
    assert (still.days, still.cause, still.lines, still.commits) == (40, 0, 4, 7)
    assert (person.days, person.cause) == (2.5, PERSON)
    assert (agent.days, agent.cause) == (9, AGENT)
    assert (still.model, still.tool, still.language, still.folder) == ("alpha", "Edit", "Python", "a")
    assert (agent.model, agent.tool, agent.language, agent.folder) == ("beta", "Write", "TypeScript", "web")


def test_rows_are_read_for_the_repositories_that_a_session_is_counted_in(tmp_path: Path) -> None:
    with Store.open(tmp_path / "w") as store:
        store.add_transcript(Transcript(session(), (event(0, EventKind.PROMPT, "Fix it"),)))
        store.put(outcome(), parents=["ses_1"])
        store.put(record((group(), group(ended_days=1))), parents=["ses_1"])
        inside = facts.read(store, ["repo_1"])
        found = lives.read(store, inside)
        assert [row.days for row in found.lives] == [40, 1]
        assert found.left_out == {"binary": 2}
        assert inside[0].task == found.lives[0].task == "fix"
        outside = [fact_of(1, lines(1))]
        assert lives.read(store, outside).lives == ()


def written(watched: Watched, *facts: SessionFacts) -> list[tuple[float, ...]]:
    lifetimes = lives.days_clock([fact.cluster for fact in facts]).written(watched, facts)
    rows = zip(lifetimes.durations_N, lifetimes.causes_N, lifetimes.weights_N, strict=True)
    return [tuple(float(value) for value in row) for row in rows]


def test_written_lines_that_never_got_into_a_commit_ended_at_once_and_unfollowed_ones_left_at_once() -> None:
    fact = fact_of(1, lines(20, 4, 6))
    watched = Watched(lives=(life(fact, 9, lines=15),), followed={fact.id: 9})
    assert written(watched, fact) == [(9, 0, 15), (0, PERSON, 6), (0, 0, 9)]


def test_of_a_session_that_nobody_followed_dropped_lines_ended_and_accepted_ones_left_at_once() -> None:
    assert written(Watched(), fact_of(1, lines(20, 4, 6))) == [(0, PERSON, 6), (0, 0, 24)]


def test_a_line_that_was_committed_and_then_dropped_counts_once() -> None:
    fact = fact_of(1, lines(10, 0, 20))
    watched = Watched(lives=(life(fact, 2, 1, lines=20), life(fact, 9, lines=10)), followed={fact.id: 0})
    assert written(watched, fact) == [(2, 1, 20), (9, 0, 10)]
    assert sum(row[2] for row in written(watched, fact)) == fact.lines.known


def test_by_commits_an_end_comes_one_commit_after_the_last_that_had_the_lines() -> None:
    watched = followed(2)[1]
    clusters = sorted({row.cluster for row in watched.lives})
    lifetimes = lives.commits_clock(clusters).accepted(watched.lives)
    assert lifetimes.durations_N.tolist() == [21, 40, 2, 9, 40]


@pytest.mark.parametrize(("path", "name"), [("a.py", "."), ("src/a.py", "src"), ("src/x/y/a.py", "src/x")])
def test_folders_are_at_most_two_deep(path: str, name: str) -> None:
    assert facts.folder(path) == name
