"""`golddiff import`: what it prints, and what it does with wrong paths."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from golddiff.cli import application
from golddiff.cli.app import run
from golddiff.errors import RightsError
from golddiff.record import ingest
from golddiff.record.spool import SpoolRecorder
from record.scripted import ClaudeScript, text, tool
from record.spool.calls import raw_call


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOLDDIFF_WORKSPACE", raising=False)
    script = ClaudeScript()
    script.user("fix it")
    script.assistant(text("done"), tool("Bash", "t1", command="ls"))
    path = script.write(tmp_path / "sessions" / "a.jsonl")
    path.write_bytes(path.read_bytes() + b"{cut")
    return tmp_path


def test_json_has_sessions_events_skipped_and_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["import", "sessions", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sessions"]["new"] == 1
    assert result["events"] == {"prompt": 1, "model_call": 1, "command": 1}
    assert result["skipped"] == {"damaged line": 1}
    assert [(row["path"], row["line"]) for row in result["damaged"]] == [("sessions/a.jsonl", 3)]
    assert (folder / ".golddiff" / "golddiff.sqlite").exists()


def test_json_shows_a_file_name_that_is_no_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "sessions" / "a.jsonl").rename(folder / "sessions" / os.fsdecode(b"\xe9.jsonl"))
    assert run(application, ["import", "sessions", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["damaged"][0]["path"] == "sessions/\ufffd.jsonl"


def test_the_table_shows_counts_and_the_place_of_the_damage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["import", "sessions"]) == 0
    printed = capsys.readouterr().out
    for words in ("sessions", "new", "model_call", "damaged line", "sessions/a.jsonl:3: cut off"):
        assert words in printed


def test_importing_again_says_that_nothing_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    run(application, ["import", "sessions"])
    capsys.readouterr()
    assert run(application, ["import", "sessions", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["sessions"]["same"], result["sessions"]["new"], result["events"]) == (1, 0, {})


def test_a_wrong_path_is_an_input_error_with_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["import", "nowhere"]) == 3
    error = capsys.readouterr().err
    assert "nowhere does not exist" in error
    assert "golddiff import ~/.claude/projects" in error


def test_a_folder_without_transcripts_is_an_input_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    assert run(application, ["import", "empty"]) == 3
    assert "no transcript that golddiff knows" in capsys.readouterr().err


def test_no_path_at_all_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["import"]) == 2
    assert "PATH" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(RightsError("engine broke"), 5), (OSError(5, "disk broke"), 3)])
def test_a_file_that_was_left_out_is_named_and_the_exit_code_says_why(
    error: Exception, code: int, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise error

    name = "redact_transcript" if isinstance(error, RightsError) else "importer_for"
    monkeypatch.setattr(ingest, name, refuse)
    assert run(application, ["import", "sessions", "--json"]) == code
    printed = capsys.readouterr()
    assert "left out sessions/a.jsonl" in printed.err
    assert list(json.loads(printed.out)["failed"]) == ["sessions/a.jsonl"]


def test_the_spool_of_a_gateway_is_taken_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
    answer = b'{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yo"}}]}'
    acked = threading.Event()
    recorder = SpoolRecorder(folder / "spool", "0")
    recorder.submit(raw_call(body, answer, protocol="openai-chat"), lambda verdict: acked.set())
    assert acked.wait(30)
    recorder.close(30)
    assert run(application, ["import", "spool", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["calls"]["stored"], result["calls"]["new sessions"], result["calls"]["events"]) == (1, 1, 2)
    assert run(application, ["import", "spool", "sessions"]) == 0
    captured = capsys.readouterr()
    assert "events written" in captured.out
    assert "none waits in the spool" in captured.err


def test_a_workspace_whose_texts_are_elsewhere_takes_sessions_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOLDDIFF_BLOBS", str(folder / "shelf"))
    assert run(application, ["import", "sessions", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sessions"]["new"] == 1
