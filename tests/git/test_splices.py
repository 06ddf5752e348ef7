"""Hunks are read as ranges and bytes, merges against all their parents; settings of the repository change nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git.test_repository import git
from golddiff.errors import InputError
from golddiff.git import GitRepository
from golddiff.git.splices import LOST, against_all, against_first, against_parent, paths_at, unreadable_paths, walk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "repository"
    found.mkdir()
    git(found, "init", "-q", "-b", "main")
    return found


def commit(folder: Path, **files: bytes | None) -> str:
    """Commit these contents; `__` stands for a dot, None for a file that is gone."""
    for name, data in files.items():
        path = folder / name.replace("__", ".")
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


def test_ranges_count_from_zero_and_lines_without_an_end_are_lines(folder: Path) -> None:
    first = commit(folder, f=b"a\nb\nc", g=b"")
    second = commit(folder, f=b"@@ -1 +1 @@\nb\n-- c\n", g=b"x")
    with GitRepository.open(folder) as opened:
        assert [found.sha for found in walk(opened, second)] == [first, second]
        (created, changed) = against_parent(opened, [(first, None), (second, first)])
    assert [(file.status, file.path) for file in created[1]] == [("A", b"f"), ("A", b"g")]
    assert created[1][0].splices[0] == (0, 0, 0, 3, [], [b"a\n", b"b\n", b"c\n"])
    f, g = changed[1]
    assert [splice[:4] for splice in f.splices] == [(0, 1, 0, 1), (2, 3, 2, 3)]
    assert [(splice.removed, splice.added) for splice in f.splices] == [
        ([b"a\n"], [b"@@ -1 +1 @@\n"]),
        ([b"c\n"], [b"-- c\n"]),
    ]
    assert g.splices == [(0, 0, 0, 1, [], [b"x\n"])]


def test_a_commit_without_changes_is_there_and_odd_names_stay_quoted(folder: Path) -> None:
    first = commit(folder, **{'a "b"\té': b"x\n"})
    second = commit(folder)
    third = commit(folder, **{'a "b"\té': b"y\n"})
    with GitRepository.open(folder) as opened:
        found = dict(against_parent(opened, [(second, first), (third, second)]))
        assert found[second] == []
        (path,) = paths_at(opened, third)
        assert [(file.path, file.splices[0].added) for file in found[third]] == [(path, [b"y\n"])]
        assert [len(files) for _, files in against_parent(opened, [(third, second)], paths=[path])] == [1]
        assert [len(files) for _, files in against_parent(opened, [(third, second)], without=[path])] == [0]


def test_a_file_that_becomes_a_link_is_told_by_its_modes(folder: Path) -> None:
    first = commit(folder, f=b"a\n", z=b"z\n")
    (folder / "f").unlink()
    os.symlink("z", folder / "f")
    second = commit(folder, z=b"zz\n")
    with GitRepository.open(folder) as opened:
        ((_, (link, other)),) = against_parent(opened, [(second, first)])
    assert (link.status, link.was_file, link.is_file) == ("T", True, False)
    assert (other.path, other.splices[0].added) == (b"z", [b"zz\n"])


def test_lines_of_a_merge_say_which_parents_had_them_whatever_the_repository_sets(folder: Path) -> None:
    body = [b"1\n", b"\n", b"2\n", b"\n", b"3\n"]
    commit(folder, f=b"".join(body))
    git(folder, "checkout", "-q", "-b", "side")
    side = commit(folder, f=b"".join([*body, b"side\n"]))
    git(folder, "checkout", "-q", "main")
    main = commit(folder, f=b"".join([b"main\n", *body[2:]]))
    git(folder, "merge", "-q", "--no-commit", "-s", "ours", "side")
    merge = commit(folder, f=b"".join([b"main\n", b"both\n", *body[2:], b"side\n"]))
    for setting in (
        "diff.suppressBlankEmpty=true",
        "diff.indentHeuristic=false",
        "diff.noprefix=true",
        "diff.context=9",
    ):
        git(folder, "config", *setting.split("="))
    with GitRepository.open(folder) as opened:
        commits = [found for found in walk(opened, merge) if len(found.parents) > 1]
        assert commits[0].parents == (main, side)
        ((_, (plain,)),) = against_first(opened, commits)
        ((_, (file,)),) = against_all(opened, commits)
    assert (plain.status, plain.splices, plain.blob) == ("M", [], file.blob)
    marks = {line: mark for _, lines in file.hunks for mark, line in lines}
    assert (marks[b"main\n"], marks[b"both\n"], marks[b"side\n"]) == (0b01, 0, 0b10)
    assert marks[b"1\n"] == LOST | 0b10
    assert marks[b"2\n"] == 0b11


def test_an_object_that_is_missing_is_an_error_that_names_the_remedy_and_the_paths(folder: Path) -> None:
    first = commit(folder, f=b"a\n", g=b"g\n")
    second = commit(folder, f=b"b\n")
    blob = git(folder, "rev-parse", "HEAD:f")
    (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with GitRepository.open(folder) as opened:
        with pytest.raises(InputError, match="git fsck"):
            list(against_parent(opened, [(second, first)]))
        assert unreadable_paths(opened, walk(opened, second)) == {b"f"}
