"""JSON Lines, whole and damaged."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import msgspec
import pytest

from golddiff.record.importers import jsonl
from golddiff.record.importers.claude_code.records import Line
from golddiff.record.importers.jsonl import JsonLines, printable_type


class _Row(msgspec.Struct):
    a: int = 0


def _read(path: Path, data: bytes) -> tuple[list[int], JsonLines[_Row]]:
    path.write_bytes(data)
    lines = JsonLines(path, _Row)
    return [row.a for row in lines], lines


def test_whole_records_are_read_and_hashed_in_order(tmp_path: Path) -> None:
    rows, lines = _read(tmp_path / "x", b'\xef\xbb\xbf{"a":1}\r\n\n  {"a":2}  \n{"a":1}')
    assert rows == [1, 2, 1]
    assert len(lines.hashes) == 3
    assert lines.hashes[0] == lines.hashes[2] != lines.hashes[1]
    assert lines.damaged == []


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b'{"a":1}\n{"a":\n{"a":2}\n', [2]),
        (b'{"a":1}\nnoise\n\n{"a":2}\n', [2]),
        (b'{"a":1}\n[1]\n{"a":2}\n', [2]),
        (b'{"a":1}\n{"a":2}\n{"a"', [3]),
        (b'{"a":1}\n\0\0\0\n{"a":2}\n\xff\xfe\n', [2, 4]),
        (b'{"a":1}\n{"x":' + b"[" * 100_000 + b'\n{"a":2}', [2]),
    ],
)
def test_a_damaged_line_is_reported_with_its_number_and_not_hashed(
    tmp_path: Path, data: bytes, where: list[int]
) -> None:
    rows, lines = _read(tmp_path / "x", data)
    assert rows == [1, 2]
    assert [damage.line for damage in lines.damaged] == where
    assert len(lines.hashes) == 2


def test_deep_nesting_beside_bytes_that_are_no_text_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"type":"\xff","x":' + b"[" * 100_000 + b"\n")
    lines = JsonLines(path, Line)
    assert list(lines) == []
    assert [damage.line for damage in lines.damaged] == [1]


def test_a_record_of_another_shape_is_counted_and_hashed(tmp_path: Path) -> None:
    rows, lines = _read(tmp_path / "x", b'{"a":"text"}\n{"a":2}\n')
    assert (rows, dict(lines.skipped), len(lines.hashes)) == ([2], {"unexpected shape": 1}, 2)


def test_a_line_too_long_for_memory_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 16)
    rows, lines = _read(tmp_path / "x", b'{"a":1}\n{"x":"' + b"y" * 50 + b'"}\n{"a":2}\n')
    assert rows == [1, 2]
    assert [damage.line for damage in lines.damaged] == [2]


@pytest.mark.parametrize(("name", "shown"), [("user", "user"), ("a b", "other"), (None, "other"), ("x" * 99, "other")])
def test_only_plain_names_of_types_are_shown(name: str | None, shown: str) -> None:
    assert printable_type(name) == shown


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 64])
def test_where_blocks_end_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    data = b'\xef\xbb\xbf{"a":1}\r\n\n{"a":2}\n{broken\n  {"a":3}  \n[4]\n{"a":5}'
    rows, lines = _read(tmp_path / "x", data)
    monkeypatch.setattr(jsonl, "_BLOCK_BYTES", block_bytes)
    again, same = _read(tmp_path / "y", data)
    assert rows == again == [1, 2, 3, 5]
    assert lines.hashes == same.hashes
    assert [damage.line for damage in lines.damaged] == [damage.line for damage in same.damaged] == [4, 6]


UUIDS = [f"{number:08x}-0000-4000-8000-{number:012x}" for number in range(4)]


def _named(path: Path, *lines: bytes) -> tuple[int, JsonLines[Line]]:
    path.write_bytes(b"\n".join(lines) + b"\n")
    read = JsonLines(path, Line, uuid_of=attrgetter("uuid"))
    return len(list(read)), read


def test_records_with_a_uuid_are_named_by_it_whether_or_not_damage_is_beside_them(tmp_path: Path) -> None:
    records = [b'{"type":"user","uuid":"%s"}' % uuid.encode() for uuid in UUIDS]
    snapshots = [b'{"type":"file-history-snapshot","messageId":"%d"}' % number for number in range(2)]
    _, whole = _named(tmp_path / "x", *records, *snapshots)
    assert whole.hashes[:4] == UUIDS
    assert len(set(whole.hashes[4:])) == 2
    count, beside = _named(tmp_path / "y", *records[:2], b'{"type"', *records[2:], *snapshots)
    assert (count, beside.hashes, [damage.line for damage in beside.damaged]) == (6, whole.hashes, [3])


@pytest.mark.parametrize("name", ["ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8", "ä" * 18, "\\ud800", "", "z" * 36])
def test_what_is_no_uuid_never_becomes_a_name(tmp_path: Path, name: str) -> None:
    """Names are stored as they are, so a text in their place would not be searched for secrets."""
    _, lines = _named(tmp_path / "x", *(b'{"uuid":"%s"}' % one.encode() for one in (UUIDS[0], name, UUIDS[1])))
    assert [len(found) for found in lines.hashes] == [36, 16, 36]


def test_lines_are_counted_past_blank_ones_and_blocks_of_many_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK_BYTES", 128)
    record = b'{"uuid":"%s"}' % UUIDS[0].encode()
    count, lines = _named(tmp_path / "x", *[record, b""] * 20, b"noise", *[record] * 20, b"[1]", record)
    assert (count, [damage.line for damage in lines.damaged]) == (41, [41, 62])
