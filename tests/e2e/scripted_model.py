"""A provider that plays a coding model over four APIs: one tool call that writes a file, then a closing sentence.

It looks at a request only for what any model would: is there a tool result since the user's last words, and which tools
are there? Streams arrive in small pieces, cut inside characters, as they do from real providers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

DONE = "Done: the file is written. ✓ 完成"
FILE, TEXT = "made.txt", "made by the agent"
COMMAND = f"printf '{TEXT}' > {FILE}"
AIDER_EDIT = f"{FILE}\n```\n<<<<<<< SEARCH\n=======\n{TEXT}\n>>>>>>> REPLACE\n```\n"

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "bash": {"command": COMMAND},
    "Bash": {"command": COMMAND, "description": "write the file"},
    "run_shell_command": {"command": COMMAND, "description": "write the file", "is_background": False},
    "exec_command": {"cmd": COMMAND},
    "shell_command": {"command": COMMAND},
    "shell": {"command": ["bash", "-c", COMMAND]},
}
"""Tool → what it is called with, in the order of preference."""


class ScriptedModel:
    """The provider, on a free port of this machine."""

    def __init__(self) -> None:
        model = self
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        """Path, headers and body of each request."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                model.requests.append((self.path, headers, body))
                if "count_tokens" in self.path:
                    self._send("application/json", json.dumps({"input_tokens": 10}))
                elif self.path.split("?")[0].endswith("/chat/completions"):
                    self._answer(body, chat(body), chat_events(chat(body)))
                elif "/responses" in self.path:
                    self._answer(body, response(body), response_events(response(body)))
                elif "enerateContent" in self.path:
                    whole = generated(body)
                    self._answer(
                        body | {"stream": "stream" in self.path}, whole, iter([f"data: {json.dumps(whole)}\n\n"])
                    )
                else:
                    self._answer(body, message(body), message_events(message(body)))

            def do_GET(self) -> None:
                self._send("application/json", json.dumps({"object": "list", "data": [], "models": []}))

            do_HEAD = do_GET

            def _answer(self, body: dict[str, Any], whole: dict[str, Any], events: Iterator[str]) -> None:
                if not body.get("stream"):
                    self._send("application/json", json.dumps(whole))
                    return
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                data = "".join(events).encode()
                for start in range(0, len(data), 37):
                    piece = data[start : start + 37]
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def _send(self, kind: str, text: str) -> None:
                data = text.encode()
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _choice(names: list[str], results: int) -> tuple[str, dict[str, Any]] | None:
    """The tool to call now, if any."""
    for name, arguments in _ARGUMENTS.items():
        if name in names and results == 0:
            return name, arguments
    if "bash" in names and results == 1:  # how mini-swe-agent is told that the work is over
        return "bash", {"command": "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"}
    return None


def chat(body: dict[str, Any]) -> dict[str, Any]:
    names = [tool["function"]["name"] for tool in body.get("tools") or () if "function" in tool]
    results = sum(1 for one in body["messages"] if one["role"] == "tool")
    chosen = _choice(names, results)
    told: dict[str, Any] = {"role": "assistant", "content": DONE if names else AIDER_EDIT}
    if chosen is not None:
        call = {"id": f"call_{results}", "type": "function",
                "function": {"name": chosen[0], "arguments": json.dumps(chosen[1])}}  # fmt: skip
        told = {"role": "assistant", "content": None, "tool_calls": [call]}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    reason = "tool_calls" if chosen else "stop"
    choice = {"index": 0, "message": told, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice],
            "usage": usage}  # fmt: skip


def chat_events(whole: dict[str, Any]) -> Iterator[str]:
    told, reason = whole["choices"][0]["message"], whole["choices"][0]["finish_reason"]
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": told["content"] or ""}, None)]
    for call in told.get("tool_calls", ()):
        deltas.append(({"tool_calls": [{"index": 0, **call}]}, None))
    deltas.append(({}, reason))
    head = {"id": whole["id"], "object": "chat.completion.chunk", "created": 1, "model": whole["model"]}
    for delta, end in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        yield f"data: {json.dumps({**head, 'choices': [choice]}, ensure_ascii=False)}\n\n"
    yield f"data: {json.dumps({**head, 'choices': [], 'usage': whole['usage']})}\n\n"
    yield "data: [DONE]\n\n"


def response(body: dict[str, Any]) -> dict[str, Any]:
    names = [tool.get("name", "") for tool in body.get("tools") or ()]
    items = body["input"] if isinstance(body["input"], list) else []
    results = sum(1 for item in items if str(item.get("type", "")).endswith("call_output"))
    chosen = _choice(names, results)
    item: dict[str, Any] = {
        "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": DONE, "annotations": []}],
    }  # fmt: skip
    if chosen is not None:
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": chosen[0], "status": "completed",
                "arguments": json.dumps(chosen[1])}  # fmt: skip
    usage: dict[str, Any] = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    head = {"id": f"resp_{results}", "object": "response", "created_at": 1, "status": "completed"}
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return {**head, "model": body["model"], "output": [item], "usage": usage, **rest}


def response_events(whole: dict[str, Any]) -> Iterator[str]:
    item = whole["output"][0]
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    for number, event in enumerate(events):
        data = json.dumps({**event, "sequence_number": number}, ensure_ascii=False)
        yield f"event: {event['type']}\ndata: {data}\n\n"


def message(body: dict[str, Any]) -> dict[str, Any]:
    names = [tool["name"] for tool in body.get("tools") or ()]
    results = sum(
        1
        for one in body["messages"]
        if isinstance(one["content"], list)
        for block in one["content"]
        if block.get("type") == "tool_result"
    )
    chosen = _choice(names, results)
    block: dict[str, Any] = {"type": "text", "text": DONE}
    if chosen is not None:
        block = {"type": "tool_use", "id": "toolu_1", "name": chosen[0], "input": chosen[1]}
    usage = {"input_tokens": 100, "output_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"id": f"msg_{results}", "type": "message", "role": "assistant", "model": body["model"], "content": [block],
            "stop_reason": "tool_use" if chosen else "end_turn", "stop_sequence": None, "usage": usage}  # fmt: skip


def message_events(whole: dict[str, Any]) -> Iterator[str]:
    block = whole["content"][0]
    text = block["type"] == "text"
    empty = {"type": "text", "text": ""} if text else {**block, "input": {}}
    delta = {"type": "text_delta", "text": block["text"]} if text else {
        "type": "input_json_delta", "partial_json": json.dumps(block["input"])
    }  # fmt: skip
    ends = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": empty},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ends, "usage": {"output_tokens": 20}},
        {"type": "message_stop"},
    ]
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"


def generated(body: dict[str, Any]) -> dict[str, Any]:
    """An answer as the Gemini API gives it."""
    declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    parts = [part for content in body["contents"] for part in content["parts"]]
    chosen = _choice([one["name"] for one in declared], sum("functionResponse" in part for part in parts))
    part: dict[str, Any] = {"text": DONE}
    if chosen is not None:
        part = {"functionCall": {"name": chosen[0], "args": chosen[1]}}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}
    candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-pro"}
