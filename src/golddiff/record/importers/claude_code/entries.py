"""What a record of Claude Code says: its message, also where a prompt or a sub-agent's record is inside another.

A long session is gone through several times, and what comes out here must be the same each time.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from golddiff.record.importers.claude_code.agents import has_own_file
from golddiff.record.importers.claude_code.records import (
    AGENT_PROGRESS,
    ATTACHMENT,
    LINE,
    NOTHING,
    Line,
    Message,
)
from golddiff.record.importers.jsonl import decode, printable_type

SPOKEN = ("user", "assistant")
HOUSEKEEPING = frozenset(
    {
        "agent-name", "attachment", "custom-title", "file-history-snapshot", "last-prompt", "permission-mode",
        "pr-link", "progress", "queue-operation", "summary", "system",
    }
)  # fmt: skip


class Unpacker:
    """One pass over the records of one session."""

    def __init__(self, path: Path, own_files: dict[tuple[str | None, str], bool]) -> None:
        """`own_files` keeps which sub-agents have a file of their own, from one pass to the next."""
        self.skipped: Counter[str] = Counter()
        self._path = path
        self._own_files = own_files

    def message(self, line: Line, agent: str | None) -> Message | None:
        """Return what a record says; None for housekeeping, which loses its raw parts here.

        `agent` is the id of the sub-agent in whose own file it is.
        """
        if agent is not None:
            line.isSidechain, line.agentId = True, line.agentId or agent
        message = None
        if line.type in SPOKEN:
            if isinstance(line.message, Message):
                message = line.message
            else:
                self.skipped["unexpected shape"] += 1
        elif line.type == "attachment" and line.attachment:
            message = self._queued_prompt(line)
        elif line.type == "progress" and line.data:
            message = self._unpack_progress(line)
        elif line.type in HOUSEKEEPING:
            self.skipped[f"not needed: {line.type}"] += 1
        else:
            self.skipped[f"unknown record: {printable_type(line.type)}"] += 1
        line.message = None
        line.data = line.attachment = NOTHING
        if message is None:
            line.toolUseResult = NOTHING
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
                if inner.type in SPOKEN and not self._has_own_file(line.sessionId, progress.agentId):
                    line.type, line.toolUseResult = inner.type, inner.toolUseResult
                    line.timestamp = inner.timestamp or line.timestamp
                    line.agentId, line.isSidechain = progress.agentId, True
                    if isinstance(inner.message, Message):
                        return inner.message
        except msgspec.DecodeError:
            pass
        self.skipped["not needed: progress"] += 1
        return None

    def _has_own_file(self, session: str | None, agent: str) -> bool:
        key = (session, agent)
        if key not in self._own_files:
            self._own_files[key] = has_own_file(self._path, session, agent)
        return self._own_files[key]
