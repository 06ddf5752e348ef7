"""Did a change touch the right place? Hunks before and after are compared by where they lie, not by what they say.

How it fits: the stage between *applied* and *success*. A model that finds the place and writes the wrong thing there
needs other help than one that edits elsewhere; capability recovered is reported for each stage.

A hunk is a run of changed lines of the window before; an insertion is the gap between two lines and takes the line on
either side as its own. Two hunks meet where they share a line. `hunk_f1` is the F1 of hunks that meet one of the other
change; `located` says that every accepted hunk is met and nothing else is touched. A task's window lies in one file, so
there are no files to find.

Source: localisation as a stage of its own: Xia et al. (2024), Agentless, arXiv 2407.01489, section 3.1.
"""

from __future__ import annotations

from golddiff import patch
from golddiff.scoring.delta import compared_lines

__all__ = ["stage_metrics"]


def stage_metrics(before: str, gold: str, proposed: str | None) -> dict[str, float]:
    """Return `hunk_f1` (0 to 1) and `located` (0 or 1); `proposed` None is no usable answer and locates nothing."""
    if proposed is None:
        return {"hunk_f1": 0.0, "located": 0.0}
    wanted, got = _hunks(before, gold), _hunks(before, proposed)
    if not wanted and not got:
        return {"hunk_f1": 1.0, "located": 1.0}
    met = sum(any(_meet(one, other) for other in got) for one in wanted)
    right = sum(any(_meet(one, other) for other in wanted) for one in got)
    recall, precision = met / len(wanted) if wanted else 0.0, right / len(got) if got else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"hunk_f1": f1, "located": float(f1 == 1.0)}


def _hunks(before: str, after: str) -> list[tuple[int, int]]:
    old, new = compared_lines(before), compared_lines(after)
    return [(a, b) if a < b else (a - 1, a + 1) for a, b, _, _ in patch.blocks(old, new)]


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])
