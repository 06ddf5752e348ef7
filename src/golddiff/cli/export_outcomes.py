"""`golddiff export outcomes`: what was kept, as a table or as git notes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import msgspec

from golddiff.cli.app import Workspace, console, emit_json, json_option, workspace_option
from golddiff.cli.export import verdict_on, write_lines
from golddiff.errors import InputError, RightsError, UsageError
from golddiff.git import GitRepository
from golddiff.git.notes import write_notes
from golddiff.record.exporters import git_ai_notes, outcome_parquet
from golddiff.record.exporters.outcome_rows import OutcomeRow, row_of
from golddiff.rights import mask_homes
from golddiff.rights.consent import Grants
from golddiff.rights.redact import redact_document
from golddiff.store import Store
from golddiff.store.repositories import describe_repository
from golddiff.types import Attempt, Grant, Outcome, Repository, Session, Survival, derive_id

_FORMATS = ("jsonl", "parquet", "git-ai-notes")


@click.command("outcomes")
@click.option(
    "--format", "name", type=click.Choice(_FORMATS), default="jsonl", show_default=True, help="See docs/export.md."
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write; else stdout (jsonl only)."
)
@click.option(
    "--repo", type=click.Path(path_type=Path), help="Only outcomes of this repository; the one that gets the notes."
)
@click.option("--notes-ref", metavar="REF", help="Ref that git-ai-notes are written into, such as refs/notes/golddiff.")
@click.option(
    "--for-training",
    is_flag=True,
    help="Only outcomes that the rights gate lets into training, with names of home folders masked.",
)
@workspace_option
@json_option
def command(
    name: str,
    output: Path | None,
    repo: Path | None,
    notes_ref: str | None,
    for_training: bool,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Write outcomes: what each session wrote, what was kept of it, in which commits, and how long it lived.

    As JSON Lines or Parquet, one row per session and repository, with the fields that docs/export.md lists. Or as
    git-ai's authorship notes: the only thing that golddiff ever writes into a repository, into the ref that you name,
    locally; notes of others in that ref are left as they are.

    \b
    Examples:
      golddiff export outcomes -o outcomes.jsonl
      golddiff export outcomes --format parquet -o outcomes.parquet --json
      golddiff export outcomes --format git-ai-notes --repo . --notes-ref refs/notes/golddiff
    """
    _check(name, output, repo, notes_ref, for_training, as_json)
    with Store.open(workspace, write=False) as store:
        repository_id = None
        if repo is not None:
            with GitRepository.open(repo) as git:
                repository_id = describe_repository(git).id
        if not _outcomes(store, repository_id):
            of = "" if repo is None else f" of {repo}"
            raise InputError(f"there are no outcomes{of} in {workspace}: run `golddiff outcomes --repo PATH` first.")
        if name == "git-ai-notes":
            assert repo is not None
            assert notes_ref is not None
            _notes(store, repo, repository_id, notes_ref, as_json)
        else:
            _rows(store, repository_id, name, output, for_training, as_json)


def _check(
    name: str, output: Path | None, repo: Path | None, notes_ref: str | None, for_training: bool, as_json: bool
) -> None:
    if name == "git-ai-notes":
        if repo is None or notes_ref is None:
            raise UsageError(
                "git-ai-notes are written into a repository: name it and the ref with --repo PATH --notes-ref REF."
            )
        if output is not None or for_training:
            raise UsageError("git-ai-notes go into the ref: --output and --for-training have no meaning there.")
        return
    if notes_ref is not None:
        raise UsageError("--notes-ref needs --format git-ai-notes.")
    if output is None and name == "parquet":
        raise UsageError("Parquet is no text: say where it goes with --output FILE.")
    if output is None and as_json:
        raise UsageError("--json prints a summary on standard output: say where the rows go with --output FILE.")


def _rows(
    store: Store, repository_id: str | None, name: str, output: Path | None, for_training: bool, as_json: bool
) -> None:
    denied: Counter[str] = Counter()
    rows = _permitted(store, repository_id, denied) if for_training else _all(store, repository_id)
    written = 0

    def lines() -> Iterator[str]:
        nonlocal written
        for row in rows:
            written += 1
            yield msgspec.json.encode(row).decode()

    if name == "parquet":
        assert output is not None
        beside = output.with_name(output.name + ".part")
        try:
            written = outcome_parquet.write(beside, rows)
            os.replace(beside, output)
        finally:
            beside.unlink(missing_ok=True)
    elif output is not None:
        write_lines(output, lines())
    else:
        for line in lines():
            sys.stdout.write(line + "\n")
    if for_training and denied and not written:
        reasons = "; ".join(f"{count} × {reason}" for reason, count in denied.most_common(3))
        raise RightsError(f"no outcome may be used for training: {reasons}. `golddiff rights explain` says why.")
    _say({"format": name, "outcomes": written, "denied": dict(denied)}, as_json, output)


def _all(store: Store, repository_id: str | None) -> Iterator[OutcomeRow]:
    for outcome in _outcomes(store, repository_id):
        session = store.get(Session, outcome.session_id)
        attempts = [
            attempt
            for attempt in store.find(Attempt, session_id=session.id)
            if attempt.id == derive_id("att", session.id, outcome.repository_id, attempt.index)
        ]
        repository = next(store.find(Repository, id=outcome.repository_id), None)
        yield row_of(outcome, session, repository, attempts, _survival(store, outcome))


def _permitted(store: Store, repository_id: str | None, denied: Counter[str]) -> Iterator[OutcomeRow]:
    """Rows that may be trained on, redacted once more as a whole and with home folders masked."""
    grants = Grants(store.find(Grant))
    for row in _all(store, repository_id):
        session = store.get(Session, row.session_id)
        verdict = verdict_on(store, session, tuple(store.find(Outcome, id=row.outcome_id)), grants)
        if verdict.permitted:
            yield msgspec.json.decode(mask_homes(redact_document(msgspec.to_builtins(row))), type=OutcomeRow)
        else:
            denied[verdict.reasons[0]] += 1


def _notes(store: Store, repo: Path, repository_id: str | None, ref: str, as_json: bool) -> None:
    followed = [
        (survival, outcome, store.get(Session, outcome.session_id))
        for outcome in _outcomes(store, repository_id)
        if (survival := _survival(store, outcome)) is not None
    ]
    with GitRepository.open(repo) as git:

        @lru_cache(maxsize=64)
        def file_at(sha: str, path: str) -> list[str] | None:
            blob = git.files_at(sha, [path]).get(path) if git.resolve(sha) else None
            data = None if blob is None else git.blob(blob)
            return None if data is None else data.decode("utf-8", "replace").split("\n")

        notes = git_ai_notes.notes_of(followed, file_at)
        done = write_notes(git, ref, notes.by_commit, replaceable=git_ai_notes.is_ours, at=datetime.now(UTC))
    _say(
        {
            "format": "git-ai-notes",
            "ref": ref,
            "sessions": len(followed),
            "lines": notes.lines,
            "notes_written": done.written,
            "unchanged": done.unchanged,
            "kept_of_others": len(done.kept),
            "commits_not_here": len(done.absent),
            "lines_left_out": notes.left_out,
        },
        as_json,
    )


def _outcomes(store: Store, repository_id: str | None) -> list[Outcome]:
    found = store.find(Outcome) if repository_id is None else store.find(Outcome, repository_id=repository_id)
    return sorted(found, key=lambda outcome: outcome.id)


def _survival(store: Store, outcome: Outcome) -> Survival | None:
    return next(store.find(Survival, outcome_id=outcome.id), None)


def _say(summary: dict[str, Any], as_json: bool, place: Path | None = None) -> None:
    """Print a summary: what was written and where, then what was not, as far as there is any."""
    if as_json:
        emit_json(summary)
        return
    if "ref" in summary:
        rest = ("unchanged", "kept_of_others", "commits_not_here", "lines_left_out")
        said = [
            f"{summary['notes_written']:,} notes written into {summary['ref']}, for {summary['lines']:,} lines of "
            f"{summary['sessions']:,} sessions",
            *(f"{summary[name]:,} {name.replace('_', ' ')}" for name in rest if summary[name]),
        ]
    else:
        said = [f"{summary['outcomes']:,} outcomes" + (f" written to {place}" if place is not None else "")]
    console.print("; ".join(said), markup=False, highlight=False, soft_wrap=True)
    for reason, count in summary.get("denied", {}).items():
        console.print(f"{count} kept back: {reason}", markup=False, highlight=False, soft_wrap=True)
