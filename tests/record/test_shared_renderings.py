"""Notes and renderings of real sessions by other tools, where the shared data is present."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golddiff.record.importers import importer_for
from golddiff.record.importers.git_ai.importer import Note, attributions, parse_note
from golddiff.record.importers.git_ai.messages import transcript_of
from golddiff.types import Contributor, EventKind, RawSession

_ROOT = Path(os.environ.get("GOLDDIFF_SHARED") or Path(__file__).resolve().parents[2].parent / "shared") / "data"
_FOLDERS = [_ROOT / "specstory", _ROOT / "git-ai-notes", _ROOT / "git-ai-notes-v3-sessions"]

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not all(folder.is_dir() for folder in _FOLDERS), reason="the shared notes and histories are not on this machine"
    ),
]


def _rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    for line in (folder / name).read_text().splitlines():
        yield json.loads(line)


@pytest.fixture(scope="module")
def histories() -> dict[str, RawSession]:
    """SpecStory's files, by the id of their session."""
    found = {}
    for row in _rows(_FOLDERS[0], "index.jsonl"):
        path = _FOLDERS[0] / row["file"]
        importer = importer_for(path)
        assert importer is not None
        assert importer.name == "specstory"
        reading = importer.read(path)
        assert reading.damaged == ()
        (session,) = reading.sessions
        assert session.transcript.session.provider_session_id == row["session_id"]
        found[row["session_id"]] = session.transcript
    return found


def test_every_history_is_a_session_and_every_user_section_is_told_apart(histories: dict[str, RawSession]) -> None:
    kinds = Counter(event.kind.value for transcript in histories.values() for event in transcript.events)
    assert len(histories) == 14
    assert kinds == {
        "model_call": 348, "tool_call": 324, "tool_result": 320, "command": 234, "edit": 234, "prompt": 81, "note": 34,
        "interruption": 8, "rejection": 4,
    }  # fmt: skip
    turns = sum(row["user_turns"] for row in _rows(_FOLDERS[0], "index.jsonl"))
    client_made = 1  # a section of the agent that the client wrote
    assert kinds["prompt"] + kinds["note"] + kinds["interruption"] - client_made == turns


def test_edits_of_histories_name_their_file_and_commands_their_tests(histories: dict[str, RawSession]) -> None:
    events = [event for transcript in histories.values() for event in transcript.events]
    edits = [event.edit for event in events if event.edit is not None]
    assert (sum(edit.success for edit in edits), sum(edit.after is not None for edit in edits)) == (233, 9)
    commands = [event for event in events if event.kind is EventKind.COMMAND]
    assert sum(event.exit_code is not None for event in commands) == 26
    assert sum(event.tests is not None for event in commands) == 57


def _note(row: dict[str, Any]) -> bytes:
    return f"{row['attestation']}\n---\n{json.dumps(row['metadata'])}".encode()


@pytest.mark.parametrize(
    ("folder", "notes", "claims", "with_lines"), [(_FOLDERS[1], 96, 140, 120), (_FOLDERS[2], 60, 64, 64)]
)
def test_notes_are_claims_and_none_is_damaged(folder: Path, notes: int, claims: int, with_lines: int) -> None:
    found = []
    count = 0
    for row in _rows(folder, "notes.jsonl"):
        note = parse_note(_note(row))
        assert isinstance(note, Note)
        assert note.damaged == []
        count += 1
        found += attributions(note, row["commit"], "x")
    assert (count, len(found), sum(bool(claim.lines) for claim in found)) == (notes, claims, with_lines)
    assert {claim.contributor for claim in found} <= {Contributor.AI, Contributor.HUMAN, Contributor.UNKNOWN}


def test_conversations_in_notes_become_transcripts() -> None:
    kinds = Counter[str]()
    count = 0
    for row in _rows(_FOLDERS[1], "notes.jsonl"):
        note = parse_note(_note(row))
        assert isinstance(note, Note)
        for entry in note.metadata.entries.values():
            agent = entry.agent_id
            assert agent is not None
            found = transcript_of(entry.messages, agent.tool, agent.id, agent.model, "x", None)
            if found is not None:
                count += 1
                kinds.update(event.kind.value for event in found.events)
                assert found.session.skipped == {}
    assert count == 112
    assert kinds["model_call"] == 1348  # as many as the notes hold messages of an assistant
    assert kinds["tool_call"] + kinds["command"] + kinds["edit"] == 1496  # and of tools
    assert (kinds["prompt"], kinds["note"], kinds["interruption"]) == (299, 21, 2)
