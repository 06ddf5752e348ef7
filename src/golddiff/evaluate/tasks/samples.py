"""Judges answers to program tasks, several per task where there are, and says pass@k.

How it fits: `golddiff tasks score`. Answers come from files that any harness wrote (`formats.answers`). The same answer
to the same task is judged once. A task that is not confirmed is confirmed on its accepted solution first; one that
cannot be confirmed leaves its answers unscored, as does any failure of our own machinery. Where a file says how its own
harness judged an answer, both verdicts stand side by side (`Agreement`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.programs import ProgramTask, candidate, confirm, suite_of
from golddiff.rights.redact import redact_text
from golddiff.scoring.executed import Unscored
from golddiff.scoring.grading import Grade, Grader
from golddiff.statistics.pass_at_k import PassAtK, mean_pass_at_k
from golddiff.types import Clean

__all__ = ["Agreement", "Judged", "Sample", "accepted_samples", "agreement", "judge", "pass_rates"]

_BATCH = 64


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One answer."""

    task_id: str
    answer: str
    """The rest of the prompt, or a whole program where `whole`."""
    whole: bool | None = None
    """None: as the task takes answers."""
    model: str = "model"
    passed: bool | None = None
    """The verdict of the harness that the file comes from, where it says one."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One answer with its verdict. The first four fields are those of HumanEval's results."""

    task_id: str
    completion: Clean
    result: str
    """`passed`, another kind of verdict, or `unscored`."""
    passed: bool | None
    """None: unscored."""
    model: str
    detail: str = ""
    """Why not, in words."""
    theirs: bool | None = None
    """Verdict of the harness that the answer's file comes from."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Our verdicts beside those of the harness that wrote the answers."""

    both: int
    """Answers that both judged."""
    same: int
    only_ours: tuple[str, ...]
    """Tasks of answers that pass here only."""
    only_theirs: tuple[str, ...]


def accepted_samples(tasks: Sequence[ProgramTask], *, wrong: bool = False) -> list[Sample]:
    """Return the accepted solutions as answers, or with `wrong` the programs that are known to be wrong."""
    return [
        Sample(task_id=task.task_id, answer=task.wrong, whole=True, model="wrong")
        if wrong
        else Sample(task_id=task.task_id, answer=task.canonical_solution, model="accepted")
        for task in tasks
        if task.wrong or not wrong
    ]


def judge(
    tasks: Sequence[ProgramTask],
    samples: Sequence[Sample],
    grader: Grader,
    packages: tuple[Path, ...] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Judged]:
    """Judge every answer, in order.

    Raises InputError where an answer is for no task. A bare number stands for the one task whose id ends in it.
    """
    by_id = {task.task_id: task for task in tasks} | _by_number(tasks)
    strange = next((sample.task_id for sample in samples if sample.task_id not in by_id), None)
    if strange is not None:
        raise InputError(f"an answer is for {strange!r}, which is no task of this file; one is {tasks[0].task_id!r}.")
    asked = list({by_id[sample.task_id].task_id: by_id[sample.task_id] for sample in samples}.values())
    with tempfile.TemporaryDirectory(prefix="golddiff-") as folder:
        empty = Path(folder)
        unconfirmed = [task for task in asked if not task.confirmed]
        ready: dict[str, ProgramTask | Unscored] = {task.task_id: task for task in asked}
        for start in range(0, len(unconfirmed), _BATCH):
            some = unconfirmed[start : start + _BATCH]
            ready |= {
                task.task_id: found for task, found in zip(some, confirm(some, grader, empty, packages), strict=True)
            }
        verdicts: dict[tuple[str, str, bool], Grade | Unscored] = {}
        keys = [_key(by_id[sample.task_id], sample) for sample in samples]
        waiting = []
        for key in dict.fromkeys(keys):
            task = ready[key[0]]
            if isinstance(task, Unscored):
                verdicts[key] = Unscored(f"the task: {task.reason}")
            else:
                waiting.append((key, suite_of(task, empty, packages), candidate(task, key[1], whole=key[2])))
        progress(len(verdicts), len(verdicts) + len(waiting))
        for start in range(0, len(waiting), _BATCH):
            part = waiting[start : start + _BATCH]
            grades = grader.grade([(suite, files) for _, suite, files in part])
            verdicts |= {key: grade for (key, _, _), grade in zip(part, grades, strict=True)}
            progress(len(verdicts), len(set(keys)))
    return [
        _judged(by_id[sample.task_id].task_id, sample, verdicts[key]) for sample, key in zip(samples, keys, strict=True)
    ]


def pass_rates(judged: Sequence[Judged], ks: Sequence[int]) -> list[PassAtK]:
    """Return pass@k for every k, over the tasks of `judged`; unscored answers are left out of their task."""
    scored: dict[str, list[bool]] = {}
    for one in judged:
        if one.passed is not None:
            scored.setdefault(one.task_id, []).append(one.passed)
    counts = [(len(passed), sum(passed)) for passed in scored.values()]
    return [mean_pass_at_k(counts, k) for k in ks]


def agreement(judged: Sequence[Judged]) -> Agreement | None:
    """Return how our verdicts stand to theirs; None where the file said none."""
    both = [one for one in judged if one.theirs is not None and one.passed is not None]
    if not both:
        return None
    return Agreement(
        both=len(both),
        same=sum(one.passed == one.theirs for one in both),
        only_ours=tuple(one.task_id for one in both if one.passed and not one.theirs),
        only_theirs=tuple(one.task_id for one in both if one.theirs and not one.passed),
    )


def _by_number(tasks: Sequence[ProgramTask]) -> dict[str, ProgramTask]:
    found: dict[str, list[ProgramTask]] = {}
    for task in tasks:
        found.setdefault(task.task_id.rpartition("/")[2], []).append(task)
    return {number: of_number[0] for number, of_number in found.items() if len(of_number) == 1 and number.isdigit()}


def _key(task: ProgramTask, sample: Sample) -> tuple[str, str, bool]:
    return task.task_id, sample.answer, task.whole if sample.whole is None else sample.whole


def _judged(task_id: str, sample: Sample, grade: Grade | Unscored) -> Judged:
    return Judged(
        task_id=task_id,
        completion=redact_text(sample.answer),
        result=grade.kind.value if isinstance(grade, Grade) else "unscored",
        passed=grade.passed if isinstance(grade, Grade) else None,
        model=sample.model,
        detail=redact_text(grade.detail if isinstance(grade, Grade) else grade.reason),
        theirs=sample.passed,
    )
