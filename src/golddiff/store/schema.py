"""The one declaration of what is stored where; SQL and queries are made from it, for SQLite and PostgreSQL alike.

Every record type has a table: its id, the columns that stages search by, and the whole record as `body`
(zstd-compressed JSON; strings longer than `INLINE_CHARS` are replaced by references into `blobs`, so the file
contents that an agent session repeats hundreds of times are kept once).

To add a record type, three edits, all additive:

1. `types.py`: the record, a subclass of `Record`, every text that came from a person, a model or a repository `Clean`.
2. `TABLES` below: `Call: Table("calls", Call, ("session_id", "sequence"))`. Searchable columns are fields of the
   record whose type is a string, an enum of strings, an int or a bool (or None).
3. `migrations.py`: a new function at the end that calls `record_table(database, "calls", "session_id",
   "sequence integer")`; an int or bool column says `integer`. tests/store/test_migrations.py compares the two.

To add a column to a table that exists, add it to `TABLES` and write a migration with `ALTER TABLE … ADD COLUMN` and
`CREATE INDEX`, for both dialects (`database.dialect.name`), that fills it from the bodies. A new field that nobody
searches by needs nothing here: give it a default in `types.py`.

Rows and blobs live in one SQLite file on purpose: one transaction commits a row and everything it refers to, so no
crash leaves a row that points at nothing (docs/decisions/0001-blobs-in-sqlite.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, get_args, get_type_hints

from golddiff.store.dialect import Dialect
from golddiff.types import (
    Attempt,
    Attribution,
    Call,
    Checkpoint,
    Clean,
    Commit,
    Dataset,
    EvaluationRun,
    Event,
    Example,
    Grant,
    Outcome,
    Repository,
    Score,
    Session,
    Signal,
    Snapshot,
    Survival,
    Thread,
    derive_id,
)

INLINE_CHARS = 1024
"""Longer strings become blobs. Below it the reference and its row cost more than they save."""
_COLUMN_BYTES = 2000  # PostgreSQL's index entries end at 2,704 bytes
_ESCAPED = "\uffff"  # a noncharacter: no text from outside begins with it


@dataclass(frozen=True)
class Table:
    """One table: `columns` are copied out of the record so that they can be searched."""

    name: str
    decode_type: Any
    columns: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    """Columns that its records are read in order of; (): order of insertion."""
    files: str | None = None
    """Field that names a file or folder below the workspace which belongs to the record."""


TABLES: dict[type, Table] = {
    Session: Table("sessions", Session[Clean], ("source", "provider_session_id", "parent_id", "subject")),
    Event: Table("events", Event[Clean], ("session_id", "sequence", "kind"), order=("session_id", "sequence")),
    Repository: Table("repositories", Repository, ("name",)),
    Commit: Table("commits", Commit, ("repository_id", "sha")),
    Attempt: Table("attempts", Attempt, ("session_id",)),
    Outcome: Table("outcomes", Outcome, ("session_id", "repository_id", "state")),
    Example: Table("examples", Example, ("kind", "path", "split")),
    Dataset: Table("datasets", Dataset, ("name",), files="folder"),
    Checkpoint: Table("checkpoints", Checkpoint, ("base_model", "dataset_id"), files="folder"),
    EvaluationRun: Table("evaluation_runs", EvaluationRun, ("dataset_id",), files="report"),
    Score: Table("scores", Score, ("run_id", "example_id", "arm")),
    Grant: Table("grants", Grant, ("gate", "applies_to")),
    Snapshot: Table("snapshots", Snapshot, ("repository_id", "cause", "provider_session_id")),
    Signal: Table("signals", Signal, ("kind", "session")),
    Call: Table("calls", Call, ("session_id", "thread_id", "response_id", "key_id")),
    Thread: Table("threads", Thread, ("session_id", "scope", "asked_key", "tip_key", "answer_key")),
    Attribution: Table(
        "attributions", Attribution[Clean], ("source", "repository_id", "revision", "provider_session_id")
    ),
    Survival: Table("survivals", Survival, ("session_id", "repository_id", "outcome_id")),
}


def searchable(value: Any) -> str | int | float | None:
    """Return the copy of a field that goes into its column, and that a search for it compares with.

    What a database cannot hold or index (NUL, lone surrogates, texts longer than an index entry) is replaced by its
    hash; the body keeps the text as it was.
    """
    if value is None or type(value) is int:
        return value
    if isinstance(value, str):
        text = str.__str__(value)
        if text.isascii() and len(text) <= _COLUMN_BYTES and "\0" not in text:
            return text
        data = text.encode("utf-8", "surrogatepass")
        bad = "\0" in text or text.startswith(_ESCAPED) or len(data) > _COLUMN_BYTES or not _is_utf8(data)
        return _ESCAPED + blake2b(data, digest_size=32).hexdigest() if bad else text
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    raise TypeError(f"a column holds text or a number, not {value!r}")


def session_keys(session: Session[Clean]) -> list[str]:
    """Return what a session without a client's id is found again by: its content, and its file where it has one."""
    if session.provider_session_id is not None:
        return []
    return content_keys(session.source, session.record_hashes, session.source_path)


def content_keys(source: str, record_hashes: Sequence[str], path: str | None) -> list[str]:
    """Return the keys of a session without a client's id. Rows of every workspace hold them: they never change."""
    keys = [derive_id("content", source, *record_hashes)]
    return keys if path is None else [*keys, derive_id("path", source, path)]


def portable(value: str) -> str:
    """Return a column's text as any database holds it; what `searchable` made stays as it is."""
    return value if value.startswith(_ESCAPED) else str(searchable(value))


def create_statements(dialect: Dialect) -> list[str]:
    """SQL that makes an empty database of the current shape."""
    statements = [
        *dialect.plain_table("blobs", ("hash bytes", "data bytes"), ("hash",)),
        *dialect.plain_table("lineage", ("parent text", "child text"), ("parent", "child")),
        "CREATE INDEX lineage_child ON lineage (child)",
        *dialect.plain_table("settings", ("name text", "value text"), ("name",)),
        *dialect.plain_table("session_keys", ("key text", "session_id text"), ("key", "session_id")),
        "CREATE INDEX session_keys_session_id ON session_keys (session_id)",
    ]
    for kind, table in TABLES.items():
        hints = get_type_hints(kind)
        columns = [f"{name} integer" if _is_number(hints[name]) else name for name in table.columns]
        statements += dialect.record_table(table.name, columns, table.order)
    return statements


def _is_number(hint: Any) -> bool:
    return any(isinstance(one, type) and issubclass(one, int) for one in (hint, *get_args(hint)))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
