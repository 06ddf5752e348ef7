"""Append-only list of steps that bring a database to the current shape, on SQLite and PostgreSQL alike.

The database counts the steps that have run. A released step is never edited: a change of the schema is a new function
at the end. Tests hold the sum of all steps to `schema.create_statements`, and every released step to the SQL that it
made when it was released. How to add a table: see `schema`.
"""

from __future__ import annotations

from collections.abc import Callable

from golddiff.errors import WorkspaceError
from golddiff.store import codec
from golddiff.store.backends.contract import Backend
from golddiff.store.schema import content_keys


def record_table(database: Backend, name: str, *columns: str, order: tuple[str, ...] = ()) -> None:
    """Make a table of records with these searchable columns: `name`, or `name integer` for an int or a bool."""
    for statement in database.dialect.record_table(name, columns, order):
        database.execute(statement)


def plain_table(database: Backend, name: str, *columns: str, key: tuple[str, ...]) -> None:
    """Make a table without a body; columns are `name text` or `name bytes`."""
    for statement in database.dialect.plain_table(name, columns, key):
        database.execute(statement)


def _m0001_first_shape(database: Backend) -> None:
    plain_table(database, "blobs", "hash bytes", "data bytes", key=("hash",))
    plain_table(database, "lineage", "parent text", "child text", key=("parent", "child"))
    database.execute("CREATE INDEX lineage_child ON lineage (child)")
    record_table(database, "sessions", "source", "provider_session_id", "parent_id", "subject")
    record_table(database, "events", "session_id", "sequence integer", "kind", order=("session_id", "sequence"))
    record_table(database, "repositories", "name")
    record_table(database, "commits", "repository_id", "sha")
    record_table(database, "attempts", "session_id")
    record_table(database, "outcomes", "session_id", "repository_id", "state")
    record_table(database, "examples", "kind", "path", "split")
    record_table(database, "datasets", "name")
    record_table(database, "checkpoints", "base_model", "dataset_id")
    record_table(database, "evaluation_runs", "dataset_id")
    record_table(database, "scores", "run_id", "example_id", "arm")


def _m0002_grants(database: Backend) -> None:
    record_table(database, "grants", "gate", "applies_to")


def _m0003_attributions(database: Backend) -> None:
    record_table(database, "attributions", "source", "repository_id", "revision", "provider_session_id")


def _m0004_snapshots_and_signals(database: Backend) -> None:
    record_table(database, "snapshots", "repository_id", "cause", "provider_session_id")
    record_table(database, "signals", "kind", "session")


def _m0005_settings(database: Backend) -> None:
    plain_table(database, "settings", "name text", "value text", key=("name",))


def _m0006_calls(database: Backend) -> None:
    record_table(database, "calls", "session_id", "thread_id", "response_id", "key_id")
    record_table(database, "threads", "session_id", "scope", "asked_key", "tip_key", "answer_key")


def _m0007_session_keys(database: Backend) -> None:
    plain_table(database, "session_keys", "key text", "session_id text", key=("key", "session_id"))
    database.execute("CREATE INDEX session_keys_session_id ON session_keys (session_id)")
    rows = []
    for session_id, body in database.select("sessions", ("id", "body"), {"provider_session_id": None}, ("rowid",)):
        session = codec.plain(body)
        path = session.get("source_path")
        keys = content_keys(
            session["source"], session.get("record_hashes", ()), path if isinstance(path, str) else None
        )
        rows += [(key, session_id) for key in keys]
    database.execute_many("INSERT INTO session_keys (key, session_id) VALUES (?, ?)", rows)


def _m0008_survivals(database: Backend) -> None:
    record_table(database, "survivals", "session_id", "repository_id", "outcome_id")


MIGRATIONS: list[Callable[[Backend], None]] = [
    _m0001_first_shape,
    _m0002_grants,
    _m0003_attributions,
    _m0004_snapshots_and_signals,
    _m0005_settings,
    _m0006_calls,
    _m0007_session_keys,
    _m0008_survivals,
]


def migrate(database: Backend) -> None:
    """Run every step that this database has not seen: all of them, or none.

    Raises:
        WorkspaceError: the database was written by a newer golddiff.
    """
    version = current_version(database)
    if version > len(MIGRATIONS):
        raise WorkspaceError(
            f"the workspace has schema version {version}, this golddiff knows up to {len(MIGRATIONS)}: "
            "upgrade golddiff, or use another --workspace."
        )
    if version == len(MIGRATIONS):
        return
    with database.transaction():
        for step in MIGRATIONS[version:]:
            step(database)
        database.execute(database.dialect.write_version.format(len(MIGRATIONS)))


def current_version(database: Backend) -> int:
    """Number of steps that have run on this database."""
    return int(database.execute(database.dialect.read_version)[0][0])
