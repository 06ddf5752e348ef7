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
from golddiff.evaluate.summary.summary import Summary
from golddiff.evaluate.tasks.held_out import sample
from golddiff.models.export import QUANTIZATION, engine_folder
from golddiff.models.folder import read_engine_manifest
from golddiff.providers.on_demand import OnDemand
from golddiff.recipes.house_style.config import DemoConfig
from golddiff.serve.local import LocalOpener
from golddiff.store import Store
from golddiff.store.datasets import read_dataset
from golddiff.types import Checkpoint, EvaluationRun, Example, Score

__all__ = ["BASE", "R0", "STUDENT", "TEACHER_ARM", "Measured", "measure"]

BASE, R0, STUDENT, TEACHER_ARM = "base", "base + R0", "student", "teacher (simulated)"


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
    models = {arm: _Model(store.files(one.folder), cache) for arm, one in checkpoints.items()} | {
        BASE: _Model(base, cache)
    }
    first = {row.example.id: str(row.attempt) for row in rows if row.attempt is not None}
    arms = [  # base first and the student third: what `forgetting` compares
        _asked(BASE, Role.BASE, models[BASE], models[BASE].identity),
        _asked(R0, Role.BASE, models[BASE], models[BASE].identity, shots=config.shots),
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
        _asked(BASE, Role.BASE, models[BASE], models[BASE].identity, shots=config.shots),
        _asked(STUDENT, Role.STUDENT, models[STUDENT], student.id, shots=config.shots),
    ]
    off = _evaluated(store, others, off_arms, shown, dataset.id, settings, progress)
    documents = [Document(cluster=path, text=text) for path, text in samples]
    forgetting = measure_forgetting(store, [arms[0], arms[2]], documents, config=settings, progress=progress)
    return Measured(workflow, off, forgetting, len(held_out) - len(apart))


class _Model:
    """A model that is in memory only while it is asked."""

    def __init__(self, folder: Path, cache: Path) -> None:
        manifest = read_engine_manifest(engine_folder(folder, cache))
        self.identity = f"{manifest.name}@{manifest.weights_hash[:12]}"
        self.form = manifest.renderer
        self.upstream = OnDemand(LocalOpener(manifest.name, folder, cache))


def _asked(name: str, role: Role, model: _Model, identity: str, shots: int = 0) -> Arm:
    return Arm(
        name=name,
        role=role,
        identity=identity,
        variant=f"{QUANTIZATION}, {model.form.name}",
        upstream=model.upstream,
        explain=model.form.explain or role is Role.BASE,
        shots=shots,
    )


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
