"""Claude Code's session files (`~/.claude/projects/<folder>/<session>.jsonl`), versions 1 to 2.1.

One record per line, one line per content block. Lines of one message are merged by its id and its usage is counted
once (the last line's: the client repeats it while the answer grows). Only the live branch is read (`claude_code.tree`).
A sub-agent's lines become events with its id in `agent`, also those of its own file (`claude_code.agents`); such a file
without its session is a session whose parent is the one that it names. Thinking is not kept.

Format: read from 60 published transcripts of 2026 (docs/importers.md counts them), not from a specification.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from golddiff.record.importers.claude_code.agents import (
    agent_files,
    agent_of,
    has_own_file,
    merge_by_time,
    session_file,
)
from golddiff.record.importers.claude_code.events import ClaudeEvents
from golddiff.record.importers.claude_code.records import (
    AGENT_PROGRESS,
    ATTACHMENT,
    LINE,
    NOTHING,
    Line,
    Message,
    lines_of,
)
from golddiff.record.importers.claude_code.tools import STRUCTURED
from golddiff.record.importers.claude_code.tree import Node, live_records
from golddiff.record.importers.contract import Reading, ReadSession
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import JsonLines, decode, printable_type
from golddiff.record.importers.packed import Packed
from golddiff.record.importers.timestamps import moment
from golddiff.types import RawSession, Session, new_id

_SPOKEN = ("user", "assistant")
_HOUSEKEEPING = frozenset(
    {
        "agent-name", "attachment", "custom-title", "file-history-snapshot", "last-prompt", "permission-mode",
        "pr-link", "progress", "queue-operation", "summary", "system",
    }
)  # fmt: skip
_OWN_SHAPES = ("user", "assistant", "system", "progress", "attachment")


class ClaudeCode:
    """Importer of Claude Code's JSON Lines."""

    name = "claude-code"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where some line has the keys of a conversation record, or is housekeeping that only it writes."""
        return any(_is_own(text) for text in head)

    def read(self, path: Path) -> Reading:
        """Read one file into at most one session, with the files of its sub-agents."""
        if session_file(path) is not None:
            return Reading(skipped={"sub-agent: read with its session": 1})
        reader = _Reader(path)
        files = [lines_of(path)]
        reader.read(files[0])
        for agent_path in agent_files(path):
            files.append(lines_of(agent_path))
            reader.read(files[-1], agent_of(agent_path))
        damaged = tuple(damage for lines in files for damage in lines.damaged)
        if not reader.speaks:
            skipped = sum((lines.skipped for lines in files), reader.skipped)
            return Reading(damaged=damaged, skipped=dict(skipped + Counter({"no conversation": 1})))
        return Reading((ReadSession(reader.session(files), reader.parent),), damaged)


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


_Entry: TypeAlias = tuple[Line, Message | None]


def _entries() -> Packed[_Entry]:
    return Packed(tuple[Line, Message | None])


class _Reader:
    """State of one pass over one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._id = new_id("ses")
        self._lines = _entries()
        self._agents: list[Packed[_Entry]] = []
        """Records of sub-agents that have files of their own."""
        self._seen: dict[str, str] = {}
        """Ids of records, each as itself: the tree is made of these very strings, or it would hold each three times."""
        self._structured: set[str] = set()
        """Calls of tools whose `toolUseResult` says more than their result's text."""
        self._header: dict[str, str] = {}
        self._own_file = False
        self.skipped: Counter[str] = Counter()
        self.speaks = False
        self.parent: str | None = None

    # ---- the file --------------------------------------------------------------------------------------------

    def read(self, lines: JsonLines[Line], agent: str | None = None) -> None:
        """Keep what the session is made of; housekeeping keeps its place in the tree and nothing else.

        `agent` is the id of the sub-agent whose own file this is.
        """
        entries = self._lines
        if agent is not None:
            entries = _entries()
            self._agents.append(entries)
        for line in lines:
            if line.uuid is not None:
                if line.uuid in self._seen:
                    self.skipped["repeated record"] += 1
                    continue
                self._seen[line.uuid] = line.uuid
            if agent is not None:
                line.isSidechain, line.agentId = True, line.agentId or agent
            entries.append((line, self._message(line)))

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
        line.data = line.attachment = NOTHING
        if message is None:
            line.toolUseResult = NOTHING
        else:
            self.speaks = True
            self._note_header(line)
            self._let_go(line, message)
        if line.prUrl:
            self._header.setdefault("repository_url", line.prUrl.partition("/pull/")[0])
        return message

    def _let_go(self, line: Line, message: Message) -> None:
        """Copy what an event may need, so that the line's own bytes are free: half of a session is said twice."""
        needed = False
        for block in message.content if isinstance(message.content, list) else ():
            if block.type == "tool_use":
                block.input = _own(block.input)
                if block.id is not None and block.name in STRUCTURED:
                    self._structured.add(block.id)
            elif block.type == "tool_result":
                block.content = _own(block.content)
                needed = needed or block.tool_use_id in self._structured
        line.toolUseResult = _own(line.toolUseResult) if needed else NOTHING

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
                if inner.type in _SPOKEN and not has_own_file(self._path, line.sessionId, progress.agentId):
                    line.type, line.toolUseResult = inner.type, inner.toolUseResult
                    line.timestamp = inner.timestamp or line.timestamp
                    line.agentId, line.isSidechain = progress.agentId, True
                    if isinstance(inner.message, Message):
                        return inner.message
        except msgspec.DecodeError:
            pass
        self.skipped["not needed: progress"] += 1
        return None

    def _note_header(self, line: Line) -> None:
        for name, value in (("session", line.sessionId), ("cwd", line.cwd), ("branch", line.gitBranch)):
            if value:
                self._header.setdefault(name, value)
        if line.version:
            self._header["version"] = line.version
        if line.agentId:
            self._header.setdefault("agent", line.agentId)

    # ---- the session -----------------------------------------------------------------------------------------

    def session(self, files: Sequence[JsonLines[Line]]) -> RawSession:
        """Turn the live records into events."""
        own_agent = agent_of(self._path)
        if own_agent is not None:
            self._header.setdefault("agent", own_agent)
        self._own_file = not self._agents and (
            own_agent is not None or all(line.isSidechain for line, message in self._lines if message is not None)
        )
        log = EventLog(self._id)
        events = ClaudeEvents(log, self._header.get("cwd"), has_user=not self._own_file)
        for line, message in self._live():
            at = moment(line.timestamp)
            agent = None if self._own_file or not line.isSidechain else line.agentId or "sidechain"
            if line.type == "assistant":
                events.assistant(line, message, agent, at)
            else:
                events.user(line, message, agent, at)
        provider_id = self._header.get("session")
        agent_id = self._header.get("agent")
        if self._own_file and provider_id and agent_id:
            self.parent = provider_id
            provider_id = f"{provider_id}/{agent_id}"
        skipped = sum((lines.left_out() for lines in files), self.skipped)
        return log.finish(
            Session(
                id=self._id,
                source=ClaudeCode.name,
                provider_session_id=provider_id,
                agent_version=self._header.get("version"),
                cwd=self._header.get("cwd"),
                repository_url=self._header.get("repository_url"),
                branch=self._header.get("branch"),
                source_path=str(self._path),
                record_hashes=tuple(record for lines in files for record in lines.hashes),
                skipped=dict(skipped),
            )
        )

    def _live(self) -> Iterator[tuple[Line, Message]]:
        files = [self._lines, *self._agents]
        nodes = [self._node(line, message) for line, message in merge_by_time(files)]
        live = live_records(nodes)
        speaks = [node.speaks for node in nodes]
        del nodes
        for index, (line, message) in enumerate(merge_by_time([entries.drain() for entries in files])):
            if message is None:
                continue
            if index in live or not speaks[index]:
                yield line, message
            else:
                self.skipped["dead branch"] += 1

    def _node(self, line: Line, message: Message | None) -> Node:
        speaks = line.type in _SPOKEN and message is not None and (self._own_file or not line.isSidechain)
        calls, answers = _calls_and_answers(message) if speaks else ((), ())
        message_id = message.id if message is not None and speaks else None
        uuid, parent = line.uuid or "", line.parentUuid or line.logicalParentUuid or ""
        known = self._seen
        return Node(known.get(uuid), known.get(parent, parent) or None, speaks, message_id, calls, answers)


def _own(raw: msgspec.Raw) -> msgspec.Raw:
    """A copy that does not hold the bytes around it."""
    return raw.copy() if raw else NOTHING


def _calls_and_answers(message: Message | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    blocks = message.content if message is not None and isinstance(message.content, list) else []
    calls = tuple(block.id for block in blocks if block.type == "tool_use" and block.id)
    return calls, tuple(block.tool_use_id for block in blocks if block.type == "tool_result" and block.tool_use_id)
