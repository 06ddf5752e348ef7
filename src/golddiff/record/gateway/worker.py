"""One worker: an event loop that listens, serves, and stops in order.

How it fits: `supervisor` starts each worker in a process of its own on the shared port; tests and benchmarks run one in
their own process (`Worker.start`). What it serves with (recorder, gate, watcher) is given to it.

Stopping: no new connections, idle ones closed, open answers get `drain_sec` to finish, then they are cut and recorded
as partial; the recorder then has what is left of the time to write what it holds.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping

from golddiff.record.capture import Recorder
from golddiff.record.gateway.config import GatewaySettings
from golddiff.record.gateway.connection import ClientConnection
from golddiff.record.gateway.gate import Gate, Watcher
from golddiff.record.gateway.service import Service
from golddiff.record.gateway.upstreams import Upstream

_BACKLOG = 2048
_CHECK_SEC = 1.0
_RECORDER_SEC = 2.0
_GC = (10_000, 20, 50)
"""Thresholds of the garbage collector: a request leaves some dozens of objects, and next to no cycles."""


class Worker:
    """A running worker; made by `start`."""

    def __init__(self, service: Service, server: asyncio.Server) -> None:
        self.service = service
        self._server = server
        self._timer = service.loop.call_later(_CHECK_SEC, self._check)
        self._endings: list[Callable[[], object]] = []

    def at_end(self, work: Callable[[], object]) -> None:
        """Have something called when the worker has stopped."""
        self._endings.append(work)

    @classmethod
    async def start(
        cls,
        settings: GatewaySettings,
        environment: Mapping[str, str],
        recorder: Recorder | None,
        *,
        gate: Gate | None = None,
        watcher: Watcher | None = None,
        listener: socket.socket | None = None,
    ) -> Worker:
        """Serve on `listener`, or on the address of the settings.

        Raises:
            ConfigError: an upstream's credential is missing.
            OSError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        upstreams = [
            Upstream(upstream, environment, connect_sec=settings.connect_timeout_sec) for upstream in settings.upstreams
        ]
        service = Service(settings, upstreams, recorder, loop=loop, gate=gate, watcher=watcher)
        sock = listener or listen(settings.host, settings.port)
        for upstream in upstreams:
            upstream.own_port = sock.getsockname()[1]
        server = await loop.create_server(lambda: ClientConnection(service), sock=sock, backlog=_BACKLOG)
        return cls(service, server)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def stop(self) -> None:
        """Drain, then close everything."""
        service, loop = self.service, self.service.loop
        service.draining = True
        self._server.close()
        for connection in list(service.connections):
            connection.drain()
        end = loop.time() + service.settings.drain_sec
        while loop.time() < end and any(connection.busy for connection in service.connections):
            await asyncio.sleep(0.02)
        for connection in list(service.connections):
            connection.cut()
        self._timer.cancel()
        for upstream in service.router.upstreams:
            upstream.close()
        service.holds.hand_over()
        if service.recorder is not None:
            await asyncio.to_thread(service.recorder.close, _RECORDER_SEC)
        service.holds.close()
        await asyncio.sleep(0)  # connections that were cut
        for work in self._endings:
            work()

    def _check(self) -> None:
        now = self.service.loop.time()
        for connection in list(self.service.connections):
            connection.check(now)
        for upstream in self.service.router.upstreams:
            upstream.forget_old(now, self.service.settings.pool_idle_sec)
        self._timer = self.service.loop.call_later(_CHECK_SEC, self._check)


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a listening socket; `shared`: other workers listen on the same port, the kernel spreads connections."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def run(start: Callable[[], Awaitable[Worker]]) -> None:
    """Run a worker until SIGTERM or SIGINT, then drain it."""

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        worker = await start()
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again and again costs more than requests do
        gc.set_threshold(*_GC)
        await stop.wait()
        await worker.stop()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve())


def new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop, or the standard one where uvloop does not exist (it is no part of Windows)."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
