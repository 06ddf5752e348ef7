"""`golddiff curate`: accepted changes → a dataset that may be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from golddiff.cli.app import Workspace, console, emit_json, json_option, output, workspace_option
from golddiff.curate import CurateConfig, from_history, from_sessions
from golddiff.curate.config import STRATEGIES, TARGETS
from golddiff.errors import UsageError
from golddiff.store import Store
from golddiff.types import Dataset


@click.command(
    epilog="""\b
Examples:
  golddiff curate --name ours
  golddiff curate --name history --source git --repo . --include '*.py'
  golddiff curate --name arms --arm accepted --arm attempt --arm shuffled
"""
)
@click.option("--name", required=True, help="Name of the dataset.")
@click.option(
    "--source",
    type=click.Choice(["sessions", "git"]),
    default="sessions",
    show_default=True,
    help="Accepted sessions of the workspace, or the history of a repository.",
)
@click.option("--repo", type=click.Path(path_type=Path), help="Repository for --source git.")
@click.option("--arm", "arms", type=click.Choice(TARGETS), multiple=True, help="Arms to write.  [default: accepted]")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only files that match, e.g. '*.py'; repeatable.")
@click.option(
    "--context-lines",
    type=int,
    default=CurateConfig.context_lines,
    show_default=True,
    help="Unchanged lines shown around a change.",
)
@click.option(
    "--max-window-chars",
    type=int,
    default=CurateConfig.max_window_chars,
    show_default=True,
    help="Drop rows whose window is longer.",
)
@click.option(
    "--split",
    type=click.Choice(STRATEGIES),
    default=CurateConfig.split,
    show_default=True,
    help="What keeps test rows apart: later in time, or other paths.",
)
@click.option(
    "--test-fraction",
    type=float,
    default=CurateConfig.test_fraction,
    show_default=True,
    help="Share of the rows held out for the test.",
)
@click.option("--test-repository", multiple=True, metavar="NAME", help="Keep this repository out of training.")
@click.option(
    "--near-duplicates",
    type=float,
    default=CurateConfig.near_duplicates,
    show_default=True,
    help="Similarity from which two rows are near duplicates; 0: exact ones only.",
)
@click.option("--max-rows", type=int, help="Keep the latest rows only.")
@click.option(
    "--max-commits",
    type=int,
    default=CurateConfig.max_commits,
    show_default=True,
    help="Read the newest commits only, with --source git.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the path split and of the shuffled arm.")
@workspace_option
@json_option
def command(
    name: str,
    source: str,
    repo: Path | None,
    arms: tuple[str, ...],
    include: tuple[str, ...],
    context_lines: int,
    max_window_chars: int,
    split: str,
    test_fraction: float,
    test_repository: tuple[str, ...],
    near_duplicates: float,
    max_rows: int | None,
    max_commits: int,
    seed: int,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Build a dataset of instruction + file window before → accepted change.

    Rows without the right to be trained on are counted and left out: provider terms × repository licence × consent,
    denied by default. See `golddiff rights --help`.
    """
    config = CurateConfig(
        name=name,
        targets=arms or ("accepted",),
        context_lines=context_lines,
        max_window_chars=max_window_chars,
        include=include,
        near_duplicates=near_duplicates or None,
        split=split,
        test_fraction=test_fraction,
        test_repositories=test_repository,
        max_rows=max_rows,
        max_commits=max_commits,
        seed=seed,
    )
    if source == "git" and repo is None:
        raise UsageError("--source git needs a repository: add --repo PATH.")
    with Store.open(workspace, make=source == "git") as store, console.status("reading") as status:

        def progress(stage: str, done: int) -> None:
            status.update(f"{stage}: {done:,}")

        if repo is not None and source == "git":
            built = from_history(store, repo, config, progress)
        else:
            built = from_sessions(store, config, progress)
    if as_json:
        emit_json({"datasets": list(built.datasets.values()), "split_rule": built.rule})
    else:
        _print(built.datasets, built.rule, workspace)


def _print(datasets: dict[str, Dataset], rule: str, workspace: Workspace) -> None:
    first = next(iter(datasets.values()))
    table = Table("dataset", "id", "train", "test", title="Datasets")
    for dataset in datasets.values():
        table.add_row(dataset.name, dataset.id, *(f"{dataset.rows[side]:,}" for side in ("train", "test")))
    output.print(table)
    output.print(f"Split: {rule}.")
    _print_counts("Dropped", first.dropped)
    _print_counts("Denied: no right to train", first.denied)
    output.print(f"Card: {workspace / first.folder / 'README.md'}", soft_wrap=True)
    output.print(f"Next: golddiff train --dataset {first.name}", soft_wrap=True)


def _print_counts(title: str, counts: dict[str, Any]) -> None:
    if not counts:
        output.print(f"{title}: none.")
        return
    table = Table("count", "because", title=title, title_justify="left")
    for reason, count in counts.items():
        table.add_row(f"{count:,}", Text(reason))  # may name a model as a transcript wrote it
    output.print(table)
