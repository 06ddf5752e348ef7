"""`golddiff import PATH…`: transcripts of agents into the workspace."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from golddiff import config
from golddiff.cli.app import Workspace, console, emit_json, json_option, output, workspace_option
from golddiff.errors import InputError, RightsError
from golddiff.record.calls import TakeSummary, is_spool, take
from golddiff.record.ingest import REDACTION_FAILED, ImportSummary, import_paths
from golddiff.store import Store

_SHOWN_DAMAGE = 20


@click.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@workspace_option
@json_option
def command(paths: tuple[str, ...], workspace: Workspace, as_json: bool) -> int:
    """Bring sessions of coding agents into the workspace.

    Reads Claude Code, Codex, Copilot CLI, Gemini CLI, Qwen Code, aider, SWE-agent, mini-swe-agent, OpenHands and ATIF,
    telemetry, and what tools keep inside a repository (docs/importers.md says what each format holds).
    PATH is a file, a folder, a glob or a git repository; which files are transcripts is decided by what they hold.
    Importing again adds nothing that is already there, and updates sessions that grew. Secrets are redacted before
    anything is stored. A folder that is the spool of a gateway which does not run gives its recorded calls as sessions.

    \b
    Examples:
      golddiff import ~/.claude/projects
      golddiff import ~/.codex/sessions 'old/**/*.jsonl'
      golddiff import .golddiff/spool
    """
    subject = config.load(Path.cwd()).subject
    spools = [path for path in paths if is_spool(_expanded(path))]
    with Store.open(workspace) as store, _progress() as bar:
        task = bar.add_task("importing", total=None)

        def advance(path: Path, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=path.name[-40:])

        taken = TakeSummary()
        for path in spools:
            taken.add(take(store, _expanded(path), subject=subject))
        files = [path for path in paths if path not in spools]
        summary = import_paths(store, files, subject=subject, progress=advance) if files else ImportSummary()
    if as_json:
        emit_json(_as_json(summary) | ({"calls": _calls(taken)} if spools else {}))
    else:
        if spools:
            counts = {name: count for name, count in _calls(taken).items() if count}
            _table("calls", counts)
            if not counts:
                console.print("calls: none waits in the spool; a gateway takes its own into the store as it runs.")
        if files:
            _print(summary)
    for path, reason in summary.failed.items():
        console.print(f"left out {path}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if any(reason.startswith(REDACTION_FAILED) for reason in summary.failed.values()):
        return RightsError.exit_code
    return InputError.exit_code if summary.failed else 0


def _progress() -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _as_json(summary: ImportSummary) -> dict[str, object]:
    return {
        "sessions": summary.sessions,
        "events": dict(summary.events.most_common()),
        "attributions": dict(summary.attributions.most_common()),
        "skipped": dict(summary.skipped.most_common()),
        "damaged": [{"path": _shown(str(d.path)), "line": d.line, "reason": d.reason} for d in summary.damaged],
        "failed": {_shown(path): reason for path, reason in summary.failed.items()},
        "session_ids": summary.session_ids,
    }


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # the home of nobody, which the import names as such
        return Path(path)


def _calls(taken: TakeSummary) -> dict[str, int]:
    return {
        "stored": taken.calls,
        "already here": taken.known,
        "new sessions": taken.new_sessions,
        "events": taken.events.total(),
        "not wholly readable": taken.damaged,
        "kept without events": taken.failed.total(),
    }


def _shown(path: str) -> str:
    """The path as text: bytes of a file name that are no UTF-8 become U+FFFD."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _print(summary: ImportSummary) -> None:
    _table("sessions", {name: count for name, count in summary.sessions.items() if count or name == "new"})
    _table("events written", dict(summary.events.most_common()))
    _table("claims about lines", dict(summary.attributions.most_common()))
    _table("skipped", dict(summary.skipped.most_common()))
    if summary.damaged:
        output.print(f"[bold]{len(summary.damaged)} damaged line(s)[/], left out:")
        for damage in summary.damaged[:_SHOWN_DAMAGE]:
            output.print(
                f"  {damage.path}:{damage.line}: {damage.reason}", markup=False, highlight=False, soft_wrap=True
            )
        if len(summary.damaged) > _SHOWN_DAMAGE:
            output.print(f"  … and {len(summary.damaged) - _SHOWN_DAMAGE} more (--json lists all)")


def _table(title: str, rows: dict[str, int]) -> None:
    if not rows:
        return
    table = Table("what", "count", title=title, title_justify="left")
    table.columns[1].justify = "right"
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    output.print(table)
