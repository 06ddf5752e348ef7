"""What a client may send: well-formed requests within limits pass, the rest is refused and reaches nobody (P6, P8)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable

import pytest

from golddiff.record.gateway.connection import ClientConnection
from golddiff.record.gateway.keys import Admission
from golddiff.record.gateway.refusal import Reason, Refusal
from record.gateway.fakes import Gateway, ScriptedServer, body_of, gateway, json_answer, request, run, sends

BODY = b'{"model":"m"}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
P = b"POST /v1/chat/completions HTTP/1.1\r\n"
H = b"Host: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
SECOND = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"

SMUGGLED = {
    "length and chunks": P + H + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "chunks and length": P + H + CHUNKED + LENGTH + b"\r\n" + CHUNKS,
    "chunks twice": P + H + CHUNKED + CHUNKED + b"\r\n" + CHUNKS,
    "chunks and an unknown coding": P + H + CHUNKED + b"Transfer-Encoding: cow\r\n\r\n" + CHUNKS,
    "an unknown coding and chunks": P + H + b"Transfer-Encoding: cow\r\n" + CHUNKED + b"\r\n" + CHUNKS,
    "gzip, chunked": P + H + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
    "chunked, identity": P + H + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS,
    "xchunked": P + H + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
    "space before the colon": P + H + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS,
    "vertical tab": P + H + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS,
    "chunks in HTTP/1.0": P.replace(b"1.1", b"1.0") + H + CHUNKED + b"\r\n" + CHUNKS,
    "two lengths": P + H + LENGTH + b"Content-Length: 1\r\n\r\n" + BODY,
    "the same length twice": P + H + LENGTH + LENGTH + b"\r\n" + BODY,
    "a list of lengths": P + H + b"Content-Length: 13, 13\r\n\r\n" + BODY,
    "a signed length": P + H + b"Content-Length: +13\r\n\r\n" + BODY,
    "a negative length": P + H + b"Content-Length: -1\r\n\r\n" + BODY,
    "a length in hex": P + H + b"Content-Length: 0xd\r\n\r\n" + BODY,
    "a huge length": P + H + b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
    "two hosts": P + H + b"Host: other\r\n" + LENGTH + b"\r\n" + BODY,
    "no host": P + LENGTH + b"\r\n" + BODY,
    "bare line feeds": P.replace(b"\r", b"") + b"Host: localhost\n" + LENGTH.replace(b"\r", b"") + b"\n" + BODY,
    "one bare line feed": P + b"Host: localhost\nX: y\r\n" + LENGTH + b"\r\n" + BODY,
    "a bare carriage return": P + b"Host: localhost\rX: y\r\n" + LENGTH + b"\r\n" + BODY,
    "a folded header": P + H + b"X: a\r\n b\r\n" + LENGTH + b"\r\n" + BODY,
    "NUL in a value": P + H + b"X: a\0b\r\n" + LENGTH + b"\r\n" + BODY,
    "NUL in a name": P + H + b"X\0: a\r\n" + LENGTH + b"\r\n" + BODY,
    "a control character": P + H + b"X: a\x01b\r\n" + LENGTH + b"\r\n" + BODY,
    "an absolute target": P.replace(b" /v1", b" http://localhost/v1") + H + LENGTH + b"\r\n" + BODY,
    "a foreign target": P.replace(b" /v1", b" http://169.254.169.254/v1") + H + LENGTH + b"\r\n" + BODY,
    "a tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
    "an upgrade": P + H + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + LENGTH + b"\r\n" + BODY,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "dot segments": P.replace(b"/chat", b"/../v1/chat") + H + LENGTH + b"\r\n" + BODY,
    "escaped dots": P.replace(b"/chat", b"/%2e%2e/chat") + H + LENGTH + b"\r\n" + BODY,
    "an escaped slash": P.replace(b"/chat", b"%2Fchat") + H + LENGTH + b"\r\n" + BODY,
    "an escaped line end": P.replace(b"/chat", b"/chat%0d%0aX:y") + H + LENGTH + b"\r\n" + BODY,
    "an empty segment": P.replace(b"/v1/", b"/v1//") + H + LENGTH + b"\r\n" + BODY,
    "a fragment": P.replace(b"completions", b"completions#x") + H + LENGTH + b"\r\n" + BODY,
    "a chunk with a sign": P + H + CHUNKED + b"\r\n-d\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk with 0x": P + H + CHUNKED + b"\r\n0xd\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk that is too long": P + H + CHUNKED + b"\r\n3\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunks with line feeds": P + H + CHUNKED + b"\r\nd\n" + BODY + b"\n0\n\n",
    "a length in a trailer": P + H + CHUNKED + b"\r\nd\r\n" + BODY + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
    "an unknown expectation": P + H + b"Expect: 200-ok\r\n" + LENGTH + b"\r\n" + BODY,
    "a compressed body": P + H + b"Content-Encoding: gzip\r\n" + LENGTH + b"\r\n" + BODY,
}


@pytest.mark.parametrize("whole", [True, False], ids=["in one piece", "byte by byte"])
def test_what_two_parsers_could_read_differently_reaches_no_upstream(whole: bool) -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream) as gate:
            for name, data in SMUGGLED.items():
                reader, writer = await asyncio.open_connection(gate.host, gate.port)
                with contextlib.suppress(ConnectionError):
                    for piece in [data] if whole else (data[i : i + 1] for i in range(len(data))):
                        writer.write(piece)
                        await writer.drain()
                    writer.write(SECOND)
                answer = b""
                with contextlib.suppress(ConnectionError):
                    answer = await reader.read()
                writer.close()
                assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 501", b"HTTP/1.1 415", b"HTTP/1.1 404", b""), name
                assert answer.count(b"HTTP/1.1 ") <= 1, f"{name}: a second request was answered"
                assert not upstream.asked, name
            assert not gate.calls

    run(work())


def test_chunk_extensions_and_trailers_end_at_the_gateway() -> None:
    data = P + H + b"Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n" + CHUNKED + b"\r\n"
    data += b"%x;a=b\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY)

    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream) as gate:
            assert body_of(await gate.ask(data)) == b'{"ok":true}'
            (asked,) = upstream.asked
            assert asked.body == BODY
            names = {name for name, _ in asked.headers}
            assert not names & {b"x-hop", b"te", b"x-trailer", b"transfer-encoding", b"connection"}

    run(work())


def test_a_client_that_waits_for_100_continue_is_told_to_go_on() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream) as gate:
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            writer.write(P + H + b"Expect: 100-continue\r\nConnection: close\r\n" + LENGTH + b"\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(BODY)
            assert body_of(await reader.read()) == b'{"ok":true}'
            writer.close()
            assert upstream.asked[0].header(b"expect") is None

    run(work())


LARGE = {
    "a header of 80 KB": (P + H + b"X: " + b"a" * 80_000 + b"\r\n\r\n", 431),
    "10,000 headers": (P + H + b"".join(b"X-%d: y\r\n" % i for i in range(10_000)) + b"\r\n", 431),
    "a target of 80 KB": (b"GET /v1/models/" + b"a" * 80_000 + b" HTTP/1.1\r\n" + H + b"\r\n", 431),
    "a length of 1 GB": (P + H + b"Content-Length: 1000000000\r\n\r\n", 413),
    "chunks of 3 MB": (P + H + CHUNKED + b"\r\n" + b"100000\r\n" + b"a" * 0x100000 + b"\r\n100000\r\n" + b"a" * 0x100000
                       + b"\r\n100000\r\n" + b"a" * 0x100000, 413),
    "no JSON": (request(body=b"\xff\xfe"), 400),
    "an empty body": (request(body=b""), 400),
    "a body that breaks off": (request(body=b'{"model":"m","messages":['), 400),
    "a list": (request(body=b"[1]"), 400),
    "JSON 10,000 deep": (request(body=b'{"a":' * 10_000 + b"1" + b"}" * 10_000), 400),
    "another method": (request(method=b"PUT"), 405),
    "GET of a route that generates": (request(method=b"GET", body=b""), 405),
    "a path that does not pass": (request(b"/v1/files"), 404),
    "the root": (request(b"/"), 400),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_or_no_request_of_the_api_is_refused_with_its_status(name: str) -> None:
    data, status = LARGE[name]

    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream, max_body_mb=2) as gate:
            answer = await gate.ask(data)
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:80]
            assert not upstream.asked
            assert gate.watcher.refusals[0][0] == status
            assert body_of(await gate.ask(request())) == b'{"ok":true}', "the gateway goes on"

    run(work())


def test_huge_bodies_do_not_stay_in_memory() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream, max_body_mb=4) as gate:
            before = _rss()
            for _ in range(6):
                await gate.ask(P + H + CHUNKED + b"\r\n" + b"2000000\r\n" + b"a" * (8 << 20))
            assert _rss() - before < 64 << 20
            assert not upstream.asked

    run(work())


def _rss() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _Guard:
    """A gate that knows one key and counts whom it asked for money."""

    def __init__(self) -> None:
        self.settled: list[object] = []
        self.full = False
        self.revoked = False

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> Admission | Refusal:
        if not self.revoked and (b"x-api-key", b"good") in [(name.lower(), value) for name, value in headers]:
            return Admission("key_1")
        return Refusal(Reason.UNKNOWN_KEY, "unknown API key.")

    def still_admits(self, admission: Admission) -> bool:
        return not self.revoked

    def reserve(self, admission: Admission, fields: object, body_bytes: int, behind: str | None = None) -> object:
        return Refusal(Reason.REQUESTS_PER_MINUTE, "slower, please.", 7) if self.full else "reserved"

    def settle(self, reservation: object, call: object) -> None:
        self.settled.append((reservation, call is not None))


def test_without_a_key_nothing_passes_whatever_is_asked() -> None:
    paths = [b"/v1/chat/completions", b"/v1/messages", b"/v1/models", b"/v1/files", b"/nowhere", b"/metrics"]

    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream, gate=_Guard()) as gate:
            for path in paths:
                for method in (b"GET", b"POST", b"DELETE", b"PATCH"):
                    answer = await gate.ask(request(path, method=method, headers=b"x-api-key: bad\r\n"))
                    assert answer.startswith(b"HTTP/1.1 401 "), (path, method)
            assert not upstream.asked
            assert not gate.calls
            assert set(gate.watcher.refusals) == {(401, "unknown_key")}
            assert (await gate.ask(request(b"/healthz", method=b"GET", body=b""))).startswith(b"HTTP/1.1 200 ")

    run(work())


async def _on_one_connection(gate: Gateway, *requests: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(gate.host, gate.port)
    for data in requests:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.02)
    writer.write_eof()
    answers = await reader.read()
    writer.close()
    return answers


def test_a_head_that_is_repeated_is_admitted_anew_each_time() -> None:
    guard = _Guard()
    asking = request(headers=b"x-api-key: good\r\n", close=False)

    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream, gate=guard) as gate:
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            for _ in range(2):
                writer.write(asking)
                assert b"200 OK" in await reader.readuntil(b'{"ok":true}')
            guard.revoked = True
            writer.write(asking)
            assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
            writer.close()
            assert len(upstream.asked) == 2

    run(work())


def test_a_head_that_differs_from_the_one_before_is_read_for_itself() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream) as gate:
            await _on_one_connection(
                gate,
                request(headers=b"session_id: a\r\n", close=False),
                request(headers=b"session_id: b\r\n", body=b'{"model":"longer"}', close=False),
                request(headers=b"session_id: b\r\n", close=False),
                request(b"/v1/responses?x=1", headers=b"session_id: b\r\n", close=False),
                request(b"/v1/models", method=b"GET", headers=b"session_id: b\r\n", body=b"", close=False),
            )
            told = [
                (asked.line, asked.header(b"session_id"), asked.header(b"content-length")) for asked in upstream.asked
            ]
            assert told == [
                (b"POST /v1/chat/completions HTTP/1.1", b"a", b"27"),
                (b"POST /v1/chat/completions HTTP/1.1", b"b", b"18"),
                (b"POST /v1/chat/completions HTTP/1.1", b"b", b"27"),
                (b"POST /v1/responses?x=1 HTTP/1.1", b"b", b"27"),
                (b"GET /v1/models HTTP/1.1", b"b", None),
            ]
            assert [dict(call.request_headers)["session_id"] for call in gate.calls] == ["a", "b", "b", "b"]
            assert [call.path for call in gate.calls][2:] == ["/v1/chat/completions", "/v1/responses?x=1"]

    run(work())


def test_what_a_key_may_use_is_reserved_before_and_settled_after_the_call() -> None:
    guard = _Guard()
    asking = request(headers=b"x-api-key: good\r\n")

    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream, gate=guard) as gate:
            await gate.ask(asking)
            assert guard.settled == [("reserved", True)]
            assert gate.calls[0].key_id == "key_1"
            guard.full = True
            answer = await gate.ask(asking)
            assert answer.startswith(b"HTTP/1.1 429 ")
            assert b"retry-after: 7\r\n" in answer
            assert len(upstream.asked) == len(gate.calls) == 1

    run(work())


@pytest.mark.parametrize("header", [b"Origin: http://evil.example\r\n", b"Host: evil.example\r\n"])
def test_without_keys_no_web_page_may_use_the_gateway(header: bytes) -> None:
    data = request(headers=header)
    if header.startswith(b"Host"):
        data = data.replace(H, b"", 1)

    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream) as gate:
            assert (await gate.ask(data)).startswith(b"HTTP/1.1 403 ")
            assert not upstream.asked

    run(work())


def test_a_request_that_dawdles_and_a_connection_that_idles_are_closed() -> None:
    async def work() -> None:
        async with (
            ScriptedServer(sends(json_answer())) as upstream,
            gateway(upstream, request_timeout_sec=0.1, keep_alive_sec=0.1) as gate,
        ):
            slow, slow_writer = await asyncio.open_connection(gate.host, gate.port)
            slow_writer.write(P + H)
            idle, idle_writer = await asyncio.open_connection(gate.host, gate.port)
            assert (await slow.read()).startswith(b"HTTP/1.1 408 ")
            assert await idle.read() == b""
            slow_writer.close()
            idle_writer.close()

    run(work())


def test_beyond_the_most_connections_callers_are_told() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream, max_connections=1) as gate:
            _, writer = await asyncio.open_connection(gate.host, gate.port)
            assert (await gate.ask(b"")).startswith(b"HTTP/1.1 503 ")
            writer.close()

    run(work())


def test_a_fault_of_our_own_ends_one_connection_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream, gateway(upstream) as gate:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            clients = [await asyncio.open_connection(gate.host, gate.port) for _ in range(3)]
            for _ in range(3):  # heads are known from the second request on
                for reader, writer in clients:
                    writer.write(request(close=False))
                    await reader.readuntil(b'{"ok":true}')
            real = ClientConnection.feed
            broken = list(gate.worker.service.connections)[:1]

            def feed(connection: ClientConnection, data: bytes) -> None:
                if connection in broken:
                    raise ValueError("a fault")
                real(connection, data)

            monkeypatch.setattr(ClientConnection, "feed", feed)
            for _, writer in clients:
                writer.write(request(close=False))
            answers = []
            for reader, _ in clients:
                try:
                    await reader.readuntil(b'{"ok":true}')
                    answers.append("whole")
                except (ConnectionError, asyncio.IncompleteReadError):
                    answers.append("none")
            assert sorted(answers) == ["none", "whole", "whole"]
            for _, writer in clients:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    run(work())
