"""Ask every arm every task, judge the answers, keep the scores: one evaluation, which can be stopped and resumed.

How it fits: takes tasks and arms (from `cli.evaluate` or a recipe), speaks to models through `Upstream` only, writes
`Score` rows and one `EvaluationRun`; `summary` turns those into numbers with intervals, `report` into a page.

A task's *success* is its executed check where it has one, and the exact text where it has none. Metrics of a score:
`applied`, `exact`, `line_f1`, `delta_chrf` (text), `success`, then `executed` or `structural` (the check, by whether
it runs the candidate), `nll` and `nll_tokens` (changed lines), `tokens` (written). What cannot be known is left out
of `metrics` and named in `unscored`: a model that did not answer, a check that cannot decide, no sandbox.

Rows are stored in one transaction at the end; answers are kept as they come (`answers`), so a run that is stopped
continues where it was and ends with the same scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from golddiff.errors import SandboxError, UsageError
from golddiff.evaluate.answers import Answer, AnswerBook, Failure, Likelihood, Question
from golddiff.evaluate.arms import Arm
from golddiff.evaluate.likelihood import changed_lines
from golddiff.prompts import parse_update
from golddiff.prompts.edit import EXPLANATION
from golddiff.prompts.nearest import EarlierChanges
from golddiff.providers.upstream import Upstream
from golddiff.rights.redact import redact_text
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.sandbox.contract import Limits, Sandbox
from golddiff.scoring import Kind, Unscored, Verdict, check_candidates, text_metrics, unusable_checks
from golddiff.scoring.executed import NO_SANDBOX
from golddiff.store import Store
from golddiff.types import EvaluationRun, Example, Score, derive_id

__all__ = ["EvaluationConfig", "Progress", "evaluate", "harness_name", "open_book"]

VERSION = 3
"""Raised when tasks, prompts or scoring change meaning: runs before and after are then not compared."""

NO_UPDATE = "no update in the answer"
CUT = "cut at the token limit"
UNCHANGED = "window unchanged"
OTHER_TEXT = "other text than accepted"

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class EvaluationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How arms are asked and judged."""

    max_tokens: int = 512
    """Most tokens of an answer."""
    tokens_per_character: float = 0.5
    """Tokens allowed per character of the window, before `extra_tokens`; the accepted window is not looked at."""
    extra_tokens: int = 48
    """Tokens allowed for what is added."""
    batch: int = 64
    """Conversations per call of a model; a local engine spreads them over the cores."""
    likelihood: bool = True
    """Measure the likelihood of the changed lines for models that give one."""
    limits: Limits = Limits()
    """What one check may use."""

    def limit_of(self, example: Example) -> int:
        """Return the token limit of one task, in steps of 16 so that tasks can be batched."""
        wanted = self.tokens_per_character * len(example.before) + self.extra_tokens
        return min(self.max_tokens, 16 * -(-int(wanted) // 16))


def harness_name(config: EvaluationConfig) -> str:
    """Return name and version of all that shapes a score besides the model."""
    prompt = blake2b(EXPLANATION.encode(), digest_size=4).hexdigest()
    limit = f"{config.tokens_per_character:g}c+{config.extra_tokens}<={config.max_tokens}"
    return f"edit-windows/{VERSION} prompt:{prompt} tokens:{limit}"


def evaluate(
    store: Store,
    tasks: Sequence[Example],
    arms: Sequence[Arm],
    *,
    dataset_id: str,
    earlier: Sequence[Example] = (),
    config: EvaluationConfig | None = None,
    sandbox: Sandbox | None = None,
    progress: Progress = lambda what, done, total: None,
) -> EvaluationRun:
    """Evaluate `arms` on `tasks` and store the run with its scores; returns the run (its summary is still empty).

    `earlier` are the accepted changes that R0 may show. `sandbox` None opens one where a task needs it; where none
    works, executed scores are unscored with the reason. The run's id derives from tasks, arms and harness, so the
    same evaluation replaces itself.

    Raises:
        UsageError: there are no tasks or arms, or two arms have one name.
        WorkspaceError: the store or the disk refuses.
    """
    config = config or EvaluationConfig()
    if not tasks or not arms:
        raise UsageError(f"nothing to evaluate: {len(tasks)} tasks, {len(arms)} arms. Is the split `test` empty?")
    if len({arm.name for arm in arms}) < len(arms):
        raise UsageError(f"two arms have one name: {', '.join(arm.name for arm in arms)}")
    harness = harness_name(config)
    run_id = derive_id(
        "run", dataset_id, harness, *(f"{a.name}={a.identity}/{a.shots}" for a in arms), *(t.id for t in tasks)
    )
    judge = _Judge(tasks, sandbox, config.limits, progress)
    index = EarlierChanges(earlier) if any(arm.shots for arm in arms) else None
    scores: list[Score] = []
    for arm in arms:
        answers, likelihoods = _ask(store, arm, tasks, index, config, harness, progress)
        scores += judge.scores(run_id, arm, answers, likelihoods)
    run = EvaluationRun(
        id=run_id,
        dataset_id=dataset_id,
        arms={arm.name: arm.identity for arm in arms},
        harness=harness,
        summary={"tasks": len(tasks), "sandbox": judge.description, **{f"role:{a.name}": a.role.value for a in arms}},
        created_at=datetime.now(UTC),
    )
    with store.transaction():
        store.put(run, parents=(dataset_id, *dict.fromkeys(arm.identity for arm in arms)))
        store.put(*scores)
    return run


def _ask(
    store: Store,
    arm: Arm,
    tasks: Sequence[Example],
    index: EarlierChanges | None,
    config: EvaluationConfig,
    harness: str,
    progress: Progress,
) -> tuple[list[Answer | Failure], list[Likelihood | Failure]]:
    """Return one answer per task, and the likelihoods of the accepted changes."""
    unknown: list[Likelihood | Failure] = [Failure("") for _ in tasks]
    if arm.upstream is None:
        recorded = arm.recorded or {}
        return [
            Answer(redact_text(recorded[task.id]), False, 0)
            if task.id in recorded
            else Failure("nothing recorded for this task")
            for task in tasks
        ], unknown
    asked = [(task, arm.messages(task, index)) for task in tasks]
    with open_book(store, arm, arm.upstream, harness) as book:
        answers = book.ask(
            [Question(messages, config.limit_of(task)) for task, messages in asked],
            batch=config.batch,
            progress=lambda done: progress(f"{arm.name}: answers", done, len(tasks)),
        )
        if not config.likelihood:
            return answers, unknown
        progress(f"{arm.name}: likelihood", 0, len(tasks))
        likelihoods = changed_lines(book, asked, batch=config.batch)
        progress(f"{arm.name}: likelihood", len(tasks), len(tasks))
        return answers, likelihoods


def open_book(store: Store, arm: Arm, upstream: Upstream, harness: str) -> AnswerBook:
    """Return the kept answers of an arm's model; other weights, another engine or another harness is another book."""
    return AnswerBook(store.folder("evaluations", "answers"), f"{arm.identity} {arm.variant}", harness, upstream)


class _Judge:
    """Turns answers into scores; opens the sandbox once, and checks the checks once."""

    def __init__(self, tasks: Sequence[Example], sandbox: Sandbox | None, limits: Limits, progress: Progress) -> None:
        self._tasks, self._limits, self._progress = tasks, limits, progress
        self._sandbox: Sandbox | None = sandbox
        self._unusable: dict[str, Unscored] = {}
        checked = [task for task in tasks if task.check is not None]
        if not checked:
            self.description = "not needed"
            return
        try:
            self._sandbox = sandbox or open_sandbox()
        except SandboxError as problem:
            self.description = f"none: {problem}"
            self._unusable = {task.id: Unscored(NO_SANDBOX) for task in checked}
            return
        self.description = self._sandbox.describe()
        progress("checking the checks", 0, len(checked))
        self._unusable = unusable_checks(self._sandbox, checked, limits=limits)
        progress("checking the checks", len(checked), len(checked))

    def scores(
        self,
        run_id: str,
        arm: Arm,
        answers: Sequence[Answer | Failure],
        likelihoods: Sequence[Likelihood | Failure],
    ) -> list[Score]:
        """Return one score per task, in order."""
        windows = [self._window(arm, task, answer) for task, answer in zip(self._tasks, answers, strict=True)]
        verdicts = self._verdicts(arm, windows)
        return [
            self._score(run_id, arm, task, answer, window, verdicts.get(task.id), likelihood)
            for task, answer, window, likelihood in zip(self._tasks, answers, windows, likelihoods, strict=True)
        ]

    def _window(self, arm: Arm, task: Example, answer: Answer | Failure) -> str | None:
        if isinstance(answer, Failure) or answer.cut:
            return None
        return answer.text if arm.upstream is None else parse_update(answer.text, before=task.before)

    def _verdicts(self, arm: Arm, windows: Sequence[str | None]) -> dict[str, Verdict]:
        ready = [
            (task, task.check, window)
            for task, window in zip(self._tasks, windows, strict=True)
            if window is not None and task.check is not None and task.id not in self._unusable
        ]
        if not ready or self._sandbox is None:
            return {}
        self._progress(f"{arm.name}: checks", 0, len(ready))
        pairs = [(check, window) for _, check, window in ready]
        found = check_candidates(self._sandbox, pairs, limits=self._limits)
        self._progress(f"{arm.name}: checks", len(ready), len(ready))
        return {task.id: verdict for (task, _, _), verdict in zip(ready, found, strict=True)}

    def _score(
        self,
        run_id: str,
        arm: Arm,
        task: Example,
        answer: Answer | Failure,
        window: str | None,
        verdict: Verdict | None,
        likelihood: Likelihood | Failure,
    ) -> Score:
        identity = derive_id("score", run_id, arm.name, task.id)
        metrics: dict[str, float] = {}
        if isinstance(likelihood, Likelihood):
            metrics |= {"nll": likelihood.nll, "nll_tokens": float(likelihood.tokens)}
        if isinstance(answer, Failure):
            return Score(
                id=identity, run_id=run_id, example_id=task.id, arm=arm.name, metrics=metrics, unscored=answer.reason
            )
        metrics |= text_metrics(task.before, task.after, window) | {"tokens": float(answer.tokens)}
        unusable = self._unusable.get(task.id)
        success = None if unusable else verdict.passed if verdict else bool(metrics["exact"]) and task.check is None
        if success is not None:
            metrics["success"] = float(success)
            if task.check is not None:
                metrics["executed" if task.check.executes else "structural"] = float(success)
        shown = verdict is not None and not verdict.passed and verdict.detail
        return Score(
            id=identity,
            run_id=run_id,
            example_id=task.id,
            arm=arm.name,
            metrics=metrics,
            prediction=redact_text(window) if window is not None else answer.text,
            failure=None if success is None or success else _failure(task, answer, window, verdict),
            detail=redact_text(verdict.detail) if shown and verdict else None,
            unscored=f"check: {unusable.reason}" if unusable else None,
        )


def _failure(task: Example, answer: Answer, window: str | None, verdict: Verdict | None) -> str:
    if window is None:
        return CUT if answer.cut else NO_UPDATE
    if window.rstrip() == task.before.rstrip():
        return UNCHANGED
    if verdict is None or verdict.kind is Kind.PASSED:
        return OTHER_TEXT
    return verdict.kind.value
