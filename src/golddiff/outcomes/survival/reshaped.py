"""Move- and reformat-aware mode: which lines of a commit go on living although it took them out and put them back.

Within one commit, removed and added lines are matched in three steps, each on what the one before left:

1. in place: lines of one hunk that are equal without white space, quotes and a last comma, in order;
2. broken or joined: runs of lines of one hunk that say the same in one piece (`lines.bare`). A line broken into three
   is three lines with one number; three joined are one line that carries three numbers;
3. moved: runs of lines found elsewhere in the same file or in another one, with the order kept, of at least as many
   letters and digits as git asks of moved text (20). The longest run wins, and the same file before another.

Everything else is a new line; a commit that changes the words of a line ends it. Lines moved by one commit
and put back by a later one are not matched, nor is anything inside a merge's own resolution.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from golddiff import patch
from golddiff.outcomes.lines import bare, fingerprint, key, significant, tells
from golddiff.outcomes.survival.forward import Piece, write_new
from golddiff.outcomes.survival.ledger import Ledger, Numbers
from golddiff.outcomes.survival.text import lengths

_MOST_PAIRS = 250_000
"""Removed × added lines of one hunk beyond which broken and joined lines are not looked for (500 × 500)."""
_MOST_PLACES = 50
"""Removed places of one text that a moved run is looked for at; a text that stands there more often says nothing."""


@dataclass(slots=True)
class _Hunk:
    """One piece with what is still unmatched."""

    piece: Piece
    old: list[str]
    """Keys of the removed lines."""
    new: list[str]
    """Keys of the added lines."""
    given: dict[int, list[int]] = field(default_factory=dict)
    """Added line → removed lines that it goes on with; places in this or, where they are moved, another hunk."""
    used: set[int] = field(default_factory=set)
    """Removed lines that go on."""
    again: list[int] = field(default_factory=list)
    """Numbers that go on in more than one line."""

    def match(self, new: int, old: int, source: _Hunk | None = None) -> None:
        """The added line goes on with a removed one."""
        origin = source or self
        self.given.setdefault(new, []).append(origin.piece.removed[old])
        if old in origin.used:
            origin.again.append(origin.piece.removed[old])
        origin.used.add(old)


def carry_reshaped(ledger: Ledger, commit: int, pieces: Sequence[Piece]) -> list[Numbers]:
    """Numbers for the added lines of a commit: those of removed lines that go on, new ones for the rest."""
    if not any(piece.removed for piece in pieces):
        return write_new(ledger, commit, pieces)
    hunks = [_hunk(piece) for piece in pieces]
    for hunk in hunks:
        if hunk.old and hunk.new:
            _in_place(hunk)
    _moved(hunks)
    for hunk in hunks:
        for number in hunk.again:
            ledger.broken.update(ledger.lines_of(number))
    return [_numbers(ledger, commit, hunk) for hunk in hunks]


def _hunk(piece: Piece) -> _Hunk:
    return _Hunk(piece, _keys(piece.splice.removed), _keys(piece.splice.added))


def _keys(lines: Sequence[bytes]) -> list[str]:
    """Keys of lines that all end with a line feed, decoded in one piece."""
    return list(map(key, b"".join(lines).decode("utf-8", "replace").split("\n")[:-1]))


def _in_place(hunk: _Hunk) -> None:
    """Steps 1 and 2."""
    old, new = list(map(fingerprint, hunk.old)), list(map(fingerprint, hunk.new))
    old_at = new_at = 0
    nothing_alike = set(old).isdisjoint(new)
    blocks = [(0, len(old), 0, len(new))] if nothing_alike else patch.blocks(old, new)
    for old_from, old_to, new_from, new_to in [*blocks, (len(old), len(old), len(new), len(new))]:
        for step in range(old_from - old_at):
            hunk.match(new_at + step, old_at + step)
        old_at, new_at = old_to, new_to
        if 0 < (old_to - old_from) * (new_to - new_from) <= _MOST_PAIRS:
            _broken(hunk, range(old_from, old_to), range(new_from, new_to))


def _broken(hunk: _Hunk, olds: range, news: range) -> None:
    """Runs of old and new lines that say the same in one piece."""
    lefts, rights = [bare(hunk.old[old]) for old in olds], [bare(hunk.new[new]) for new in news]
    start = 0
    for old, left in enumerate(lefts):
        if olds[old] in hunk.used or not hunk.old[olds[old]]:
            continue
        for new in range(start, len(rights)):
            right = rights[new]
            if (right.startswith(left) or left.startswith(right)) and hunk.new[news[new]]:
                found = _same_run(lefts, old, rights, new)
                if found is not None:
                    _overlay(hunk, olds[old : found[0]], news[new : found[1]])
                    start = found[1]
                    break


def _same_run(lefts: Sequence[str], old: int, rights: Sequence[str], new: int) -> tuple[int, int] | None:
    """Ends of the shortest runs from `old` and `new` with one text, or None; what is given is bare."""
    left, right = lefts[old], rights[new]
    whole = (old + 1, new + 1)
    old, new = whole
    while True:
        if left == right:  # a whole line in another place of the hunk is a moved one
            return (old, new) if (tells([left]) if (old, new) == whole else significant(left)) else None
        if len(left) < len(right) and old < len(lefts) and right.startswith(left):
            left += lefts[old]
            old += 1
        elif len(right) <= len(left) and new < len(rights) and left.startswith(right):
            right += rights[new]
            new += 1
        else:
            return None


def _overlay(hunk: _Hunk, olds: range, news: range) -> None:
    """Match the lines of two runs with one text by the letters and digits that they share."""
    from_old = [old for old in olds for character in hunk.old[old] if character.isalnum()]
    from_new = [new for new in news for character in hunk.new[new] if character.isalnum()]
    pairs = list(dict.fromkeys(zip(from_new, from_old, strict=True)))
    for new in set(news).difference(from_new):  # punctuation goes with what is before it
        pairs.append((new, max((old for other, old in pairs if other < new), default=olds.start)))
    for old in set(olds).difference(from_old):
        pairs.append((max((new for new, other in pairs if other < old), default=news.start), old))
    for new, old in pairs:
        hunk.match(new, old)


def _moved(hunks: Sequence[_Hunk]) -> None:
    """Step 3."""
    places: dict[str, list[tuple[_Hunk, int]]] = defaultdict(list)
    for hunk in hunks:
        for old, line in enumerate(hunk.old):
            if line and old not in hunk.used:
                places[line].append((hunk, old))
    if not places:
        return
    for hunk in hunks:
        new = 0
        while new < len(hunk.new):
            best: tuple[int, bool, _Hunk, int] | None = None
            if new not in hunk.given and 0 < len(places.get(hunk.new[new], ())) <= _MOST_PLACES:
                for source, old in places[hunk.new[new]]:
                    size = _run(source, old, hunk, new)
                    same = source.piece.path == hunk.piece.path
                    if size and (best is None or (size, same) > best[:2]):
                        best = (size, same, source, old)
            if best is None or not tells(hunk.new[new : new + best[0]]):
                new += 1
                continue
            size, _, source, old = best
            for step in range(size):
                hunk.match(new + step, old + step, source)
            new += size


def _run(source: _Hunk, old: int, hunk: _Hunk, new: int) -> int:
    """How many unmatched lines are the same from here on, without blank ones at the end."""
    size = longest = 0
    while (
        old + size < len(source.old)
        and new + size < len(hunk.new)
        and source.old[old + size] == hunk.new[new + size]
        and old + size not in source.used
        and new + size not in hunk.given
    ):
        size += 1
        if hunk.new[new + size - 1]:
            longest = size
    return longest


def _numbers(ledger: Ledger, commit: int, hunk: _Hunk) -> Numbers:
    """What the added lines of one hunk are called."""
    lines = hunk.piece.splice.added
    if not hunk.given:
        return ledger.write(commit, hunk.piece.path, hunk.piece.splice.new_from, lengths(lines))
    out = array("I")
    fresh: list[bytes] = []
    for new, line in enumerate(lines):
        carried = hunk.given.get(new)
        if carried is None:
            fresh.append(line)
            continue
        if fresh:
            first = hunk.piece.splice.new_from + len(out)
            out += ledger.write(commit, hunk.piece.path, first, lengths(fresh))
            fresh = []
        out.append(ledger.joined(carried))
    if fresh:
        out += ledger.write(commit, hunk.piece.path, hunk.piece.splice.new_from + len(out), lengths(fresh))
    return out
