"""`golddiff tasks`: repository tasks whose own tests decide, built from history and judged in the sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from golddiff.cli import task_files, task_questions
from golddiff.cli.app import Workspace, emit_json, json_option, output, workspace_option
from golddiff.cli.grading import in_a_line, open_grader, progress_bar, require_folder
from golddiff.cli.task_environments import chosen_packages, install_option, packages_option
from golddiff.types import Repository

if TYPE_CHECKING:
    from golddiff.evaluate.tasks.pairs import Resolved

_repository = click.option(
    "--repo", type=click.Path(path_type=Path), default=Path(), show_default="here", help="The repository."
)


@click.group()
def command() -> None:
    """Tasks and the tests that decide: from a repository's history, and from the field's files."""


@command.command(
    epilog="""\b
Examples:
  golddiff tasks build --repo . --output tasks.jsonl
  golddiff tasks build --repo . --install --output tasks.jsonl
  golddiff tasks build --repo . --source sessions --output tasks.jsonl
  golddiff tasks build --repo ~/src/click --packages ~/src/click/.venv/lib/python3.11/site-packages --output tasks.jsonl

\b
Rows have SWE-bench's form. Tests run in the sandbox only, without a network.
"""
)
@_repository
@packages_option
@install_option
@click.option(
    "--output", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSONL file to write."
)
@click.option(
    "--source",
    type=click.Choice(["git", "sessions"]),
    default="git",
    show_default=True,
    help="The repository's history, or the accepted sessions of the workspace that worked in it.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Tasks wanted.")
@click.option(
    "--max-commits", type=click.IntRange(1), default=500, show_default=True, help="Newest commits that are looked at."
)
@workspace_option
@json_option
def build(
    repo: Path,
    packages: tuple[Path, ...],
    install: bool,
    target: Path,
    source: str,
    limit: int,
    max_commits: int,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Build tasks from changes of code and tests, keep those that the tests decide, and count the rest.

    From a history a task is a commit and what its message says; from sessions, what the user asked for and then kept.

    For each change the tests run without and with its change: three times with it, and with planted tests that must
    fail. Whatever is flaky, does not build here or decides nothing is left out with its reason.
    """
    from golddiff.evaluate.tasks.building import BuildConfig, Builder
    from golddiff.evaluate.tasks.building import build as build_from_history
    from golddiff.evaluate.tasks.repository import write_tasks
    from golddiff.evaluate.tasks.sessions import build_from_sessions
    from golddiff.git import GitRepository
    from golddiff.store import Store
    from golddiff.store.repositories import describe_repository

    require_folder("--output", target)
    config = BuildConfig(limit=limit, max_commits=max_commits)
    with GitRepository.open(repo) as git:
        grader, chosen = open_grader(), chosen_packages(git, packages, install)
        described = describe_repository(git)
        with progress_bar("commits" if source == "git" else "sessions") as bar:

            def progress(looked_at: int, tasks: int) -> None:
                bar(looked_at, max_commits if source == "git" else looked_at, f"{tasks} tasks")

            builder = Builder(git, grader, chosen.folders, chosen.plugins, config, progress)
            if source == "git":
                built = build_from_history(builder, described.name)
            else:
                with Store.open(workspace, write=False) as store:
                    built = build_from_sessions(
                        builder, store, next(store.find(Repository, id=described.id), described)
                    )
    write_tasks(target, built.tasks)
    if as_json:
        emit_json(
            {
                "tasks": [task.instance_id for task in built.tasks],
                "looked_at": built.looked_at,
                "dropped": dict(built.dropped),
                "unconfirmed": built.unconfirmed,
                "packages": chosen.facts,
                "output": str(target),
            }
        )
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row(Text("tasks", style="bold"), str(len(built.tasks)))
    for reason, count in built.dropped.most_common():
        table.add_row(Text(reason), str(count))
    looked_at = f"{built.looked_at} {'commits' if source == 'git' else 'sessions'} looked at"
    output.print(Text(looked_at, style="dim"))
    output.print(table)
    said = Counter(in_a_line(reason) for reason in built.unconfirmed.values())
    for reason, count in said.most_common(5):
        output.print(Text(f"{count} × {reason}", style="dim"))
    if built.tasks:
        output.print(f"Judge changes: golddiff tasks grade --tasks {target} --repo {repo} --accepted", soft_wrap=True)


@command.command(
    epilog="""\b
Examples:
  golddiff tasks grade --tasks tasks.jsonl --repo . --predictions answers.jsonl
  golddiff tasks grade --tasks tasks.jsonl --repo . --accepted --json

\b
Predictions have SWE-bench's form: instance_id, model_patch, model_name_or_path.
"""
)
@click.option("--tasks", "source", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The tasks.")
@_repository
@packages_option
@install_option
@click.option("--predictions", type=click.Path(path_type=Path, dir_okay=False), help="Changes that models wrote.")
@click.option("--accepted", is_flag=True, help="Judge the accepted changes: what fails is grading's own mistake.")
@json_option
def grade(
    source: Path,
    repo: Path,
    packages: tuple[Path, ...],
    install: bool,
    predictions: Path | None,
    accepted: bool,
    as_json: bool,
) -> None:
    """Judge changes to a repository by the tasks' tests, so that bending the tests does not pay."""
    from golddiff.evaluate.report.terminal import points
    from golddiff.evaluate.tasks.pairs import pairs, shares
    from golddiff.evaluate.tasks.predictions import accepted_changes, judge, read_predictions
    from golddiff.evaluate.tasks.repository import read_tasks
    from golddiff.git import GitRepository

    if (predictions is None) != accepted:
        raise click.UsageError("give either --predictions FILE or --accepted.")
    tasks = read_tasks(source)
    answers = read_predictions(predictions) if predictions else accepted_changes(tasks)
    with GitRepository.open(repo) as git:
        grader, chosen = open_grader(), chosen_packages(git, packages, install)
        with progress_bar("answers") as bar:
            judged = judge(
                tasks,
                answers,
                git,
                grader,
                chosen.folders,
                progress=lambda done, total: bar(done, total, ""),
                plugins=chosen.plugins,
            )
    found, compared = shares(judged), pairs(judged)
    if as_json:
        emit_json({"verdicts": judged, "models": found, "comparisons": compared})
        return
    output.print(_shares(found))
    for pair in compared:
        said = f"{pair.second} less {pair.first}: {points(pair.difference)} points"
        output.print(Text(f"{said} on {pair.tasks} tasks (McNemar p = {pair.p_value:.2g})"), soft_wrap=True)
    for reason, count in Counter(in_a_line(one.detail) for one in judged if not one.resolved).most_common(8):
        output.print(Text(f"{count} × {reason}", style="dim"))


def _shares(found: Sequence[Resolved]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("model", "resolved", "of", "share", "unscored"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for one in found:
        share = str(one.share) if one.share else "–"
        table.add_row(Text(one.model), str(one.resolved), str(one.scored), share, str(one.unscored))
    return table


for _command in (task_questions.ask, task_files.import_, task_files.score, task_files.export):
    command.add_command(_command)
