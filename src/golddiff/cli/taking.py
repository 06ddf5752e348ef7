"""The process that takes what gateway workers spooled into the store, about once a second.

How it fits: `golddiff gateway` runs it beside its workers. The store has one writer at a time, so it is opened only
while something waits, and let go again: `golddiff import` and `golddiff outcomes` run beside a gateway. Whatever the
store does (busy, deleted, full, a server that is down), workers go on writing to their spools and the backlog waits for
the next round. The spool stays open: a round reads on where the last one ended, because calls are compressed in groups
and a group would have to be read from its beginning. After a failure it is opened anew, and what was not stored is
delivered again. SIGTERM ends this process after a last round over everything.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from golddiff.cli.app import Workspace
from golddiff.errors import GolddiffError
from golddiff.record.gateway import logs

if TYPE_CHECKING:
    from golddiff.record.calls.take import Taker

ROUND_SEC = 1.0
_TURN_SEC = 5.0
"""Longest that the store is kept while calls keep coming, before others get their turn."""
_LONGEST_PAUSE_SEC = 5.0
_BACKLOG_CALLS = 256
"""Calls of one round that mean another at once. Fewer wait for more to come: a round costs the same for one as for all
that a second brings, and takes time from the workers."""
_UNKNOWN = -1


def keep_taking(workspace: Workspace, spool_folder: Path, *, subject: str | None = None) -> None:
    """Take until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    log = logs.get("taker")
    turns = _Turns(workspace, spool_folder, subject)
    failures, left = 0, 0
    while True:
        ends = stop.wait(min(ROUND_SEC * 2**failures, _LONGEST_PAUSE_SEC))
        try:
            if (waiting := turns.waiting()) != left:
                left = turns.take(everything=ends)
                log.debug("taken", bytes=waiting - max(left, 0))
            failures = 0
        except (GolddiffError, OSError) as error:
            turns.close()
            failures, left = min(failures + 1, 8), 0
            log.warning("store_failed", error=error, count=failures)
        if ends:
            turns.close()
            return


class _Turns:
    """One taker over many openings of the store."""

    def __init__(self, workspace: Workspace, spool_folder: Path, subject: str | None) -> None:
        self._workspace = workspace
        self._spool_folder = spool_folder
        self._subject = subject
        self._taker: Taker | None = None

    def waiting(self) -> int:
        """Return the bytes that wait."""
        from golddiff.record.spool.reader import SpoolReader

        if self._taker is not None:
            return self._taker.waiting_bytes
        with SpoolReader(self._spool_folder) as reader:
            return reader.waiting_bytes

    def take(self, *, everything: bool) -> int:
        """Take in rounds until little waits or the turn is over; return the bytes that are left.

        `_UNKNOWN` where more came meanwhile: it has to be taken whether anything follows it or not.
        """
        from golddiff.record.calls.take import Taker
        from golddiff.store import Store

        end = time.monotonic() + _TURN_SEC
        with Store.open(self._workspace) as store:
            if self._taker is None:
                self._taker = Taker(store, self._spool_folder, subject=self._subject)
            else:
                self._taker.use(store)
            while True:
                before = self._taker.waiting_bytes
                summary = self._taker.round(everything=everything, end=None if everything else end)
                if summary.calls < _BACKLOG_CALLS or everything or time.monotonic() > end:
                    rest = summary.waiting_bytes
                    came = summary.calls or rest != before
                    return _UNKNOWN if summary.more or (came and rest) else rest

    def close(self) -> None:
        """Let the spool go; what was read of it and not stored is delivered again."""
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.close()
