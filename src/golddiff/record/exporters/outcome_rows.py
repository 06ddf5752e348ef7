"""Outcomes as rows of a table: what a session wrote, what was kept of it, where, and how long it lived.

One row per outcome, that is per session and repository. The fields below are the schema of the export, in JSON Lines
and in Parquet alike; docs/export.md shows them out of these docstrings (`schema_markdown`, held to it by a test). A
field is only ever added; one whose meaning changes gets a new name.

Not covered: the conversation (the other exporters), attempts, evidence of links (`golddiff show`).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from golddiff.types import Attempt, Clean, Outcome, Repository, Session, Survival

__all__ = ["OutcomeRow", "Part", "columns_of", "row_of", "schema_markdown"]

VERSION = 1


class LinkedCommit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that holds work of the session."""

    sha: str
    """Full SHA."""
    confidence: float
    """Estimated probability that the link is right, 0 to 1."""
    lines_shared: int
    """Added lines of the commit that the session wrote."""
    lines_total: int
    """Added lines of the commit."""
    on_default_branch: bool | None = None
    """Whether the default branch holds it; null where there is no such branch."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted lines that stood together and had the same life."""

    path: str
    """File below the repository, as it was called in the accepting commit."""
    first_line: int
    """First of the lines there, from 1; only blank ones stand between them."""
    lines: int
    """How many, blank ones not counted."""
    characters: int
    """Characters of these lines, without line ends."""
    fate: str
    """`kept` (as the session wrote it) or `revised`."""
    accepted_by: str
    """Full SHA of the commit that they are counted from."""
    accepted_at: datetime
    """When it was committed."""
    ended_by: str | None = None
    """Full SHA of the commit that no longer has them; null: still there at the last look."""
    ended_at: datetime | None = None
    """When that was committed."""
    ended_by_sessions: tuple[str, ...] = ()
    """Agent sessions that the ending commit is linked with."""
    commits_survived: int = 0
    """Commits of the branch after the accepting one that still had them."""


class OutcomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the user kept of one session in one repository."""

    schema_version: int = VERSION
    """Raised when a field is added."""
    outcome_id: str
    """golddiff's id of the outcome; the same session and repository always have the same."""
    session_id: str
    """golddiff's id of the session."""
    provider_session_id: str | None = None
    """The client's own id of it."""
    client: str
    """Importer that read it: `claude-code`, `codex`, …"""
    client_version: str | None = None
    """Version of the client, as recorded."""
    models: tuple[str, ...] = ()
    """Models that answered, in order of their first call."""
    started_at: datetime | None = None
    """First record of the session, UTC."""
    ended_at: datetime | None = None
    """Last record of the session, UTC."""
    input_tokens: int = 0
    """Prompt tokens that no cache served, summed over its calls."""
    output_tokens: int = 0
    """Generated tokens."""
    cache_read_tokens: int = 0
    """Prompt tokens out of a cache."""
    cache_write_tokens: int = 0
    """Prompt tokens written to a cache."""
    repository_id: str
    """golddiff's id of the repository."""
    repository: str | None = None
    """Its name."""
    state: str
    """`accepted`, `revised`, `rejected`, `abandoned` or `unknown`."""
    confidence: float
    """Estimated probability that the state is right, 0 to 1."""
    reasons: tuple[str, ...] = ()
    """Signals behind the state, in words."""
    commits: tuple[LinkedCommit, ...] = ()
    """Commits that hold its work, most confident first."""
    base: str | None = None
    """Commit that `gold_patch` applies to."""
    gold_patch: str
    """Unified diff, base → finally accepted state, of what the session is responsible for; empty if nothing."""
    attempts: int = 0
    """Times that the agent handed back to the user."""
    written_lines: int = 0
    """Non-blank lines that it added, in its final state."""
    kept_lines: int = 0
    """Of these, found unchanged in the accepted state."""
    revised_lines: int = 0
    """Of these, found changed."""
    dropped_lines: int = 0
    """Of these, not found; written - kept - revised - dropped are unknown."""
    survival: tuple[Part, ...] | None = None
    """How long accepted lines lived; null where no branch was followed."""
    observed_until: datetime | None = None
    """Time of the last commit looked at: lines without an end are censored there."""
    not_followed: dict[str, int] = {}
    """Accepted lines that are in no part, by reason."""
    method: str
    """Name and version of the method that decided."""


def row_of(
    outcome: Outcome,
    session: Session[Clean],
    repository: Repository | None,
    attempts: Iterable[Attempt],
    survival: Survival | None,
) -> OutcomeRow:
    """Return the row of an outcome; `attempts` are those of its session in its repository."""
    return OutcomeRow(
        outcome_id=outcome.id,
        session_id=outcome.session_id,
        provider_session_id=session.provider_session_id,
        client=session.source,
        client_version=session.agent_version,
        models=session.models,
        started_at=session.started_at,
        ended_at=session.ended_at,
        input_tokens=session.usage.input_tokens,
        output_tokens=session.usage.output_tokens,
        cache_read_tokens=session.usage.cache_read_tokens,
        cache_write_tokens=session.usage.cache_write_tokens,
        repository_id=outcome.repository_id,
        repository=None if repository is None else repository.name,
        state=outcome.state.value,
        confidence=outcome.confidence,
        reasons=outcome.reasons,
        commits=msgspec.convert(outcome.commits, tuple[LinkedCommit, ...], from_attributes=True),
        base=outcome.base,
        gold_patch=outcome.gold_patch,
        attempts=sum(1 for _ in attempts),
        written_lines=outcome.written_lines,
        kept_lines=outcome.kept_lines,
        revised_lines=outcome.revised_lines,
        dropped_lines=outcome.dropped_lines,
        survival=None if survival is None else tuple(msgspec.convert(
            survival.groups, tuple[Part, ...], from_attributes=True, strict=False
        )),
        observed_until=None if survival is None else survival.observed_until,
        not_followed={} if survival is None else survival.left_out,
        method=outcome.method,
    )  # fmt: skip


def columns_of(kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Return the type of each field, in order."""
    hints = get_type_hints(kind)
    return {name: hints[name] for name in kind.__struct_fields__}


def schema_markdown() -> str:
    """Return the schema as Markdown tables, out of the docstrings above."""
    parts = []
    for kind, title in (
        (OutcomeRow, "A row"),
        (LinkedCommit, "An entry of `commits`"),
        (Part, "An entry of `survival`"),
    ):
        rows = [f"| `{name}` | {_type_name(hint)} | {said} |" for name, hint, said in _documented(kind)]
        parts.append("\n".join([f"{title}: {_lower(inspect.getdoc(kind) or '')}", "", "| field | type | what |",
                                "|---|---|---|", *rows]))  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _documented(kind: type[msgspec.Struct]) -> Iterable[tuple[str, Any, str]]:
    (declared,) = ast.parse(inspect.getsource(kind)).body
    body: Sequence[ast.stmt] = getattr(declared, "body", [])
    said = {}
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            said[field.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return [(name, hint, said[name]) for name, hint in columns_of(kind).items()]


def _type_name(hint: Any) -> str:
    names = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "time"}
    if hint in names:
        return names[hint]
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return f"list of {'objects' if inner not in names else names[inner] + 's'}"
    if get_origin(hint) is dict:
        return "object of integers"
    return f"{_type_name(next(one for one in get_args(hint) if one is not type(None)))} or null"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
