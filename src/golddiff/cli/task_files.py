"""`golddiff tasks import`, `score` and `export`: tasks and answers in the field's formats."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from golddiff.cli.app import Workspace, console, emit_json, json_option, output, workspace_option
from golddiff.cli.grading import in_a_line, open_grader, progress_bar, require_folder
from golddiff.errors import InputError

if TYPE_CHECKING:
    from golddiff.evaluate.tasks.programs import ProgramTask
    from golddiff.evaluate.tasks.samples import Judged

FORMATS = ("humaneval", "mbpp", "evalplus", "exercism", "quixbugs")
_output = click.option(
    "--output", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSONL file to write."
)
_packages = click.option(
    "--packages",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of installed packages that the tests need, pytest among them; by default golddiff's own.",
)


@click.command(
    "import",
    epilog="""\b
Examples:
  golddiff tasks import HumanEval.jsonl.gz --output humaneval.jsonl
  golddiff tasks import ~/src/exercism-python --output exercises.jsonl
  golddiff tasks import mbpp.jsonl HumanEvalPlus.jsonl --output tasks.jsonl --no-confirm

\b
Rows have HumanEval's form, so other harnesses read them, too. Tests run in the
sandbox only, without a network. SWE-bench's rows need no import.
""",
)
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="FILE...")
@click.option(
    "--format", "name", type=click.Choice(FORMATS), help="What the files are; by default what they look like."
)
@click.option(
    "--confirm/--no-confirm",
    default=True,
    show_default=True,
    help="Run each accepted solution three times, and planted tests that must fail; keep what the tests decide.",
)
@click.option("--limit", type=click.IntRange(1), help="Take this many tasks of each file.")
@_output
@_packages
@json_option
def import_(
    sources: tuple[Path, ...],
    name: str | None,
    confirm: bool,
    limit: int | None,
    target: Path,
    packages: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Take tasks from files of HumanEval, MBPP and EvalPlus, folders of exercism, and QuixBugs.

    Whatever makes no task, or cannot be confirmed, is left out and counted with its reason.
    """
    from golddiff.evaluate.tasks.formats import read_tasks
    from golddiff.evaluate.tasks.programs import write_programs

    require_folder("--output", target)
    tasks: dict[str, ProgramTask] = {}
    dropped: Counter[str] = Counter()
    for source in sources:
        found = read_tasks(source, name)
        dropped.update(found.dropped)
        for task in found.tasks[:limit]:
            if task.task_id in tasks:
                dropped["the same task_id twice"] += 1
            tasks.setdefault(task.task_id, task)
    unconfirmed: dict[str, str] = {}
    kept = list(tasks.values())
    if confirm:
        kept, unconfirmed = _confirmed(kept, packages)
    write_programs(target, kept)
    if as_json:
        emit_json(
            {
                "tasks": [task.task_id for task in kept],
                "dropped": dict(dropped),
                "unconfirmed": unconfirmed,
                "output": str(target),
            }
        )
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row(Text("tasks", style="bold"), str(len(kept)))
    for reason, count in (*dropped.most_common(), *Counter(map(in_a_line, unconfirmed.values())).most_common(8)):
        table.add_row(Text(reason), str(count))
    output.print(table)
    if kept:
        output.print(f"Judge answers: golddiff tasks score --tasks {target} --accepted", soft_wrap=True)


def _confirmed(tasks: list[ProgramTask], packages: tuple[Path, ...]) -> tuple[list[ProgramTask], dict[str, str]]:
    from golddiff.evaluate.tasks.programs import confirm
    from golddiff.scoring.executed import Unscored

    grader, kept, unconfirmed, step = open_grader(), [], {}, 32
    with tempfile.TemporaryDirectory(prefix="golddiff-") as empty, progress_bar("confirming") as bar:
        for start in range(0, len(tasks), step):
            some = tasks[start : start + step]
            for task, found in zip(some, confirm(some, grader, Path(empty), packages), strict=True):
                if isinstance(found, Unscored):
                    unconfirmed[task.task_id] = found.reason
                else:
                    kept.append(found)
            bar(start + len(some), len(tasks), f"{len(kept)} tasks")
    return kept, unconfirmed


@click.command(
    epilog="""\b
Examples:
  golddiff tasks score --tasks humaneval.jsonl --samples samples.jsonl --k 1 --k 10
  golddiff tasks score --tasks humaneval.jsonl --samples logs/2026_humaneval.json --inspect ours.json
  golddiff tasks score --tasks exercises.jsonl --accepted --json

\b
Answers: JSONL of HumanEval (task_id, completion) or EvalPlus (task_id, solution),
samples of lm-evaluation-harness, logs of Inspect AI.
"""
)
@click.option("--tasks", "source", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The tasks.")
@click.option(
    "--samples", "files", multiple=True, type=click.Path(path_type=Path, dir_okay=False), help="Answers of models."
)
@click.option("--accepted", is_flag=True, help="Judge the accepted solutions: what fails is grading's own mistake.")
@click.option("--wrong", is_flag=True, help="Judge the programs known to be wrong: what passes is a weakness of tests.")
@click.option("--k", "ks", multiple=True, type=click.IntRange(1), default=(1,), show_default=True, help="k of pass@k.")
@click.option(
    "--output", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write verdicts here (JSONL)."
)
@click.option(
    "--inspect", "log", type=click.Path(path_type=Path, dir_okay=False), help="Write a log of Inspect AI here (JSON)."
)
@_packages
@json_option
def score(
    source: Path,
    files: tuple[Path, ...],
    accepted: bool,
    wrong: bool,
    ks: tuple[int, ...],
    target: Path | None,
    log: Path | None,
    packages: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Judge answers to program tasks in the sandbox and say pass@k, without bias where there are several per task.

    Where a file of answers says how its own harness judged them, the verdicts are compared.
    """
    from golddiff.evaluate.tasks.formats.answers import read_answers, write_judged
    from golddiff.evaluate.tasks.programs import read_programs
    from golddiff.evaluate.tasks.samples import accepted_samples, agreement, judge, pass_rates

    if bool(files) + accepted + wrong != 1:
        raise click.UsageError("give either --samples FILE, or --accepted, or --wrong.")
    require_folder("--output", target)
    require_folder("--inspect", log)
    tasks = read_programs(source)
    samples = [sample for file in files for sample in read_answers(file)] or accepted_samples(tasks, wrong=wrong)
    if not samples:
        raise InputError(f"no task of {source} comes with a program that is known to be wrong.")
    models = list(dict.fromkeys(sample.model for sample in samples))
    if log and len(models) > 1:
        raise InputError(f"--inspect: a log is about one model; these answers are of {', '.join(models)}.")
    with progress_bar("answers") as bar:
        judged = judge(tasks, samples, open_grader(), packages, progress=lambda done, total: bar(done, total, ""))
    if target:
        write_judged(target, judged)
    if log:
        _write_log(log, tasks, judged, source.name)
    of_models = {model: [one for one in judged if one.model == model] for model in models}
    beside = agreement(judged)
    unscored = Counter(in_a_line(one.detail) for one in judged if one.passed is None)
    if as_json:
        said: dict[str, Any] = {
            "models": {
                model: [msgspec.to_builtins(one) for one in pass_rates(of, ks)] for model, of in of_models.items()
            },
            "results": dict(Counter(one.result for one in judged)),
            "unscored": dict(unscored),
            "agreement": msgspec.to_builtins(beside) if beside else None,
        }
        emit_json(said)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("model", "", "share", "tasks", "too few answers"):
        table.add_column(name, justify="left" if name in ("model", "") else "right")
    for model, of_model in of_models.items():
        for rate in pass_rates(of_model, ks):
            share = str(rate.interval) if rate.interval else "–"
            table.add_row(Text(model), f"pass@{rate.k}", share, str(rate.tasks), str(rate.too_few))
    output.print(table)
    for result, count in Counter(one.result for one in judged).most_common():
        output.print(Text(f"{count} × {result}", style="dim"))
    for reason, count in unscored.most_common(5):
        output.print(Text(f"unscored: {count} × {reason}", style="dim"))
    if beside:
        output.print(f"{beside.same} of {beside.both} verdicts are those of the harness that wrote the answers.")
        for which, ids in (("here", beside.only_ours), ("there", beside.only_theirs)):
            if ids:
                output.print(Text(f"passes only {which}: {', '.join(ids[:8])}", style="dim"))


def _write_log(path: Path, tasks: list[ProgramTask], judged: list[Judged], dataset: str) -> None:
    from golddiff.evaluate.tasks.formats.inspect_log import LoggedSample, eval_log
    from golddiff.types import Message

    by_id, seen = {task.task_id: task for task in tasks}, Counter[str]()
    samples = []
    for one in judged:
        seen[one.task_id] += 1
        samples.append(
            LoggedSample(
                id=one.task_id,
                epoch=seen[one.task_id],
                messages=(Message("user", by_id[one.task_id].prompt),),
                target=by_id[one.task_id].canonical_solution,
                answer=one.completion,
                passed=one.passed,
                reason=one.detail,
            )
        )
    harness = open_grader().describe()
    log = eval_log(
        samples,
        task="programs",
        dataset=dataset,
        model=judged[0].model,
        created=datetime.now(UTC),
        metadata={"harness": harness},
    )
    path.write_bytes(msgspec.json.encode(log))


@click.command(
    epilog="""\b
Examples:
  golddiff tasks export --dataset ours --output heldout.jsonl

\b
Rows: id, input (messages), target, and under metadata the window, the limit of
tokens and the executed check. Inspect AI's json_dataset reads them as they are;
docs/evaluation.md shows a task for it and one for lm-evaluation-harness.
"""
)
@click.option("--dataset", required=True, help="Dataset whose held-out split is written: id or name.")
@click.option(
    "--limit", type=click.IntRange(1), help="The fixed sample of this many tasks that evaluate --limit takes."
)
@click.option("--explain", is_flag=True, help="Say the edit format in a system message, as untrained models are asked.")
@_output
@workspace_option
@json_option
def export(dataset: str, limit: int | None, explain: bool, target: Path, workspace: Workspace, as_json: bool) -> None:
    """Write the held-out tasks of a dataset so that another harness can ask them exactly as we do."""
    from golddiff.evaluate.tasks.formats.held_out import rows
    from golddiff.evaluate.tasks.held_out import sample
    from golddiff.store import Store
    from golddiff.store.datasets import find_dataset, read_dataset

    require_folder("--output", target)
    with Store.open(workspace, write=False) as store:
        found = find_dataset(store, dataset)
        tasks = sample(read_dataset(store, found.id, "test"), limit)
    if not tasks:
        raise InputError(f"the held-out split of {dataset} is empty.")
    target.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows(tasks, explain=explain)))
    if as_json:
        emit_json({"dataset": found.id, "tasks": len(tasks), "output": str(target)})
    else:
        console.print(f"{len(tasks)} held-out tasks of {found.id} in {target}", markup=False, highlight=False)
