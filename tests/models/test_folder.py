"""A model folder gets its name when all of it is on the disk, and not before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from golddiff.models.folder import put_in_place, write_atomically


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the disk, in order: `sync NAME` and `rename NAME`."""
    said: list[str] = []
    sync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        said.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        sync(descriptor)

    def note_replace(made: Path, final: Path) -> None:
        said.append(f"rename {Path(final).name}")
        replace(made, final)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    return said


def test_a_folder_is_renamed_after_everything_in_it_was_synced_and_its_name_is_synced_too(
    tmp_path: Path, asked: list[str]
) -> None:
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    for name in ("weights", "deep/table"):
        (made / name).write_text("x")
    put_in_place(made, tmp_path / "model")
    assert asked[-2:] == ["rename model", f"sync {tmp_path.name}"]
    assert set(asked[:-2]) == {"sync weights", "sync table", "sync deep", "sync made"}
    assert asked.index("sync table") < asked.index("sync deep") < asked.index("sync made")
    assert (tmp_path / "model" / "deep" / "table").read_text() == "x"


def test_a_file_is_synced_before_it_replaces_the_old_one(tmp_path: Path, asked: list[str]) -> None:
    write_atomically(tmp_path / "manifest.json", b"new")
    assert [said.split()[0] for said in asked] == ["sync", "rename", "sync"]
    assert asked[-1] == f"sync {tmp_path.name}"


def test_a_disk_that_cannot_sync_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "manifest.json"
    write_atomically(path, b"old")

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        write_atomically(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("manifest.json", b"old")]
