"""One segment as its writer sees it: where it is, how far it goes, which calls are in it.

    <worker>-<sequence>-<random>.spool

The sequence says the order of a worker's segments, the random part keeps a name from ever meaning two files. A
segment is only ever appended to by the process that made it, and not again after any of its operations failed.

How it fits: `recorder` decides what to write and when to give a segment up; `reader` reads them.
"""

from __future__ import annotations

import errno
import re
import secrets
from contextlib import suppress
from pathlib import Path

from golddiff.errors import UsageError
from golddiff.record.spool.files import CreateFile, SegmentFile
from golddiff.record.spool.frames import END, FORMAT_VERSION, Header, frame, header_frame

SUFFIX = ".spool"
_WORKER = re.compile(r"[A-Za-z0-9_.]{1,64}")
_NAME = re.compile(r"([A-Za-z0-9_.]{1,64})-([0-9]{10})-[0-9a-f]{8}\.spool")
_TRIES = 100


def parse_name(name: str) -> tuple[str, int] | None:
    """Return (worker, sequence) of a segment's file name; None where it is none."""
    match = _NAME.fullmatch(name)
    return (match.group(1), int(match.group(2))) if match else None


def check_worker(worker: str) -> str:
    """Return `worker`. Raises UsageError where it cannot be part of a file name."""
    if not _WORKER.fullmatch(worker):
        raise UsageError(f"worker {worker!r}: 1 to 64 letters, digits, dots or underscores are allowed")
    return worker


def last_sequence(folder: Path, worker: str) -> int:
    """Return the highest sequence of the worker's segments in `folder`; 0 where there is none."""
    names = (parse_name(path.name) for path in folder.glob(f"{worker}-*{SUFFIX}"))
    return max((sequence for found in names if found and found[0] == worker for sequence in [found[1]]), default=0)


class Segment:
    """A segment that is being written."""

    def __init__(self, file: SegmentFile, name: str, header: Header) -> None:
        self._file = file
        self.name = name
        self.sequence = header.sequence
        self._salt = header.salt
        first = header_frame(header)
        self._file.append(first)
        self.size_bytes = len(first)

    def fileno(self) -> int:
        """Descriptor through which another process may append; `grew` is told what it did."""
        return self._file.fileno()

    def frame(self, kind: int, payload: bytes) -> bytes:
        """Return a frame for the end of the segment."""
        return frame(kind, payload, self._salt, self.size_bytes)

    def grew(self, by: int) -> None:
        """Another process appended so many bytes."""
        self.size_bytes += by

    def append(self, frame: bytes) -> None:
        """Write a frame and return when it is on the device, under the segment's name.

        Raises OSError, which is FileNotFoundError where the segment is not under its name any more.
        """
        self._file.append(frame)
        self.size_bytes += len(frame)
        if not self._file.is_listed():
            raise FileNotFoundError(errno.ENOENT, "the segment was deleted or moved while it was written", self.name)

    def finish(self) -> None:
        """Say in the file that nothing follows, as far as that is possible, and close it."""
        try:
            with suppress(OSError):  # the lock is gone with the file, which says the same to a reader
                self.append(self.frame(END, b""))
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Close the file as it is."""
        self._file.close()


def open_segment(
    folder: Path, worker: str, after_sequence: int, window_bytes: int, suspect: str, create: CreateFile
) -> Segment:
    """Create the worker's next segment. Raises OSError."""
    for sequence in range(after_sequence + 1, after_sequence + 1 + _TRIES):
        name = f"{worker}-{sequence:010d}-{secrets.token_hex(4)}{SUFFIX}"
        try:
            file = create(folder / name)
        except FileExistsError:
            continue
        header = Header(FORMAT_VERSION, worker, sequence, secrets.randbits(32), window_bytes, suspect)
        try:
            return Segment(file, name, header)
        except OSError:
            file.close()
            (folder / name).unlink(missing_ok=True)
            raise
    raise FileExistsError(17, f"{_TRIES} names of segments are taken", str(folder))
