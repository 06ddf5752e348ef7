"""JSON Lines read as a stream: what is damaged is reported, what is whole is named.

A record's name is the client's own id of it where the format has one, else a hash of its bytes (which costs as much as
decoding). Only whole records are named, so a file that is imported while its agent still writes, and again later, is
seen as having grown. Memory: one block, one record, and no line longer than `MAX_LINE_BYTES`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from golddiff.record.importers.contract import Damage

RecordT = TypeVar("RecordT")

MAX_LINE_BYTES = 256 << 20
"""A longer line is damage: no client writes one, and it would not fit in memory several times over."""

_HEAD_LINES = 48
_HEAD_BYTES = 1 << 20
_DOCUMENT_LINES = 2000
"""Of a document over several lines: its first lines hold little, and its telling keys may come late."""
_BLOCK_BYTES = 1 << 16
_LONG_LINE = 4096
_OPENING = 2
"""A first line as short as this (`{`, `[`, `[{`) opens a document over several lines."""
BOM = b"\xef\xbb\xbf"
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


def read_head(path: Path) -> list[bytes]:
    """Return the first lines of a file; the last may be cut. Empty where it is not JSON Lines at all.

    Raises `OSError` where the file cannot be read.
    """
    return list(head_lines(path))


def head_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of `read_head` one by one, reading no further than the caller asks for."""
    budget = _HEAD_BYTES
    found = 0
    with path.open("rb") as stream:
        lines = _HEAD_LINES
        while found < lines and budget > 0:
            line = stream.readline(budget)
            if not line:
                return
            budget -= len(line)
            text = (line if found else line.removeprefix(BOM)).strip()
            if not text:
                continue
            if not found and len(line) > _LONG_LINE and not text.startswith((b"{", b"[", b"\0")):
                return  # a long first line that is no record: another kind of file
            if not found and len(text) <= _OPENING:
                lines = _DOCUMENT_LINES
            found += 1
            yield text


class JsonLines(Generic[RecordT]):
    """One pass over a file. After it, `hashes`, `damaged` and `skipped` say what was met."""

    def __init__(
        self, path: Path, record_type: type[RecordT], *, name_of: Callable[[RecordT], str | None] | None = None
    ) -> None:
        """`name_of` returns the client's own id of a record, where it has one that no other record ever has."""
        self.path = path
        self.hashes: list[str] = []
        """What tells every whole record from others, in file order: the client's id of it, else its BLAKE2b-64."""
        self.damaged: list[Damage] = []
        self.skipped: Counter[str] = Counter()
        self._decoder = msgspec.json.Decoder(record_type)
        self._name_of = name_of or _nameless

    def __iter__(self) -> Iterator[RecordT]:
        decode_line, name_of, keep, limit = self._decoder.decode, self._name_of, self.hashes.append, MAX_LINE_BYTES
        number = 0
        with self.path.open("rb", buffering=0) as stream:
            for block, start, stop, complete in _blocks(stream):
                find = block.find
                while start < stop:
                    end = find(b"\n", start)
                    if end < 0:
                        end = stop
                    text = block[start:end]
                    start = end + 1
                    number += 1
                    try:
                        record = decode_line(text if len(text) < limit else b"")
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                        found = self._mend(text.strip(), number, complete)
                        if found is None:
                            continue
                        record = found
                    keep(name_of(record) or record_hash(text.strip()))
                    yield record

    def _mend(self, text: bytes, number: int, complete: bool) -> RecordT | None:
        """Decode a line that is not as it should be, or say what is wrong with it."""
        if not text:
            return None
        if len(text) >= MAX_LINE_BYTES:
            self._damage(number, f"longer than {MAX_LINE_BYTES >> 20} MiB")
            return None
        try:
            return decode(self._decoder, text)
        except msgspec.ValidationError:
            if text.startswith(b"{"):
                self.skipped["unexpected shape"] += 1
                self.hashes.append(record_hash(text))
            else:
                self._damage(number, "not a JSON object")
        except msgspec.DecodeError as error:
            self._damage(number, str(error) if complete else "cut off: the last line has no end yet")
        return None

    def _damage(self, number: int, reason: str) -> None:
        self.damaged.append(Damage(self.path, number, reason))


def decode(decoder: msgspec.json.Decoder[RecordT], text: bytes | msgspec.Raw) -> RecordT:
    r"""Decode one record.

    Bytes that are no UTF-8 and half a surrogate pair (`\ud83d` of an emoji that was cut) become U+FFFD.

    Raises:
        msgspec.ValidationError: JSON, but of another shape.
        msgspec.DecodeError: not JSON, or nested without end.
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except RecursionError:
        raise msgspec.DecodeError("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        whole = bytes(text)
        repaired = whole.decode("utf-8", "replace").encode()
        repaired = _LONE_SURROGATE.sub(lambda match: match[1] + (match[2] or b"\\ufffd"), repaired)
        if repaired == whole:
            raise msgspec.DecodeError(str(error)) from None
        try:
            return decoder.decode(repaired)
        except RecursionError:
            raise msgspec.DecodeError("nested too deeply") from None


def printable_type(name: object) -> str:
    """Return a record's type where it is a plain name: a count's key must not carry text from a transcript."""
    return name if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) else "other"


def record_hash(record: bytes | msgspec.Raw) -> str:
    """BLAKE2b-64 of one record's bytes."""
    return blake2b(bytes(record), digest_size=8).hexdigest()


def _nameless(_record: object) -> None:
    """The name of a record whose client gives it none."""


def _blocks(stream: FileIO) -> Iterator[tuple[bytes, int, int, bool]]:
    """Yield bytes, from where to where they hold lines, and whether the last of these has its end.

    Blocks are small enough to stay in the processor's cache until their lines are decoded. Memory is one block and one
    line; the rest of an overlong line is dropped.
    """
    if stream.read(len(BOM)) != BOM:
        stream.seek(0)
    pieces, held = list[bytes](), 0
    while block := stream.read(_BLOCK_BYTES):
        stop = block.rfind(b"\n") + 1
        if not stop:
            if held < MAX_LINE_BYTES:
                pieces.append(block)
                held += len(block)
            continue
        start = 0
        if pieces:
            start = block.find(b"\n") + 1
            first = b"".join([*pieces, block[:start]])
            yield first, 0, len(first), True
        yield block, start, stop, True
        pieces, held = ([block[stop:]] if stop < len(block) else []), len(block) - stop
    if pieces:
        last = b"".join(pieces)
        yield last, 0, len(last), False
