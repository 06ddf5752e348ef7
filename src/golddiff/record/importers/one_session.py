"""Files of JSON Lines that hold one session: every record in turn, then the session or why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from typing import Protocol, TypeVar

from golddiff.record.importers.contract import Reading, ReadSession
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import JsonLines
from golddiff.record.importers.replay import is_long, read_through
from golddiff.types import RawSession, new_id

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


def read_one(
    lines: JsonLines[LineT], reader_of: Callable[[EventLog], LineReader[LineT]], *, replays: bool = True
) -> Reading:
    """Read a file into at most one session; a long one is read again each time its events are gone through.

    `reader_of` returns the reader of one pass, which enters its events in the log that it is given. `replays` is false
    where a reader holds every record until the end anyway.
    """
    reader = reader_of(EventLog(""))

    def one_pass(log: EventLog) -> Generator[None, None, RawSession | None]:
        nonlocal reader
        reader = reader_of(log)
        for line in lines:
            reader.line(line)
            yield
        return reader.session(lines.hashes, lines.left_out()) if reader.speaks else None

    transcript = read_through(new_id("ses"), one_pass, long=replays and is_long([lines]))
    damaged = tuple(lines.damaged)
    if transcript is None:
        return Reading(damaged=damaged, skipped=dict(lines.skipped + reader.skipped + Counter({"no conversation": 1})))
    return Reading((ReadSession(transcript, reader.parent),), damaged)
