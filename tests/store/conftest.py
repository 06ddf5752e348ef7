"""Where the store's tests keep their workspaces: every kind of place that a workspace can be at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golddiff.errors import WorkspaceError
from golddiff.store import Location

if TYPE_CHECKING:
    from golddiff.store.backends.temporary import TemporaryPostgres

BLOBS_URL = os.environ.get("GOLDDIFF_TEST_BLOBS", "").rstrip("/")
"""An fsspec URL of a place that these tests may fill, such as a bucket; empty: they know none."""

_NUMBERS = count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    """A PostgreSQL server of the tests' own; skips where it cannot be had."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    from golddiff.store.backends.temporary import TemporaryPostgres

    try:
        server = TemporaryPostgres.start()
    except WorkspaceError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Location]:
    """Make an empty place of a kind: `sqlite` or `postgres`, and where texts go: ``, ` + folder` or ` + memory`."""

    def make(kind: str) -> Location:
        number = next(_NUMBERS)
        database, _, blobs = kind.partition(" + ")
        folder = tmp_path / f"workspace-{number}"
        url = None
        if database == "postgres":
            server = request.getfixturevalue("postgres")
            url = server.workspace(f"w{number}")
        if blobs == "memory":
            pytest.importorskip("fsspec", reason="fsspec is not installed")
        where = {
            "": None,
            "folder": str(tmp_path / f"shelf-{number}"),
            "memory": f"memory://shelf-{tmp_path.name}-{number}",
            "url": f"{BLOBS_URL}/{tmp_path.name}-{number}",
        }
        return Location(folder, database=url, blobs=where[blobs], blob_bytes=0)

    return make


@pytest.fixture(
    params=["sqlite", "sqlite + folder", "postgres", "postgres + memory", *(["sqlite + url"] if BLOBS_URL else [])]
)
def place(request: pytest.FixtureRequest, new_place: Callable[[str], Location]) -> Location:
    """An empty workspace, of every kind in turn."""
    return new_place(request.param)
