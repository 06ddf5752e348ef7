"""Judges changes that models wrote for repository tasks, by the tasks' own tests.

How it fits: `golddiff tasks grade`. Reads predictions in SWE-bench's form, so whatever made them, made them for other
harnesses too. A task without mutants (a row from elsewhere) is confirmed on its accepted change first; one that
cannot be confirmed leaves its predictions unscored, as does any failure of our own machinery.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.repository import RepositoryTask, accepted_files, export_tree, objects, suite_of
from golddiff.git import GitRepository
from golddiff.rights.redact import redact_text
from golddiff.scoring.executed import Kind, Unscored
from golddiff.scoring.grading import Grade, Grader
from golddiff.scoring.suite import Suite

__all__ = ["Judged", "Prediction", "accepted_changes", "judge", "read_predictions", "write_predictions"]

AT_ONCE = 8
"""Tasks that are judged at a time, so that all cores are busy."""
NO_PATCH = "no patch in the answer"


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, in SWE-bench's form."""

    instance_id: str
    model_patch: str | None
    """A unified diff to the base commit; None or empty where the model gave none, which is a failure of the model."""
    model_name_or_path: str = "model"


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One answer with its verdict."""

    instance_id: str
    model: str
    resolved: bool | None
    """None: unscored."""
    verdict: str
    """Kind of the verdict, or `unscored`."""
    detail: str
    """Why not, in words."""
    tests: dict[str, str]
    """How each test that decides ended."""
    seconds: float


def read_predictions(path: Path) -> list[Prediction]:
    """Read one JSON object per line; of a `.json` file a list of them, or an object with them as values.

    Raises InputError with the line or entry that cannot be read.
    """
    found = []
    for number, row in _whole(path) if path.suffix == ".json" else objects(path):
        try:
            found.append(msgspec.convert(row, Prediction))
        except msgspec.ValidationError as error:
            raise InputError(
                f"{path}:{number}: expected instance_id, model_patch and model_name_or_path ({error})."
            ) from error
    if not found:
        raise InputError(f"{path} holds no prediction.")
    return found


def _whole(path: Path) -> Iterator[tuple[int, object]]:
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[object] | dict[str, object])
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}).") from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: neither a list nor an object of predictions ({error}).") from error
    yield from enumerate(rows.values() if isinstance(rows, dict) else rows, 1)


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write one JSON object per line, replacing the file. Raises InputError where it cannot be written."""
    try:
        path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in predictions))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error}). Give another --output.") from error


def accepted_changes(tasks: Sequence[RepositoryTask]) -> list[Prediction]:
    """Return the accepted changes as predictions: whatever does not pass here is our grading's mistake."""
    return [
        Prediction(instance_id=task.instance_id, model_patch=task.patch, model_name_or_path="accepted")
        for task in tasks
    ]


def judge(
    tasks: Sequence[RepositoryTask],
    predictions: Sequence[Prediction],
    git: GitRepository,
    grader: Grader,
    packages: tuple[Path, ...] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    plugins: tuple[str, ...] = (),
) -> list[Judged]:
    """Judge all predictions, in order of the tasks.

    Raises:
        InputError: a prediction is for no task, or the repository lacks a base commit.
    """
    known = {task.instance_id for task in tasks}
    strange = next((one.instance_id for one in predictions if one.instance_id not in known), None)
    if strange is not None:
        raise InputError(f"a prediction is for {strange!r}, which is no task of this file.")
    by_task: dict[str, list[Prediction]] = {}
    for one in predictions:
        by_task.setdefault(one.instance_id, []).append(one)
    found: list[Judged] = []
    asked = [task for task in tasks if task.instance_id in by_task]
    for start in range(0, len(asked), AT_ONCE):
        some = [(task, by_task[task.instance_id]) for task in asked[start : start + AT_ONCE]]
        found += _judge(some, git, grader, packages, plugins)
        progress(len(found), len(predictions))
    return found


def _judge(
    work: Sequence[tuple[RepositoryTask, Sequence[Prediction]]],
    git: GitRepository,
    grader: Grader,
    packages: tuple[Path, ...],
    plugins: tuple[str, ...],
) -> list[Judged]:
    with tempfile.TemporaryDirectory(prefix="golddiff-") as folder:
        suites: list[Suite | Unscored] = []
        unconfirmed: dict[int, tuple[Suite, dict[str, str | None]]] = {}
        for index, (task, _) in enumerate(work):
            change, tests = accepted_files(task, git)
            tree = Path(folder) / str(index)
            export_tree(git, task.base_commit, tree)
            suite = suite_of(task, tree, tests, packages, change, plugins)
            suites.append(suite)
            if not task.mutants:
                unconfirmed[index] = suite, change
        for index, confirmed in zip(unconfirmed, grader.confirm(list(unconfirmed.values())), strict=True):
            suites[index] = confirmed
        pairs = [
            (suite, answer)
            for suite, (_, answers) in zip(suites, work, strict=True)
            for answer in answers
            if isinstance(suite, Suite) and (answer.model_patch or "").strip()
        ]
        graded = grader.grade([(suite, answer.model_patch or "") for suite, answer in pairs])
    grades = {id(answer): grade for (_, answer), grade in zip(pairs, graded, strict=True)}
    judged = []
    for (task, answers), usable in zip(work, suites, strict=True):
        for one in answers:
            if isinstance(usable, Unscored):
                judged.append(_unscored(task, one, f"the task: {usable.reason}"))
            else:
                judged.append(_judged(task, one, grades.get(id(one))))
    return judged


def _judged(task: RepositoryTask, one: Prediction, grade: Grade | Unscored | None) -> Judged:
    """Return the verdict on one answer; there is no grade where it holds no patch."""
    if isinstance(grade, Unscored):
        return _unscored(task, one, grade.reason)
    kind = grade.kind if grade else Kind.REFUSED
    return Judged(
        instance_id=task.instance_id,
        model=one.model_name_or_path,
        resolved=kind is Kind.PASSED,
        verdict=kind.value,
        detail=redact_text(grade.detail) if grade else NO_PATCH,
        tests=grade.tests if grade else {},
        seconds=grade.seconds if grade else 0.0,
    )


def _unscored(task: RepositoryTask, one: Prediction, reason: str) -> Judged:
    return Judged(
        instance_id=task.instance_id,
        model=one.model_name_or_path,
        resolved=None,
        verdict="unscored",
        detail=redact_text(reason),
        tests={},
        seconds=0.0,
    )
