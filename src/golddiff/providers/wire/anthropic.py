"""Anthropic Messages: requests, whole answers and streams.

Format: the types of the `anthropic` client 2.12 and real streams. Usage arrives twice, in `message_start` and
cumulatively in `message_delta`; the later figures count. A tool call's arguments are the joined `partial_json`
pieces, none meaning `{}`. Blocks of tools that the provider runs itself are noted by their type.
"""

from __future__ import annotations

import msgspec

from golddiff.providers.wire.damage import join_pairs, read, text_of
from golddiff.providers.wire.shape import Part, PartKind, Usage, WireMessage, WireRequest, WireResponse
from golddiff.providers.wire.sse import SseEvent

_NOTHING = msgspec.Raw()


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = _NOTHING
    tool_use_id: str | None = None
    content: msgspec.Raw = _NOTHING
    is_error: bool | None = None
    source: msgspec.Raw = _NOTHING


class _Message(msgspec.Struct, gc=False):
    role: str = "user"
    content: str | list[_Block] | None = None


class _Tool(msgspec.Struct, gc=False):
    name: str | None = None
    type: str | None = None


class _Metadata(msgspec.Struct, gc=False):
    user_id: str | None = None


class _Request(msgspec.Struct, gc=False):
    model: str | None = None
    stream: bool | None = None
    system: str | list[_Block] | None = None
    messages: list[_Message] | None = None
    tools: list[_Tool] | None = None
    metadata: _Metadata | None = None
    max_tokens: int | None = None


class Tokens(msgspec.Struct, gc=False, omit_defaults=True):
    """`usage` of a message, on the wire and in Claude Code's transcripts."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Error(msgspec.Struct, gc=False):
    type: str | None = None
    message: str | None = None


class _Response(msgspec.Struct, gc=False):
    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: Tokens | None = None
    error: _Error | None = None


class _Delta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    index: int | None = None
    delta: _Delta | None = None
    usage: Tokens | None = None
    error: _Error | None = None


class _Start(msgspec.Struct, gc=False):
    """The two events that hold raw parts."""

    message: _Response | None = None
    index: int | None = None
    content_block: _Block | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_RESPONSE = msgspec.json.Decoder(_Response)
_EVENT = msgspec.json.Decoder(_Event)
_START = msgspec.json.Decoder(_Start)
_CONTENT: msgspec.json.Decoder[str | list[_Block] | None] = msgspec.json.Decoder(str | list[_Block] | None)


def parse_request(body: bytes) -> WireRequest:
    """Read a request."""
    damaged: list[str] = []
    asked = read(_REQUEST, body, damaged) or _Request()
    system = [asked.system] if isinstance(asked.system, str) else [b.text or "" for b in asked.system or []]
    messages = []
    for message in asked.messages or []:
        content = message.content
        blocks = [_Block("text", text=content)] if isinstance(content, str) else content or []
        messages.append(WireMessage(message.role, tuple(_part(block, damaged) for block in blocks)))
    return WireRequest(
        model=asked.model,
        stream=asked.stream is True,
        system=tuple(text for text in system if text),
        messages=tuple(messages),
        tools=tuple(tool.name or tool.type or "" for tool in asked.tools or []),
        user_id=asked.metadata.user_id if asked.metadata else None,
        max_output_tokens=asked.max_tokens,
        damaged=tuple(damaged),
    )


def parse_response(body: bytes) -> WireResponse:
    """Read an answer that was not streamed."""
    damaged: list[str] = []
    answer = read(_RESPONSE, body, damaged)
    if answer is None:
        return WireResponse(complete=False, damaged=tuple(damaged))
    error = _error(answer.error)
    return WireResponse(
        model=answer.model,
        response_id=answer.id,
        parts=tuple(_part(block, damaged) for block in answer.content or []),
        stop_reason=answer.stop_reason,
        usage=usage_of(answer.usage),
        error=error,
        complete="breaks off" not in damaged,
        damaged=tuple(damaged),
    )


class AnthropicStream:
    """Collects a stream's events into one answer."""

    def __init__(self) -> None:
        self._start = _Response()
        self._blocks: dict[int, tuple[_Block, list[str]]] = {}
        self._open: set[int] = set()
        self._tokens = Tokens()
        self._counted = False
        self._stop_reason: str | None = None
        self._error: str | None = None
        self._ended = False

    def take(self, event: SseEvent, damaged: list[str]) -> None:
        """Take in one event."""
        found = read(_EVENT, event.data, damaged)
        if found is None:
            return
        kind = found.type or event.name.decode("ascii", "replace")
        delta = found.delta
        if kind == "content_block_delta" and delta is not None:
            piece = delta.text or delta.partial_json or delta.thinking
            if piece:
                index = found.index or 0
                if index not in self._blocks:  # its start was damaged
                    self._begin(index, _Block("tool_use" if delta.partial_json else "text"))
                self._blocks[index][1].append(piece)
        elif kind == "content_block_start":
            start = read(_START, event.data, damaged)
            if start is not None and start.content_block is not None:
                self._begin(start.index or 0, start.content_block)
        elif kind == "content_block_stop":
            self._open.discard(found.index or 0)
        elif kind == "message_start":
            start = read(_START, event.data, damaged)
            if start is not None and start.message is not None:
                self._start = start.message
                self._count(start.message.usage)
        elif kind == "message_delta":
            self._count(found.usage)
            if delta is not None and delta.stop_reason is not None:
                self._stop_reason = delta.stop_reason
        elif kind == "message_stop":
            self._ended = True
        elif kind == "error":
            self._error = _error(found.error) or "error"

    def answer(self, events: int, damaged: list[str]) -> WireResponse:
        """Return what came so far."""
        if not self._ended and self._error is None:
            damaged.append("the stream ended before message_stop")
        return WireResponse(
            model=self._start.model,
            response_id=self._start.id,
            parts=tuple(self._joined(index, damaged) for index in sorted(self._blocks)),
            stop_reason=self._stop_reason,
            usage=usage_of(self._tokens) if self._counted else None,
            error=self._error,
            events=events,
            complete=self._ended,
            damaged=tuple(damaged),
        )

    def _begin(self, index: int, block: _Block) -> None:
        self._blocks[index] = (block, [])
        self._open.add(index)

    def _joined(self, index: int, damaged: list[str]) -> Part:
        block, pieces = self._blocks[index]
        partial = index in self._open
        joined = join_pairs("".join(pieces))
        if block.type in ("tool_use", "server_tool_use"):
            arguments = joined or text_of(block.input) or "{}"
            kind = PartKind.TOOL_CALL if block.type == "tool_use" else PartKind.OTHER
            return Part(kind=kind, call_id=block.id, name=block.name, arguments=arguments, partial=partial)
        if block.type in ("thinking", "redacted_thinking"):
            return Part(kind=PartKind.REASONING, text=(block.thinking or "") + joined, partial=partial)
        if block.type == "text":
            return Part(kind=PartKind.TEXT, text=(block.text or "") + joined, partial=partial)
        return msgspec.structs.replace(_part(block, damaged), partial=partial)

    def _count(self, tokens: Tokens | None) -> None:
        if tokens is None:
            return
        self._counted = True
        for name in Tokens.__struct_fields__:
            value = getattr(tokens, name)
            if value is not None:
                setattr(self._tokens, name, value)


def _part(block: _Block, damaged: list[str]) -> Part:
    kind = block.type
    if kind == "text":
        return Part(kind=PartKind.TEXT, text=block.text or "")
    if kind == "tool_use":
        return Part(kind=PartKind.TOOL_CALL, call_id=block.id, name=block.name, arguments=text_of(block.input) or "{}")
    if kind == "tool_result":
        return Part(
            kind=PartKind.TOOL_RESULT,
            call_id=block.tool_use_id,
            text=_result_text(block.content, damaged),
            is_error=block.is_error is True,
        )
    if kind in ("thinking", "redacted_thinking"):
        return Part(kind=PartKind.REASONING, text=block.thinking or "")
    if kind == "image":
        return Part(kind=PartKind.IMAGE, name=kind, size=len(bytes(block.source)))
    size = len(bytes(block.source)) + len(bytes(block.content)) + len(bytes(block.input))
    return Part(kind=PartKind.OTHER, name=block.name or kind, call_id=block.id or block.tool_use_id, size=size)


def _result_text(content: msgspec.Raw, damaged: list[str]) -> str:
    """Text of a tool's result; pictures and references become their type in brackets."""
    if not content:
        return ""
    try:
        blocks = _CONTENT.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        damaged.append("tool result: unexpected shape")
        return text_of(content)
    if blocks is None or isinstance(blocks, str):
        return blocks or ""
    return "\n".join(block.text if block.text is not None else f"[{block.type}]" for block in blocks)


def usage_of(tokens: Tokens | None) -> Usage | None:
    """Return the tokens that a message reports; None where it reports none."""
    if tokens is None:
        return None
    return Usage(
        input_tokens=tokens.input_tokens or 0,
        output_tokens=tokens.output_tokens or 0,
        cache_read_tokens=tokens.cache_read_input_tokens or 0,
        cache_write_tokens=tokens.cache_creation_input_tokens or 0,
    )


def _error(error: _Error | None) -> str | None:
    if error is None:
        return None
    return ": ".join(word for word in (error.type, error.message) if word) or "error"
