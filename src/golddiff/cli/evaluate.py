"""`golddiff evaluate`: what did the student learn? Arms on held-out tasks, with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import click
import msgspec

from golddiff.cli.app import (
    Workspace,
    console,
    emit_json,
    json_option,
    output,
    workers_options,
    workspace_option,
)
from golddiff.cli.spending import Spending, require_prices, spending_options
from golddiff.errors import InputError, UsageError
from golddiff.store import Store
from golddiff.types import EvaluationRun, Example, Score

if TYPE_CHECKING:
    from golddiff.evaluate.asking.interview import Estimate, Progress
    from golddiff.parallel import Workers


@click.command(
    epilog="""\b
Examples:
  golddiff evaluate --dataset ours --arm base=smollm2-135m --arm student=checkpoint_12
  golddiff evaluate --dataset ours --arm base=smollm2-135m --arm student=checkpoint_12 --arm teacher=recorded
  golddiff evaluate --dataset ours --arm student-2=checkpoint_56 --against run_1234
  golddiff evaluate --dataset ours --arm student=checkpoint_12,checkpoint_34,checkpoint_56 --arm base=smollm2-135m
  golddiff evaluate --dataset ours --arm teacher=http://localhost:8000/v1#big-model --limit 100
  golddiff evaluate --dataset ours --arm teacher+R0=http://localhost:8000/v1#big-model --budget-usd 5

\b
An arm is ROLE=MODEL or ROLE-NAME=MODEL; ROLE is base, student, teacher or control.
ROLE+R0=MODEL shows the model earlier accepted changes too (a base gets that arm
by itself). MODEL is a checkpoint id, several of one recipe with commas (their
seeds), a model of `golddiff model`, a folder, URL#NAME of an OpenAI-compatible
server (key: OPENAI_API_KEY), or `recorded` for what the teacher first answered
when the sessions were recorded.
"""
)
@click.option("--dataset", required=True, help="Dataset whose held-out split is used: id or name.")
@click.option("--arm", "arms", multiple=True, required=True, metavar="ROLE[-NAME][+R0]=MODEL", help="What to compare.")
@click.option(
    "--r0",
    "shots",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Earlier accepted changes shown to arms with +R0 and to an extra base arm; 0: no such base arm.",
)
@click.option("--limit", type=click.IntRange(1), help="Evaluate a fixed sample of this many tasks.")
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True, help="Most tokens of an answer.")
@click.option(
    "--batch", type=click.IntRange(1), default=64, show_default=True, help="Conversations per call of a model."
)
@click.option(
    "--likelihood/--no-likelihood",
    default=True,
    show_default=True,
    help="Measure the likelihood of the changed lines and of the model's own answers, where a model gives one.",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Requests at a time at a server; several servers are asked side by side.",
)
@spending_options
@click.option("--off-workflow", metavar="DATASET", help="Ask the same arms tasks that nobody trained for, too.")
@click.option("--against", metavar="RUN", help="Show the arms of an earlier run of the same dataset beside these.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the page here instead.")
@workers_options
@workspace_option
@json_option
def command(
    dataset: str,
    arms: tuple[str, ...],
    shots: int,
    limit: int | None,
    max_tokens: int,
    batch: int,
    likelihood: bool,
    in_flight: int,
    spending: Spending,
    off_workflow: str | None,
    against: str | None,
    html: Path | None,
    workers: Workers,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Ask every arm the held-out tasks of a dataset and report success, differences and capability recovered.

    Changes are judged by running their checks in a sandbox where tasks have one, else by the exact text. An answer that
    was given once is kept: a stopped evaluation continues when it is run again. Servers are asked many requests at a
    time, local models one after the other; --jobs and --ray spread the local models' answers and the checks.
    """
    from golddiff.cli.arms import ArmMaker
    from golddiff.cli.keys import gateway_folder
    from golddiff.evaluate import EvaluationConfig, evaluate, report, summarise
    from golddiff.evaluate.report import terminal
    from golddiff.evaluate.run import harness_name
    from golddiff.evaluate.summary.summary import require_same_harness
    from golddiff.evaluate.tasks.held_out import sample
    from golddiff.store.datasets import find_dataset, read_dataset

    config = EvaluationConfig(max_tokens=max_tokens, batch=batch, likelihood=likelihood, confidence=likelihood)
    budget = spending.budget()
    spread = workers.ray is not None or (workers.jobs or 1) > 1
    with Store.open(workspace, make=False) as store:
        found = find_dataset(store, dataset)
        tasks = sample(read_dataset(store, found.id, "test"), limit)
        earlier_run = _run(store, against, found.id) if against else None
        if earlier_run:  # before anything slow is done
            planned = msgspec.structs.replace(earlier_run, id="this run", harness=harness_name(config))
            require_same_harness(earlier_run, planned)
        other = find_dataset(store, off_workflow) if off_workflow else None
        others = sample(read_dataset(store, other.id, "test"), limit) if other else []
        maker = ArmMaker(
            store,
            [*tasks, *others],
            shots=shots,
            in_flight=in_flight,
            cores=1 if spread else 0,
            prices=spending.prices,
            own_prices=gateway_folder(workspace),
        )
        made = maker.make(arms)
        require_prices(made, budget)
        console.print(terminal.power(tasks), style="dim", markup=False)
        earlier = list(read_dataset(store, found.id, "train")) if any(one.shots for one in made) else []
        with _bars() as (progress, estimate):

            def asked(rows: list[Example], dataset_id: str, said: str = "") -> EvaluationRun:
                return evaluate(
                    store,
                    rows,
                    made,
                    dataset_id=dataset_id,
                    earlier=earlier,
                    config=config,
                    workers=workers if spread else None,
                    budget=budget,
                    progress=lambda what, done, total: progress(said + what, done, total),
                    estimate=lambda what, seen: estimate(said + what, seen),
                )

            run = asked(tasks, found.id)
            off_run = asked(others, other.id, "off the workflow, ") if other else None
        scores = list(store.find(Score, run_id=run.id))
        if earlier_run:
            run, scores = _beside(store, run, scores, earlier_run)
        with console.status("intervals"):
            summary = summarise(run, tasks, scores)
            if off_run:
                off = summarise(off_run, others, list(store.find(Score, run_id=off_run.id)))
                summary = msgspec.structs.replace(summary, off_workflow=off)
        folder = store.folder("evaluations", run.id)
        page = report.write(html or folder / "report.html", run, summary, tasks, scores)
        report.write_json(folder / "report.json", summary)
        if not earlier_run:
            kept = str(page.relative_to(store.root)) if page.is_relative_to(store.root) else str(page.resolve())
            told = summary.flat() | ({"off_workflow_run": off_run.id} if off_run else {})
            store.put(msgspec.structs.replace(run, summary=told, report=kept))
    if as_json:
        emit_json(summary)
    else:
        terminal.show(summary, output)
        output.print(f"Page: {page}", soft_wrap=True)


def _run(store: Store, abbreviation: str, dataset_id: str) -> EvaluationRun:
    kind, identity = store.resolve(abbreviation)
    if kind is not EvaluationRun:
        raise InputError(f"--against {abbreviation}: {identity} is no evaluation run.")
    run = store.get(EvaluationRun, identity)
    if run.dataset_id != dataset_id:
        raise UsageError(f"--against {run.id}: it is about dataset {run.dataset_id}, not {dataset_id}.")
    return run


def _beside(
    store: Store, run: EvaluationRun, scores: list[Score], earlier: EvaluationRun
) -> tuple[EvaluationRun, list[Score]]:
    """Return `run` with the arms of `earlier` that it does not have, for showing only."""
    from golddiff.evaluate.about import About

    added = {name: name if name not in run.arms else f"{name} of {earlier.id[:12]}" for name in earlier.arms}
    here = {About.read(run.summary, name).training for name in run.arms}
    about: dict[str, float | int | str | None] = {}
    for old, new in added.items():
        told = About.read(earlier.summary, old)
        if told.training in here and told.training:  # trainings of two runs are not one recipe's by their name alone
            told = msgspec.structs.replace(told, training=f"{told.training} of {earlier.id[:12]}")
        about |= told.flat(new)
    old_scores = [
        msgspec.structs.replace(score, arm=added[score.arm]) for score in store.find(Score, run_id=earlier.id)
    ]
    arms = run.arms | {new: earlier.arms[old] for old, new in added.items()}
    return msgspec.structs.replace(run, arms=arms, summary=run.summary | about), scores + old_scores


@contextmanager
def _bars() -> Iterator[tuple[Progress, Estimate]]:
    """Show what is being done, how much of it, when it will be over, and what it looks like so far."""
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),  # whole on a narrow terminal, too
        TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
        TextColumn("{task.fields[seen]}", markup=False, style="dim"),
    )
    with Bars(*columns, console=console) as bars:
        known: dict[str, TaskID] = {}
        lock = Lock()  # servers are asked on threads of their own

        def progress(what: str, done: int, total: int) -> None:
            with lock:
                if what not in known:  # what was kept from an earlier run is done from the start
                    known[what] = bars.add_task(what, total=total, completed=done, seen="")
                bars.update(known[what], completed=done)

        def estimate(what: str, seen: str) -> None:
            with lock:
                if what in known:
                    bars.update(known[what], seen=seen)

        yield progress, estimate
