"""What became of every line that the session wrote and that is in its final state: kept, revised or dropped.

A line is kept if the accepted file holds it, in its place or elsewhere, if a formatter only broke or joined it, or if
it was moved to another file of the linked commits; revised if a line like it stands in its place; else dropped.
Lines of files that machines write are not counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from golddiff import patch
from golddiff.outcomes.gold import Gold
from golddiff.outcomes.lines import SIMILAR, bare, key, significant, similarity, tells
from golddiff.outcomes.replay import Replay
from golddiff.types import LineFate

_MAX_PAIRS = 40_000
"""Comparisons of lines for likeness per file; beyond it (200 × 200 lines) what is left counts as rewritten."""


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one line that the session wrote."""

    path: str
    number: int
    """Line in the session's final state of the file, from 1; 0 where that is unknown."""
    text: str
    origin: int
    fate: LineFate
    reason: str | None


def line_fates(replay: Replay, gold: Gold) -> list[LineOutcome]:
    """What became of every non-blank line that the session wrote and that is in its final state."""
    out: list[LineOutcome] = []
    for path, state in replay.files.items():
        if path in gold.excluded:
            continue
        if state.known and state.lines is not None:
            written = [index for index, origin in enumerate(state.origins) if origin >= 0 and key(state.lines[index])]
            if not written:
                continue
            fates, reason = _compare(state.lines, written, path, gold)
            out += [
                LineOutcome(path, index + 1, state.lines[index], state.origins[index], fates[index], reason)
                for index in written
            ]
        elif not state.known:
            lines = [(text, origin) for text, origin in replay.fragments.get(path, ()) if key(text)]
            texts = [text for text, _ in lines]
            fates, reason = _compare(texts, list(range(len(texts))), path, gold)
            out += [
                LineOutcome(path, 0, text, origin, fates[index], reason) for index, (text, origin) in enumerate(lines)
            ]
    return out


def _compare(lines: Sequence[str], written: list[int], path: str, gold: Gold) -> tuple[dict[int, LineFate], str | None]:
    """Fate of every line in `written` (indices of `lines`), and what there is to say of the file."""
    ours = [key(line) for line in lines]
    reason: str | None
    if gold.taken_back:
        return dict.fromkeys(written, LineFate.DROPPED), "it was reverted"
    if path not in gold.accepted:
        fates = dict.fromkeys(written, LineFate.DROPPED)
        reason = gold.left_out.get(path, "the file is in no linked commit")
    elif (accepted := gold.accepted[path]) is None:
        fates = dict.fromkeys(written, LineFate.DROPPED)
        reason = "it was reverted" if gold.undone else "the file was deleted"
    else:
        before = Counter(map(key, patch.split(gold.bases.get(path) or "")))
        fates = _compare_texts(ours, written, [key(line) for line in patch.split(accepted)], before)
        reason = None
    moved = gold.moved.get(path)
    if moved is not None:
        spare = Counter(moved.lines)
        last = -2
        for index in written:
            if fates[index] is LineFate.KEPT:
                continue
            if spare[ours[index]] > 0:
                spare[ours[index]] -= 1
            elif significant(ours[index]) or last != index - 1:  # a bracket goes with the line before it
                continue
            fates[index] = LineFate.KEPT
            last = index
        reason = f"moved to {', '.join(sorted(moved.to))}"
    return fates, reason


def _compare_texts(ours: list[str], written: list[int], theirs: list[str], before: Counter[str]) -> dict[int, LineFate]:
    """Fates of lines whose file was accepted as `theirs`; `before` are the base's lines, no changed forms of ours."""
    fates = dict.fromkeys(written, LineFate.KEPT)
    mine = set(written)
    spare: dict[str, int] = defaultdict(int)
    changed: list[tuple[list[int], list[str]]] = []
    for i1, i2, j1, j2 in patch.blocks(ours, theirs):
        changed.append(([index for index in range(i1, i2) if index in mine], theirs[j1:j2]))
        for line in theirs[j1:j2]:
            spare[line] += 1
    for indices, candidates in changed:
        left = []
        for index in indices:
            if significant(ours[index]) and spare[ours[index]] > 0:  # moved
                spare[ours[index]] -= 1
            else:
                left.append(index)
        left = _not_reformatted(ours, left, candidates)
        open_lines = [line for line in candidates if significant(line) and not before[line]]
        for index in left:
            fates[index] = LineFate.DROPPED
            if not significant(ours[index]) or len(left) * len(open_lines) > _MAX_PAIRS:
                continue
            best = max(open_lines, key=lambda line: similarity(ours[index], line), default="")
            if best and similarity(ours[index], best) >= SIMILAR:
                open_lines.remove(best)
                fates[index] = LineFate.REVISED
    return fates


def _not_reformatted(ours: Sequence[str], left: list[int], candidates: Sequence[str]) -> list[int]:
    """Those of `left` that the block does not hold as a formatter would have broken or joined them.

    What stands on the same lines there must be such lines as well: a line that was added to is not the same line.
    """
    text = "".join(map(bare, candidates))
    ends = list(accumulate(len(bare(line)) for line in candidates))
    runs: list[list[int]] = []
    for index in left:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    found: dict[int, range] = {}
    for run in runs:
        whole = _place(text, [ours[index] for index in run])
        for index in run:
            place = whole or _place(text, [ours[index]])
            if place is not None:
                found[index] = place
    while found:
        covered = {at for place in found.values() for at in place}
        foreign = {
            bisect_right(ends, at) for at in range(len(text)) if at not in covered and text[at].isalnum()
        }  # lines that hold something else
        wrong = [
            index
            for index, place in found.items()
            if any(bisect_right(ends, at) in foreign for at in (place.start, place.stop - 1))
        ]
        if not wrong:
            break
        for index in wrong:
            del found[index]
    return [index for index in left if index not in found]


def _place(text: str, lines: Sequence[str]) -> range | None:
    """Where a text holds the lines, joined; None where it does not, or they are too short to tell."""
    joined = "".join(map(bare, lines))
    start = text.find(joined) if tells(lines) else -1
    return range(start, start + len(joined)) if start >= 0 else None
