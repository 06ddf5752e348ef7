"""Histories with known truth: real git repositories and the sessions that worked in them, made from a seed.

    history = generate(seed=7, operations=("session", "user_revises", "commit", "revert"), folder=path)

`history.sessions` are what importers would read, `history.folder` is the repository, `history.truth` says who wrote
every line and what became of it. The same seed and operations give the same history, commit ids included.

How it fits: `trees` (lines with identity), `builder` (the state), `agent` and `work` (who edits), `operations` (what
happens), `repository` (git) and `truth`, in this order. README.md lists the operations and says what the truth means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.histories.builder import MAIN, Builder
from bench.histories.operations import OPERATIONS, RESHAPING, REVERTING, others
from bench.histories.repository import git, write_repository
from bench.histories.truth import Life, LineTruth, SessionTruth, Truth, find_truth

from golddiff.types import RawSession

SCENARIOS: dict[str, tuple[str, ...]] = {
    "as it is": ("session", "commit"),
    "revised": ("session", "user_revises", "user_removes", "commit"),
    "rejected": ("session", "discard"),
    "rejected and written again": ("session", "discard", "write_again", "commit"),
    "left lying": ("session", "branch", "commit", "delete_branch"),
    "two sessions": ("session", "session", "user_adds", "commit"),
    "two commits": ("session", "commit", "resume", "commit"),
    "in parts": ("session", "commit_part", "commit"),
    "by the line": ("session", "commit_some_lines", "user_adds", "commit"),
    "amended": ("session", "commit", "user_revises", "amend"),
    "fixed up": ("session", "commit", "others", "session", "commit", "user_adds", "fixup"),
    "by the agent": ("session", "agent_commits"),
    "merged": ("branch", "session", "commit", "others", "resume", "commit", "merge", "delete_branch"),
    "squashed": ("branch", "session", "commit", "others", "session", "commit", "squash_merge", "delete_branch"),
    "squashed, branch kept": ("branch", "session", "commit", "resume", "commit", "squash_merge"),
    "rebased": ("branch", "session", "commit", "others", "session", "commit", "rebase"),
    "picked": ("branch", "session", "commit", "session", "commit", "others", "cherry_pick"),
    "renamed": ("session", "rename_file", "commit"),
    "renamed later": ("session", "commit", "rename_file", "commit"),
    "moved": ("session", "move_within", "commit", "move_across", "commit"),
    "moved first": ("session", "move_across", "commit"),
    "reformatted": ("session", "indent", "commit", "line_ends", "commit"),
    "wrapped": ("session", "commit", "wrap_lines", "commit"),
    "mended": ("session", "commit", "follow_up"),
    "taken back": ("session", "commit", "wait", "revert"),
    "taken back and again": ("session", "commit", "revert", "others", "unrevert"),
    "overwritten": ("session", "commit", "wait", "overwrite", "commit"),
    "boilerplate": ("boilerplate", "commit", "session", "boilerplate", "commit"),
    "unrelated": ("others", "user_adds", "commit"),
    "renamed, then mended": ("session", "rename_file", "commit", "follow_up"),
    "renamed, then taken back": ("session", "commit", "rename_file", "commit", "wait", "revert"),
    "renamed, taken back and again": (
        "session", "commit", "rename_file", "commit", "revert", "rename_file", "commit", "unrevert",
    ),
}  # fmt: skip
"""Operations in the orders that people use them in."""


@dataclass(frozen=True, slots=True)
class History:
    """A repository, the sessions that worked in it, and what is true of both."""

    folder: Path
    sessions: tuple[RawSession, ...]
    truth: Truth


def play(seed: int, operations: Sequence[str], *, modules: int = 8, settle_days: int = 30) -> Builder:
    """Carry operations out, in memory only; `generate` says what the arguments are."""
    builder = Builder(seed, modules)
    for place, name in enumerate(operations):
        OPERATIONS[name](builder, Random(f"{seed}/{place}/{name}"))
    builder.wait(days=settle_days)
    others(builder, Random(f"{seed}/end"))
    return builder


def generate(seed: int, operations: Sequence[str], folder: Path, *, modules: int = 8, settle_days: int = 30) -> History:
    """Make a history in a new folder.

    `modules` commits by others come first; after the operations `settle_days` pass and someone else commits, so that
    what is nowhere then is known to be rejected or abandoned. Raises KeyError for an unknown operation.
    """
    builder = play(seed, operations, modules=modules, settle_days=settle_days)
    shas = write_repository(builder, folder)
    sessions = tuple(session.transcript(str(folder), shas) for session in builder.sessions)
    return History(folder, sessions, find_truth(builder, shas))


__all__ = [
    "MAIN",
    "OPERATIONS",
    "RESHAPING",
    "REVERTING",
    "SCENARIOS",
    "History",
    "Life",
    "LineTruth",
    "SessionTruth",
    "Truth",
    "generate",
    "git",
    "play",
]
