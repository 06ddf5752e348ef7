"""The migrations, run one after the other, give the schema that is declared."""

from __future__ import annotations

import apsw
import pytest

from golddiff.store import migrations, schema


def shape(connection: apsw.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def test_all_migrations_together_give_the_declared_schema() -> None:
    migrated, declared = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    migrations.migrate(migrated)
    for statement in schema.create_statements():
        declared.execute(statement)
    assert shape(migrated) == shape(declared)


def test_a_migration_that_fails_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE half (id)")
        raise RuntimeError

    connection = apsw.Connection(":memory:")
    monkeypatch.setattr(migrations, "MIGRATIONS", [fails])
    with pytest.raises(RuntimeError):
        migrations.migrate(connection)
    assert migrations.current_version(connection) == 0
    assert shape(connection) == set()
