"""The world that linking is tested in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from golddiff.store import Store
from outcomes.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A repository with eight commits, and an empty store."""
    with Store.open(tmp_path / "workspace") as store:
        yield World(tmp_path / "product", store)
