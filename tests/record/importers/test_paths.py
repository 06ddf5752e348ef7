"""Paths relative to the session's folder."""

from __future__ import annotations

import pytest

from golddiff.record.importers.paths import relative_path


@pytest.mark.parametrize(
    ("path", "cwd", "folder", "expected"),
    [
        ("/work/repo/src/a.py", "/work/repo", None, "src/a.py"),
        ("/work/repo/src/../a.py", "/work/repo/", None, "a.py"),
        ("/work/repo2/a.py", "/work/repo", None, "/work/repo2/a.py"),
        ("/work/repo", "/work/repo", None, "/work/repo"),
        ("a.py", "/work/repo", None, "a.py"),
        ("./a.py", None, None, "a.py"),
        ("a.py", "/work/repo", "/work/repo/pkg", "pkg/a.py"),
        ("a.py", "/work/repo", "pkg", "pkg/a.py"),
        ("../x.py", "/work/repo", None, "/work/x.py"),
        ("a.py", "/work/repo", "/tmp", "/tmp/a.py"),
        (r"C:\work\repo\src\a.py", r"C:\work\repo", None, "src/a.py"),
        (r"c:\Work\repo\a.py", r"C:\work\repo", None, "a.py"),
        ("/etc/hosts", "/", None, "/etc/hosts"),
        (r"odd\name", "/work", None, r"odd\name"),
    ],
)
def test_a_path_below_the_folder_is_relative_and_any_other_absolute(
    path: str, cwd: str | None, folder: str | None, expected: str
) -> None:
    assert relative_path(path, cwd, folder) == expected
