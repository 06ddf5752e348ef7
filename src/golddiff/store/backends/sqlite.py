"""SQLite in the workspace folder: the default, with nothing to install or to run.

Durability: WAL with `synchronous=FULL`, so a committed transaction survives power loss. One process writes and
checkpoints (an exclusive file lock); readers open the database read-only and never checkpoint. That, and the SQLite
that the `apsw` wheel brings, keep clear of SQLite's WAL-reset bug (3.7.0 to 3.51.2: two connections that write or
checkpoint at the same moment).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from golddiff.errors import InputError, WorkspaceError
from golddiff.store.backends.contract import Row, Value, condition
from golddiff.store.dialect import SQLITE, Dialect

FILE = "golddiff.sqlite"
_LOCK = "writer.lock"
_FIRST_SAFE_SQLITE = (3, 51, 3)


class SQLiteBackend:
    """One connection to `golddiff.sqlite`, and the lock of the folder when it writes."""

    dialect: Dialect = SQLITE

    def __init__(self, folder: Path, *, write: bool) -> None:
        """Open the database of `folder`, which exists; it is made when `write`.

        Raises:
            InputError: there is no database here and `write` is false.
            WorkspaceError: another process is writing, the file is corrupt, or the disk refuses.
        """
        if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < _FIRST_SAFE_SQLITE:
            raise WorkspaceError(
                f"SQLite {apsw.sqlite_lib_version()} can corrupt a WAL database (fixed in 3.51.3): "
                "run `pip install -U apsw`."
            )
        path = folder / FILE
        if not write and not path.exists():
            raise InputError(f"no golddiff workspace at {folder}: run `golddiff import PATH…` first.")
        self._folder = folder
        self.made = not path.exists()
        """Whether there was no database here before."""
        with self._errors():
            self._lock = _take_lock(folder) if write else None
            try:
                self._connection = _connect(path, write)
            except BaseException:
                self._release()
                raise

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        with self._errors():
            return list(self._connection.execute(sql, values))

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        with self._errors():
            self._connection.executemany(sql, rows)

    def select(
        self, table: str, columns: Sequence[str], where: Mapping[str, Value], order: Sequence[str]
    ) -> Iterator[Row]:
        test, values = condition(where)
        sql = f"SELECT {', '.join(columns)} FROM {table} WHERE {test} ORDER BY {', '.join(order)}"
        with self._errors():
            yield from self._connection.execute(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._errors():
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

    def close(self) -> None:
        """Close the database (a writer checkpoints) and release the writer lock."""
        self._connection.close()
        self._release()

    def _busy(self) -> bool:
        return self._connection.in_transaction

    def discard(self) -> None:
        """Close, and delete the database; for one that was made just now and holds nothing."""
        with self._errors():
            self._connection.close()
            for name in (f"{FILE}-wal", f"{FILE}-shm", FILE, _LOCK):
                (self._folder / name).unlink(missing_ok=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLite says into one message with the next step."""
        try:
            yield
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise WorkspaceError(
                f"the workspace {self._folder} is damaged ({error}): restore a backup of {FILE}, or move the folder "
                "away and import again. Nothing was changed."
            ) from error
        except apsw.FullError as error:
            raise WorkspaceError(
                f"the disk that holds {self._folder} is full: free space and run the same command again; it continues."
            ) from error
        except (apsw.ReadOnlyError, apsw.CantOpenError, apsw.IOError) as error:
            raise WorkspaceError(
                f"cannot write to {self._folder} ({error}): check permissions and the disk."
            ) from error


def _take_lock(folder: Path) -> int:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise WorkspaceError(
            f"another golddiff is writing to {folder}{f' (process {holder})' if holder else ''}: wait for it to end, "
            "or use another --workspace."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _connect(path: Path, write: bool) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if write else apsw.SQLITE_OPEN_READONLY
    connection = apsw.Connection(str(path), flags=flags)
    try:
        connection.set_busy_timeout(10_000)
        if write:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection
