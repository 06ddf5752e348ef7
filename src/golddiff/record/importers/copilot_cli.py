"""Copilot CLI's event files (`~/.copilot/session-state/<session>/events.jsonl`).

One event per line, `{type, data, id, timestamp}`. A call is entered from the message that asks for it, or from its
start where there is no such message (the user's own `!command`, which is a note). Tokens of a message are its output
only; what went in is stated once, when the session ends, and is in the session's sum where the output agrees with
that of the messages. Reasoning, and the reminders that the client puts around a prompt, are not kept.

Format: read from published sessions of 2026 (docs/importers.md) and the event names of the public SDK.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from golddiff.record.importers.call_log import Answer, CallLog
from golddiff.record.importers.contract import Reading
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.heads import first_record
from golddiff.record.importers.jsonl import JsonLines, decode, printable_type
from golddiff.record.importers.one_session import read_one
from golddiff.record.importers.timestamps import moment
from golddiff.record.importers.tool_shapes import asked, json_text
from golddiff.types import EventKind, RawSession, Session, Usage

_EXIT = re.compile(r"\n?<[^<>\n]{0,200}exit code (-?\d{1,10})>\s*\Z")
_REFUSED = re.compile(r"\b(?:user (?:has )?(?:rejected|denied|declined)|(?:rejected|denied) by (?:the )?user)\b", re.I)
_BY_USER = frozenset({"denied-interactively-by-user", "denied", "rejected", "reject"})
_FAMILIES = ("assistant.", "command", "elicitation.", "external_tool.", "hook.", "mcp.", "model.", "permission.",
             "session.", "skill.", "subagent.", "system.message", "tool.", "user_input.")  # fmt: skip
"""Beginnings of event types that only say again what other events say, or hold nothing of the conversation."""


class _Line(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    timestamp: str | int | float | None = None
    agentId: str | None = None
    data: msgspec.Raw = msgspec.Raw()


class _Context(msgspec.Struct):
    cwd: str | None = None
    branch: str | None = None
    repository: str | None = None
    repositoryHost: str | None = None
    headCommit: str | None = None


class _Request(msgspec.Struct):
    toolCallId: str | None = None
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class _Tokens(msgspec.Struct):
    inputTokens: int = 0
    outputTokens: int = 0
    cacheReadTokens: int = 0
    cacheWriteTokens: int = 0


class _Metrics(msgspec.Struct):
    usage: _Tokens = msgspec.field(default_factory=_Tokens)


class _Result(msgspec.Struct):
    content: str | None = None
    text_result_for_llm: str | None = None
    kind: str | None = None
    feedback: str | None = None


class _Error(msgspec.Struct):
    message: str | None = None
    code: str | None = None


class _Data(msgspec.Struct):
    sessionId: str | None = None
    copilotVersion: str | None = None
    selectedModel: str | None = None
    newModel: str | None = None
    context: _Context | None = None
    content: str | None = None
    source: str | None = None
    attachments: list[msgspec.Raw] | None = None
    messageId: str | None = None
    model: str | None = None
    outputTokens: int | None = None
    parentToolCallId: str | None = None
    toolRequests: list[_Request] | None = None
    toolCallId: str | None = None
    toolName: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()
    success: bool | None = None
    result: _Result | str | None = None
    error: _Error | str | None = None
    message: str | None = None
    reason: str | None = None
    summaryContent: str | None = None
    upToEventId: str | None = None
    modelMetrics: dict[str, _Metrics] | None = None


_LINE = msgspec.json.Decoder(_Line)
_DATA = msgspec.json.Decoder(_Data)


class CopilotCli:
    """Importer of Copilot CLI's events."""

    name = "copilot-cli"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where some line is an event of this client: its dotted type, with data."""
        return (
            first_record(head, _LINE, lambda line: line.type in _TELLING and bytes(line.data).startswith(b"{"))
            is not None
        )

    def read(self, path: Path) -> Reading:
        """Read one file into at most one session."""
        return read_one(JsonLines(path, _Line), lambda log: _Reader(path, log))


_TELLING = frozenset(
    {
        "session.start", "session.resume", "user.message", "assistant.message", "assistant.turn_start",
        "tool.execution_start", "tool.execution_complete", "session.model_change",
    }
)  # fmt: skip


def _is_own(line: _Line) -> bool:
    return line.type in _TELLING and bytes(line.data).startswith(b"{")


class _Reader:
    """State of one pass over one file."""

    def __init__(self, path: Path, log: EventLog) -> None:
        self._path = path
        self._log = log
        self._calls = CallLog(self._log)
        self._start: _Data | None = None
        self._model: str | None = None
        self._slots: dict[str, int] = {}
        """Where each event's own events begin, for what the user takes back."""
        self._messages: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._by_user: dict[str, str] = {}
        """The user's own commands that wait for their output, by call."""
        self._ends: list[_Tokens] = []
        self.skipped: Counter[str] = Counter()
        self.speaks = False
        self.parent: str | None = None

    def line(self, line: _Line) -> None:
        """Take in one event."""
        try:
            data = decode(_DATA, line.data) if line.data else _Data()
        except msgspec.DecodeError:
            self.skipped["unexpected shape"] += 1
            return
        if line.id is not None:
            self._slots.setdefault(line.id, len(self._log))
        at, agent = moment(line.timestamp), line.agentId or data.parentToolCallId
        kind = line.type or ""
        if kind == "user.message":
            self._user(data, agent, at)
        elif kind == "assistant.message":
            self._assistant(data, agent, at)
        elif kind == "tool.execution_start":
            self._enter(data.toolCallId, data.toolName, data.arguments, data.model or self._model, agent, at)
        elif kind == "tool.execution_complete":
            self._complete(data, agent, at)
        elif kind == "tool.user_requested" and data.toolCallId is not None:
            self._by_user[data.toolCallId] = json_text(data.arguments) or ""
        elif kind == "permission.completed" and isinstance(data.result, _Result):
            if data.toolCallId is not None and data.result.kind in _BY_USER:
                self._refused[data.toolCallId] = data.result.feedback or ""
        elif kind in ("session.start", "session.resume"):
            self._start = self._start or data
            self._model = data.selectedModel or self._model
        elif kind == "session.model_change":
            self._model = data.newModel or self._model
        elif kind == "session.shutdown":
            self._ended(data)
        elif kind == "session.snapshot_rewind":
            self._rewind(data.upToEventId)
        elif kind == "abort":
            self._log.add(EventKind.INTERRUPTION, at, agent=agent, text=data.reason)
        elif text := _note(kind, data):
            self._log.add(EventKind.NOTE, at, agent=agent, text=text, is_error=kind == "session.error")
        else:
            known = kind.startswith(_FAMILIES)
            self.skipped[f"{'not needed' if known else 'unknown record'}: {printable_type(kind)}"] += 1

    def _user(self, data: _Data, agent: str | None, at: datetime | None) -> None:
        self.speaks = True
        text = data.content or ""
        if data.attachments:
            text = f"{text}\n[attachment]".strip()
        typed = agent is None and data.source in (None, "user")
        self._log.add(EventKind.PROMPT if typed else EventKind.NOTE, at, agent=agent, text=text)

    def _assistant(self, data: _Data, agent: str | None, at: datetime | None) -> None:
        self.speaks = True
        model = data.model or self._model
        slot = self._messages.get(data.messageId or "")
        earlier = self._log.get(slot) if slot is not None else None
        usage = Usage(output_tokens=data.outputTokens) if data.outputTokens else None
        if slot is not None and earlier is not None:
            joined = "\n".join(part for part in (earlier.text, data.content) if part)
            self._log.update(slot, text=joined or None, usage=usage or earlier.usage)
        else:
            slot = self._log.add(
                EventKind.MODEL_CALL, at, agent=agent, text=data.content or None, model=model, usage=usage
            )
            if data.messageId:
                self._messages[data.messageId] = slot
        for request in data.toolRequests or []:
            self._enter(request.toolCallId, request.name, request.arguments, model, agent, at)

    def _enter(
        self,
        call_id: str | None,
        tool: str | None,
        raw: msgspec.Raw,
        model: str | None,
        agent: str | None,
        at: datetime | None,
    ) -> None:
        if call_id in self._by_user:
            return
        self.speaks = True
        arguments = json_text(raw)
        if arguments and arguments.startswith('"'):  # older builds: a string that holds JSON
            with suppress(msgspec.DecodeError):
                arguments = decode(_TEXT, arguments.encode("utf-8", "replace"))
        cwd = self._start.context.cwd if self._start is not None and self._start.context is not None else None
        self._calls.call(call_id, tool, arguments, asked(tool, arguments, cwd), at=at, agent=agent, model=model)

    def _complete(self, data: _Data, agent: str | None, at: datetime | None) -> None:
        call_id = data.toolCallId
        text = _result_text(data)
        if call_id is not None and call_id in self._by_user:
            self._log.add(EventKind.NOTE, at, agent=agent, text=f"{self._by_user.pop(call_id)}\n{text}")
            return
        failed = data.success is False
        refused = self._refused.pop(call_id, None) if call_id is not None else None
        code = data.error.code if isinstance(data.error, _Error) else None
        if refused is None and failed and _REFUSED.search(text[:400]):
            refused = ""
        match = _EXIT.search(text)
        text = text[: match.start()] if match is not None else text
        answer = Answer(
            text=text,
            is_error=failed,
            exit_code=int(match[1]) if match is not None else None,
            failed=True if failed else None,
            never_ran=refused is not None or code in ("denied", "rejected"),
            rejection=refused,
        )
        self._calls.result(call_id, answer, at=at, agent=agent)

    def _ended(self, data: _Data) -> None:
        total = _Tokens()
        for metrics in (data.modelMetrics or {}).values():
            for name in _Tokens.__struct_fields__:
                setattr(total, name, getattr(total, name) + max(0, getattr(metrics.usage, name)))
        self._ends.append(total)

    def _rewind(self, event_id: str | None) -> None:
        """The user took back everything from an event on."""
        slot = self._slots.get(event_id or "")
        if slot is not None:
            self.skipped["dead branch"] += self._log.cut(slot)
            self._calls.cut(slot)
            self._messages = {key: start for key, start in self._messages.items() if start < slot}

    def session(self, hashes: list[str], skipped: Counter[str]) -> RawSession:
        """Close the log and put the header on it."""
        start = self._start or _Data()
        context = start.context or _Context()
        repository = context.repository
        transcript = self._log.finish(
            Session(
                id=self._log.session_id,
                source=CopilotCli.name,
                provider_session_id=start.sessionId,
                agent_version=start.copilotVersion,
                cwd=context.cwd,
                repository_url=f"https://{context.repositoryHost or 'github.com'}/{repository}" if repository else None,
                branch=context.branch,
                base_commit=context.headCommit,
                source_path=str(self._path),
                record_hashes=tuple(hashes),
                skipped=dict(self.skipped + skipped),
            )
        )
        header = msgspec.structs.replace(transcript.session, usage=_total(transcript.session.usage, self._ends))
        return msgspec.structs.replace(transcript, session=header)


_TEXT = msgspec.json.Decoder(str)


def _note(kind: str, data: _Data) -> str | None:
    if kind == "system.notification":
        return data.content
    if kind == "session.error":
        return data.message
    return data.summaryContent if kind == "session.compaction_complete" else None


def _result_text(data: _Data) -> str:
    if isinstance(data.error, _Error) and data.error.message:
        return data.error.message
    if isinstance(data.error, str):
        return data.error
    if isinstance(data.result, _Result):
        return data.result.content or data.result.text_result_for_llm or ""
    return data.result or ""


def _total(counted: Usage, ends: Sequence[_Tokens]) -> Usage:
    """The session's sum: what the client stated at its end (or ends), if its output is that of the messages."""
    whole = [ends[-1:], ends]  # a resumed session may state its own part only
    for stated in whole:
        output = sum(end.outputTokens for end in stated)
        if stated and output == counted.output_tokens:
            cached = sum(end.cacheReadTokens for end in stated)
            return Usage(
                input_tokens=max(0, sum(end.inputTokens for end in stated) - cached),
                output_tokens=output,
                cache_read_tokens=cached,
                cache_write_tokens=sum(end.cacheWriteTokens for end in stated),
            )
    return counted
