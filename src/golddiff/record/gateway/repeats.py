"""A head that comes again byte for byte: what was parsed once need not be parsed for every request.

Clients repeat their heads; from one request of a connection to the next nothing but the digits of Content-Length
changes. The bytes before and behind those digits are kept of a head that the parser took, and a read that holds
exactly one request with the same bytes around its digits is that request: equal bytes mean what they meant before.
Everything else, down to a body that comes in two reads, goes through the parser, which sees whole messages only.

How it fits: `connection` asks before it parses a read that begins between two messages. Who may pass is asked anew for
every request.
"""

from __future__ import annotations

import re
from typing import Self

_LENGTH = re.compile(rb"\r\n[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[Ll][Ee][Nn][Gg][Tt][Hh]: *(\d+)(?=\r\n)")
_NAME = b"\r\ncontent-length"
_MOST_DIGITS = 12


class Repeat:
    """One head, but for the digits of its length."""

    __slots__ = ("_after", "_before")

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before = before
        self._after = after

    @classmethod
    def of(cls, data: bytes, body: bytes) -> Self | None:
        """Return what to look for again; None where `data` is not one head, its only length and that body."""
        end = data.find(b"\r\n\r\n") + 4
        found = list(_LENGTH.finditer(data, 0, end)) if end > 4 else []
        if len(found) != 1 or data[:end].lower().count(_NAME) != 1:
            return None
        if int(found[0][1]) != len(body) or data[end:] != body:
            return None
        return cls(data[: found[0].start(1)], data[found[0].end(1) : end])

    def body(self, data: bytes) -> bytes | None:
        """Return the body where `data` is exactly one request with this head, else None."""
        before = self._before
        if not data.startswith(before):
            return None
        at = len(before)
        end = data.find(b"\r", at, at + _MOST_DIGITS)
        digits = data[at:end]
        if not digits.isdigit() or not data.startswith(self._after, end):
            return None
        end += len(self._after)
        return data[end:] if len(data) - end == int(digits) else None
