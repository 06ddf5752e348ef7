"""The first lines of a file, read as they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from golddiff.record.importers.heads import Head


def test_the_head_is_a_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"".join(b'{"a":%d}\n' % number for number in range(100)))
    assert len(Head(path)) == 48


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\x7fELF" + b"\0" * 9000])
def test_a_file_without_lines_has_no_head(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    head = Head(path)
    assert (bool(head), list(head)) == (False, [])


def test_lines_are_the_same_in_whatever_order_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbf a \n\nb\nc")
    assert (Head(path)[1], Head(path)[-1], Head(path)[:2], Head(path)[1:], list(Head(path))) == (
        b"b",
        b"c",
        [b"a", b"b"],
        [b"b", b"c"],
        [b"a", b"b", b"c"],
    )
