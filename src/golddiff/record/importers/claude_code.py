"""Claude Code's session files (`~/.claude/projects/<folder>/<session>.jsonl`), versions 1 to 2.1.

One record per line, one line per content block. Lines of one message are merged by its id and its usage is counted
once (the last line's: the client repeats it while the answer grows). Only the live branch is read (`claude_tree`).
A sub-agent's lines become events with its id in `agent`; a sub-agent's own file becomes a session whose parent is
the session that it names. Thinking is not kept.

Format: read from 60 published transcripts of 2026 (docs/importers.md counts them), not from a specification.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers.claude_prompts import said
from golddiff.record.importers.claude_records import AGENT_PROGRESS, ATTACHMENT, LINE, Line, Message, Tokens
from golddiff.record.importers.claude_tools import (
    INTERRUPTED,
    Call,
    Result,
    command_of,
    edit_of,
    is_edit,
    ran,
    result_of,
)
from golddiff.record.importers.claude_tree import Node, live_records
from golddiff.record.importers.contract import Reading, ReadSession
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import JsonLines, decode, printable_type
from golddiff.record.importers.timestamps import moment
from golddiff.types import EventKind, RawSession, Session, Usage, new_id

_SPOKEN = ("user", "assistant")
_HOUSEKEEPING = frozenset(
    {
        "agent-name", "attachment", "custom-title", "file-history-snapshot", "last-prompt", "permission-mode",
        "pr-link", "progress", "queue-operation", "summary", "system",
    }
)  # fmt: skip
_OWN_SHAPES = ("user", "assistant", "system", "progress", "attachment")
_NOTHING = msgspec.Raw()
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SYNTHETIC = "<synthetic>"


class ClaudeCode:
    """Importer of Claude Code's JSON Lines."""

    name = "claude-code"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where some line has the keys of a conversation record, or is housekeeping that only it writes."""
        return any(_is_own(text) for text in head)

    def read(self, path: Path) -> Reading:
        """Read one file into at most one session."""
        lines = JsonLines(path, Line)
        reader = _Reader(path)
        reader.read(lines)
        if not reader.speaks:
            skipped = lines.skipped + reader.skipped
            return Reading(damaged=tuple(lines.damaged), skipped=dict(skipped + Counter({"no conversation": 1})))
        session = reader.session(lines)
        return Reading((ReadSession(session, reader.parent),), tuple(lines.damaged))


def _is_own(text: bytes) -> bool:
    try:
        line = decode(LINE, text)
    except msgspec.DecodeError:
        return False
    if line.type in _OWN_SHAPES:
        return line.uuid is not None and line.sessionId is not None
    if line.type == "file-history-snapshot":
        return b'"snapshot"' in text
    if line.type == "summary":
        return b'"leafUuid"' in text
    return line.type in _HOUSEKEEPING and line.sessionId is not None


class _Reader:
    """State of one pass over one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._id = new_id("ses")
        self._log = EventLog(self._id)
        self._lines: list[tuple[Line, Message | None]] = []
        self._calls: dict[str, Call] = {}
        self._messages: dict[tuple[str | None, str], int] = {}
        self._header: dict[str, str] = {}
        self._own_file = False
        self.skipped: Counter[str] = Counter()
        self.speaks = False
        self.parent: str | None = None

    # ---- the file --------------------------------------------------------------------------------------------

    def read(self, lines: JsonLines[Line]) -> None:
        """Keep what the session is made of; housekeeping keeps its place in the tree and nothing else."""
        seen: set[str] = set()
        for line in lines:
            if line.uuid is not None:
                if line.uuid in seen:
                    self.skipped["repeated record"] += 1
                    continue
                seen.add(line.uuid)
            self._lines.append((line, self._message(line)))

    def _message(self, line: Line) -> Message | None:
        """Return what a record says; None for housekeeping, which loses its raw parts here."""
        message = None
        if line.type in _SPOKEN:
            if isinstance(line.message, Message):
                message = line.message
            else:
                self.skipped["unexpected shape"] += 1
        elif line.type == "attachment" and line.attachment:
            message = self._queued_prompt(line)
        elif line.type == "progress" and line.data:
            message = self._unpack_progress(line)
        elif line.type in _HOUSEKEEPING:
            self.skipped[f"not needed: {line.type}"] += 1
        else:
            self.skipped[f"unknown record: {printable_type(line.type)}"] += 1
        line.message = None
        line.data = line.attachment = _NOTHING
        if message is None:
            line.toolUseResult = _NOTHING
        else:
            self.speaks = True
            self._note_header(line)
        if line.prUrl:
            self._header.setdefault("repository_url", line.prUrl.partition("/pull/")[0])
        return message

    def _queued_prompt(self, line: Line) -> Message | None:
        """A prompt that the user typed while the agent worked; it has no user record of its own."""
        try:
            attachment = decode(ATTACHMENT, line.attachment)
        except msgspec.DecodeError:
            attachment = None
        if attachment is None or attachment.type != "queued_command" or attachment.prompt is None:
            self.skipped["not needed: attachment"] += 1
            return None
        line.isMeta = attachment.commandMode not in (None, "prompt")
        return Message(content=attachment.prompt)

    def _unpack_progress(self, line: Line) -> Message | None:
        """Turn a sub-agent's progress into the sub-agent's record, unless the sub-agent has a file of its own."""
        try:
            progress = decode(AGENT_PROGRESS, line.data)
            if progress.type == "agent_progress" and progress.agentId is not None:
                inner = decode(LINE, progress.message)
                if inner.type in _SPOKEN and not self._has_file(line, progress.agentId):
                    line.type, line.toolUseResult = inner.type, inner.toolUseResult
                    line.timestamp = inner.timestamp or line.timestamp
                    line.agentId, line.isSidechain = progress.agentId, True
                    if isinstance(inner.message, Message):
                        return inner.message
        except msgspec.DecodeError:
            pass
        self.skipped["not needed: progress"] += 1
        return None

    def _has_file(self, line: Line, agent: str) -> bool:
        session = line.sessionId or ""
        if not (_FILE_NAME.fullmatch(agent) and _FILE_NAME.fullmatch(session)):
            return False
        folder, name = self._path.parent, f"agent-{agent}.jsonl"
        return (folder / name).exists() or (folder / session / "subagents" / name).exists()

    def _note_header(self, line: Line) -> None:
        for name, value in (("session", line.sessionId), ("cwd", line.cwd), ("branch", line.gitBranch)):
            if value:
                self._header.setdefault(name, value)
        if line.version:
            self._header["version"] = line.version
        if line.agentId:
            self._header.setdefault("agent", line.agentId)

    # ---- the session -----------------------------------------------------------------------------------------

    def session(self, lines: JsonLines[Line]) -> RawSession:
        """Turn the live records into events."""
        if self._path.parent.name == "subagents" and self._path.stem.startswith("agent-"):
            self._own_file = True
            self._header.setdefault("agent", self._path.stem.removeprefix("agent-"))
        else:
            self._own_file = all(line.isSidechain for line, message in self._lines if message is not None)
        for line, message in self._live():
            at = moment(line.timestamp)
            agent = None if self._own_file or not line.isSidechain else line.agentId or "sidechain"
            if line.type == "assistant":
                self._assistant(line, message, agent, at)
            else:
                self._user(line, message, agent, at)
        provider_id = self._header.get("session")
        agent_id = self._header.get("agent")
        if self._own_file and provider_id and agent_id:
            self.parent = provider_id
            provider_id = f"{provider_id}/{agent_id}"
        skipped = self.skipped + lines.skipped
        if lines.damaged:
            skipped["damaged line"] = len(lines.damaged)
        return self._log.finish(
            Session(
                id=self._id,
                source=ClaudeCode.name,
                provider_session_id=provider_id,
                agent_version=self._header.get("version"),
                cwd=self._header.get("cwd"),
                repository_url=self._header.get("repository_url"),
                branch=self._header.get("branch"),
                source_path=str(self._path),
                record_hashes=tuple(lines.hashes),
                skipped=dict(skipped),
            )
        )

    def _live(self) -> Iterator[tuple[Line, Message]]:
        nodes = []
        for line, message in self._lines:
            speaks = line.type in _SPOKEN and message is not None and (self._own_file or not line.isSidechain)
            calls, answers = _calls_and_answers(message) if speaks else ((), ())
            message_id = message.id if message is not None and speaks else None
            parent = line.parentUuid or line.logicalParentUuid
            nodes.append(Node(line.uuid, parent, speaks, message_id, calls, answers))
        live = live_records(nodes)
        for index, (line, message) in enumerate(self._lines):
            if message is None:
                continue
            if index in live or not nodes[index].speaks:
                yield line, message
            else:
                self.skipped["dead branch"] += 1

    # ---- records ---------------------------------------------------------------------------------------------

    def _assistant(self, line: Line, message: Message, agent: str | None, at: datetime | None) -> None:
        blocks = message.content if isinstance(message.content, list) else []
        text = message.content if isinstance(message.content, str) else ""
        text = text or "\n".join(block.text for block in blocks if block.type == "text" and block.text)
        if message.model == _SYNTHETIC or line.isApiErrorMessage:
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
                usage=_usage(message.usage),
            )
        else:
            joined = "\n".join(part for part in (earlier.text, text) if part)
            self._log.update(slot, text=joined or None, usage=_usage(message.usage) or earlier.usage)
        for block in blocks:
            if block.type == "tool_use" and block.id is not None and block.name is not None:
                self._call(Call(block.id, block.name, block.input, agent, len(self._log), at, message.model))

    def _call(self, call: Call) -> None:
        """Enter a call as if no result ever came; `_result` replaces it."""
        if call.call_id in self._calls:
            return
        self._calls[call.call_id] = call
        edit = edit_of(call, self._header.get("cwd"))
        command = command_of(call)
        if edit is not None:
            kind, fields = EventKind.EDIT, dict[str, Any](edit=edit, model=call.model)
        elif command is not None:
            kind, fields = EventKind.COMMAND, {"command": command, "model": call.model}
        else:
            kind, fields = EventKind.TOOL_CALL, {"arguments": _json_text(call.arguments)}
        self._log.add(kind, call.at, agent=call.agent, tool=call.tool, call_id=call.call_id, **fields)

    def _user(self, line: Line, message: Message, agent: str | None, at: datetime | None) -> None:
        content = message.content
        for block in content if isinstance(content, list) else []:
            if block.type == "tool_result" and block.tool_use_id is not None:
                self._result(block.tool_use_id, result_of(block, line.toolUseResult), agent, at)
        found = said(line, content, by_user=agent is None and not self._own_file)
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
        edit = edit_of(call, self._header.get("cwd"), result) if is_edit(call.tool) else None
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


def _calls_and_answers(message: Message | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    blocks = message.content if message is not None and isinstance(message.content, list) else []
    calls = tuple(block.id for block in blocks if block.type == "tool_use" and block.id)
    return calls, tuple(block.tool_use_id for block in blocks if block.type == "tool_result" and block.tool_use_id)


def _usage(tokens: Tokens | None) -> Usage | None:
    if tokens is None:
        return None
    return Usage(
        input_tokens=tokens.input_tokens or 0,
        output_tokens=tokens.output_tokens or 0,
        cache_read_tokens=tokens.cache_read_input_tokens or 0,
        cache_write_tokens=tokens.cache_creation_input_tokens or 0,
    )


def _json_text(raw: msgspec.Raw) -> str | None:
    return bytes(raw).decode("utf-8", "replace") if raw else None
