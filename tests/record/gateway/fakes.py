"""What the gateway's tests stand on: an upstream that plays a script, a raw client, and a gateway between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from golddiff.record.capture import MemoryRecorder, RawCall, Recorder
from golddiff.record.gateway.config import GatewaySettings, UpstreamSettings
from golddiff.record.gateway.gate import Served, Silent
from golddiff.record.gateway.worker import Worker, new_loop

ResultT = TypeVar("ResultT")
Script = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a test on the loop that the gateway uses."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(asyncio.wait_for(work, 20))


class Asked:
    """One request as an upstream saw it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.line, *lines = head.split(b"\r\n")
        self.headers = [(line.partition(b": ")[0].lower(), line.partition(b": ")[2]) for line in lines if line]
        self.body = body

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


def json_answer(body: bytes = b'{"ok":true}', status: bytes = b"200 OK", extra: bytes = b"") -> bytes:
    """A whole answer with a length."""
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (
        status, extra, len(body), body,
    )  # fmt: skip


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sends(data: bytes) -> Script:
    """A script that sends these bytes."""

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return script


class ScriptedServer:
    """An HTTP upstream of a test: each request is answered by the next script, the last one for ever."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[Asked] = []
        self.connections = 0
        self.closed = asyncio.Event()
        """Set when a connection was closed by the other side."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
                asked = Asked(head, b"")
                asked.body = await reader.readexactly(int(asked.header(b"content-length") or 0))
                self.asked.append(asked)
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                watcher = asyncio.ensure_future(self._until_closed(reader))
                await script(asked, writer)
                watcher.cancel()
                if writer.is_closing():
                    break
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher
        self.closed.set()

    async def _until_closed(self, reader: asyncio.StreamReader) -> None:
        while not reader.at_eof() and reader.exception() is None:
            await asyncio.sleep(0.005)
        self.closed.set()


class Watching(Silent):
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.answers: list[Served] = []
        self.states: list[tuple[str, str]] = []
        self.refusals: list[tuple[int, str]] = []

    def served(self, served: Served) -> None:
        self.answers.append(served)

    def recorded(self, call_id: str, state: str, reason: str) -> None:
        self.states.append((str(state), str(reason)))

    def refused(self, status: int, code: str) -> None:
        self.refusals.append((status, str(code)))


class Gateway:
    """A running worker with what a test looks at."""

    def __init__(self, worker: Worker, recorder: Recorder, watcher: Watching) -> None:
        self.worker = worker
        self.recorder = recorder
        self.watcher = watcher
        self.host, self.port = worker.address

    @property
    def calls(self) -> list[RawCall]:
        assert isinstance(self.recorder, MemoryRecorder)
        return self.recorder.calls

    async def ask(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own and return all that comes until it is closed."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(data)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def settled(self, count: int = 1) -> None:
        """Wait until that many records reached their state."""
        async with asyncio.timeout(15):
            while len(self.watcher.states) < count:
                await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def gateway(
    *upstreams: ScriptedServer | UpstreamSettings,
    recorder: Recorder | None = None,
    gate: Any = None,
    environment: dict[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """Serve on a free port; a `ScriptedServer` becomes an upstream for both APIs."""
    configured: list[UpstreamSettings] = []
    for number, upstream in enumerate(upstreams):
        if isinstance(upstream, UpstreamSettings):
            configured.append(upstream)
            continue
        url = f"http://127.0.0.1:{upstream.port}"
        configured.append(UpstreamSettings(name=f"main{number or ''}", url=url))
        configured.append(UpstreamSettings(name=f"claude{number or ''}", url=url, api="anthropic"))
    settings = {"port": 0, "auth": "none", "drain_sec": 0.5} | settings
    kept = recorder or MemoryRecorder()
    watcher = Watching()
    worker = await Worker.start(
        GatewaySettings(upstreams=tuple(configured), **settings),
        environment or {},
        kept,
        gate=gate,
        watcher=watcher,
    )
    try:
        yield Gateway(worker, kept, watcher)
        under_way = {connection for connection in worker.service.connections if connection.exchange is not None}
        assert worker.service.answering == under_way
    finally:
        await worker.stop()


def request(
    path: bytes = b"/v1/chat/completions",
    body: bytes = b'{"model":"m","messages":[]}',
    *,
    method: bytes = b"POST",
    headers: bytes = b"",
    close: bool = True,
) -> bytes:
    """One request as a client writes it."""
    own = (b"Connection: close\r\n" if close else b"") + headers
    return b"%b %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (
        method, path, own, len(body), body,
    )  # fmt: skip


def body_of(answer: bytes) -> bytes:
    """The body of one answer, its chunks joined."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    joined, at = b"", 0
    while at < len(rest):
        line = rest.index(b"\r\n", at)
        size = int(rest[at:line], 16)
        if size == 0:
            assert rest[line:] == b"\r\n\r\n", "the last chunk ends the message"
            return joined
        joined += rest[line + 2 : line + 2 + size]
        assert rest[line + 2 + size : line + 4 + size] == b"\r\n"
        at = line + 4 + size
    raise AssertionError("the message does not end")
