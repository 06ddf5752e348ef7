"""Single tasks to look at: before, accepted and got side by side, by kind of failure and where arms differ.

Numbers say how often; only reading cases says what. Chosen by hash, not by hand, so that nobody picks pretty ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import msgspec

from golddiff import patch
from golddiff.types import Example, Score

__all__ = ["Case", "DiffLine", "Line", "differing", "failing"]


class Line(msgspec.Struct, frozen=True):
    """A line of a window and whether it stands out."""

    text: str
    changed: bool


class DiffLine(msgspec.Struct, frozen=True):
    """A line of a diff."""

    kind: str
    """`same`, `gone` or `come`."""
    text: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One task with what one arm made of it."""

    task: str
    path: str
    start_line: int
    instruction: str
    arm: str
    verdict: str
    """`success` or the kind of failure."""
    detail: str
    before: tuple[Line, ...]
    """Lines that the accepted change removes stand out."""
    accepted: tuple[Line, ...]
    """Lines that the accepted change adds stand out."""
    got: tuple[Line, ...]
    """Lines that differ from the accepted window stand out."""
    wanted_diff: tuple[DiffLine, ...]
    """From before to the accepted window."""
    got_diff: tuple[DiffLine, ...]
    """From before to what the arm wrote."""


def failing(tasks: Sequence[Example], scores: Iterable[Score], *, per_kind: int = 4) -> dict[str, list[Case]]:
    """Return up to `per_kind` failures of each kind, by kind; the most frequent kind first."""
    by_id = {task.id: task for task in tasks}
    kinds: dict[str, list[Score]] = {}
    for score in scores:
        if score.failure and score.example_id in by_id:
            kinds.setdefault(score.failure, []).append(score)
    ordered = sorted(kinds.items(), key=lambda item: -len(item[1]))
    return {
        kind: [_case(by_id[score.example_id], score) for score in sorted(found, key=_shuffled)[:per_kind]]
        for kind, found in ordered
    }


def differing(
    tasks: Sequence[Example], first: Iterable[Score], second: Iterable[Score], *, most: int = 6
) -> list[tuple[Case, Case]]:
    """Return tasks on which exactly one of two arms succeeded, as (first arm's case, second arm's case).

    Half of them are tasks that the first arm won, half that it lost, as far as there are any.
    """
    by_id = {task.id: task for task in tasks}
    others = {score.example_id: score for score in second}
    won: list[tuple[Score, Score]] = []
    lost: list[tuple[Score, Score]] = []
    for score in sorted(first, key=_shuffled):
        other = others.get(score.example_id)
        if other is None or score.example_id not in by_id:
            continue
        ours, theirs = score.metrics.get("success"), other.metrics.get("success")
        if ours is not None and theirs is not None and ours != theirs:
            (won if ours > theirs else lost).append((score, other))
    half = most // 2
    chosen = won[: max(half, most - len(lost))] + lost[: max(half, most - len(won))]
    return [(_case(by_id[one.example_id], one), _case(by_id[one.example_id], two)) for one, two in chosen[:most]]


def _case(task: Example, score: Score) -> Case:
    got = score.prediction or ""
    return Case(
        task=task.id,
        path=task.path,
        start_line=task.start_line,
        instruction=task.instruction,
        arm=score.arm,
        verdict=score.failure or ("success" if score.metrics.get("success") else "unscored"),
        detail=score.detail or "",
        before=_marked(task.before, task.after),
        accepted=_marked(task.after, task.before),
        got=_marked(got, task.after),
        wanted_diff=_diff(task.before, task.after),
        got_diff=_diff(task.before, got),
    )


def _diff(before: str, after: str) -> tuple[DiffLine, ...]:
    old, new = before.rstrip("\n").split("\n"), after.rstrip("\n").split("\n")
    lines: list[DiffLine] = []
    done = 0
    for old_from, old_to, new_from, new_to in patch.blocks(old, new):
        lines += [DiffLine("same", text) for text in old[done:old_from]]
        lines += [DiffLine("gone", text) for text in old[old_from:old_to]]
        lines += [DiffLine("come", text) for text in new[new_from:new_to]]
        done = old_to
    return (*lines, *(DiffLine("same", text) for text in old[done:]))


def _marked(text: str, other: str) -> tuple[Line, ...]:
    """Return the lines of `text`; those that `other` does not have at their place stand out."""
    lines = text.rstrip("\n").split("\n")
    changed: set[int] = set()
    for start, end, _, _ in patch.blocks(lines, other.rstrip("\n").split("\n")):
        changed.update(range(start, end))
    return tuple(Line(line, index in changed) for index, line in enumerate(lines))


def _shuffled(score: Score) -> bytes:
    return blake2b(score.example_id.encode()).digest()
