"""Files of JSON Lines that hold one session: every record in turn, then the session or why there is none."""

from __future__ import annotations

from collections import Counter
from typing import Protocol, TypeVar

from golddiff.record.importers.contract import Reading, ReadSession
from golddiff.record.importers.jsonl import JsonLines
from golddiff.types import RawSession

LineT = TypeVar("LineT")
LineT_contra = TypeVar("LineT_contra", contravariant=True)


class LineReader(Protocol[LineT_contra]):
    """State of one pass over one file."""

    skipped: Counter[str]
    speaks: bool
    """Someone said something; a file in which nobody does is no session."""
    parent: str | None
    """The client's id of the session that started this one."""

    def line(self, line: LineT_contra) -> None:
        """Take in one record."""
        ...

    def session(self, hashes: list[str], skipped: Counter[str]) -> RawSession:
        """Close the log and put the header on it."""
        ...


def read_one(lines: JsonLines[LineT], reader: LineReader[LineT]) -> Reading:
    """Read a file into at most one session."""
    for line in lines:
        reader.line(line)
    damaged = tuple(lines.damaged)
    if not reader.speaks:
        return Reading(damaged=damaged, skipped=dict(lines.skipped + reader.skipped + Counter({"no conversation": 1})))
    transcript = reader.session(lines.hashes, lines.left_out())
    return Reading((ReadSession(transcript, reader.parent),), damaged)
