"""What one session contributes to a report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from golddiff.store import Store
from golddiff.types import (
    AttemptFate,
    CommitLink,
    EventKind,
    SessionState,
    Transcript,
    derive_id,
)
from golddiff.web import facts
from golddiff.web.facts import Lines
from web.report_records import attempt, event, outcome, session


def test_lines_attempts_and_cost_of_one_session() -> None:
    found = facts.of_session(
        session(),
        prompts=[event(0, EventKind.PROMPT, "Add\na flag"), event(4, EventKind.PROMPT, "now", agent="sub")],
        attempts=[attempt(0, AttemptFate.SUPERSEDED), attempt(1, AttemptFate.KEPT), attempt(2, AttemptFate.KEPT)],
        outcomes=[outcome()],
    )
    assert (found.title, found.prompts, found.minutes, found.state) == ("Add a flag", 1, 90.0, "revised")
    assert found.lines == Lines(written=12, kept=6, revised=1, dropped=3)
    assert (found.lines.known, found.lines.unknown) == (10, 2)
    assert found.attempts == {"superseded": 1, "kept": 2}
    assert found.tokens == 122


def test_cells_add_up_to_the_session_and_lines_without_a_hunk_are_unknown() -> None:
    found = facts.of_session(session(), prompts=[], attempts=[], outcomes=[outcome()])
    cells = {(cell.model, cell.tool, cell.language): cell.lines for cell in found.cells}
    assert cells == {
        ("alpha", "Edit", "Python"): Lines(written=8, kept=6, revised=1, dropped=1),
        ("beta", "Write", "TypeScript"): Lines(written=2, dropped=2),
        ("alpha", "unknown", "unknown"): Lines(written=2),
    }
    assert sum((cell.lines for cell in found.cells), Lines()) == found.lines


def test_an_unknown_outcome_counts_its_lines_as_unknown_whatever_they_say() -> None:
    found = facts.of_session(session(), prompts=[], attempts=[], outcomes=[outcome(SessionState.UNKNOWN)])
    assert found.lines == Lines(written=12)
    assert sum((cell.lines for cell in found.cells), Lines()) == Lines(written=12)


def test_commits_that_two_outcomes_share_count_once() -> None:
    links = (CommitLink(sha="ab" * 20, confidence=1.0),)
    before, after = outcome(commits=links), outcome(repository="repo_2", commits=links)
    assert facts.distinct([before, after]) == [after]
    elsewhere = outcome(repository="repo_3")
    assert facts.distinct([before, elsewhere]) == [before, elsewhere]


def test_a_session_without_outcome_is_not_linked() -> None:
    found = facts.of_session(session(), prompts=[], attempts=[], outcomes=[])
    assert (found.state, found.title, found.lines) == (facts.NOT_LINKED, "(no prompt)", Lines())


def test_a_sub_agent_clusters_with_its_parent() -> None:
    assert facts.of_session(session(parent_id="ses_0"), prompts=[], attempts=[], outcomes=[]).cluster == "ses_0"


def test_users_have_numbers_in_the_order_of_their_first_sessions_and_no_id_leaves_the_store(tmp_path: Path) -> None:
    people = (
        ("ses_1", "zoe@example", 3),
        ("ses_2", "adam@example", 1),
        ("ses_3", "zoe@example", 2),
        ("ses_4", None, 1),
    )
    with Store.open(tmp_path) as store:
        for name, subject, day in people:
            began = datetime(2026, 8, day, tzinfo=UTC)
            own = {"id": name, "provider_session_id": name, "started_at": began, "subject": subject}
            store.add_transcript(Transcript(msgspec.structs.replace(session(), **own), ()))
        found = facts.read(store)
    assert [fact.user for fact in found] == ["user 2", "user 1", "user 2", "unknown"]
    assert b"@example" not in msgspec.json.encode(found)


def test_facts_are_read_from_a_store_and_can_be_limited_to_a_repository(tmp_path: Path) -> None:
    events = (event(0, EventKind.PROMPT, "Do it"), event(1, EventKind.REJECTION), event(2, EventKind.INTERRUPTION))
    with Store.open(tmp_path) as store:
        store.add_transcript(Transcript(session(), events))
        store.put(outcome(), attempt(0, AttemptFate.KEPT))
        (found,) = facts.read(store)
        assert (found.title, found.rejections, found.interruptions, found.attempts) == ("Do it", 1, 1, {"kept": 1})
        assert facts.read(store, ["repo_1"]) == [found]
        assert facts.read(store, ["repo_2"]) == []


def test_a_session_linked_in_two_clones_counts_once_in_the_report_of_either(tmp_path: Path) -> None:
    links = (CommitLink(sha="ab" * 20, confidence=1.0),)
    with Store.open(tmp_path) as store:
        store.add_transcript(Transcript(session(), (event(0, EventKind.PROMPT, "Do it"),)))
        for repository in ("repo_1", "repo_2"):
            made = msgspec.structs.replace(attempt(0, AttemptFate.KEPT), id=derive_id("att", "ses_1", repository, 0))
            store.put(outcome(repository=repository, commits=links), made)
        for wanted in (["repo_1"], ["repo_2"], None):
            (found,) = facts.read(store, wanted)
            assert found.attempts == {"kept": 1}
            assert found.lines.written == 12


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.py", "Python"),
        ("cmd/main.go", "Go"),
        ("go.mod", "Go"),
        ("x.tsx", "TSX"),
        ("README.md", "Markdown"),
        ("notes.xyz", "other"),
    ],
)
def test_languages_go_by_file_name(path: str, name: str) -> None:
    assert facts.language(path) == name


def test_a_title_is_one_short_line_without_characters_that_play_tricks() -> None:
    assert facts.shorten("fix \x1b[31mred\u202e text\n\n now") == "fix [31mred text now"
    assert facts.shorten("x" * 200, 10) == "x" * 9 + "…"
    assert facts.visible("\tif x:\x07") == "    if x: "
