"""One workspace: rows, blobs and lineage in a database, beside folders for datasets, checkpoints and reports.

Where the database is (a SQLite file in the folder, or PostgreSQL) and where large things are kept (in it and in the
folder, or at a URL) is decided by `Location`; everything below is the same for all of them. One process writes, any
number read; a committed transaction survives power loss.

Not covered: more than one writer at a time. Gateways write spools of their own, which the one writer takes in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from errno import ENOSPC
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec
import zstandard

from golddiff.errors import InputError, WorkspaceError
from golddiff.store import codec, migrations, schema
from golddiff.store.backends.contract import Backend, Value, condition, rows_where_any
from golddiff.store.backends.sqlite import SQLiteBackend
from golddiff.store.blobs import BlobKeeper
from golddiff.store.location import Location
from golddiff.store.schema import TABLES, Table, searchable
from golddiff.types import Clean, Event, Record, RedactedSession, Session, Transcript

RecordT = TypeVar("RecordT", bound=Record)

MIGRATION = "migration"
"""Setting of a workspace that is being moved to."""
_READ_ROWS = 64  # records that are decoded together, so that their blobs are one query
_WRITE_ROWS = 256


class ImportChange(StrEnum):
    """What an imported transcript meant for the store."""

    NEW = "new"
    SAME = "same"  # every record already here: no new rows
    GREW = "grew"  # the stored session's records all occur in it: updated in place
    OLDER = "older"  # an earlier state of what is here: no new rows
    DIVERGED = "diverged"  # the same provider id, other content: a second session


class Store:
    """Records of one workspace. Open with `Store.open`; use as a context manager."""

    def __init__(self, location: Location, database: Backend) -> None:
        self.location = location
        self.database = database
        """For `migrate`, `check` and `info`; stages use the methods below."""
        self.keeper = BlobKeeper(database, location)

    @classmethod
    def open(cls, place: Path | str | Location, *, write: bool = True, make: bool = True, moving: bool = False) -> Self:
        """Open the workspace at `place` (a folder or a URL); readers see committed states.

        A writer makes a workspace where there is none, unless `make` is false; one that it made and that holds nothing
        when an error ends the `with` block is taken away again, so that a wrong folder stays as it was. Only a move
        (`store.migrate`) opens with `moving` a workspace that is not all there yet.

        Raises:
            InputError: there is no workspace here and none may be made, or a library for it is not installed.
            WorkspaceError: another process is writing, the database is corrupt, newer or gone, or the disk refuses.
        """
        location = Location.of(place)
        with _storage_errors(location):
            if write and not make:
                open_backend(location, write=False).close()
            if write:
                location.folder.mkdir(parents=True, exist_ok=True)
                ignore = location.folder / ".gitignore"
                if not ignore.exists():  # a workspace inside a repository must never be committed
                    ignore.write_text("*\n")
            backend = open_backend(location, write=write)
            try:
                if write:
                    migrations.migrate(backend)
                elif migrations.current_version(backend) != len(migrations.MIGRATIONS):
                    raise WorkspaceError(
                        f"{location} has another schema version: run any writing command once, or upgrade golddiff."
                    )
                if not moving and backend.execute("SELECT 1 FROM settings WHERE name = ?", (MIGRATION,)):
                    raise WorkspaceError(
                        f"a move to {location} is not finished: run `golddiff store migrate FROM TO` again, "
                        "it continues."
                    )
                return cls(location, backend)
            except BaseException:
                backend.close()
                raise

    def close(self) -> None:
        """Close the database and release the right to write."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and isinstance(self.database, SQLiteBackend) and self.database.made and self._is_empty():
            self.database.discard()
            _remove_if_unused(self.location.folder)
            return
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is put inside is on disk when the outermost block ends, or none of it is.

        A block inside a block joins it; an error in it must therefore leave the outer block too.
        """
        with _storage_errors(self.location), self.database.transaction():
            yield

    # ---- any record ------------------------------------------------------------------------------------------

    def put(self, *records: Record, parents: Iterable[str] = ()) -> None:
        """Insert or replace by id. Where `parents` are given, they become the ancestors of each record, all of them."""
        ancestors = tuple(dict.fromkeys(parents))
        with self.transaction():
            self._write(records)
            if ancestors:
                for record in records:
                    self.database.execute("DELETE FROM lineage WHERE child = ?", (record.id,))
                    edges = [(ancestor, record.id) for ancestor in ancestors]
                    self.database.execute_many("INSERT INTO lineage (parent, child) VALUES (?, ?)", edges)

    def get(self, kind: type[RecordT], record_id: str) -> RecordT:
        """Return the record. Raises `InputError` where there is none."""
        for record in self.find(kind, id=record_id):
            return record
        raise InputError(f"no {kind.__name__.lower()} with id {record_id}: `golddiff show` lists what there is.")

    def find(self, kind: type[RecordT], /, **where: str | int | None) -> Iterator[RecordT]:
        """Yield records whose columns equal `where` (see `schema.TABLES`), in order of insertion."""
        table = TABLES[kind]
        test = _columns(table, where)
        with _storage_errors(self.location):
            rows = self.database.select(table.name, ("body",), test, (*table.order, "rowid"))
            while bodies := [body for (body,) in islice(rows, _READ_ROWS)]:
                yield from codec.decode(bodies, table.decode_type, self.keeper.texts)

    def count(self, kind: type[Record], /, **where: str | int | None) -> int:
        """Number of records that `find` would yield."""
        test, values = condition(_columns(TABLES[kind], where))
        return int(self.database.execute(f"SELECT count(*) FROM {TABLES[kind].name} WHERE {test}", values)[0][0])

    def find_any(self, kind: type[RecordT], column: str, values: Iterable[str]) -> Iterator[RecordT]:
        """Yield the records whose column is one of the values, in order; few queries, whatever their number."""
        table = TABLES[kind]
        order = table.order or ("rowid",)
        asked = [_columns(table, {column: value})[column] for value in values]
        with _storage_errors(self.location):
            rows = rows_where_any(
                self.database, f"SELECT {', '.join((*order, 'body'))} FROM {table.name}", column, asked
            )
            found = sorted(rows, key=lambda row: row[:-1])
            for at in range(0, len(found), _READ_ROWS):
                bodies = [row[-1] for row in found[at : at + _READ_ROWS]]
                yield from codec.decode(bodies, table.decode_type, self.keeper.texts)

    def count_any(self, kind: type[Record], column: str, values: Iterable[str]) -> dict[str, int]:
        """Number of records for each of the values of a column; a value that no record has is left out."""
        table = TABLES[kind]
        asked = {_columns(table, {column: value})[column]: value for value in values}
        select = f"SELECT {column}, count(*) FROM {table.name}"
        rows = rows_where_any(self.database, select, column, asked, f" GROUP BY {column}")
        return {asked[value]: int(count) for value, count in rows}

    def remove(self, kind: type[Record], record_id: str) -> None:
        """Delete one record and its lineage edges; its blobs stay until erasure sweeps them."""
        with self.transaction():
            self.database.execute(f"DELETE FROM {TABLES[kind].name} WHERE id = ?", (record_id,))
            self.database.execute("DELETE FROM lineage WHERE child = ? OR parent = ?", (record_id, record_id))
            if kind is Session:
                self.database.execute("DELETE FROM session_keys WHERE session_id = ?", (record_id,))

    # ---- lineage ---------------------------------------------------------------------------------------------

    def parents(self, record_id: str) -> list[str]:
        """Ids that this record was made from."""
        sql = "SELECT parent FROM lineage WHERE child = ? ORDER BY parent"
        return [row[0] for row in self.database.execute(sql, (record_id,))]

    def children(self, record_id: str) -> list[str]:
        """Ids that were made from this record."""
        sql = "SELECT child FROM lineage WHERE parent = ? ORDER BY child"
        return [row[0] for row in self.database.execute(sql, (record_id,))]

    def resolve(self, abbreviation: str) -> tuple[type[Record], str]:
        """Return type and full id of the only record whose id starts or ends with `abbreviation`.

        Where none does, the only session whose client's id it is.

        Raises:
            InputError: no record does, or several do.
        """
        found: list[tuple[type[Record], str]] = []
        length = len(abbreviation)
        values: tuple[Value, ...] = (length, abbreviation, length, abbreviation)
        for kind, table in TABLES.items():
            if kind is Event and "/" not in abbreviation:
                continue  # an event's id begins with its session's
            same = "substr(id, 1, ?) = ? OR substr(id, length(id) - ? + 1) = ?"
            sql = f"SELECT id FROM {table.name} WHERE {same} LIMIT 3"
            found += [(kind, row[0]) for row in self.database.execute(sql, values)]
        if not found:
            sql = "SELECT id FROM sessions WHERE provider_session_id = ? LIMIT 3"
            found = [(Session, row[0]) for row in self.database.execute(sql, (abbreviation,))]
        exact = [item for item in found if item[1] == abbreviation]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if found:
            raise InputError(f"`{abbreviation}` is ambiguous: {', '.join(item[1] for item in found)}. Give more of it.")
        raise InputError(f"nothing here has the id `{abbreviation}`: `golddiff show` lists what there is.")

    # ---- sessions --------------------------------------------------------------------------------------------

    def sessions(self, **where: str | int | None) -> Iterator[Session[Clean]]:
        """Yield session headers, in order of import."""
        return self.find(Session, **where)

    def events(self, session_id: str) -> tuple[Event[Clean], ...]:
        """Return the events of one session in order."""
        return tuple(self.find(Event, session_id=session_id))

    def add_transcript(self, transcript: RedactedSession) -> tuple[ImportChange, str]:
        """Store a transcript once, however often it arrives; returns what it meant and the session's id.

        Sessions are compared by `record_hashes`: a stored session whose records all occur in the new one grew.
        """
        new = transcript.session
        hashes = set(new.record_hashes)
        change = ImportChange.NEW
        if new.provider_session_id is not None:
            for old in self.sessions(source=new.source, provider_session_id=new.provider_session_id):
                known = set(old.record_hashes)
                if known == hashes:
                    return ImportChange.SAME, old.id
                if hashes < known:
                    return ImportChange.OLDER, old.id
                if known < hashes:
                    self._replace(old.id, self._with_owner(transcript, old))
                    return ImportChange.GREW, old.id
                change = ImportChange.DIVERGED
        else:
            for old in self._alike(new):
                if old.record_hashes == new.record_hashes:
                    return ImportChange.SAME, old.id
                # Two sessions may begin alike (the client's own greeting), so only the same file grows.
                if old.source_path == new.source_path and old.source_path is not None:
                    shared = min(len(old.record_hashes), len(new.record_hashes))
                    if shared and old.record_hashes[:shared] == new.record_hashes[:shared]:
                        if shared == len(new.record_hashes):
                            return ImportChange.OLDER, old.id
                        self._replace(old.id, self._with_owner(transcript, old))
                        return ImportChange.GREW, old.id
        self._replace(new.id, transcript)
        return change, new.id

    def _alike(self, new: Session[Clean]) -> Iterator[Session[Clean]]:
        """Yield the sessions without a client's id that have this content or this file, oldest first."""
        keys = schema.session_keys(new)
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT id FROM sessions WHERE id IN (SELECT session_id FROM session_keys WHERE key IN ({marks})) "
        for (session_id,) in self.database.execute(sql + "ORDER BY rowid", keys):
            yield from self.find(Session, id=session_id)

    @staticmethod
    def _with_owner(transcript: RedactedSession, old: Session[Clean]) -> RedactedSession:
        """What was stated before about whose it is holds until something else is stated."""
        new = transcript.session
        header = msgspec.structs.replace(
            new, subject=new.subject or old.subject, parent_id=new.parent_id or old.parent_id
        )
        return Transcript(header, transcript.events)

    def _replace(self, session_id: str, transcript: RedactedSession) -> None:
        def events() -> Iterator[Event[Clean]]:
            for event in transcript.events:
                yield msgspec.structs.replace(event, id=f"{session_id}/{event.sequence}", session_id=session_id)

        with self.transaction():
            self.database.execute("DELETE FROM events WHERE session_id = ?", (session_id,))
            self._write([msgspec.structs.replace(transcript.session, id=session_id)])
            self._write(events())

    # ---- files beside the database ---------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The workspace folder on this machine."""
        return self.location.folder

    def folder(self, *parts: str) -> Path:
        """Return (and make) a folder below the workspace."""
        path = self.location.folder.joinpath(*parts)
        with _storage_errors(self.location):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def files(self, name: str) -> Path:
        """Return the file or folder of this name below the workspace, brought here first where it is kept elsewhere."""
        with _storage_errors(self.location):
            return self.keeper.bring(name)

    # ---- inside ----------------------------------------------------------------------------------------------

    def _is_empty(self) -> bool:
        try:
            return not any(self.database.execute(f"SELECT 1 FROM {table.name} LIMIT 1") for table in TABLES.values())
        except WorkspaceError:
            return False

    def _write(self, records: Iterable[Record]) -> None:
        """Insert or replace, a few hundred at a time; blobs and files are there before the rows that name them."""
        remaining = iter(records)
        while batch := list(islice(remaining, _WRITE_ROWS)):
            for kind, same in groupby(batch, type):
                table = TABLES[kind]
                texts: dict[bytes, str] = {}
                rows: dict[str, tuple[Value, ...]] = {}
                for record in same:
                    if table.files is not None:
                        self.keeper.publish(getattr(record, table.files))
                    body = codec.encode(record, texts.__setitem__)
                    columns = [searchable(getattr(record, column)) for column in table.columns]
                    rows[record.id] = (record.id, *columns, body)
                self.keeper.keep(texts)
                self.database.execute_many(_upsert(table), rows.values())
                if kind is Session:
                    self._remember([one for one in batch if isinstance(one, Session)])

    def _remember(self, sessions: list[Session[Clean]]) -> None:
        """Keep the keys by which `add_transcript` finds a session again that has no client's id."""
        list(rows_where_any(self.database, "DELETE FROM session_keys", "session_id", (one.id for one in sessions)))
        keys = [(key, one.id) for one in sessions for key in schema.session_keys(one)]
        if keys:
            sql = "INSERT INTO session_keys (key, session_id) VALUES (?, ?) ON CONFLICT (key, session_id) DO NOTHING"
            self.database.execute_many(sql, keys)


def _remove_if_unused(folder: Path) -> None:
    """Remove a workspace folder that holds nothing but the file that keeps it out of git."""
    with suppress(OSError):
        if {path.name for path in folder.iterdir()} <= {".gitignore"}:
            (folder / ".gitignore").unlink(missing_ok=True)
            folder.rmdir()


def open_backend(location: Location, *, write: bool) -> Backend:
    """Open the database of a workspace, without looking at its schema."""
    if location.database is None:
        return SQLiteBackend(location.folder, write=write)
    try:
        from golddiff.store.backends.postgres import PostgresBackend
    except ImportError as error:  # psycopg, or the libpq that it needs
        raise InputError(f"{location} needs psycopg: run `pip install 'golddiff[postgres]'`.") from error
    return PostgresBackend(location.database, write=write)


def _columns(table: Table, where: Mapping[str, str | int | None]) -> dict[str, Value]:
    if unknown := where.keys() - {"id", *table.columns}:
        raise TypeError(f"{table.name} cannot be searched by {sorted(unknown)}, only by id, {table.columns}")
    return {column: searchable(value) for column, value in where.items()}


@cache
def _upsert(table: Table) -> str:
    names = ("id", *table.columns, "body")
    updates = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}"


@contextmanager
def _storage_errors(location: Location) -> Iterator[None]:
    """Turn what zstd, the decoder and the file system say into one message with the next step."""
    try:
        yield
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise WorkspaceError(
            f"the workspace {location} is damaged ({error}): restore a backup of its database, or start another "
            "workspace and import again. Nothing was changed."
        ) from error
    except PermissionError as error:
        raise WorkspaceError(f"cannot write to {location.folder} ({error}): check permissions and the disk.") from error
    except OSError as error:
        if error.errno == ENOSPC:
            raise WorkspaceError(f"the disk that holds {location.folder} is full: free space and run again.") from error
        raise


__all__ = ["ImportChange", "Store"]
