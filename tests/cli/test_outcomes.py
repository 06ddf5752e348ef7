"""`golddiff outcomes` on a repository and a workspace of its own."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from golddiff.cli import application, outcomes
from golddiff.cli.app import run
from golddiff.record.signals.inbox import Inbox
from golddiff.record.signals.told import Told, signal_of
from golddiff.rights.redact import redact_text, redact_transcript
from golddiff.store import Store
from golddiff.types import (
    CommitLink,
    Event,
    EventKind,
    FileEdit,
    Outcome,
    Repository,
    Session,
    SessionState,
    Transcript,
    derive_id,
)

TEXT = "".join(f"def step_{index}():\n    return prepare({index})\n\n" for index in range(5))


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A repository with one commit that holds what one session wrote, and a session that wrote nothing."""
    folder, now = tmp_path / "product", datetime(2026, 3, 1, 9, tzinfo=UTC)
    folder.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_DATE": (now + timedelta(minutes=5)).isoformat(),
        "GIT_COMMITTER_DATE": (now + timedelta(minutes=5)).isoformat(),
    }
    (folder / "steps.py").write_text(TEXT)
    (folder / "logo.png").write_bytes(b"\x89PNG\0")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.test")
    for arguments in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-q", "-m", "steps")):
        subprocess.run(["git", "-C", str(folder), *arguments], env=environment, check=True)
    with Store.open(tmp_path / "workspace") as store:
        for name, edit in (
            ("wrote", FileEdit[str](path="steps.py", operation="create", after=TEXT)),
            ("asked", None),
        ):
            session = Session[str](
                id=derive_id("ses", name), source="t", provider_session_id=name, cwd=str(folder), started_at=now
            )
            kind = EventKind.EDIT if edit else EventKind.PROMPT
            event = Event[str](id="e", session_id=session.id, sequence=0, kind=kind, at=now, edit=edit)
            store.add_transcript(redact_transcript(Transcript(session, (event,))))
    return folder


def test_json_has_one_row_per_session_and_the_share_of_unknown_goes_beside_it(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["outcomes", "--repo", str(product), "--workspace", str(tmp_path / "workspace"), "--json"]
    assert run(application, arguments) == 0
    rows = {row["session_id"]: row for row in json.loads(capsys.readouterr().out)}
    wrote, asked = rows[derive_id("ses", "wrote")], rows[derive_id("ses", "asked")]
    assert {"session_id", "state", "commits", "confidence", "evidence"} <= wrote.keys()
    assert (wrote["state"], len(wrote["commits"]), wrote["lines"]["kept"]) == ("accepted", 1, 10)
    assert {item["kind"] for item in wrote["evidence"]} >= {"content", "files", "time"}
    assert (asked["state"], asked["commits"]) == ("unknown", [])


def test_the_table_ends_with_the_share_of_unknown(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("golddiff.cli.app.output.width", 100, raising=False)
    assert run(application, ["outcomes", "--repo", str(product), "--workspace", str(tmp_path / "workspace")]) == 0
    printed = capsys.readouterr().out
    assert "2 session(s) of this repository: 1 accepted, 1 unknown." in printed
    assert "unknown: 1 of 2 (50%), of which 1 changed no file" in printed


def test_a_folder_of_repositories_is_a_table_with_a_row_for_each_and_one_that_fails_is_told(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("golddiff.cli.app.output.width", 120, raising=False)
    source = tmp_path / "src"
    for name in ("quiet", "gone"):
        (source / name).mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(source / "quiet")], check=True)
    (source / "gone" / ".git").write_text("gitdir: /nowhere/at/all\n")
    arguments = ["outcomes", "--below", str(tmp_path), "--workspace", str(tmp_path / "workspace")]
    assert run(application, arguments) == 3
    printed = capsys.readouterr()
    rows = [line.replace("│", " ").split() for line in printed.out.splitlines() if "product" in line or "gone" in line]
    assert rows[0] == ["product", "2", "1", "1", "10/10"]
    assert "failed" in rows[1]
    assert "unknown: 1 of 2 (50%), of which 1 changed no file" in printed.out
    assert "1 gold diff(s), each applied to its base." in printed.out
    assert "files in their commits that have no lines to compare, and are in no gold diff: 1 × binary" in printed.out
    assert "1 repository without a session." in printed.out
    assert "1 of 3 repositories could not be decided" in " ".join(printed.err.split())
    assert run(application, [*arguments, "--json"]) == 3
    found = {Path(row["path"]).name: row for row in json.loads(capsys.readouterr().out)["repositories"]}
    assert [outcome["state"] for outcome in found["product"]["outcomes"]] == ["accepted", "unknown"]
    assert "run `git worktree repair`" in found["gone"]["error"]


@pytest.mark.parametrize(
    ("extra", "code", "message"),
    [
        (["--repo", "nowhere"], 3, "does not exist"),
        (["--ignore-evidence", "luck"], 2, "unknown kind of evidence luck"),
        (["--below", "nowhere"], 3, "is no folder"),
        (["--below", ".", "--repo", "."], 2, "give one of the two"),
        (["--jobs", "2"], 2, "give --below FOLDER"),
    ],
)
def test_wrong_arguments_are_explained(
    extra: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(application, ["outcomes", "--workspace", str(tmp_path / "w"), *extra]) == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_empty_workspace_names_the_command_to_run_first(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(application, ["outcomes", "--workspace", str(tmp_path / "empty"), "--repo", str(product)]) == 3
    assert "run `golddiff import PATH…` first" in " ".join(capsys.readouterr().err.split())


def test_what_works_without_a_terminal_says_each_stage_once(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(application, ["outcomes", "--repo", str(product), "--workspace", str(tmp_path / "workspace")]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "reading history"
    assert any(line.startswith("judging session 1 of") for line in said)
    assert not any(line.startswith("judging session 2 of") for line in said)


def test_signals_for_sessions_that_are_not_here_are_counted_with_the_next_command(
    product: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = tmp_path / "workspace"
    tell = [Told(kind="accept", session=name) for name in ("wrote", "typo", "typo", "gone")]
    now = datetime(2026, 3, 1, tzinfo=UTC)
    Inbox(workspace).append([signal_of(one, via="http", now=now + timedelta(seconds=i)) for i, one in enumerate(tell)])
    assert run(application, ["outcomes", "--repo", str(product), "--workspace", str(workspace)]) == 0
    said = capsys.readouterr().err
    assert "3 signal(s) speak of 2 session(s) that are not here (typo, gone)" in said
    assert "`golddiff import PATH…`" in said


def test_an_unknown_session_is_shown_with_its_reason_and_not_with_the_commit_that_was_too_uncertain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = Outcome(
        id="out_1",
        session_id="ses_1",
        repository_id="rep_1",
        state=SessionState.UNKNOWN,
        commits=(CommitLink(sha="50b70ac2919f7d4cb1a09732f1e73e5eb6dee4e3", confidence=0.4),),
        confidence=0.0,
        gold_patch=redact_text(""),
        method="test",
        reasons=("it holds nothing",),
    )
    summary: Any = SimpleNamespace(repository=Repository(id="rep_1", name="shop"), outcomes=[outcome])
    outcomes._print_table(summary, {"ses_1": Session[Any](id="ses_1", source="t")})
    shown = capsys.readouterr().out
    assert "it holds nothing" in " ".join(shown.split())
    assert "50b70ac2" not in shown
