"""`golddiff outcomes`: what the user kept of each session."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich.table import Table

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
from golddiff.errors import InputError
from golddiff.git import GitRepository
from golddiff.outcomes.decide import Options
from golddiff.outcomes.evidence import KINDS
from golddiff.outcomes.later import FOLLOW_UP
from golddiff.outcomes.many import compute_below, repositories_below
from golddiff.outcomes.run import Summary, compute, parse_kinds
from golddiff.outcomes.without_git import settle_without_git
from golddiff.parallel import Workers
from golddiff.record.signals.inbox import Inbox
from golddiff.store import Store
from golddiff.store.signals import SignalBook
from golddiff.types import Outcome, Session, SessionState

_NAMED = 3
_STYLES = {"accepted": "green", "revised": "yellow", "rejected": "red", "abandoned": "red", "unknown": "dim"}


@click.command("outcomes")
@click.option(
    "--repo",
    type=click.Path(path_type=Path),
    help="A path inside the git repository that the sessions worked in, or a bare repository.  "
    "[default: the current directory]",
)
@click.option(
    "--below",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Every git repository below this folder, instead of one; each session is given to the one it worked in.",
)
@click.option(
    "--ignore-evidence",
    metavar="KINDS",
    help=f"Kinds of evidence to leave out, separated by commas: {', '.join(KINDS)}.",
)
@click.option(
    "--follow-up",
    type=click.FloatRange(min=0),
    default=FOLLOW_UP / timedelta(days=1),
    show_default=True,
    metavar="DAYS",
    help="What a person changes of a session's lines this long after its last commit counts as a revision; 0: nothing.",
)
@workers_options
@workspace_option
@json_option
def command(
    repo: Path | None,
    below: Path | None,
    ignore_evidence: str | None,
    follow_up: float,
    workers: Workers,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Link imported sessions to commits and say what was kept of each.

    Only reads the repository, and runs nothing of it. Sessions that belong to other repositories are left alone.
    An outcome that cannot be told is `unknown`; its share is always printed.

    \b
    Examples:
      golddiff outcomes
      golddiff outcomes --repo ~/src/product --ignore-evidence trailer,notes
      golddiff outcomes --below ~/src --jobs 4
    """
    options = Options(parse_kinds(ignore_evidence), timedelta(days=follow_up))
    folders.check(repo, below, workers)
    if below is not None:
        _below(below, options, workers, workspace, as_json)
        return
    repo = repo or Path(".")
    GitRepository.open(repo).close()  # a wrong --repo is said before anything is opened
    inbox = Inbox(Path(workspace))
    with Store.open(workspace, make=inbox.pending()) as store, console.status("reading history") as status:
        show = stages(status)
        show("reading history")
        inbox.take(store)  # what users and products said since
        summary = compute(store, repo, ignore=options.ignore, progress=show, follow_up=options.follow_up)
        settle_without_git(store)
        starts = {session.id: session for session in store.sessions()}
        nameless = SignalBook(store).unknown
    if nameless:
        say_unknown(nameless)
    if not starts:
        raise InputError(f"there are no sessions in {workspace}: run `golddiff import PATH…` first.")
    if as_json:
        emit_json([as_row(outcome) for outcome in summary.outcomes])
        _print_coverage(summary, to_console=True)
        return
    _print_table(summary, starts)
    _print_coverage(summary, to_console=False)


def _below(below: Path, options: Options, workers: Workers, workspace: Workspace, as_json: bool) -> None:
    """The same for every repository below a folder."""
    repositories_below(below)  # a wrong --below is said before anything is opened
    inbox = Inbox(Path(workspace))
    with Store.open(workspace, make=inbox.pending()) as store, console.status("looking for repositories") as status:
        show = stages(status)
        inbox.take(store)
        if not store.count(Session):
            raise InputError(f"there are no sessions in {workspace}: run `golddiff import PATH…` first.")
        every = compute_below(store, below, options, workers, show)
        settle_without_git(store)
        nameless = SignalBook(store).unknown
    if nameless:
        say_unknown(nameless)
    if as_json:
        emit_json(folders.as_data(every, as_row))
    else:
        folders.show(every, output)
    folders.say_rest(every, console if as_json else output)
    folders.raise_failed(every)


def say_unknown(signals: dict[str, int]) -> None:
    """Name the sessions that signals speak of and that nothing else tells of, and what brings them in."""
    named = ", ".join(list(signals)[:_NAMED]) + (", …" if len(signals) > _NAMED else "")
    console.print(
        f"{sum(signals.values())} signal(s) speak of {len(signals)} session(s) that are not here ({named}): "
        "bring their transcripts in with `golddiff import PATH…`, or see what is here with `golddiff show`.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def as_row(outcome: Outcome) -> dict[str, Any]:
    """One session's outcome as `--json` gives it."""
    return {
        "session_id": outcome.session_id,
        "state": outcome.state.value,
        "commits": [link.sha for link in outcome.commits],
        "confidence": outcome.confidence,
        "commit_confidence": {link.sha: link.confidence for link in outcome.commits},
        "evidence": [
            {"commit": link.sha, "kind": item.kind, "weight": item.weight, "detail": item.detail}
            for link in outcome.commits
            for item in link.evidence
        ],
        "base": outcome.base,
        "lines": {
            "written": outcome.written_lines,
            "kept": outcome.kept_lines,
            "revised": outcome.revised_lines,
            "dropped": outcome.dropped_lines,
        },
        "reasons": list(outcome.reasons),
    }


def _print_table(summary: Summary, sessions: dict[str, Session[Any]]) -> None:
    table = Table(title=f"What was kept, in {summary.repository.name}", title_justify="left")
    table.add_column("session", no_wrap=True)
    table.add_column("began", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("prob.", no_wrap=True)
    table.add_column("lines kept", no_wrap=True)
    table.add_column("commits, or why unknown", overflow="fold", ratio=1)
    for outcome in summary.outcomes:
        started = sessions[outcome.session_id].started_at
        known = outcome.state is not SessionState.UNKNOWN
        commits = [link.sha[:8] for link in outcome.commits] if known else []  # of an unknown one the reason counts
        shown = " ".join(commits[:3]) + (f" +{len(commits) - 3}" if len(commits) > 3 else "")
        table.add_row(
            outcome.session_id[-8:],
            started.strftime("%y-%m-%d") if started else "",
            f"[{_STYLES[outcome.state.value]}]{outcome.state.value}[/]",
            f"{outcome.confidence:.2f}" if known else "",
            f"{outcome.kept_lines}/{outcome.written_lines}" if known else f"?/{outcome.written_lines}",
            shown or (outcome.reasons[0] if outcome.reasons else ""),
        )
    output.print(table)


def _print_coverage(summary: Summary, *, to_console: bool) -> None:
    target = console if to_console else output
    total = len(summary.outcomes)
    states = summary.states
    counted = ", ".join(f"{states[name]} {name}" for name in _STYLES if states[name]) or "none"
    target.print(f"{total} session(s) of this repository: {counted}.")
    folders.say_counts([summary], target)
    if summary.elsewhere:
        target.print(f"{len(summary.elsewhere)} session(s) left alone, since nothing shows that they belong here:")
        for reason, count in Counter(_general(reason) for reason in summary.elsewhere.values()).most_common():
            target.print(f"  {count} × {reason}", markup=False, highlight=False)


def _general(reason: str) -> str:
    return (
        "too few of the files that it touched are known here"
        if reason[0].isdigit() or reason.startswith("only")
        else reason
    )
