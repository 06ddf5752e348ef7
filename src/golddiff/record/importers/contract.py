"""What every importer promises, and what it hands back.

Most read files; what tools keep inside a git repository (notes, checkpoint branches) is read by `RepositoryImporter`s.

An importer never raises on the content of a file: damaged lines, unknown records and strange shapes become counts.
It raises `OSError` where the file cannot be read at all. The events of a long session are made from its file again each
time they are gone through (`replay`), which raises `ChangedWhileRead` where the file is not the same any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from golddiff.git import GitRepository
from golddiff.types import Attribution, RawSession


class ChangedWhileRead(OSError):
    """A long file was not the same any more when its events were made from it again: nothing of it is stored."""


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
    copy: bool = False
    """Another tool's rendering of a client's transcript: not stored where the client's own is in the store."""


@dataclass(frozen=True)
class Reading:
    """Everything that came out of one file."""

    sessions: tuple[ReadSession, ...] = ()
    damaged: tuple[Damage, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    """Records that belong to no session of this file, by reason. The others are counted in `Session.skipped`."""
    attributions: tuple[Attribution[str], ...] = ()
    """Claims about who wrote lines: unredacted, and without id; `ingest` gives them one."""


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


class RepositoryImporter(Protocol):
    """Reads what one tool keeps in a git repository. Implementations hold no state between repositories."""

    name: str
    """`source` of what it reads."""

    def read(self, git: GitRepository) -> Iterator[Reading]:
        """Yield what is there, each `Reading` to be stored as a whole; nothing where the tool was never used.

        Raises `InputError` where the repository is damaged.
        """
        ...
