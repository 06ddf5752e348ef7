"""One segment as its reader sees it: the next frames, or why there are none.

How it fits: `reader` has one of these for each file; `frames` checks, `groups` decodes.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from golddiff.record.spool.files import is_being_written
from golddiff.record.spool.frames import (
    END,
    FIRST,
    FRAME_BYTES,
    HEADER,
    MARK,
    NEXT,
    Header,
    payload_length,
    read_frame,
    read_header,
)
from golddiff.record.spool.groups import GroupReader, calls_in
from golddiff.record.spool.stored import Place, StoredCall

_BLOCK_BYTES = 1 << 18


class Damage(msgspec.Struct):
    """Counts of what could not be read."""

    torn_tails: int = 0
    """Segments whose last frame was not finished: its writer was stopped. Nothing of it was acknowledged."""
    torn_bytes: int = 0
    corrupt_places: int = 0
    """Places in the middle of a segment where frames did not check."""
    corrupt_bytes: int = 0
    broken_calls: int = 0
    """Calls whose frame is whole but which need one that is not, or did not come out as they were written."""
    refused_segments: int = 0
    """Segments that this version cannot read; they are kept."""

    def add(self, other: Damage) -> None:
        """Add the counts of `other`."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class SegmentScan:
    """Reads one segment, as far as it goes by now; `place` is where an earlier reader stopped.

    Raises FileNotFoundError where the file is gone.
    """

    def __init__(self, path: Path, place: Place | None) -> None:
        self.damage = Damage()
        self.finished = False
        """Nothing can follow any more."""
        self._path = path
        self._name = path.name
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._header: Header | None = None
        self._at = 0
        self._start = place.group if place else 0
        self._skip = (place.offset, place.calls) if place else (0, 0)
        self.last = place
        """After the last call that was returned; None: there was none."""
        self._group: GroupReader | None = None
        self._group_at = 0
        self._frame_at = 0
        self._frame_calls = 0
        """Calls of the frame at `_frame_at` that were read."""
        self._buffer = b""
        self._buffer_at = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def calls(self) -> Iterator[StoredCall]:
        """Return the calls that follow.

        Raises InputError where the segment was written by a newer version.
        """
        while not self.finished:
            can_grow = is_being_written(self._path)  # asked first: what a writer finished after this is read next time
            if self._header is None and not self._read_header():
                if not can_grow:
                    self._torn()
                return
            if (yield from self._frames()):
                return
            following = self._next_valid(can_grow)
            if following is None:
                if not can_grow:
                    self._torn()
                return
            if following == self._at:
                continue  # it was finished while we looked
            self.damage.corrupt_places += 1
            self.damage.corrupt_bytes += following - self._at
            self._at = following
            self._group = None

    def _read_header(self) -> bool:
        found = read_frame(self._bytes(0, FRAME_BYTES + 4_096), 0, 0, 0)
        if found is None or found[0] != HEADER:
            return False
        self._header = read_header(found[1], self._name)
        self._at = max(FRAME_BYTES + len(found[1]), self._start)
        return True

    def _frames(self) -> Generator[StoredCall, None, bool]:
        """Yield calls up to the first frame that does not check; return whether the segment ends before it."""
        assert self._header is not None
        yield from self._calls_of_frame()
        while (frame := self._frame()) is not None:
            kind, payload = frame
            self._frame_at, self._at, self._frame_calls = self._at, self._at + FRAME_BYTES + len(payload), 0
            if kind == END:
                self.finished = True
                return True
            if kind == FIRST:
                self._group = GroupReader(self._header.window_bytes, self._header.version)
                self._group_at = self._frame_at
            elif kind != NEXT:
                continue
            if self._group is not None:
                try:
                    self._group.open(payload)
                except ValueError:
                    self._group = None
            if self._group is None:
                self.damage.broken_calls += calls_in(payload, self._header.version)
                continue
            yield from self._calls_of_frame()
        return False

    def _calls_of_frame(self) -> Iterator[StoredCall]:
        """Yield what was not read of the frame that ends at `_at`; whoever stops in between can go on."""
        assert self._header is not None
        while self._group is not None and (left := self._group.left):
            self._frame_calls += 1
            offset, calls = (self._frame_at, self._frame_calls) if left > 1 else (self._at, 0)
            place = Place(self._name, offset, self._group_at, calls)
            try:
                if (offset, calls) <= self._skip:
                    self._group.skip()
                    continue
                call = self._group.read(self._header.worker, place)
            except ValueError:
                self._group = None
                self.damage.broken_calls += left
                return
            self.last = place
            yield call

    def _frame(self) -> tuple[int, bytes] | None:
        assert self._header is not None
        length = payload_length(self._bytes(self._at, FRAME_BYTES))
        if length is None:
            return None
        return read_frame(self._bytes(self._at, FRAME_BYTES + length), 0, self._header.salt, self._at)

    def _next_valid(self, can_grow: bool) -> int | None:
        """Return where the next frame that checks begins: at `_at`, if it does by now, or after it."""
        size = os.fstat(self._fd).st_size
        length = payload_length(self._bytes(self._at, FRAME_BYTES))
        unfinished = size < self._at + FRAME_BYTES + (length or 0)
        if size <= self._at or (can_grow and unfinished) or self._header is None:
            return None
        data = os.pread(self._fd, size - self._at, self._at)
        at = data.find(MARK)
        while at >= 0:
            if read_frame(data, at, self._header.salt, self._at + at) is not None:
                return self._at + at
            at = data.find(MARK, at + 1)
        return None

    def _torn(self) -> None:
        size = os.fstat(self._fd).st_size
        if size > self._at:
            self.damage.torn_tails += 1
            self.damage.torn_bytes += size - self._at
        self.finished = True

    def _bytes(self, at: int, count: int) -> bytes:
        """Return up to `count` bytes from `at`, read in blocks."""
        start = at - self._buffer_at
        if start < 0 or start + count > len(self._buffer):
            self._buffer = os.pread(self._fd, max(count, _BLOCK_BYTES), at)
            self._buffer_at, start = at, 0
        return self._buffer[start : start + count]
