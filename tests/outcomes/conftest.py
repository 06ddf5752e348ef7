"""The world that linking is tested in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from golddiff.store import Store
from outcomes.world import World


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with eight commits, built once."""
    folder = tmp_path_factory.mktemp("template")
    with Store.open(folder / "workspace") as store:
        return World(folder / "product", store).folder


@pytest.fixture
def world(tmp_path: Path, template: Path) -> Iterator[World]:
    """A copy of the repository, and an empty store."""
    with Store.open(tmp_path / "workspace") as store:
        yield World(tmp_path / "product", store, template)
