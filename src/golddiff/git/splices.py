"""Which lines of which file each commit replaced: ranges and raw bytes, as cheaply as git gives them.

Following every line through a history needs the ranges of every hunk and the sizes of added lines, not the text of
both sides as strings. So here nothing is decoded, paths stay as git quotes them (`path_text` decodes one), and a
commit's files come as they are printed by one `diff-tree` process that runs beside us.

A merge is described against all its parents at once (`diff-tree -c`): only files that differ from every parent are
in it, and every line says which of the parents had it. What a merge took from one parent whole is in `against_first`.

How it fits: `outcomes.survival` reads these; the safe way of calling git is `GitRepository`'s. Raises InputError where
git stops, as it does where objects are missing (partial clones): `unreadable_paths` then names the files to leave out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, NamedTuple

from golddiff.errors import InputError
from golddiff.git.parsing import OBJECT_ID, path_text
from golddiff.git.repository import GitRepository

_RAW = ("diff-tree", "--stdin", "-r", "--root", "--raw", "--always", "--no-abbrev", "--no-color")
_PATCH = ("-p", "-U0", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_COMBINED = re.compile(rb"@@@+((?: -\d+(?:,\d+)?)+) \+(\d+)(?:,(\d+))? @@@+")


class LoggedCommit(NamedTuple):
    """A commit as the walk over history prints it."""

    sha: str
    parents: tuple[str, ...]
    committed_at: int
    """Seconds since the epoch, committer date."""


class Splice(NamedTuple):
    """Lines `old_from:old_to` of the old file became `new_from:new_to` of the new one; from 0, ends excluded."""

    old_from: int
    old_to: int
    new_from: int
    new_to: int
    removed: list[bytes]
    """The lines without their sign, with their line ends."""
    added: list[bytes]


@dataclass(slots=True)
class FileSplices:
    """One file of a commit against one parent."""

    status: str
    """`A`, `M`, `D`, `R`, `C` or `T`."""
    old_path: bytes
    """As git quotes it."""
    path: bytes
    old_mode: bytes
    mode: bytes
    old_blob: bytes
    blob: bytes
    splices: list[Splice] = field(default_factory=list)
    binary: bool = False
    """Git would not compare it line by line."""

    @property
    def was_file(self) -> bool:
        """Whether the old side is a regular file (not absent, a link or a submodule)."""
        return self.old_mode.startswith(b"100")

    @property
    def is_file(self) -> bool:
        """Whether the new side is a regular file."""
        return self.mode.startswith(b"100")


@dataclass(slots=True)
class MergedFile:
    """One file of a merge that differs from every parent."""

    path: bytes
    parent_blobs: tuple[bytes, ...]
    """Zeros where that parent has no file of this name."""
    mode: bytes
    blob: bytes
    hunks: list[tuple[int, list[tuple[int, bytes]]]] = field(default_factory=list)
    """(first line in the result, from 0; its lines): each with the parents that had it (bits; bit 31: the line is not
    in the result) and its bytes. Lines outside of all hunks are in every parent."""
    binary: bool = False


LOST = 1 << 31
"""Mark of a line that a merge no longer has; the other bits are the parents that had it."""


def walk(git: GitRepository, tip: str, known: Iterable[str] = ()) -> list[LoggedCommit]:
    """Commits that `tip` reaches and `known` do not, parents before children."""
    lines = [tip, *("^" + sha for sha in known)]
    with git.start(["rev-list", "--topo-order", "--reverse", "--timestamp", "--parents", "--stdin"], lines) as process:
        assert process.stdout
        data = process.stdout.read()
    if process.returncode != 0:
        raise InputError(f"the history in {git.git_dir} cannot be walked; run `git fsck` there.")
    rows = (line.split(" ") for line in data.decode("ascii").splitlines())
    return [LoggedCommit(row[1], tuple(row[2:]), int(row[0])) for row in rows]


def against_parent(
    git: GitRepository,
    pairs: Iterable[tuple[str, str | None]],
    *,
    paths: Sequence[bytes] = (),
    without: Iterable[bytes] = (),
) -> Iterator[tuple[str, list[FileSplices]]]:
    """Yield every (commit, its changes) against the given parent, in the order asked for; None: against nothing.

    `paths` (as git quotes them) limit it, renames included; `without` are left out.
    """
    lines = (sha if parent is None else f"{sha} {parent}" for sha, parent in pairs)
    limit = [f":(top,literal){path_text(path)}" for path in paths]
    with git.start([*_RAW, "-M", *_PATCH, "--", *limit, *_leave(without)], lines, magic=True) as process:
        assert process.stdout
        yield from _parse(process.stdout)
        _check(git, process.wait())


def against_first(
    git: GitRepository, merges: Iterable[LoggedCommit], *, without: Iterable[bytes] = ()
) -> Iterator[tuple[str, list[FileSplices]]]:
    """Yield every merge with the files that differ from its first parent: names and blobs, no lines, no renames."""
    lines = (f"{commit.sha} {commit.parents[0]}" for commit in merges)
    with git.start([*_RAW, "--no-renames", "--", *_leave(without)], lines, magic=True) as process:
        assert process.stdout
        yield from _parse(process.stdout)
        _check(git, process.wait())


def against_all(
    git: GitRepository, merges: Iterable[LoggedCommit], *, without: Iterable[bytes] = ()
) -> Iterator[tuple[str, list[MergedFile]]]:
    """Yield every merge with the files that differ from each of its parents.

    One line of context: without any, `diff-tree -c` leaves out the unchanged lines that stand between lost ones.
    """
    arguments = [*_RAW, *_PATCH, "-c", "-U1", "--no-renames", "--", *_leave(without)]
    with git.start(arguments, (commit.sha for commit in merges), magic=True) as process:
        assert process.stdout
        yield from _parse_combined(process.stdout)
        _check(git, process.wait())


def paths_at(git: GitRepository, commit: str) -> list[bytes]:
    """Every path in a commit, as git quotes it."""
    with git.start(["ls-tree", "-r", "--name-only", "--full-tree", commit]) as process:
        assert process.stdout
        return process.stdout.read().splitlines()


def unreadable_paths(git: GitRepository, commits: Iterable[LoggedCommit]) -> set[bytes]:
    """Paths, as git quotes them, that some commit gives a content which is not here."""
    arguments = ["rev-list", "--objects", "--missing=print", "--no-object-names", "--stdin"]
    every = list(commits)
    with git.start(arguments, (commit.sha for commit in every)) as process:
        assert process.stdout
        missing = {line[1:-1] for line in process.stdout if line.startswith(b"?")}
    found: set[bytes] = set()
    if missing:
        pairs = (" ".join([commit.sha, parent]) for commit in every for parent in commit.parents or ("",))
        with git.start([*_RAW, "--no-renames"], pairs) as process:
            assert process.stdout
            for _, files in _parse(process.stdout):
                found.update(file.path for file in files if not missing.isdisjoint((file.old_blob, file.blob)))
    return found


def _leave(paths: Iterable[bytes]) -> list[str]:
    return [f":(top,exclude,literal){path_text(path)}" for path in paths]


def _check(git: GitRepository, status: int) -> None:
    if status != 0:
        raise InputError(f"git stopped while reading {git.git_dir}: run `git fsck` there (or `git fetch`, if partial).")


def _parse(stream: IO[bytes]) -> Iterator[tuple[str, list[FileSplices]]]:
    sha = ""
    files: list[FileSplices] = []
    at = -1
    current: FileSplices | None = None
    hunk = _HUNK.match
    for line in stream:
        first = line[:1]
        if first == b"@" and current is not None:
            match = hunk(line)
            assert match is not None
            old_at, old, new_at, new = match.groups()
            gone, came = int(old) if old else 1, int(new) if new else 1
            bodies = list(islice(stream, gone + came))
            if bodies[-1][:1] == b"\\" or (gone and came and bodies[gone][:1] == b"\\"):
                bodies = [body for body in bodies if body[:1] != b"\\"]  # "\ No newline at end of file" is no line
                bodies += islice(stream, gone + came - len(bodies))
            start, other = int(old_at) - (gone > 0), int(new_at) - (came > 0)
            removed, added = [body[1:] for body in bodies[:gone]], [body[1:] for body in bodies[gone:]]
            current.splices.append(Splice(start, start + gone, other, other + came, removed, added))
        elif first == b":":
            files.append(_raw(line))
        elif first == b"d" and line.startswith(b"diff --git "):
            if current is None or not (current.status == "T" and _header(current) == line):  # T has two parts
                at += 1
                while at < len(files) and _header(files[at]) != line:
                    at += 1  # one without a patch: what differs was not asked for
                assert at < len(files), line
            current = files[at]
        elif first == b"B" and current is not None:
            current.binary = True
        elif OBJECT_ID.fullmatch(line, 0, len(line) - 1):
            if sha:
                yield sha, files
            sha, files, at, current = line[:-1].decode(), [], -1, None
    if sha:
        yield sha, files


def _raw(line: bytes) -> FileSplices:
    meta, *paths = line[1:-1].split(b"\t")
    old_mode, mode, old_blob, blob, status = meta.split(b" ")
    return FileSplices(status[:1].decode(), paths[0], paths[-1], old_mode, mode, old_blob, blob)


def _header(file: FileSplices) -> bytes:
    return b"diff --git " + _prefixed(b"a/", file.old_path) + b" " + _prefixed(b"b/", file.path) + b"\n"


def _prefixed(prefix: bytes, path: bytes) -> bytes:
    return b'"' + prefix + path[1:] if path.startswith(b'"') else prefix + path


def _parse_combined(stream: IO[bytes]) -> Iterator[tuple[str, list[MergedFile]]]:
    sha = ""
    files: list[MergedFile] = []
    at = -1
    width = 0
    body: list[tuple[int, bytes]] | None = None
    marks: dict[bytes, int] = {}
    for line in stream:
        first = line[:1]
        if body is not None and first in b" +-":
            signs = line[:width]
            mark = marks.get(signs)
            if mark is None:
                mark = marks[signs] = _mark(signs)
            body.append((mark, line[width:]))
        elif first == b"@":
            match = _COMBINED.match(line)
            assert match is not None
            body = []
            files[at].hunks.append((int(match[2]) - 1, body))
        elif first == b":":
            meta, path = line[:-1].split(b"\t")
            width = len(meta) - len(meta.lstrip(b":"))
            fields = meta[width:].split(b" ")
            files.append(MergedFile(path, tuple(fields[width + 1 : -2]), fields[width], fields[-2]))
        elif first == b"d" and line.startswith(b"diff --combined "):
            body = None
            name = line[16:-1]
            at += 1
            while files[at].path != name:
                at += 1
        elif first == b"B" and at >= 0 and body is None:
            files[at].binary = True
        elif OBJECT_ID.fullmatch(line, 0, len(line) - 1):
            if sha:
                yield sha, files
            sha, files, at, body = line[:-1].decode(), [], -1, None
    if sha:
        yield sha, files


def _mark(signs: bytes) -> int:
    """Parents that had a line, from the signs in front of it."""
    lost = b"-" in signs
    return sum(1 << index for index, sign in enumerate(signs) if sign == (45 if lost else 32)) | (LOST if lost else 0)
