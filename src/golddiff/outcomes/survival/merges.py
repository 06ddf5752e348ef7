"""Merges: every line belongs to the first parent that had it, as `git blame` gives it.

A file that equals one parent's under the same name is that parent's whole, lines and all. In any other file each line
is looked for in the parents in order; what none of them had was written in the merge. Where a parent has no file of
that name, the one that it was renamed from is looked for, as for an ordinary commit.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from golddiff.git import GitRepository
from golddiff.git.splices import LOST, FileSplices, LoggedCommit, MergedFile, against_parent
from golddiff.outcomes.survival.ledger import NEVER, Ledger, Numbers
from golddiff.outcomes.survival.renames import rechosen
from golddiff.outcomes.survival.text import lengths, text_lines


class File(NamedTuple):
    """One file of a state: its content's id and the numbers of its lines."""

    blob: bytes
    numbers: Numbers


State = dict[bytes, File]
"""Files of one commit by path, as git quotes it. Links and submodules are not in it; binary files have no lines."""


_NO_FILE = File(b"", array("I"))


def merge(
    git: GitRepository,
    ledger: Ledger,
    commit: LoggedCommit,
    index: int,
    parents: Sequence[State],
    first: Sequence[FileSplices],
    every: Sequence[MergedFile],
    place: int,
    without: AbstractSet[bytes] = frozenset(),
) -> State:
    """The state of a merge: `first` are the files that differ from its first parent, `every` from all of them.

    `without` are paths that cannot be read.
    """
    mixed = {file.path: file for file in every}
    state = dict(parents[0])
    gone, came = array("I"), array("I")
    diffs = _Comparisons(git, commit.sha, without)
    for file in first:
        before = state.pop(file.path, _NO_FILE).numbers
        if not file.is_file:
            gone += before
            continue
        found = [parent[file.path] for parent in parents if file.path in parent]
        whole = next((known for known in found if known.blob == file.blob), None)
        if whole is not None:
            numbers = whole.numbers
        elif file.path in mixed and len(found) == len(parents) and not mixed[file.path].binary:
            numbers = _lines(ledger, index, mixed[file.path], [known.numbers for known in found])
        else:
            numbers = _renamed(git, ledger, commit, index, file, parents, diffs)
        if place != NEVER:
            old, new = _differing(before, numbers)
            gone += old
            came += new
        state[file.path] = File(file.blob, numbers)
    if place != NEVER:
        ledger.settle(gone, came, place, (state[file.path].numbers for file in first if file.path in state))
    return state


def _differing(one: Numbers, other: Numbers) -> tuple[Numbers, Numbers]:
    """Both without what they begin and end with alike (nearly all of it: steps are halved)."""
    head = tail = 0
    step = min(len(one), len(other))
    while step:
        if one[head : head + step] == other[head : head + step]:
            head += step
        step //= 2
    one, other = one[head:], other[head:]
    step = min(len(one), len(other))
    while step:
        if one[len(one) - tail - step : len(one) - tail] == other[len(other) - tail - step : len(other) - tail]:
            tail += step
        step = min(step // 2, len(one) - tail, len(other) - tail)
    return one[: len(one) - tail], other[: len(other) - tail]


def _lines(ledger: Ledger, index: int, file: MergedFile, parents: Sequence[Numbers]) -> Numbers:
    """Numbers of the lines of a file that differs from every parent's."""
    at = [0] * len(parents)
    out = array("I")
    for start, body in file.hunks:
        gap = start - len(out)
        out += parents[0][at[0] : at[0] + gap]
        at = [place + gap for place in at]
        new: list[bytes] = []
        for mark, line in body:
            owners = _PAIR[mark & ~LOST] if mark & ~LOST < 4 else _owners(mark & ~LOST)
            if not mark & LOST:
                if owners:
                    _write(ledger, index, file.path, new, out)
                    out.append(parents[owners[0]][at[owners[0]]])
                else:
                    new.append(line)
            for parent in owners:
                at[parent] += 1
        _write(ledger, index, file.path, new, out)
    out += parents[0][at[0] :]
    return out


_PAIR = ((), (0,), (1,), (0, 1))


def _owners(mark: int) -> tuple[int, ...]:
    """Parents whose bit is set."""
    return tuple(parent for parent in range(mark.bit_length()) if mark >> parent & 1)


def _write(ledger: Ledger, index: int, path: bytes, new: list[bytes], out: Numbers) -> None:
    if new:
        out += ledger.write(index, path, len(out), lengths(new))
        new.clear()


def _renamed(
    git: GitRepository,
    ledger: Ledger,
    commit: LoggedCommit,
    index: int,
    file: FileSplices,
    parents: Sequence[Mapping[bytes, File]],
    diffs: _Comparisons,
) -> Numbers:
    """Numbers of the lines of a file that some parent has under another name, or not at all."""
    sources = [diffs.source(sha, file.path) for sha in commit.parents]
    for source, parent in zip(sources, parents, strict=True):
        if source is not None and source.old_blob == source.blob and source.old_path in parent:
            return parent[source.old_path].numbers
    lines = text_lines(git, file.blob)
    out = array("q", [NEVER]) * len(lines)
    for source, parent in zip(sources, parents, strict=True):
        if source is None or source.binary or source.old_path not in parent:
            continue
        old = parent[source.old_path].numbers
        before = after = 0
        for splice in [*source.splices, None]:
            stop = len(old) if splice is None else splice.old_from
            for step in range(stop - before):
                if out[after + step] == NEVER:
                    out[after + step] = old[before + step]
            if splice is not None:
                before, after = splice.old_to, splice.new_to
    numbers = array("I")
    new: list[bytes] = []
    for number, line in zip(out, lines, strict=True):
        if number == NEVER:
            new.append(line)
        else:
            _write(ledger, index, file.path, new, numbers)
            numbers.append(number)
    _write(ledger, index, file.path, new, numbers)
    return numbers


class _Comparisons:
    """A merge compared with its parents in full, each when it is first asked for."""

    def __init__(self, git: GitRepository, sha: str, without: AbstractSet[bytes]) -> None:
        self._git, self._sha, self._without = git, sha, without
        self._done: dict[str, list[FileSplices]] = {}

    def source(self, parent: str, path: bytes) -> FileSplices | None:
        """How one file of the merge came from a parent's."""
        if parent not in self._done:
            ((_, files),) = against_parent(self._git, [(self._sha, parent)], without=self._without)
            self._done[parent] = rechosen(self._git, self._sha, parent, files)
        found = [file for file in self._done[parent] if file.path == path and file.was_file and file.is_file]
        return found[0] if found else None
