"""The recorder that writes to the disk: a bounded ring, a turn that goes round, group commit.

`submit` puts a call into the ring and returns. Whoever has the turn takes what is there, redacts it and makes one frame
of it; that is written to the disk, and only then `ACKED` is said: acknowledged is on disk. While a sync runs the next
calls gather, so a slower disk means larger batches, until the ring is full and calls are dropped with that reason.

Who encodes and writes: given an event `loop`, that loop encodes, where calls are small and for about two milliseconds,
after the bytes of its turn were sent; a process of its own (`writer`) writes, which takes nothing of Python's lock.
Large calls, new segments, slow disks and everything after `close` are the recorder's thread's, and so are all calls
where there is no loop or no such process. There is one turn, so nothing of `encode` and `append` needs a lock.

How it fits: implements `capture.Recorder`; `encode` redacts and makes frames, `append` has them written. Not covered: a
machine that loses power with a disk that lies about its cache.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeAlias

import msgspec

from golddiff.errors import RightsError
from golddiff.record.capture import ACKED, Drop, RawCall, Verdict
from golddiff.record.spool.append import AppendConfig, Appender
from golddiff.record.spool.checksum import crc32c
from golddiff.record.spool.encode import Encoder
from golddiff.record.spool.files import CreateFile, create_file
from golddiff.record.spool.segments import check_worker
from golddiff.record.spool.writer import start_writer

_log = logging.getLogger(__name__)

_CALL_OVERHEAD_BYTES = 2_048
_IDLE_SEC = 1.0
_TURN_SEC = 0.002
"""Longest that one turn encodes before what it has is written, unless syncs take longer than that."""
_PACK_SEC = 1e-8
"""Seconds to compress a byte where nothing repeats, about; that comes last, and counts from the start."""
_SLOW_SYNC_SEC = 0.02
"""From here on the thread encodes for as long as a sync takes: what a loop can spare would be too small a batch."""
_PRESSED_SEC = 0.1
_PRESSED_SHARE = 1 / 8
"""The same of the thread's where so much of the ring waits: a sync for every few large calls would be most of its time,
and the ring would fill."""
_LARGE_BYTES = 128 << 10
"""Calls of this size and above are left to the thread: an event loop has others to serve."""

_RENEW_SEC = 60.0
"""Shortest time from one process that writes to the next: one that cannot live is not started over and over."""

Done: TypeAlias = Callable[[Verdict], None]
_Item: TypeAlias = tuple[RawCall, Done, int]
_Encoded: TypeAlias = tuple[list[_Item], int, bytes]
"""Calls, and the kind and payload of their frame."""
_Verdicts: TypeAlias = list[tuple[list[_Item], Verdict]]


class SpoolConfig(AppendConfig, frozen=True, kw_only=True):
    """What a recorder may take."""

    ring_bytes: int = 64 << 20
    """Bytes of calls that wait or are being written; more are dropped as `ring_full`."""
    memory_bytes: int = 64 << 20
    """Bytes of recent requests that are kept, so that the next of their conversation is stored small."""
    batch_calls: int = 512
    """Most calls of one commit."""
    batch_bytes: int = 8 << 20
    """Bytes of records, not yet compressed, after which a commit is written: it takes a few times that beside the
    ring."""


class SpoolRecorder:
    """Writes the calls of one worker into `folder`. Implements `capture.Recorder`.

    `secrets` are hidden wherever they stand, whatever they look like: the credentials of the gateway itself, which an
    upstream may repeat in its answer. With `loop`, `submit` is called from that loop's thread only.

    Raises UsageError where google-crc32c is missing or `worker` cannot be part of a file name. A folder that cannot
    be written is no error here: calls are dropped with the reason until it can.
    """

    def __init__(
        self,
        folder: Path,
        worker: str | int,
        ring_bytes: int | None = None,
        *,
        config: SpoolConfig | None = None,
        secrets: Iterable[str] = (),
        loop: asyncio.AbstractEventLoop | None = None,
        create: CreateFile = create_file,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        crc32c(b"")
        self._worker = check_worker(str(worker))
        config = config or SpoolConfig()
        if ring_bytes is not None:
            config = msgspec.structs.replace(config, ring_bytes=ring_bytes)
        self._config = config
        self._loop = loop
        self._encoder = Encoder(
            config.memory_bytes, config.window_bytes, config.batch_bytes, dict.fromkeys(secrets, "gateway-credential")
        )
        self._may_have_writer = loop is not None and create is create_file
        self._writer_since = float("-inf")
        self._appender = Appender(folder, self._worker, config, create, clock)
        self._sent: list[_Item] = []
        """Calls whose frame the writer has."""
        self._work: SimpleQueue[_Encoded | None] = SimpleQueue()
        """The turn on its way to the thread: what the loop encoded; None: encode yourself."""
        self._waiting: deque[_Item] = deque()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._turn_is_out = False
        self._closed = False
        self._abandoned = False
        self._ended = False
        self._loop_is_deaf = False
        """Nobody but the thread hears the writer: the loop does not run, or waits for `close`."""
        self._counts = dict.fromkeys(["submitted", "acked", *(f"dropped_{drop}" for drop in Drop)], 0)
        self._start_writer()
        self._thread = threading.Thread(target=self._run, name=f"spool-{worker}", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> Mapping[str, int]:
        """Counts since the start; also what is in the ring now and what recent requests take, in bytes."""
        return {
            **self._counts,
            **self._appender.counts,
            **self._encoder.counts,
            "waiting_bytes": self._waiting_bytes,
            "history_bytes": self._encoder.history_bytes,
        }

    def submit(self, call: RawCall, done: Done) -> None:
        """Take `call`; see `capture.Recorder.submit`."""
        size = len(call.request_body) + len(call.response_body) + _CALL_OVERHEAD_BYTES
        with self._lock:
            self._counts["submitted"] += 1
            waiting_bytes = self._waiting_bytes + size
            drop = None
            if self._closed:
                drop = Drop.CLOSED
            elif waiting_bytes > self._config.ring_bytes:
                drop = Drop.TOO_LARGE if size > self._config.ring_bytes else Drop.RING_FULL
            else:
                self._waiting_bytes = waiting_bytes
                self._waiting.append((call, done, size))
                if self._turn_is_out:
                    return
                self._turn_is_out = True
        if drop is not None:
            self._release([([(call, done, 0)], Verdict(drop))])
        elif self._loop is not None:
            self._loop.call_soon(self._encode_here)
        else:
            self._work.put(None)

    def close(self, timeout: float) -> None:
        """Write what was taken, for at most `timeout` seconds, then drop what still waits; see `capture.Recorder`."""
        with self._lock:
            self._closed = True
            ours, self._turn_is_out = not self._turn_is_out, True
        self._loop_is_deaf = self._loop is not None and not _runs_elsewhere(self._loop)
        if ours:
            self._work.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._abandoned = True
            self._drop_waiting(Drop.CLOSED)

    # ---- the turn

    def _encode_here(self) -> None:
        """Encode on the event loop what is small, and send it to the writer or to the thread."""
        here = self._appender.is_open and self._appender.sync_sec < _SLOW_SYNC_SEC and not self._closed
        encoded = self._encode(_TURN_SEC, _LARGE_BYTES) if here else None
        if encoded is not None:
            items, kind, payload = encoded
            try:
                if self._appender.send(kind, payload):
                    self._sent = items
                    return
            except Exception as error:
                _log.error("spool %s: %s while sending a frame", self._worker, type(error).__name__)
        self._work.put(encoded)

    def _written(self, error: int, took_ns: int) -> None:
        """Take the writer's answer: what `_commit` and `_keep_turn` do after a write."""
        appender = self._appender
        items, self._sent = self._sent, []
        try:
            verdicts = self._verdicts(items, appender.sent(error, took_ns))
        except Exception as fault:
            _log.error("spool %s: %s after writing; its batch is dropped", self._worker, type(fault).__name__)
            appender.give_up(Drop.INTERNAL)
            verdicts = [(items, Verdict(Drop.INTERNAL))]
        with self._lock:
            self._count(verdicts)
            for_thread = self._closed or appender.is_old or not appender.is_open
            more = bool(self._waiting)
            self._turn_is_out = for_thread or more
        self._say(verdicts)
        if for_thread:
            self._work.put(None)
        elif more and self._loop is not None:
            self._loop.call_soon(self._encode_here)

    def _encode(self, seconds: float, most_bytes: int) -> _Encoded | None:
        """Encode what waits, for about that long, and up to the first call of that size."""
        encoder = self._encoder
        items: list[_Item] = []
        until = time.monotonic() + seconds
        while len(items) < self._config.batch_calls and encoder.has_room:
            try:
                item = self._waiting.popleft()
            except IndexError:
                break
            if item[2] >= most_bytes:
                self._waiting.appendleft(item)
                break
            items.append(item)
            try:
                encoder.add(item[0])
            except RightsError:
                items.pop()
                self._release([([item], Verdict(Drop.REDACTION))])
            except Exception as error:
                items.pop()
                _log.error("spool %s: %s while reading a call; it is dropped", self._worker, type(error).__name__)
                self._release([([item], Verdict(Drop.INTERNAL))])
            if time.monotonic() + encoder.frame_bytes * _PACK_SEC > until:
                break
        if not items:
            return None
        try:
            return items, *encoder.frame()
        except Exception as error:
            _log.error("spool %s: %s while packing calls; they are dropped", self._worker, type(error).__name__)
            self._release([(items, Verdict(Drop.INTERNAL))])
            return None

    def _run(self) -> None:
        while not self._ended:
            try:
                encoded = self._work.get(timeout=_IDLE_SEC)
            except Empty:
                if self._appender.writer is not None:
                    self._appender.writer.look(self._loop_is_deaf)
                if not self._take_turn():
                    continue
                encoded = None
            while self._keep_turn(self._commit(encoded)):
                encoded = None
        self._appender.finish()
        if self._appender.writer is not None:
            self._appender.writer.end()

    def _take_turn(self) -> bool:
        with self._lock:
            if self._turn_is_out:
                return False
            self._turn_is_out = True
            return True

    def _keep_turn(self, verdicts: _Verdicts) -> bool:
        """Give the verdicts, and say whether the thread goes on with what waits; else the turn is over, or the loop's.

        Verdicts come last: whom they wake needs Python's lock, which the thread gives up where it waits for its turn.
        """
        if self._abandoned:
            self._drop_waiting(Drop.CLOSED)
        with self._lock:
            self._count(verdicts)
            more = bool(self._waiting)
            if not more:
                self._ended = self._turn_is_out = self._closed
        if more and self._loop is not None and self._appender.is_open and not self._closed:
            try:
                self._loop.call_soon_threadsafe(self._encode_here)
                more = False
            except RuntimeError:  # it is closed
                self._loop = None
        self._say(verdicts)
        return more

    def _encode_what_waits(self) -> _Encoded | None:
        """Encode in the thread, for a segment that is begun where there is none."""
        appender = self._appender
        if not self._waiting:
            return None
        if not appender.is_open:
            self._start_writer()
            if not (appender.open() or (appender.may_try_again and appender.open())):
                self._drop_waiting(appender.reason)
                return None
            self._encoder.start_segment()
        pressed = self._waiting_bytes > _PRESSED_SHARE * self._config.ring_bytes
        return self._encode(max(_PRESSED_SEC if pressed else _TURN_SEC, appender.sync_sec), 1 << 62)

    def _start_writer(self) -> None:
        """Start a process that writes where there is none, or none any more, before a segment begins."""
        old, loop = self._appender.writer, self._loop
        if loop is None or not self._may_have_writer or self._closed or (old is not None and not old.is_gone):
            return
        if time.monotonic() - self._writer_since < _RENEW_SEC:
            return
        self._writer_since = time.monotonic()
        self._appender.writer = None
        if old is not None:
            old.end()
        self._appender.writer = start_writer(loop, self._written)

    def _commit(self, encoded: _Encoded | None) -> _Verdicts:
        """Write what was encoded, or what waits, and sync it; return what is to be said of it."""
        appender = self._appender
        items: list[_Item] = []
        verdicts: _Verdicts = []
        try:
            if encoded is None:
                encoded = self._encode_what_waits()
            if encoded is not None:
                items, kind, payload = encoded
                verdicts = self._verdicts(items, appender.write(kind, payload))
                items = []
            if appender.is_old:
                self._release(verdicts)  # nobody waits for the end of a segment
                verdicts = []
                appender.finish()
        except Exception as error:  # recording never breaks the product: drop what is left, start afresh
            _log.error("spool %s: %s while writing; its batch is dropped", self._worker, type(error).__name__)
            appender.give_up(Drop.INTERNAL)
            verdicts.append((items, Verdict(Drop.INTERNAL)))
        return verdicts

    # ---- verdicts

    def _verdicts(self, items: list[_Item], stored: bool) -> _Verdicts:
        """Return what is to be said of calls that were written; those that get a second try go back into the ring.

        They come first there, so first into a segment: where that fails they are dropped. Should the failed frame be on
        the disk after all, whoever reads both knows the calls by their ids.
        """
        if not stored and self._appender.may_try_again and not self._abandoned:
            self._waiting.extendleft(reversed(items))
            return []
        return [(items, ACKED if stored else Verdict(self._appender.reason))]

    def _drop_waiting(self, reason: Drop) -> None:
        dropped: list[_Item] = []
        with suppress(IndexError):
            while True:
                dropped.append(self._waiting.popleft())
        self._release([(dropped, Verdict(reason))])

    def _release(self, verdicts: _Verdicts) -> None:
        with self._lock:
            self._count(verdicts)
        self._say(verdicts)

    def _count(self, verdicts: _Verdicts) -> None:
        """Take these calls out of the ring; with the lock."""
        for items, verdict in verdicts:
            self._waiting_bytes -= sum(item[2] for item in items)
            self._counts["acked" if verdict.drop is None else f"dropped_{verdict.drop}"] += len(items)

    def _say(self, verdicts: _Verdicts) -> None:
        for items, verdict in verdicts:
            for _, done, _ in items:
                try:
                    done(verdict)
                except Exception as error:
                    name = type(error).__name__
                    _log.error("spool %s: the one who waited for a verdict failed: %s", self._worker, name)


def _runs_elsewhere(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop runs, in another thread than this one."""
    try:
        return loop.is_running() and asyncio.get_running_loop() is not loop
    except RuntimeError:  # none runs here
        return True
