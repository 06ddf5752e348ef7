"""`golddiff tasks ask`: arms answer repository tasks in the context that a student really gets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from threading import Lock

import click

from golddiff.cli.app import Workspace, emit_json, json_option, output, workspace_option
from golddiff.cli.grading import in_a_line, progress_bar, require_folder
from golddiff.cli.spending import Spending, require_prices, spending_options
from golddiff.errors import InputError, UsageError
from golddiff.prompts.windows import CONTEXT_LINES

__all__ = ["ask"]


@click.command(
    epilog="""\b
Examples:
  golddiff tasks ask --tasks tasks.jsonl --repo . --arm student=checkpoint_12 --output answers.jsonl
  golddiff tasks ask --tasks tasks.jsonl --arm base=smollm2-135m --arm student=checkpoint_12 --output answers.jsonl
  golddiff tasks ask --tasks tasks.jsonl --arm teacher=http://localhost:8000/v1#big-model --output answers.jsonl
  golddiff tasks ask --tasks tasks.jsonl --arm teacher=https://api.openai.com/v1#gpt-5.5 --budget-usd 2 --output a.jsonl

\b
Arms are those of `golddiff evaluate`. What is written has the form of SWE-bench's
predictions, one patch for each task and arm: golddiff tasks grade judges them.
"""
)
@click.option("--tasks", "source", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The tasks.")
@click.option("--repo", type=click.Path(path_type=Path), default=Path(), show_default="here", help="The repository.")
@click.option("--arm", "arms", multiple=True, required=True, metavar="ROLE[-NAME][+R0]=MODEL", help="Who is asked.")
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    default=("*.py",),
    show_default=True,
    help="Files of the accepted change that are asked about; the others stay as they are.",
)
@click.option(
    "--context-lines",
    type=click.IntRange(0),
    default=CONTEXT_LINES,
    show_default=True,
    help="Unchanged lines shown around a change: as many as the student was trained with.",
)
@click.option("--dataset", help="Dataset whose training rows +R0 shows, those from before the task: id or name.")
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True, help="Most tokens of an answer.")
@click.option(
    "--in-flight", type=click.IntRange(1), default=8, show_default=True, help="Requests at a time at a server."
)
@spending_options
@click.option(
    "--output", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSONL file to write."
)
@workspace_option
@json_option
def ask(
    source: Path,
    repo: Path,
    arms: tuple[str, ...],
    include: tuple[str, ...],
    context_lines: int,
    dataset: str | None,
    max_tokens: int,
    in_flight: int,
    spending: Spending,
    target: Path,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Ask arms for the changes of repository tasks, window by window, and write their answers as patches.

    An arm gets what a student gets when it serves: the instruction, and the lines that the accepted change touches with
    a few around them. It is told where to change something, and not what. An answer that was given once is kept. A task
    with a question that got no answer from its model has no prediction: it is named, and is no failure of the arm.
    """
    from golddiff.cli.arms import ArmMaker
    from golddiff.cli.keys import gateway_folder
    from golddiff.evaluate.run import EvaluationConfig
    from golddiff.evaluate.tasks.predictions import write_predictions
    from golddiff.evaluate.tasks.questions import ask as ask_arms
    from golddiff.evaluate.tasks.questions import questions
    from golddiff.evaluate.tasks.repository import base_reader, read_tasks
    from golddiff.git import GitRepository
    from golddiff.prompts.nearest import EarlierChanges
    from golddiff.store import Store
    from golddiff.store.datasets import find_dataset, read_dataset

    require_folder("--output", target)
    shown = next((arm for arm in arms if "+R0=" in arm), None)
    if shown and dataset is None:
        raise UsageError(f"--arm {shown}: name the dataset whose training rows may be shown: --dataset NAME.")
    tasks = read_tasks(source)
    with GitRepository.open(repo) as git:
        reads = [base_reader(task, git) for task in tasks]
        asked = [
            (task, questions(task, read, include=include, context_lines=context_lines), read)
            for task, read in zip(tasks, reads, strict=True)
        ]
        windows = [one for _, of_task, _ in asked for one in of_task.questions]
        if not windows:
            raise InputError(f"no task of {source} changes lines of a file that matches {', '.join(include)}.")
        with Store.open(workspace) as store, progress_bar("windows") as bar:
            earlier = read_dataset(store, find_dataset(store, dataset).id, "train") if shown and dataset else []
            lock = Lock()  # servers are asked on threads of their own

            def progress(what: str, done: int, total: int) -> None:
                with lock:
                    bar(done, total, what)

            maker = ArmMaker(
                store,
                windows,
                shots=0,
                in_flight=in_flight,
                cores=0,
                prices=spending.prices,
                own_prices=gateway_folder(workspace),
            )
            made, budget = maker.make(arms), spending.budget()
            require_prices(made, budget)
            answered = ask_arms(
                asked,
                made,
                store.folder("evaluations", "answers"),
                earlier=EarlierChanges(list(earlier)) if shown else None,
                config=EvaluationConfig(max_tokens=max_tokens),
                budget=budget,
                progress=progress,
            )
    write_predictions(target, answered.predictions)
    not_asked = {task.instance_id: of_task.left_out for task, of_task, _ in asked if of_task.left_out}
    if as_json:
        emit_json(
            {
                "tasks": len(tasks),
                "windows": len(windows),
                "predictions": dict(Counter(one.model_name_or_path for one in answered.predictions)),
                "unanswered": answered.unanswered,
                "not_asked": not_asked,
                "output": str(target),
            }
        )
        return
    said = f"{len(tasks)} tasks, {len(windows)} windows, {len(answered.predictions)} predictions"
    output.print(said, highlight=False)
    for kind, count in Counter(kind for files in not_asked.values() for kind in files.values()).most_common():
        output.print(f"{count} files are not asked about: {kind}", style="dim", markup=False, highlight=False)
    for name, of_arm in answered.unanswered.items():
        ((reason, _),) = Counter(in_a_line(one) for one in of_arm.values()).most_common(1)
        output.print(f"{name}: {len(of_arm)} tasks without an answer: {reason}", style="dim", markup=False)
    following = f"golddiff tasks grade --tasks {source} --repo {repo} --predictions {target}"
    output.print(f"Judge them: {following}", soft_wrap=True)
