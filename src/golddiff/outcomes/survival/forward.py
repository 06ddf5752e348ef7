"""The pass: every commit of a ref once, parents first; each file is an array of line numbers that hunks splice.

An ordinary commit replaces lines of its parent's files. A merge gives every line to the first of its parents that had
it, as `git blame` does: a file that equals one parent's is that parent's whole, and in the others `merges` looks line
by line. A state is dropped when the last commit that builds on it is done, so only open branches are in memory.

The mainline is the chain of first parents from the tip. A line lives from the mainline commit that brought it in until
the first mainline commit whose tree does not hold it; what happens on a branch before it is merged is not seen there.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from golddiff.errors import InputError
from golddiff.git import GitRepository
from golddiff.git.splices import (
    FileSplices,
    LoggedCommit,
    Splice,
    against_all,
    against_first,
    against_parent,
    unreadable_paths,
    walk,
)
from golddiff.outcomes.survival.ledger import NEVER, Ledger, Numbers
from golddiff.outcomes.survival.merges import File, State, merge
from golddiff.outcomes.survival.renames import rechosen
from golddiff.outcomes.survival.text import lengths, text_lines

_EMPTY: Numbers = array("I")


UNDO = 300
"""Mainline commits back from the tip at which a new branch may have begun, to be followed without a whole pass."""
Changes = dict[bytes, File | None]
"""Path → the file there, None where there was none."""


class Piece(NamedTuple):
    """One splice, with what it removed."""

    path: bytes
    splice: Splice
    removed: Numbers


Carry = Callable[[Ledger, int, Sequence[Piece]], list[Numbers]]
"""Give numbers to the added lines of each piece of a commit: new ones, or those of removed lines that they go on."""


@dataclass(slots=True)
class Followed:
    """What one pass knows."""

    ledger: Ledger = field(default_factory=Ledger)
    commits: list[LoggedCommit] = field(default_factory=list)
    """Every commit, parents first."""
    mainline: list[int] = field(default_factory=list)
    """Positions in `commits` of the first parents from the tip, oldest first."""
    merged_at: list[int] = field(default_factory=list)
    """For every commit the mainline position of the first mainline commit that holds it."""
    files: State = field(default_factory=dict)
    """State of the tip."""
    left_out: set[bytes] = field(default_factory=set)
    """Paths that were not followed, since some content of theirs is not here."""
    undo: dict[int, Changes] = field(default_factory=dict)
    """Mainline position → what the files were before that commit; for the last `UNDO` of them."""
    seen: dict[tuple[str, bytes], Numbers] = field(default_factory=dict)
    """Lines of the files that were asked for, by commit and path."""


def write_new(ledger: Ledger, commit: int, pieces: Sequence[Piece]) -> list[Numbers]:
    """Exact mode: every added line is a new line, as `git blame` has it."""
    return [ledger.write(commit, path, splice.new_from, lengths(splice.added)) for path, splice, _ in pieces]


def follow(
    git: GitRepository,
    tip: str,
    *,
    carry: Carry = write_new,
    watch: Mapping[str, Iterable[bytes]] | None = None,
) -> Followed:
    """Follow every line from the first commit to `tip`; `watch` names commits and paths whose lines are kept.

    Files of which some content is missing here (partial clones) are left out and named. Raises InputError where the
    history cannot be read.
    """
    done = Followed(commits=walk(git, tip))
    try:
        advance(git, done, {}, 0, carry, watch or {})
    except InputError:
        left_out = unreadable_paths(git, done.commits)
        if not left_out:
            raise
        done = Followed(commits=done.commits, left_out=left_out)
        advance(git, done, {}, 0, carry, watch or {})
    return done


def advance(
    git: GitRepository,
    done: Followed,
    states: dict[str, State],
    start: int,
    carry: Carry,
    watch: Mapping[str, Iterable[bytes]],
) -> None:
    """Process `done.commits` from position `start` on; `states` holds what they build on."""
    fresh = done.commits[start:]
    if not fresh:
        return
    known = {commit.sha: start + index for index, commit in enumerate(fresh)}
    _find_mainline(done, known, start)
    position = {done.commits[index].sha: place for place, index in enumerate(done.mainline) if index >= start}
    uses = Counter(parent for commit in fresh for parent in commit.parents)
    plain = [commit for commit in fresh if len(commit.parents) < 2]
    merges = [commit for commit in fresh if len(commit.parents) > 1]
    changes = against_parent(
        git, ((commit.sha, next(iter(commit.parents), None)) for commit in plain), without=done.left_out
    )
    firsts = against_first(git, merges, without=done.left_out) if merges else iter(())
    alls = against_all(git, merges, without=done.left_out) if merges else iter(())
    ledger = done.ledger
    last_undone = max(0, len(done.mainline) - UNDO)
    for index, commit in enumerate(fresh, start):
        parents = [states[parent] for parent in commit.parents]
        for parent in commit.parents:
            uses[parent] -= 1
            if not uses[parent]:
                del states[parent]
        place = position.get(commit.sha, NEVER)
        if len(parents) > 1:
            sha, first = next(firsts)
            other, every = next(alls)
            assert sha == other == commit.sha
            if place >= last_undone:
                done.undo[place] = _before(parents[0], first)
            state = merge(git, ledger, commit, index, parents, first, every, place, done.left_out)
        else:
            sha, files = next(changes)
            assert sha == commit.sha
            state = parents[0] if parents else {}
            if parents and uses[commit.parents[0]]:
                state = dict(state)
            if place >= last_undone:
                done.undo[place] = _before(state, files)
            _apply(
                git,
                ledger,
                commit,
                index,
                state,
                rechosen(git, sha, next(iter(commit.parents), None), files),
                carry,
                place,
            )
        states[commit.sha] = state
        for path in watch.get(commit.sha, ()):
            if path in state:
                done.seen[commit.sha, path] = state[path].numbers
    for stream in (changes, firsts, alls):
        assert next(stream, None) is None
    done.files = states[done.commits[-1].sha]
    done.undo = {place: before for place, before in done.undo.items() if place >= last_undone}


def _before(state: State, files: Sequence[FileSplices]) -> Changes:
    """The files that a commit changes, as they were."""
    return {path: state.get(path) for file in files for path in (file.old_path, file.path)}


def _find_mainline(done: Followed, known: Mapping[str, int], start: int) -> None:
    """Extend the mainline to the last commit, and say of every new commit where it was merged."""
    chain = []
    index: int | None = len(done.commits) - 1
    while index is not None and index >= start:
        chain.append(index)
        parents = done.commits[index].parents
        index = known.get(parents[0]) if parents else None
    done.merged_at += [NEVER] * (len(done.commits) - start)
    for at in reversed(chain):
        place = len(done.mainline)
        done.mainline.append(at)
        stack = [at]
        while stack:
            index = stack.pop()
            if done.merged_at[index] == NEVER:
                done.merged_at[index] = place
                stack += [known[parent] for parent in done.commits[index].parents if parent in known]


def _apply(
    git: GitRepository,
    ledger: Ledger,
    commit: LoggedCommit,
    index: int,
    state: State,
    files: Sequence[FileSplices],
    carry: Carry,
    place: int,
) -> None:
    """Change `state` as an ordinary commit does."""
    olds = [state[file.old_path].numbers if file.was_file and file.old_path in state else _EMPTY for file in files]
    splices = [_splices(git, file, old) for file, old in zip(files, olds, strict=True)]
    copies = [ledger.copy(old) if file.status == "C" else old for file, old in zip(files, olds, strict=True)]
    pieces = [
        Piece(file.path, splice, old[splice.old_from : splice.old_to])
        for file, old, done in zip(files, copies, splices, strict=True)
        for splice in done
    ]
    given = iter(carry(ledger, index, pieces))
    for file in files:
        if file.status in "DRT":
            state.pop(file.old_path, None)
    came = array("I")
    gone = array("I")
    for file, old, done in zip(files, copies, splices, strict=True):
        numbers = array("I")
        at = 0
        for splice in done:
            added = next(given)
            numbers += old[at : splice.old_from]
            numbers += added
            at = splice.old_to
            if file.status != "C":
                came += added
                gone += old[splice.old_from : at]
        numbers += old[at:]
        if file.status == "C":
            came += numbers
        if file.is_file:
            state[file.path] = File(file.blob, numbers)
    if place != NEVER:
        ledger.settle(gone, came, place, (state[file.path].numbers for file in files if file.path in state))


def _splices(git: GitRepository, file: FileSplices, old: Numbers) -> list[Splice]:
    """What leads from the lines that are known to those of the new file."""
    if not file.is_file:
        found = [splice for splice in file.splices if not splice.added]
        whole = sum(len(splice.removed) for splice in found) == len(old)
        return found if whole else [Splice(0, len(old), 0, 0, [], [])]
    if file.binary:
        lines = text_lines(git, file.blob)
        return [Splice(0, len(old), 0, len(lines), [], lines)]
    if not file.was_file:
        return [splice for splice in file.splices if not splice.removed]
    return file.splices
