"""What the store asks of a database: five methods, and rows in and out.

The store writes common SQL with `?` for values; a backend runs it, maps what its library raises to `WorkspaceError`,
and holds the one right to write. Both are single-writer: SQLite by a file lock, PostgreSQL by an advisory lock that
lives exactly as long as the writer's connection.

How it fits: `Store` is the only caller, apart from `migrations`, `migrate` and `check`. What differs in the making of
tables is in `store.dialect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Protocol, TypeAlias

from golddiff.store.dialect import Dialect

Value: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = tuple[Any, ...]

_QUERIES = (1, 16, 128, 1024)  # values in one query: few sizes, so that its plan is kept


class Backend(Protocol):
    """One open database. Every method raises `WorkspaceError` where the database refuses or cannot be reached."""

    dialect: Dialect

    def execute(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and return its rows. Outside a transaction it is one of its own."""
        ...

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row, inside a transaction. No two rows of an upsert may have the same key."""
        ...

    def select(
        self, table: str, columns: Sequence[str], where: Mapping[str, Value], order: Sequence[str]
    ) -> Iterator[Row]:
        """Yield rows in bounded memory, in the order of the columns `order`, which together are unique."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, durable when the outermost block ends; an inner block joins the outer one."""
        ...

    def close(self) -> None:
        """Release the connection, and with it the right to write."""
        ...


def condition(where: Mapping[str, Value]) -> tuple[str, tuple[Value, ...]]:
    """SQL and values that hold where every column equals its value; None is found too."""
    parts = [f"{column} IS NULL" if value is None else f"{column} = ?" for column, value in where.items()]
    return " AND ".join(parts) or "1 = 1", tuple(value for value in where.values() if value is not None)


def rows_where_any(backend: Backend, select: str, column: str, values: Iterable[Value], end: str = "") -> Iterator[Row]:
    """Yield what `select` finds `WHERE column` is one of the values, in as few queries as there can be.

    `end`: what follows the condition, as `GROUP BY`; it holds for each query by itself.
    """
    remaining = iter(dict.fromkeys(values))
    while batch := list(islice(remaining, _QUERIES[-1])):
        size = next(size for size in _QUERIES if size >= len(batch))
        batch += batch[-1:] * (size - len(batch))
        marks = ", ".join("?" * size)
        yield from backend.execute(f"{select} WHERE {column} IN ({marks}){end}", batch)
