"""Claude Code's live records → events: messages merged, calls joined with their results."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import msgspec

from golddiff.providers.wire.anthropic import usage_of
from golddiff.record.importers.claude_code.prompts import said
from golddiff.record.importers.claude_code.records import Line, Message
from golddiff.record.importers.claude_code.tools import (
    INTERRUPTED,
    Call,
    Result,
    command_of,
    edit_of,
    is_edit,
    ran,
    result_of,
)
from golddiff.record.importers.event_log import SYNTHETIC, EventLog
from golddiff.types import EventKind


class ClaudeEvents:
    """Fills a log with the events of one session, record by record."""

    def __init__(self, log: EventLog, cwd: str | None, *, has_user: bool) -> None:
        """`cwd` is the session's folder; `has_user` is false for a sub-agent's own file, where nobody types."""
        self._log = log
        self._cwd = cwd
        self._has_user = has_user
        self._calls: dict[str, Call] = {}
        self._messages: dict[tuple[str | None, str], int] = {}

    def assistant(self, line: Line, message: Message, agent: str | None, at: datetime | None) -> None:
        """Take in what the model said and asked for."""
        blocks = message.content if isinstance(message.content, list) else []
        text = message.content if isinstance(message.content, str) else ""
        text = text or "\n".join(block.text for block in blocks if block.type == "text" and block.text)
        if message.model == SYNTHETIC or line.isApiErrorMessage:
            self._log.add(EventKind.NOTE, at, agent=agent, text=text, is_error=bool(line.isApiErrorMessage))
            return
        key = (agent, message.id or line.uuid or str(uuid.uuid4()))
        slot = self._messages.get(key)
        earlier = self._log.get(slot) if slot is not None else None
        if slot is None or earlier is None:
            self._messages[key] = self._log.add(
                EventKind.MODEL_CALL,
                at,
                agent=agent,
                text=text or None,
                model=message.model,
                usage=usage_of(message.usage),
            )
        else:
            joined = "\n".join(part for part in (earlier.text, text) if part)
            self._log.update(slot, text=joined or None, usage=usage_of(message.usage) or earlier.usage)
        for block in blocks:
            if block.type == "tool_use" and block.id is not None and block.name is not None:
                arguments = block.input.copy()  # it may wait long: without the bytes around it
                self._call(Call(block.id, block.name, arguments, agent, len(self._log), at, message.model))

    def _call(self, call: Call) -> None:
        """Enter a call as if no result ever came; `_result` replaces it."""
        if call.call_id in self._calls:
            return
        self._calls[call.call_id] = call
        edit = edit_of(call, self._cwd)
        command = command_of(call)
        if edit is not None:
            kind, fields = EventKind.EDIT, dict[str, Any](edit=edit, model=call.model)
        elif command is not None:
            kind, fields = EventKind.COMMAND, {"command": command, "model": call.model}
        else:
            kind, fields = EventKind.TOOL_CALL, {"arguments": _json_text(call.arguments)}
        self._log.add(kind, call.at, agent=call.agent, tool=call.tool, call_id=call.call_id, **fields)

    def user(self, line: Line, message: Message, agent: str | None, at: datetime | None) -> None:
        """Take in results of tools, and what the user or the client said."""
        content = message.content
        results = [block for block in content if block.type == "tool_result"] if isinstance(content, list) else []
        structured = line.toolUseResult if len(results) == 1 else msgspec.Raw()  # of several, it is unclear whose
        for block in results:
            if block.tool_use_id is not None:
                self._result(block.tool_use_id, result_of(block, structured), agent, at)
        found = said(line, content, by_user=agent is None and self._has_user)
        for note in found.notes:
            self._log.add(EventKind.NOTE, at, agent=agent, text=note)
        if found.interrupted:
            self._log.add(EventKind.INTERRUPTION, at, agent=agent)
        if found.prompt is not None:
            self._log.add(EventKind.PROMPT, at, agent=agent, text=found.prompt)

    def _result(self, call_id: str, result: Result, agent: str | None, at: datetime | None) -> None:
        call = self._calls.pop(call_id, None)
        if call is None:
            self._log.add(
                EventKind.TOOL_RESULT, at, agent=agent, call_id=call_id, text=result.text, is_error=result.is_error
            )
            return
        shared: dict[str, Any] = {"agent": call.agent, "tool": call.tool, "call_id": call_id}
        failed = {**shared, "is_error": result.is_error}
        rejection = result.rejection
        edit = edit_of(call, self._cwd, result) if is_edit(call.tool) else None
        command = command_of(call)
        event = self._log.event
        if edit is not None:
            text = result.text if result.is_error and rejection is None else None
            ended = event(EventKind.EDIT, at, edit=edit, text=text, model=call.model, **failed)
            self._log.move(call.slot, [ended])
        elif command is not None and not result.never_ran:
            how = ran(command, result)
            ended = event(EventKind.COMMAND, at, command=command, model=call.model, **shared)
            ended = msgspec.structs.replace(
                ended, text=how.text, exit_code=how.exit_code, tests=how.tests, is_error=how.is_error
            )
            self._log.move(call.slot, [ended])
        else:
            if command is not None:  # a call that was refused is no command
                asked = event(EventKind.TOOL_CALL, call.at, arguments=_json_text(call.arguments), **shared)
                self._log.fill(call.slot, [asked])
            if rejection is None:
                text = "" if result.text.startswith(INTERRUPTED) else result.text
                self._log.add(EventKind.TOOL_RESULT, at, text=text, **failed)
        if rejection is not None:
            self._log.add(EventKind.REJECTION, at, text=rejection or None, **shared)


def _json_text(raw: msgspec.Raw) -> str | None:
    return bytes(raw).decode("utf-8", "replace") if raw else None
