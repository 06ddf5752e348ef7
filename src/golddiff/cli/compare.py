"""`golddiff compare`: what changed between two evaluations, arm by arm and task by task."""

from __future__ import annotations

import click

from golddiff.cli.app import Workspace, console, emit_json, json_option, output, workspace_option
from golddiff.errors import InputError
from golddiff.store import Store
from golddiff.types import EvaluationRun, Score


@click.command(
    epilog="""\b
Examples:
  golddiff compare run_12 run_34
  golddiff compare run_12 run_34 --json
"""
)
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@workspace_option
@json_option
def command(first: str, second: str, workspace: Workspace, as_json: bool) -> None:
    """Compare two evaluation runs on the tasks that both asked; ids may be abbreviated (`golddiff show` lists them).

    Runs of different harness versions are refused: their numbers mean different things.
    """
    from golddiff.evaluate.comparison import compare
    from golddiff.store.datasets import read_dataset

    with Store.open(workspace, write=False) as store:
        runs = [_run(store, named) for named in (first, second)]
        scores = [list(store.find(Score, run_id=run.id)) for run in runs]
        tasks = read_dataset(store, runs[0].dataset_id, "test")
        asked = {score.example_id for score in scores[0]}
        with console.status("intervals"):
            found = compare((runs[0], scores[0]), (runs[1], scores[1]), [task for task in tasks if task.id in asked])
    if as_json:
        emit_json(found)
        return
    from golddiff.evaluate import terminal

    terminal.show_comparison(found, output)


def _run(store: Store, abbreviation: str) -> EvaluationRun:
    kind, identity = store.resolve(abbreviation)
    if kind is not EvaluationRun:
        raise InputError(f"{identity} is no evaluation run. `golddiff show` lists what there is.")
    return store.get(EvaluationRun, identity)
