"""From what an arm said to one score per task: text, place, check, likelihood, time and money.

How it fits: `run.evaluate` makes one `Judge` for all arms. It opens the sandbox once, checks the checks once, and runs
the candidates here or on workers, where each opens a sandbox of its own: the same checks, so the same verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from golddiff.errors import SandboxError
from golddiff.evaluate.arms import Arm
from golddiff.evaluate.asking.answers import Answer, Failure, Likelihood
from golddiff.evaluate.asking.interview import Estimate, Progress, Said, window_of
from golddiff.parallel import Workers, spread
from golddiff.rights.redact import redact_text
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.sandbox.contract import Limits, Sandbox
from golddiff.scoring import Kind, Unscored, Verdict, check_candidates, stage_metrics, text_metrics, unusable_checks
from golddiff.scoring.executed import NO_SANDBOX
from golddiff.statistics.intervals import wilson
from golddiff.types import Check, Example, Score, derive_id

__all__ = ["Judge"]

NO_UPDATE = "no update in the answer"
CUT = "cut at the token limit"
UNCHANGED = "window unchanged"
OTHER_TEXT = "other text than accepted"

CHUNK = 64
"""Candidates that a worker runs at a time: about a second of work."""

Pair = tuple[Check, str]


class Judge:
    """Turns what arms said into scores."""

    def __init__(
        self,
        tasks: Sequence[Example],
        opener: Callable[[], Sandbox],
        limits: Limits,
        workers: Workers | None,
        progress: Progress,
        estimate: Estimate,
    ) -> None:
        """Open the sandbox where a task needs one, and find the checks that cannot decide."""
        self._tasks, self._limits, self._progress, self._estimate = tasks, limits, progress, estimate
        self._workers = workers
        self._sandbox: Sandbox | None = None
        self._unusable: dict[str, Unscored] = {}
        checked = [task for task in tasks if task.check is not None]
        if not checked:
            self.description = "not needed"
            return
        try:
            self._sandbox = opener()
        except SandboxError as problem:
            self.description = f"none: {problem}"
            self._unusable = {task.id: Unscored(NO_SANDBOX) for task in checked}
            return
        self.description = self._sandbox.describe()
        progress("checking the checks", 0, len(checked))
        self._unusable = unusable_checks(self._sandbox, checked, limits=limits)
        progress("checking the checks", len(checked), len(checked))

    def scores(self, run_id: str, arm: Arm, said: Said) -> list[Score]:
        """Return one score per task, in order."""
        windows = [window_of(arm, task, answer) for task, answer in zip(self._tasks, said.answers, strict=True)]
        verdicts = self._verdicts(arm, windows)
        return [
            self._score(run_id, arm, index, said, window, verdicts.get(task.id))
            for index, (task, window) in enumerate(zip(self._tasks, windows, strict=True))
        ]

    def _verdicts(self, arm: Arm, windows: Sequence[str | None]) -> dict[str, Verdict]:
        ready = [
            (task, task.check, window)
            for task, window in zip(self._tasks, windows, strict=True)
            if window is not None and task.check is not None and task.id not in self._unusable
        ]
        if not ready or self._sandbox is None:
            return {}
        what = f"{arm.name}: checks"
        self._progress(what, 0, len(ready))
        found = self._run(what, [(check, window) for _, check, window in ready])
        self._progress(what, len(ready), len(ready))
        passed = sum(verdict.passed for verdict in found)
        self._estimate(what, f"{wilson(passed, len(found))} pass")
        return {task.id: verdict for (task, _, _), verdict in zip(ready, found, strict=True)}

    def _run(self, what: str, pairs: Sequence[Pair]) -> list[Verdict]:
        workers, sandbox = self._workers, self._sandbox
        if workers is None or (workers.ray is None and (workers.jobs or 1) == 1) or sandbox is None:
            return check_candidates(sandbox, pairs, limits=self._limits) if sandbox else []
        chunks = [(f"{what} from {start}", list(pairs[start : start + CHUNK])) for start in range(0, len(pairs), CHUNK)]
        found: list[Verdict] = []
        for done in spread(partial(_check, self._limits), chunks, workers):
            found += done.get()
            self._progress(what, len(found), len(pairs))
        return found

    def _score(
        self, run_id: str, arm: Arm, index: int, said: Said, window: str | None, verdict: Verdict | None
    ) -> Score:
        task, answer, likelihood, own = self._tasks[index], said.answers[index], said.changes[index], said.own[index]
        identity = derive_id("score", run_id, arm.name, task.id)
        metrics: dict[str, float] = {}
        if isinstance(likelihood, Likelihood):
            metrics |= {"nll": likelihood.nll, "nll_tokens": float(likelihood.tokens)}
        if isinstance(own, Likelihood):
            metrics["answer_nll"] = own.nll
        if isinstance(answer, Failure):
            return Score(
                id=identity, run_id=run_id, example_id=task.id, arm=arm.name, metrics=metrics, unscored=answer.reason
            )
        metrics |= text_metrics(task.before, task.after, window) | stage_metrics(task.before, task.after, window)
        metrics |= _effort(arm, answer)
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
            unscored=redact_text(f"check: {unusable.reason}") if unusable else None,
        )


def _check(limits: Limits, pairs: list[Pair]) -> list[Verdict]:
    return check_candidates(_worker_sandbox(), pairs, limits=limits)


@lru_cache(maxsize=1)
def _worker_sandbox() -> Sandbox:
    """One per worker, on one core: the other cores have workers of their own."""
    return open_sandbox(workers=1)


def _effort(arm: Arm, answer: Answer) -> dict[str, float]:
    """Tokens, time and money of an answer, as far as they are known."""
    found = {"tokens": float(answer.tokens)} if answer.tokens else {}
    if answer.prompt_tokens:
        found["prompt_tokens"] = float(answer.prompt_tokens)
        if arm.price is not None:
            found["usd"] = arm.price.cost(answer.prompt_tokens, answer.tokens)
    if answer.seconds is not None and answer.in_flight == arm.in_flight:  # else kept from a run that asked otherwise
        found["seconds"] = answer.seconds
    return found


def _failure(task: Example, answer: Answer, window: str | None, verdict: Verdict | None) -> str:
    if window is None:
        return CUT if answer.cut else NO_UPDATE
    if window.rstrip() == task.before.rstrip():
        return UNCHANGED
    if verdict is None or verdict.kind is Kind.PASSED:
        return OTHER_TEXT
    return verdict.kind.value
