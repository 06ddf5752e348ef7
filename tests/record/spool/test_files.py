"""A segment's file is locked before anyone can see it, and its own for ever."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from golddiff.record.spool import files
from golddiff.record.spool.files import create_file, is_being_written


def test_a_file_is_being_written_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "0.spool"
    file = create_file(path)
    assert is_being_written(path)
    file.append(b"abc")
    assert file.is_listed()
    file.close()
    file.close()
    assert not is_being_written(path)
    assert path.read_bytes() == b"abc"
    assert [found.name for found in path.parent.iterdir()] == ["0.spool"]


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "0.spool"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        create_file(path)
    assert path.read_bytes() == b"mine"


def test_no_reader_sees_a_file_that_is_not_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    real = files.fcntl.flock

    def watching(fd: int, operation: int) -> None:
        seen.append((tmp_path / "0.spool").exists())
        real(fd, operation)

    monkeypatch.setattr(files.fcntl, "flock", watching)
    create_file(tmp_path / "0.spool").close()
    assert seen == [False]


def test_a_file_that_could_not_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", failing)
    with pytest.raises(OSError, match="No locks"):
        create_file(tmp_path / "0.spool")
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_deleted_or_replaced_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "0.spool"
    file = create_file(path)
    path.unlink()
    assert not file.is_listed()
    path.write_bytes(b"")
    assert not file.is_listed()
    file.close()


def test_a_short_write_is_gone_on_with_until_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = create_file(tmp_path / "0.spool")
    real = os.write
    calls: list[int] = []

    def some(fd: int, data: bytes) -> int:
        calls.append(fd)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data[:2])

    monkeypatch.setattr(files.os, "write", some)
    file.append(b"abcd")
    with pytest.raises(OSError, match="No space left"):
        file.append(b"ef")
    assert (tmp_path / "0.spool").read_bytes() == b"abcd"
    file.close()
