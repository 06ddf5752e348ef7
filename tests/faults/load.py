"""Clients, an upstream and a gateway of its own processes: the load that gateways are killed and starved under.

Clients and upstream share the test's event loop; the gateway is `golddiff gateway` in a process group of its own. Every
request has a number, in the text of its message, by which its record is found again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from golddiff.record.calls import rebuild_request, take
from golddiff.store import Location, Store
from golddiff.types import Call
from record.gateway.fakes import STREAM_HEAD, chunk
from record.gateway.program import launch

DEADLINE_SEC = 10.0
"""The longest `deadline_ms`: an answer that ended sooner waited for its record to be on disk, and is acknowledged."""
_LATE_SEC = 0.9 * DEADLINE_SEC
_EVENTS = [
    *({"choices": [{"delta": {"content": f"word {word} "}}]} for word in range(5)),
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}},
]
ANSWER = STREAM_HEAD + b"".join(chunk(b"data: %b\n\n" % json.dumps(event).encode()) for event in _EVENTS)
ANSWER += chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
_NUMBER = re.compile(rb"this is call (\d+)\.")
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Upstream(asyncio.Protocol):
    """Answers every request with the same stream at once. `connected` holds its transport while it is open."""

    def __init__(self, connected: set[asyncio.Transport]) -> None:
        self._connected = connected
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connected.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connected.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._data, 0, end)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._data) < whole:
                return
            self._data = self._data[whole:]
            self._transport.write(ANSWER)


@dataclass
class Tally:
    """What became of the requests, by number."""

    sent: int = 0
    acked: set[int] = field(default_factory=set)
    """Answered in full before the deadline: on disk."""
    late: set[int] = field(default_factory=set)
    """Answered in full, too late to say that."""
    broken: list[str] = field(default_factory=list)
    """Not answered in full, or not with 200."""
    to_first_byte: list[float] = field(default_factory=list)
    """Seconds from each request to the first byte of its answer."""
    first: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the next whole answer."""


class Client(asyncio.Protocol):
    """One connection that asks, waits for the whole answer, and asks again."""

    def __init__(self, tally: Tally, host: str, every_sec: float, filling: str) -> None:
        self._filling = filling
        self._tally = tally
        self._host = host
        self._every_sec = every_sec
        self._number = -1
        self._answer = b""
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        if self.stopping or self.transport.is_closing():
            self.transport.close()
            return
        self._number, self._tally.sent = self._tally.sent, self._tally.sent + 1
        self._answer, self._began = b"", time.monotonic()
        text = f"Please look at this: {'some context, ' * 20} this is call {self._number}. {self._filling}"
        messages = [{"role": "system", "content": "You help."}, {"role": "user", "content": text}]
        body = json.dumps({"model": "m", "stream": True, "messages": messages}).encode()
        self.transport.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (self._host.encode(), len(body), body)
        )

    def data_received(self, data: bytes) -> None:
        if not self._answer:
            self._tally.to_first_byte.append(time.monotonic() - self._began)
        self._answer += data
        if not self._answer.endswith(b"0\r\n\r\n"):
            return
        took = time.monotonic() - self._began
        number, self._number = self._number, -1
        if not self._answer.startswith(b"HTTP/1.1 200 ") or b"[DONE]" not in self._answer:
            self._tally.broken.append(self._answer[:200].decode(errors="replace"))
        else:
            (self._tally.acked if took < _LATE_SEC else self._tally.late).add(number)
            self._tally.first.set()
        wait = self._every_sec - took
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._ask)
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._number >= 0:
            self._tally.broken.append(f"call {self._number} cut: {exc}")

    @property
    def waits(self) -> bool:
        """Whether an answer is under way."""
        return self._number >= 0 and not self.transport.is_closing()


@contextlib.asynccontextmanager
async def asking(
    tally: Tally, address: str, clients: int, per_second: float = 0.0, filling: str = ""
) -> AsyncIterator[list[Client]]:
    """Let clients ask the gateway until the block ends, then wait for their answers; 0: as fast as they can.

    `filling` makes their requests longer.
    """
    loop = asyncio.get_running_loop()
    url = urlsplit(address)
    assert url.hostname
    assert url.port
    every = clients / per_second if per_second else 0.0
    made = []
    for _ in range(clients):
        _, client = await loop.create_connection(
            lambda: Client(tally, url.netloc, every, filling), url.hostname, url.port
        )
        made.append(client)
        await asyncio.sleep(every / clients)
    try:
        yield made
    finally:
        for client in made:
            client.stopping = True
        async with asyncio.timeout(60):
            while any(client.waits for client in made):
                await asyncio.sleep(0.02)
        for client in made:
            client.transport.close()


@contextlib.asynccontextmanager
async def upstream() -> AsyncIterator[int]:
    """An upstream on a free port. A gateway that was killed leaves connections, which must not outlive the loop."""
    connected: set[asyncio.Transport] = set()
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(connected), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for transport in list(connected):
            transport.abort()
        while connected:
            await asyncio.sleep(0.001)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Running:
    """`golddiff gateway` in a process group of its own, in `folder` (its workspace is `folder/work`)."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        more: str = "",
        admin: bool = False,
        before: Iterable[str] = (),
        deadline_ms: float = DEADLINE_SEC * 1000,
        more_of_gateway: str = "",
    ) -> None:
        settings = f"""{more}
[gateway]
port = 0
workers = 2
auth = "none"
deadline_ms = {deadline_ms}
admin_port = {free_port() if admin else 0}
{more_of_gateway}
[[gateway.upstreams]]
name = "main"
url = "http://127.0.0.1:{port}"
"""
        self.program = launch(folder, settings, before=before, start_new_session=True, verbose=False)
        self.address = self.program.address

    def kill(self) -> None:
        """End every process of the gateway at once, without a word to any of them, and wait until all are gone."""
        group = self.program.process.pid
        os.killpg(group, signal.SIGKILL)
        self.program.process.wait()
        until = time.monotonic() + 60
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < until:
                os.killpg(group, 0)
                time.sleep(0.005)

    def cpu_sec(self) -> float:
        """Processor time of the gateway and of its processes until now."""
        used = 0
        for pid in (self.program.process.pid, *self.program.workers()):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
        return used / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Let it drain; on SIGTERM it ends with 0."""
        try:
            self.program.process.send_signal(signal.SIGTERM)
            assert self.program.process.wait(120) == 0, (self.program.folder / "log").read_text()[-2_000:]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.program.process.pid, signal.SIGKILL)


def take_rest(place: Path | Location, spool: Path) -> None:
    """Take what is left in the spool, as the next gateway would."""
    with Store.open(place) as store:
        take(store, spool)


def stored_numbers(place: Path | Location) -> list[int]:
    """The number of every stored call, read from its request, which is rebuilt and checked by its hash."""
    with Store.open(place, write=False) as store:
        bodies = (rebuild_request(store, call) for call in store.find(Call))
        return [int(found[1]) for body in bodies if (found := _NUMBER.search(body))]
