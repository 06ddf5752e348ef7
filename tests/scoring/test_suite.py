"""A suite's tree is plain files, its ids are pytest's, and what belongs to the tests is told by its path."""

import os
from pathlib import Path

import pytest

from golddiff.errors import InputError
from golddiff.scoring.suite import Suite, check_suite, is_test, snapshot


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("tests/data/x.json", True),
        ("src/pkg/test_a.py", True),
        ("src/pkg/a_test.py", True),
        ("pkg/conftest.py", True),
        ("pkg/tests.py", True),
        ("src/testimony.py", False),
        ("src/contest.py", False),
        ("latest/a.py", False),
    ],
)
def test_test_files_are_told_by_their_path(path: str, wanted: bool) -> None:
    assert is_test(path) is wanted


def test_a_snapshot_holds_what_a_commit_can_hold(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a/__pycache__").mkdir(parents=True, mode=0o700)
    (tree / "a/run.sh").write_text("x")
    (tree / "a/run.sh").chmod(0o700)
    (tree / "a/link").symlink_to("/etc/passwd")
    os.mkfifo(tree / "a/pipe")
    tree.chmod(0o700)
    snapshot(tree, tmp_path / "copy")
    copy = tmp_path / "copy"
    assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*")) == ["a", "a/link", "a/run.sh"]
    assert os.readlink(copy / "a/link") == "/etc/passwd"
    assert [(copy / name).stat().st_mode & 0o777 for name in ("", "a", "a/run.sh")] == [0o755] * 3


@pytest.mark.parametrize("place", [".git", "vendored/.git"])
def test_a_tree_from_which_later_commits_can_be_reached_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "tree" / place).mkdir(parents=True)
    with pytest.raises(InputError, match="later commits"):
        snapshot(tmp_path / "tree", tmp_path / "copy")


def test_a_suite_that_cannot_be_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no test"):
        check_suite(Suite(tree=tmp_path, expected=()))
    with pytest.raises(InputError, match="no test id"):
        check_suite(Suite(tree=tmp_path, expected=("tests.test_a",)))
    with pytest.raises(InputError, match="not a folder"):
        snapshot(tmp_path / "gone", tmp_path / "copy")
