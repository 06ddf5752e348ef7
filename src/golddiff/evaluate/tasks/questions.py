"""What a student is asked for a repository's task, window by window, and its answers as one patch.

How it fits: `golddiff tasks ask`; `golddiff tasks grade` judges the predictions by the tasks' tests.

A student sees no repository. It sees an instruction and a window, so that is what it gets here: the commit's subject,
and the lines that the accepted change touches with a few around them, cut and worded by the same functions as the rows
that it was trained on (`prompts.windows`, `prompts.edit`). All windows of a task are asked apart.

It is therefore told *where*; what is measured is *what* it writes there, and whether the parts fit each other. An arm
that finds the places itself writes predictions of its own, which are judged alike.

What is not asked about stays as it is at the base, and counts against the arm where tests need it: files that match no
pattern (changelogs: no test needs them) and, named in `Asked.left_out`, new and deleted files, which have no window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from golddiff import patch
from golddiff.evaluate.arms import Arm
from golddiff.evaluate.asking.interview import Interview, Progress, window_of
from golddiff.evaluate.asking.requests import Failure
from golddiff.evaluate.budget import Budget
from golddiff.evaluate.run import EvaluationConfig, asking_name
from golddiff.evaluate.tasks.predictions import Prediction
from golddiff.evaluate.tasks.repository import RepositoryTask
from golddiff.prompts.edit import MOST_INSTRUCTION_CHARACTERS, commit_instruction
from golddiff.prompts.nearest import EarlierChanges
from golddiff.prompts.windows import CONTEXT_LINES, changes_of, windows
from golddiff.rights.redact import redact_text
from golddiff.types import Example, Provenance, derive_id

__all__ = ["Answered", "Asked", "as_patch", "ask", "questions"]

Read = Callable[[str], str | None]
"""Text of a file at the base commit; None where there is none."""


@dataclass
class Asked:
    """What is asked for one task."""

    questions: list[Example] = field(default_factory=list)
    """A window each, in order; `after` is what was accepted."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Path → why nothing is asked about a file that matches."""


def questions(
    task: RepositoryTask, read: Read, *, include: Sequence[str] = ("*.py",), context_lines: int = CONTEXT_LINES
) -> Asked:
    """Return what is asked for `task` about the files of its accepted change that match `include`."""
    asked = Asked()
    instruction = redact_text(_instruction(task))
    for found in patch.parse(task.patch):
        path = found.new_path or found.old_path or ""
        if not any(fnmatch(path, pattern) for pattern in include):
            continue
        text = read(path) if found.old_path == found.new_path else None
        if text is None:
            asked.left_out[path] = "new" if found.old_path is None else "deleted" if found.new_path is None else "moved"
            continue
        changes, known = changes_of(found.hunks)
        lines = patch.split(text)
        if any(lines[at : at + 1] != [line] for at, line in known.items()):
            asked.left_out[path] = "not as its patch shows it"
            continue
        for window in windows(lines, changes, context_lines):
            before, after = redact_text(window.before), redact_text(window.after)
            if before != window.before:  # what comes back would put the mark of the redaction into the file
                asked.left_out[path] = "holds a secret"
                continue
            asked.questions.append(
                Example(
                    id=derive_id("exa", task.instance_id, path, window.start_line, instruction, before),
                    kind="history",
                    instruction=instruction,
                    path=path,
                    start_line=window.start_line,
                    before=before,
                    after=after,
                    at=_time(task),
                    provenance=Provenance(
                        written_by="human", session_id=task.session or None, commit=task.commit or None
                    ),
                )
            )
    return asked


def as_patch(asked: Asked, answers: Mapping[str, str | None], read: Read) -> str:
    """Return the windows that an arm left, by the question's id, as one patch to the base; None leaves one as it is."""
    by_path: dict[str, list[Example]] = {}
    for one in asked.questions:
        by_path.setdefault(one.path, []).append(one)
    parts = []
    for path, of_file in by_path.items():
        base = read(path) or ""
        lines = patch.split(base)
        for one in reversed(of_file):
            window = answers.get(one.id)
            if window is not None:
                start = one.start_line - 1
                lines[start : start + len(patch.split(one.before))] = patch.split(window)
        parts.append(patch.render(path, base, "".join(lines)))
    return "".join(parts)


@dataclass
class Answered:
    """What came back."""

    predictions: list[Prediction] = field(default_factory=list)
    """One for each task and arm, by arm."""
    unanswered: dict[str, dict[str, str]] = field(default_factory=dict)
    """Arm → task → why a window of it got no answer. Not the arm's failure, so there is no prediction."""


def ask(
    tasks: Sequence[tuple[RepositoryTask, Asked, Read]],
    arms: Sequence[Arm],
    books: Path,
    *,
    earlier: EarlierChanges | None = None,
    config: EvaluationConfig | None = None,
    budget: Budget | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Answered:
    """Put all questions to all arms and return their answers as predictions.

    `books` is the folder of kept answers, `earlier` what arms with R0 may show. Raises BudgetSpent where the budget
    ended before the last answer: those that are there are kept.
    """
    config = config or EvaluationConfig()
    windows_asked = [one for _, asked, _ in tasks for one in asked.questions]
    said = Interview(
        tasks=windows_asked,
        earlier=earlier,
        limit_of=config.limit_of,
        harness=asking_name(config),
        books=books,
        batch=config.batch,
        likelihood=False,
        confidence=False,
        workers=None,
        budget=budget or Budget(),
        progress=progress,
        estimate=lambda what, seen: None,
    ).hold(arms)
    found = Answered()
    for arm in arms:
        answers = {one.id: answer for one, answer in zip(windows_asked, said[arm.name].answers, strict=True)}
        for task, asked, read in tasks:
            failed = [answer for one in asked.questions if isinstance(answer := answers[one.id], Failure)]
            if failed:
                found.unanswered.setdefault(arm.name, {})[task.instance_id] = failed[0].reason
                continue
            left = {one.id: window_of(arm, one, answers[one.id]) for one in asked.questions}
            found.predictions.append(
                Prediction(
                    instance_id=task.instance_id,
                    model_patch=as_patch(asked, left, read),
                    model_name_or_path=arm.name,
                )
            )
    return found


def _instruction(task: RepositoryTask) -> str:
    """Return what was asked, as rows of a dataset have it: of a commit its subject, else the end of the text."""
    text = task.problem_statement.strip()
    if task.commit and not task.session:
        return commit_instruction(text.partition("\n")[0])
    return text[-MOST_INSTRUCTION_CHARACTERS:].strip()


def _time(task: RepositoryTask) -> datetime:
    """Return when the change was written; of a row that does not say, the beginning: nothing is earlier than that."""
    try:
        at = datetime.fromisoformat(task.created_at)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
