"""`golddiff report`: from a repository and the transcripts on this machine to the report, without arguments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from golddiff.cli import application
from golddiff.cli.app import run
from golddiff.store import Store
from golddiff.types import Session
from record.scripted import ClaudeScript, tool

SESSIONS = 6


def git(repo: Path, *arguments: str) -> None:
    stamp = "2026-01-02T00:00:00Z"
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_AUTHOR_DATE": stamp}
    who |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_COMMITTER_DATE": stamp}
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    subprocess.run(command, cwd=repo, env={**os.environ, **who, **nothing}, check=True, capture_output=True)


def module(number: int) -> list[str]:
    return [f"value_{number}_{line} = compute_{number}({line} * {number + 7})" for line in range(10)]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six of the ten lines of each module, a commit each: made once, copied for every test."""
    repo = tmp_path_factory.mktemp("committed") / "shop"
    repo.mkdir()
    git(repo, "init", "-q")
    for number in range(SESSIONS):
        path = repo / f"module_{number}.py"
        path.write_text("\n".join(module(number)[:6]) + "\n")
        git(repo, "add", path.name)
        git(repo, "commit", "-q", "-m", f"Add module {number}")
    return repo


@pytest.fixture
def repo(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six sessions wrote ten lines each; six of every ten are committed."""
    repo, home = tmp_path / "shop", tmp_path / "home"
    shutil.copytree(committed, repo)
    folder = "".join(character if character.isalnum() else "-" for character in str(repo))
    for number in range(SESSIONS):
        path = repo / f"module_{number}.py"
        script = ClaudeScript(session=f"s{number}", cwd=str(repo))
        script.user(f"Write module {number}, please")
        text = "\n".join(module(number)) + "\n"
        script.assistant(tool("Write", "t1", file_path=str(path), content=text))
        script.result("t1", "ok", {"type": "create", "filePath": str(path), "content": text, "originalFile": None})
        script.write(home / ".claude" / "projects" / folder / f"s{number}.jsonl")
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GOLDDIFF_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(repo)
    return repo


def report(*arguments: str) -> int:
    return run(application, ["report", *arguments])


def as_json(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert report(*arguments, "--json") == 0
    data: dict[str, Any] = json.loads(capfd.readouterr().out)
    return data


def test_a_folder_of_repositories_is_one_report_with_a_row_for_each(
    repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (repo.parent / "empty").mkdir()
    git(repo.parent / "empty", "init", "-q")
    data = as_json(capfd, "--below", str(repo.parent))
    assert [(row["name"], row["sessions"]) for row in data["below"]["repositories"]] == [
        ("empty", 0),
        ("shop", SESSIONS),
    ]
    assert (data["name"], data["lines"]["kept"]) == ("shop", 36)


def test_without_arguments_it_finds_imports_links_and_reports(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert report() == 0
    text = capfd.readouterr().out
    assert "You kept 60 % [60–60] of what the agent wrote." in text
    assert "36 lines" in text
    assert "golddiff show ses_" in text
    assert (repo / ".golddiff" / "report.html").stat().st_size > 1_000_000
    assert (repo / ".golddiff" / ".gitignore").read_text() == "*\n"


def test_json_has_the_numbers_and_writes_no_page(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = as_json(capfd)
    assert data["lines"] == {"written": 60, "kept": 36, "revised": 0, "dropped": 24}
    assert data["kept"]["estimate"] == pytest.approx(0.6)
    assert data["coverage"] == 1.0
    assert data["states"]["revised"] == SESSIONS
    assert {item["key"] for item in data["breakdowns"]} == {
        "model",
        "agent",
        "tool",
        "language",
        "folder",
        "task",
        "length",
    }
    assert len(data["waste"]) == SESSIONS
    assert not (repo / ".golddiff" / "report.html").exists()


def test_a_second_report_imports_nothing_twice(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = as_json(capfd)
    second = as_json(capfd)
    with Store.open(repo / ".golddiff", write=False) as store:
        assert store.count(Session) == SESSIONS
    assert second["lines"] == first["lines"]


def test_no_import_reports_on_what_is_there(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    as_json(capfd)
    page = repo.parent / "page.html"
    assert report("--no-import", "--repo", str(repo), "--html", str(page)) == 0
    assert "You kept 60 %" in capfd.readouterr().out
    assert "Write module 3, please" in page.read_text()
    assert as_json(capfd, "--no-import")["lines"]["kept"] == 36


def test_transcripts_can_be_given_by_path(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pattern = str(tmp_path / "home" / ".claude" / "projects" / "*" / "s[012].jsonl")
    monkeypatch.chdir(tmp_path)
    data = as_json(capfd, "--repo", str(repo), "--transcripts", pattern, "--workspace", str(tmp_path / "w"))
    assert data["lines"]["written"] == 30
    assert data["kept"] == {"refused": "too few sessions (3)"}


def test_no_transcripts_is_an_error_that_says_where_it_looked(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(repo / "nobody"))
    assert report() == 3
    said = capfd.readouterr().err
    assert ".claude" in said
    assert "golddiff report --transcripts PATH" in said


def test_outside_a_repository_it_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert report() == 3
    assert "--repo PATH" in capfd.readouterr().err


def test_sessions_that_wrote_nothing_end_in_the_next_command(
    repo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = ClaudeScript(cwd=str(repo))
    script.user("What does this do?")
    script.write(tmp_path / "talk.jsonl")
    assert report("--transcripts", str(tmp_path / "talk.jsonl")) == 0
    text = capfd.readouterr().out
    assert "No written lines to report on yet." in text
    assert "golddiff outcomes" in text


def test_sessions_of_another_repository_are_left_out_with_the_reason(
    repo: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = ClaudeScript(cwd="/gone/other")
    script.user("Write it")
    script.assistant(tool("Write", "t1", file_path="/gone/other/x.py", content="x = 1\n"))
    script.result("t1", "written")
    script.write(tmp_path / "other.jsonl")
    assert report("--transcripts", str(tmp_path / "other.jsonl")) == 0
    said = capfd.readouterr()
    assert "not of shop as far as can be seen (only 0 of the 1 files that it touched are known here)" in said.err
    assert "no session belongs here. Why, for each: golddiff outcomes" in said.out


def test_a_folder_that_does_not_exist_for_the_page_is_said(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert report("--html", str(repo / "missing" / "x.html")) == 3
    assert "cannot write" in capfd.readouterr().err


def test_two_sides_are_compared_and_too_few_sessions_are_refused(repo: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = as_json(capfd, "--compare", "2030-01-01")["comparison"]
    assert (data["first"], data["sessions"]) == ("before 2030-01-01", [6, 0])
    assert all("refused" in contrast["difference"] for contrast in data["contrasts"])
    assert report("--no-import", "--compare", "2030-01-01") == 0
    assert "before 2030-01-01 (6) against from 2030-01-01 (0 sessions)" in capfd.readouterr().out


def test_an_unknown_comparison_is_a_usage_error_that_lists_the_forms(
    repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert report("--compare", "colour") == 2
    assert "model, agent, tool, language, folder, task, user" in capfd.readouterr().err
    assert not (repo / ".golddiff").exists()  # said before anything was imported


def test_rates_of_the_workspace_price_what_the_package_has_no_price_for(
    repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = as_json(capfd)["costs"]
    assert (before["unpriced_sessions"], before["unpriced_calls"], before["dollars"]) == (6, {"claude-test-1": 6}, 0)
    folder = repo / ".golddiff" / "gateway"
    folder.mkdir()
    (folder / "prices.toml").write_text(
        'version = "2026-01-01"\n[[provider]]\nname = "own"\n'
        'source = { title = "contract", url = "", as_of = "2026-01-01", read = "contract" }\n'
        '[[provider.family]]\nmodels = ["claude-test*"]\nrates = { input = 1000, output = 2000 }\n'
    )
    after = as_json(capfd, "--no-import")["costs"]
    assert (after["unpriced_sessions"], after["sessions"]) == (0, SESSIONS)
    assert after["per_accepted_patch"]["estimate"] == pytest.approx(after["dollars"] / SESSIONS)
