"""What plumbing prints, parsed: commit objects, and `diff-tree --raw -p -U0`.

Lines are counted by their hunk headers, so a line that looks like a header is a line. Text is UTF-8 as transcripts and
records hold it (what is not UTF-8 becomes U+FFFD); quoted paths are unquoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import IO, NamedTuple

OBJECT_ID = re.compile(rb"[0-9a-f]{40,64}")
"""SHA-1 or SHA-256 in full."""
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """What a commit object says about itself. Names and addresses of people are not read."""

    sha: str
    parents: tuple[str, ...]
    authored_at: datetime
    committed_at: datetime
    message: str

    @property
    def subject(self) -> str:
        """First line of the message."""
        return self.message.split("\n", 1)[0].strip()

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        """`Key: value` lines of the last paragraph (a quoted trailer further up is not one)."""
        paragraphs = [part for part in re.split(r"\n[ \t]*\n", self.message.strip()) if part.strip()]
        if len(paragraphs) < 2:
            return ()
        found = (re.match(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.+)", line) for line in paragraphs[-1].splitlines())
        return tuple((match[1], match[2].strip()) for match in found if match)


class Hunk(NamedTuple):
    """Lines replaced in one place, without context. Starts count from 1, in the old and new file."""

    old_start: int
    new_start: int
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(slots=True)
class FileChange:
    """One file of a commit compared with its first parent. Binary files have no hunks."""

    status: str
    """`A`, `M`, `D`, `R` or `T`."""
    path: str
    old_path: str
    mode: str
    """Octal mode after the change; 120000 is a symbolic link, 160000 a submodule."""
    old_blob: str
    new_blob: str
    hunks: list[Hunk] = field(default_factory=list)


def text_of(data: bytes) -> str:
    """UTF-8 as transcripts and records hold it: what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def _moment(signature: bytes) -> datetime:
    """Time in `name <mail> seconds zone`; the epoch where it is unreadable or out of range."""
    try:
        return datetime.fromtimestamp(int(signature.rsplit(b" ", 2)[1]), UTC)
    except (IndexError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def parse_commit(sha: str, data: bytes) -> CommitFacts:
    head, _, message = data.partition(b"\n\n")
    parents: list[str] = []
    author = committer = b""
    encoding = "utf-8"
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"parent":
            parents.append(text_of(value))
        elif key == b"author":
            author = value
        elif key == b"committer":
            committer = value
        elif key == b"encoding":
            encoding = text_of(value)
    try:
        text = message.decode(encoding, "replace")
    except (LookupError, ValueError):  # no such encoding, or one that is not for text (`idna`, `undefined`)
        text = text_of(message)
    return CommitFacts(sha, tuple(parents), _moment(author), _moment(committer), text)


_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def path_text(path: bytes) -> str:
    """A path as git quotes it (C-style), decoded."""
    if not (path.startswith(b'"') and path.endswith(b'"')):
        return text_of(path)

    def plain(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8)]) if code[:1].isdigit() else _ESCAPES.get(code, code)

    return text_of(re.sub(rb"\\([0-7]{3}|.)", plain, path[1:-1]))


def _parse_raw(line: bytes) -> FileChange:
    meta, _, paths = line.partition(b"\t")
    _, mode, old_blob, new_blob, status = meta[1:].split(b" ")
    first, _, second = paths.partition(b"\t")
    old_path = path_text(first)
    new_path = path_text(second) if second else old_path
    return FileChange(text_of(status[:1]), new_path, old_path, text_of(mode), text_of(old_blob), text_of(new_blob))


def parse_diff(stream: IO[bytes]) -> Iterator[tuple[str, tuple[FileChange, ...], bool]]:
    """Parse `diff-tree --raw -p -U0`; yields (sha, changes, whether a later commit was seen)."""
    sha: str | None = None
    files: list[FileChange] = []
    by_path: dict[str, FileChange] = {}
    current: FileChange | None = None
    old_name = b""
    hunk = _HUNK.match
    for line in stream:
        first = line[:1]
        if first == b"@":
            match = hunk(line)
            if match is None or current is None:
                continue
            old_at, old, new_at, new = match.groups()
            gone, came = int(old) if old else 1, int(new) if new else 1
            bodies = list(islice(stream, gone + came))
            if bodies[-1][:1] == b"\\" or (came and gone < len(bodies) and bodies[gone][:1] == b"\\"):
                # "\ No newline at end of file" is no line
                bodies = [body for body in bodies if body[:1] != b"\\"]
                bodies += islice(stream, gone + came - len(bodies))
            # Decoded in one piece: what is not UTF-8 never swallows a line end.
            lines = tuple([body[1:] for body in b"".join(bodies).decode("utf-8", "replace").split("\n")])
            current.hunks.append(Hunk(int(old_at), int(new_at), lines[:gone], lines[gone:-1]))
        elif first == b":":
            change = _parse_raw(line.removesuffix(b"\n"))
            files.append(change)
            by_path[change.path] = change
        elif first == b"d" and line.startswith(b"diff --git "):
            current = None
        elif first == b"-" and current is None and line.startswith(b"--- "):
            old_name = line[4:].removesuffix(b"\n").removesuffix(b"\t")
        elif first == b"+" and current is None and line.startswith(b"+++ "):
            name = line[4:].removesuffix(b"\n").removesuffix(b"\t")
            name = old_name if name == b"/dev/null" else name
            current = by_path.get(path_text(name)[2:])
        elif OBJECT_ID.fullmatch(line, 0, len(line) - 1):
            if sha is not None:
                yield sha, tuple(files), True
            sha, files, by_path, current = text_of(line.removesuffix(b"\n")), [], {}, None
    if sha is not None:
        yield sha, tuple(files), False
