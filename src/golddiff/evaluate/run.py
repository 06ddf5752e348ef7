"""Ask every arm every task, judge the answers, keep the scores: one evaluation, which can be stopped and resumed.

How it fits: takes tasks and arms (from `cli.evaluate` or a recipe), speaks to models through `Upstream` only, writes
`Score` rows and one `EvaluationRun`; `summary` turns those into numbers with intervals, `report` into a page.

A task's *success* is its executed check where it has one, and the exact text where it has none. Metrics of a score:
`applied`, `exact`, `line_f1`, `delta_chrf` (text), `hunk_f1`, `located` (place), `success`, then `executed` or
`structural` (the check, by whether it runs the candidate), `nll` and `nll_tokens` (changed lines), `answer_nll` (the
model's own answer), `tokens`, `prompt_tokens`, `seconds`, `usd`. What cannot be known is left out of `metrics` and
named in `unscored`: a model that did not answer, a check that cannot decide, no sandbox.

Local models are asked one after the other, each opened when it is first needed and closed after its last question;
servers are asked meanwhile, side by side. `golddiff.parallel.Workers` may answer for local models and run the checks.

Rows are stored in one transaction at the end; answers are kept as they come (`answers`), so a run that is stopped
continues where it was and ends with the same scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from golddiff.errors import UsageError
from golddiff.evaluate.arms import Arm
from golddiff.evaluate.asking.answers import AnswerBook
from golddiff.evaluate.asking.interview import Estimate, Interview, Progress, book_of
from golddiff.evaluate.budget import Budget
from golddiff.evaluate.judging import Judge
from golddiff.parallel import Workers
from golddiff.prompts.edit import EXPLANATION
from golddiff.prompts.nearest import EarlierChanges
from golddiff.providers.upstream import Upstream
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.sandbox.contract import Limits, Sandbox
from golddiff.store import Store
from golddiff.types import EvaluationRun, Example, Score, derive_id

__all__ = ["EvaluationConfig", "Progress", "asking_name", "evaluate", "harness_name", "open_book"]

VERSION = 3
"""Raised when tasks, prompts or scoring change meaning: runs before and after are then not compared."""


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
    confidence: bool = False
    """Measure how likely models find their own answers, for calibration."""
    limits: Limits = Limits()
    """What one check may use."""

    def limit_of(self, example: Example) -> int:
        """Return the token limit of one task, in steps of 16 so that tasks can be batched."""
        wanted = self.tokens_per_character * len(example.before) + self.extra_tokens
        return min(self.max_tokens, 16 * -(-int(wanted) // 16))


def asking_name(config: EvaluationConfig) -> str:
    """Return name and version of all that shapes an answer besides the model: answers are kept under it."""
    prompt = blake2b(EXPLANATION.encode(), digest_size=4).hexdigest()
    limit = f"{config.tokens_per_character:g}c+{config.extra_tokens}<={config.max_tokens}"
    return f"edit-windows/{VERSION} prompt:{prompt} tokens:{limit}"


def harness_name(config: EvaluationConfig) -> str:
    """Return name and version of all that shapes a success besides the model: how it is asked and how it is judged."""
    limits = blake2b(msgspec.json.encode(config.limits), digest_size=4).hexdigest()
    return f"{asking_name(config)} check:{config.limits.wall_sec:g}s/{limits}"


def evaluate(
    store: Store,
    tasks: Sequence[Example],
    arms: Sequence[Arm],
    *,
    dataset_id: str,
    earlier: Sequence[Example] = (),
    config: EvaluationConfig | None = None,
    sandbox: Sandbox | None = None,
    workers: Workers | None = None,
    budget: Budget | None = None,
    progress: Progress = lambda what, done, total: None,
    estimate: Estimate = lambda what, said: None,
) -> EvaluationRun:
    """Evaluate `arms` on `tasks` and store the run with its scores; returns the run (its summary is still empty).

    `earlier` are the accepted changes that R0 may show. `sandbox` None opens one where a task needs it; where none
    works, executed scores are unscored with the reason. The run's id derives from all that shapes its scores (tasks,
    arms, earlier changes, configuration, harness), so the same evaluation replaces itself. `workers` answer for arms
    whose model is `OnDemand`, and run the checks; None does so here.

    Raises:
        UsageError: there are no tasks or arms, or two arms have one name.
        BudgetSpent: the budget ended before the last answer; nothing is stored but the answers.
        WorkspaceError: the store or the disk refuses.
    """
    config = config or EvaluationConfig()
    if not tasks or not arms:
        raise UsageError(f"nothing to evaluate: {len(tasks)} tasks, {len(arms)} arms. Is the split `test` empty?")
    if len({arm.name for arm in arms}) < len(arms):
        raise UsageError(f"two arms have one name: {', '.join(arm.name for arm in arms)}")
    harness = harness_name(config)
    shapes = (harness, config, [arm.shapes() for arm in arms], [task.id for task in tasks])
    shown = [example.id for example in earlier] if any(arm.shots for arm in arms) else []
    run_id = derive_id("run", dataset_id, msgspec.json.encode((*shapes, shown)))
    interview = Interview(
        tasks=tasks,
        earlier=EarlierChanges(earlier) if any(arm.shots for arm in arms) else None,
        limit_of=config.limit_of,
        harness=asking_name(config),
        books=store.folder("evaluations", "answers"),
        batch=config.batch,
        likelihood=config.likelihood,
        confidence=config.confidence,
        workers=workers,
        budget=budget or Budget(),
        progress=progress,
        estimate=estimate,
    )
    judge = Judge(
        tasks, lambda: sandbox or open_sandbox(), config.limits, None if sandbox else workers, progress, estimate
    )
    said = interview.hold(arms)
    scores: list[Score] = []
    for arm in arms:
        scores += judge.scores(run_id, arm, said[arm.name])
    summary: dict[str, float | int | str | None] = {"tasks": len(tasks), "sandbox": judge.description}
    for arm in arms:
        summary |= arm.about().flat(arm.name)
    run = EvaluationRun(
        id=run_id,
        dataset_id=dataset_id,
        arms={arm.name: arm.identity for arm in arms},
        harness=harness,
        summary=summary,
        created_at=datetime.now(UTC),
    )
    with store.transaction():
        store.put(run, parents=(dataset_id, *dict.fromkeys(arm.identity for arm in arms)))
        store.put(*scores)
    return run


def open_book(store: Store, arm: Arm, upstream: Upstream, harness: str) -> AnswerBook:
    """Return the kept answers of an arm's model."""
    return book_of(store.folder("evaluations", "answers"), arm, upstream, harness)
