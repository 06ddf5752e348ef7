"""A repository built from a description in one `git fast-import`: commits with whole files and any parents."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

START = 1_700_000_000


class ToldHistory:
    """A bare repository; commits are told one after the other, a day apart, and written at once by `write`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stream: list[bytes] = []
        self._files: dict[int, dict[str, bytes]] = {}
        self._run("init", "-q", "--bare", "-b", "main", str(folder))

    def commit(self, files: dict[str, bytes], *parents: int) -> int:
        """Tell a commit with exactly these files; returns its number."""
        number = len(self._files) + 1
        before = self._files[parents[0]] if parents else {}
        out = [b"commit refs/heads/main\nmark :%d\n" % number]
        out.append(b"committer a <a@example.test> %d +0000\ndata 1\nx\n" % (START + 86_400 * number))
        for place, parent in enumerate(parents):
            out.append(b"%s :%d\n" % (b"merge" if place else b"from", parent))
        if not parents and number > 1:
            out.insert(0, b"reset refs/heads/main\n")
        out += [b"D %s\n" % path.encode() for path in before if path not in files]
        for path, data in files.items():
            if before.get(path) != data:
                out.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
        self._stream += out
        self._files[number] = files
        return number

    def write(self) -> list[str]:
        """Write the commits; returns their ids, the first told first."""
        marks = self.folder / "marks"
        self._run("fast-import", "--quiet", "--force", f"--export-marks={marks}", stdin=b"".join(self._stream))
        found = dict(line.split() for line in marks.read_text().splitlines())
        return [found[f":{number}"] for number in self._files]

    def blame(self, revision: str, path: str) -> list[str]:
        """The commit that `git blame` names for each line."""
        out = self._run("blame", "-s", "-l", "--root", revision, "--", path)
        return [line[:40].decode() for line in out.splitlines()]

    def _run(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        where = [] if arguments[0] == "init" else ["-C", str(self.folder)]
        return subprocess.run(
            ["git", *where, *arguments], input=stdin, env=environment, capture_output=True, check=True
        ).stdout


def text(*lines: str) -> bytes:
    """Lines as a file."""
    return "".join(f"{line}\n" for line in lines).encode()


def numbered(name: str, count: int) -> list[str]:
    """Lines that no other file has."""
    return [f"{name} line {number} of its own" for number in range(count)]
