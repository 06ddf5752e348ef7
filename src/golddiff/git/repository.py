"""`GitRepository`: the one way to a repository; how it stays safe is told in the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from golddiff.errors import InputError
from golddiff.git.parsing import OBJECT_ID, CommitFacts, FileChange, parse_commit, parse_diff, text_of

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
    "diff.suppressBlankEmpty=false",
    "diff.indentHeuristic=true",
    "color.ui=false",
)

_BUFFER_BYTES = 1 << 18
"""Read ahead of what git prints: fewer switches between the two processes."""
_MAX_ARGUMENT_CHARS = 4096
"""Longer paths and revisions, from a damaged transcript, are not asked for (Linux's PATH_MAX)."""

_DIFF = (
    "diff-tree", "-r", "--root", "--raw", "-p", "-U0", "-M", "--full-index", "--no-abbrev", "--no-ext-diff",
    "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/",
)  # fmt: skip


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
        try:
            return cls._find(path)
        except (OSError, RuntimeError) as error:  # no permission, a name too long, `~nobody`
            shown = str(path)[:200]
            raise InputError(f"{shown} cannot be looked into ({type(error).__name__}); check the path.") from error

    @classmethod
    def _find(cls, path: Path | str) -> GitRepository:
        given = Path(path).expanduser()
        if not given.exists():
            raise InputError(f"{given} does not exist; give a path inside a git repository, e.g. --repo .")
        full = given.resolve()
        start = full if full.is_dir() else full.parent
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
        raise InputError(f"{full} is not in a git repository; give --repo PATH, or run `git init` there first.")

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
    def start(
        self, arguments: Sequence[str], lines: Iterable[str] = (), *, magic: bool = False
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a read-only git command that is fed `lines` and read as it prints; for this package alone.

        With `magic`, paths in `arguments` may carry git's pathspec magic.
        """
        command = [word for word in self._command if not (magic and word == "--literal-pathspecs")]
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            for line in lines:  # a file, not a pipe: git may answer before it has read everything
                stdin.write(line.encode() + b"\n")
            stdin.seek(0)
            process = subprocess.Popen(
                [*command, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self._environment,
                cwd=self.git_dir,
                bufsize=_BUFFER_BYTES,
            )
            try:
                yield process
            finally:
                assert process.stdout
                process.stdout.close()
                process.wait()

    def output(self, arguments: Sequence[str], *, stdin: bytes = b"", worktree: Path | None = None) -> bytes | None:
        """What a read-only git command prints, or None where it failed; for the other modules of this package.

        With `worktree` it runs in that folder and may compare names with those of the files there.
        """
        command, environment = self._command, self._environment
        if worktree is not None:
            command = [word for word in command if word != "--literal-pathspecs"]  # check-ignore refuses it
            environment = environment | {"GIT_WORK_TREE": str(worktree)}
        done = subprocess.run(
            [*command, *arguments],
            input=stdin,
            capture_output=True,
            env=environment,
            cwd=worktree or self.git_dir,
            check=False,
        )
        return done.stdout if done.returncode == 0 else None

    def _output(self, arguments: Sequence[str], lines: Iterable[str] = ()) -> bytes | None:
        """Standard output, or None where git failed."""
        with self.start(arguments, lines) as process:
            assert process.stdout
            data = process.stdout.read()
        return data if process.returncode == 0 else None

    # ---------------------------------------------------------------------------------------------- facts and refs

    @property
    def common_dir(self) -> Path:
        """The directory that all worktrees of the repository share."""
        pointer = self.git_dir / "commondir"
        if pointer.is_file():
            return (self.git_dir / pointer.read_text().strip()).resolve()
        return self.git_dir.resolve()

    def remotes(self) -> tuple[str, ...]:
        """URLs of all remotes, as configured."""
        data = self._output(["config", "--local", "-z", "--get-regexp", r"^remote\..*\.url$"]) or b""
        return tuple(text_of(entry.partition(b"\n")[2]) for entry in data.split(b"\0") if entry)

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
                found[text_of(name)] = text_of(sha if kind == b"commit" else peeled)
        return found

    def resolve(self, revision: str) -> str | None:
        """SHA of the commit that `revision` names, or None."""
        if revision.startswith("-") or not _fits_argument(revision):
            return None
        data = self._output(["rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"])
        return text_of(data).strip() or None if data else None

    def default_branch(self) -> tuple[str, str] | None:
        """Name and commit of the branch where work is accepted; None in an empty repository.

        The remote's own HEAD, then `main`, `master`, `trunk` here or at the remote, then HEAD.
        """
        refs = self.refs()
        for remote in ("origin", "upstream"):
            head = self._output(["symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD"])
            name = text_of(head or b"").strip()
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
        rows = (line.split(" ") for line in text_of(data).splitlines())
        return {row[0]: tuple(row[1:]) for row in rows}

    def commits(self, shas: Iterable[str]) -> Iterator[CommitFacts]:
        """Read commit objects, in the order asked for; missing ones are left out."""
        for sha in shas:
            found = self._object(sha)
            if found is None or found[0] != "commit":
                self.unreadable.add(sha)
            else:
                yield parse_commit(sha, found[1])

    def commits_saying(self, text: str) -> tuple[str, ...]:
        """Commits of every branch and tag whose message holds `text` as it stands, newest first."""
        if not _fits_argument(text):
            return ()
        found = self._output(["rev-list", "--branches", "--remotes", "--tags", "--fixed-strings", f"--grep={text}"])
        return tuple(text_of(found or b"").split())

    def changes(self, shas: Iterable[str]) -> Iterator[tuple[str, tuple[FileChange, ...]]]:
        """Yield each commit that changes something against its first parent, with its changes. No merges.

        Order is as asked for, except that commits with objects missing here come last, without those files.
        """
        left = list(shas)
        done: set[str] = set()
        with self.start([*_DIFF, "--stdin"], left) as process:
            assert process.stdout
            for sha, files, followed in parse_diff(process.stdout):
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
                with self.start([*_DIFF, sha, "--", *paths]) as process:
                    assert process.stdout
                    yield from ((found, files) for found, files, _ in parse_diff(process.stdout))

    def paths(self, shas: Iterable[str]) -> set[str]:
        """Every path that one of these commits changed (for renames both names). Reads no file contents."""
        with self.start(["diff-tree", "--stdin", "-r", "--root", "--name-only", "--no-renames", "-z"], shas) as process:
            assert process.stdout
            names = process.stdout.read().split(b"\0")
        return {text_of(name) for name in names if name and not OBJECT_ID.fullmatch(name)}

    def _partial(self, shas: Sequence[str]) -> dict[str, list[str]]:
        """Commits that touch an object missing here, with the paths that can be read."""
        with self.start(["diff-tree", "--stdin", "-r", "--root", "--raw", "--no-renames", "-z"], shas) as process:
            assert process.stdout
            fields = process.stdout.read().split(b"\0")
        touched: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        sha = ""
        entries = iter(fields)
        for entry in entries:
            if entry.startswith(b":"):
                blobs = tuple(blob for blob in text_of(entry).split(" ")[2:4] if blob.strip("0"))
                touched.setdefault(sha, []).append((os.fsdecode(next(entries)), blobs))
            else:
                sha = text_of(entry)
        wanted = {blob for rows in touched.values() for _, blobs in rows for blob in blobs}
        report = self._output(["cat-file", "--batch-check"], sorted(wanted)) or b""
        absent = {text_of(line.split(b" ")[0]) for line in report.split(b"\n") if line.endswith(b" missing")}
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
        wanted = [path for path in dict.fromkeys(paths) if _fits_argument(path)]
        return self._tree(commit, wanted) if wanted else {}

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
                    found[text_of(path)] = text_of(meta.split(b" ")[2])
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
        for line in text_of(data).splitlines():
            sha, _, ref = line.partition(" ")
            for path, blob in self._tree(sha, []).items():
                text = self.blob(blob)
                if text is not None:
                    found.setdefault(path.replace("/", ""), {})[ref] = text_of(text)
        return found


def _fits_argument(text: str) -> bool:
    """Whether the system takes `text` as an argument; what does not fit names nothing that git could hold."""
    return 0 < len(text) <= _MAX_ARGUMENT_CHARS and "\0" not in text


def _is_git_dir(folder: Path) -> bool:
    """Git's own rule: HEAD, objects and refs (the last two may live in the common directory of a worktree)."""
    return (folder / "HEAD").is_file() and (
        ((folder / "objects").is_dir() and (folder / "refs").is_dir()) or (folder / "commondir").is_file()
    )


def _prefix(path: Path, top: Path) -> str:
    relative = path.relative_to(top).as_posix()
    return "" if relative == "." else relative
