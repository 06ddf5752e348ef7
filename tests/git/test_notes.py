"""Notes written into the ref that a user names, and nothing else of the repository."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from golddiff.errors import UsageError
from golddiff.git import GitRepository
from golddiff.git.notes import Written, write_notes

REF = "refs/notes/golddiff"
NOW = datetime(2026, 9, 1, tzinfo=UTC)


def git(repo: Path, *arguments: str) -> str:
    who = {f"GIT_{role}_{part}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *arguments], cwd=repo, env={**os.environ, **who, **nothing}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    for number in range(3):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", f"c{number}")
    return tmp_path


def write(repo: Path, notes: dict[str, str], ref: str = REF, ours: bool = False) -> Written:
    with GitRepository.open(repo) as opened:
        return write_notes(opened, ref, notes, replaceable=lambda _: ours, at=NOW)


def test_git_itself_reads_the_notes(repo: Path) -> None:
    first, second = git(repo, "rev-list", "main").split()[:2]
    assert write(repo, {first: "one\nline two\n", second: "ünï\n"}).written == 2
    assert git(repo, "notes", "--ref", REF, "show", first) == "one\nline two"
    assert git(repo, "notes", "--ref", REF, "show", second) == "ünï"


def test_only_the_named_ref_changes(repo: Path) -> None:
    before = git(repo, "for-each-ref"), git(repo, "status", "--porcelain")
    write(repo, {git(repo, "rev-parse", "main"): "x\n"})
    after = git(repo, "for-each-ref").splitlines()
    assert [line for line in after if REF not in line] == before[0].splitlines()
    assert git(repo, "status", "--porcelain") == before[1]


def test_writing_again_changes_nothing_and_makes_no_commit(repo: Path) -> None:
    sha = git(repo, "rev-parse", "main")
    write(repo, {sha: "x\n"})
    tip = git(repo, "rev-parse", REF)
    found = write(repo, {sha: "x\n"})
    assert (found.written, found.unchanged) == (0, 1)
    assert git(repo, "rev-parse", REF) == tip


def test_a_note_of_somebody_else_stays_and_one_of_ours_is_replaced(repo: Path) -> None:
    first, second = git(repo, "rev-list", "main").split()[:2]
    git(repo, "notes", "--ref", REF, "add", "-m", "theirs", first)
    found = write(repo, {first: "new\n", second: "new\n"})
    assert (found.written, found.kept) == (1, [first])
    assert git(repo, "notes", "--ref", REF, "show", first) == "theirs"
    assert write(repo, {first: "newer\n"}, ours=True).written == 1
    assert git(repo, "notes", "--ref", REF, "show", first) == "newer"
    assert git(repo, "rev-list", "--count", REF) == "3"


def test_a_commit_that_is_not_here_gets_no_note(repo: Path) -> None:
    found = write(repo, {"b" * 40: "x\n"})
    assert (found.written, found.absent) == (0, ["b" * 40])
    assert REF not in git(repo, "for-each-ref")


def test_no_hook_of_the_repository_runs(repo: Path) -> None:
    hook = repo / ".git" / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {repo}/ran\n")
    hook.chmod(0o755)
    assert write(repo, {git(repo, "rev-parse", "main"): "x\n"}).written == 1
    assert not (repo / "ran").exists()


@pytest.mark.parametrize("ref", ["golddiff", "refs/heads/main", "refs/notes/", "refs/notes/a..b", "refs/notes/a b"])
def test_only_a_full_name_below_refs_notes_is_a_ref_for_notes(repo: Path, ref: str) -> None:
    with pytest.raises(UsageError, match="refs/notes/golddiff"):
        write(repo, {git(repo, "rev-parse", "main"): "x\n"}, ref=ref)
