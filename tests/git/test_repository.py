"""Reading a repository runs nothing of it, and reads odd names and bytes as transcripts hold them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from golddiff.errors import InputError
from golddiff.git import GitRepository
from golddiff.git.parsing import parse_commit
from golddiff.git.splices import against_all, against_first, against_parent, paths_at, unreadable_paths, walk


def git(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run git as the owner of the test repository would."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.test",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.test",
        "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
        "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits; the second changes a file, adds one with an odd name and renames one."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_bytes(b"one\ntwo\nthree\n")
    (folder / "old.txt").write_bytes(b"".join(b"line %d\n" % number for number in range(20)))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "sub" / "a.txt").write_bytes(b"one\n2\nthree\r\n\xff\xfe")
    (folder / 'with space\n"é".txt').write_bytes(b"+++ not a header\n--- nor this\n@@ -1 +1 @@\n")
    (folder / "empty").write_bytes(b"")
    (folder / "old.txt").rename(folder / "new.txt")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "second\n\nKey: not a trailer\n\nbody\n\nReal-Key: value\nSigned: x")
    return folder


def test_history_changes_and_blobs_are_read_with_odd_names_and_bytes(repository: Path) -> None:
    with GitRepository.open(repository) as opened:
        name, tip = opened.default_branch() or ("", "")
        assert name == "refs/heads/main"
        shas = list(opened.graph([tip]))
        second, first = opened.commits(shas)
        assert (second.subject, first.subject) == ("second", "first")
        assert second.parents == (first.sha,)
        assert second.trailers == (("Real-Key", "value"), ("Signed", "x"))
        assert second.committed_at.isoformat() == "2026-01-02T03:04:05+00:00"
        changes = dict(opened.changes(shas))
        by_path = {change.path: change for change in changes[second.sha]}
        assert by_path["sub/a.txt"].hunks[0].removed == ("two", "three")
        assert by_path["sub/a.txt"].hunks[0].added == ("2", "three\r", "\ufffd\ufffd")
        odd = by_path['with space\n"é".txt']
        assert odd.hunks[0].added == ("+++ not a header", "--- nor this", "@@ -1 +1 @@")
        assert (by_path["new.txt"].status, by_path["new.txt"].old_path) == ("R", "old.txt")
        assert by_path["empty"].hunks == []
        assert opened.blob(opened.files_at(tip, ["sub/a.txt"])["sub/a.txt"]) == b"one\n2\nthree\r\n\xff\xfe"
        assert set(opened.tree(tip)) == {"sub/a.txt", 'with space\n"é".txt', "empty", "new.txt"}


def test_subfolders_worktrees_and_bare_repositories_open(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    for path, top, prefix in (
        (repository / "sub", repository, "sub"),
        (repository / "sub" / "a.txt", repository, "sub"),
        (tmp_path / "tree", tmp_path / "tree", ""),
        (tmp_path / "bare.git", None, ""),
        (repository / ".git", repository, ""),
    ):
        with GitRepository.open(path) as opened:
            assert (opened.top, opened.prefix) == (top, prefix)
            assert opened.resolve("main") is not None


def test_no_repository_a_missing_path_and_an_empty_repository_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="does not exist"):
        GitRepository.open(tmp_path / "nowhere")
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(InputError, match="not in a git repository"):
        GitRepository.open(plain)
    monkeypatch.chdir(plain)
    with pytest.raises(InputError, match="/plain is not in"):
        GitRepository.open(".")
    git(plain, "init", "-q")
    with GitRepository.open(plain) as opened:
        assert opened.default_branch() is None
        assert opened.graph([]) == {}


def test_a_commit_with_a_missing_object_is_read_without_that_file(repository: Path) -> None:
    (repository / "lost").write_text("lost\n")
    (repository / "found").write_text("found\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "third")
    blob = git(repository, "rev-parse", "HEAD:lost")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with GitRepository.open(repository) as opened:
        shas = list(opened.graph([opened.resolve("main") or ""]))
        changes = dict(opened.changes(shas))
        assert len(changes) == 3
        assert {change.path for change in changes[shas[0]]} == {"found"}
        assert opened.unreadable == {shas[0]}


def test_notes_are_read_by_commit(repository: Path) -> None:
    git(repository, "notes", "--ref", "ai", "add", "-m", "a note")
    with GitRepository.open(repository) as opened:
        assert opened.notes() == {git(repository, "rev-parse", "HEAD"): {"refs/notes/ai": "a note\n"}}


@pytest.mark.parametrize("text", ["a\0b", "x" * 200_000, ""])
def test_what_no_argument_can_hold_is_no_path_and_no_revision(repository: Path, text: str) -> None:
    with GitRepository.open(repository) as git:
        assert git.resolve(text) is None
        assert git.files_at("HEAD", [text]) == {}


@pytest.mark.parametrize("path", ["x" * 5000, "~nobody-of-this-name/x"])
def test_a_path_that_cannot_be_looked_into_is_a_clear_error(path: str) -> None:
    with pytest.raises(InputError, match="check the path"):
        GitRepository.open(path)


@pytest.mark.parametrize("encoding", ["undefined", "idna", "hex", "utf\0"])
def test_a_commit_in_an_encoding_that_is_none_is_read_as_utf8(encoding: str) -> None:
    assert parse_commit("a" * 40, f"tree x\nencoding {encoding}\n\nsubject".encode()).subject == "subject"


def test_an_option_cannot_be_smuggled_in_as_a_revision(repository: Path) -> None:
    with GitRepository.open(repository) as opened:
        assert opened.resolve("--help") is None
        assert opened.resolve("nothing") is None


def hostile(folder: Path, marker: Path) -> None:
    """Arm every mechanism by which a repository can start a program; each writes its own marker file."""

    def bomb(name: str) -> str:
        script = folder / ".git" / f"bomb-{name}"
        script.write_text(f"#!/bin/sh\ntouch {marker}/{name}\ncat 2>/dev/null\nexit 0\n")
        script.chmod(0o755)
        return str(script)

    hooks = folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction", "pre-auto-gc"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {marker}/hook-{hook}\n")
        (hooks / hook).chmod(0o755)
    for key, value in {
        "core.fsmonitor": bomb("fsmonitor"),
        "core.pager": bomb("pager"),
        "core.sshCommand": bomb("ssh"),
        "core.gitProxy": bomb("proxy"),
        "core.editor": bomb("editor"),
        "core.askPass": bomb("askpass"),
        "core.alternateRefsCommand": bomb("alternate"),
        "core.worktree": str(folder),
        "diff.external": bomb("diff-external"),
        "diff.evil.command": bomb("diff-command"),
        "diff.evil.textconv": bomb("textconv"),
        "diff.evil.cachetextconv": "true",
        "filter.evil.clean": bomb("clean"),
        "filter.evil.smudge": bomb("smudge"),
        "filter.evil.process": bomb("process"),
        "filter.evil.required": "true",
        "alias.rev-list": "!" + bomb("alias-rev-list"),
        "alias.diff-tree": "!" + bomb("alias-diff-tree"),
        "gpg.program": bomb("gpg"),
        "gpg.ssh.program": bomb("gpg-ssh"),
        "log.showSignature": "true",
        "pager.diff-tree": bomb("pager-diff-tree"),
        "pager.cat-file": bomb("pager-cat-file"),
        "credential.helper": "!" + bomb("credential"),
        "interactive.diffFilter": bomb("diff-filter"),
        "uploadpack.packObjectsHook": bomb("pack-objects"),
        "remote.origin.url": f"ext::{bomb('ext')}",
        "remote.origin.uploadpack": bomb("uploadpack"),
        "remote.origin.promisor": "true",
        "remote.origin.partialclonefilter": "blob:none",
        "protocol.ext.allow": "always",
        "protocol.allow": "always",
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
        "trace2.eventTarget": str(marker / "trace2"),
    }.items():
        git(folder, "config", key, value)
    (folder / ".git" / "info" / "attributes").write_text("* diff=evil filter=evil\n")


def test_nothing_of_a_hostile_repository_ever_runs(repository: Path, tmp_path: Path) -> None:
    marker = tmp_path / "markers"
    marker.mkdir()
    (repository / ".gitattributes").write_text("* diff=evil filter=evil -text\n")
    (repository / "lost").write_text("lost\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "third")
    signed = git(repository, "cat-file", "commit", "HEAD").replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1
    )
    git(
        repository,
        "reset",
        "-q",
        "--soft",
        git(repository, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed),
    )
    lost = git(repository, "rev-parse", "HEAD:lost")
    hostile(repository, marker)
    (repository / "sub" / "a.txt").write_text("dirty\n")
    (repository / ".git" / "objects" / lost[:2] / lost[2:]).unlink()  # a lazy fetch would want it
    with GitRepository.open(repository) as opened:
        tip = (opened.default_branch() or ("", ""))[1]
        shas = list(opened.graph([*opened.refs().values(), tip]))
        assert len(list(opened.commits(shas))) == 3
        changes = dict(opened.changes(shas))
        assert len(changes) == 3
        assert changes[shas[1]]
        assert opened.blob(lost) is None
        assert opened.blob(opened.tree(tip)["new.txt"])
        assert len(opened.remotes()) == 1
        assert opened.notes() == {}
        commits = walk(opened, tip)
        assert unreadable_paths(opened, commits) == {b"lost"}
        pairs = [(commit.sha, next(iter(commit.parents), None)) for commit in commits]
        assert len(list(against_parent(opened, pairs, without=[b"lost"]))) == 3
        assert len(list(against_all(opened, commits[:0]))) == len(list(against_first(opened, commits[:0]))) == 0
        assert paths_at(opened, tip)
    assert [path.name for path in marker.iterdir()] == []


def test_the_hostile_repository_is_armed(repository: Path, tmp_path: Path) -> None:
    """Without this the test above could pass on duds: an ordinary git does run them."""
    marker = tmp_path / "markers"
    marker.mkdir()
    git(repository, "config", "core.hooksPath", str(repository / ".git" / "hooks"))
    hostile(repository, marker)
    git(repository, "config", "--unset", "core.fsmonitor")
    git(repository, "config", "--unset", "diff.external")
    subprocess.run(
        ["git", "-C", str(repository), "-c", "diff.evil.command=", "log", "-p"], capture_output=True, check=False
    )
    assert {path.name for path in marker.iterdir()} & {"textconv", "process", "clean"}
