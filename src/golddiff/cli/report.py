"""`golddiff report`: find this repository's sessions, import and link them, say what was kept.

The first command of a new user, so it needs no arguments and no set-up: it joins discovery, import, linking and the
report, and writes only into the workspace (which ignores itself in git) and the page.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from golddiff import config
from golddiff.cli import folders
from golddiff.cli.app import (
    Workspace,
    console,
    emit_json,
    json_option,
    output,
    stages,
    workers_options,
    workspace_option,
)
from golddiff.cli.keys import gateway_folder
from golddiff.cli.outcomes import as_row
from golddiff.errors import InputError, UsageError
from golddiff.git import GitRepository
from golddiff.outcomes.many import Everywhere, compute_below, repositories_below
from golddiff.outcomes.run import compute
from golddiff.parallel import Workers
from golddiff.record.discover import find_transcripts, find_transcripts_of, transcript_homes
from golddiff.record.gateway import prices
from golddiff.record.ingest import import_paths
from golddiff.record.signals.inbox import Inbox
from golddiff.store import Store
from golddiff.store.repositories import describe_repository
from golddiff.types import Repository, Session
from golddiff.web import costs, facts, lives, minutes, page, terminal, words
from golddiff.web.compare import check, compare
from golddiff.web.summary import Report, summarise

PAGE = "report.html"


@click.command("report")
@click.option(
    "--repo", type=click.Path(path_type=Path), help="A path inside the repository.  [default: the current directory]"
)
@click.option(
    "--below",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Every git repository below this folder, instead of one; each session is given to the one it worked in.",
)
@click.option(
    "--transcripts",
    multiple=True,
    metavar="PATH",
    help="File, folder or glob of transcripts, instead of those found on this machine; may be given several times.",
)
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help=f"Page to write; default: {PAGE} in the workspace."
)
@click.option(
    "--compare",
    "what",
    metavar="WHAT",
    help="Put two sides beside each other: model, agent, tool, language, folder, task or user (the two largest), "
    "KEY=FIRST,SECOND, a date (before it and from it on), or FROM..TO,FROM..TO.",
)
@click.option("--no-import", is_flag=True, help="Report on what the workspace holds; import and link nothing.")
@workers_options
@workspace_option
@json_option
def command(
    repo: Path | None,
    below: Path | None,
    transcripts: tuple[str, ...],
    html: Path | None,
    what: str | None,
    no_import: bool,
    workers: Workers,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Report what you kept of what agents wrote in this repository.

    Finds the transcripts of this repository that coding agents keep on this machine, imports them (secrets are
    redacted first), finds in git what became of their lines and how long they lived, and prints the report. A page
    with plots goes to the workspace, or to --html FILE. Nothing leaves this machine. Costs are by list price, or by
    the rates in gateway/prices.toml of the workspace.

    \b
    Examples:
      golddiff report
      golddiff report --repo ~/code/shop --html shop.html
      golddiff report --transcripts 'exports/**/*.jsonl' --json
      golddiff report --below ~/src --jobs 4
      golddiff report --no-import --compare model
      golddiff report --no-import --compare 2026-08-01
    """
    if what is not None:
        check(what)  # before anything is imported or linked
    folders.check(repo, below, workers)
    every: Everywhere | None = None
    if below is not None:
        if no_import:
            raise UsageError(
                "--below imports and links; with --no-import leave it out: the whole workspace is reported on."
            )
        every = _bring_in_below(workspace, below, transcripts, workers)
        repositories = [summary.repository for summary in every.summaries]
    elif no_import:
        repositories = [_known(repo)] if repo is not None else []
    else:
        repositories = [_bring_in(workspace, repo or Path.cwd(), transcripts)]
    with Store.open(workspace, write=False) as store, console.status("reading the workspace"):
        known = repositories or list(store.find(Repository))
        name = known[0].name if len(known) == 1 else str(below or workspace)
        chosen = None if not repositories and every is None else [repository.id for repository in repositories]
        read = facts.read(store, chosen)
        watched, glances = lives.read(store, read), minutes.read(store, read)
        spent = costs.read(store, read, prices.load(gateway_folder(workspace)))
    report = summarise(name, read, now=datetime.now(UTC), watched=watched, costs=spent, glances=glances)
    if what is not None:
        report = msgspec.structs.replace(report, comparison=compare(what, read, watched, spent))
    target = html or (None if as_json else workspace / PAGE)
    if target is not None:
        page.write(report, target)
    if as_json:
        emit_json(as_data(report) | ({"below": folders.as_data(every, as_row)} if every else {}))
    else:
        terminal.show(report, output)
        if every:
            output.print()
            folders.show(every, output)
        _next_step(report, target)
    if every:
        folders.say_rest(every, console if as_json else output)
        folders.raise_failed(every)


def _known(repo: Path) -> Repository:
    """The repository to report on without importing."""
    with GitRepository.open(repo) as git:
        return describe_repository(git)


def _bring_in(workspace: Workspace, repo: Path, transcripts: tuple[str, ...]) -> Repository:
    """Import and link; returns the repository that the sessions were linked with."""
    with GitRepository.open(repo) as git:
        top = git.top or git.git_dir
    paths = [str(path) for path in transcripts or find_transcripts(repo)]
    with Store.open(workspace) as store, console.status("looking for transcripts") as status:
        _import(store, paths, top, status)
        linked = compute(store, repo, progress=status.update)
    if linked.elsewhere:
        count = words.counted(len(linked.elsewhere), "session")
        (why, often), *others = Counter(linked.elsewhere.values()).most_common()
        reason = f"{often} of them: {why}" if others else why
        console.print(
            f"{count} in this workspace left out: not of {linked.repository.name} as far as can be seen ({reason})",
            markup=False,
            soft_wrap=True,
        )
    return linked.repository


def _bring_in_below(workspace: Workspace, below: Path, transcripts: tuple[str, ...], workers: Workers) -> Everywhere:
    """Import and link for every repository below a folder."""
    found = repositories_below(below)
    paths = [str(path) for path in transcripts or find_transcripts_of(found)]
    with Store.open(workspace) as store, console.status("looking for transcripts") as status:
        _import(store, paths, below, status)
        return compute_below(store, below, workers=workers, progress=stages(status))


def _import(store: Store, paths: list[str], top: Path, status: Status) -> None:
    """Import the transcripts of what lies at `top`, and take in what users and products said since."""
    if paths:
        subject = config.load(Path.cwd()).subject
        summary = import_paths(
            store,
            paths,
            subject=subject,
            progress=lambda path, *_: status.update(escape(f"importing {path.name[-40:]}")),
        )
        _say_imported(summary.sessions)
        for path, reason in summary.failed.items():
            console.print(f"left out {path}: {reason}", markup=False, highlight=False, soft_wrap=True)
    elif store.count(Session):
        console.print(f"no transcripts of {top} on this machine; reporting on what was imported before", markup=False)
    else:
        homes = ", ".join(str(home) for home in transcript_homes())
        raise InputError(
            f"no agent transcripts of {top} on this machine (looked in {homes}). Sessions that ran elsewhere "
            "are given by path: golddiff report --transcripts PATH"
        )
    status.update("linking sessions with commits")
    Inbox(store.root).take(store)


def _say_imported(changes: dict[str, int]) -> None:
    said = ", ".join(f"{count} {change}" for change, count in changes.items() if count)
    console.print(f"imported: {said or 'nothing'}", highlight=False)


def as_data(report: Report) -> dict[str, Any]:
    """The report as JSON data: its fields, with the headline and the coverage in words."""
    fields: dict[str, Any] = msgspec.to_builtins(report)
    return {"headline": report.headline, "coverage_sentence": report.coverage_sentence} | fields


def _next_step(report: Report, target: Path | None) -> None:
    output.print()
    if target is not None:
        output.print(Text(f"Page with plots: {target}"), soft_wrap=True)
    if not report.sessions:
        output.print(
            "Nothing to report on: no session belongs here. Why, for each: golddiff outcomes. Sessions that are "
            "kept elsewhere: golddiff report --transcripts PATH",
            style="bold",
            soft_wrap=True,
        )
    elif not report.lines.known:
        output.print("No session could be linked with a commit. Why, for each: golddiff outcomes", style="bold")
    elif report.waste:
        shown = words.abbreviation(report.waste[0].session.id)
        output.print(Text(f"What happened in one session: golddiff show {shown}"))
