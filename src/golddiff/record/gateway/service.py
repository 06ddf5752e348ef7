"""What all connections of one worker share: settings, routing, keys and limits, recording, counters of its state."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Collection
from random import Random
from typing import TYPE_CHECKING

from golddiff.record.capture import Recorder
from golddiff.record.gateway.config import GatewaySettings
from golddiff.record.gateway.gate import Gate, OpenGate, Silent, Watcher
from golddiff.record.gateway.holds import Holds
from golddiff.record.gateway.routing import Router
from golddiff.record.gateway.upstreams import Upstream

if TYPE_CHECKING:
    from golddiff.record.gateway.connection import ClientConnection
    from golddiff.record.gateway.exchange import Exchange

_LOCAL_NAMES = frozenset((b"localhost", b"127.0.0.1", b"[::1]"))


class Service:
    """One worker's parts, put together."""

    def __init__(
        self,
        settings: GatewaySettings,
        upstreams: Collection[Upstream],
        recorder: Recorder | None,
        *,
        loop: asyncio.AbstractEventLoop,
        gate: Gate | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """Put a worker together.

        Args:
            recorder: who keeps the calls. None: nothing is recorded.
            gate: keys and limits. None: everyone may pass.
            watcher: metrics and logs. None: none.
        """
        self.settings = settings
        self.router = Router(tuple(upstreams))
        self.loop = loop
        self.gate = gate or OpenGate()
        self.watcher = watcher or Silent()
        self.recorder = recorder
        self.recording = recorder is not None
        self.connections: set[ClientConnection] = set()
        self.answering: set[ClientConnection] = set()
        """Those whose request has not its whole answer."""
        deadline_sec = settings.deadline_ms / 1000 if recorder else 0.0
        self.holds = Holds(recorder or _Nothing(), deadline_sec, loop, self.answering)
        self.draining = False
        self._read: list[tuple[ClientConnection, bytes]] = []
        self._ready: list[Exchange] = []
        self.random_bits = Random(secrets.randbits(256)).getrandbits  # noqa: S311 - ids are unique, and no secrets
        """Random bits for the ids of calls, without asking the system for those of each."""
        self.addresses: Counter[str] = Counter()
        """Open connections by the caller's address, where they are limited."""
        self.held_bytes = 0
        """Bytes of the bodies of all requests that are under way."""
        self.most_held = settings.body_memory_mb << 20
        self.most_body = settings.max_body_mb << 20
        self.most_kept = settings.max_body_mb << 20
        # Without keys, what keeps web pages away from a loopback port is that they cannot fake these two headers.
        self.local_hosts = _LOCAL_NAMES | {settings.host.encode()} if settings.auth == "none" else None

    def look_at(self, connection: ClientConnection, data: bytes) -> None:
        """Have a read taken in this turn of the loop, with all others that are made in it."""
        if not self._read:
            self.loop.call_soon(self._go_on)
        self._read.append((connection, data))

    def _go_on(self) -> None:
        read, self._read = self._read, []
        for connection, data in read:
            try:
                connection.go_on(data)
            except Exception as error:
                self._end(connection, "a request could not be taken", error)

    def write_soon(self, exchange: Exchange) -> None:
        """Have what is ready of an answer written when all sockets of this turn of the loop were read.

        A client that was woken by one answer is awake for the next ones: a twentieth of a call's CPU time.
        """
        if not self._ready:
            self.loop.call_soon(self._write_ready)
        self._ready.append(exchange)

    def _write_ready(self) -> None:
        ready, self._ready = self._ready, []
        for exchange in ready:
            try:
                exchange.write_ready()
            except Exception as error:
                self._end(exchange.client, "an answer could not be written", error)

    def _end(self, connection: ClientConnection, what: str, error: Exception) -> None:
        """End one connection for a fault of our own, not those that wait behind it."""
        self.loop.call_exception_handler({"message": what, "exception": error})
        connection.transport.abort()


class _Nothing:
    """The recorder of a gateway that keeps nothing; never given a call."""

    @property
    def counters(self) -> dict[str, int]:
        return {}

    def submit(self, call: object, done: object) -> None:
        raise AssertionError("recording is off")

    def close(self, timeout: float) -> None: ...
