"""Gemini CLI's session files (`~/.gemini/tmp/<project>/chats/session-*`).

Older builds write one JSON document, pretty-printed and rewritten as it grows; newer ones JSON Lines: a first line
about the session, then messages, of which the last of an id counts, and `$set`, `$patch` and `$rewindTo` records.
The working folder is not in the file but beside it (`.project_root`, two folders up). Thoughts are not kept.

A record of the session is a message or call that exists or ended, by its id: a message is written again as its calls
end, so a session that went on has the same records and more, and what the user took back stays among them.

Format: `packages/core/src/services/chatRecordingService.ts` of the Gemini CLI repository, and published sessions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers.call_log import CallLog
from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.documents import is_whole_record, key, read_document, states
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.gemini_cli import parts as gemini
from golddiff.record.importers.heads import Head
from golddiff.record.importers.jsonl import JsonLines, decode, printable_type, record_hash
from golddiff.record.importers.timestamps import moment
from golddiff.record.importers.tool_shapes import asked, json_text
from golddiff.types import EventKind, RawSession, Session, new_id

_SESSION, _PROJECT = key("sessionId"), key("projectHash", '"')
_MESSAGES, _START = key("messages", r"\["), key("startTime")
_CONTEXT = "<session_context>"
"""Begins the first user message of newer builds: the client's words about the folder and the day."""
_INTERRUPTED = ("Request cancelled.", "User cancelled the request.")


class _Tokens(msgspec.Struct):
    input: int = 0
    output: int = 0
    cached: int = 0
    thoughts: int | None = None
    tool: int | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()
    status: str | None = None
    timestamp: str | int | float | None = None
    agentId: str | None = None
    resultDisplay: msgspec.Raw = msgspec.Raw()


class _Message(msgspec.Struct):
    id: str | None = None
    timestamp: str | int | float | None = None
    type: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    model: str | None = None
    tokens: _Tokens | None = None
    toolCalls: list[_Call] | None = None


class _PatchedCall(msgspec.Struct):
    id: str | None = None
    result: msgspec.Raw = msgspec.Raw()


class _Patch(msgspec.Struct):
    id: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    toolCalls: list[_PatchedCall] | None = None
    removeIds: list[str] | None = None


class _Header(msgspec.Struct, rename={"set_": "$set", "patch": "$patch", "rewind": "$rewindTo"}):
    """Everything a line may be besides a message, and the document as a whole."""

    sessionId: str | None = None
    projectHash: str | None = None
    kind: str | None = None
    messages: list[msgspec.Raw] | None = None
    type: str | None = None
    set_: msgspec.Raw = msgspec.Raw()
    patch: msgspec.Raw = msgspec.Raw()
    rewind: str | None = None


class _Line(_Header):
    id: str | None = None
    timestamp: str | int | float | None = None
    content: msgspec.Raw = msgspec.Raw()
    model: str | None = None
    tokens: msgspec.Raw = msgspec.Raw()
    toolCalls: msgspec.Raw = msgspec.Raw()


_DOCUMENT = msgspec.json.Decoder(_Header)
_MESSAGE = msgspec.json.Decoder(_Message)
_PATCH = msgspec.json.Decoder(_Patch)
_TOKENS = msgspec.json.Decoder(_Tokens | None)
_CALLS: msgspec.json.Decoder[list[_Call] | None] = msgspec.json.Decoder(list[_Call] | None)


class GeminiCli:
    """Importer of Gemini CLI's sessions, old and new."""

    name = "gemini-cli"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True for a session's first line, or the head of the document that older builds write."""
        return states(head[:12], _SESSION, _PROJECT) and states(head, _START)

    def read(self, path: Path) -> Reading:
        """Read one file into at most one session."""
        reader = _Reader(path)
        damaged = self._document(path, reader)
        if not reader.known:
            lines = JsonLines(path, _Line)
            for line in lines:
                reader.line(line)
            if reader.known or not damaged:
                damaged = tuple(lines.damaged)
            reader.skipped += lines.skipped
        if not reader.speaks:
            return Reading(damaged=damaged, skipped=dict(reader.skipped + Counter({"no conversation": 1})))
        return Reading((ReadSession(reader.session(len(damaged)), reader.parent),), damaged)

    @staticmethod
    def _document(path: Path, reader: _Reader) -> tuple[Damage, ...]:
        """Read the older form; nothing happens where the first line is a record by itself."""
        head = Head(path)
        if not head or is_whole_record(head[0]):
            return ()
        document = read_document(path, _DOCUMENT)
        if isinstance(document, Damage):
            return (document,)
        if document is not None:
            reader.header(document)
        return ()


class _Reader:
    """State of one pass over one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._id = new_id("ses")
        self._provider_id: str | None = None
        self._kind: str | None = None
        self._messages: dict[str, _Message] = {}
        self._records: dict[str, None] = {}
        self.skipped: Counter[str] = Counter()
        self.known = False

    @property
    def speaks(self) -> bool:
        """The file holds something that was said."""
        return any(message.type in ("user", "gemini") for message in self._messages.values())

    @property
    def parent(self) -> str | None:
        """The session that started this one as a sub-agent: its folder is named after it."""
        return self._path.parent.name if self._kind == "subagent" and self._path.parent.name != "chats" else None

    # ---- the file --------------------------------------------------------------------------------------------

    def header(self, header: _Header) -> None:
        """Take in what is said about the session, with the messages of a whole document."""
        self.known = self.known or header.sessionId is not None
        self._provider_id = header.sessionId or self._provider_id
        self._kind = header.kind or self._kind
        for raw in header.messages or []:
            try:
                self._keep(decode(_MESSAGE, raw))
            except msgspec.DecodeError:
                self.skipped["unexpected shape"] += 1

    def line(self, line: _Line) -> None:
        """Take in one line of the newer form."""
        try:
            if line.rewind is not None:
                self._rewind(line.rewind)
            elif line.patch:
                self._patch(decode(_PATCH, line.patch))
            elif line.set_:
                self.header(decode(_DOCUMENT, line.set_))
            elif line.type is not None and line.id is not None:
                calls = decode(_CALLS, line.toolCalls) if line.toolCalls else None
                tokens = decode(_TOKENS, line.tokens) if line.tokens else None
                self._keep(_Message(line.id, line.timestamp, line.type, line.content, line.model, tokens, calls))
            elif line.sessionId is not None:
                self.header(line)
            else:
                self.skipped["unknown record: other"] += 1
        except msgspec.DecodeError:
            self.skipped["unexpected shape"] += 1

    def _keep(self, message: _Message) -> None:
        name = message.id or f"nameless {len(self._messages)}"
        earlier = self._messages.get(name)
        if earlier is not None:  # written again as its calls end
            message.tokens = message.tokens or earlier.tokens
            message.model = message.model or earlier.model
            message.timestamp = earlier.timestamp or message.timestamp
        self._messages[name] = message
        self._records[f"message {name}"] = None
        for call in message.toolCalls or []:
            self._records[f"call {name} {call.id}"] = None
            if gemini.is_final(call.status):
                self._records[f"ended {name} {call.id}"] = None

    def _patch(self, patch: _Patch) -> None:
        for name in patch.removeIds or []:
            self._messages.pop(name, None)
        message = self._messages.get(patch.id or "")
        if message is None:
            return
        if patch.content:
            message.content = patch.content
        results = {call.id: call.result for call in patch.toolCalls or []}
        for call in message.toolCalls or []:
            if call.id in results and bytes(results[call.id]) != b"null":  # null: the result is kept elsewhere now
                call.result = results[call.id]

    def _rewind(self, message_id: str) -> None:
        """The user took back a message and all that followed."""
        names = list(self._messages)
        if message_id in self._messages:
            for name in names[names.index(message_id) :]:
                del self._messages[name]
                self.skipped["dead branch"] += 1

    # ---- the session -----------------------------------------------------------------------------------------

    def session(self, damaged: int) -> RawSession:
        """Turn the messages that are left into events."""
        cwd = _project_root(self._path)
        log = EventLog(self._id)
        calls = CallLog(log)
        for message in self._messages.values():
            self._events(message, log, calls, cwd)
        skipped = self.skipped
        if damaged:
            skipped["damaged line"] = damaged
        return log.finish(
            Session(
                id=self._id,
                source=GeminiCli.name,
                provider_session_id=self._provider_id,
                cwd=cwd,
                source_path=str(self._path),
                record_hashes=tuple(record_hash(record.encode("utf-8", "replace")) for record in self._records),
                skipped=dict(skipped),
            )
        )

    def _events(self, message: _Message, log: EventLog, calls: CallLog, cwd: str | None) -> None:
        at = moment(message.timestamp)
        parts = gemini.parts_of(message.content)
        text = gemini.text_of(parts)
        if message.type == "user":
            if not any(part.functionResponse for part in parts):
                by_user = self._kind != "subagent" and not text.startswith(_CONTEXT)
                log.add(EventKind.PROMPT if by_user else EventKind.NOTE, at, text=text)
        elif message.type == "gemini":
            counted = message.tokens
            tokens = None
            if counted is not None:
                tokens = gemini.usage(
                    counted.input, counted.output, counted.cached, counted.thoughts or 0, counted.tool or 0
                )
            log.add(EventKind.MODEL_CALL, at, text=text or None, model=message.model, usage=tokens)
            for call in message.toolCalls or []:
                self._call(call, message, log, calls, cwd)
        elif message.type in ("info", "error", "warning"):
            if text in _INTERRUPTED:
                log.add(EventKind.INTERRUPTION, at)
            elif text:
                log.add(EventKind.NOTE, at, text=text, is_error=message.type == "error")
        else:
            self.skipped[f"unknown record: {printable_type(message.type)}"] += 1

    def _call(self, call: _Call, message: _Message, log: EventLog, calls: CallLog, cwd: str | None) -> None:
        at = moment(message.timestamp)
        ask = asked(call.name, call.args, cwd)
        call_id = call.id or f"nameless {len(log)}"
        calls.call(call_id, call.name, json_text(call.args), ask, at=at, model=message.model)
        if not gemini.is_final(call.status) or not calls.waits_for(call_id):
            return
        text, error = gemini.response_text(gemini.parts_of(call.result))
        edits = gemini.shown_edits(call.resultDisplay, ask.edits, cwd)
        done: dict[str, Any] = {"is_command": ask.command is not None, "error": error, "edits": edits}
        calls.result(call_id, gemini.answer(text, call.status, **done), at=moment(call.timestamp) or at)


def _project_root(path: Path) -> str | None:
    """The project's folder, which newer builds write beside their `chats` folder."""
    for folder in path.parents[:3]:
        if folder.name == "chats":
            try:
                with (folder.parent / ".project_root").open(encoding="utf-8", errors="replace") as file:
                    return file.read(4096).strip() or None
            except OSError:
                return None
    return None
