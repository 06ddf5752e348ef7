"""JSON Lines read as a stream: what is damaged is reported, what is whole is named.

A record's name is the UUID that the client gave it where the format has them, else a hash (hashing all bytes costs more
than decoding them). Only whole records are named, so a file that is imported while its agent still writes, and again
later, is seen as having grown. Memory: one block, one record, no line longer than `MAX_LINE_BYTES`, and the names.

A file can be gone through again: what it gained since is left out then, and each record must bear the name that it had.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec

from golddiff.record.importers.contract import ChangedWhileRead, Damage

RecordT = TypeVar("RecordT")

MAX_LINE_BYTES = 256 << 20
"""A longer line is damage: no client writes one, and it would not fit in memory several times over."""

_BLOCK_BYTES = 1 << 19
BOM = b"\xef\xbb\xbf"
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_UUID_CHARS = 36
_HEX = b"0123456789abcdefABCDEF-"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""Nothing else may stand for a record: names of records are stored as they are, and not searched for secrets."""
_ENCODER = msgspec.json.Encoder()
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


class JsonLines(Generic[RecordT]):
    """The records of a file. After the first pass `hashes`, `damaged` and `skipped` say what was met."""

    def __init__(
        self, path: Path, record_type: type[RecordT], *, uuid_of: Callable[[RecordT], str | None] | None = None
    ) -> None:
        """`uuid_of` returns the UUID that the client gave to a record, where it gives them to most."""
        self.path = path
        self.hashes: list[str] = []
        """What tells every whole record from others, in file order: its UUID, else a BLAKE2b-64 (of the bytes; where
        records have UUIDs, of what is read of them)."""
        self.damaged: list[Damage] = []
        self.skipped: Counter[str] = Counter()
        self._record_type = record_type
        self._decoder = cast("msgspec.json.Decoder[RecordT]", _decoder(cast("Hashable", record_type)))
        self._uuid_of = uuid_of
        self._counted = (0, 1)
        """A place in the file, and the number of the line that begins there."""
        self._stop: int | None = None
        """Where the first pass ended."""

    def __iter__(self) -> Iterator[RecordT]:
        """Every whole record; a later pass raises `ChangedWhileRead` where it meets others than the first."""
        return chain.from_iterable(self._groups()) if self._stop is None else self._again(self._stop)

    def _groups(self, stop: int | None = None) -> Iterator[Iterable[RecordT]]:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._stop = os.fstat(descriptor).st_size if stop is None else stop
            for block in _blocks(descriptor, self._stop):
                records = self._at_once(block)
                yield self._one_by_one(block) if records is None else records
        finally:
            os.close(descriptor)

    def _again(self, stop: int) -> Iterator[RecordT]:
        """The same records, block by block compared with the first time by their names."""
        again = JsonLines(self.path, self._record_type, uuid_of=self._uuid_of)
        names, place, same = again.hashes, 0, True
        try:
            for group in again._groups(stop):
                yield from group
                same = names == self.hashes[place : place + len(names)]
                if not same:
                    break
                place += len(names)
                names.clear()
        except OSError as error:
            raise ChangedWhileRead(f"{self.path} is gone or cannot be read any more: {error}") from error
        if not same or place < len(self.hashes):
            raise ChangedWhileRead(f"{self.path} was changed while it was read; import it again.")

    def left_out(self) -> Counter[str]:
        """Records without an event of their own so far, by reason; damaged lines among them."""
        return self.skipped + Counter({"damaged line": len(self.damaged)})

    def _at_once(self, block: _Block) -> list[RecordT] | None:
        """Decode a block in one call and look at its names together; None where any of it is not as it should be.

        It saves a third of the time of line by line, most of all where lines are short.
        """
        text, stop = block.text, block.stop
        if self._uuid_of is None or stop >= MAX_LINE_BYTES:
            return None
        try:
            records = self._decoder.decode_lines(text if stop == len(text) else memoryview(text)[:stop])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        names = list(map(self._uuid_of, records))
        nameless = names.count(None)
        together = "".join(filter(None, names)).encode("utf-8", "replace")
        if together.translate(None, _HEX) or len(together) != _UUID_CHARS * (len(names) - nameless):
            return None
        self.hashes += (
            [name or _hash_of(record) for name, record in zip(names, records, strict=True)]
            if nameless
            else cast("list[str]", names)
        )
        return records

    def _one_by_one(self, block: _Block) -> Iterator[RecordT]:
        """Decode lines and say which are damaged."""
        decode_line, uuid_of, keep, limit = self._decoder.decode, self._uuid_of, self.hashes.append, MAX_LINE_BYTES
        whole, stop, offset = block
        start = len(BOM) if offset == 0 and whole.startswith(BOM) else 0
        while start < stop:
            end = whole.find(b"\n", start)
            if end < 0:
                end = stop
            text = whole[start:end]
            try:
                record = decode_line(text if len(text) < limit else b"")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                found = self._mend(text.strip(), offset + start, has_end=whole[end : end + 1] == b"\n")
            else:
                found = record
            if found is not None:
                uuid = uuid_of(found) if uuid_of is not None else None
                if uuid is not None and _UUID.fullmatch(uuid):
                    keep(uuid)
                else:
                    keep(record_hash(text.strip()) if uuid_of is None else _hash_of(found))
                yield found
            start = end + 1

    def _mend(self, text: bytes, offset: int, *, has_end: bool) -> RecordT | None:
        """Decode a line that is not as it should be, or say what is wrong with it."""
        if not text:
            return None
        if len(text) >= MAX_LINE_BYTES:
            self._damage(offset, f"longer than {MAX_LINE_BYTES >> 20} MiB")
            return None
        try:
            return decode(self._decoder, text)
        except msgspec.ValidationError:
            if text.startswith(b"{"):
                self.skipped["unexpected shape"] += 1
                self.hashes.append(record_hash(text))
            else:
                self._damage(offset, "not a JSON object")
        except msgspec.DecodeError as error:
            self._damage(offset, str(error) if has_end else "cut off: the last line has no end yet")
        return None

    def _damage(self, offset: int, reason: str) -> None:
        """Report the line that begins at `offset`. Lines are counted here only: it costs a third of reading them."""
        place, number = self._counted
        with self.path.open("rb", buffering=0) as stream:
            stream.seek(place)
            while place < offset and (piece := stream.read(min(_BLOCK_BYTES, offset - place))):
                number += piece.count(b"\n")
                place += len(piece)
        self._counted = (place, number)
        self.damaged.append(Damage(self.path, number, reason))


@lru_cache(64)
def _decoder(record_type: Any) -> msgspec.json.Decoder[Any]:
    """Made once: many files are read, as few types."""
    return msgspec.json.Decoder(record_type)


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


def _hash_of(record: object) -> str:
    return record_hash(_ENCODER.encode(record))


class _Block(NamedTuple):
    text: bytes
    stop: int
    """Its lines end before this byte."""
    offset: int
    """Where in the file they begin."""


def _blocks(descriptor: int, stop: int) -> Iterator[_Block]:
    """Yield the lines of a file up to `stop`, in blocks that the processor's cache holds until they are decoded.

    Memory is one block or one line; the rest of an overlong line is dropped.
    """
    place, size = 0, _BLOCK_BYTES
    while place < stop and (text := os.pread(descriptor, min(size, stop - place), place)):
        end = text.rfind(b"\n") + 1 if place + len(text) < stop else len(text)
        if end:
            yield _Block(text, end, place)
            place, size = place + end, _BLOCK_BYTES
        elif size < MAX_LINE_BYTES:
            size = min(2 * size, MAX_LINE_BYTES)
        else:
            yield _Block(text, len(text), place)
            place = _next_line(descriptor, place + len(text), stop)


def _next_line(descriptor: int, place: int, stop: int) -> int:
    """Where the first line begins after the line that `place` is in."""
    while place < stop and (text := os.pread(descriptor, min(_BLOCK_BYTES, stop - place), place)):
        end = text.find(b"\n") + 1
        place += end or len(text)
        if end:
            break
    return place
