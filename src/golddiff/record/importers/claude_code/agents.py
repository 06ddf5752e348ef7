"""Sub-agents of Claude Code that have files of their own: `<session>.jsonl` and `<session>/subagents/agent-<id>.jsonl`.

Their records belong to the session that started them, so they are read with its file. Here files are found by their
place, because the records alone do not say which file their session is in. A sub-agent's file whose session is not
beside it (older builds put both into one folder) is a session of its own with a parent.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from golddiff.record.importers.claude_code.records import Line
from golddiff.record.importers.timestamps import moment

EntryT = TypeVar("EntryT")

_PREFIX = "agent-"
_FOLDER = "subagents"
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


def agent_of(path: Path) -> str | None:
    """Id of the sub-agent whose own file this is, by its place; None for other files."""
    if path.parent.name == _FOLDER and path.stem.startswith(_PREFIX):
        return path.stem.removeprefix(_PREFIX)
    return None


def session_file(path: Path) -> Path | None:
    """The file of the session that a sub-agent's file belongs to, where it exists."""
    folder = path.parent.parent
    main = folder.parent / f"{folder.name}.jsonl"
    return main if agent_of(path) is not None and main.is_file() else None


def agent_files(path: Path) -> list[Path]:
    """The files of a session's sub-agents, in order of name."""
    return sorted((path.parent / path.stem / _FOLDER).glob(f"{_PREFIX}*.jsonl")) if path.suffix == ".jsonl" else []


def has_own_file(path: Path, session: str | None, agent: str) -> bool:
    """Say whether a sub-agent of the session in `path` has a file of its own."""
    if not (_FILE_NAME.fullmatch(agent) and _FILE_NAME.fullmatch(session or "")):
        return False
    name = f"{_PREFIX}{agent}.jsonl"
    places = (path.parent, path.parent / path.stem / _FOLDER, path.parent / str(session) / _FOLDER)
    return any((place / name).exists() for place in places)


def merge_by_time(files: Sequence[Iterable[tuple[Line, EntryT]]]) -> Iterator[tuple[Line, EntryT]]:
    """Merge the records of several files; the order inside each is kept, also where its times are not in order."""
    if len(files) == 1:
        return iter(files[0])
    return (entry for _, entry in heapq.merge(*map(_timed, files), key=lambda pair: pair[0]))


def _timed(entries: Iterable[tuple[Line, EntryT]]) -> Iterator[tuple[datetime, tuple[Line, EntryT]]]:
    latest = _EARLIEST
    for entry in entries:
        latest = max(latest, moment(entry[0].timestamp) or latest)
        yield latest, entry
