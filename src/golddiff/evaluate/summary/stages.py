"""Where a student falls short: an answer that applies, in the right place, with the right change.

How it fits: part of the summary. *apply*: share of tasks whose answer is a usable window. *locate*: mean F1 of hunks in
the right place (`scoring.locate`). *patch*: share of tasks done among those whose answer lies in the right place and
nowhere else, so each arm has tasks of its own there. Capability recovered is given for each stage: gains in format are
not to be reported as skill.

Source: reference of the metric in `statistics.recovered`; the stages are those of Agentless (Xia et al. 2024, arXiv
2407.01489): localise, repair, and a patch that applies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from golddiff.evaluate.summary.columns import Columns, Floats
from golddiff.evaluate.summary.recovery import Recovery
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


def stage_recoveries(
    columns: Columns, base: str, teacher: str, student: str, trainings: Sequence[str] = ()
) -> dict[str, Recovery]:
    """Return capability recovered by one student at each stage that all arms reach.

    `trainings` are the arms of a recipe named `student`, as many as `statistics.seeds` asks for; empty: it is an arm.
    """
    found = {}
    arms = (*(trainings or [student]), base, teacher)
    answered = np.prod([columns.values(arm, "applied")[1] for arm in arms], axis=0) > 0
    for stage in STAGES:
        parts = [(value[answered], known[answered]) for arm in arms for value, known in [_stage(columns, arm, stage)]]
        if not all(known.sum() for _, known in parts):
            continue
        of_student = parts[:-2]
        reached = np.mean([known for _, known in of_student], axis=0)
        done = np.mean([value * known for value, known in of_student], axis=0)
        mean = np.divide(done, reached, out=np.zeros_like(done), where=reached > 0)
        values, known = zip((mean, reached), *parts[-2:], strict=True)
        result = capability_recovered(
            list(values[0]),
            list(values[1]),
            list(values[2]),
            [path for path, there in zip(columns.paths, answered, strict=True) if there],
            resamples=columns.resamples,
            seed=columns.seed,
            known=(list(known[0]), list(known[1]), list(known[2])),
            seeds=[float((value * known).sum() / known.sum()) for value, known in of_student] if trainings else (),
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
