"""Commits of a `Builder` → a real git repository, by one `git fast-import` (hundreds of commits in a second).

Only commits that a branch reaches are written, as a clone would have them; there is no checked-out worktree.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bench.histories.builder import MAIN, Builder, Commit
from bench.histories.trees import Tree


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git without anyone's configuration."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], input=stdin, capture_output=True, env=_environment(), check=False
    )
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)} failed: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return environment | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def write_repository(builder: Builder, folder: Path) -> dict[int, str]:
    """Write all reachable commits to a new repository in `folder`; returns their SHAs by number."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--template=", f"--initial-branch={MAIN}")
    reachable = sorted(set[int]().union(*(builder.ancestors(tip) for tip in builder.branches.values())))
    return _import(builder, reachable, folder)


def _import(builder: Builder, reachable: list[int], folder: Path) -> dict[int, str]:
    shas: dict[int, str] = {}
    with subprocess.Popen(
        ["git", "-C", str(folder), "-c", "fastimport.unpackLimit=1", "fast-import", "--quiet", "--force"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
    ) as process:
        assert process.stdin
        assert process.stdout
        for number in reachable:
            process.stdin.write(b"".join(_commit(builder, number, shas)) + f"get-mark :{number + 1}\n".encode())
            process.stdin.flush()
            shas[number] = process.stdout.readline().decode().strip()
        for name, tip in builder.branches.items():
            process.stdin.write(f"reset refs/heads/{name}\nfrom :{tip + 1}\n\n".encode())
        process.stdin.close()
    if process.returncode:
        raise RuntimeError(f"git fast-import failed in {folder}")
    return shas


def _commit(builder: Builder, number: int, shas: dict[int, str]) -> Iterator[bytes]:
    commit = builder.commits[number]
    message = commit.message + "\n"
    if (reverted := shas.get(builder.reverts.get(number, -1))) is not None:  # as `git revert` says it
        message += f"\nThis reverts commit {reverted}.\n"
    yield f"commit refs/heads/{MAIN}\nmark :{number + 1}\n".encode()
    yield f"author {_person(commit, commit.authored_at)}\n".encode()
    yield f"committer {_person(commit, commit.committed_at)}\n".encode()
    yield _data(message)
    for place, parent in enumerate(commit.parents):
        yield f"{'merge' if place else 'from'} :{parent + 1}\n".encode()
    yield from _files(builder.commits[commit.parents[0]].tree if commit.parents else {}, commit.tree)
    yield b"\n"


def _files(before: Tree, after: Tree) -> Iterator[bytes]:
    """What a commit changes against its first parent."""
    changed = [number for number in after if before.get(number) != after[number]]
    paths = {file.path for file in after.values()}
    for number, file in before.items():
        if (number not in after or after[number].path != file.path) and file.path not in paths:
            yield f"D {file.path}\n".encode()
    for number in changed:
        yield f"M 100644 inline {after[number].path}\n".encode()
        yield _data(after[number].text)


def _data(text: str) -> bytes:
    data = text.encode()
    return b"data %d\n%s\n" % (len(data), data)


def _person(commit: Commit, at: datetime) -> str:
    return f"{commit.author} <{commit.author}@example.test> {int(at.timestamp())} +0000"
