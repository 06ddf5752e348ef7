"""An object is on a shelf whole or not at all, whatever kind of place the shelf is."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from golddiff.errors import InputError, WorkspaceError
from golddiff.store.shelf import FolderShelf, FsspecShelf, Shelf, open_shelf

from .conftest import BLOBS_URL


@pytest.fixture(params=["folder", "file", "memory", "local", "renamed", *(["url"] if BLOBS_URL else [])])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param in ("memory", "local", "renamed"):
        pytest.importorskip("fsspec")
    place = {"folder": str(tmp_path / "a b"), "file": (tmp_path / "a b").as_uri(), "local": f"local://{tmp_path}/a b"}
    place["url"] = f"{BLOBS_URL}/{uuid4()}"
    opened = open_shelf(place.get(request.param, f"memory://{tmp_path.name}-{request.param}"))
    if request.param == "renamed":
        opened._whole = False  # type: ignore[attr-defined]  # as on a file system without atomic puts
    return opened


def test_objects_come_back_as_they_were_stored(shelf: Shelf, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 100)
    shelf.write("a/b/one", b"\0first")
    shelf.write("a/b/one", b"\0second")
    shelf.upload(source, "a/two")
    shelf.write("ab", b"")
    assert shelf.read("a/b/one") == b"\0second"
    shelf.download("a/two", target)
    assert target.read_bytes() == source.read_bytes()
    assert list(shelf.keys("a")) == ["a/b/one", "a/two"]
    assert list(shelf.keys("ab")) == ["ab"]
    assert list(shelf.keys("none")) == []


def test_what_is_not_there_is_a_missing_file(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        shelf.read("none")
    with pytest.raises(FileNotFoundError):
        shelf.download("none", tmp_path / "target")


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = FolderShelf(tmp_path)
    shelf.write("a/one", b"first")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("golddiff.store.shelf.os.fsync", full)
    with pytest.raises(WorkspaceError, match="space"):
        shelf.write("a/one", b"second")
    monkeypatch.undo()
    assert shelf.read("a/one") == b"first"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["one"]


def test_a_place_that_refuses_is_a_clear_error_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    shelf = FsspecShelf("memory://key:secret@bucket/x")

    def refuses(*_: Any) -> None:
        raise RuntimeError("403 Forbidden")

    monkeypatch.setattr(shelf._system, "pipe_file", refuses, raising=False)
    with pytest.raises(WorkspaceError, match=r"403 Forbidden.*credentials") as caught:
        shelf.write("a", b"")
    assert "secret" not in str(caught.value)


def test_a_url_that_cannot_be_used_says_what_to_do() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="cannot be kept at nonsense"):
        open_shelf("nonsense://x")
