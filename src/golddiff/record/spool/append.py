"""Where frames go: one segment after the other, synced, and given up for good when the disk fails.

A file whose write or sync failed is never written or synced again, because the kernel may have thrown the failed pages
away and report the next sync as good (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020). The
next segment names it as suspect. After a first failure a new file may be tried at once, and the calls of the failed
frame go there: disks fail now and then. Where that one fails as well, nothing is tried for a moment, which is longer
after each failure, up to `retry_sec`.

How it fits: `recorder` asks `is_open` to know whether calls may be encoded for the current segment, and writes their
frame, or has a `writer` do that; one thing at a time, from whoever has the turn. No decision depends on the wall clock.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from golddiff.record.capture import Drop
from golddiff.record.spool.files import CreateFile
from golddiff.record.spool.segments import Segment, last_sequence, open_segment
from golddiff.record.spool.writer import Writer

_log = logging.getLogger(__name__)

_SHORTEST_PAUSE_SEC = 0.02
"""After a second failure; each further one doubles it."""


class AppendConfig(msgspec.Struct, frozen=True, kw_only=True):
    """When a segment ends, and what its header says."""

    window_bytes: int = 32 << 20
    """Bytes of request bodies that a reader has to keep to rebuild others."""
    segment_bytes: int = 64 << 20
    """Size after which a segment is finished and another begun."""
    segment_sec: float = 600.0
    """Age after which the same is done, so that what was taken from it can be deleted."""
    retry_sec: float = 0.5
    """Longest time without a try while the disk fails; calls in between are dropped."""


class Appender:
    """The segments of one worker."""

    def __init__(
        self,
        folder: Path,
        worker: str,
        config: AppendConfig,
        create: CreateFile,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._worker = worker
        self._config = config
        self._create = create
        self._clock = clock
        self.writer: Writer | None = None
        """Appends for the event loop; may be replaced while no segment is open."""
        self._sent_bytes = 0
        self._segment: Segment | None = None
        self._since = 0.0
        self._sequence = 0
        self._suspect = ""
        self._retry_at = float("-inf")
        self._failures = 0
        """Times that the disk failed since it was sound."""
        self._failed_at = float("-inf")
        self._took_frame = False
        """Since it failed last."""
        self.reason = Drop.EIO
        """Why the disk could not be written when it last could not."""
        self.sync_sec = 0.0
        """How long the last write took, with its sync."""
        self.counts = dict.fromkeys(["syncs", "sync_ns", "segments", "suspect_segments", "stored_bytes"], 0)

    @property
    def may_try_again(self) -> bool:
        """Whether what just failed is worth another segment at once."""
        return self._failures == 1

    @property
    def is_open(self) -> bool:
        """Whether there is a segment to go on with."""
        return self._segment is not None

    def open(self) -> bool:
        """Begin the next segment; False where that is not possible now."""
        if self._clock() < self._retry_at:
            return False
        config = self._config
        try:
            self._sequence = max(self._sequence, last_sequence(self._folder, self._worker))
            segment = open_segment(
                self._folder, self._worker, self._sequence, config.window_bytes, self._suspect, self._create
            )
        except OSError as error:
            self.give_up(_reason(error))
            return False
        self._segment, self._sequence, self._suspect = segment, segment.sequence, ""
        self._since = self._clock()
        self.counts["segments"] += 1
        if self.writer is not None:
            self.writer.use(self._folder / segment.name, segment.fileno())
        return True

    def write(self, kind: int, payload: bytes) -> bool:
        """Append a frame; return whether it is on disk. `reason` says why it is not."""
        segment = self._segment
        assert segment is not None
        frame = segment.frame(kind, payload)
        failed = None
        began = time.monotonic_ns()
        try:
            segment.append(frame)
        except OSError as error:
            failed = error
        return self._wrote(segment, len(frame), failed, time.monotonic_ns() - began)

    def send(self, kind: int, payload: bytes) -> bool:
        """Have the writer append a frame, whose answer `sent` is given; False: it does not, `write` has to."""
        if self.writer is None or self._segment is None:
            return False
        frame = self._segment.frame(kind, payload)
        self._sent_bytes = len(frame)
        return self.writer.send(frame)

    def sent(self, error: int, took_ns: int) -> bool:
        """Return what `write` does, of the frame that the writer was sent."""
        segment = self._segment
        assert segment is not None
        if not error:
            segment.grew(self._sent_bytes)
        return self._wrote(segment, self._sent_bytes, OSError(error, os.strerror(error)) if error else None, took_ns)

    def _wrote(self, segment: Segment, size_bytes: int, failed: OSError | None, took_ns: int) -> bool:
        self.sync_sec = took_ns / 1e9
        if failed is not None:
            self._suspect = segment.name
            self.counts["suspect_segments"] += 1
            _log.error(
                "spool %s: segment %s could not be written (%s); calls are dropped unless another can",
                self._worker,
                segment.name,
                failed.strerror,
            )
            self.give_up(_reason(failed))
            return False
        self._took_frame = True
        self.counts["syncs"] += 1
        self.counts["sync_ns"] += took_ns
        self.counts["stored_bytes"] += size_bytes
        return True

    @property
    def is_old(self) -> bool:
        """Whether the segment is old or large enough to be finished."""
        segment = self._segment
        if segment is None:
            return False
        config = self._config
        return segment.size_bytes >= config.segment_bytes or self._clock() - self._since > config.segment_sec

    def finish(self) -> None:
        """Finish the segment."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._let_go()
            segment.finish()

    def give_up(self, reason: Drop) -> None:
        """Never touch this segment again, and try no other for a while if this is not the first failure."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._let_go()
            segment.give_up()
        self.reason = reason
        now = self._clock()
        if self._took_frame and now - self._failed_at >= _SHORTEST_PAUSE_SEC:
            self._failures = 0  # not for a frame sooner: a disk that takes every second one would get a file for each
        self._took_frame, self._failed_at = False, now
        self._failures += 1
        if not self.may_try_again:
            pause = _SHORTEST_PAUSE_SEC * 2.0 ** min(self._failures - 2, 30)
            self._retry_at = now + min(pause, self._config.retry_sec)

    def _let_go(self) -> None:
        if self.writer is not None:
            self.writer.let_go()


def _reason(error: OSError) -> Drop:
    return Drop.ENOSPC if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else Drop.EIO
