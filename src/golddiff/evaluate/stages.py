"""Where a student falls short: an answer that applies, in the right place, with the right change.

How it fits: part of the summary. *apply*: share of tasks whose answer is a usable window. *locate*: mean F1 of hunks in
the right place (`scoring.locate`). *patch*: share of tasks done among those whose answer lies in the right place and
nowhere else, so each arm has tasks of its own there. Capability recovered is given for each stage: gains in format are
not to be reported as skill.

Source: reference of the metric in `statistics.recovered`; the stages are those of Agentless (Xia et al. 2024, arXiv
2407.01489): localise, repair, and a patch that applies.
"""

from __future__ import annotations

import numpy as np

from golddiff.evaluate.columns import Columns, Floats
from golddiff.evaluate.recovery import Recovery
from golddiff.statistics.intervals import Interval
from golddiff.statistics.recovered import capability_recovered

__all__ = ["STAGES", "stage_recoveries", "stages_of"]

STAGES = ("apply", "locate", "patch")


def stages_of(columns: Columns, arm: str) -> dict[str, Interval]:
    """Return the arm's figure at each stage that can be measured."""
    found = {
        stage: columns.interval(value * known, known)
        for stage in STAGES
        for value, known in [_stage(columns, arm, stage)]
    }
    return {stage: interval for stage, interval in found.items() if interval}


def stage_recoveries(columns: Columns, base: str, teacher: str, student: str) -> dict[str, Recovery]:
    """Return capability recovered by one student at each stage that all three arms reach."""
    found = {}
    for stage in STAGES:
        parts = [_stage(columns, arm, stage) for arm in (student, base, teacher)]
        answered = np.prod([columns.values(arm, "applied")[1] for arm in (student, base, teacher)], axis=0) > 0
        known = [part[1][answered] for part in parts]
        if not all(column.sum() for column in known):
            continue
        values = [part[0][answered] for part in parts]
        result = capability_recovered(
            list(values[0]),
            list(values[1]),
            list(values[2]),
            [path for path, there in zip(columns.paths, answered, strict=True) if there],
            resamples=columns.resamples,
            seed=columns.seed,
            known=(list(known[0]), list(known[1]), list(known[2])),
        )
        found[stage] = Recovery(student=student, base=base, teacher=teacher, result=result)
    return found


def _stage(columns: Columns, arm: str, stage: str) -> tuple[Floats, Floats]:
    """Return (value, whether it counts) per task."""
    if stage == "apply":
        return columns.values(arm, "applied")
    if stage == "locate":
        return columns.values(arm, "hunk_f1")
    success, scored = columns.values(arm, "success")
    return success, scored * columns.values(arm, "located")[0]
