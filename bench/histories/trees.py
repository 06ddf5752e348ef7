"""Files as lines that keep their identity, and changes that are carried over by identity.

A `Line` has a number of its own that stays when it is moved, re-indented, wrapped or renamed with its file. So what git
can only guess from text (which line went where) is known here, and every operation of git that carries a change to
another place (merge, rebase, cherry-pick, revert, stash, staging a part) is one function: `transfer`.

A line that is wrapped into several becomes pieces with its number. No (number, piece) stands twice in a tree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

Key = tuple[int, int]
"""Number of a line and of its piece; piece 0 is the whole line."""


class Line(NamedTuple):
    """One line, without its newline."""

    id: int
    text: str
    part: int = 0

    @property
    def key(self) -> Key:
        """What is unique in a tree."""
        return self.id, self.part


class File(NamedTuple):
    """One file; its number stays when it is renamed."""

    path: str
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(line.text + "\n" for line in self.lines)


Tree = Mapping[int, File]
"""Files by their number."""


class Hunk(NamedTuple):
    """Lines taken from one place of a file and lines placed there."""

    file: int
    taken: tuple[Line, ...]
    placed: tuple[Line, ...]
    context: tuple[Line, ...]
    """The whole changed file."""
    at: int
    """Where `placed` begins in it."""

    @property
    def same_line(self) -> bool:
        """Whether only the text of one line changed."""
        return len(self.taken) == 1 == len(self.placed) and self.taken[0].key == self.placed[0].key


def line_ids(tree: Tree) -> set[int]:
    """Numbers of all lines."""
    return {line.id for file in tree.values() for line in file.lines}


def hunks(number: int, before: File | None, after: File | None) -> list[Hunk]:
    """The change of one file, in order of its lines."""
    old, new = before.lines if before else (), after.lines if after else ()
    fixed = _in_place([line.key for line in old], [line.key for line in new])
    found: list[Hunk] = []
    i = j = 0
    while i < len(old) or j < len(new):
        first, at = i, j
        while i < len(old) and old[i].key not in fixed:
            i += 1
        while j < len(new) and new[j].key not in fixed:
            j += 1
        if i > first or j > at:
            found.append(Hunk(number, old[first:i], new[at:j], new, at))
        if i < len(old):
            if old[i].text != new[j].text:
                found.append(Hunk(number, (old[i],), (new[j],), new, j))
            i, j = i + 1, j + 1
    return found


def _in_place(old: Sequence[Key], new: Sequence[Key]) -> set[Key]:
    """Keys of both that keep their order: the longest rising run of old positions in new order."""
    position = {key: index for index, key in enumerate(old)}
    ends: list[int] = []
    chain: list[Key] = []
    previous: dict[Key, Key | None] = {}
    for key in new:
        if key in position:
            place = bisect_left(ends, position[key])
            previous[key] = chain[place - 1] if place else None
            ends[place:] = [position[key], *ends[place + 1 :]]
            chain[place:] = [key, *chain[place + 1 :]]
    kept: set[Key] = set()
    last = chain[-1] if chain else None
    while last is not None:
        kept.add(last)
        last = previous[last]
    return kept


def changes(base: Tree, changed: Tree) -> list[Hunk]:
    """All hunks between two trees, in order of files."""
    numbers = sorted(number for number in base.keys() | changed.keys() if base.get(number) != changed.get(number))
    return [hunk for number in numbers for hunk in hunks(number, base.get(number), changed.get(number))]


def transfer(base: Tree, changed: Tree, target: Tree, choose: Callable[[Hunk], bool] | None = None) -> dict[int, File]:
    """`target` with what changed from `base` to `changed`, or of that the hunks that `choose` accepts.

    Never a conflict: lines go behind the nearest line before them that the target has; a line that the target has
    already is not placed twice; one that it lost is not moved; a file that it deleted stays deleted.
    """
    lines = {number: list(file.lines) for number, file in target.items()}
    paths = {number: file.path for number, file in target.items()}
    known, had = line_ids(base), line_ids(target)
    todo: list[Hunk] = []
    deleted: list[int] = []
    for number in sorted(base.keys() | changed.keys()):
        before, after = base.get(number), changed.get(number)
        if before == after:
            continue
        found = hunks(number, before, after)
        chosen = [hunk for hunk in found if choose is None or choose(hunk)]
        if found and not chosen:
            continue
        todo += chosen
        if after is None:
            deleted.append(number)
        elif before is None:
            lines.setdefault(number, [])
            paths.setdefault(number, after.path)
        elif number in paths and before.path != after.path:
            paths[number] = after.path
    freed = _take(todo, lines)
    for hunk in todo:
        if hunk.file in lines:
            _place(hunk, lines[hunk.file], {key for key in freed if key in known} | _new(hunk.placed, known, had))
    for number in deleted:
        if not lines.get(number):
            lines.pop(number, None)
    return {
        number: target[number] if number in target and target[number] == (paths[number], tuple(own)) else
        File(paths[number], tuple(own))
        for number, own in lines.items()
        if own or number in target
    }  # fmt: skip


def _new(placed: Iterable[Line], known: set[int], had: set[int]) -> set[int]:
    return {line.id for line in placed if line.id not in known and line.id not in had}


def _take(todo: Iterable[Hunk], lines: dict[int, list[Line]]) -> set[int]:
    """Remove what the hunks take; returns the numbers of lines that were there to be taken."""
    freed: set[int] = set()
    for hunk in todo:
        own = lines.get(hunk.file)
        if own is None or hunk.same_line:
            continue
        keys = {line.key for line in hunk.taken}
        freed.update(line.id for line in own if line.key in keys)
        own[:] = [line for line in own if line.key not in keys]
    return freed


def _place(hunk: Hunk, own: list[Line], allowed: set[int]) -> None:
    """Put the hunk's lines behind the nearest line in front of them that is there."""
    where = {line.key: index for index, line in enumerate(own)}
    if hunk.same_line:
        index = where.get(hunk.taken[0].key)
        if index is not None and own[index].text == hunk.taken[0].text:
            own[index] = hunk.placed[0]
        return
    fresh = [line for line in hunk.placed if line.id in allowed]
    anchors = (where[line.key] for line in reversed(hunk.context[: hunk.at]) if line.key in where)
    at = next(anchors, -1) + 1
    own[at:at] = fresh
