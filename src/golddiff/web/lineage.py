"""What a record was made from and what was made from it, as two trees.

How it fits: stages write edges (`Store.put(…, parents=…)`); this walks them both ways. A dataset has thousands of
parents, so a tree shows the first few of each level and counts the rest; the totals by type are of the whole walk,
which is what an erasure has to reach.

Not covered: doing the erasure (`rights`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import msgspec

from golddiff.errors import InputError
from golddiff.store import Store
from golddiff.types import (
    Attempt,
    Checkpoint,
    Commit,
    Dataset,
    EvaluationRun,
    Event,
    Example,
    Outcome,
    Record,
    Repository,
    Score,
    Session,
)
from golddiff.web.facts import shorten
from golddiff.web.words import counted

SHOWN = 8
"""Neighbours shown of one record; the rest are counted."""
DEPTH = 8
_RECORD_ID = re.compile(r"[a-z]+_[0-9a-z]+(/\d+)?")

_NAMES: dict[type[Record], str] = {EvaluationRun: "evaluation run"}


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One record in a tree."""

    id: str
    type: str
    """Type of the record in words; `erased` where only the edge is left, `outside` for a model that is no record."""
    label: str
    nodes: tuple[Node, ...] = ()
    more: int = 0
    """Neighbours that are not shown."""
    repeated: bool = False
    """Its own neighbours are shown elsewhere in this tree."""


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Both directions from one record."""

    made_from: Node
    """The record itself, with what it was made from below it."""
    made_from_totals: dict[str, int]
    """Every ancestor by type."""
    went_into: Node
    """The record itself, with what was made from it below it."""
    went_into_totals: dict[str, int]
    """Every descendant by type."""


def walk(store: Store, record_id: str) -> Lineage:
    """Return the lineage of a record; loops in damaged data end the walk instead of repeating it."""
    up, down = _Walk(store, store.parents), _Walk(store, store.children)
    return Lineage(
        made_from=up.tree(record_id),
        made_from_totals=up.totals(record_id),
        went_into=down.tree(record_id),
        went_into_totals=down.totals(record_id),
    )


def type_name(kind: type[Record]) -> str:
    """Name a record type in words."""
    return _NAMES.get(kind, kind.__name__.lower())


def label(record: Record) -> str:
    """Say in a few words which record this is."""
    match record:
        case Session():
            day = f"{record.started_at:%d %b %Y}" if record.started_at else "no date"
            return f"{record.source}, {day}, {', '.join(record.models) or 'no model'}"
        case Outcome():
            commits, kept = counted(len(record.commits), "commit"), counted(record.kept_lines, "line")
            return f"{record.state.value}, {commits}, {kept} kept"
        case Attempt():
            return f"attempt {record.index + 1}, {record.fate.value}"
        case Event():
            return f"{record.kind.value}, event {record.sequence}"
        case Commit():
            return f"{record.sha[:10]} {record.subject}"
        case Repository() | Dataset():
            return record.name
        case Example():
            return f"{record.kind} {record.path}:{record.start_line}"
        case Checkpoint():
            return f"{record.base_model}, recipe {record.recipe}, seed {record.seed}"
        case EvaluationRun():
            return f"{', '.join(record.arms)} under {record.harness}"
        case Score():
            return f"{record.arm}, {'unscored' if record.unscored else 'scored'}"
        case _:
            return ""


class _Walk:
    """One direction of the lineage."""

    def __init__(self, store: Store, neighbours: Callable[[str], list[str]]) -> None:
        self._store = store
        self._neighbours = neighbours
        self._expanded: set[str] = set()
        self._types: dict[str, str] = {}

    def tree(self, record_id: str, depth: int = DEPTH) -> Node:
        """Return a record with its neighbours, and theirs, below it."""
        kind, text = self._describe(record_id)
        neighbours = self._neighbours(record_id)
        if record_id in self._expanded or depth == 0:
            return Node(id=record_id, type=kind, label=text, repeated=bool(neighbours))
        self._expanded.add(record_id)
        nodes = tuple(self.tree(other, depth - 1) for other in neighbours[:SHOWN])
        return Node(id=record_id, type=kind, label=text, nodes=nodes, more=len(neighbours) - len(nodes))

    def totals(self, record_id: str) -> dict[str, int]:
        """Everything that can be reached, by type."""
        seen, waiting = {record_id}, [record_id]
        while waiting:
            for other in self._neighbours(waiting.pop()):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return dict(Counter(self._type(other) for other in sorted(seen - {record_id})).most_common())

    def _describe(self, record_id: str) -> tuple[str, str]:
        gone = "erased" if _RECORD_ID.fullmatch(record_id) else "outside"
        try:
            kind, full = self._store.resolve(record_id)
        except InputError:
            return gone, ""
        if full != record_id:
            return gone, ""
        return type_name(kind), shorten(label(self._store.get(kind, full)))

    def _type(self, record_id: str) -> str:
        """Type by the id's prefix, looked up once per prefix: a walk may reach a hundred thousand records."""
        prefix = record_id.partition("_")[0]
        if prefix not in self._types:
            self._types[prefix] = self._describe(record_id)[0]
        return self._types[prefix]
