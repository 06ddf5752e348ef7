"""The one thing that golddiff writes into a repository: notes, into a ref that the user named.

One `git fast-import` makes one commit on that ref, or none; no branch, index or file is touched and nothing is pushed.
Only commits that the repository has get a note. What is there already is kept unless `replaceable` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from golddiff.errors import InputError, UsageError
from golddiff.git.repository import GitRepository

__all__ = ["Written", "write_notes"]

_PREFIX = "refs/notes/"
_MESSAGE = "Notes added by golddiff."


@dataclass
class Written:
    """What became of the notes."""

    written: int = 0
    unchanged: int = 0
    """Commits that have this very note already."""
    kept: list[str] = field(default_factory=list)
    """Commits with another note in this ref, which was left as it is."""
    absent: list[str] = field(default_factory=list)
    """Commits that this repository does not have."""


def write_notes(
    git: GitRepository, ref: str, notes: Mapping[str, str], *, replaceable: Callable[[bytes], bool], at: datetime
) -> Written:
    """Write notes, by full SHA of their commit, into `ref`; `at` is when, in UTC.

    Raises:
        UsageError: the ref is not a full name below refs/notes/.
        InputError: git refuses.
    """
    if not ref.startswith(_PREFIX) or git.output(["check-ref-format", ref]) is None:
        raise UsageError(f"{ref} is no ref for notes: give a full name, such as {_PREFIX}golddiff.")
    tip = git.resolve(ref)
    there = {path.replace("/", ""): blob for path, blob in git.tree(tip).items()} if tip else {}
    found, wanted = Written(), {}
    for sha, text in sorted(notes.items()):
        before = git.blob(there[sha]) if sha in there else None
        if git.resolve(sha) is None:
            found.absent.append(sha)
        elif before == text.encode():
            found.unchanged += 1
        elif before is not None and not replaceable(before):
            found.kept.append(sha)
        else:
            wanted[sha] = text.encode()
    if wanted:
        seconds = int(at.astimezone(UTC).timestamp())
        head = [f"commit {ref}", f"committer golddiff <golddiff@localhost> {seconds} +0000"]
        head += [f"data {len(_MESSAGE)}", _MESSAGE, *([f"from {tip}"] if tip else [])]
        stream = "\n".join(head).encode() + b"\n"
        stream += b"".join(
            f"N inline {sha}\ndata {len(text)}\n".encode() + text + b"\n" for sha, text in wanted.items()
        )
        # `output` runs git without the hooks and settings of the repository.
        done = git.output(["fast-import", "--quiet", "--done"], stdin=stream + b"done\n")
        if done is None:
            raise InputError(
                f"git refuses to write {ref} in {git.git_dir}: is the folder read-only, or the ref locked?"
            )
        found.written = len(wanted)
    return found
