"""`golddiff export`: which sessions go where, and which rights keep back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golddiff.cli import application
from golddiff.cli.app import run
from golddiff.record.ingest import import_paths
from golddiff.rights import redact_text
from golddiff.store import Store
from golddiff.types import Clean, CommitLink, Outcome, Repository, Session, SessionState
from record.scripted import ClaudeScript, text

PATCH = "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-x\n+y\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sessions: one of a model whose terms allow training, in a repository with a licence, and one of neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOLDDIFF_WORKSPACE", raising=False)
    for name, model in (("open", "golddiff-simulated-1"), ("closed", "claude-test-1")):
        script = ClaudeScript(session=name, cwd="/home/alice/work")
        script.user(f"fix {name} in /home/alice/work")
        script.assistant(text("done"), model=model)
        script.write(tmp_path / "sessions" / f"{name}.jsonl")
    with Store.open(tmp_path / ".golddiff") as store:
        import_paths(store, ["sessions"])
        store.put(Repository(id="rep_1", name="r", licence="MIT", licence_source=redact_text("stated")))
        for session in store.sessions():
            if session.provider_session_id == "open":
                store.put(_outcome(session))
    return tmp_path


def _outcome(session: Session[Clean]) -> Outcome:
    return Outcome(
        id="out_1", session_id=session.id, repository_id="rep_1", state=SessionState.ACCEPTED, confidence=0.9,
        commits=(CommitLink(sha="a" * 40, confidence=0.9),), gold_patch=redact_text(PATCH), method="m",
    )  # fmt: skip


def ids(folder: Path) -> dict[str | None, str]:
    with Store.open(folder / ".golddiff", write=False) as store:
        return {session.provider_session_id: session.id for session in store.sessions()}


@pytest.mark.parametrize("form", ["atif", "otel", "chat-jsonl"])
def test_every_session_is_a_line_on_standard_output(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["export", "--all", "--format", form]) == 0
    captured = capsys.readouterr()
    assert [type(json.loads(line)) for line in captured.out.splitlines()] == [dict, dict]
    assert "2 document(s) of 2 session(s)" in captured.err


def test_one_session_by_the_end_of_its_id(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["export", ids(folder)["open"][-8:], "--format", "atif"]) == 0
    assert json.loads(capsys.readouterr().out)["session_id"] == "open"


def test_agent_trace_is_written_for_sessions_that_were_accepted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(application, ["export", "--all", "--format", "agent-trace", "-o", "t.jsonl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "format": "agent-trace", "sessions": 1, "documents": 1, "nothing_to_write": 1, "denied": {},
    }  # fmt: skip
    assert json.loads((folder / "t.jsonl").read_text())["metadata"]["conversation_id"] == "open"


def test_for_training_keeps_back_what_rights_do_not_permit_and_masks_homes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["export", "--all", "--format", "chat-jsonl", "--for-training", "-o", "chats.jsonl", "--json"]
    assert run(application, asked) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["sessions"], sum(summary["denied"].values())) == (1, 1)
    (row,) = map(json.loads, (folder / "chats.jsonl").read_text().splitlines())
    assert row["messages"][0]["content"] == "fix open in /home/user/work"


def test_where_rights_permit_nothing_it_is_a_rights_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["export", ids(folder)["closed"], "--format", "atif", "--for-training"]) == 5
    assert "no session may be used for training" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "atif"], "or --all"),
        (["ses_1", "--all", "--format", "atif"], "or --all"),
        (["--all", "--format", "atif", "--json"], "--output FILE"),
        (["rep_1", "--format", "atif"], "is no session"),
    ],
)
def test_what_cannot_be_is_a_usage_error(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["export", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_an_export_that_fails_leaves_the_file_that_was_there(folder: Path) -> None:
    (folder / "x.jsonl").write_text("before")
    assert run(application, ["export", "ses_nothing", "--format", "atif", "-o", "x.jsonl"]) == 3
    assert [path.name for path in folder.glob("x.jsonl*")] == ["x.jsonl"]
    assert (folder / "x.jsonl").read_text() == "before"


def test_a_workspace_without_sessions_names_the_command_to_run_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(folder / "empty"):
        pass
    assert run(application, ["export", "--all", "--format", "atif", "--workspace", str(folder / "empty")]) == 3
    assert "run `golddiff import PATH…` first" in " ".join(capsys.readouterr().err.split())
