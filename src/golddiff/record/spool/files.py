"""The file operations that a segment needs, as an interface, so that tests can record them and make them fail.

How it fits: `segments` appends through `CreateFile`; `create_file` is the real one. Tests replay the recorded
operations into every state that a power cut could leave, and inject errors and delays that a disk would give.

A lock (`flock`) held by the writer as long as it may append tells a reader whether a segment can still grow.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeAlias


class SegmentFile(Protocol):
    """A file that was just created, empty and already listed durably in its folder; only appended to."""

    def append(self, data: bytes) -> None:
        """Write `data` and return when it is on the device.

        Raises OSError where not all of it is; the file must not be appended to again.
        """
        ...

    def fileno(self) -> int:
        """Descriptor through which another process may append."""
        ...

    def is_listed(self) -> bool:
        """Whether the file is still found under its path (it may have been deleted, its folder replaced)."""
        ...

    def close(self) -> None:
        """Give the file up; never raises."""
        ...


CreateFile: TypeAlias = Callable[[Path], SegmentFile]
"""Raises FileExistsError where the path is taken, else OSError."""


def create_file(path: Path) -> SegmentFile:
    """Create `path`, and its folder where that is missing, lock it, and sync the folder.

    The file gets its name when it is locked, so that no reader takes it for one whose writer is gone. It is open with
    O_DSYNC: each write ends with the sync of `fdatasync`, in one system call, between whose parts no other thread of
    Python has to be waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(path.name + ".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_DSYNC | os.O_CLOEXEC
    fd = os.open(new, flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        new.rename(path)
        sync_folder(path.parent)
        return _Disk(fd, path)
    except BaseException:
        os.close(fd)
        new.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_being_written(path: Path) -> bool:
    """Whether some process still holds the segment open to append. Raises FileNotFoundError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class _Disk:
    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self._path = path
        self._made = os.fstat(fd)

    def append(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        while written < len(data):
            written += os.write(self._fd, data[written:])

    def fileno(self) -> int:
        return self._fd

    def is_listed(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), self._made)
        except OSError:
            return False

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)
