"""What `/v1/chat/completions` accepts and answers, in OpenAI's shapes (only the fields that mean something here)."""

from __future__ import annotations

from typing import Any

import msgspec

from golddiff.types import Message


class BadRequest(Exception):
    """The request asks for something that is not served; becomes HTTP 400 in OpenAI's error shape."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class _Part(msgspec.Struct):
    type: str
    text: str = ""


class _InMessage(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class ChatRequest(msgspec.Struct, kw_only=True):
    """Body of a request. Unknown fields are ignored, as clients send many.

    Decoding is always greedy: `temperature`, `top_p` and `seed` are accepted and change nothing.
    """

    messages: list[_InMessage]
    """The conversation; content as a string or as text parts."""
    model: str | None = None
    """Any name is answered by the one model that is served."""
    max_tokens: int | None = None
    """Limit of new tokens; None means what the context leaves."""
    max_completion_tokens: int | None = None
    """The newer name of `max_tokens`."""
    stream: bool | None = False
    """Send the answer in pieces, as server-sent events."""
    stream_options: _StreamOptions | None = None
    """`include_usage` adds a last piece with token counts."""
    n: int | None = None
    """Only 1 is served."""
    tools: list[Any] | None = None
    """Not served."""
    logprobs: bool | None = None
    """Not served."""
    stop: str | list[str] | None = None
    """Not served: answers end by themselves."""

    @property
    def limit(self) -> int | None:
        """Limit of new tokens, by either name."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


def read_request(body: bytes) -> tuple[ChatRequest, tuple[Message, ...]]:
    """Return the request and its conversation. Raises `BadRequest` with what is wrong."""
    try:
        request = msgspec.json.decode(body, type=ChatRequest)
    except msgspec.DecodeError as error:
        raise BadRequest(f"the body is not a chat completion request: {error}") from error
    if request.n not in (None, 1):
        raise BadRequest("only n = 1 is served: decoding is greedy, more answers would be the same", "n")
    for name in ("tools", "logprobs", "stop"):
        if getattr(request, name):
            raise BadRequest(f"`{name}` is not served by this model", name)
    if request.limit is not None and request.limit < 1:
        raise BadRequest(f"max_tokens is {request.limit}; it must be at least 1", "max_tokens")
    if not request.messages:
        raise BadRequest("messages is empty", "messages")
    return request, tuple(_message(message) for message in request.messages)


def _message(message: _InMessage) -> Message:
    role = "system" if message.role == "developer" else message.role
    if role not in ("system", "user", "assistant"):
        raise BadRequest(f"role {message.role!r} is not served; send system, user or assistant", "messages")
    if message.content is None or isinstance(message.content, str):
        return Message(role, message.content or "")
    if any(part.type != "text" for part in message.content):
        raise BadRequest("only text parts are served", "messages")
    return Message(role, "".join(part.text for part in message.content))


def error_body(message: str, *, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error shape."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def usage_body(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """OpenAI's token counts."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
