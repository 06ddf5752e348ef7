"""Notes in git-ai's format: what they attest, and that our own importer reads the same back."""

from __future__ import annotations

import msgspec
import pytest

from golddiff.record.exporters import git_ai_notes
from golddiff.record.importers.git_ai.importer import Note, attributions, parse_note
from golddiff.types import Contributor, LineFate
from web.report_lives import group, record
from web.report_records import outcome, session

SHA = "a" * 40


def solid(sha: str, path: str) -> list[str]:
    """A file without a blank line."""
    return [f"{path} {number}" for number in range(1, 100)]


def parsed(notes: git_ai_notes.Notes) -> Note:
    note = parse_note(notes.by_commit[SHA].encode())
    assert isinstance(note, Note)
    assert not note.damaged
    return note


def test_lines_session_and_counts_come_back_through_the_importer() -> None:
    groups = (
        group("a/app.py", count=4),
        msgspec.structs.replace(group("a/app.py", ended_days=3, count=2), first_line=5),
        msgspec.structs.replace(group("a/app.py", count=3), first_line=20, fate=LineFate.REVISED),
        msgspec.structs.replace(group("with space.py", count=1), first_line=9),
    )
    notes = git_ai_notes.notes_of([(record(groups), outcome(), session(provider_session_id="c1"))], solid)
    assert notes.lines == 7
    (claim,) = attributions(parsed(notes), SHA, "x")
    assert (claim.contributor, claim.provider_session_id, claim.tool, claim.model) == (
        Contributor.AI, "c1", "claude-code", "alpha",
    )  # fmt: skip
    assert [(line.path, line.first_line, line.last_line) for line in claim.lines] == [
        ("a/app.py", 1, 6), ("with space.py", 9, 9),
    ]  # fmt: skip
    assert (claim.proposed_lines, claim.accepted_lines, claim.revised_lines) == (12, 7, 3)


def test_sessions_of_one_commit_share_its_note() -> None:
    first, second = session(), msgspec.structs.replace(session(), id="ses_2", models=("beta",))
    other = msgspec.structs.replace(group(), first_line=50)
    notes = git_ai_notes.notes_of(
        [(record((group(),)), outcome(), first), (record((other,)), outcome(), second)], solid
    )
    claims = attributions(parsed(notes), SHA, "x")
    assert {(claim.model, claim.lines[0].first_line) for claim in claims} == {("alpha", 1), ("beta", 50)}


def test_blank_lines_between_are_attested_by_nobody() -> None:
    text = ["", "one", "", "two", "three", "  ", "four", "five"]
    found = [(record((msgspec.structs.replace(group(count=4), first_line=2),)), outcome(), session())]
    notes = git_ai_notes.notes_of(found, lambda sha, path: text)
    (claim,) = attributions(parsed(notes), SHA, "x")
    assert [(line.first_line, line.last_line) for line in claim.lines] == [(2, 2), (4, 5), (7, 7)]


@pytest.mark.parametrize("text", [None, ["one", "", "two"]])
def test_lines_that_the_repository_does_not_have_are_counted(text: list[str] | None) -> None:
    notes = git_ai_notes.notes_of([(record((group(count=4),)), outcome(), session())], lambda sha, path: text)
    assert (notes.by_commit, notes.left_out) == ({}, 4)


def test_a_file_name_that_the_format_cannot_hold_is_counted() -> None:
    notes = git_ai_notes.notes_of([(record((group('a"b.py', count=3),)), outcome(), session())], solid)
    assert (notes.by_commit, notes.left_out) == ({}, 3)


def test_the_same_outcomes_make_the_same_notes() -> None:
    one, two = (git_ai_notes.notes_of([(record((group(),)), outcome(), session())], solid) for _ in range(2))
    assert one.by_commit == two.by_commit
    assert git_ai_notes.is_ours(one.by_commit[SHA].encode())
    assert not git_ai_notes.is_ours(b'---\n{"git_ai_version": "1.5.3"}')
