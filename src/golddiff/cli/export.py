"""`golddiff export`: stored sessions in the formats of other tools; outcomes and evaluations are commands of it."""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from golddiff.cli.app import Workspace, console, emit_json, json_option, workspace_option
from golddiff.errors import InputError, RightsError, UsageError
from golddiff.record.exporters import EXPORTERS, Exported, Exporter, exporter
from golddiff.rights import mask_homes, permits
from golddiff.rights.consent import Grants
from golddiff.rights.redact import redact_document
from golddiff.store import Store
from golddiff.types import Clean, Commit, Grant, Outcome, Repository, Session, Transcript, Verdict

_OWN = {
    "outcomes": "golddiff.cli.export_outcomes",
    "evaluation": "golddiff.cli.export_evaluation",
}


class _Export(click.Group):
    """What `_OWN` names is a command of its own; everything else exports sessions (ids begin with ses_)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_OWN)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name not in _OWN:
            return sessions_command
        found: click.Command = importlib.import_module(_OWN[cmd_name]).command
        return found

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] in _OWN:
            chosen = self.get_command(click.Context(self), args[0])
            return chosen.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return sessions_command.make_context(info_name, args, parent, **extra)


@click.command("export")
@click.argument("sessions", nargs=-1, metavar="[SESSION]…")
@click.option("--all", "everything", is_flag=True, help="Every session of the workspace.")
@click.option(
    "--format", "name", type=click.Choice(list(EXPORTERS)), required=True, help="What to write; see docs/export.md."
)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write; else stdout.")
@click.option(
    "--for-training",
    is_flag=True,
    help="Only sessions that the rights gate lets into training, with names of home folders masked.",
)
@workspace_option
@json_option
def sessions_command(
    sessions: tuple[str, ...],
    everything: bool,
    name: str,
    output: Path | None,
    for_training: bool,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Write sessions as ATIF, Agent Trace, OpenTelemetry (OTLP JSON) or Hugging Face chat rows.

    One JSON document per line. Everything that is stored is redacted, so what is written is too. SESSION is an id of
    golddiff's own; its first characters are enough where only one session has them. With --json a summary is printed,
    so --output must say where the documents go. What was kept of them: golddiff export outcomes --help.
    Evaluations: golddiff export evaluation --help.

    \b
    Examples:
      golddiff export ses_01k3x9 --format atif -o session.json
      golddiff export --all --format agent-trace -o traces.jsonl
      golddiff export --all --format chat-jsonl --for-training -o chats.jsonl --json
    """
    if bool(sessions) == everything:
        raise UsageError("give the ids of sessions, or --all for every one: `golddiff show` lists them.")
    if as_json and output is None:
        raise UsageError("--json prints a summary on standard output: say where the documents go with --output FILE.")
    run = _Run(exporter(name), for_training)
    with Store.open(workspace, write=False) as store:
        if everything and not store.count(Session):
            raise InputError(f"there are no sessions in {workspace}: run `golddiff import PATH…` first.")
        wanted = _wanted(store, sessions, everything)
        lines = run.lines(store, wanted)
        if output is None:
            for line in lines:
                sys.stdout.write(line + "\n")
        else:
            write_lines(output, lines)
    if for_training and run.denied and not run.documents:
        reasons = "; ".join(f"{count} × {reason}" for reason, count in run.denied.most_common(3))
        raise RightsError(f"no session may be used for training: {reasons}. `golddiff rights explain` says why.")
    run.report(as_json)


command = _Export("export", short_help="Sessions, outcomes and evaluations in formats of other tools.")


class _Run:
    """One export: what was written and what was left out."""

    def __init__(self, target: Exporter, for_training: bool) -> None:
        self._target = target
        self._for_training = for_training
        self.documents = 0
        self.sessions = 0
        self.denied: Counter[str] = Counter()
        """Sessions that rights keep back, by the first gate that refused."""
        self.empty = 0
        """Sessions that the format has no place for."""

    def lines(self, store: Store, wanted: Iterator[str]) -> Iterator[str]:
        """Yield the documents of the sessions, one line each."""
        grants = Grants(store.find(Grant))
        for session_id in wanted:
            session = store.get(Session, session_id)
            outcomes = tuple(store.find(Outcome, session_id=session_id))
            if self._for_training:
                verdict = verdict_on(store, session, outcomes, grants)
                if not verdict.permitted:
                    self.denied[verdict.reasons[0]] += 1
                    continue
            exported = Exported(Transcript(session, store.events(session_id)), outcomes, _times(store, outcomes))
            found = 0
            for document in self._target.documents(exported):
                found += 1
                yield self._text(document)
            self.documents += found
            self.sessions += found > 0
            self.empty += found == 0

    def _text(self, document: dict[str, Any]) -> str:
        if self._for_training:
            return mask_homes(redact_document(document))
        return msgspec.json.encode(document).decode("utf-8", "replace")

    def report(self, as_json: bool) -> None:
        """Say what was done."""
        if as_json:
            emit_json(
                {
                    "format": self._target.name,
                    "sessions": self.sessions,
                    "documents": self.documents,
                    "nothing_to_write": self.empty,
                    "denied": dict(self.denied),
                }
            )
            return
        console.print(f"{self.documents} document(s) of {self.sessions} session(s).", highlight=False)
        if self.empty:
            console.print(f"{self.empty} session(s) hold nothing that {self._target.name} has a place for.")
        for reason, count in self.denied.most_common():
            console.print(f"{count} kept back: {reason}", markup=False, highlight=False, soft_wrap=True)


def _wanted(store: Store, given: tuple[str, ...], everything: bool) -> Iterator[str]:
    if everything:
        yield from [session.id for session in store.sessions()]
        return
    for name in given:
        kind, session_id = store.resolve(name)
        if kind is not Session:
            raise UsageError(f"{session_id} is no session: `golddiff show` lists the sessions.")
        yield session_id


def _times(store: Store, outcomes: tuple[Outcome, ...]) -> dict[str, datetime]:
    shas = {link.sha for outcome in outcomes for link in outcome.commits}
    return {commit.sha: commit.committed_at for sha in shas for commit in store.find(Commit, sha=sha)}


def verdict_on(store: Store, session: Session[Clean], outcomes: tuple[Outcome, ...], grants: Grants) -> Verdict:
    """The verdict on a whole session: every repository that it worked in must permit it, and one must be known."""
    from golddiff.rights.provenance import provenance_of

    repositories: list[Repository | None] = []
    for outcome in outcomes:
        repositories += store.find(Repository, id=outcome.repository_id)
    verdicts = [
        permits(provenance_of(session, repository), use="train", grants=grants) for repository in repositories or [None]
    ]
    return min(verdicts, key=lambda verdict: verdict.permitted)


def write_lines(path: Path, lines: Iterator[str]) -> None:
    """Write beside the target and rename, so a run that stops half-way leaves nothing behind under its name."""
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            for line in lines:
                stream.write(line + "\n")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
