"""Files that are one JSON document, pretty-printed or not, whatever their name says.

A document is read at once, so it may not be larger than `MAX_LINE_BYTES` (what a line of JSON Lines may be). One that
is cut off or damaged gives nothing but the line of the damage: a document has no end of a record to go on from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from golddiff.record.importers.contract import Damage
from golddiff.record.importers.jsonl import BOM, MAX_LINE_BYTES, decode

DocumentT = TypeVar("DocumentT")

_CUT_FROM = 1_000_000
"""A line of a head that is as long was cut (`heads.Head` takes 1 MiB); no pretty-printed line is."""
_BYTE = re.compile(r"\(byte (\d+)\)")


def read_document(path: Path, decoder: msgspec.json.Decoder[DocumentT]) -> DocumentT | Damage | None:
    """Return the document, its damage, or None where it is empty or JSON of another shape. Raises `OSError`."""
    if path.stat().st_size >= MAX_LINE_BYTES:
        return Damage(path, 1, f"a document longer than {MAX_LINE_BYTES >> 20} MiB")
    text = path.read_bytes().removeprefix(BOM)
    if not text.strip():
        return None
    try:
        return decode(decoder, text)
    except msgspec.ValidationError:
        return None
    except msgspec.DecodeError as error:
        place = _BYTE.search(str(error))
        line = text.count(b"\n", 0, int(place[1]) if place else len(text.rstrip())) + 1
        return Damage(path, line, str(error) if place else "cut off: the document has no end")


def is_whole_record(text: bytes) -> bool:
    """Say whether a line is JSON by itself; the first line of a document over several lines is not."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return text.startswith((b"{", b"["))


def is_json_lines(head: Sequence[bytes]) -> bool:
    """Say whether a file with this head has a record per line; so has one whose first line the head cuts."""
    return bool(head) and (is_whole_record(head[0]) or (len(head) == 1 and len(head[0]) > _CUT_FROM))


def states(head: Sequence[bytes], *patterns: re.Pattern[bytes]) -> bool:
    """Say whether the head of a file that begins as JSON matches every pattern."""
    if not head or not head[0].startswith((b"{", b"[")):
        return False
    text = b"\n".join(head)
    return all(pattern.search(text) for pattern in patterns)


def key(name: str, value: str = "") -> re.Pattern[bytes]:
    """Pattern of a JSON key (not one inside a string), with the beginning of its value as a regular expression."""
    return re.compile(rb'(?<!\\)"' + name.encode() + rb'"\s*:\s*' + value.encode())
