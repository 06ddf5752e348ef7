"""Bytes pass through unchanged wherever a stream is cut (P1), and answers equal those of the upstream itself (P9)."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest

from faults.disks import FULL
from golddiff.record.capture import MemoryRecorder
from golddiff.record.gateway.config import GatewaySettings, UpstreamSettings
from golddiff.record.gateway.connection import ClientConnection
from golddiff.record.gateway.service import Service
from golddiff.record.gateway.upstreams import Upstream, UpstreamConnection
from golddiff.record.gateway.worker import new_loop
from providers.wire.recorded import STREAMS
from record.gateway.fakes import Asked, ScriptedServer, body_of, chunk, gateway, json_answer, request, run, sends

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: r1\r\n"
PATHS = {
    "openai-chat": b"/v1/chat/completions",
    "openai-responses": b"/v1/responses",
    "anthropic-messages": b"/v1/messages",
}
_EVENT_END = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\r\r)")


def chunked(body: bytes) -> bytes:
    """One chunk per event, as servers send them."""
    parts = [chunk(event) for event in _EVENT_END.split(body) if event]
    return HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"".join(parts) + b"0\r\n\r\n"


def with_length(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)


FRAMINGS = [chunked, *([with_length] if FULL else [])]


class _Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def writelines(self, parts: list[bytes]) -> None:
        self.written.extend(bytes(part) for part in parts)

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def pass_in_pieces(
    path: bytes, pieces: list[bytes], loop: asyncio.AbstractEventLoop, deadline: float
) -> tuple[bytes, bytes]:
    """Return what the client gets and what is recorded, of an answer that arrives in these pieces."""
    settings = [
        UpstreamSettings(name=api, url="http://127.0.0.1:1", api=cast(Any, api)) for api in ("openai", "anthropic")
    ]
    upstreams = [Upstream(setting, {}) for setting in settings]
    for upstream in upstreams:
        server_side = UpstreamConnection(upstream)
        server_side.connection_made(cast(Any, _Wire()))
        upstream.idle.append(server_side)
    recorder = MemoryRecorder()
    configured = GatewaySettings(upstreams=tuple(settings), auth="none", deadline_ms=deadline)
    service = Service(configured, upstreams, recorder, loop=loop)
    client, wire = ClientConnection(service), _Wire()
    client.connection_made(cast(Any, wire))
    client.feed(request(path, close=False))
    assert client.exchange is not None
    upstream_side = client.exchange.connection
    assert upstream_side is not None
    for piece in pieces:
        upstream_side.feed(piece)
    service.holds.hand_over()  # what the loop would do next
    service.holds.take_verdicts()
    (call,) = recorder.calls
    assert call.ending == "complete"
    return body_of(b"".join(wire.written)), call.response_body


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_cut_at_any_byte_reaches_the_client_and_the_record_whole(
    name: str, framing: Callable[[bytes], bytes]
) -> None:
    protocol, body = STREAMS[name]
    data = framing(body)
    dice = random.Random(7)
    cuts = [[at] for at in range(1, len(data), 1 if FULL else 3)]  # every byte in `make test-faults`
    cuts += [sorted(dice.sample(range(1, len(data)), 9)) for _ in range(500 if FULL else 25)]
    cuts.append(list(range(1, len(data))))
    loop = new_loop()
    loop.call_soon_threadsafe = lambda *_: None  # type: ignore[assignment,method-assign,misc]
    try:
        for cut in cuts:
            edges = [0, *cut, len(data)]
            pieces = [data[low:high] for low, high in pairwise(edges)]
            got, kept = pass_in_pieces(PATHS[protocol], pieces, loop, 25.0 if cut[0] % 2 else 0.0)
            assert got == kept == body, cut
    finally:
        loop.close()


async def direct(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length")), None)
    bodiless = data.startswith(b"HEAD") or b" 204 " in head or b" 304 " in head
    if bodiless:
        body = b""
    elif length is not None:
        body = await reader.readexactly(length)
    else:
        body = await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    return head + body


_HOP = (b"connection", b"transfer-encoding", b"keep-alive")


def plain(answer: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    head, _, _ = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    body = b"" if b"chunked" not in head.lower() and b"content-length" not in head.lower() else body_of(answer)
    fields = [(line.partition(b":")[0], line.partition(b":")[2].strip()) for line in lines]
    return status, [field for field in fields if field[0].lower() not in _HOP], body


def test_an_answer_through_the_gateway_equals_the_upstreams_own() -> None:
    dice = random.Random(3)
    statuses = [
        b"200 OK", b"200 Fine", b"201 Created", b"204 No Content", b"302 Found", b"304 Not Modified", b"400 Bad",
        b"401 Unauthorized", b"404 Not Found", b"418 Teapot", b"422 X", b"500 Y", b"504 Z",
    ]  # fmt: skip
    requests = [
        (b"POST", b"/v1/chat/completions"), (b"POST", b"/v1/responses"), (b"POST", b"/v1/messages"),
        (b"POST", b"/v1/messages/count_tokens"), (b"POST", b"/v1/embeddings"), (b"GET", b"/v1/models"),
        (b"GET", b"/v1/models/a%20b"), (b"HEAD", b"/v1/models"),
    ]  # fmt: skip
    extras = [
        b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n", b"X-Empty:\r\nServer: up\r\n", b"Location: http://127.0.0.1:1/\r\n",
        b"Keep-Alive: timeout=5\r\nX-Utf8: \xc3\xa9\r\n", b"Retry-After: 100\r\nrequest-id: req_1\r\n", b"",
    ]  # fmt: skip

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[0])

    answers = [b""]

    async def work() -> None:
        async with ScriptedServer(script) as upstream, gateway(upstream) as gate:
            for _ in range(200):
                method, path = dice.choice(requests)
                status, extra = dice.choice(statuses), dice.choice(extras)
                body = dice.randbytes(dice.choice([0, 1, 13, 14, 15, 1000, 70_000]))
                head = b"HTTP/1.1 %b\r\nContent-Type: application/x\r\n%b" % (status, extra)
                if status[:3] in (b"204", b"304"):
                    answers[0] = head + b"\r\n"
                elif method == b"HEAD":
                    answers[0] = head + b"content-length: 5\r\n\r\n"
                elif dice.random() < 0.5:
                    answers[0] = head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
                else:
                    pieces = chunk(body) if body else b""
                    answers[0] = head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n"
                data = request(path, b'{"model":"m"}' if method == b"POST" else b"", method=method)
                assert plain(await gate.ask(data)) == plain(await direct(upstream.port, data)), (method, path, answers)

    run(work())


def test_a_redirect_goes_to_the_client_and_is_not_followed() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as canary:
            to = b"Location: http://127.0.0.1:%d/\r\n" % canary.port
            async with (
                ScriptedServer(sends(json_answer(b"", b"307 Temporary Redirect", to))) as upstream,
                gateway(upstream) as gate,
            ):
                answer = await gate.ask(request())
                assert answer.startswith(b"HTTP/1.1 307 ")
                assert to in answer
                assert canary.connections == 0

    run(work())


@pytest.mark.parametrize(
    "header",
    [b"X-Portkey-Custom-Host: http://127.0.0.1:%d\r\n", b"X-Forwarded-Host: 127.0.0.1:%d\r\n",
     b"X-Upstream-Url: http://127.1:%d\r\n", b"Forwarded: host=[::ffff:127.0.0.1]:%d\r\n"],
)  # fmt: skip
def test_no_header_of_a_caller_chooses_an_upstream(header: bytes) -> None:
    async def work() -> None:
        async with (
            ScriptedServer(sends(json_answer())) as canary,
            ScriptedServer(sends(json_answer())) as upstream,
            gateway(upstream) as gate,
        ):
            url = b"http://127.0.0.1:%d/" % canary.port
            await gate.ask(request(headers=header % canary.port, body=b'{"model":"%b","base_url":"%b"}' % (url, url)))
            assert (canary.connections, len(upstream.asked)) == (0, 1)

    run(work())


def test_a_gateway_that_is_configured_as_its_own_upstream_does_not_call_itself() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as other, gateway(other) as gate:
            upstream = gate.worker.service.router.upstreams[0]
            upstream.port = gate.port
            upstream.close()
            answer = await gate.ask(request())
            assert answer.startswith(b"HTTP/1.1 502 ")
            assert not gate.calls

    run(work())
