"""A client, a provider and a spool without any of them: calls as they would come out of a spool."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from golddiff.providers.wire import WireProtocol
from golddiff.record.calls.store_call import CallStore, Outcome
from golddiff.record.capture import Ending
from golddiff.record.spool.stored import Place, StoredCall
from golddiff.store import Store
from golddiff.types import Clean, CleanBytes, Event, EventKind, Session, new_id
from providers.wire.recorded import MESSAGE_END, block, json_delta, message_start, sse, text_delta

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MODEL = "qwen2.5-coder-7b"
UUID = "0197b1de-4f4c-7bd2-a2b5-9a5c3f8f2a10"
CLAUDE_SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.39; cch=0001;"},
    {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
    {"type": "text", "text": "Use tools.\nWorking directory: /home/dev/app\nCurrent branch: main\n"},
]
CLAUDE_TOOLS = [{"name": name, "input_schema": {}} for name in ("Bash", "Edit", "Write", "Read", "Task")]


def stored(
    protocol: WireProtocol,
    request: dict[str, Any] | bytes,
    answer: dict[str, Any] | bytes,
    *,
    at: float,
    took: float = 1.0,
    headers: dict[str, str] | None = None,
    key_id: str | None = "key_1",
    status: int = 200,
    ending: Ending = "complete",
    worker: str = "w0",
    place: Place | None = None,
) -> StoredCall:
    """Make a call that began `at` seconds after the start and `took` as many."""
    body = request if isinstance(request, bytes) else json.dumps(request, ensure_ascii=False).encode()
    streamed = isinstance(answer, bytes)
    content = answer if isinstance(answer, bytes) else json.dumps(answer, ensure_ascii=False).encode()
    return StoredCall(
        call_id=new_id("call"),
        number=1,
        started_at=START + timedelta(seconds=at),
        first_byte_ns=1,
        duration_ns=int(took * 1e9),
        key_id=key_id,
        protocol=protocol,
        upstream=Clean("main"),
        method=Clean("POST"),
        path=Clean("/v1/x"),
        asked_model=None,
        request_headers=tuple((Clean(name), Clean(value)) for name, value in (headers or {}).items()),
        response_headers=(),
        status=status,
        streamed=streamed,
        ending=ending,
        request_body=CleanBytes(body),
        response_body=CleanBytes(content),
        request_sha256=sha256(body).digest(),
        worker=worker,
        place=place or Place("s", 0, 0),
    )


def add(store: Store, *calls: StoredCall) -> list[Outcome]:
    """Store calls, one transaction each."""
    adder = CallStore(store)
    outcomes = []
    for call in calls:
        with store.transaction():
            outcomes += adder.add(call)
    return outcomes


class Claude:
    """Claude Code in one session: remembers what was said and sends all of it again, as it does."""

    def __init__(self, session: str | None = UUID, system: Any = None, tools: Any = None, model: str = "claude-x"):
        self.system = CLAUDE_SYSTEM if system is None else system
        self.tools = CLAUDE_TOOLS if tools is None else tools
        self.model = model
        self.messages: list[dict[str, Any]] = []
        self.user_id = f"user_1_account__session_{session}" if session else "user_1"

    def user(self, *content: Any) -> None:
        """Say or give back something."""
        blocks = [{"type": "text", "text": one} if isinstance(one, str) else one for one in content]
        self.messages.append({"role": "user", "content": blocks})

    def request(self) -> dict[str, Any]:
        """The body of the next request, with the cache marker on the last block."""
        messages = json.loads(json.dumps(self.messages))
        messages[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
        return {
            "model": self.model,
            "messages": messages,
            "system": self.system,
            "tools": self.tools,
            "metadata": {"user_id": self.user_id},
            "max_tokens": 100,
            "stream": True,
        }

    def call(self, text: str, *tools: tuple[str, str, dict[str, Any]], at: float, **more: Any) -> StoredCall:
        """Ask, and let the model answer with a text and tool calls (name, id, input)."""
        request = self.request()
        content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
        events = [message_start(self.model)]
        thinking = {"type": "thinking_delta", "thinking": "hm"}
        events += block(0, {"type": "thinking", "thinking": ""}, thinking)
        events += block(1, {"type": "text", "text": ""}, text_delta(text)) if text else []
        for index, (name, call_id, arguments) in enumerate(tools, 2):
            content.append({"type": "tool_use", "id": call_id, "name": name, "input": arguments})
            start = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
            events += block(index, start, json_delta(json.dumps(arguments)))
        self.messages.append({"role": "assistant", "content": content})
        return stored("anthropic-messages", request, sse(*events, *MESSAGE_END, named=True), at=at, **more)


def result(call_id: str, text: str, *, is_error: bool = False) -> dict[str, Any]:
    """A tool's result for Claude."""
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id, "content": text}
    return block | {"is_error": True} if is_error else block


def chat(messages: list[dict[str, Any]], model: str = MODEL, **fields: Any) -> dict[str, Any]:
    """Body of a chat completion request."""
    return {"model": model, "messages": messages, **fields}


def chat_answer(
    text: str | None = None, *calls: tuple[str, str, Any], model: str = "qwen2.5-coder-7b"
) -> dict[str, Any]:
    """Body of a chat completion with tool calls (name, id, arguments)."""
    made = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for name, call_id, arguments in calls
    ]
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if made:
        message["tool_calls"] = made
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if made else "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 2}
    return {"id": "chatcmpl-1", "model": model, "choices": [choice], "usage": usage}


def only_session(store: Store) -> Session[Clean]:
    """The session, where there is one."""
    (session,) = store.sessions()
    return session


def lines(store: Store, session_id: str) -> list[str]:
    """Events in short: kind and the word that matters, with `>` before those of sub-agents."""
    return [_line(event) for event in store.events(session_id)]


def _line(event: Event[Clean]) -> str:
    word: object = event.text or ""
    if event.kind is EventKind.EDIT and event.edit is not None:
        word = f"{event.edit.operation} {event.edit.path} {'done' if event.edit.success else 'asked'}"
    elif event.kind is EventKind.COMMAND:
        word = f"{event.command} -> {event.exit_code}"
    elif event.kind is EventKind.TOOL_CALL:
        word = event.tool
    return f"{'>' if event.agent else ''}{event.kind.value}: {word}".strip()
