"""The importers of agents that came later, on real files, where the shared data is present.

`python -m bench.importers` prints the same counts for any folder.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from golddiff.record.importers import importer_for
from golddiff.record.importers.aider.commits import chat_of
from golddiff.record.ingest import transcript_files
from golddiff.rights.terms import Training, lookup
from golddiff.types import EventKind

_ROOT = Path(os.environ.get("GOLDDIFF_SHARED") or Path(__file__).resolve().parents[2].parent / "shared") / "data"
_FOLDERS = ("agentv", "aider-chat-commits", "entire-cli", "format-samples", "mini-swe-agent", "swe-agent", "swe-smith")

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not all((_ROOT / name).is_dir() for name in _FOLDERS), reason="the shared transcripts are not on this machine"
    ),
]


def _counts(name: str, *folders: str) -> Counter[str]:
    """What the importer of this name finds in the folders."""
    found = Counter[str]()
    for path, _ in transcript_files([str(_ROOT / folder) for folder in folders]):
        importer = importer_for(path)
        if importer is None or importer.name != name:
            continue
        reading = importer.read(path)
        found["files"] += 1
        found["damaged"] += len(reading.damaged)
        for read in reading.sessions:
            for reason, count in read.transcript.session.skipped.items():
                found["not understood"] += count if reason.startswith(("unknown", "unexpected")) else 0
            for event in read.transcript.events:
                found[event.kind.value] += event.kind is not EventKind.EDIT
                found["exit code"] += event.exit_code is not None
                found["tests"] += event.tests is not None
                if event.edit is not None:
                    found["edit" if event.edit.success else "failed edit"] += 1
    return +found


def test_copilot_cli() -> None:
    assert _counts("copilot-cli", "agentv") == {"files": 3, "prompt": 3, "model_call": 3}


def test_gemini_cli_in_pretty_printed_documents_that_are_named_jsonl() -> None:
    assert _counts("gemini-cli", "entire-cli") == {
        "files": 3,
        "prompt": 3,
        "model_call": 19,
        "note": 2,
        "command": 9,
        "exit code": 9,
        "tool_call": 2,
        "tool_result": 2,
        "edit": 3,
    }


def test_aiders_published_histories() -> None:
    assert _counts("aider", "format-samples") == {
        "files": 11,
        "prompt": 41,
        "model_call": 46,
        "note": 63,
        "command": 3,
        "tests": 3,
        "edit": 47,
        "interruption": 3,
    }


def test_every_block_of_aiders_commits_names_a_file_of_its_commit() -> None:
    found = Counter[str]()
    for line in (_ROOT / "aider-chat-commits" / "records.jsonl").read_text().splitlines():
        record = json.loads(line)
        transcript = chat_of(f"{record['subject']}\n\n{record['body']}", record["commit"], record["parent"])
        assert transcript is not None
        roles = {EventKind.PROMPT: "user", EventKind.MODEL_CALL: "assistant"}
        assert [roles[event.kind] for event in transcript.events if event.kind in roles] == [
            turn["role"] for turn in record["chat"]
        ]
        edits = {event.edit.path for event in transcript.events if event.edit is not None}
        assert edits <= {file["path"] for file in record["files"]}
        found["sessions"] += 1
        found["with edits"] += bool(edits)
    assert found == {"sessions": 149, "with edits": 109}


def test_swe_agent() -> None:
    assert _counts("swe-agent", "swe-agent", "swe-smith") == {
        "files": 10,
        "prompt": 10,
        "note": 5,
        "model_call": 107,
        "command": 38,
        "tool_call": 34,
        "tool_result": 34,
        "edit": 26,
        "failed edit": 9,
    }


def test_mini_swe_agent() -> None:
    assert _counts("mini-swe-agent", "mini-swe-agent") == {
        "files": 2,
        "prompt": 2,
        "model_call": 12,
        "command": 12,
        "exit code": 10,
        "edit": 1,
    }


def test_no_model_that_these_sessions_name_may_be_trained_on() -> None:
    """They were all closed models; a session that names none is denied as well."""
    models = set[str]()
    for path, _ in transcript_files([str(_ROOT / folder) for folder in _FOLDERS]):
        importer = importer_for(path)
        if importer is not None and importer.name in (
            "copilot-cli",
            "gemini-cli",
            "swe-agent",
            "mini-swe-agent",
            "aider",
        ):
            for read in importer.read(path).sessions:
                models.update(read.transcript.session.models)
    assert {model: lookup(model).training for model in models} == dict.fromkeys(models, Training.FORBIDDEN)
    assert lookup(None).training is Training.UNKNOWN
    assert len(models) >= 5
