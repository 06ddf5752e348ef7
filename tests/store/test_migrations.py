"""The migrations, run one after the other, give the schema that is declared, and never change once released."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pytest

from golddiff.store import ImportChange, Store, migrations, schema
from golddiff.store.backends.contract import Backend
from golddiff.store.backends.sqlite import SQLiteBackend
from golddiff.store.dialect import POSTGRES, SQLITE, Dialect
from golddiff.types import Clean, RedactedSession, Session, Transcript, new_id


class Written:
    """A database that only notes what it is told."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.said: list[str] = []

    def execute(self, sql: str) -> None:
        self.said.append(sql)

    def execute_many(self, sql: str, rows: list[object]) -> None:
        assert rows == []

    def select(self, *_: object) -> Iterator[tuple[object, ...]]:
        return iter(())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SQLiteBackend]:
    opened = SQLiteBackend(tmp_path, write=True)
    yield opened
    opened.close()


def shape(database: Backend) -> set[str]:
    return {row[0] for row in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def test_all_migrations_together_give_the_declared_schema(database: SQLiteBackend, tmp_path: Path) -> None:
    (tmp_path / "declared").mkdir()
    declared = SQLiteBackend(tmp_path / "declared", write=True)
    migrations.migrate(database)
    for statement in schema.create_statements(SQLITE):
        declared.execute(statement)
    assert shape(database) == shape(declared)
    declared.close()


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES])
def test_the_steps_make_in_both_dialects_what_is_declared(dialect: Dialect) -> None:
    written = Written(dialect)
    for step in migrations.MIGRATIONS:
        step(written)  # type: ignore[arg-type]
    if not any("ALTER TABLE" in said and "ADD COLUMN" in said for said in written.said):
        assert set(written.said) == set(schema.create_statements(dialect))


RELEASED = {
    "_m0001_first_shape": ("8a9efea5c10fd301", "ebefba5e3794874f"),
    "_m0002_grants": ("6e37d6582abc2bd5", "cef99e4739092a61"),
    "_m0003_attributions": ("f8417b8557640d2b", "d911fba84e30dd43"),
    "_m0004_snapshots_and_signals": ("fc5627332f04a2d9", "40580ee669fcb9b7"),
    "_m0005_settings": ("9357019d29319e62", "0849f6f79ef39431"),
    "_m0006_calls": ("8c12d5214c095002", "361364c17a424ccb"),
    "_m0007_session_keys": ("3531194ca169b183", "4415dc6640d852ce"),
    "_m0008_survivals": ("78794b76e16b4c94", "6cd197cb7560a098"),
}
"""Step → hash of what it says to SQLite and to PostgreSQL. A new step gets a line with its merge; no line changes."""


@pytest.mark.parametrize("step", migrations.MIGRATIONS, ids=lambda step: step.__name__)
def test_a_released_step_still_says_what_it_said(step: object) -> None:
    said = []
    for dialect in (SQLITE, POSTGRES):
        written = Written(dialect)
        step(written)  # type: ignore[operator]
        said.append(blake2b("\n".join(written.said).encode(), digest_size=8).hexdigest())
    name = step.__name__  # type: ignore[attr-defined]
    assert name in RELEASED, f"pin the new step: {name!r}: {tuple(said)}"
    assert RELEASED[name] == tuple(said), f"{name} is released: write a new step instead"


def test_released_steps_stay_in_their_order() -> None:
    assert [step.__name__ for step in migrations.MIGRATIONS] == list(RELEASED)


def test_a_migration_that_fails_is_not_counted(monkeypatch: pytest.MonkeyPatch, database: SQLiteBackend) -> None:
    def fails(database: Backend) -> None:
        database.execute("CREATE TABLE half (id)")
        raise RuntimeError

    monkeypatch.setattr(migrations, "MIGRATIONS", [fails])
    with pytest.raises(RuntimeError):
        migrations.migrate(database)
    assert migrations.current_version(database) == 0
    assert shape(database) == set()


def test_sessions_of_an_older_workspace_are_found_again_by_content_and_by_file(
    tmp_path: Path,
) -> None:
    def of(path: str | None, *hashes: str) -> RedactedSession:
        header = Session[Clean](
            id=new_id("ses"), source="aider", record_hashes=hashes, source_path=Clean(path) if path else None
        )
        return Transcript(header, ())

    with Store.open(tmp_path) as store:
        for transcript in (of("/a", "1"), of(None, "2")):
            store.add_transcript(transcript)
        store.database.execute("DROP TABLE session_keys")
        store.database.execute("DROP TABLE survivals")  # what the steps after it made
        store.database.execute("PRAGMA user_version = 6")
    with Store.open(tmp_path) as store:
        assert store.add_transcript(of("/a", "1", "3"))[0] is ImportChange.GREW
        assert store.add_transcript(of("/other", "2"))[0] is ImportChange.SAME
        assert store.add_transcript(of("/other", "4"))[0] is ImportChange.NEW
