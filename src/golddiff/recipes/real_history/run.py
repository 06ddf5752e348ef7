"""One repository's accepted changes, split by time: does a student of the earlier ones do the later ones better?

Reads top to bottom: rows from the history that people wrote → student (recipe R1) → base, base + R0 and student on the
latest changes → numbers with intervals. Every step finds its own earlier result, so a run that is stopped continues.

What it measures: likelihood of the changed lines (nats per token), line F1 of the delta and exact text. What it does
not: executed tests, since a window out of a history rarely has one of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from golddiff.curate import CurateConfig, from_history
from golddiff.evaluate import EvaluationConfig, Summary, evaluate, report, summarise
from golddiff.evaluate.arms import Arm, Role
from golddiff.evaluate.tasks.held_out import sample
from golddiff.models.catalogue import find_model
from golddiff.models.export import QUANTIZATION
from golddiff.serve.local import LocalUpstream, open_for_batches
from golddiff.store import Store
from golddiff.store.datasets import read_dataset
from golddiff.train.config import R1Config
from golddiff.train.r1 import Tick
from golddiff.train.run import train_checkpoint
from golddiff.types import Score


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What shapes the run; change it in code, so that the record of a run is its code version."""

    base: str = "smollm2-135m"
    """Model to start from."""
    shots: int = 1
    """Earlier accepted changes shown to the arm base + R0."""
    curate: CurateConfig = CurateConfig(
        name="real-history",
        include=("*.py",),
        context_lines=1,
        max_window_chars=200,
        max_instruction_chars=100,
        max_rows=740,
        test_fraction=0.3,
    )
    """The latest 740 short windows in Python files: some 500 to learn from, at least 200 held out. Small enough for a
    quarter of an hour on two cores; more rows would show more."""
    tasks: int = 200
    """Later changes that every arm is asked, drawn by hash."""
    train: R1Config = R1Config()
    """Recipe R1 with its defaults: one pass."""
    evaluation: EvaluationConfig = EvaluationConfig(max_tokens=128, extra_tokens=24)
    """A window of 200 characters is some 70 tokens."""


def run(
    store: Store,
    repository: Path,
    cache: Path,
    settings: Settings | None = None,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Summary, Path]:
    """Return the numbers and the path of the page with every case.

    Raises:
        GolddiffError: whatever stage cannot go on says what to do.
    """
    settings = settings or Settings()
    say(f"reading the history of {repository.name}")
    dataset = from_history(store, repository, settings.curate).datasets["accepted"]
    tasks = sample(read_dataset(store, dataset.id, "test"), settings.tasks)
    earlier = list(read_dataset(store, dataset.id, "train"))
    say(f"{len(earlier)} earlier changes to learn from, {len(tasks)} later ones to do")

    base_folder = find_model(settings.base, cache, say=say)
    checkpoint = train_checkpoint(
        store,
        dataset.id,
        base_folder,
        settings.train,
        report=lambda tick: say(_said(tick)) if tick.step % 10 == 0 else None,
        say=say,
    )
    base = open_for_batches(base_folder, cache, say=say)
    student = open_for_batches(store.files(checkpoint.folder), cache, say=say)
    base_identity = f"{base.name}@{base.manifest.weights_hash[:12]}"
    arms = [
        _arm("base", Role.BASE, base_identity, base),
        _arm("base + R0", Role.BASE, base_identity, base, shots=settings.shots),
        _arm("student", Role.STUDENT, checkpoint.id, student),
    ]
    evaluation = evaluate(
        store,
        tasks,
        arms,
        dataset_id=dataset.id,
        earlier=earlier,
        config=settings.evaluation,
        progress=lambda what, done, total: say(f"{what}: {done}/{total}"),
    )
    scores = list(store.find(Score, run_id=evaluation.id))
    summary = summarise(evaluation, tasks, scores)
    folder = store.folder("evaluations", evaluation.id)
    page = report.write(folder / "report.html", evaluation, summary, tasks, scores)
    report.write_json(folder / "report.json", summary)
    kept = str(page.relative_to(store.root))
    store.put(msgspec.structs.replace(evaluation, summary=summary.flat(), report=kept))
    return summary, page


def _said(tick: Tick) -> str:
    return f"training: step {tick.step} of {tick.steps}, loss {tick.loss:.2f}"


def _arm(name: str, role: Role, identity: str, upstream: LocalUpstream, shots: int = 0) -> Arm:
    explain = upstream.manifest.renderer.explain
    return Arm(
        name=name,
        role=role,
        identity=identity,
        variant=QUANTIZATION,
        upstream=upstream,
        explain=explain,
        shots=shots,
    )
