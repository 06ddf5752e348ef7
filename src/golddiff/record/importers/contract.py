"""What every importer promises, and what it hands back.

An importer never raises on the content of a file: damaged lines, unknown records and strange shapes become counts.
It raises `OSError` where the file cannot be read at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from golddiff.types import RawSession


@dataclass(frozen=True)
class Damage:
    """A line that is not a whole JSON record."""

    path: Path
    line: int
    """From 1."""
    reason: str


@dataclass(frozen=True)
class ReadSession:
    """One session as an importer read it: unredacted, for memory only."""

    transcript: RawSession
    parent_provider_id: str | None = None
    """The client's id of the session that started this one as a sub-agent; `ingest` turns it into our own id."""


@dataclass(frozen=True)
class Reading:
    """Everything that came out of one file."""

    sessions: tuple[ReadSession, ...] = ()
    damaged: tuple[Damage, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    """Records that belong to no session of this file, by reason. The others are counted in `Session.skipped`."""


class Importer(Protocol):
    """Reads one client's transcripts. Implementations hold no state between files."""

    name: str
    """`Session.source` of what it reads."""

    def sniff(self, head: Sequence[bytes]) -> bool:
        """Say whether these first whole lines of a file are this format. Must not raise."""
        ...

    def read(self, path: Path) -> Reading:
        """Read one file. Raises `OSError` only."""
        ...
