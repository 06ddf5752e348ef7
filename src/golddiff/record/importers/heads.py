"""The first lines of a file, by which its format is told; lines are read as they are asked for.

Most formats show in their first lines, and most files are asked after only to be read whole right afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, overload

import msgspec

from golddiff.record.importers.jsonl import BOM, decode

RecordT = TypeVar("RecordT")

_HEAD_LINES = 48
_HEAD_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 14
"""Read first; twice as much each time after."""
_DOCUMENT_LINES = 2000
"""Of a document over several lines: its first lines hold little, and its telling keys may come late."""
_LONG_LINE = 4096
_OPENING = 2
"""A first line as short as this (`{`, `[`, `[{`) opens a document over several lines."""


class Head(Sequence[bytes]):
    """The lines that are not blank, stripped; the last may be cut. Empty where the file has no lines of text."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError` where the file cannot be read."""
        self._coming = _head_lines(path)
        self._lines = [line for line in (next(self._coming, None),) if line is not None]

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __len__(self) -> int:
        self._lines += self._coming
        return len(self._lines)

    def __iter__(self) -> Iterator[bytes]:
        lines = self._lines
        yield from lines
        for line in self._coming:
            lines.append(line)
            yield line

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        last = index if isinstance(index, int) else index.stop
        if last is None or last < 0:
            self._lines += self._coming
        else:
            while len(self._lines) <= last and (line := next(self._coming, None)) is not None:
                self._lines.append(line)
        return self._lines[index]


def head_records(head: Iterable[bytes], decoder: msgspec.json.Decoder[RecordT]) -> Iterator[RecordT]:
    """Yield what the lines of a head decode to; other lines are passed over."""
    for text in head:
        try:
            yield decode(decoder, text)
        except msgspec.DecodeError:
            continue


def first_record(
    head: Iterable[bytes], decoder: msgspec.json.Decoder[RecordT], test: Callable[[RecordT], bool]
) -> RecordT | None:
    """Return the first record of a head that passes a test."""
    return next(filter(test, head_records(head, decoder)), None)


def _head_lines(path: Path) -> Iterator[bytes]:
    found, lines = 0, _HEAD_LINES
    for line in _lines(path, _HEAD_BYTES):
        text = (line if found else line.removeprefix(BOM)).strip()
        if not text:
            continue
        if not found and len(line) > _LONG_LINE and not text.startswith((b"{", b"[", b"\0")):
            return  # a long first line that is no record: another kind of file
        if not found and len(text) <= _OPENING:
            lines = _DOCUMENT_LINES
        found += 1
        yield text
        if found == lines:
            return


def _lines(path: Path, budget: int) -> Iterator[bytes]:
    """Yield the lines in the first `budget` bytes of a file; the last may be cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        held, start, size = b"", 0, _CHUNK_BYTES
        while piece := os.read(descriptor, min(size, budget)):
            budget -= len(piece)
            size *= 2
            held, start = held[start:] + piece, 0
            while end := held.find(b"\n", start) + 1:
                yield held[start:end]
                start = end
        if start < len(held):
            yield held[start:]
    finally:
        os.close(descriptor)
