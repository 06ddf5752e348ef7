"""Shares batches of jobs out over warm interpreters, so that no core waits while there is work.

How it fits: `bubblewrap` gives `run_batches` a way to start a server for a batch; the pool decides which worker serves
which batch. A worker stays with its batch until that is done, then takes one that nobody has begun; when every batch
is begun it joins the one with the most work left, if that work is worth another interpreter's start. So one large
batch is spread over all cores and many small ones do not start more interpreters than there are batches.

A job during which its server dies is tried once more in a fresh one; if that dies too, the job did it. What looks like
a failure may be a machine that is busy with other work: where a batch has no other server, one that does not start is
tried again alone, when no other server of ours is at work, and with more time (`patient`), as is a job at which its
server fell silent. Only then does a batch fail, with the reason, and no other with it. Beside another server a failed
start costs the batch nothing, and is tried again as long as that is worth it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from golddiff.errors import SandboxError
from golddiff.sandbox.contract import Batch, Ending, Job, Result

__all__ = ["Server", "run_batches"]

_JOBS_PER_START = 25  # until a batch has been timed: about so many small jobs take as long as an interpreter's start


class Server(Protocol):
    """A warm interpreter inside one sandbox, asked one job at a time."""

    def ask(self, job: Job, *, patient: bool = False) -> Result | None:
        """Run one job; None where the server died or fell silent over it, which `patient` waits longer for."""

    def close(self) -> None:
        """End the sandbox."""


class _Progress:
    """One batch, on its way. Its fields are guarded by the pool's lock."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.results: list[Result | None] = [None] * len(batch.jobs)
        self.waiting = deque(range(len(batch.jobs)))
        self.servers = 0
        self.standing = 0
        """Servers that have started."""
        self.alone = False
        """A server of it did not start and no other stands: whoever begins it again does so alone and is patient."""
        self.failed_beside = 0
        """Servers in a row that did not start while another stood."""
        self.start_sec = 0.0
        self.done = 0
        self.spent_sec = 0.0
        self.failure: SandboxError | None = None

    def worth_joining(self) -> float:
        """Return seconds of work that another server would take over, over the seconds that its start costs.

        Every start in a row that failed halves it, so that what cannot start is not tried again and again.
        """
        if not self.servers or not self.done:
            worth = len(self.waiting) / _JOBS_PER_START
        else:
            worth = len(self.waiting) * self.spent_sec / self.done / max(self.start_sec, 1e-3)
        return worth / 2.0 ** min(self.failed_beside, 64)


def run_batches(
    batches: Sequence[Batch], start: Callable[[Batch, bool], Server], workers: int
) -> list[list[Result] | SandboxError]:
    """Run every batch on up to `workers` servers; results in order, or what stopped that batch's servers.

    `start` makes a server for a batch, patiently or not, or raises SandboxError.
    """
    pool = _Pool(batches, start)
    count = max(1, min(workers, sum(len(batch.jobs) for batch in batches)))
    with ThreadPoolExecutor(count) as threads:
        try:
            for future in [threads.submit(pool.work) for _ in range(count)]:
                future.result()
        except BaseException:  # Ctrl-C: what still waits is not begun
            pool.stop()
            raise
    return [found.failure or [result for result in found.results if result is not None] for found in pool.batches]


class _Pool:
    def __init__(self, batches: Sequence[Batch], start: Callable[[Batch, bool], Server]) -> None:
        self.batches = [_Progress(batch) for batch in batches]
        self._start = start
        self._busy = 0
        self._changed = threading.Condition()
        self._stopped = False

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def work(self) -> None:
        """Serve batches until none has work that is worth a server."""
        while (mine := self._choose()) is not None:
            # The thread that starts a sandbox must outlive it: its death would be the sandbox's (PR_SET_PDEATHSIG).
            self._serve(mine)

    def _choose(self) -> _Progress | None:
        """Return the batch to serve next; waits while others may yet turn out to be worth joining."""
        with self._changed:
            while not self._stopped:
                waiting = [found for found in self.batches if found.waiting]
                together = [found for found in waiting if not found.alone]
                if not waiting and not self._busy:
                    return None  # while one is busy, what it has begun may come back
                mine = next((found for found in together if not found.servers), None)
                if mine is None and together:
                    largest = max(together, key=_Progress.worth_joining)
                    mine = largest if largest.worth_joining() >= 1 else None
                if mine is None and not self._busy:
                    mine = waiting[0]
                if mine:
                    mine.servers += 1
                    self._busy += 1
                    return mine
                self._changed.wait()
            return None

    def _take(self, mine: _Progress) -> int | None:
        with self._changed:
            return None if self._stopped or not mine.waiting else mine.waiting.popleft()

    def _stands(self, mine: _Progress, start_sec: float) -> None:
        with self._changed:
            mine.start_sec = start_sec
            mine.standing += 1
            mine.alone, mine.failed_beside = False, 0
            self._changed.notify_all()  # others may join it again

    def _falls(self, mine: _Progress) -> None:
        with self._changed:
            mine.standing -= 1

    def _serve(self, mine: _Progress) -> None:
        with contextlib.ExitStack() as servers:
            index: int | None = None
            patient_start = False
            try:
                server: Server | None = None
                while (index := self._take(mine)) is not None:
                    for patient in (False, True):
                        if server is None:
                            started, patient_start = time.monotonic(), patient_start or mine.alone
                            server = self._start(mine.batch, patient_start)
                            servers.callback(server.close)
                            self._stands(mine, time.monotonic() - started)
                            servers.callback(self._falls, mine)
                        started = time.monotonic()
                        result = server.ask(mine.batch.jobs[index], patient=patient)
                        if result is not None:
                            break
                        servers.close()
                        server = None
                    else:
                        result = Result(ending=Ending.VIOLATION, reason="its runner died or fell silent, twice")
                    with self._changed:
                        mine.results[index] = result
                        mine.done += 1
                        mine.spent_sec += time.monotonic() - started
                        self._changed.notify_all()
                servers.close()
            except SandboxError as problem:
                with self._changed:
                    if index is None or (patient_start and not mine.standing):
                        mine.failure = problem
                        mine.waiting.clear()
                    else:
                        if mine.standing:
                            mine.failed_beside += 1
                        else:
                            mine.alone = True
                        mine.waiting.appendleft(index)
            finally:
                with self._changed:
                    self._busy -= 1
                    mine.servers = max(1, mine.servers - 1)  # begun: never fresh again
                    self._changed.notify_all()
