"""Disks that fail as real ones do, and a record of what was asked of them, to replay a power cut from.

They stand in for `record.spool.files.create_file`. What they do to files is real, so that a reader can read them.
"""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from golddiff.record.spool.files import SegmentFile, create_file

SECTOR = 512

FULL = bool(os.environ.get("GOLDDIFF_FAULTS"))
"""Whether `make test-faults` asked for the long form of these tests."""


@dataclass(frozen=True)
class Operation:
    """What was done to a file, in order; `ack` is the moment a call was acknowledged."""

    kind: str
    """create, write, sync or ack."""
    name: str
    """Of the file, or the call's id."""
    data: bytes = b""


@dataclass
class Disk:
    """A disk of limited size whose operations are recorded, delayed or made to fail."""

    recording: bool = True
    """Whether operations are kept, with all data that was written."""
    operations: list[Operation] = field(default_factory=list)
    room_bytes: float = float("inf")
    sync_sec: float = 0.0
    fail_sync: Callable[[int], int] = lambda count: 0
    """Number of the sync, from 1 (that of a header) → errno, or 0."""
    syncs: int = 0
    after_failure: list[str] = field(default_factory=list)
    """Files that were appended to after that had failed: there must be none."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, path: Path) -> SegmentFile:
        if self.room_bytes <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        file = _File(self, create_file(path), path)
        self._log("create", path.name)
        return file

    def ack(self, call_id: str) -> None:
        """Note that a call was acknowledged."""
        self._log("ack", call_id)

    def _log(self, kind: str, name: str, data: bytes = b"") -> None:
        if self.recording:
            with self.lock:
                self.operations.append(Operation(kind, name, data))


class _File:
    def __init__(self, disk: Disk, real: SegmentFile, path: Path) -> None:
        self._disk, self._real, self._path = disk, real, path
        self._may_append = True

    def append(self, data: bytes) -> None:
        if not self._may_append:
            self._disk.after_failure.append(self._path.name)
        self._may_append = False
        fits = data[: int(min(len(data), max(0, self._disk.room_bytes)))]
        self._real.append(fits)
        self._disk.room_bytes -= len(fits)
        self._disk._log("write", self._path.name, fits)
        self._disk.syncs += 1
        time.sleep(self._disk.sync_sec)
        if number := self._disk.fail_sync(self._disk.syncs):
            raise OSError(number, os.strerror(number))
        self._disk._log("sync", self._path.name)
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        self._may_append = True

    def fileno(self) -> int:
        return self._real.fileno()

    def is_listed(self) -> bool:
        return self._real.is_listed()

    def close(self) -> None:
        self._real.close()


def crash_states(
    operations: list[Operation], rng: random.Random, subsets: int
) -> Iterator[tuple[set[str], dict[str, bytes]]]:
    """Return every state that a power cut may leave: (ids acknowledged before it, files).

    After each operation: none of the writes that were not synced, all of them, the last one torn at a sector, and
    `subsets` random choices of their sectors. Names of files are durable when `create` returned.
    """
    synced: dict[str, bytes] = {}
    waiting: dict[str, list[bytes]] = {}
    acked: set[str] = set()
    for operation in operations:
        if operation.kind == "create":
            synced[operation.name], waiting[operation.name] = b"", []
        elif operation.kind == "write":
            waiting[operation.name].append(operation.data)
        elif operation.kind == "sync":
            synced[operation.name] += b"".join(waiting[operation.name])
            waiting[operation.name] = []
        else:
            acked.add(operation.name)
        yield set(acked), dict(synced)
        if not any(waiting.values()):
            continue
        yield set(acked), {name: synced[name] + b"".join(waiting[name]) for name in synced}
        yield set(acked), {name: _torn(synced[name], waiting[name], rng) for name in synced}
        for _ in range(subsets):
            yield set(acked), {name: _subset(synced[name], waiting[name], rng) for name in synced}


def _torn(synced: bytes, waiting: list[bytes], rng: random.Random) -> bytes:
    if not waiting:
        return synced
    whole = synced + b"".join(waiting[:-1])
    end = (len(whole) // SECTOR + 1 + rng.randrange(1 + len(waiting[-1]) // SECTOR)) * SECTOR
    return (whole + waiting[-1])[:end]


def _subset(synced: bytes, waiting: list[bytes], rng: random.Random) -> bytes:
    """Some sectors arrived, others read as zeros; the file is as long as its last sector that arrived."""
    image = bytearray(synced + b"".join(waiting))
    end = len(synced)
    for start in range(len(synced) // SECTOR * SECTOR, len(image), SECTOR):
        first, last = max(start, len(synced)), min(start + SECTOR, len(image))
        if rng.random() < 0.5:
            end = last
        else:
            image[first:last] = bytes(last - first)
    return bytes(image[:end])
