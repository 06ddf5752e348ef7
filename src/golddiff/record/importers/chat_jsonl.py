"""Chats in JSON Lines, as Hugging Face datasets hold them: one row per line with `messages`, sometimes `tools`.

Roles are `system` (or `developer`), `user`, `assistant` and `tool`; calls and results are joined by id. There are no
times and no usage. A row's own id is used where it has one (`session_id`, `id`, `instance_id`), else its content.

Only rows with a call or a tool's message are sessions of an agent; other chats are counted and left alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers.call_log import Answer, CallLog
from golddiff.record.importers.contract import Reading, ReadSession
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import JsonLines, decode, printable_type, record_hash
from golddiff.record.importers.tool_shapes import asked, json_text
from golddiff.record.importers.untyped import marked_text
from golddiff.types import EventKind, RawSession, Session, new_id

_NOTES = ("system", "developer")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str
    content: Any = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


class _Row(msgspec.Struct):
    messages: list[msgspec.Raw]
    session_id: str | None = None
    id: str | int | None = None
    instance_id: str | None = None
    models: list[str] | None = None


class _Role(msgspec.Struct):
    role: str


class _Sniffed(msgspec.Struct):
    messages: list[_Role]


_BEGINNING = re.compile(rb'\{\s*"messages"\s*:\s*\[\s*\{\s*"role"\s*:\s*"')
_MESSAGE = msgspec.json.Decoder(_Message)
_SNIFFED = msgspec.json.Decoder(_Sniffed)


class ChatJsonl:
    """Importer of chat rows."""

    name = "chat-jsonl"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where the first whole line is a row whose messages have roles, one of them an assistant's."""
        try:
            row = decode(_SNIFFED, head[0]) if head else None
        except msgspec.DecodeError:
            return _BEGINNING.match(head[0]) is not None  # cut: a long session
        return row is not None and any(message.role == "assistant" for message in row.messages)

    def read(self, path: Path) -> Reading:
        """Read one file into a session per row."""
        lines = JsonLines(path, _Row)
        skipped: Counter[str] = Counter()
        found = []
        for row in lines:
            transcript = _transcript(row, path, lines.hashes[-1])
            if transcript is None:
                skipped["a chat without tools"] += 1
            else:
                found.append(ReadSession(transcript, copy=row.session_id is not None))
        return Reading(tuple(found), tuple(lines.damaged), dict(skipped + lines.skipped))


def _transcript(row: _Row, path: Path, digest: str) -> RawSession | None:
    own_id = new_id("ses")
    log = EventLog(own_id)
    calls = CallLog(log)
    skipped: Counter[str] = Counter()
    model = row.models[0] if row.models and len(row.models) == 1 else None
    acts = False
    for number, raw in enumerate(row.messages):
        try:
            message = decode(_MESSAGE, raw)
        except msgspec.DecodeError:
            skipped["unexpected shape"] += 1
            continue
        text = marked_text(message.content)
        if message.role == "assistant":
            log.add(EventKind.MODEL_CALL, None, text=text or None, model=model)
            for place, call in enumerate(message.tool_calls or ()):
                function = call.function or _Function()
                call_id = call.id or f"call-{number}-{place}"
                ask = asked(function.name, function.arguments, None)
                calls.call(call_id, function.name, json_text(function.arguments), ask, model=model)
                acts = True
        elif message.role == "user":
            log.add(EventKind.PROMPT, None, text=text)
        elif message.role == "tool":
            calls.result(message.tool_call_id, Answer(text), at=None)
            acts = True
        elif message.role in _NOTES:
            log.add(EventKind.NOTE, None, text=text)
        else:
            skipped[f"unknown record: {printable_type(message.role)}"] += 1
    if not acts:
        return None
    identity = row.session_id or row.id or row.instance_id
    return log.finish(
        Session(
            id=own_id,
            source=ChatJsonl.name,
            provider_session_id=str(identity) if identity is not None else f"row-{digest}",
            source_path=str(path),
            record_hashes=tuple(record_hash(raw) for raw in row.messages),
            skipped=dict(skipped),
        )
    )
