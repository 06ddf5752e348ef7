"""Snapshots of a worktree → what they show of the files that one session touched, in order of time.

A snapshot says the whole state: a file that it does not list is as in its commit. A text that redaction changed, one
that was not kept, and, where the snapshot left files out, one that is not listed, are unknown and compared with
nothing. A path that another session edited since the look before is marked: a difference there may be that agent's.

How it fits: `record.watch` takes the snapshots; `replay` compares the looks with the states that the transcript gives.
Looks go on for `AFTER` beyond a session's end, or until another session begins: what changes later is told by git.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from golddiff.git import GitRepository
from golddiff.types import Clean, Session, Snapshot

AFTER = timedelta(hours=24)
"""How long after a session's end a change of its files still counts as an answer to it: most work is committed within
a day, and from then on git tells."""


@dataclass(frozen=True, slots=True)
class Look:
    """A session's files at one moment."""

    at: datetime
    cause: str
    """As `Snapshot.cause`."""
    texts: Mapping[str, str | None]
    """Path → text, None where the file is absent; a path that is not here is not known."""
    others: frozenset[str] = field(default_factory=frozenset)
    """Paths that another session edited since the look before."""


Edits = Mapping[str, Sequence[tuple[datetime, str]]]
"""Path → when it was edited and by which session."""


class Looks:
    """The snapshots of one repository, asked session by session."""

    def __init__(self, git: GitRepository, snapshots: Iterable[Snapshot]) -> None:
        self._git = git
        self._snapshots = sorted(snapshots, key=lambda snapshot: snapshot.taken_at)
        self._committed: dict[tuple[str, str], str | None] = {}
        self._blobs: dict[str, dict[str, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._snapshots)

    def of(
        self, session: Session[Clean], paths: Sequence[str], edits: Edits, starts: Iterable[datetime]
    ) -> tuple[Look, ...]:
        """Looks at `paths` during a session and after it. `starts` is when the repository's sessions began."""
        if session.started_at is None or session.ended_at is None or not paths:
            return ()
        until = min((start for start in starts if start > session.ended_at), default=session.ended_at + AFTER)
        until = min(until, session.ended_at + AFTER)
        found: list[Look] = []
        since = session.started_at
        for snapshot in self._of_worktree(session.cwd):
            if not session.started_at <= snapshot.taken_at <= until:
                continue
            others = frozenset(
                path
                for path in paths
                if any(since < at <= snapshot.taken_at and who != session.id for at, who in edits.get(path, ()))
            )
            found.append(Look(snapshot.taken_at, snapshot.cause, self._texts(snapshot, paths), others))
            since = snapshot.taken_at
        return tuple(found)

    def heads(self, session: Session[Clean]) -> list[tuple[datetime, str]]:
        """Commits checked out where the session ran, from its start until `AFTER` its end, in order of time."""
        if session.started_at is None or session.ended_at is None:
            return []
        until = session.ended_at + AFTER
        return [
            (snapshot.taken_at, snapshot.head)
            for snapshot in self._of_worktree(session.cwd)
            if snapshot.head is not None and session.started_at <= snapshot.taken_at <= until
        ]

    def _of_worktree(self, cwd: str | None) -> list[Snapshot]:
        """Snapshots of the worktree that a session ran in; where that is not known, of the only one there is."""
        roots = {str(snapshot.root) for snapshot in self._snapshots}
        if cwd is None:
            return self._snapshots if len(roots) == 1 else []
        inside = [root for root in roots if f"{cwd}/".startswith(root.rstrip("/") + "/")]
        mine = max(inside, key=len, default=None)
        return [snapshot for snapshot in self._snapshots if snapshot.root == mine]

    def _texts(self, snapshot: Snapshot, paths: Sequence[str]) -> dict[str, str | None]:
        listed = {file.path: file for file in snapshot.files}
        texts: dict[str, str | None] = {}
        for path in paths:
            file = listed.get(path)
            if file is None:
                if not snapshot.left_out:
                    committed = self._at_commit(snapshot.head, path)
                    if committed is not _UNKNOWN:
                        texts[path] = committed
            elif file.unknown is None and not file.redacted:
                texts[path] = file.text
        return texts

    def _at_commit(self, head: str | None, path: str) -> str | None:
        """Text of a file in a commit, None where it has none; `_UNKNOWN` where the commit is not here or no text."""
        if head is None:
            return None
        if (head, path) not in self._committed:
            text: str | None = _UNKNOWN
            if head not in self._blobs:
                self._blobs[head] = self._git.tree(head) if self._git.resolve(head) else {"": ""}
            blobs = self._blobs[head]
            if "" not in blobs:
                data = self._git.blob(blobs[path]) if path in blobs else None
                text = None if path not in blobs else _UNKNOWN if data is None else _decoded(data)
            self._committed[head, path] = text
        return self._committed[head, path]


_UNKNOWN = "\0unknown"


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _UNKNOWN
