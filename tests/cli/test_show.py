"""`golddiff show`: any record by its id or the beginning of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from golddiff.cli import application
from golddiff.cli.app import run
from golddiff.store import Store
from golddiff.types import AttemptFate, Clean, EventKind, Snapshot, Transcript, Usage
from web.report_records import attempt, event, outcome, session


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "w") as store:
        store.add_transcript(Transcript(session(), (event(0, EventKind.PROMPT, "Add [red]a flag"),)))
        patch = Clean("--- a/x\n+++ b/x\n@@ -0,0 +1,60 @@\n" + "+line\x1b[2J\n" * 60)
        store.put(outcome(gold_patch=patch), parents=["ses_1"])
        store.put(attempt(0, AttemptFate.KEPT), parents=["ses_1"])
    return tmp_path / "w"


def show(workspace: Path, *arguments: str) -> int:
    return run(application, ["show", *arguments, "--workspace", str(workspace)])


def test_a_session_is_found_by_the_beginning_of_its_id(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert show(workspace, "ses") == 0
    text = capfd.readouterr().out
    assert "Add [red]a flag" in text
    assert "It ended revised (confidence 0.90)" in text
    assert "Went into" in text


def test_full_adds_the_tables_behind_the_story(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert show(workspace, "ses") == 0
    assert "Outcome: revised, confidence 0.90" not in capfd.readouterr().out
    assert show(workspace, "ses", "--full") == 0
    assert "Outcome: revised, confidence 0.90" in capfd.readouterr().out


def test_long_patches_are_cut_unless_asked_for_and_cannot_move_the_cursor(
    workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert show(workspace, "out") == 0
    text = capfd.readouterr().out
    assert "23 more lines: --full" in text
    assert "\x1b[2J" not in text
    assert show(workspace, "out", "--full") == 0
    assert "more lines" not in capfd.readouterr().out


def test_json_holds_the_record_and_both_directions(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert show(workspace, "ses_1", "--json") == 0
    data = json.loads(capfd.readouterr().out)
    assert (data["type"], data["record"]["source"]) == ("session", "claude-code")
    assert data["lineage"]["went_into_totals"] == {"attempt": 1, "outcome": 1}
    assert data["sections"]["Prompts"][0]["prompt"] == "Add [red]a flag"
    assert data["story"]["chapters"][0]["asked"] == ["Add [red]a flag"]
    assert (data["story"]["state"], data["story"]["chapters"][0]["fate"]) == ("revised", "kept")


def test_tokens_that_nobody_counted_are_unknown_and_never_0(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Store.open(workspace) as store:
        store.put(msgspec.structs.replace(session(), usage=Usage()))
    assert show(workspace, "ses_1") == 0
    (line,) = (line for line in capfd.readouterr().out.splitlines() if line.startswith("usage"))
    assert line.split() == ["usage", "unknown"]
    assert show(workspace, "ses_1", "--json") == 0
    assert json.loads(capfd.readouterr().out)["record"]["usage"] is None


def test_without_an_id_it_lists_what_there_is(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert show(workspace) == 0
    assert "1 session, 1 attempt, 1 outcome, 1 event" in capfd.readouterr().out
    assert show(workspace, "--json") == 0
    assert json.loads(capfd.readouterr().out)["counts"]["session"] == 1
    with Store.open(workspace) as store:
        store.put(
            Snapshot(
                id="snp_1",
                repository_id="rep_1",
                root=Clean("/x"),
                cause="start",
                taken_at=datetime(2026, 3, 1, tzinfo=UTC),
            )
        )
    assert show(workspace) == 0
    assert "1 event, 1 snapshot" in capfd.readouterr().out


def test_an_unknown_id_is_an_error_with_the_next_command(workspace: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert show(workspace, "nope") == 3
    assert "golddiff show" in capfd.readouterr().err


def test_no_workspace_is_an_error_with_the_next_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert show(tmp_path / "none") == 3
    assert "golddiff import" in capfd.readouterr().err
