"""`golddiff export evaluation`: a stored evaluation as logs of Inspect AI, one per arm."""

from __future__ import annotations

import re
from pathlib import Path

import click
import msgspec

from golddiff.cli.app import Workspace, console, emit_json, json_option, workspace_option
from golddiff.errors import InputError, UsageError
from golddiff.store import Store
from golddiff.types import EvaluationRun, Example, Score


@click.command(
    epilog="""\b
Examples:
  golddiff export evaluation run_40886a -o logs
  golddiff export evaluation run_40886a --arm student -o logs --json

\b
Look at them with: inspect view --log-dir logs
"""
)
@click.argument("run", metavar="RUN")
@click.option("--arm", "only", multiple=True, metavar="NAME", help="Only this arm; all by default.")
@click.option(
    "--output", "-o", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write."
)
@workspace_option
@json_option
def command(run: str, only: tuple[str, ...], folder: Path, workspace: Workspace, as_json: bool) -> None:
    """Write an evaluation as Inspect AI's logs: what was asked, answered and decided, one file per arm.

    An answer that could not be judged is a sample with an error, never a wrong one. The conversation of a log is the
    instruction and the window; the system message of untrained models and the changes shown by R0 are not kept.
    """
    with Store.open(workspace, write=False) as store:
        kind, identity = store.resolve(run)
        if kind is not EvaluationRun:
            raise UsageError(f"{identity} is no evaluation run: `golddiff show` lists them.")
        found = store.get(EvaluationRun, identity)
        scores = list(store.find(Score, run_id=identity))
        tasks = _tasks(store, found, {score.example_id for score in scores})
    unknown = next((name for name in only if name not in found.arms), None)
    if unknown is not None:
        raise UsageError(f"--arm {unknown}: the arms of {identity} are {', '.join(found.arms)}.")
    folder.mkdir(parents=True, exist_ok=True)
    written = [_write(folder, found, name, scores, tasks) for name in only or found.arms]
    if as_json:
        emit_json({"run": identity, "files": [str(path) for path in written], "tasks": len(tasks)})
    else:
        console.print(f"{len(written)} log(s) in {folder}", markup=False, highlight=False)


def _tasks(store: Store, run: EvaluationRun, wanted: set[str]) -> dict[str, Example]:
    from golddiff.store.datasets import read_dataset

    found = {task.id: task for task in read_dataset(store, run.dataset_id, "test") if task.id in wanted}
    if len(found) < len(wanted):
        raise InputError(f"{len(wanted - found.keys())} tasks of {run.id} are no longer in dataset {run.dataset_id}.")
    return found


def _write(folder: Path, run: EvaluationRun, arm: str, scores: list[Score], tasks: dict[str, Example]) -> Path:
    from golddiff.evaluate.tasks.formats.inspect_log import LoggedSample, eval_log
    from golddiff.prompts.edit import edit_messages, update_text

    samples = []
    for score in scores:
        if score.arm != arm:
            continue
        task, success = tasks[score.example_id], score.metrics.get("success")
        samples.append(
            LoggedSample(
                id=task.id,
                messages=edit_messages(task),
                target=update_text(task),
                answer=score.prediction or "",
                passed=None if success is None else bool(success),
                reason=score.unscored or score.detail or score.failure or "",
                values=score.metrics,
            )
        )
    log = eval_log(
        samples,
        task=f"held-out tasks of {run.dataset_id}",
        dataset=run.dataset_id,
        model=f"golddiff/{run.arms[arm]}",
        created=run.created_at,
        metadata={"run": run.id, "arm": arm, "harness": run.harness, "summary": run.summary},
    )
    path = folder / f"{run.id}_{re.sub(r'[^A-Za-z0-9]+', '-', arm).strip('-')}.json"
    path.write_bytes(msgspec.json.encode(log))
    return path
