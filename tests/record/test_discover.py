"""Transcripts of a repository are found by what they say, in the agents' own folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golddiff.record.discover import find_transcripts, transcript_homes


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = tmp_path / "work" / "my.repo"
    (repo / ".git").mkdir(parents=True)
    (repo / "pkg").mkdir()
    return repo


def _claude(home: Path, cwd: Path, name: str = "s.jsonl", folder: str | None = None) -> Path:
    encoded = folder or "".join(c if c.isalnum() else "-" for c in str(cwd))
    path = home / ".claude" / "projects" / encoded / name
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"type": "user", "uuid": "u", "sessionId": "s", "cwd": str(cwd), "message": {"content": "hi"}}
    path.write_text(json.dumps({"type": "summary", "summary": "s", "leafUuid": "x"}) + "\n" + json.dumps(record) + "\n")
    return path


def _codex(home: Path, cwd: Path, name: str, url: str | None = None, folder: str = "sessions") -> Path:
    path = home / ".codex" / folder / "2026" / "01" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    git = {"commit_hash": "0" * 40, "repository_url": url}
    payload = {"id": name, "cwd": str(cwd), "git": git, "base_instructions": {"text": "x" * 30_000}}
    path.write_text(
        json.dumps({"timestamp": "2026-01-01T00:00:00Z", "type": "session_meta", "payload": payload}) + "\n"
    )
    return path


def test_sessions_started_in_and_below_the_repository_are_found(home: Path, repo: Path) -> None:
    expected = [
        _claude(home, repo),
        _claude(home, repo / "pkg"),
        _codex(home, repo, "a.jsonl"),
        _codex(home, repo / "pkg", "b.jsonl", folder="archived_sessions"),
    ]
    _claude(home, repo.parent / "my.repo-other")
    _claude(home, repo.parent)
    _codex(home, repo.parent / "my.repo2", "c.jsonl")
    assert find_transcripts(repo / "pkg", {"HOME": str(home)}) == sorted(expected)


def test_files_of_sub_agents_come_along(home: Path, repo: Path) -> None:
    main = _claude(home, repo)
    agent = _claude(home, repo, "s/subagents/agent-1.jsonl")
    assert find_transcripts(repo, {"HOME": str(home)}) == sorted([main, agent])


def test_the_folder_name_alone_proves_nothing(home: Path, repo: Path) -> None:
    _claude(home, repo.parent / "my-repo")  # its folder has the same name as the repository's
    assert find_transcripts(repo, {"HOME": str(home)}) == []


def test_worktrees_belong_to_their_repository_and_the_other_way_round(home: Path, repo: Path, tmp_path: Path) -> None:
    tree = tmp_path / "trees" / "fix"
    tree.mkdir(parents=True)
    admin = repo / ".git" / "worktrees" / "fix"
    admin.mkdir(parents=True)
    (admin / "gitdir").write_text(f"{tree}/.git\n")
    (tree / ".git").write_text(f"gitdir: {admin}\n")
    expected = sorted([_claude(home, repo), _claude(home, tree)])
    assert find_transcripts(repo, {"HOME": str(home)}) == expected
    assert find_transcripts(tree, {"HOME": str(home)}) == expected


def test_codex_sessions_of_the_same_remote_are_found_wherever_they_ran(home: Path, repo: Path) -> None:
    (repo / ".git" / "config").write_text('[remote "origin"]\n\turl = git@example.com:team/repo.git\n')
    same = _codex(home, Path("/gone/tree"), "a.jsonl", "https://token@example.com/team/repo")
    _codex(home, Path("/gone/other"), "b.jsonl", "https://example.com/team/other")
    assert find_transcripts(repo, {"HOME": str(home)}) == [same]


def test_the_folders_of_the_environment_are_used(home: Path, repo: Path, tmp_path: Path) -> None:
    path = _claude(home, repo)
    moved = {"HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(home / ".claude"), "CODEX_HOME": str(home / ".codex")}
    assert find_transcripts(repo, moved) == [path]
    assert transcript_homes(moved) == [home / ".claude" / "projects", home / ".codex" / "sessions"]


def test_no_agent_on_this_machine_means_no_transcripts(tmp_path: Path, repo: Path) -> None:
    assert find_transcripts(repo, {"HOME": str(tmp_path / "nobody")}) == []
