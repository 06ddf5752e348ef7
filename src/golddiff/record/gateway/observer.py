"""Metrics and logs behind the HTTP path's `Watcher`: every event is counted, and named in a line where one helps.

A request that was answered is a line at DEBUG only. A refusal never is: it is counted by reason, so that a scan with
100,000 keys leaves one number. Upstream failures, dropped records and late ones are warnings, at most 20 a second each.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from golddiff.record.capture import Recorder
from golddiff.record.gateway import logs
from golddiff.record.gateway.gate import Served
from golddiff.record.gateway.holds import State
from golddiff.record.gateway.metrics import Counter, Metrics

if TYPE_CHECKING:
    from golddiff.record.gateway.service import Service

_LOOK_SEC = 1.0


def memory_of(service: Service, recorder: Recorder | None) -> dict[str, Callable[[], int]]:
    """Return what takes memory in a worker → its bytes now."""
    memory = {"requests": lambda: service.held_bytes, "process": _resident_bytes}
    if recorder is not None:
        memory["ring"] = lambda: recorder.counters["waiting_bytes"]
        memory["history"] = lambda: recorder.counters["history_bytes"]
    return memory


def _resident_bytes() -> int:
    """Memory of this process, from Linux; 0 elsewhere."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


class Observer:
    """The `Watcher` of one worker."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        degraded: Mapping[str, Callable[[], int]] | None = None,
    ) -> None:
        """Watch with these.

        Args:
            loop: where to look every second; None: never.
            degraded: which files may fail (`limits`, `keys`, `spool`), and how often they did in this worker.
        """
        self.metrics = metrics
        self._loop = loop
        self._degraded = dict(degraded or {})
        self._seen = dict.fromkeys(self._degraded, 0)
        self.memory: dict[str, Callable[[], int]] = {}
        """What takes memory (`metrics.MEMORY`) → its bytes now; looked at every second."""
        self._first_byte = metrics.histogram("golddiff_gateway_first_byte_seconds")
        self._duration = metrics.histogram("golddiff_gateway_duration_seconds")
        self._records = {str(state): metrics.counter("golddiff_gateway_records_total", state) for state in State}
        self._answered: dict[tuple[str, int], Counter] = {}
        """Protocol and first digit of the status → whole answers."""
        self._log = logs.get("http")
        if loop is not None:
            loop.call_later(_LOOK_SEC, self._look)

    def served(self, served: Served) -> None:
        """Count a request that is over for the client."""
        metrics = self.metrics
        if served.status and (served.ending in ("complete", "refused") or served.code):
            kind = served.protocol, served.status // 100
            answered = self._answered.get(kind)
            if answered is None:
                answered = metrics.counter("golddiff_gateway_requests_total", kind[0], f"{kind[1]}xx")
                self._answered[kind] = answered
            answered.add()
        else:
            metrics.count("golddiff_gateway_requests_total", served.protocol, served.ending)
        if served.first_byte_ns:
            self._first_byte.observe(served.first_byte_ns / 1e9)
        self._duration.observe(served.duration_ns / 1e9)
        if served.attempts > 1:
            metrics.count("golddiff_gateway_retries_total", served.upstream, by=served.attempts - 1)
        if served.code:
            metrics.count("golddiff_gateway_upstream_failures_total", served.upstream, served.code)
            self._log.warning(
                "upstream_failed",
                call_id=served.call_id,
                upstream=served.upstream,
                reason=served.code,
                attempt=served.attempts,
            )
        if self._log.tells_all:
            self._log.debug(
                "served",
                call_id=served.call_id,
                key_id=served.key_id,
                protocol=served.protocol,
                upstream=served.upstream,
                status=served.status,
                ending=served.ending,
                duration_ms=served.duration_ns / 1e6,
                bytes=served.response_bytes,
                attempt=served.attempts,
            )

    def recorded(self, call_id: str, state: str, reason: str) -> None:
        """Count what became of a call's record."""
        self._records[state].add()
        if state == "dropped":
            self.metrics.count("golddiff_gateway_records_dropped_total", reason)
            self._log.warning("record_dropped", call_id=call_id, reason=reason)

    def refused(self, status: int, code: str) -> None:
        """Count a request that was turned away."""
        self.metrics.count("golddiff_gateway_refused_total", code)

    def connections(self, change: int) -> None:
        """Count open connections."""
        self.metrics.count("golddiff_gateway_connections", by=change)

    def look(self) -> None:
        """Count how often files failed since the last look, and say what takes memory."""
        for what, size_bytes in self.memory.items():
            self.metrics.set("golddiff_gateway_memory_bytes", size_bytes(), what)
        for what, failures in self._degraded.items():
            now = failures()
            if now > self._seen[what]:
                self.metrics.count("golddiff_gateway_degraded_total", what, by=now - self._seen[what])
                self._log.error("files_failed", reason=what, count=now - self._seen[what])
                self._seen[what] = now

    def _look(self) -> None:
        self.look()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_later(_LOOK_SEC, self._look)
