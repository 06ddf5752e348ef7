"""Is everything in a workspace what it was when it was stored? Every row, text, link and file is read and compared.

Found here: a damaged database page, a body that cannot be decoded, a searchable column that is not what the body says,
a text that is missing or is not what its address says, an event without its session, a link of a record that is not
there. Noted, and no damage: links to records that were removed, files that are not on this machine, objects that no
record names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import msgspec
import zstandard

from golddiff.errors import UnreachableError, WorkspaceError
from golddiff.store import codec
from golddiff.store.backends.contract import Row
from golddiff.store.blobs import object_name
from golddiff.store.schema import TABLES, Table, searchable, session_keys
from golddiff.store.shelf import Shelf
from golddiff.store.store import Store
from golddiff.types import Record

_BATCH = 128
_SHOWN = 100
_LONG = "TG9uZyB0ZXh0"
"""Stands for every text that is kept as a blob: as good where bytes are meant (they are base64) as where text is."""

Progress = Callable[[str, int, int], None]
"""Called with what is being read, how much of it was, and how much there is."""


class Problem(msgspec.Struct, frozen=True):
    """Something that is not as it was stored."""

    where: str
    """Table."""
    id: str
    """Record, or address of a text."""
    what: str
    """In words."""


class Report(msgspec.Struct):
    """What `check` found."""

    checked: dict[str, int] = {}
    """Rows read, by table."""
    problems: list[Problem] = []
    """Damage; empty: none was found."""
    notes: list[str] = []
    """What is worth knowing and is no damage."""


def check(store: Store, progress: Progress = lambda what, done, total: None) -> Report:
    """Read and compare everything. Raises `WorkspaceError` where database or blobs cannot be read on."""
    report = Report()
    if store.database.dialect.name == "sqlite":
        for (said,) in store.database.execute(f"PRAGMA integrity_check({_SHOWN})"):
            if said != "ok":
                report.problems.append(Problem("database", "", said))
    for kind, table in TABLES.items():
        total = store.count(kind)
        for done, rows in _batches(store.database.select(table.name, _columns(table), {}, ("rowid",))):
            _check_rows(store, table, rows, report)
            progress(table.name, done, total)
        report.checked[table.name] = total
    _check_texts(store, report, progress)
    _check_links(store, report)
    _check_keys(store, report)
    _note_objects(store, report)
    return report


def _columns(table: Table) -> tuple[str, ...]:
    return ("id", "body", *table.columns)


def _batches(rows: Iterator[Row]) -> Iterator[tuple[int, list[Row]]]:
    done = 0
    while batch := list(islice(rows, _BATCH)):
        done += len(batch)
        yield done, batch


def _check_rows(store: Store, table: Table, rows: list[Row], report: Report) -> None:
    wanted: dict[bytes, str] = {}
    for record_id, body, *columns in rows:
        try:
            wanted.update((address, str(record_id)) for address in codec.references(body))
            (record,) = codec.decode([body], table.decode_type, lambda hashes: dict.fromkeys(hashes, _LONG))
        except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
            report.problems.append(Problem(table.name, record_id, f"its body cannot be read: {error}"))
            continue
        if record.id != record_id:
            report.problems.append(Problem(table.name, record_id, f"its body is of {record.id}"))
        for column, stored in zip(table.columns, columns, strict=True):
            said = getattr(record, column)
            if said != _LONG and searchable(said) != stored and said != stored:
                report.problems.append(Problem(table.name, record_id, f"{column} is not what its body says"))
        if table.files is not None:
            _check_files(store, table.name, record_id, getattr(record, table.files), report)
    for address in wanted.keys() - store.keeper.known(wanted):
        what = f"its text {address.hex()} is missing"
        report.problems.append(Problem(table.name, wanted[address], what))


def _check_files(store: Store, table: str, record_id: str, name: str | None, report: Report) -> None:
    if name is None or (store.location / name).exists():
        return
    if store.keeper.shelf is None or next(store.keeper.shelf.keys(f"files/{name}"), None) is None:
        report.notes.append(f"{table} {record_id}: {name} is not on this machine{store.keeper.elsewhere}")


def _check_texts(store: Store, report: Report, progress: Progress) -> None:
    total = int(store.database.execute("SELECT count(*) FROM blobs")[0][0])
    for done, rows in _batches(store.database.select("blobs", ("hash",), {}, ("hash",))):
        for (address,) in rows:
            try:
                store.keeper.texts({address})
            except UnreachableError:  # no damage, and each of the others would wait as long for the same
                raise
            except (zstandard.ZstdError, WorkspaceError) as error:
                report.problems.append(Problem("blobs", address.hex(), str(error)))
        progress("blobs", done, total)
    report.checked["blobs"] = total


def _check_keys(store: Store, report: Report) -> None:
    """A session that cannot be found again would be imported twice."""
    kept = set(store.database.select("session_keys", ("key", "session_id"), {}, ("key", "session_id")))
    meant = {(key, one.id) for one in store.sessions(provider_session_id=None) for key in session_keys(one)}
    what = "what it is found again by is not here"
    report.problems += [Problem("session_keys", one, what) for _, one in sorted(meant - kept)]
    report.problems += [
        Problem("session_keys", one, "it is found by what it is not") for _, one in sorted(kept - meant)
    ]


def _note_objects(store: Store, report: Report) -> None:
    """Count the objects that no record names: left by a write that was cut off, or another workspace's."""
    if (shelf := store.keeper.shelf) is None:
        return
    objects = [key for prefix in ("blobs", "files") for key in _keys(shelf, prefix)]
    named = {object_name(row[0]) for row in store.database.execute("SELECT hash FROM blobs WHERE length(data) = 0")}
    folders: set[str] = set()
    for kind, table in TABLES.items():
        if table.files is not None:
            records: Iterator[Record] = store.find(kind)
            folders.update(f"files/{getattr(record, table.files)}" for record in records)
    left = [
        key
        for key in objects
        if key not in named and not any(key == one or key.startswith(f"{one}/") for one in folders)
    ]
    report.checked["objects"] = len(objects)
    if left:
        report.notes.append(
            f"{len(left)} of {len(objects)} objects at {shelf.name} are named by no record here, {left[0]} the first: "
            "a write that was cut off leaves some (docs/store.md says when they may be deleted)"
        )


def _keys(shelf: Shelf, prefix: str) -> list[str]:
    try:
        return list(shelf.keys(prefix))
    except FileNotFoundError:
        return []


def _check_links(store: Store, report: Report) -> None:
    def unknown(column: str) -> list[str]:
        tests = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {table.name} WHERE id = lineage.{column})" for table in TABLES.values()
        )
        return [row[0] for row in store.database.execute(f"SELECT DISTINCT {column} FROM lineage WHERE {tests}")]

    report.checked["lineage"] = int(store.database.execute("SELECT count(*) FROM lineage")[0][0])
    report.problems += [Problem("lineage", one, "a link leads to it, and it is not here") for one in unknown("child")]
    if gone := unknown("parent"):
        report.notes.append(f"{len(gone)} records that something was made from are not here, {gone[0]} the first")
    lost = store.database.execute(
        "SELECT DISTINCT session_id FROM events WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE id = events.session_id)"
    )
    report.problems += [Problem("events", str(session), "its events are here, and it is not") for (session,) in lost]
