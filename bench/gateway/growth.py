"""A store that already holds many calls: those of a short run, copied inside the database until there are enough.

Every copy has ids, keys and texts' names of its own, so all indexes are as large as they would be. Its texts are cut to
`most_bytes`, because a million calls of 6 KB would take 14 GB: with that, pages that hold texts are fewer than they
would be, and all else is as it would be. Sending a million requests instead takes some 20 minutes of processor time.
Indexes are made anew behind the copying: sorted they are filled in a fraction of the time, and hold the same.
"""

from __future__ import annotations

from pathlib import Path

import apsw

_NAME = "lower(hex(randomblob(16)))"
_ID = "id || ?2 || printf('%07d', n)"
_COPIED = {
    "sessions": (_ID, "source", "provider_session_id", "parent_id", "subject", "body"),
    "events": (_ID, f"session_{_ID}", "sequence", "kind", "body"),
    "threads": (
        _ID, f"session_{_ID}", "scope", _NAME, _NAME, _NAME, "body",
    ),
    "calls": (
        _ID, f"session_{_ID}", f"thread_{_ID}", f"response_{_ID}", "key_id",
        "body",
    ),
    "session_keys": (f"'content_' || substr({_NAME}, 1, 24)", f"session_{_ID}"),
    "blobs": ("randomblob(16)", "substr(data, 1, ?2)"),
}  # fmt: skip


def grow(database: Path, calls: int, most_bytes: int) -> int:
    """Copy what a SQLite store holds until it has `calls` calls; return how many it has."""
    connection = apsw.Connection(str(database))
    try:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]  # type: ignore[index]
        connection.execute(
            "PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA cache_size = -2000000;"
            " PRAGMA temp_store = memory"
        )
        here = connection.execute("SELECT count(*) FROM calls").fetchone()[0]  # type: ignore[index]
        copies = max(0, round(calls / here) - 1)
        with connection:
            for table, columns in _COPIED.items() if copies else ():
                indexes = list(
                    connection.execute(
                        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
                        (table,),
                    )
                )
                for name, _ in indexes:
                    connection.execute(f"DROP INDEX {name}")
                connection.execute(f"CREATE TEMP TABLE copied AS SELECT * FROM {table} ORDER BY 1")
                second = most_bytes if table == "blobs" else f"~{here}~"
                connection.execute(
                    f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ?1) "
                    f"INSERT INTO {table} SELECT {', '.join(columns)} FROM copied CROSS JOIN s",
                    (copies, second),
                )
                connection.execute("DROP TABLE copied")
                for _, sql in indexes:
                    connection.execute(sql)
        connection.execute(f"PRAGMA journal_mode = {mode}")
        return int(connection.execute("SELECT count(*) FROM calls").fetchone()[0])  # type: ignore[index]
    finally:
        connection.close()
