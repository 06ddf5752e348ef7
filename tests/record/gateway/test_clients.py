"""The official Python clients work through the gateway: answers, streams, tools, images, errors.

The clients are imported by the tests that use them: both together take seconds, in every process that collects tests.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from golddiff.record.gateway.config import UpstreamSettings
from record.gateway.fakes import Gateway, Script, ScriptedServer, chunk, gateway, json_answer, run, sends

if TYPE_CHECKING:
    import anthropic
    import openai

    Work = Callable[[openai.AsyncOpenAI, anthropic.AsyncAnthropic, ScriptedServer, Gateway], Awaitable[None]]

IMAGE = "data:image/png;base64,iVBORw0KGgo="
KEYS = {"OPENAI": "sk-o", "ANTHROPIC": "sk-a"}


def as_json(value: Any, status: bytes = b"200 OK") -> Script:
    return sends(json_answer(json.dumps(value).encode(), status, b"x-request-id: req_7\r\nrequest-id: req_7\r\n"))


def as_events(events: list[dict[str, Any]], *, named: bool, done: bool = False) -> Script:
    async def script(_: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in events:
            name = f"event: {event['type']}\n" if named else ""
            writer.write(chunk(f"{name}data: {json.dumps(event)}\n\n".encode()))
            await asyncio.sleep(0)
        writer.write((chunk(b"data: [DONE]\n\n") if done else b"") + b"0\r\n\r\n")

    return script


def with_clients(script: Script, work: Work) -> None:
    import anthropic
    import openai

    async def between() -> None:
        async with ScriptedServer(script) as upstream:
            url = f"http://127.0.0.1:{upstream.port}"
            upstreams = (
                UpstreamSettings(name="o", url=f"{url}/v1", api_key_env="OPENAI"),
                UpstreamSettings(name="a", url=url, api="anthropic", api_key_env="ANTHROPIC"),
            )
            async with gateway(*upstreams, environment=KEYS) as gate:
                address = f"http://127.0.0.1:{gate.port}"
                async with (
                    openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="gdk_x", max_retries=0) as one,
                    anthropic.AsyncAnthropic(base_url=address, api_key="gdk_x", max_retries=0) as other,
                ):
                    await work(one, other, upstream, gate)

    run(between())


TOOL = {"type": "function", "function": {"name": "run", "parameters": {"type": "object", "properties": {}}}}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "run", "arguments": ""}}
CHUNKS: list[dict[str, Any]] = [
    {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": d}],
    }
    for d in (
        {"role": "assistant", "content": "Grüße "},
        {"content": "你好"},
        {"tool_calls": [CALL]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": " 1}"}}]},
    )
]


def test_openai_streams_text_and_tool_calls() -> None:
    async def work(client: openai.AsyncOpenAI, _: Any, upstream: ScriptedServer, gate: Gateway) -> None:
        text, arguments = "", ""
        messages: Any = [
            {
                "role": "user",
                "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": IMAGE}}],
            }
        ]
        stream = await client.chat.completions.create(model="m", messages=messages, tools=[TOOL], stream=True)  # type: ignore[list-item]
        async for piece in stream:
            delta = piece.choices[0].delta
            text += delta.content or ""
            for call in delta.tool_calls or ():
                arguments += (call.function and call.function.arguments) or ""
        assert (text, arguments) == ("Grüße 你好", '{"a": 1}')
        assert upstream.asked[0].header(b"authorization") == b"Bearer sk-o"
        assert IMAGE.encode() in gate.calls[0].request_body
        assert gate.calls[0].streamed

    with_clients(as_events(CHUNKS, named=False, done=True), work)


def test_openai_responses_and_lists_of_models_pass() -> None:
    answer = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [],
              "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}  # fmt: skip

    async def work(client: openai.AsyncOpenAI, _: Any, upstream: ScriptedServer, gate: Gateway) -> None:
        got = await client.responses.create(model="m", input="hello")
        assert (got.id, got._request_id) == ("resp_1", "req_7")
        assert gate.calls[0].protocol == "openai-responses"
        await client.models.with_raw_response.list()
        await client.embeddings.with_raw_response.create(model="m", input="x", encoding_format="float")
        assert [asked.line.split()[1] for asked in upstream.asked] == [
            b"/v1/responses",
            b"/v1/models",
            b"/v1/embeddings",
        ]
        assert len(gate.calls) == 1

    with_clients(as_json(answer), work)


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
           "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1}}  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": MESSAGE},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi ✓"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1,
     "content_block": {"type": "tool_use", "id": "toolu_1", "name": "run", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": '}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "1}"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]  # fmt: skip


def test_anthropic_streams_text_and_tool_use() -> None:
    source: Any = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "see"}]
    tools: Any = [{"name": "run", "input_schema": {"type": "object"}}]

    async def work(_: Any, client: anthropic.AsyncAnthropic, upstream: ScriptedServer, gate: Gateway) -> None:
        messages: Any = [{"role": "user", "content": content}]
        async with client.messages.stream(model="m", max_tokens=9, messages=messages, tools=tools) as stream:
            final = await stream.get_final_message()
        assert [block.type for block in final.content] == ["text", "tool_use"]
        assert final.content[1].input == {"a": 1}  # type: ignore[union-attr]
        assert upstream.asked[0].header(b"x-api-key") == b"sk-a"
        assert gate.calls[0].protocol == "anthropic-messages"
        assert b"message_stop" in gate.calls[0].response_body

    with_clients(as_events(EVENTS, named=True), work)


def test_errors_reach_both_clients_with_their_own_types() -> None:
    import anthropic
    import openai

    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too large"}}

    async def work(one: openai.AsyncOpenAI, other: anthropic.AsyncAnthropic, _: Any, gate: Gateway) -> None:
        with pytest.raises(openai.BadRequestError, match="too large"):
            await one.chat.completions.create(model="m", messages=[])
        with pytest.raises(anthropic.BadRequestError, match="too large") as caught:
            await other.messages.create(model="m", max_tokens=1, messages=[])
        assert caught.value.request_id == "req_7"
        assert [call.status for call in gate.calls] == [400, 400]

    with_clients(as_json(error, b"400 Bad Request"), work)


def test_the_gateways_own_errors_are_readable_to_both_clients() -> None:
    import anthropic
    import openai

    async def work() -> None:
        nowhere = "http://127.0.0.1:9"
        upstreams = (
            UpstreamSettings(name="o", url=nowhere, models=("known",)),
            UpstreamSettings(name="a", url=nowhere, api="anthropic"),
        )
        async with gateway(*upstreams, attempts=1) as gate:
            address = f"http://127.0.0.1:{gate.port}"
            async with (
                openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0) as one,
                anthropic.AsyncAnthropic(base_url=address, api_key="x", max_retries=0) as other,
            ):
                with pytest.raises(openai.NotFoundError, match="no upstream of this gateway answers that model"):
                    await one.chat.completions.create(model="unknown", messages=[])
                with pytest.raises(anthropic.InternalServerError, match="upstream 'a' could not be reached"):
                    await other.messages.create(model="m", max_tokens=1, messages=[])

    run(work())
