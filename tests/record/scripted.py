"""Transcripts written by the tests, record by record, in the shapes of the two clients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_START = datetime(2026, 1, 1, tzinfo=UTC)


class ClaudeScript:
    """Records of a Claude Code session; each hangs under the one before unless `parent` says otherwise."""

    def __init__(self, session: str = "s1", cwd: str = "/work/repo", **shared: Any) -> None:
        self.records: list[dict[str, Any]] = []
        self.shared = {"sessionId": session, "cwd": cwd, "version": "2.1.0", "gitBranch": "main", **shared}
        self.last: str | None = None

    def add(self, kind: str, parent: str | None = "", **fields: Any) -> str:
        number = len(self.records)
        name = fields.pop("uuid", f"u{number}")
        stamp = (_START + timedelta(seconds=number)).isoformat().replace("+00:00", "Z")
        record = {"type": kind, "uuid": name, "parentUuid": self.last if parent == "" else parent}
        self.records.append({**record, "timestamp": stamp, "isSidechain": False, **self.shared, **fields})
        self.last = name
        return name

    def user(self, content: Any, **fields: Any) -> str:
        return self.add("user", message={"role": "user", "content": content}, **fields)

    def assistant(self, *blocks: dict[str, Any], message_id: str = "m1", output: int = 1, **fields: Any) -> str:
        usage = {"input_tokens": 3, "output_tokens": output, "cache_read_input_tokens": 5}
        model = fields.pop("model", "claude-test-1")
        message = {"id": message_id, "model": model, "role": "assistant", "content": blocks, "usage": usage}
        return self.add("assistant", message=message, **fields)

    def result(self, call: str, content: Any, structured: Any = None, error: bool | None = None, **fields: Any) -> str:
        block = {"type": "tool_result", "tool_use_id": call, "content": content, "is_error": error}
        extra = {} if structured is None else {"toolUseResult": structured}
        return self.user([block], **extra, **fields)

    def raw(self, **record: Any) -> None:
        self.records.append(record)

    def write(self, path: Path) -> Path:
        return write_lines(path, self.records)


class CodexScript:
    """Records of a Codex rollout."""

    def __init__(self, session: str = "c1", cwd: str = "/work/repo", **meta: Any) -> None:
        self.records: list[dict[str, Any]] = []
        git = {"commit_hash": "a" * 40, "branch": "main", "repository_url": "https://example.com/a/b.git"}
        self.add("session_meta", id=session, cwd=cwd, cli_version="0.142.0", **{"source": "cli", "git": git, **meta})
        self.add("turn_context", model="gpt-test-1")
        self.total = [0, 0, 0]

    def add(self, record_type: str, **payload: Any) -> None:
        stamp = (_START + timedelta(seconds=len(self.records))).isoformat().replace("+00:00", "Z")
        self.records.append({"timestamp": stamp, "type": record_type, "payload": payload})

    def item(self, kind: str, **payload: Any) -> None:
        self.add("response_item", type=kind, **payload)

    def event(self, kind: str, **payload: Any) -> None:
        self.add("event_msg", type=kind, **payload)

    def prompt(self, text: str) -> None:
        self.item("message", role="user", content=[{"type": "input_text", "text": text}])
        self.event("user_message", message=text, images=[])

    def says(self, text: str) -> None:
        self.item("reasoning", summary=[], encrypted_content="…")
        self.event("agent_message", message=text)
        self.item("message", role="assistant", content=[{"type": "output_text", "text": text}])

    def call(self, name: str, call_id: str, arguments: Any) -> None:
        self.item("function_call", name=name, call_id=call_id, arguments=json.dumps(arguments))

    def output(self, call_id: str, output: Any) -> None:
        self.item("function_call_output", call_id=call_id, output=output)

    def exec(self, call_id: str, cmd: str, text: str, exit_code: int = 0) -> None:
        self.call("exec_command", call_id, {"cmd": cmd})
        self.output(call_id, exec_output(text, f"Process exited with code {exit_code}"))

    def tokens(self, total_input: int, cached: int, out: int) -> None:
        last = [total_input, cached, out]
        self.total = [before + now for before, now in zip(self.total, last, strict=True)]
        names = ("input_tokens", "cached_input_tokens", "output_tokens")
        info = {
            "total_token_usage": dict(zip(names, self.total, strict=True)),
            "last_token_usage": dict(zip(names, last, strict=True)),
        }
        self.event("token_count", info=info)

    def write(self, path: Path) -> Path:
        return write_lines(path, self.records)


def exec_output(text: str, ending: str) -> str:
    return f"Chunk ID: ab12\nWall time: 0.1 seconds\n{ending}\nOriginal token count: 9\nOutput:\n{text}"


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def tool(name: str, call: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": arguments}


def write_lines(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path
