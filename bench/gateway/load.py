"""Clients: each of N connections sends its next request when its answer is complete, or when it is time to.

Requests differ from each other (bodies of made-up code, with a number at their beginning), as those of different
sessions do: a recorder that stores equal bodies once gains little here. Answers are read with httptools.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from dataclasses import dataclass, field

import httptools
import uvloop

_SENT = re.compile(rb"@(\d{20})")
_BODIES = 64


@dataclass
class Load:
    """What one run of clients saw."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds from the request to the end of the answer."""
    first: list[float] = field(default_factory=list)
    """Seconds from the request to the first event."""
    delays: list[float] = field(default_factory=list)
    """Seconds that events were on their way."""
    failures: int = 0
    chunks: int = 0

    @property
    def answered(self) -> int:
        return len(self.latencies)


def bodies(kilobytes: float, model: str, stream: bool) -> list[bytes]:
    """Return request bodies of about this size, each with room for a number."""
    dice = random.Random(int(kilobytes * 1000))
    words = ["return", "value", "self", "index", "result", "items", "append", "def", "class", "None", "path", "(", ")"]
    made = []
    for _ in range(_BODIES if kilobytes < 50 else 8):
        text = ""
        while len(text) < kilobytes * 1000 - 200:
            text += " ".join(dice.choice(words) + str(dice.randrange(1000)) for _ in range(40)) + "\\n"
        text = text[: int(kilobytes * 1000) - 200].rstrip("\\")
        flag = ',"stream":true' if stream else ""
        made.append(
            (
                f'{{"messages":[{{"role":"system","content":"You are a coding agent."}},{{"role":"user","content":'
                f'"%010d {text}"}}],"model":"{model}"{flag}}}'
            ).encode()
        )
    return made


class _Client(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self.run = run
        self.parser = httptools.HttpResponseParser(self)
        self.start = 0.0
        self.first_seen = False
        self.ended = False
        self.bad = False
        self.due = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.ask()

    def ask_in_time(self) -> None:
        """Ask now, or `pause` after this connection last was to ask."""
        self.due = max(self.due + self.run.pause, time.perf_counter() - self.run.pause)
        if (wait := self.due - time.perf_counter()) > 0:
            asyncio.get_running_loop().call_later(wait, self.ask)
        else:
            self.ask()

    def ask(self) -> None:
        if self.transport.is_closing():
            return
        self.start = time.perf_counter()
        self.first_seen = False
        self.transport.writelines(self.run.request())

    def data_received(self, data: bytes) -> None:
        if self.run.streams:
            now = time.monotonic_ns()
            sent = [int(found) for found in _SENT.findall(data)]
            if sent:
                self.run.load.chunks += len(sent)
                self.run.load.delays.append((now - sent[0]) / 1e9)
                if not self.first_seen:
                    self.first_seen = True
                    self.run.load.first.append(time.perf_counter() - self.start)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.run.load.failures += 1
            self.transport.abort()
            return
        if self.ended:
            self.ended = False
            self.run.ended(self)

    def on_headers_complete(self) -> None:
        self.bad = self.parser.get_status_code() != 200

    def on_message_complete(self) -> None:
        self.ended = True
        self.keep = self.parser.should_keep_alive()

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.lost(self)


class _Run:
    def __init__(
        self, port: int, head: bytes, made: list[bytes], seconds: float, streams: bool, first: int, pause: float
    ) -> None:
        self.port = port
        self.pause = pause
        self.head = head
        self.made = made
        self.streams = streams
        self.load = Load()
        self.number = first
        self.until = time.perf_counter() + seconds
        self.open = 0
        self.done = asyncio.Event()

    def request(self) -> tuple[bytes, bytes]:
        self.number += 1
        body = self.made[self.number % len(self.made)] % self.number
        return self.head % len(body), body

    def ended(self, client: _Client) -> None:
        now = time.perf_counter()
        if client.bad:
            self.load.failures += 1
        else:
            self.load.latencies.append(now - client.start)
        if now >= self.until:
            client.transport.close()
        elif client.keep:
            client.ask_in_time()
        else:
            client.transport.close()
            self._again()

    def _again(self) -> None:
        self.open += 1
        task = asyncio.ensure_future(self._connect())
        task.add_done_callback(lambda done: done.exception())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _Client(self), "127.0.0.1", self.port)
        except OSError:
            self.load.failures += 1
            await asyncio.sleep(0.05)
            self.lost(None)

    def lost(self, client: _Client | None) -> None:
        self.open -= 1
        if self.open == 0:
            self.done.set()

    async def go(self, clients: int, spread: float) -> Load:
        start = time.perf_counter()
        self.open = 1  # not done before the last one began
        for _ in range(clients):
            self._again()
            if spread:
                await asyncio.sleep(spread / clients)
        self.lost(None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.done.wait(), self.until - start + 30)
        self.load.seconds = time.perf_counter() - start
        return self.load


def drive(
    port: int,
    clients: int,
    seconds: float,
    *,
    kilobytes: float = 4.0,
    model: str = "plain",
    headers: str = "",
    path: str = "/v1/chat/completions",
    first: int = 0,
    spread: float = 0.0,
    rate: float | None = None,
) -> Load:
    """Load the server on `port`, and return what the clients saw.

    `spread`: seconds over which the clients begin. `rate`: requests a second that they send together, evenly; fewer
    where answers take too long. None: as many as are answered.
    """
    pause = clients / rate if rate else 0.0
    streams = model != "plain"
    own = f"Host: localhost\r\nContent-Type: application/json\r\n{headers}"
    head = f"POST {path} HTTP/1.1\r\n{own}Content-Length: %d\r\n\r\n".encode()

    async def work() -> Load:
        return await _Run(port, head, bodies(kilobytes, model, streams), seconds, streams, first, pause).go(
            clients, spread or pause
        )

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())
