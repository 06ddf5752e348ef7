"""What callers can make a worker hold has a bound: bodies of all requests together, connections of one address."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable

import pytest

from golddiff.errors import ConfigError
from golddiff.record.capture import MemoryRecorder
from golddiff.record.gateway import config
from golddiff.record.gateway.request import Request
from record.gateway.fakes import (
    STREAM_HEAD,
    Asked,
    Gateway,
    ScriptedServer,
    body_of,
    chunk,
    gateway,
    json_answer,
    request,
    run,
    sends,
)

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LARGE = b"a" * (900 << 10)


async def begin(gate: Gateway, data: bytes) -> asyncio.StreamWriter:
    """Send the beginning of a request, and wait until the gateway holds it."""
    _, writer = await asyncio.open_connection(gate.host, gate.port)
    before = gate.worker.service.held_bytes
    writer.write(data)
    async with asyncio.timeout(10):
        while gate.worker.service.held_bytes - before < len(LARGE):
            await asyncio.sleep(0.002)
    return writer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


def test_requests_on_their_way_in_share_one_bound_and_the_next_is_told_when_to_come_back() -> None:
    async def work() -> None:
        async with (
            ScriptedServer(sends(json_answer())) as upstream,
            gateway(upstream, max_body_mb=1, body_memory_mb=2) as gate,
        ):
            part = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % (1 << 20) + LARGE
            held = [await begin(gate, part) for _ in range(2)]
            for refused in (part, request(body=LARGE)):  # found out while it comes, or by its length before
                answer = await gate.ask(refused)
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after: 1\r\n" in answer.lower()
            assert gate.watcher.refusals == [(503, "body_memory")] * 2
            assert gate.worker.service.held_bytes <= 2 << 20
            for writer in held:
                writer.close()
            await until(lambda: gate.worker.service.held_bytes == 0)
            assert body_of(await gate.ask(request(body=b'{"model":"m","messages":[]}'))) == b'{"ok":true}'

    run(work())


async def stream_and_hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM_HEAD + chunk(b"data: 1\n\n"))
    await asyncio.sleep(30)


async def break_off(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM_HEAD + chunk(b"data: 1\n\n"))
    writer.close()


async def reset(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    ("script", "data"),
    [
        (sends(json_answer()), request()),
        (sends(json_answer()), request(close=False) * 5 + request()),
        (sends(json_answer()), request(close=False) + b"GARBAGE\r\n\r\n"),
        (sends(json_answer()), request(b"/healthz", b"x" * 100)),
        (sends(json_answer()), request(b"/v1/files", b"x" * 100)),
        (sends(json_answer()), HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz"),
        (break_off, request()),
        (reset, request()),
    ],
)
def test_what_a_request_held_is_let_go_however_it_ends(script: object, data: bytes) -> None:
    async def work() -> None:
        async with ScriptedServer(script) as upstream, gateway(upstream, attempts=1) as gate:  # type: ignore[arg-type]
            await gate.ask(data)
            await until(lambda: not gate.worker.service.connections)
            assert gate.worker.service.held_bytes == 0

    run(work())


def requests_in_memory() -> int:
    return sum(type(each) is Request for each in gc.get_objects())


def test_a_request_that_is_over_is_freed_at_once_and_not_when_the_garbage_collector_comes() -> None:
    async def work() -> None:
        async with (
            ScriptedServer(sends(json_answer())) as upstream,
            gateway(upstream, recorder=MemoryRecorder()) as gate,
        ):
            gc.collect()
            gc.disable()
            try:
                before = requests_in_memory()
                await gate.ask(request(close=False) * 4 + request())
                await gate.settled(5)
                assert requests_in_memory() == before
            finally:
                gc.enable()

    run(work())


def test_a_client_that_leaves_in_the_middle_of_an_answer_holds_nothing_any_more() -> None:
    async def work() -> None:
        async with ScriptedServer(stream_and_hang) as upstream, gateway(upstream) as gate:
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            writer.write(request())
            await reader.readuntil(b"data: 1\n\n")
            assert gate.worker.service.held_bytes == len(b'{"model":"m","messages":[]}')
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            await until(lambda: gate.worker.service.held_bytes == 0)

    run(work())


def test_one_address_has_so_many_connections_and_gets_them_back() -> None:
    async def work() -> None:
        async with (
            ScriptedServer(sends(json_answer())) as upstream,
            gateway(upstream, connections_per_address=2) as gate,
        ):
            open_ones = [await asyncio.open_connection(gate.host, gate.port) for _ in range(2)]
            answer = await gate.ask(b"")
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in answer.lower()
            for _, writer in open_ones:
                writer.close()
            await until(lambda: not gate.worker.service.addresses)
            assert body_of(await gate.ask(request())) == b'{"ok":true}'

    run(work())


def test_a_memory_that_could_never_hold_the_largest_request_is_an_error() -> None:
    with pytest.raises(ConfigError, match="body_memory_mb is 16"):
        config.read({"body_memory_mb": 16})
