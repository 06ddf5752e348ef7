"""The patch language of Codex."""

from __future__ import annotations

import pytest

from golddiff.record.importers.apply_patch import holds_patch, mark_failed, parse_patch
from golddiff.types import FileEdit


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_ends_at_its_newline_only(end: str) -> None:
    patch = end.join(["*** Begin Patch", "*** Add File: a.c", "+int a;\x0c", "+b = '\u2028x';", ""])
    assert parse_patch(patch, None)[0].after == "int a;\x0c\nb = '\u2028x';\n"


def test_every_operation_becomes_an_edit() -> None:
    patch = """*** Begin Patch
*** Add File: new.txt
+one
+
*** Update File: /work/repo/a.py
*** Move to: /work/repo/b.py
@@ class A:
 keep
-old
+new
*** End of File
*** Delete File: gone.py
*** End Patch
trailing words"""
    assert parse_patch(patch, "/work/repo") == [
        FileEdit(path="new.txt", operation="create", after="one\n\n"),
        FileEdit(path="a.py", operation="move", new_path="b.py", hunks="@@ class A:\n keep\n-old\n+new\n"),
        FileEdit(path="gone.py", operation="delete"),
    ]


def test_a_first_chunk_without_its_marker_gets_one() -> None:
    (edit,) = parse_patch("*** Begin Patch\n*** Update File: a\n-x\n+y\n*** End Patch", None)
    assert edit.hunks == "@@\n-x\n+y\n"


@pytest.mark.parametrize("text", ["", "no patch", "*** Begin Patch", "*** Begin Patch\n*** End Patch"])
def test_what_holds_no_file_gives_no_edit(text: str) -> None:
    assert parse_patch(text, "/work") == []


def test_a_patch_that_is_cut_off_gives_what_is_there() -> None:
    edits = parse_patch("*** Begin Patch\n*** Add File: a\n+x\n*** Update File: b\n@@\n-o", "/work")
    assert [(edit.path, edit.after, edit.hunks) for edit in edits] == [("a", "x\n", None), ("b", None, "@@\n-o\n")]


def test_edits_can_be_marked_as_not_applied() -> None:
    (edit,) = mark_failed(parse_patch("*** Begin Patch\n*** Delete File: a\n*** End Patch", None))
    assert not edit.success


def test_a_command_holds_a_patch_only_if_it_applies_one() -> None:
    assert holds_patch("apply_patch <<'EOF'\n*** Begin Patch\n*** End Patch\nEOF")
    assert not holds_patch("grep '*** Begin Patch' notes.md")
