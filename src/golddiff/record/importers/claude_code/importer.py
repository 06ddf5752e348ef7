"""Claude Code's session files (`~/.claude/projects/<folder>/<session>.jsonl`), versions 1 to 2.1.

One record per line, one line per content block. Lines of one message are merged by its id and its usage is counted
once (the last line's: the client repeats it while the answer grows). Only the live branch is read (`claude_code.tree`).
A sub-agent's lines become events with its id in `agent`, also those of its own file (`claude_code.agents`); such a file
without its session is a session whose parent is the one that it names. Thinking is not kept.

The first pass over the files finds the tree; the events are made in a second one, of a long session in one each time
they are asked for (`replay`).

Format: read from 60 published transcripts of 2026 (docs/importers.md counts them), not from a specification.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import msgspec

from golddiff.record.importers.claude_code.agents import agent_files, agent_of, merge_by_time, session_file
from golddiff.record.importers.claude_code.entries import HOUSEKEEPING, SPOKEN, Unpacker
from golddiff.record.importers.claude_code.events import ClaudeEvents
from golddiff.record.importers.claude_code.records import LINE, Line, Message, lines_of
from golddiff.record.importers.claude_code.tree import Node, Tree
from golddiff.record.importers.contract import Reading, ReadSession
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import JsonLines, decode
from golddiff.record.importers.replay import is_long, read_through
from golddiff.record.importers.timestamps import moment
from golddiff.types import RawSession, Session, new_id

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
        files = {lines_of(path): None, **{lines_of(place): agent_of(place) for place in agent_files(path)}}
        reader = _Reader(path, files)
        reader.take_in()
        damaged = tuple(damage for lines in files for damage in lines.damaged)
        if not reader.speaks:
            skipped = sum((lines.skipped for lines in files), reader.skipped)
            return Reading(damaged=damaged, skipped=dict(skipped + Counter({"no conversation": 1})))
        return Reading((ReadSession(reader.session(), reader.parent),), damaged)


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
    return line.type in HOUSEKEEPING and line.sessionId is not None


_Entry: TypeAlias = tuple[Line, tuple[int, Message | None]]
"""A record, its number in the tree, and what it says."""


@dataclass
class _File:
    """One file of the session."""

    lines: JsonLines[Line]
    agent: str | None
    """Id of the sub-agent whose own file it is."""
    held: list[_Entry] | None
    """Its records; None of a long file, which is read again."""
    first: int = 0
    """Number of its first record."""
    kept: bytearray = field(default_factory=bytearray)
    """1 for each record, 0 for one that is there twice."""


class _Reader:
    """What is known of one session between passes over its files."""

    def __init__(self, path: Path, files: Mapping[JsonLines[Line], str | None]) -> None:
        """`files` are the session's own and those of its sub-agents, with their ids."""
        self._path = path
        self._files = [_File(lines, agent, None if is_long([lines]) else []) for lines, agent in files.items()]
        self._tree = Tree()
        self._side = bytearray()
        """1 for each record of a sub-agent."""
        self._heard = bytearray()
        """1 for each record that says something; once the tree is done, for each whose events are in the session."""
        self._own_files: dict[tuple[str | None, str], bool] = {}
        self._header: dict[str, str] = {}
        self._own_file = False
        self.skipped: Counter[str] = Counter()
        self.parent: str | None = None

    @property
    def speaks(self) -> bool:
        """Someone says something."""
        return any(self._heard)

    # ---- the files -------------------------------------------------------------------------------------------

    def take_in(self) -> None:
        """Find out which records there are, and what the header says; the records of short files are held."""
        unpacker = Unpacker(self._path, self._own_files)
        for file in self._files:
            file.first = len(self._tree)
            for line in file.lines:
                file.kept.append(line.uuid is None or line.uuid not in self._tree)
                if not file.kept[-1]:
                    self.skipped["repeated record"] += 1
                    continue
                message = unpacker.message(line, file.agent)
                number = self._place(line, message)
                if file.held is not None:
                    file.held.append((line, (number, message)))
        self.skipped += unpacker.skipped

    def _place(self, line: Line, message: Message | None) -> int:
        """Add a record to the tree, and to the header what it says of the session."""
        speaks = line.type in SPOKEN and message is not None
        calls, answers = _calls_and_answers(message) if speaks else ((), ())
        self._side.append(bool(line.isSidechain))
        self._heard.append(message is not None)
        if message is not None:
            self._note_header(line)
        if line.prUrl:
            self._header.setdefault("repository_url", line.prUrl.partition("/pull/")[0])
        parent, message_id = line.parentUuid or line.logicalParentUuid, message.id if message and speaks else None
        return self._tree.add(Node(line.uuid, parent or None, speaks, message_id, calls, answers))

    def _note_header(self, line: Line) -> None:
        for name, value in (("session", line.sessionId), ("cwd", line.cwd), ("branch", line.gitBranch)):
            if value:
                self._header.setdefault(name, value)
        if line.version:
            self._header["version"] = line.version
        if line.agentId:
            self._header.setdefault("agent", line.agentId)

    def _entries(self) -> Iterator[_Entry]:
        """Every record, in order of time."""
        unpacker = Unpacker(self._path, self._own_files)
        return merge_by_time([_again(file, unpacker) if file.held is None else file.held for file in self._files])

    # ---- the session -----------------------------------------------------------------------------------------

    def session(self) -> RawSession:
        """Turn the live records into events."""
        agent_id = self._header.get("agent") or agent_of(self._path)
        self._own_file = len(self._files) == 1 and (
            agent_of(self._path) is not None
            or all(side for side, heard in zip(self._side, self._heard, strict=True) if heard)
        )
        self._prune()
        provider_id = self._header.get("session")
        if self._own_file and provider_id and agent_id:
            self.parent = provider_id
            provider_id = f"{provider_id}/{agent_id}"
        skipped = sum((file.lines.left_out() for file in self._files), self.skipped)
        header = Session(
            id=new_id("ses"),
            source=ClaudeCode.name,
            provider_session_id=provider_id,
            agent_version=self._header.get("version"),
            cwd=self._header.get("cwd"),
            repository_url=self._header.get("repository_url"),
            branch=self._header.get("branch"),
            source_path=str(self._path),
            record_hashes=tuple(record for file in self._files for record in file.lines.hashes),
            skipped=dict(skipped),
        )

        def one_pass(log: EventLog) -> Generator[None, None, RawSession]:
            events = ClaudeEvents(log, header.cwd, has_user=not self._own_file)
            for line, (number, message) in self._entries():
                if message is not None and self._heard[number]:
                    at = moment(line.timestamp)
                    agent = None if self._own_file or not line.isSidechain else line.agentId or "sidechain"
                    take = events.assistant if line.type == "assistant" else events.user
                    take(line, message, agent, at)
                yield
            return log.finish(header)

        transcript = read_through(header.id, one_pass, long=is_long(file.lines for file in self._files))
        assert transcript is not None
        return transcript

    def _prune(self) -> None:
        """Leave out what the user took back."""
        tree = self._tree
        if not self._own_file:
            for number, side in enumerate(self._side):
                if side:
                    tree.silence(number)
        one = len(self._files) == 1
        live = tree.live(None if one else array("i", (number for _, (number, _) in self._entries())))
        for number, (speaks, is_live) in enumerate(zip(tree.speaks, live, strict=True)):
            if speaks and not is_live:
                self._heard[number] = False
                self.skipped["dead branch"] += 1
        self._tree = Tree()


def _again(file: _File, unpacker: Unpacker) -> Iterator[_Entry]:
    """The records of a long file once more."""
    number, kept = file.first, iter(file.kept)
    for line in file.lines:
        if next(kept, False):
            yield line, (number, unpacker.message(line, file.agent))
            number += 1


def _calls_and_answers(message: Message | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    blocks = message.content if message is not None and isinstance(message.content, list) else []
    calls = tuple(block.id for block in blocks if block.type == "tool_use" and block.id)
    return calls, tuple(block.tool_use_id for block in blocks if block.type == "tool_result" and block.tool_use_id)
