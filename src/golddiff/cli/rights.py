"""`golddiff rights`: why something may or may not be trained on, and the record of who permitted what."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from golddiff.cli.app import Workspace, console, emit_json, json_option, output, workspace_option
from golddiff.errors import InputError, UsageError
from golddiff.rights import Grants, licence, permits, redact_text, terms
from golddiff.rights.consent import GATES
from golddiff.rights.provenance import provenance_of
from golddiff.store import Store
from golddiff.types import Dataset, Example, Grant, Outcome, Provenance, Repository, Session, Verdict, new_id


@click.group()
def command() -> None:
    """Provider terms × repository licence × consent: what may be trained on, and why."""


@command.command(
    epilog="""\b
Examples:
  golddiff rights explain ses_01k…
  golddiff rights explain --model claude-opus-4-5
"""
)
@click.argument("record_id", metavar="[ID]", required=False)
@click.option("--model", help="A model's name, instead of an id.")
@workspace_option
@json_option
def explain(record_id: str | None, model: str | None, workspace: Workspace, as_json: bool) -> None:
    """Say why a session, row, dataset or model's output may or may not be trained on."""
    if model is not None:
        reading = terms.lookup(model)
        if as_json:
            emit_json({"model": model, **msgspec.to_builtins(reading)})
            return
        output.print(f"{model}: [bold]{reading.training.value}[/] ({reading.provider or 'no provider on file'})")
        output.print(reading.says, markup=False)
        if reading.source:
            source = reading.source
            output.print(
                f"{source.title}, {source.read} as of {source.as_of}: {source.url}", markup=False, soft_wrap=True
            )
        return
    if record_id is None:
        raise UsageError("give the id of a session, row, outcome or dataset, or --model NAME.")
    with Store.open(workspace, write=False) as store:
        verdicts = _verdicts(store, record_id)
    if as_json:
        emit_json({"id": record_id, "verdicts": verdicts})
        return
    for title, verdict in verdicts.items():
        word = "[green]may be trained on[/]" if verdict.permitted else "[red]may not be trained on[/]"
        output.print(f"{title}: {word} [dim]({verdict.policy})[/]", soft_wrap=True)
        for reason in verdict.reasons:
            output.print(f"  {reason}", markup=False, soft_wrap=True)


@command.command(
    epilog="""\b
Examples:
  golddiff rights grant consent '*' --by 'J. Doe' --document contracts/consent.pdf
  golddiff rights grant terms claude-opus-4-5 --by Anthropic --document 'letter of 2026-10-01'
  golddiff rights grant licence team/project --spdx MIT --by 'J. Doe' --document LICENSE
  golddiff rights grant consent user-7 --withdraw --by user-7 --document 'mail of 2026-11-02'
"""
)
@click.argument("gate", type=click.Choice(GATES))
@click.argument("applies_to", metavar="WHOM")
@click.option("--by", "given_by", required=True, help="Who permitted it.")
@click.option("--document", required=True, help="Where it is written: a file, a contract, a message.")
@click.option("--spdx", help="For licence: the SPDX id that holds.")
@click.option("--withdraw", is_flag=True, help="Take an earlier permission back.")
@workspace_option
@json_option
def grant(
    gate: str,
    applies_to: str,
    given_by: str,
    document: str,
    spdx: str | None,
    withdraw: bool,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Record a written permission, or its withdrawal. Records are only ever added; the latest counts.

    WHOM is a model or provider (terms), a repository's id or name (licence), or a subject, session or '*' (consent).
    Rows are judged when a dataset is built: build again after a withdrawal.
    """
    if spdx is not None and gate != "licence":
        raise UsageError("--spdx states a licence: use it with `golddiff rights grant licence`.")
    if spdx is not None and not withdraw and not licence.permits_training(spdx).permits:
        console.print(f"[yellow]note:[/] {licence.permits_training(spdx).reason}; rows stay denied.")
    record = Grant(
        id=new_id("grt"),
        gate=gate,
        applies_to=applies_to,
        granted=not withdraw,
        states=spdx,
        by=redact_text(given_by),
        document=redact_text(document),
        recorded_at=datetime.now(UTC),
    )
    with Store.open(workspace) as store:
        if gate == "licence":
            record = msgspec.structs.replace(record, applies_to=_repository_id(store, applies_to))
        store.put(record)
    if as_json:
        emit_json(record)
    else:
        output.print(
            f"{record.id}: {gate} for {record.applies_to} {'withdrawn' if withdraw else 'granted'} by {given_by}."
        )


def _repository_id(store: Store, name_or_id: str) -> str:
    """The one repository that is meant: a record under a name that fits none or several would have no effect."""
    known = list(store.find(Repository))
    fitting = [item for item in known if name_or_id in (item.id, item.name)]
    if len(fitting) == 1:
        return fitting[0].id
    there = ", ".join(f"{item.id} ({item.name})" for item in fitting or known) or "none yet"
    count = f"{len(fitting)} repositories are" if fitting else "no repository is"
    raise InputError(
        f"{count} called {name_or_id} in this workspace; there is: {there}. Give an id; a repository is known here "
        "after `golddiff outcomes --repo PATH` or `golddiff curate --source git --repo PATH`."
    )


def _verdicts(store: Store, record_id: str) -> dict[str, Verdict]:
    kind, full_id = store.resolve(record_id)
    grants = Grants(store.find(Grant))
    if kind is Example:
        example = store.get(Example, full_id)
        return {full_id: permits(example, grants=grants)}
    if kind is Dataset:
        verdicts = {
            example_id: permits(store.get(Example, example_id), grants=grants) for example_id in store.parents(full_id)
        }
        distinct = {verdict.reasons: example_id for example_id, verdict in verdicts.items()}
        return {f"rows such as {example_id}": verdicts[example_id] for example_id in distinct.values()}
    if kind is Outcome:
        outcome = store.get(Outcome, full_id)
        return {full_id: permits(_provenance(store, outcome.session_id, outcome), grants=grants)}
    if kind is Session:
        outcomes: list[Outcome | None] = [*store.find(Outcome, session_id=full_id)] or [None]
        return {
            outcome.id if outcome else full_id: permits(_provenance(store, full_id, outcome), grants=grants)
            for outcome in outcomes
        }
    raise InputError(f"{full_id} is a {kind.__name__.lower()}: give a session, outcome, row or dataset.")


def _provenance(store: Store, session_id: str, outcome: Outcome | None) -> Provenance:
    repository = store.get(Repository, outcome.repository_id) if outcome else None
    return provenance_of(store.get(Session, session_id), repository, outcome)
