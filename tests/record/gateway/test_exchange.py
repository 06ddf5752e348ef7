"""One request and its answer: bytes unchanged, a copy kept, the last bytes held back."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import pytest

from golddiff.record.capture import ACKED, Drop, RawCall, Verdict
from golddiff.record.gateway.config import UpstreamSettings
from golddiff.record.gateway.gate import Served
from record.gateway.fakes import (
    STREAM_HEAD,
    Asked,
    ScriptedServer,
    body_of,
    chunk,
    gateway,
    json_answer,
    request,
    run,
    sends,
)

ANSWER = b'{"id":"x","choices":[{"message":{"content":"\xe4\xbd\xa0\xe5\xa5\xbd"}}]}'


class SlowRecorder:
    """A disk that answers when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[RawCall, Callable[[Verdict], None]]] = []
        self.counters: dict[str, int] = {}

    def submit(self, call: RawCall, done: Callable[[Verdict], None]) -> None:
        self.waiting.append((call, done))

    def close(self, timeout: float) -> None:
        for _, done in self.waiting:
            done(Verdict(Drop.CLOSED))


def test_who_has_the_whole_answer_finds_it_counted() -> None:
    async def work() -> int:
        async with ScriptedServer(sends(json_answer(ANSWER))) as upstream, gateway(upstream) as gate:
            count = gate.watcher.served

            def slowly(served: Served) -> None:
                time.sleep(0.03)
                count(served)

            gate.watcher.served = slowly  # type: ignore[method-assign]

            def ask() -> int:
                with socket.create_connection((gate.host, gate.port), 10) as client:
                    client.sendall(request(close=False))
                    answer = b""
                    while not answer.endswith(ANSWER):
                        answer += client.recv(65536)
                    return len(gate.watcher.answers)

            return await asyncio.to_thread(ask)

    assert run(work()) == 1


def test_an_answer_passes_unchanged_and_is_recorded() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer(ANSWER))) as upstream, gateway(upstream) as gate:
            answer = await gate.ask(request(body=b'{"model": "gpt", "messages": []}'))
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert body_of(answer) == ANSWER
            await gate.settled()
            (call,) = gate.calls
            assert (call.protocol, call.asked_model, call.status, call.ending) == (
                "openai-chat",
                "gpt",
                200,
                "complete",
            )
            assert call.request_body == b'{"model": "gpt", "messages": []}'
            assert call.response_body == ANSWER
            assert 0 < call.first_byte_ns <= call.duration_ns
            assert gate.watcher.states == [("acked", "")]
            assert upstream.asked[0].line == b"POST /v1/chat/completions HTTP/1.1"

    run(work())


def test_a_stream_passes_event_by_event_and_only_its_last_bytes_wait() -> None:
    recorder = SlowRecorder()
    events = [b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % i for i in range(3)]
    go_on = asyncio.Event()

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        for event in events:
            writer.write(chunk(event))
            await go_on.wait()
            go_on.clear()
        writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    async def work() -> None:
        async with ScriptedServer(script) as upstream, gateway(upstream, recorder=recorder, deadline_ms=9000) as gate:
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            writer.write(request())
            seen = b""
            for event in events:
                while event not in seen:
                    seen += await reader.read(4096)
                go_on.set()
            async with asyncio.timeout(5):
                while not recorder.waiting:
                    await asyncio.sleep(0.001)
            assert b"[DONE]\n\n" not in seen
            call, done = recorder.waiting.pop()
            assert call.response_body == b"".join(events) + b"data: [DONE]\n\n"
            assert call.streamed
            done(ACKED)
            seen += await reader.read()
            assert body_of(seen) == call.response_body
            writer.close()

    run(work())


@pytest.mark.parametrize("streamed", [False, True])
def test_a_disk_that_does_not_answer_costs_the_deadline_and_the_call_is_late(streamed: bool) -> None:
    recorder = SlowRecorder()
    answer = STREAM_HEAD + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n" if streamed else json_answer(ANSWER)

    async def work() -> None:
        async with (
            ScriptedServer(sends(answer)) as upstream,
            gateway(upstream, recorder=recorder, deadline_ms=40) as gate,
        ):
            start = time.monotonic()
            got = await gate.ask(request())
            assert 0.03 < time.monotonic() - start < 2
            assert body_of(got) == (b"data: [DONE]\n\n" if streamed else ANSWER)
            recorder.waiting.pop()[1](ACKED)
            await gate.settled()
            assert gate.watcher.states == [("late", "")]

    run(work())


def test_with_a_deadline_of_nought_nothing_waits() -> None:
    recorder = SlowRecorder()

    async def work() -> None:
        async with (
            ScriptedServer(sends(json_answer(ANSWER))) as upstream,
            gateway(upstream, recorder=recorder, deadline_ms=0) as gate,
        ):
            assert body_of(await gate.ask(request())) == ANSWER

    run(work())


def test_a_dropped_call_is_counted_with_its_reason_and_costs_the_client_nothing() -> None:
    recorder = SlowRecorder()

    async def work() -> None:
        async with (
            ScriptedServer(sends(json_answer(ANSWER))) as upstream,
            gateway(upstream, recorder=recorder, deadline_ms=5000) as gate,
        ):
            asking = asyncio.ensure_future(gate.ask(request()))
            while not recorder.waiting:
                await asyncio.sleep(0.001)
            recorder.waiting.pop()[1](Verdict(Drop.ENOSPC))
            assert body_of(await asking) == ANSWER
            assert gate.watcher.states == [("dropped", "enospc")]

    run(work())


def test_connections_are_kept_on_both_sides() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer(ANSWER))) as upstream, gateway(upstream) as gate:
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            for _ in range(20):
                writer.write(request(close=False))
                head = await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(len(ANSWER)) == ANSWER
                assert b"connection: close" not in head
            writer.close()
            assert upstream.connections == 1

    run(work())


def test_pipelined_requests_are_answered_in_order() -> None:
    answers = [sends(json_answer(b'{"n":%d}' % i)) for i in range(3)]

    async def work() -> None:
        async with ScriptedServer(*answers) as upstream, gateway(upstream) as gate:
            got = await gate.ask(request(close=False) * 2 + request())
            assert [got.index(b'{"n":%d}' % i) for i in range(3)] == sorted(
                got.index(b'{"n":%d}' % i) for i in range(3)
            )

    run(work())


def test_the_provider_key_comes_from_the_environment_and_the_callers_own_goes_nowhere() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream:
            settings = UpstreamSettings(
                name="p", url=f"http://127.0.0.1:{upstream.port}/v1", api_key_env="PROVIDER_KEY"
            )
            async with gateway(settings, environment={"PROVIDER_KEY": "sk-provider"}) as gate:
                headers = (
                    b"Authorization: Bearer canary-1\r\nx-api-key: canary-2\r\nCookie: canary-3\r\nX-Other: yes\r\n"
                )
                await gate.ask(request(b"/v1/chat/completions?key=canary-4&beta=true", headers=headers))
                asked = upstream.asked[0]
                assert asked.header(b"authorization") == b"Bearer sk-provider"
                assert asked.header(b"x-other") == b"yes"
                assert asked.line == b"POST /v1/chat/completions?beta=true HTTP/1.1"
                assert b"canary" not in b"".join(name + value for name, value in asked.headers)
                assert "canary" not in repr(gate.calls)
                assert "sk-provider" not in repr(gate.calls)

    run(work())


def test_an_alias_changes_the_model_and_nothing_else_of_the_body() -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer())) as upstream:
            url = f"http://127.0.0.1:{upstream.port}"
            settings = UpstreamSettings(name="p", url=url, models=("real-*",), aliases={"fast": "real-small"})
            async with gateway(settings) as gate:
                await gate.ask(request(body=b'{"n": 1.50, "model": "fast", "x": "\\u00e9"}'))
                assert upstream.asked[0].body == b'{"n":1.50,"model":"real-small","x":"\\u00e9"}'
                assert gate.calls[0].asked_model == "fast"
                refused = await gate.ask(request(body=b'{"model":"unknown"}'))
                assert refused.startswith(b"HTTP/1.1 404 ")
                assert len(upstream.asked) == 1

    run(work())


class _Broken:
    """A recorder and a watcher with a fault in every part."""

    counters: dict[str, int] = {}  # noqa: RUF012

    def submit(self, call: RawCall, done: Callable[[Verdict], None]) -> None:
        raise RuntimeError("disk")

    def close(self, timeout: float) -> None: ...


@pytest.mark.parametrize("streamed", [False, True])
def test_a_fault_of_recording_itself_costs_a_record_and_no_answer(
    streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    answer = STREAM_HEAD + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n" if streamed else json_answer(ANSWER)

    async def work() -> None:
        async with ScriptedServer(sends(answer)) as upstream, gateway(upstream, recorder=_Broken()) as gate:
            for _ in range(2):
                assert body_of(await gate.ask(request())) == (b"data: [DONE]\n\n" if streamed else ANSWER)
            assert gate.watcher.states == [("dropped", "internal")] * 2

    run(work())
    assert "a call could not be recorded" in caplog.text


def test_the_closing_event_waits_also_where_it_comes_in_two_reads_before_the_end_of_the_stream() -> None:
    recorder = SlowRecorder()

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        for piece in (STREAM_HEAD, chunk(b"data: [DO"), chunk(b"NE]\n\n")):
            writer.write(piece)
            await asyncio.sleep(0.02)
        await asyncio.sleep(30)

    async def work() -> None:
        async with ScriptedServer(script) as upstream, gateway(upstream, recorder=recorder, deadline_ms=300) as gate:
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            writer.write(request())
            await reader.readuntil(b"[DO")
            start = time.monotonic()
            await reader.readuntil(b"NE]\n\n")
            assert time.monotonic() - start > 0.2
            writer.close()

    run(work())
