"""One workspace folder: `golddiff.sqlite` (rows, blobs, lineage) beside folders for datasets, checkpoints, reports.

Durability: WAL with `synchronous=FULL`, so a committed transaction survives power loss. One process writes and
checkpoints (an exclusive file lock); readers open the database read-only and never checkpoint. That, and the SQLite
that the `apsw` wheel brings, keep clear of SQLite's WAL-reset bug (3.7.0 to 3.51.2: two connections that write or
checkpoint at the same moment).

Not covered: more than one writing machine (that is PostgreSQL's part of ARCHITECTURE.md).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import apsw
import msgspec
import zstandard

from golddiff.errors import InputError, WorkspaceError
from golddiff.store import codec, migrations
from golddiff.store.schema import TABLES
from golddiff.types import Clean, Event, Record, RedactedSession, Session, Transcript

RecordT = TypeVar("RecordT", bound=Record)

_FIRST_SAFE_SQLITE = (3, 51, 3)
_FILE = "golddiff.sqlite"


class ImportChange(StrEnum):
    """What an imported transcript meant for the store."""

    NEW = "new"
    SAME = "same"  # every record already here: no new rows
    GREW = "grew"  # the stored session's records all occur in it: updated in place
    OLDER = "older"  # an earlier state of what is here: no new rows
    DIVERGED = "diverged"  # the same provider id, other content: a second session


class Store:
    """Records of one workspace. Open with `Store.open`; use as a context manager."""

    def __init__(self, folder: Path, connection: apsw.Connection, lock: int | None) -> None:
        self._folder = folder
        self._connection = connection
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, *, write: bool = True) -> Self:
        """Open `folder`, making it when `write`; readers see the last committed state.

        Raises:
            InputError: there is no workspace here and `write` is false.
            WorkspaceError: another process is writing, the database is corrupt or newer, or the disk refuses.
        """
        if _sqlite_version() < _FIRST_SAFE_SQLITE:
            raise WorkspaceError(
                f"SQLite {apsw.sqlite_lib_version()} can corrupt a WAL database (fixed in 3.51.3): "
                "run `pip install -U apsw`."
            )
        path = folder / _FILE
        if not write and not path.exists():
            raise InputError(f"no golddiff workspace at {folder}: run `golddiff import PATH…` first.")
        lock = None
        with _storage_errors(folder):
            if write:
                folder.mkdir(parents=True, exist_ok=True)
                ignore = folder / ".gitignore"
                if not ignore.exists():  # a workspace inside a repository must never be committed
                    ignore.write_text("*\n")
                lock = _take_lock(folder)
            try:
                connection = _connect(path, write)
            except BaseException:
                if lock is not None:
                    os.close(lock)
                raise
        return cls(folder, connection, lock)

    def close(self) -> None:
        """Close the database (a writer checkpoints) and release the writer lock."""
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what is put inside is on disk when the outermost block ends, or none of it is.

        A block inside a block joins it; an error in it must therefore leave the outer block too.
        """
        with _storage_errors(self._folder):
            if self._busy():
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._busy():  # on a full disk SQLite has rolled back by itself
                    self._connection.execute("ROLLBACK")
                raise

    # ---- any record ------------------------------------------------------------------------------------------

    def put(self, *records: Record, parents: Iterable[str] = ()) -> None:
        """Insert or replace by id. Where `parents` are given, they become the ancestors of each record, all of them."""
        ancestors = tuple(dict.fromkeys(parents))
        with self.transaction():
            for record in records:
                self._put(record)
                if ancestors:
                    self._connection.execute("DELETE FROM lineage WHERE child = ?", (record.id,))
                    edges = ((ancestor, record.id) for ancestor in ancestors)
                    self._connection.executemany("INSERT INTO lineage VALUES (?, ?)", edges)

    def get(self, kind: type[RecordT], record_id: str) -> RecordT:
        """Return the record. Raises `InputError` where there is none."""
        for record in self.find(kind, id=record_id):
            return record
        raise InputError(f"no {kind.__name__.lower()} with id {record_id}: `golddiff show` lists what there is.")

    def find(self, kind: type[RecordT], /, **where: str | int | None) -> Iterator[RecordT]:
        """Yield records whose columns equal `where` (see `schema.TABLES`), in order of insertion."""
        table = TABLES[kind]
        if unknown := where.keys() - {"id", *table.columns}:
            raise TypeError(f"{table.name} cannot be searched by {sorted(unknown)}, only by id, {table.columns}")
        condition = " AND ".join(f"{column} IS ?" for column in where) or "1"
        order = "session_id, sequence" if kind is Event else "rowid"
        sql = f"SELECT body FROM {table.name} WHERE {condition} ORDER BY {order}"
        with _storage_errors(self._folder):
            for (body,) in self._connection.execute(sql, tuple(where.values())):
                yield codec.decode(body, table.decode_type, self._blob)

    def count(self, kind: type[Record], /, **where: str | int | None) -> int:
        """Number of records that `find` would yield."""
        condition = " AND ".join(f"{column} IS ?" for column in where) or "1"
        sql = f"SELECT count(*) FROM {TABLES[kind].name} WHERE {condition}"
        row = self._rows(sql, tuple(where.values()))
        return int(row[0][0]) if row else 0

    def remove(self, kind: type[Record], record_id: str) -> None:
        """Delete one record and its lineage edges; its blobs stay until erasure sweeps them."""
        with self.transaction():
            self._connection.execute(f"DELETE FROM {TABLES[kind].name} WHERE id = ?", (record_id,))
            self._connection.execute("DELETE FROM lineage WHERE child = ?1 OR parent = ?1", (record_id,))

    # ---- lineage ---------------------------------------------------------------------------------------------

    def parents(self, record_id: str) -> list[str]:
        """Ids that this record was made from."""
        return [row[0] for row in self._rows("SELECT parent FROM lineage WHERE child = ?", (record_id,))]

    def children(self, record_id: str) -> list[str]:
        """Ids that were made from this record."""
        return [row[0] for row in self._rows("SELECT child FROM lineage WHERE parent = ?", (record_id,))]

    def resolve(self, abbreviation: str) -> tuple[type[Record], str]:
        """Return type and full id of the only record whose id starts or ends with `abbreviation`.

        Raises:
            InputError: no record does, or several do.
        """
        found: list[tuple[type[Record], str]] = []
        pattern = abbreviation.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
        for kind, table in TABLES.items():
            if kind is Event and "/" not in abbreviation:
                continue  # an event's id begins with its session's
            sql = f"SELECT id FROM {table.name} WHERE id GLOB ? OR id GLOB ? LIMIT 3"
            found += [(kind, row[0]) for row in self._rows(sql, (f"{pattern}*", f"*{pattern}"))]
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
            for old in self.sessions(source=new.source, provider_session_id=None):
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

    @staticmethod
    def _with_owner(transcript: RedactedSession, old: Session[Clean]) -> RedactedSession:
        """What was stated before about whose it is holds until something else is stated."""
        new = transcript.session
        header = msgspec.structs.replace(
            new, subject=new.subject or old.subject, parent_id=new.parent_id or old.parent_id
        )
        return Transcript(header, transcript.events)

    def _replace(self, session_id: str, transcript: RedactedSession) -> None:
        with self.transaction():
            self._connection.execute("DELETE FROM events WHERE session_id = ?", (session_id,))
            self._put(msgspec.structs.replace(transcript.session, id=session_id))
            for event in transcript.events:
                event_id = f"{session_id}/{event.sequence}"
                self._put(msgspec.structs.replace(event, id=event_id, session_id=session_id))

    # ---- files beside the database ---------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The workspace folder."""
        return self._folder

    def folder(self, *parts: str) -> Path:
        """Return (and make) a folder below the workspace."""
        path = self._folder.joinpath(*parts)
        with _storage_errors(self._folder):
            path.mkdir(parents=True, exist_ok=True)
        return path

    # ---- inside ----------------------------------------------------------------------------------------------

    def _busy(self) -> bool:
        return self._connection.in_transaction

    def _rows(self, sql: str, values: tuple[str | int | None, ...]) -> list[tuple[Any, ...]]:
        with _storage_errors(self._folder):
            return list(self._connection.execute(sql, values))

    def _put(self, record: Record) -> None:
        table = TABLES[type(record)]
        body = codec.encode(record, self._keep)
        columns = [getattr(record, column) for column in table.columns]
        updates = ", ".join(f"{name} = excluded.{name}" for name in (*table.columns, "body"))
        marks = ", ".join("?" * (len(columns) + 2))
        sql = f"INSERT INTO {table.name} VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}"
        self._connection.execute(sql, (record.id, *columns, body))

    def _keep(self, address: bytes, text: str) -> None:
        if self._connection.execute("SELECT 1 FROM blobs WHERE hash = ?", (address,)).fetchone() is None:
            data = codec.compress(text.encode("utf-8", "surrogatepass"))
            self._connection.execute("INSERT INTO blobs VALUES (?, ?)", (address, data))

    def _blob(self, address: bytes) -> str:
        row = self._connection.execute("SELECT data FROM blobs WHERE hash = ?", (address,)).fetchone()
        if row is None:
            raise WorkspaceError(f"blob {address.hex()} is missing from {self._folder / _FILE}: restore a backup.")
        text = codec.decompress(row[0]).decode("utf-8", "surrogatepass")
        if codec.blob_hash(text) != address:
            raise WorkspaceError(f"blob {address.hex()} in {self._folder / _FILE} is damaged: restore a backup.")
        return text


def _sqlite_version() -> tuple[int, ...]:
    return tuple(int(part) for part in apsw.sqlite_lib_version().split("."))


def _take_lock(folder: Path) -> int:
    descriptor = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise WorkspaceError(
            f"another golddiff is writing to {folder}: wait for it to end, or use another --workspace."
        ) from None
    return descriptor


def _connect(path: Path, write: bool) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if write else apsw.SQLITE_OPEN_READONLY
    connection = apsw.Connection(str(path), flags=flags)
    try:
        connection.set_busy_timeout(10_000)
        if write:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            migrations.migrate(connection)
        elif migrations.current_version(connection) != len(migrations.MIGRATIONS):
            raise WorkspaceError(
                f"{path} has another schema version: run any writing command once, or upgrade golddiff."
            )
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Turn what SQLite, zstd and the file system say into one message with the next step."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError, zstandard.ZstdError, msgspec.DecodeError) as error:
        raise WorkspaceError(
            f"the workspace {folder} is damaged ({error}): restore a backup of {_FILE}, or move the folder away "
            "and import again. Nothing was changed."
        ) from error
    except apsw.FullError as error:
        raise WorkspaceError(
            f"the disk that holds {folder} is full: free space and run the same command again; it continues."
        ) from error
    except (apsw.ReadOnlyError, apsw.CantOpenError, apsw.IOError, PermissionError) as error:
        raise WorkspaceError(f"cannot write to {folder} ({error}): check permissions and the disk.") from error
    except OSError as error:
        if error.errno == 28:
            raise WorkspaceError(f"the disk that holds {folder} is full: free space and run again.") from error
        raise


__all__ = ["ImportChange", "Store"]
