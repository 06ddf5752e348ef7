"""Bring transcripts into the store: find files, read, redact, store, one transaction per file.

What has been stored stays stored, so an import that is stopped (Ctrl-C, power, a full disk) is continued by running
it again; what is already there is recognised and makes no new rows. One file is in memory at a time. Files are read
in one process: reading, redacting and storing cost about a third each (bench/import_), and the store has one writer.

A path that is itself a git repository is also asked for what tools keep inside it: authorship notes, checkpoints.

Not covered: files of clients without an importer; they are counted as "not a known format".
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from golddiff.errors import InputError, RightsError
from golddiff.git import GitRepository
from golddiff.record.importers import IMPORTERS, Damage, Reading, ReadSession, importer_for, repository_importers
from golddiff.record.importers.contract import ChangedWhileRead
from golddiff.record.importers.replay import ReplayedEvents
from golddiff.rights.redact import redact_attribution, redact_transcript
from golddiff.store import ImportChange, Store
from golddiff.store.repositories import remember_repository
from golddiff.types import Session, derive_id

Progress = Callable[[Path, int, int], None]
"""Called after each file with its path, the bytes done so far and the bytes in all."""

REDACTION_FAILED = "redaction failed"
"""Begins the reason of a file that was left out because it could not be redacted."""

_COPIERS = frozenset({"chat-jsonl", "git-ai", "otel", "specstory"})
"""Sources that render transcripts which their clients keep as well."""

_NEVER_ENTERED = frozenset({".git", ".golddiff", ".hg", ".venv", "__pycache__", "node_modules"})


@dataclass
class ImportSummary:
    """What an import did."""

    sessions: dict[str, int] = field(default_factory=lambda: {change.value: 0 for change in ImportChange})
    """Transcripts by what they meant for the store: new, same, grew, older, diverged."""
    events: Counter[str] = field(default_factory=Counter)
    """Events of the sessions that were written, by kind."""
    attributions: Counter[str] = field(default_factory=Counter)
    """Claims about lines of commits, by source."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Files and records that were left out, by reason."""
    damaged: list[Damage] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Files that could not be imported, with the reason; they are counted in `skipped` too."""
    session_ids: list[str] = field(default_factory=list)
    """Our ids of every session met, in order and once each."""

    def add(self, other: ImportSummary) -> None:
        """Add another summary to this one."""
        for change, count in other.sessions.items():
            self.sessions[change] += count
        self.events.update(other.events)
        self.attributions.update(other.attributions)
        self.skipped.update(other.skipped)
        self.damaged += other.damaged
        self.failed |= other.failed
        self.session_ids = list(dict.fromkeys((*self.session_ids, *other.session_ids)))


def import_paths(
    store: Store,
    paths: Iterable[str | Path],
    *,
    subject: str | None = None,
    progress: Progress | None = None,
) -> ImportSummary:
    """Import every transcript under `paths`: files, folders and globs; `~` is expanded.

    `subject` is the opaque id of the person whose sessions these are. A file that cannot be read or redacted is
    left out and reported in `failed`; the others are imported.

    Raises:
        InputError: a path does not exist, or nothing under the paths is a transcript that golddiff knows.
        WorkspaceError: the store refused; everything before this file is kept.
    """
    given = [str(path) for path in paths]
    run = _Run(store, subject)
    files = list(transcript_files(given))
    total = sum(size for _, size in files)
    done = 0
    for path, size in files:
        run.take(path)
        done += size
        if progress is not None:
            progress(path, done, total)
    for path in run.orphans:
        run.take(path, last_call=True)
    for root in given:
        run.take_repository(Path(root))
    if not run.summary.session_ids and not run.summary.attributions and not run.summary.failed:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in run.summary.skipped.most_common())
        raise InputError(
            f"no transcript that golddiff knows in {', '.join(given)} "
            f"({len(files)} file(s) looked at{': ' if reasons else ''}{reasons}). "
            f"It reads {', '.join(IMPORTERS)}; Claude Code keeps its own in ~/.claude/projects, "
            "Codex in ~/.codex/sessions, Copilot CLI in ~/.copilot/session-state, "
            "Gemini CLI in ~/.gemini/tmp: try `golddiff import ~/.claude/projects`."
        )
    return run.summary


def import_reading(store: Store, place: Path, reading: Reading, *, subject: str | None = None) -> ImportSummary:
    """Redact and store what was read elsewhere, in one transaction; `place` names it in messages.

    Raises WorkspaceError where the store refuses.
    """
    run = _Run(store, subject)
    run.keep(place, reading)
    return run.summary


def transcript_files(paths: Iterable[str]) -> Iterator[tuple[Path, int]]:
    """Yield every file under `paths` with its size in bytes, each once, in order of name.

    Raises InputError where a path or glob matches nothing.
    """
    seen: set[tuple[int, int]] = set()
    for given in paths:
        try:
            expanded = Path(given).expanduser()
        except RuntimeError as error:
            raise InputError(f"{given} names the home of a user that this machine does not know.") from error
        roots = [expanded]
        if not expanded.exists():
            roots = [Path(match) for match in sorted(glob.glob(str(expanded), recursive=True))]
            if not roots:
                raise InputError(
                    f"{given} does not exist and matches no file. Give files, folders or globs, "
                    "for example: golddiff import ~/.claude/projects"
                )
        for root in roots:
            if repository_at(root) is not None and not (root / ".git").exists():
                continue  # a bare repository holds objects, not files
            for path in _below(root) if root.is_dir() else [root]:
                try:
                    status = path.stat()
                except OSError:
                    continue  # gone since it was listed, or a link to nowhere
                key = (status.st_dev, status.st_ino)
                if key not in seen and path.is_file():
                    seen.add(key)
                    yield path, status.st_size


def repository_at(path: Path) -> GitRepository | None:
    """Return the repository whose worktree or bare folder is `path` itself; None for a folder inside one."""
    try:
        git = GitRepository.open(path)
        here = path.expanduser().resolve()
    except (InputError, OSError, RuntimeError):
        return None
    return git if here in (git.top, git.git_dir.resolve()) else None


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NEVER_ENTERED)
        for name in sorted(names):
            yield Path(parent) / name


class _Run:
    """One import: what it has done, and the sub-agent files that wait for their parents."""

    def __init__(self, store: Store, subject: str | None) -> None:
        self._store = store
        self._subject = subject
        self._events_of: dict[str, Counter[str]] = {}
        self._skipped_of: dict[str, Counter[str]] = {}
        self._skipped: Counter[str] = Counter()
        self._repositories: dict[Path, str | None] = {}
        """Repository by folder of files with claims."""
        self._summary = ImportSummary()
        self.orphans: list[Path] = []

    @property
    def summary(self) -> ImportSummary:
        """The state so far; a session that was met several times is counted as it was met last."""
        summary = self._summary
        summary.events = sum(self._events_of.values(), Counter())
        summary.skipped = sum(self._skipped_of.values(), Counter(self._skipped))
        summary.session_ids = list(self._skipped_of)
        return summary

    def take(self, path: Path, *, last_call: bool = False) -> None:
        """Import one file. A sub-agent whose parent is not in the store yet waits, unless this is the `last_call`."""
        try:
            importer = importer_for(path)
            if importer is None:
                self._skipped["not a known format" if path.stat().st_size else "empty file"] += 1
                return
            reading = importer.read(path)
        except OSError as error:
            self._fail(path, "cannot be read", error.strerror or str(error))
            return
        parents = [self._parent_id(session) for session in reading.sessions]
        if not last_call and any(
            session.parent_provider_id is not None and parent is None
            for session, parent in zip(reading.sessions, parents, strict=True)
        ):
            self.orphans.append(path)
            return
        if reading.attributions and path.parent not in self._repositories:
            self._repositories[path.parent] = self._repository_of(path.parent)
        self.keep(path, reading, self._repositories.get(path.parent))

    def take_repository(self, path: Path) -> None:
        """Import what tools keep inside the git repository at `path`; nothing where there is none."""
        git = repository_at(path)
        if git is None:
            return
        with git:
            repository: str | None = None
            for importer in repository_importers():
                for reading in importer.read(git):
                    if repository is None and reading.attributions:
                        repository = remember_repository(self._store, git).id
                    self.keep(path, reading, repository)

    def _repository_of(self, folder: Path) -> str | None:
        """Our id of the repository that a file with claims lies in."""
        try:
            with GitRepository.open(folder) as git:
                return remember_repository(self._store, git).id
        except InputError:
            return None

    def keep(self, path: Path, reading: Reading, repository: str | None = None) -> None:
        """Store one reading as a whole."""
        parents = [self._parent_id(read) for read in reading.sessions]
        self._summary.damaged += reading.damaged
        self._skipped.update(reading.skipped)
        try:
            with self._store.transaction():
                for session, parent in zip(reading.sessions, parents, strict=True):
                    self._add(session, parent)
                for claim in reading.attributions:
                    own_id = derive_id("att", claim.source, repository, claim.revision, claim.claim)
                    named = msgspec.structs.replace(claim, id=own_id, repository_id=repository)
                    self._store.put(redact_attribution(named))
            self._summary.attributions.update(claim.source for claim in reading.attributions)
        except RightsError as error:
            self._fail(path, REDACTION_FAILED, str(error))
        except ChangedWhileRead as error:
            self._fail(path, "changed while it was read", str(error))

    def _add(self, read: ReadSession, parent: str | None) -> None:
        if read.copy and self._has_own(read.transcript.session):
            self._skipped["a copy of a session that is here from its own client"] += 1
            return
        header = msgspec.structs.replace(read.transcript.session, parent_id=parent, subject=self._subject)
        redacted = redact_transcript(msgspec.structs.replace(read.transcript, session=header))
        change, session_id = self._store.add_transcript(redacted)
        self._summary.sessions[change.value] += 1
        self._skipped_of[session_id] = Counter(header.skipped)
        if change in (ImportChange.NEW, ImportChange.GREW, ImportChange.DIVERGED):
            events = read.transcript.events
            kinds = events.kinds if isinstance(events, ReplayedEvents) else Counter(event.kind for event in events)
            self._events_of[session_id] = Counter({kind.value: count for kind, count in kinds.items()})
        elif parent is not None:
            self._adopt(session_id, parent)

    def _adopt(self, session_id: str, parent: str) -> None:
        """A sub-agent that was imported before its parent gets it now."""
        stored = self._store.get(Session, session_id)
        if stored.parent_id is None:
            self._store.put(msgspec.structs.replace(stored, parent_id=parent))

    def _parent_id(self, read: ReadSession) -> str | None:
        if read.parent_provider_id is None:
            return None
        source = read.transcript.session.source
        for session in self._store.sessions(source=source, provider_session_id=read.parent_provider_id):
            return session.id
        return None

    def _has_own(self, session: Session[str]) -> bool:
        """Whether the store holds the same session as its own client wrote it."""
        if session.provider_session_id is None:
            return False
        same = self._store.sessions(provider_session_id=session.provider_session_id)
        return any(stored.source not in _COPIERS for stored in same)

    def _fail(self, path: Path, reason: str, detail: str) -> None:
        self._summary.failed[str(path)] = f"{reason}: {detail}"
        self._skipped[reason] += 1
