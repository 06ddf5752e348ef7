"""The student behind an OpenAI-compatible API: `/v1/chat/completions` (streamed and not), `/v1/models`, `/healthz`.

Requests go renderer → batcher → engine; the renderer is the one in the model's manifest, so a request with the content
that `prompts.edit_messages` makes meets the tokens that the student was trained on. Needs no torch.

Not covered: authentication and TLS (bind to loopback, or put a proxy in front), and falling back to a teacher.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from golddiff.errors import GolddiffError, UpstreamError
from golddiff.serve.batching import Batcher
from golddiff.serve.local import LocalUpstream
from golddiff.serve.requests import BadRequest, ChatRequest, error_body, read_request, usage_body
from golddiff.types import new_id

DEFAULT_MAX_TOKENS = 1024
"""Limit of new tokens where neither the request nor the model's context sets a smaller one."""
MAX_BODY_BYTES = 4_000_000


def create_app(model: LocalUpstream) -> Starlette:
    """Return the ASGI application that serves `model`."""
    service = _Service(model)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        service.batcher = Batcher(model.engine)
        yield
        await asyncio.to_thread(service.batcher.close)

    routes = [
        Route("/healthz", service.health),
        Route("/v1/models", service.models),
        Route("/v1/chat/completions", service.chat, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


class _Service:
    batcher: Batcher

    def __init__(self, model: LocalUpstream) -> None:
        self._model = model
        self._started = int(time.time())

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "model": self._model.name})

    async def models(self, _: Request) -> Response:
        entry = {"id": self._model.name, "object": "model", "created": self._started, "owned_by": "golddiff"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def chat(self, http: Request) -> Response:
        try:
            body = await _body(http)
            request, conversation = read_request(body)
            prompt = self._model.prompt(conversation)
        except BadRequest as error:
            shape = error_body(str(error), kind="invalid_request_error", param=error.param, code=error.code)
            return JSONResponse(shape, status_code=400)
        except GolddiffError as error:
            # Clients shorten the conversation on this code; the chat template may refuse for another reason.
            code = "context_length_exceeded" if isinstance(error, UpstreamError) else None
            return JSONResponse(error_body(str(error), kind="invalid_request_error", code=code), status_code=400)
        except ClientDisconnect:  # it left while it was still asking: nobody reads this
            return Response(status_code=400)
        limit = self._limit(request, len(prompt))
        if request.stream:
            pieces = self._stream(request, prompt, limit)
            return StreamingResponse(iterate_in_threadpool(pieces), media_type="text/event-stream")
        try:
            answer = await asyncio.wrap_future(self.batcher.submit(prompt, limit))
        except Exception as error:  # the engine failed: say so in the shape that clients understand
            return JSONResponse(error_body(f"the engine failed: {error}", kind="server_error"), status_code=500)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self._model.renderer.text(answer)},
            "finish_reason": "length" if len(answer) >= limit else "stop",
            "logprobs": None,
        }
        reply = self._head("chat.completion") | {"choices": [choice], "usage": usage_body(len(prompt), len(answer))}
        return JSONResponse(reply)

    def _stream(self, request: ChatRequest, prompt: list[int], limit: int) -> Iterator[bytes]:
        head = self._head("chat.completion.chunk")

        def piece(delta: dict[str, str], finish: str | None = None) -> bytes:
            return _event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        yield piece({"role": "assistant", "content": ""})
        tokens: list[int] = []
        sent = ""
        try:
            for token in self._model.engine.stream(prompt, limit):
                tokens.append(token)
                text = self._model.renderer.text(tokens)
                if len(text) > len(sent) and not text.endswith("\ufffd"):  # half a character: wait for the rest
                    yield piece({"content": text[len(sent) :]})
                    sent = text
        except Exception as error:
            yield _event(error_body(f"the engine failed: {error}", kind="server_error"))
            return
        if rest := self._model.renderer.text(tokens)[len(sent) :]:
            yield piece({"content": rest})
        yield piece({}, "length" if len(tokens) >= limit else "stop")
        if request.stream_options is not None and request.stream_options.include_usage:
            yield _event(head | {"choices": [], "usage": usage_body(len(prompt), len(tokens))})
        yield b"data: [DONE]\n\n"

    def _limit(self, request: ChatRequest, prompt_tokens: int) -> int:
        context = self._model.manifest.context_tokens
        room = context - prompt_tokens if context else DEFAULT_MAX_TOKENS
        return min(room, DEFAULT_MAX_TOKENS if request.limit is None else request.limit)

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": new_id("chatcmpl"), "object": kind, "created": int(time.time()), "model": self._model.name}


async def _body(http: Request) -> bytes:
    body = b""
    async for part in http.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise BadRequest(f"the body is larger than {MAX_BODY_BYTES} bytes")
    return body


def _event(data: Any) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
