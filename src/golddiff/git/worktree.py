"""`Worktree`: which files are tracked or new in a worktree, and their bytes; nothing of the repository is run.

Only `ls-files` and `check-ignore` look at the worktree: they compare names, never contents, so no filter, textconv
or external diff can run, and fsmonitor and hooks are off (the package says how). Contents are read by ourselves:
component by component, following no link, regular files only, never waiting on a pipe, up to a limit. What git would
turn into something else on its way into a commit (line ends, filters such as LFS) is compared as far as line ends go.

Ignored are the files that git ignores: `.gitignore`, `info/exclude` and the user's own excludes file.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from golddiff.errors import InputError
from golddiff.git.repository import GitRepository


class Worktree:
    """The worktree that a `GitRepository` was opened in. Raises InputError for a bare repository."""

    def __init__(self, git: GitRepository, environment: Mapping[str, str] = os.environ) -> None:
        if git.top is None:
            raise InputError(f"{git.git_dir} is a bare repository: there are no files to look at.")
        self.top = git.top
        self.sparse: set[str] = set()
        """Tracked paths that are not checked out, as of the last call of `paths`."""
        self._git = git
        self._settings = ["core.untrackedCache=false"]
        if git.output(["config", "--local", "--get", "core.excludesFile"]) is None:
            self._settings.append(f"core.excludesFile={_own_excludes(environment)}")

    def paths(self) -> list[str]:
        """Every tracked or new path below the root, sorted; nested repositories and their files are left out.

        Tracked files that a sparse checkout leaves out are in `sparse` instead. Raises InputError where the index
        cannot be read.
        """
        data = self._run(["ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard"])
        if data is None:
            raise InputError(f"the index of {self.top} cannot be read; run `git status` there.")
        entries = [entry for entry in data.split(b"\0") if entry and not entry.endswith(b"/")]
        self.sparse = {os.fsdecode(entry[2:]) for entry in entries if entry.startswith(b"S ")}
        return sorted({os.fsdecode(entry[2:]) for entry in entries} - self.sparse)

    def is_ignored(self, path: str) -> bool:
        """Whether git would leave this path (below the root) out as ignored. Tracked paths are not."""
        return bool(self._run(["check-ignore", "-z", "--stdin"], b"./" + os.fsencode(path) + b"\0"))

    def status(self, path: str) -> os.stat_result | None:
        """`lstat` of a path; None where there is nothing, or something other than a regular file."""
        try:
            found = os.lstat(self.top / path)
        except OSError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def read(self, path: str, limit: int) -> bytes | None:
        """Bytes of a regular file; None where it is gone, reached by a link, no file, or longer than `limit`."""
        return read_below(self.top, path, limit)

    def _run(self, arguments: list[str], stdin: bytes = b"") -> bytes | None:
        settings = [part for setting in self._settings for part in ("-c", setting)]
        return self._git.output([*settings, *arguments], stdin=stdin, worktree=self.top)


def read_below(top: Path, path: str, limit: int) -> bytes | None:
    """Bytes of a regular file below `top`; None where it is gone, reached by a link, no file, or beyond `limit`."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    folder = -1
    try:
        folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        *parents, name = path.split("/")
        if {"", ".", ".."} & {*parents, name}:
            return None
        for part in parents:
            inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        with open(os.open(name, flags, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            data = file.read(limit + 1)
    except (OSError, ValueError):
        return None
    finally:
        if folder >= 0:
            os.close(folder)
    return data if len(data) <= limit else None


def blob_ids(data: bytes, digits: int) -> tuple[str, ...]:
    """Object ids that git may give to a file with these bytes: as it is, and with its line ends normalised."""
    plain = data.replace(b"\r\n", b"\n")
    algorithm = "sha256" if digits == 64 else "sha1"
    return tuple(
        hashlib.new(algorithm, b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest()
        for text in ((data,) if plain == data else (data, plain))
    )


def _own_excludes(environment: Mapping[str, str]) -> str:
    """The user's own excludes file, from the user's own configuration: reading it starts nothing."""
    kept = {name: environment[name] for name in ("HOME", "PATH", "XDG_CONFIG_HOME") if name in environment}
    done = subprocess.run(
        ["git", "config", "--global", "--type=path", "--get", "core.excludesFile"],
        capture_output=True,
        env=kept,
        cwd="/",
        check=False,
    )
    if done.returncode == 0 and done.stdout.strip():
        return os.fsdecode(done.stdout).removesuffix("\n")
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", "/nonexistent"), ".config")
    return str(Path(base) / "git" / "ignore")
