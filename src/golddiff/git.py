"""Safe, read-only git: history, changes and blobs of a repository that may be hostile.

A repository can carry programs that git starts for its owner: hooks, filters, textconv, external diffs, fsmonitor,
pagers, aliases, signature checkers, remote helpers. Nothing here ever starts one of them, because

- only plumbing that compares commits or reads objects is used (`rev-list`, `diff-tree`, `cat-file`, `ls-tree`,
  `for-each-ref`, `config --get-regexp`): never a worktree, an index, a checkout, `status` or `diff`;
- every command names the git directory, also as its worktree, so no file of the real worktree is consulted;
- external diff and textconv are off on the command line, the environment is rebuilt from nothing, system and user
  configuration are not read, and no transport is allowed, so a partial clone cannot fetch a missing object either.

How it fits: `outcomes` and `curate` read history through `GitRepository`; the repository is found by looking at
files, so git's own ownership check and discovery never run. Objects that are absent (partial clones) are skipped
and listed in `unreadable`, never fetched. Merge commits have no changes of their own here.

Not covered: writing, worktrees, submodule contents. Method and threat list: git 2.39 probes, where worktree diffs
ran `filter.clean` under every switch, and commit-to-commit diffs ran nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO

from golddiff.errors import InputError

_CONFIG = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.attributesFile=/dev/null",
    "core.quotePath=true",
    "core.sshCommand=false",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "log.showSignature=false",
    "diff.external=",
    "color.ui=false",
)

_NO_CHANGES = re.compile(rb"[0-9a-f]{40,64}")
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


@dataclass(frozen=True, slots=True)
class Hunk:
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


class GitRepository:
    """One repository, opened by any path inside it (or a bare one). Use as a context manager."""

    def __init__(self, git_dir: Path, top: Path | None, prefix: str) -> None:
        self.git_dir = git_dir
        self.top = top
        """Root of the worktree that the given path lies in; None in a bare repository."""
        self.prefix = prefix
        """The given path below `top`, as POSIX, empty at the root."""
        self.unreadable: set[str] = set()
        """Commits of which some object is missing here."""
        program = shutil.which("git")
        if program is None:
            raise InputError("git is not installed or not on PATH; install it (Debian: apt-get install git).")
        self._command = [program, f"--git-dir={git_dir}", "--no-pager", "--literal-pathspecs"]
        for setting in _CONFIG:
            self._command += ["-c", setting]
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "HOME": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_WORK_TREE": str(git_dir),  # the git directory itself: wins over core.worktree, holds no files
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ALLOW_PROTOCOL": "none",  # wins over protocol.*.allow of the repository
            "GIT_PAGER": "cat",
            "GIT_ASKPASS": "false",
            "SSH_ASKPASS": "false",
        }
        self._reader: subprocess.Popen[bytes] | None = None

    @classmethod
    def open(cls, path: Path | str) -> GitRepository:
        """Find the repository that `path` lies in. Raises InputError where there is none."""
        given = Path(path).expanduser()
        if not given.exists():
            raise InputError(f"{given} does not exist; give a path inside a git repository, e.g. --repo .")
        start = given.resolve()
        start = start if start.is_dir() else start.parent
        for folder in (start, *start.parents):
            dot_git = folder / ".git"
            if dot_git.is_dir() and _is_git_dir(dot_git):
                return cls(dot_git, folder, _prefix(start, folder))
            if dot_git.is_file():
                text = dot_git.read_text(encoding="utf-8", errors="replace").strip()
                target = (folder / text.removeprefix("gitdir:").strip()).resolve()
                if text.startswith("gitdir:") and _is_git_dir(target):
                    return cls(target, folder, _prefix(start, folder))
                raise InputError(f"{dot_git} points to {text!r}, which is not there; run `git worktree repair`.")
            if _is_git_dir(folder):
                worktree = folder.parent if folder.name == ".git" else None
                return cls(folder, worktree, "")
        raise InputError(f"{given} is not in a git repository; give --repo PATH, or run `git init` there first.")

    def __enter__(self) -> GitRepository:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the object reader."""
        if self._reader is not None:
            assert self._reader.stdin
            assert self._reader.stdout
            self._reader.stdin.close()
            self._reader.stdout.close()
            self._reader.wait()
            self._reader = None

    # ------------------------------------------------------------------------------------------------ running git

    @contextmanager
    def _start(self, arguments: Sequence[str], lines: Iterable[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            for line in lines:  # a file, not a pipe: git may answer before it has read everything
                stdin.write(line.encode() + b"\n")
            stdin.seek(0)
            process = subprocess.Popen(
                [*self._command, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self._environment,
                cwd=self.git_dir,
            )
            try:
                yield process
            finally:
                assert process.stdout
                process.stdout.close()
                process.wait()

    def _output(self, arguments: Sequence[str], lines: Iterable[str] = ()) -> bytes | None:
        """Standard output, or None where git failed."""
        with self._start(arguments, lines) as process:
            assert process.stdout
            data = process.stdout.read()
        return data if process.returncode == 0 else None

    # ---------------------------------------------------------------------------------------------- facts and refs

    def remotes(self) -> tuple[str, ...]:
        """URLs of all remotes, as configured."""
        data = self._output(["config", "--local", "-z", "--get-regexp", r"^remote\..*\.url$"]) or b""
        return tuple(_text(entry.partition(b"\n")[2]) for entry in data.split(b"\0") if entry)

    def refs(self) -> dict[str, str]:
        """Every ref that names a commit, with the commit (tags peeled)."""
        form = "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"
        found = {}
        for line in (self._output(["for-each-ref", form]) or b"").split(b"\n"):
            kind, _, rest = line.partition(b" ")
            sha, _, rest = rest.partition(b" ")
            peeled_kind, _, rest = rest.partition(b" ")
            peeled, _, name = rest.partition(b" ")
            if b"commit" in (kind, peeled_kind):
                found[_text(name)] = _text(sha if kind == b"commit" else peeled)
        return found

    def resolve(self, revision: str) -> str | None:
        """SHA of the commit that `revision` names, or None."""
        if revision.startswith("-"):
            return None
        data = self._output(["rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"])
        return _text(data).strip() or None if data else None

    def default_branch(self) -> tuple[str, str] | None:
        """Name and commit of the branch where work is accepted; None in an empty repository.

        The remote's own HEAD, then `main`, `master`, `trunk` here or at the remote, then HEAD.
        """
        refs = self.refs()
        for remote in ("origin", "upstream"):
            head = self._output(["symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD"])
            name = _text(head or b"").strip()
            local = name.replace(f"refs/remotes/{remote}/", "refs/heads/")
            for candidate in (local, name):
                if candidate in refs:
                    return candidate, refs[candidate]
        for branch in ("main", "master", "trunk"):
            for name in (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"):
                if name in refs:
                    return name, refs[name]
        sha = self.resolve("HEAD")
        return ("HEAD", sha) if sha else None

    # ---------------------------------------------------------------------------------------------------- commits

    def graph(self, tips: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Every commit reachable from `tips` with its parents, newest first, parents after children.

        Raises InputError where the history is damaged.
        """
        data = self._output(["rev-list", "--topo-order", "--parents", "--stdin"], tips)
        if data is None:
            raise InputError(f"the history in {self.git_dir} cannot be walked; run `git fsck` there.")
        rows = (line.split(" ") for line in _text(data).splitlines())
        return {row[0]: tuple(row[1:]) for row in rows}

    def commits(self, shas: Iterable[str]) -> Iterator[CommitFacts]:
        """Read commit objects, in the order asked for; missing ones are left out."""
        for sha in shas:
            found = self._object(sha)
            if found is None or found[0] != "commit":
                self.unreadable.add(sha)
            else:
                yield _parse_commit(sha, found[1])

    def changes(self, shas: Iterable[str]) -> Iterator[tuple[str, tuple[FileChange, ...]]]:
        """Yield each commit that changes something against its first parent, with its changes. No merges.

        Order is as asked for, except that commits with objects missing here come last, without those files.
        """
        left = list(shas)
        done: set[str] = set()
        with self._start([*_DIFF, "--stdin"], left) as process:
            assert process.stdout
            for sha, files, followed in _parse_diff(process.stdout):
                if not followed and process.wait() != 0:
                    break  # git stopped inside this commit
                done.add(sha)
                yield sha, files
            failed = process.wait() != 0
        if not failed:
            return
        left = [sha for sha in left if sha not in done]
        partial = self._partial(left)
        if not partial:
            raise InputError(f"git stopped while reading {self.git_dir}; run `git fsck` there.")
        self.unreadable.update(partial)
        whole = [sha for sha in left if sha not in partial]
        if whole:
            yield from self.changes(whole)
        for sha, paths in partial.items():
            if paths:
                with self._start([*_DIFF, sha, "--", *paths]) as process:
                    assert process.stdout
                    yield from ((found, files) for found, files, _ in _parse_diff(process.stdout))

    def paths(self, shas: Iterable[str]) -> set[str]:
        """Every path that one of these commits changed (for renames both names). Reads no file contents."""
        with self._start(
            ["diff-tree", "--stdin", "-r", "--root", "--name-only", "--no-renames", "-z"], shas
        ) as process:
            assert process.stdout
            names = process.stdout.read().split(b"\0")
        return {_text(name) for name in names if name and not _NO_CHANGES.fullmatch(name)}

    def _partial(self, shas: Sequence[str]) -> dict[str, list[str]]:
        """Commits that touch an object missing here, with the paths that can be read."""
        with self._start(["diff-tree", "--stdin", "-r", "--root", "--raw", "--no-renames", "-z"], shas) as process:
            assert process.stdout
            fields = process.stdout.read().split(b"\0")
        touched: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        sha = ""
        entries = iter(fields)
        for entry in entries:
            if entry.startswith(b":"):
                blobs = tuple(blob for blob in _text(entry).split(" ")[2:4] if blob.strip("0"))
                touched.setdefault(sha, []).append((os.fsdecode(next(entries)), blobs))
            else:
                sha = _text(entry)
        wanted = {blob for rows in touched.values() for _, blobs in rows for blob in blobs}
        report = self._output(["cat-file", "--batch-check"], sorted(wanted)) or b""
        absent = {_text(line.split(b" ")[0]) for line in report.split(b"\n") if line.endswith(b" missing")}
        return {
            sha: [path for path, blobs in rows if absent.isdisjoint(blobs)]
            for sha, rows in touched.items()
            if any(not absent.isdisjoint(blobs) for _, blobs in rows)
        }

    # ------------------------------------------------------------------------------------------------------ files

    def blob(self, sha: str) -> bytes | None:
        """Content of a blob, or None where it is absent or something else."""
        found = self._object(sha)
        return found[1] if found is not None and found[0] == "blob" else None

    def has_object(self, sha: str) -> bool:
        """Whether the object database here holds `sha`."""
        return self._object(sha) is not None

    def files_at(self, commit: str, paths: Iterable[str]) -> dict[str, str]:
        """Blob of each of `paths` in `commit`, for those that are regular files there."""
        return self._tree(commit, list(dict.fromkeys(paths)))

    def tree(self, commit: str) -> dict[str, str]:
        """Path → blob of every regular file in `commit`."""
        return self._tree(commit, [])

    def _tree(self, commit: str, paths: list[str]) -> dict[str, str]:
        found = {}
        chunks = [paths[start : start + 500] for start in range(0, len(paths), 500)] or [[]]
        for chunk in chunks:
            data = self._output(["ls-tree", "-r", "-z", "--full-tree", commit, "--", *chunk]) or b""
            for entry in data.split(b"\0"):
                meta, _, path = entry.partition(b"\t")
                if meta.startswith(b"100"):
                    found[_text(path)] = _text(meta.split(b" ")[2])
        return found

    def _object(self, name: str) -> tuple[str, bytes] | None:
        if not re.fullmatch(r"[0-9a-f]{4,64}", name):
            return None
        if self._reader is None or self._reader.poll() is not None:
            self._reader = subprocess.Popen(
                [*self._command, "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                cwd=self.git_dir,
            )
        assert self._reader.stdin
        assert self._reader.stdout
        try:
            self._reader.stdin.write(name.encode() + b"\n")
            self._reader.stdin.flush()
        except BrokenPipeError:
            return None
        header = self._reader.stdout.readline().split()
        if len(header) != 3 or not header[2].isdigit():
            return None
        data = self._reader.stdout.read(int(header[2]))
        self._reader.stdout.read(1)
        return header[1].decode(), data

    def notes(self) -> dict[str, dict[str, str]]:
        """Notes by commit: {commit: {notes ref: text}}. Reads every `refs/notes/*`."""
        data = self._output(["for-each-ref", "--format=%(objectname) %(refname)", "refs/notes/"]) or b""
        found: dict[str, dict[str, str]] = {}
        for line in _text(data).splitlines():
            sha, _, ref = line.partition(" ")
            for path, blob in self._tree(sha, []).items():
                text = self.blob(blob)
                if text is not None:
                    found.setdefault(path.replace("/", ""), {})[ref] = _text(text)
        return found


_DIFF = (
    "diff-tree", "-r", "--root", "--raw", "-p", "-U0", "-M", "--full-index", "--no-abbrev", "--no-ext-diff",
    "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip


def _text(data: bytes) -> str:
    """UTF-8 as transcripts and records hold it: what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def _is_git_dir(folder: Path) -> bool:
    """Git's own rule: HEAD, objects and refs (the last two may live in the common directory of a worktree)."""
    return (folder / "HEAD").is_file() and (
        ((folder / "objects").is_dir() and (folder / "refs").is_dir()) or (folder / "commondir").is_file()
    )


def _prefix(path: Path, top: Path) -> str:
    relative = path.relative_to(top).as_posix()
    return "" if relative == "." else relative


def _moment(signature: bytes) -> datetime:
    """Time in `name <mail> seconds zone`; the epoch where it is unreadable or out of range."""
    try:
        return datetime.fromtimestamp(int(signature.rsplit(b" ", 2)[1]), UTC)
    except (IndexError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _parse_commit(sha: str, data: bytes) -> CommitFacts:
    head, _, message = data.partition(b"\n\n")
    parents: list[str] = []
    author = committer = b""
    encoding = "utf-8"
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"parent":
            parents.append(_text(value))
        elif key == b"author":
            author = value
        elif key == b"committer":
            committer = value
        elif key == b"encoding":
            encoding = _text(value)
    try:
        text = message.decode(encoding, "replace")
    except LookupError:
        text = _text(message)
    return CommitFacts(sha, tuple(parents), _moment(author), _moment(committer), text)


_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def _unquote(path: bytes) -> str:
    """Undo git's C-style quoting of a path."""
    if not (path.startswith(b'"') and path.endswith(b'"')):
        return _text(path)

    def plain(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8)]) if code[:1].isdigit() else _ESCAPES.get(code, code)

    return _text(re.sub(rb"\\([0-7]{3}|.)", plain, path[1:-1]))


def _parse_raw(line: bytes) -> FileChange:
    meta, _, paths = line.partition(b"\t")
    _, mode, old_blob, new_blob, status = meta[1:].split(b" ")
    first, _, second = paths.partition(b"\t")
    old_path = _unquote(first)
    new_path = _unquote(second) if second else old_path
    return FileChange(_text(status[:1]), new_path, old_path, _text(mode), _text(old_blob), _text(new_blob))


def _parse_diff(stream: IO[bytes]) -> Iterator[tuple[str, tuple[FileChange, ...], bool]]:
    """Parse `diff-tree --raw -p -U0`; yields (sha, changes, whether a later commit was seen)."""
    sha: str | None = None
    files: list[FileChange] = []
    by_path: dict[str, FileChange] = {}
    current: FileChange | None = None
    old_name = b""
    for line in stream:
        line = line.removesuffix(b"\n")
        if line.startswith(b"@@ "):
            match = _HUNK.match(line)
            if match is None or current is None:
                continue
            missing = int(match[2] or 1) + int(match[4] or 1)
            bodies = list(islice(stream, missing))
            notes = sum(body.startswith(b"\\") for body in bodies)  # "\ No newline at end of file" is no line
            if notes:
                bodies = [body for body in bodies if not body.startswith(b"\\")]
                bodies += islice(stream, notes)
            removed = [_text(body[1:-1] if body.endswith(b"\n") else body[1:]) for body in bodies if body[:1] == b"-"]
            added = [_text(body[1:-1] if body.endswith(b"\n") else body[1:]) for body in bodies if body[:1] == b"+"]
            current.hunks.append(Hunk(int(match[1]), int(match[3]), tuple(removed), tuple(added)))
        elif line.startswith(b":"):
            change = _parse_raw(line)
            files.append(change)
            by_path[change.path] = change
        elif line.startswith(b"diff --git "):
            current = None
        elif line.startswith(b"--- ") and current is None:
            old_name = line[4:].removesuffix(b"\t")
        elif line.startswith(b"+++ ") and current is None:
            name = line[4:].removesuffix(b"\t")
            name = old_name if name == b"/dev/null" else name
            current = by_path.get(_unquote(name)[2:])
        elif _NO_CHANGES.fullmatch(line):
            if sha is not None:
                yield sha, tuple(files), True
            sha, files, by_path, current = _text(line), [], {}, None
    if sha is not None:
        yield sha, tuple(files), False
