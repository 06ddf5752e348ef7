"""`golddiff show [ID]`: one record, what it was made from and what was made from it."""

from __future__ import annotations

from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from golddiff.cli.app import Workspace, emit_json, json_option, output, workspace_option
from golddiff.store import Store
from golddiff.types import (
    Attempt,
    Attribution,
    Call,
    Checkpoint,
    Dataset,
    EvaluationRun,
    Event,
    Example,
    Outcome,
    Record,
    Repository,
    Session,
    Snapshot,
    Usage,
)
from golddiff.web import facts, story_text, words
from golddiff.web.cards import Card, Section, card
from golddiff.web.lineage import Lineage, Node, label, type_name, walk
from golddiff.web.story import Story, tell

_LISTED: tuple[type[Record], ...] = (Repository, Session, Attempt, Outcome, Example, Dataset, Checkpoint, EvaluationRun)
_COUNTED: tuple[type[Record], ...] = (Event, Call, Snapshot, Attribution)
_IN_STORY = ("Prompts", "What the agent did", "Attempts", "Outcome: ", "Commits")
"""Beginnings of titles of a session's tables that its story tells; `--full` shows them."""
_LATEST = 12
_TEXT_LINES = 40


@click.command("show")
@click.argument("record_id", metavar="[ID]", required=False)
@click.option(
    "--full", is_flag=True, help=f"Show all of long texts, not their first {_TEXT_LINES} lines, and all tables."
)
@workspace_option
@json_option
def command(record_id: str | None, full: bool, workspace: Workspace, as_json: bool) -> None:
    """Show a record of any kind and its lineage in both directions.

    ID is a session, attempt, commit, outcome, example, dataset, checkpoint or evaluation run; its first or last
    characters are enough where only one record has them, and a session is found by the client's own id too. A
    session is told as a story: what was asked, what each attempt did and what was kept of it, what was changed by
    hand, the commits it ended in, how long its lines lived; --full adds the tables behind it. Without ID: what this
    workspace holds.

    \b
    Examples:
      golddiff show
      golddiff show ses_01k3x9
      golddiff show dst_4f2a --json
    """
    with Store.open(workspace, write=False) as store:
        if record_id is None:
            _overview(store, as_json)
            return
        kind, full_id = store.resolve(record_id)
        record = store.get(kind, full_id)
        found, lineage = card(store, record), walk(store, full_id)
        told = tell(store, record) if isinstance(record, Session) else None
    if as_json:
        emit_json(_as_json(record, found, lineage) | ({} if told is None else {"story": told}))
    else:
        _print(found, lineage, full, told)


def _as_json(record: Record, found: Card, lineage: Lineage) -> dict[str, Any]:
    body = msgspec.to_builtins(record)
    body.pop("record_hashes", None)
    if isinstance(record, Session) and record.usage == Usage():
        body["usage"] = None  # not known, which is not the same as none
    sections = {
        section.title: [dict(zip(section.columns, row, strict=True)) for row in section.rows]
        for section in found.sections
    }
    return {"type": found.type, "id": found.id, "title": found.title, "record": body, "sections": sections} | {
        "lineage": lineage
    }


def _overview(store: Store, as_json: bool) -> None:
    counts = {type_name(kind): store.count(kind) for kind in _LISTED}
    counts |= {type_name(kind): store.count(kind) for kind in _COUNTED}
    sessions = sorted(facts.read(store), key=lambda fact: str(fact.started_at or ""), reverse=True)[:_LATEST]
    made: list[Record] = [item for kind in (Dataset, Checkpoint, EvaluationRun) for item in store.find(kind)]
    if as_json:
        emit_json(
            {
                "counts": counts,
                "sessions": [{"id": fact.id, "state": fact.state, "title": fact.title} for fact in sessions],
                "made": [{"id": item.id, "type": type_name(type(item)), "label": label(item)} for item in made],
            }
        )
        return
    output.print(
        Text(", ".join(words.counted(count, name) for name, count in counts.items() if count) or "an empty workspace")
    )
    rows = tuple(
        (words.abbreviation(fact.id), f"{fact.started_at:%Y-%m-%d}" if fact.started_at else "", fact.state, fact.title)
        for fact in sessions
    )
    _section(Section(title="Latest sessions", columns=("id", "began", "state", "first prompt"), rows=rows), wrap=False)
    made_rows = tuple((item.id, type_name(type(item)), facts.shorten(label(item))) for item in made)
    _section(Section(title="Made from them", columns=("id", "type", "what"), rows=made_rows), wrap=False)
    if not any(counts.values()):
        output.print("Nothing is recorded here yet: golddiff import PATH…", style="dim")


def _print(found: Card, lineage: Lineage, full: bool, told: Story | None) -> None:
    output.print()
    output.print(Text(found.title, style="bold"))
    output.print(Text(f"{found.type} {found.id}", style="yellow"))
    grid = Table.grid(padding=(0, 2))
    for name, value in found.fields:
        grid.add_row(Text(name, style="dim"), Text(value))
    output.print(grid)
    if told is not None:
        story_text.show(told, output)
    for section in found.sections:
        if told is None or full or not section.title.startswith(_IN_STORY):
            _section(section)
    for name, text in found.texts:
        _long_text(name, text, full)
    _tree("Made from", lineage.made_from, lineage.made_from_totals)
    _tree("Went into", lineage.went_into, lineage.went_into_totals)


def _section(section: Section, *, wrap: bool = True) -> None:
    if not section.rows:
        return
    output.print()
    output.print(Text(section.title, style="bold"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number, column in enumerate(section.columns):
        last = number == len(section.columns) - 1
        whole = not last
        table.add_column(
            column,
            no_wrap=not (last and wrap),
            min_width=min(38, max(len(row[number]) for row in section.rows)) if whole else None,
            ratio=1 if last and not wrap else None,
            overflow="fold" if wrap else "ellipsis",
        )
    for row in section.rows:
        table.add_row(*(Text(cell) for cell in row))
    output.print(table)


def _long_text(name: str, text: str, full: bool) -> None:
    lines = text.splitlines()
    shown = lines if full else lines[:_TEXT_LINES]
    output.print()
    output.print(Text(name.capitalize(), style="bold"))
    for line in shown:
        style = {"+": "green", "-": "red", "@": "dim"}.get(line[:1], "") if name in ("patch", "what was kept") else ""
        output.print(Text(facts.visible(line), style=style), soft_wrap=True)
    if len(shown) < len(lines):
        output.print(Text(f"… {len(lines) - len(shown)} more lines: --full shows them", style="dim"))


def _tree(title: str, node: Node, totals: dict[str, int]) -> None:
    output.print()
    said = ", ".join(words.counted(count, name) for name, count in totals.items()) or "nothing"
    root = Tree(Text.assemble((title, "bold"), (f"  {said}", "dim")), guide_style="dim")
    _grow(root, node)
    output.print(root)


def _grow(tree: Tree, parent: Node) -> None:
    for node in parent.nodes:
        text = Text.assemble((node.type, "yellow"), f" {node.id}  ", (node.label, "dim"))
        if node.repeated:
            text.append("  (continued elsewhere in this tree)", style="dim")
        text.no_wrap, text.overflow = True, "ellipsis"
        _grow(tree.add(text), node)
    if parent.more:
        tree.add(Text(f"… {parent.more:,} more", style="dim"))
