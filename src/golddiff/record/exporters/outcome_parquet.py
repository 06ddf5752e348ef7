"""Outcome rows as a Parquet file: the same fields and types as in JSON Lines, nested ones as lists of structs.

Needs pyarrow (`pip install 'golddiff[curate]'`), imported when it is used. Times are microseconds in UTC; reasons with
their counts (`not_followed`) are a map.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from golddiff.errors import InputError
from golddiff.record.exporters.outcome_rows import OutcomeRow, columns_of

_ROWS_AT_ONCE = 1_000


def write(path: Path, rows: Iterable[OutcomeRow]) -> int:
    """Write the rows to `path` and return how many there were.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("Parquet needs pyarrow: run `pip install 'golddiff[curate]'`, or --format jsonl.") from error
    schema = pyarrow.schema([_field(pyarrow, name, hint) for name, hint in columns_of(OutcomeRow).items()])
    written = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as file:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(msgspec.to_builtins(row, builtin_types=(datetime,)))
            if len(batch) == _ROWS_AT_ONCE:
                file.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
                written, batch = written + len(batch), []
        file.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
    return written + len(batch)


def _field(pyarrow: Any, name: str, hint: Any) -> Any:
    required = type(None) not in get_args(hint)
    return pyarrow.field(name, _kind(pyarrow, hint), nullable=not required)


def _kind(pyarrow: Any, hint: Any) -> Any:
    plain = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        datetime: pyarrow.timestamp("us", "UTC"),
    }
    if hint in plain:
        return plain[hint]
    if get_origin(hint) is tuple:
        return pyarrow.list_(_kind(pyarrow, get_args(hint)[0]))
    if get_origin(hint) is dict:
        return pyarrow.map_(pyarrow.string(), pyarrow.int64())
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return pyarrow.struct([_field(pyarrow, name, inner) for name, inner in columns_of(hint).items()])
    return _kind(pyarrow, next(one for one in get_args(hint) if one is not type(None)))
