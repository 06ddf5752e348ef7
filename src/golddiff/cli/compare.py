"""`golddiff compare`: what changed between two evaluations, arm by arm and task by task."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click
import msgspec

from golddiff.cli.app import Workspace, console, emit_json, json_option, output, workspace_option
from golddiff.errors import InputError, UsageError
from golddiff.store import Store
from golddiff.types import EvaluationRun, Score

if TYPE_CHECKING:
    from golddiff.evaluate.summary.comparison import Comparison


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

    Runs of different harness versions are refused: their numbers mean different things. Capability recovered stands for
    both, also off the workflow where both asked tasks of one dataset there.
    """
    from golddiff.evaluate.summary.comparison import compare
    from golddiff.store.datasets import read_dataset

    with Store.open(workspace, write=False) as store:
        runs = [_run(store, named) for named in (first, second)]
        off = [_run(store, str(named)) for run in runs if (named := run.summary.get("off_workflow_run"))]

        def compared(one: EvaluationRun, two: EvaluationRun) -> Comparison:
            scores = [list(store.find(Score, run_id=run.id)) for run in (one, two)]
            asked = {score.example_id for score in scores[0]}
            tasks = [task for task in read_dataset(store, one.dataset_id, "test") if task.id in asked]
            return compare((one, scores[0]), (two, scores[1]), tasks)

        with console.status("intervals"):
            found = compared(*runs)
            if len(off) == 2 and off[0].dataset_id == off[1].dataset_id:
                with suppress(UsageError):  # no task or arm in common there
                    found = msgspec.structs.replace(found, off_workflow=compared(*off))
    if as_json:
        emit_json(found)
        return
    from golddiff.evaluate.report import terminal

    terminal.show_comparison(found, output)


def _run(store: Store, abbreviation: str) -> EvaluationRun:
    kind, identity = store.resolve(abbreviation)
    if kind is not EvaluationRun:
        raise InputError(f"{identity} is no evaluation run. `golddiff show` lists what there is.")
    return store.get(EvaluationRun, identity)
