"""The bytes of a segment: frames with a length and a CRC32C each, the first of them the header.

    frame = mark (4 bytes) · length of the payload (u32) · CRC32C (u32) · kind (u8) · payload
    segment = header frame · groups · end frame (only where the writer finished the segment)
    group   = a FIRST frame · NEXT frames, which need every frame of their group before them

Numbers are little-endian. The CRC covers kind and payload and begins with the segment's salt and the frame's own
offset, so that bytes of another segment or another place never pass as a record. The header names the format
version; a reader refuses a newer one.

How it fits: `segments` writes frames, `scan` finds them again; what calls they hold is `groups`' business. A frame
that does not check is torn where nothing valid follows, corrupt where something does; the mark lets a reader find
the next one even where a length is damaged.
"""

from __future__ import annotations

import struct

import msgspec

from golddiff.errors import InputError
from golddiff.record.spool.checksum import crc32c

FORMAT_VERSION = 2
"""1: each call has a frame of its own."""
MARK = b"\xf5GD\x1e"
FRAME_BYTES = 13
"""Bytes of a frame before its payload."""

HEADER, FIRST, NEXT, END = 1, 2, 3, 4
"""Kinds of frame."""

MAX_PAYLOAD_BYTES = 1 << 30
_HEAD = struct.Struct("<4sIIB")
_OFFSET = struct.Struct("<Q")


class Header(msgspec.Struct, frozen=True, array_like=True):
    """The first frame's payload."""

    version: int
    worker: str
    sequence: int
    """Of the worker's segments; names the order without a clock."""
    salt: int
    """Random, 32 bits: where the CRCs of the other frames begin."""
    window_bytes: int
    """How many bytes of request bodies of a group a reader keeps (`groups.Window`)."""
    suspect: str = ""
    """Name of the segment before, where syncing it failed: none of its records was acknowledged after that."""


def frame(kind: int, payload: bytes, salt: int, offset: int) -> bytes:
    """Return the frame of `payload` for its place in the segment."""
    return _HEAD.pack(MARK, len(payload), _check(kind, payload, salt, offset), kind) + payload


def header_frame(header: Header) -> bytes:
    """Return the first frame; its own CRC begins with no salt."""
    return frame(HEADER, msgspec.msgpack.encode(header), 0, 0)


def read_frame(data: bytes, at: int, salt: int, offset: int) -> tuple[int, bytes] | None:
    """Return (kind, payload) of the frame at `data[at:]`, which lies at `offset` of its segment.

    None: it does not check, or `data` ends before it does.
    """
    if len(data) - at < FRAME_BYTES:
        return None
    mark, length, crc, kind = _HEAD.unpack_from(data, at)
    payload = data[at + FRAME_BYTES : at + FRAME_BYTES + length]
    if mark != MARK or len(payload) != length or crc != _check(kind, payload, salt, offset):
        return None
    return kind, payload


def payload_length(head: bytes) -> int | None:
    """Return the length that a frame's first `FRAME_BYTES` bytes state; None where they are no frame's."""
    if len(head) < FRAME_BYTES or head[:4] != MARK:
        return None
    length = int(_HEAD.unpack_from(head)[1])
    return length if length <= MAX_PAYLOAD_BYTES else None


def read_header(payload: bytes, name: str) -> Header:
    """Decode the header of the segment called `name`.

    Raises InputError where it was written by a newer version.
    """
    try:
        header = msgspec.msgpack.decode(payload, type=Header)
    except msgspec.DecodeError:
        raise InputError(f"{name}: the header of this spool segment is not readable; move the file away") from None
    if header.version > FORMAT_VERSION:
        raise InputError(
            f"{name}: spool format {header.version}, this golddiff reads up to {FORMAT_VERSION}. Update golddiff."
        )
    return header


def _check(kind: int, payload: bytes, salt: int, offset: int) -> int:
    return crc32c(payload, crc32c(_OFFSET.pack(offset) + bytes([kind]), salt))
