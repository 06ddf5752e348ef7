"""Patches are rendered as git reads them, and applied strictly or by context."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from golddiff import patch


def test_a_rendered_patch_applies_strictly_and_gives_the_other_text() -> None:
    draw = random.Random(7)
    for _ in range(300):
        old = [draw.choice("abcde") + draw.choice(["\n", "\r\n"]) for _ in range(draw.randrange(30))]
        new = list(old)
        for _ in range(draw.randrange(5)):
            at = draw.randrange(len(new) + 1)
            new[at : at + draw.randrange(4)] = [draw.choice("vwxyz") + "\n" for _ in range(draw.randrange(4))]
        before, after = "".join(old), "".join(new)
        if draw.random() < 0.3:
            before, after = before.rstrip("\n"), after.rstrip("\n")
        text = patch.render("a b.txt", before, after, context=draw.randrange(4))
        if before == after:
            assert text == ""
            continue
        (parsed,) = patch.parse(text)
        assert patch.apply(parsed, before) == after
        assert patch.apply_hunks(parsed.hunks, before).replace("\r", "") == after.replace("\r", "")


def test_git_accepts_what_we_render(tmp_path: Path) -> None:
    before = "".join(f"line {number}\n" for number in range(40))
    after = before.replace("line 3\n", "").replace("line 20\n", "twenty\nand more\n") + "no newline at end"
    changed = patch.render("sub dir/a.txt", before, after)
    created = patch.render("made.txt", None, "new\nfile")
    deleted = patch.render("gone.txt", "old\n", None)
    (tmp_path / "sub dir").mkdir()
    (tmp_path / "sub dir" / "a.txt").write_text(before)
    (tmp_path / "gone.txt").write_text("old\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=(changed + created + deleted).encode(), check=True)
    assert (tmp_path / "sub dir" / "a.txt").read_text() == after
    assert (tmp_path / "made.txt").read_text() == "new\nfile"
    assert not (tmp_path / "gone.txt").exists()
    for file, text in zip(patch.parse(changed + created + deleted), (before, None, "old\n"), strict=True):
        patch.apply(file, text)


def test_strict_application_refuses_moved_and_changed_lines() -> None:
    (file,) = patch.parse(patch.render("a", "1\n2\n3\n4\n5\n", "1\n2\nthree\n4\n5\n"))
    with pytest.raises(patch.PatchError, match="does not fit"):
        patch.apply(file, "0\n1\n2\n3\n4\n5\n")
    with pytest.raises(patch.PatchError, match="absent"):
        patch.apply(file, None)


def test_hunks_without_numbers_are_placed_by_their_context() -> None:
    hunks = patch.parse_hunks("@@ def two\n two:\n-    pass\n+    return 2\n")
    assert patch.apply_hunks(hunks, "one:\n    pass\ntwo:\n    pass\n") == "one:\n    pass\ntwo:\n    return 2\n"
    with pytest.raises(patch.PatchError, match="not in the file"):
        patch.apply_hunks(hunks, "nothing\n")


def test_line_ends_of_the_file_win() -> None:
    hunks = patch.parse_hunks("@@ -1,2 +1,2 @@\n a\n-b\n+c\n")
    assert patch.apply_hunks(hunks, "a\r\nb\r\n") == "a\r\nc\r\n"
    assert patch.replace("a\r\nb\r\n", "a\nb\n", "x\ny\n") == "x\r\ny\r\n"


def test_replace_does_what_edit_tools_do() -> None:
    assert patch.replace("a a", "a", "b") == "b a"
    assert patch.replace("a a", "a", "b", every=True) == "b b"
    with pytest.raises(patch.PatchError, match="not in the file"):
        patch.replace("a", "b", "c")


def test_a_patch_that_is_cut_short_is_refused() -> None:
    with pytest.raises(patch.PatchError, match=r"@@ -1,3 \+1,3 @@. is cut short"):
        patch.parse("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n")


def test_a_removed_line_that_looks_like_a_header_is_a_line() -> None:
    text = patch.render("q.sql", "-- a comment\nselect 1\n", "select 1\n")
    (file,) = patch.parse(text)
    assert patch.apply(file, "-- a comment\nselect 1\n") == "select 1\n"
