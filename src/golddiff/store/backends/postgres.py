"""PostgreSQL, for a team: the same tables, one writer, any number of readers on any number of machines.

The writer holds a session advisory lock for as long as its connection lives, so a writer that dies, or whose machine
does, never has to be unlocked by hand. Several workspaces share a database by schema: add
`?options=-csearch_path%3DNAME` to the URL. A pooler between must pool sessions, not transactions.

Durability: `synchronous_commit` is turned on where the server has it off; `fsync` is the server's (`golddiff store
info` shows it).

A connection that breaks (server restarted, network gone) is an error for the transaction that was open, which the
server rolls back; the next statement outside a transaction connects again, and a writer takes its lock again.

Rows are read in pages by key, so a reader holds no cursor and no snapshot open, however slowly it reads.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from golddiff.errors import GolddiffError, InputError, WorkspaceError
from golddiff.store.backends.contract import Row, Value, condition
from golddiff.store.dialect import POSTGRES, Dialect
from golddiff.store.location import without_secrets

_PAGE_ROWS = 500
_STATEMENT_ROWS = (64, 8, 1)  # rows of one statement: few sizes, so that its plan is kept
_VALUES = re.compile(r"VALUES (\([?, ]+\))")
_LOCK = 0x676F6C64  # "gold": the first half of the advisory lock's key; the second is the schema
_LOCK_KEY = f"{_LOCK}, hashtext(current_schema())"
_PATIENCE: dict[str, str] = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # ms: a network that went away is an error within a minute, not within hours
}
_FAREWELL = ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3")
"""The server, too, notices within a minute that a writer's machine is gone, and lets its lock go."""
HOLDER = f"""
SELECT a.pid, a.usename, a.application_name, coalesce(host(a.client_addr), 'its own machine'), a.backend_start
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = {_LOCK}
  AND l.objid = (hashtext(current_schema())::bigint & 4294967295)::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class PostgresBackend:
    """One connection, and the right to write where it writes."""

    dialect: Dialect = POSTGRES

    def __init__(self, url: str, *, write: bool) -> None:
        """Connect to `url`; the schema's table of versions is made when `write`.

        Raises:
            InputError: there is no workspace here and `write` is false, or the URL is not one.
            WorkspaceError: another process is writing, or the server refuses or is not there.
        """
        self._url = url
        self._name = without_secrets(url)
        self._write = write
        self._inside = False
        self._server_pid = 0
        self._application = f"golddiff {platform.node()[:32]} {os.getpid()}"
        self._connection = self._connect()
        if self.execute("SELECT to_regclass('golddiff_schema') IS NOT NULL")[0][0]:
            return
        if write:
            with self.transaction():
                self.execute("CREATE TABLE golddiff_schema (version INTEGER NOT NULL)")
                self.execute("INSERT INTO golddiff_schema VALUES (0)")
        else:
            self.close()
            raise InputError(f"no golddiff workspace at {self._name}: run `golddiff import PATH…` first.")

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        try:
            return self._run(sql, values)
        except psycopg.Error as error:
            if self._inside or not self._lost(error):
                raise self._explained(error) from error
        self._connection = self._connect()
        try:
            return self._run(sql, values)
        except psycopg.Error as error:
            raise self._explained(error) from error

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        found = _VALUES.search(sql)
        remaining = list(rows)
        try:
            if found is None:
                with self._connection.cursor() as cursor:
                    cursor.executemany(_query(sql), remaining)
                return
            for size in _STATEMENT_ROWS:  # a statement of many rows costs a fraction of as many statements
                whole = len(remaining) - len(remaining) % size
                for at in range(0, whole, size):
                    values = [value for row in remaining[at : at + size] for value in row]
                    self._connection.execute(_query(_of_many_rows(sql, size)), values)
                remaining = remaining[whole:]
        except psycopg.Error as error:
            raise self._explained(error) from error

    def select(
        self, table: str, columns: Sequence[str], where: Mapping[str, Value], order: Sequence[str]
    ) -> Iterator[Row]:
        test, values = condition(where)
        keys = ", ".join(order)
        begin = f"SELECT {', '.join((*columns, *order))} FROM {table} WHERE {test}"
        end = f" ORDER BY {keys} LIMIT {_PAGE_ROWS}"
        rows = self.execute(begin + end, values)
        while rows:
            for row in rows:
                yield row[: len(columns)]
            if len(rows) < _PAGE_ROWS:
                return
            after = f" AND ({keys}) > ({', '.join('?' * len(order))})"
            rows = self.execute(begin + after + end, (*values, *rows[-1][len(columns) :]))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._inside:
            yield
            return
        self.execute("BEGIN")
        self._inside = True
        try:
            yield
            if self._connection.info.transaction_status is TransactionStatus.INERROR:
                raise WorkspaceError(
                    f"an earlier statement of this transaction failed at {self._name}, so nothing of it was kept: "
                    "run the same command again."
                )
            self._commit()
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._inside = False

    def close(self) -> None:
        self._connection.close()

    # ---- inside ----------------------------------------------------------------------------------------------

    def _run(self, sql: str, values: Sequence[Value]) -> list[Row]:
        cursor = self._connection.execute(_query(sql), values or None, binary=True)
        return cursor.fetchall() if cursor.description else []

    def _commit(self) -> None:
        try:
            self._connection.execute(b"COMMIT")
        except psycopg.Error as error:
            if not self._lost(error):
                raise self._explained(error) from error
            raise WorkspaceError(
                f"{self._name} went away while it committed ({_said(error)}), so it is not known whether the last "
                "records were kept: run the same command again, it stores nothing twice."
            ) from error

    def _roll_back(self) -> None:
        if not self._connection.closed:
            try:
                self._connection.execute(b"ROLLBACK")
            except psycopg.Error:
                self._connection.close()  # the server rolls back what a closed connection had open

    def _connect(self) -> psycopg.Connection[Row]:
        try:
            given = conninfo_to_dict(self._url)
        except psycopg.Error as error:
            raise InputError(f"{self._name} is no PostgreSQL URL ({_said(error)}).") from error
        patience: dict[str, Any] = {name: value for name, value in _PATIENCE.items() if name not in given}
        try:
            connection = psycopg.connect(
                self._url, autocommit=True, client_encoding="utf8", application_name=self._application, **patience
            )
        except psycopg.Error as error:
            raise WorkspaceError(
                f"no connection to {self._name} ({_said(error)}): start the server, or correct the URL or the password "
                "(a ~/.pgpass line or PGPASSWORD keeps it out of the command line)."
            ) from error
        try:
            self._prepare(connection)
        except psycopg.Error as error:
            connection.close()
            raise self._explained(error) from error
        except BaseException:
            connection.close()
            raise
        self._server_pid = connection.info.backend_pid
        return connection

    def _prepare(self, connection: psycopg.Connection[Row]) -> None:
        encoding, schema = _first(connection, "SELECT current_setting('server_encoding'), current_schema()")
        if encoding != "UTF8":
            raise WorkspaceError(
                f"{self._name} stores text as {encoding}, golddiff needs UTF8: CREATE DATABASE … ENCODING 'UTF8'."
            )
        if schema is None:
            raise WorkspaceError(
                f"the schema that {self._name} names is not there: create it with CREATE SCHEMA, and run again."
            )
        if not self._write:
            connection.execute(b"SET default_transaction_read_only = on")
            return
        connection.execute(
            b"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        for setting in _FAREWELL:
            connection.execute(f"SET {setting}".encode())
        for last_try in (False, True):
            if _first(connection, f"SELECT pg_try_advisory_lock({_LOCK_KEY})")[0]:
                return
            holder = connection.execute(HOLDER.encode()).fetchone()
            if holder and not last_try and (holder[0], holder[2]) == (self._server_pid, self._application):
                connection.execute("SELECT pg_terminate_backend(%s, 5000)", (holder[0],))  # our own, cut off
                continue
            raise WorkspaceError(
                f"another golddiff is writing to {self._name} ({shown_holder(holder)}): wait for it to end, or use "
                "another --workspace."
            )

    def _explained(self, error: psycopg.Error) -> GolddiffError:
        """Turn what PostgreSQL says into one message with the next step."""
        state, said = error.sqlstate or "", _said(error)
        if self._lost(error):
            return WorkspaceError(
                f"{self._name} went away ({said}), and nothing of the open transaction was kept: run the same command "
                "again when the server is back; it continues."
            )
        if state == "53100":
            return WorkspaceError(f"the disk of {self._name} is full: free space there and run the same command again.")
        if state in ("42501", "25006"):
            return WorkspaceError(f"{self._name} does not permit that ({said}): grant it to this user, or use another.")
        if state.startswith("XX"):
            return WorkspaceError(f"the workspace {self._name} is damaged ({said}): restore a backup of the database.")
        return WorkspaceError(f"{self._name} refused ({said}); nothing of the transaction was kept.")

    def _lost(self, error: psycopg.Error) -> bool:
        """Whether the connection is gone; one that failed without the server's word is not used again."""
        if not hasattr(self, "_connection"):
            return False
        if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            self._connection.close()
        return self._connection.closed


def _first(connection: psycopg.Connection[Row], sql: str) -> Row:
    row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return row


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def shown_holder(holder: Row | None) -> str:
    """Who holds the lock, in words, from a row of `HOLDER`."""
    if holder is None:
        return "it ended just now: run again"
    pid, user, application, machine, since = holder
    who = application or f"user {user}" if application or user else "another user"
    return f"{who}, from {machine}, since {since:%Y-%m-%d %H:%M:%S %Z}, server process {pid}"


@lru_cache(512)
def _query(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


@lru_cache(512)
def _of_many_rows(sql: str, rows: int) -> str:
    return _VALUES.sub(lambda found: f"VALUES {', '.join([found[1]] * rows)}", sql)
