"""Ask every arm, run the checks in the sandbox, and measure what was forgotten.

How it fits: the last stage of the pipeline before the report; all models speak through `serve.local`, as they would be
served. The teacher is its recorded first attempt on the same tasks. Both evaluations use one harness and sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from golddiff.curate import Built, Row
from golddiff.evaluate import EvaluationConfig, evaluate, summarise
from golddiff.evaluate.arms import Arm, Role
from golddiff.evaluate.forgetting import Document, Forgetting, measure_forgetting
from golddiff.evaluate.run import Progress
from golddiff.evaluate.summary import Summary
from golddiff.evaluate.tasks import sample
from golddiff.models.export import QUANTIZATION
from golddiff.recipes.house_style.config import DemoConfig
from golddiff.serve.local import LocalUpstream, in_chat, open_for_batches
from golddiff.store import Store
from golddiff.store.datasets import read_dataset
from golddiff.types import Checkpoint, EvaluationRun, Example, Score

__all__ = ["AS_SERVED", "BASE", "R0", "STUDENT", "TEACHER_ARM", "Measured", "measure"]

BASE, R0, STUDENT, TEACHER_ARM = "base", "base + R0", "student", "teacher (simulated)"
AS_SERVED = "student, as served"
"""The student in the form that it was trained in, on tasks that it was not trained for."""


@dataclass(frozen=True)
class Evaluated:
    """One evaluation with everything behind it."""

    run: EvaluationRun
    tasks: list[Example]
    scores: list[Score]
    summary: Summary


@dataclass(frozen=True)
class Measured:
    """All that was measured."""

    workflow: Evaluated
    off_workflow: Evaluated
    untouched: Forgetting
    """The likelihood of code that nobody edited, before and after."""
    same_file: int
    """Held-out rows left out because training saw another part of their file."""


def measure(
    store: Store,
    built: Built,
    rows: Sequence[Row],
    checkpoints: Mapping[str, Checkpoint],
    base: Path,
    cache: Path,
    off_workflow: tuple[list[Example], list[Example]],
    samples: Sequence[tuple[str, str]],
    config: DemoConfig,
    progress: Progress,
) -> Measured:
    """Evaluate all arms. Raises SandboxError only where a sandbox breaks in use; without one, scores are unscored."""
    settings = EvaluationConfig(likelihood=False, extra_tokens=12)
    dataset = built.datasets["accepted"]
    train = list(read_dataset(store, dataset.id, "train"))
    trained_on = {example.path for example in train}
    held_out = list(read_dataset(store, dataset.id, "test"))
    apart = [example for example in held_out if example.path not in trained_on]
    tasks = sample(apart, config.tasks)
    models = {BASE: open_for_batches(base, cache)}
    models |= {arm: open_for_batches(store.files(one.folder), cache) for arm, one in checkpoints.items()}
    first = {row.example.id: str(row.attempt) for row in rows if row.attempt is not None}
    arms = [  # base first and the student third: what `forgetting` compares
        _asked(BASE, Role.BASE, models[BASE], _identity(models[BASE])),
        _asked(R0, Role.BASE, models[BASE], _identity(models[BASE]), shots=config.shots),
        *(
            _asked(arm, Role.STUDENT if arm == STUDENT else Role.CONTROL, models[arm], one.id)
            for arm, one in checkpoints.items()
        ),
        Arm(name=TEACHER_ARM, role=Role.TEACHER, identity="golddiff-simulated-teacher", recorded=first),
    ]
    workflow = _evaluated(store, tasks, arms, train, dataset.id, settings, progress)
    others, shown = off_workflow
    student = checkpoints[STUDENT]
    off_arms = [
        _asked(BASE, Role.BASE, models[BASE], _identity(models[BASE]), shots=config.shots),
        # Asked as the base is: what differs is then what training did to the weights, not the form of the question.
        _asked(STUDENT, Role.STUDENT, in_chat(models[STUDENT], store.files(student.folder)), student.id, config.shots),
        _asked(AS_SERVED, Role.STUDENT, models[STUDENT], student.id, shots=config.shots),
    ]
    off = _evaluated(store, others, off_arms, shown, dataset.id, settings, progress)
    documents = [Document(cluster=path, text=text) for path, text in samples]
    forgetting = measure_forgetting(store, [arms[0], arms[2]], documents, config=settings, progress=progress)
    return Measured(workflow, off, forgetting, len(held_out) - len(apart))


def _asked(name: str, role: Role, model: LocalUpstream, identity: str, shots: int = 0) -> Arm:
    form = model.manifest.renderer
    return Arm(
        name=name,
        role=role,
        identity=identity,
        variant=f"{QUANTIZATION}, {form.name}",
        upstream=model,
        explain=form.explain or role is Role.BASE,
        shots=shots,
    )


def _identity(model: LocalUpstream) -> str:
    return f"{model.name}@{model.manifest.weights_hash[:12]}"


def _evaluated(
    store: Store,
    tasks: list[Example],
    arms: Sequence[Arm],
    earlier: Sequence[Example],
    dataset_id: str,
    settings: EvaluationConfig,
    progress: Progress,
) -> Evaluated:
    run = evaluate(store, tasks, arms, dataset_id=dataset_id, earlier=earlier, config=settings, progress=progress)
    scores = list(store.find(Score, run_id=run.id))
    return Evaluated(run, tasks, scores, summarise(run, tasks, scores))
