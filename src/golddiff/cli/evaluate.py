"""`golddiff evaluate`: what did the student learn? Arms on held-out tasks, with intervals."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from golddiff import config as settings
from golddiff.cli.app import Workspace, console, emit_json, json_option, output, workspace_option
from golddiff.errors import InputError, ModelError, UsageError
from golddiff.store import Store
from golddiff.types import Checkpoint, EvaluationRun, Example, Score

if TYPE_CHECKING:
    from golddiff.evaluate.arms import Arm, Role
    from golddiff.evaluate.run import Progress

R0 = "R0"
KEY_VARIABLE = "OPENAI_API_KEY"


@click.command(
    epilog="""\b
Examples:
  golddiff evaluate --dataset ours --arm base=smollm2-135m --arm student=checkpoint_12
  golddiff evaluate --dataset ours --arm base=smollm2-135m --arm student=checkpoint_12 --arm teacher=recorded
  golddiff evaluate --dataset ours --arm student-2=checkpoint_56 --against run_1234
  golddiff evaluate --dataset ours --arm teacher=http://localhost:8000/v1#big-model --limit 100

\b
An arm is ROLE=MODEL or ROLE-NAME=MODEL; ROLE is base, student, teacher or control.
MODEL is a checkpoint id, a model of `golddiff model`, a folder, URL#NAME of an
OpenAI-compatible server (key: OPENAI_API_KEY), or `recorded` for what the
teacher first answered when the sessions were recorded.
"""
)
@click.option("--dataset", required=True, help="Dataset whose held-out split is used: id or name.")
@click.option("--arm", "arms", multiple=True, required=True, metavar="ROLE[-NAME]=MODEL", help="What to compare.")
@click.option(
    "--r0",
    "shots",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Earlier accepted changes shown to an extra base arm; 0: no such arm.",
)
@click.option("--limit", type=click.IntRange(1), help="Evaluate a fixed sample of this many tasks.")
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True, help="Most tokens of an answer.")
@click.option(
    "--batch", type=click.IntRange(1), default=64, show_default=True, help="Conversations per call of a model."
)
@click.option(
    "--likelihood/--no-likelihood", default=True, show_default=True, help="Measure the likelihood of the changed lines."
)
@click.option("--against", metavar="RUN", help="Show the arms of an earlier run of the same dataset beside these.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the page here instead.")
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
    against: str | None,
    html: Path | None,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Ask every arm the held-out tasks of a dataset and report success, differences and capability recovered.

    Changes are judged by running their checks in a sandbox where tasks have one, else by the exact text. An answer that
    was given once is kept: a stopped evaluation continues when it is run again.
    """
    from golddiff.evaluate import EvaluationConfig, evaluate, report, summarise, terminal
    from golddiff.evaluate.run import harness_name
    from golddiff.evaluate.summary import require_same_harness
    from golddiff.evaluate.tasks import sample
    from golddiff.store.datasets import find_dataset, read_dataset

    config = EvaluationConfig(max_tokens=max_tokens, batch=batch, likelihood=likelihood)
    with Store.open(workspace, make=False) as store:
        found = find_dataset(store, dataset)
        tasks = sample(read_dataset(store, found.id, "test"), limit)
        earlier_run = _run(store, against, found.id) if against else None
        if earlier_run:  # before anything slow is done
            planned = msgspec.structs.replace(earlier_run, id="this run", harness=harness_name(config))
            require_same_harness(earlier_run, planned)
        made = [one for spec in arms for one in _arms(store, spec, tasks, shots)]
        console.print(terminal.power(tasks), style="dim", markup=False)
        earlier = list(read_dataset(store, found.id, "train")) if any(one.shots for one in made) else []
        with _progress() as progress:
            run = evaluate(store, tasks, made, dataset_id=found.id, earlier=earlier, config=config, progress=progress)
        scores = list(store.find(Score, run_id=run.id))
        if earlier_run:
            run, scores = _beside(store, run, scores, earlier_run)
        with console.status("intervals"):
            summary = summarise(run, tasks, scores)
        folder = store.folder("evaluations", run.id)
        page = report.write(html or folder / "report.html", run, summary, tasks, scores)
        report.write_json(folder / "report.json", summary)
        if not earlier_run:
            kept = str(page.relative_to(store.root)) if page.is_relative_to(store.root) else str(page.resolve())
            store.put(msgspec.structs.replace(run, summary=summary.flat(), report=kept))
    if as_json:
        emit_json(summary)
    else:
        terminal.show(summary, output)
        output.print(f"Page: {page}", soft_wrap=True)


def _arms(store: Store, spec: str, tasks: Sequence[Example], shots: int) -> Iterator[Arm]:
    """Yield the arm of one `ROLE[-NAME]=MODEL`, and for a base with `shots` the arm R0 beside it."""
    from golddiff.evaluate.arms import Arm, Role

    name, equals, model = spec.partition("=")
    role = next((role for role in Role if name == role.value or name.startswith(f"{role.value}-")), None)
    if role is None or not equals or not model:
        known = ", ".join(Role)
        raise UsageError(f"--arm {spec}: expected ROLE=MODEL or ROLE-NAME=MODEL with ROLE one of {known}.")
    if model == "recorded":
        yield _recorded(store, name, role, tasks)
        return
    arm = _remote(name, role, model) if "://" in model else _local(store, name, role, model)
    yield arm
    if role is Role.BASE and shots:
        yield Arm(
            name=f"{name} + {R0}",
            role=role,
            identity=arm.identity,
            variant=arm.variant,
            upstream=arm.upstream,
            explain=arm.explain,
            shots=shots,
        )


def _recorded(store: Store, name: str, role: Role, tasks: Sequence[Example]) -> Arm:
    from golddiff.evaluate.arms import Arm, recorded_answers

    answers = recorded_answers(tasks, store.find(Example, kind="attempt", split="test"))
    if not answers:
        raise InputError(
            f"--arm {name}=recorded: no first attempt at any of the {len(tasks)} tasks is recorded. "
            "Rows from a repository's history have none; rows from sessions do (`golddiff curate --source sessions`)."
        )
    return Arm(name=name, role=role, identity="recorded", recorded=answers)


def _remote(name: str, role: Role, model: str) -> Arm:
    from golddiff.evaluate.arms import Arm

    try:
        import httpx

        from golddiff.providers.chat_client import ChatClient, ChatConfig
    except ModuleNotFoundError as missing:
        raise ModelError(f"{missing.name} is not installed. Run: pip install 'golddiff[evaluate]'") from missing
    url, _, served = model.partition("#")
    if not served:
        raise UsageError(f"--arm {name}={model}: add the model's name at that server, as {url}#NAME.")
    try:
        client = ChatClient(ChatConfig(base_url=url, model=served, api_key=os.environ.get(KEY_VARIABLE)))
    except httpx.InvalidURL as error:
        raise UsageError(f"--arm {name}={model}: {url} is no URL ({error}), as http://HOST:PORT/v1 is.") from error
    return Arm(name=name, role=role, identity=served, variant=url, upstream=client, explain=True)


def _local(store: Store, name: str, role: Role, model: str) -> Arm:
    from golddiff.evaluate.arms import Arm
    from golddiff.models.catalogue import find_model
    from golddiff.models.export import QUANTIZATION
    from golddiff.serve.local import open_for_batches

    def say(text: str) -> None:
        console.print(text, style="dim", markup=False)

    cache = settings.cache_folder()
    checkpoints = [one for one in store.find(Checkpoint) if one.id.startswith(model)]
    if len(checkpoints) > 1:
        named = ", ".join(one.id for one in checkpoints)
        raise UsageError(f"--arm {name}={model} is ambiguous: {named}. Give more of it.")
    if checkpoints:
        identity = checkpoints[0].id
        upstream = open_for_batches(store.files(checkpoints[0].folder), cache, say=say)
    else:
        upstream = open_for_batches(find_model(model, cache, say=say), cache, say=say)
        identity = f"{upstream.name}@{upstream.manifest.weights_hash[:12]}"
    return Arm(
        name=name,
        role=role,
        identity=identity,
        variant=QUANTIZATION,
        upstream=upstream,
        explain=upstream.manifest.renderer.explain,
    )


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
    added = {name: name if name not in run.arms else f"{name} of {earlier.id[:12]}" for name in earlier.arms}
    roles = {f"role:{new}": earlier.summary.get(f"role:{old}") for old, new in added.items()}
    old_scores = [
        msgspec.structs.replace(score, arm=added[score.arm]) for score in store.find(Score, run_id=earlier.id)
    ]
    arms = run.arms | {new: earlier.arms[old] for old, new in added.items()}
    return msgspec.structs.replace(run, arms=arms, summary=run.summary | roles), scores + old_scores


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show what is being done, how much of it, and when it will be over."""
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console) as bars:
        known: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in known:  # what was kept from an earlier run is done from the start
                known[what] = bars.add_task(what, total=total, completed=done)
            bars.update(known[what], completed=done)

        yield progress
