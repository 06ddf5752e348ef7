"""Changes of a file → windows: the changed lines with a little context, before and after. The only place.

How it fits: `curate` cuts the rows of a dataset here, `evaluate` the questions of a repository's tasks, so that a
student is asked about windows like those that it was trained on.

Changes whose contexts would touch or overlap share a window. Lines are known by their number in the file before, so
a window can be cut from a whole file (history) or from the few lines that a patch shows (sessions). Two versions of
the same window, such as what was accepted and what the agent first said, come from the same call and have the same
`before`: the window spans the changes of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from golddiff.patch import Hunk

CONTEXT_LINES = 3
"""Unchanged lines on each side of a change, where nobody says otherwise: as many as patches show."""


@dataclass(frozen=True, slots=True)
class Change:
    """Lines `start` to `stop` (from 0, `stop` excluded) of the file before are replaced by `new`."""

    start: int
    stop: int
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """One window. Texts keep their line ends."""

    start_line: int
    """First line in the file before, from 1."""
    before: str
    after: str
    other: str | None
    """The same window after the other version's changes; None where there is no other version."""


def changes_of(hunks: Iterable[Hunk]) -> tuple[list[Change], dict[int, str]]:
    """Return the changes of a file's hunks and every line of the file before that the hunks show."""
    changes: list[Change] = []
    known: dict[int, str] = {}
    for hunk in hunks:
        if hunk.old_start is None:
            continue
        at = hunk.old_start - 1 if hunk.old else hunk.old_start
        start, new = at, list[str]()
        open_change = False
        for sign, text in hunk.lines:
            if sign == " ":
                if open_change:
                    changes.append(Change(start, at, tuple(new)))
                    open_change = False
                known[at] = text
                at += 1
                continue
            if not open_change:
                start, new, open_change = at, [], True
            if sign == "-":
                known[at] = text
                at += 1
            else:
                new.append(text)
        if open_change:
            changes.append(Change(start, at, tuple(new)))
    return changes, known


def windows(
    lines: Mapping[int, str] | Sequence[str],
    changes: Sequence[Change],
    context: int,
    other: Sequence[Change] | None = None,
) -> list[Window]:
    """Cut the windows around `changes` (sorted, not overlapping) out of the lines of the file before.

    `other` is another version's changes to the same file. Only windows that hold a change of the first are returned.
    """
    known = lines if isinstance(lines, Mapping) else dict(enumerate(lines))
    marked = [(change, True) for change in changes] + [(change, False) for change in other or ()]
    marked.sort(key=lambda item: (item[0].start, item[0].stop))
    groups: list[list[tuple[Change, bool]]] = []
    reach = 0
    for change, first in marked:
        gap = range(reach, change.start)
        if groups and len(gap) <= 2 * context and all(line in known for line in gap):
            groups[-1].append((change, first))
        else:
            groups.append([(change, first)])
            reach = change.stop
        reach = max(reach, change.stop)
    found = []
    for group in groups:
        mine = [change for change, first in group if first]
        if not mine:
            continue
        start = min(change.start for change, _ in group)
        stop = max(change.stop for change, _ in group)
        low = _reach(known, start, -1, context)
        high = _reach(known, stop - 1, 1, context) + 1
        theirs = None if other is None else [change for change, first in group if not first]
        found.append(
            Window(
                start_line=low + 1,
                before="".join(known[line] for line in range(low, high)),
                after=_apply(known, low, high, mine),
                other=None if theirs is None else _apply(known, low, high, theirs),
            )
        )
    return found


def _reach(known: Mapping[int, str], line: int, step: int, limit: int) -> int:
    """Walk from `line` over known lines, at most `limit` steps; for -1 return the first line of the window."""
    if step < 0:
        while limit and line - 1 in known:
            line -= 1
            limit -= 1
        return line
    while limit and line + 1 in known:
        line += 1
        limit -= 1
    return line


def _apply(known: Mapping[int, str], low: int, high: int, changes: Sequence[Change]) -> str:
    pieces: list[str] = []
    at = low
    for change in changes:
        pieces += [known[line] for line in range(at, change.start)]
        pieces += change.new
        at = change.stop
    pieces += [known[line] for line in range(at, high)]
    return "".join(pieces)
