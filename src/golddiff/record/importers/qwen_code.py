"""Qwen Code's session files (`~/.qwen/projects/<folder>/chats/<session>.jsonl`).

A descendant of Gemini CLI with records in the manner of Claude Code: one per line, a tree by `parentUuid`, of which
the live branch is read (`claude_code.tree`); a rewind is a branch. Content is in Gemini's parts. The client shortens
long files in what it saves and says so; such a state is left empty. Thoughts are not kept.

Format: `packages/core/src/services/chatRecordingService.ts` of the Qwen Code repository; no published session was at
hand (docs/importers.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from golddiff.record.importers.call_log import CallLog
from golddiff.record.importers.claude_code.tree import Node, live_records
from golddiff.record.importers.contract import Reading
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.gemini_cli import parts as gemini
from golddiff.record.importers.heads import first_record
from golddiff.record.importers.jsonl import JsonLines, decode, printable_type
from golddiff.record.importers.one_session import read_one
from golddiff.record.importers.timestamps import moment
from golddiff.record.importers.tool_shapes import asked, json_text
from golddiff.types import EventKind, RawSession, Session

_SPOKEN = ("user", "assistant", "tool_result")
_NOTES = frozenset(
    {"notification", "cron", "background_task_completed", "agent_bootstrap", "agent_launch_prompt", "agent_retry",
     "goal_runtime"}
)  # fmt: skip
"""Records of type `user` that the client made."""
_HOOK_TEXT = ("<qwen:", "<system-reminder>")


class _Content(msgspec.Struct):
    role: str | None = None
    parts: msgspec.Raw = msgspec.Raw()


class _Usage(msgspec.Struct):
    promptTokenCount: int | None = None
    candidatesTokenCount: int | None = None
    cachedContentTokenCount: int | None = None
    thoughtsTokenCount: int | None = None
    toolUsePromptTokenCount: int | None = None


class _Result(msgspec.Struct):
    callId: str | None = None
    status: str | None = None
    resultDisplay: msgspec.Raw = msgspec.Raw()


class _Payload(msgspec.Struct):
    displayText: str | None = None
    parentSessionId: str | None = None


class _Line(msgspec.Struct):
    type: str | None = None
    subtype: str | None = None
    provenance: str | None = None
    uuid: str | None = None
    parentUuid: str | None = None
    sessionId: str | None = None
    timestamp: str | int | float | None = None
    cwd: str | None = None
    version: str | None = None
    gitBranch: str | None = None
    model: str | None = None
    agentId: str | None = None
    isSidechain: bool | None = None
    message: _Content | None = None
    usageMetadata: _Usage | None = None
    toolCallResult: _Result | None = None
    systemPayload: msgspec.Raw = msgspec.Raw()


_LINE = msgspec.json.Decoder(_Line)
_PAYLOAD = msgspec.json.Decoder(_Payload)


class QwenCode:
    """Importer of Qwen Code's sessions."""

    name = "qwen-code"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where the first record that speaks has its content in parts, or says where it came from."""
        found = first_record(head, _LINE, _tells)
        if found is None:
            return False
        return bool(found.provenance or found.systemPayload or (found.message is not None and found.message.parts))

    def read(self, path: Path) -> Reading:
        """Read one file into at most one session."""
        return read_one(JsonLines(path, _Line), lambda log: _Reader(path, log), replays=False)


def _tells(line: _Line) -> bool:
    """Whether a record says whose it is: Claude Code's are like it, but for what is in its message."""
    if line.uuid is None or line.sessionId is None or line.type not in (*_SPOKEN, "system"):
        return False
    return line.message is not None or bool(line.provenance or line.systemPayload)


class _Reader:
    """State of one pass over one file."""

    def __init__(self, path: Path, log: EventLog) -> None:
        self._path = path
        self._log = log
        self._lines: list[tuple[_Line, list[gemini.Part]]] = []
        self._seen: set[str] = set()
        self.skipped: Counter[str] = Counter()
        self.speaks = False
        self.parent: str | None = None

    def line(self, line: _Line) -> None:
        """Keep what the session is made of; other records keep their place in the tree and nothing else."""
        if line.uuid is not None:
            if line.uuid in self._seen:
                self.skipped["repeated record"] += 1
                return
            self._seen.add(line.uuid)
        parts: list[gemini.Part] = []
        if line.type in _SPOKEN:
            if line.message is None:
                self.skipped["unexpected shape"] += 1
            else:
                parts = gemini.parts_of(line.message.parts)
                self.speaks = True
        elif line.type == "system":
            self.skipped[f"not needed: {printable_type(line.subtype)}"] += 1
            if line.subtype == "parent_session":
                self.parent = _payload(line).parentSessionId or self.parent
        else:
            self.skipped[f"unknown record: {printable_type(line.type)}"] += 1
        if not parts:
            line.systemPayload = msgspec.Raw()
        line.message = None
        self._lines.append((line, parts))

    def session(self, hashes: list[str], skipped: Counter[str]) -> RawSession:
        """Turn the live records into events."""
        log = self._log
        calls = CallLog(log)
        spoken = [line for line, parts in self._lines if parts]
        cwd = next((line.cwd for line in spoken if line.cwd), None)
        own_file = all(line.isSidechain for line in spoken)
        for line, parts in self._live():
            agent = (line.agentId or "sidechain") if line.isSidechain and not own_file else None
            self._events(line, parts, log, calls, cwd, agent, has_user=not own_file)
        provider_id = next((line.sessionId for line in spoken if line.sessionId), None)
        agent_id = next((line.agentId for line in spoken if line.agentId), None)
        if own_file and provider_id and agent_id:
            self.parent = provider_id
            provider_id = f"{provider_id}/{agent_id}"
        return log.finish(
            Session(
                id=log.session_id,
                source=QwenCode.name,
                provider_session_id=provider_id,
                agent_version=next((line.version for line in reversed(spoken) if line.version), None),
                cwd=cwd,
                branch=next((line.gitBranch for line in spoken if line.gitBranch), None),
                source_path=str(self._path),
                record_hashes=tuple(hashes),
                skipped=dict(self.skipped + skipped),
            )
        )

    def _live(self) -> Iterator[tuple[_Line, list[gemini.Part]]]:
        nodes = []
        for line, parts in self._lines:
            calls = tuple(part.functionCall.id for part in parts if part.functionCall and part.functionCall.id)
            answers = tuple(
                part.functionResponse.id for part in parts if part.functionResponse and part.functionResponse.id
            )
            nodes.append(Node(line.uuid, line.parentUuid, bool(parts), None, calls, answers))
        live = live_records(nodes)
        for index, entry in enumerate(self._lines):
            if index in live:
                yield entry
            elif nodes[index].speaks:
                self.skipped["dead branch"] += 1

    def _events(
        self,
        line: _Line,
        parts: list[gemini.Part],
        log: EventLog,
        calls: CallLog,
        cwd: str | None,
        agent: str | None,
        *,
        has_user: bool,
    ) -> None:
        at = moment(line.timestamp)
        if line.type == "user":
            for kind, text in _said(line, parts, by_user=has_user and agent is None):
                log.add(kind, at, agent=agent, text=text)
        elif line.type == "assistant":
            counted = line.usageMetadata
            tokens = None
            if counted is not None:
                tokens = gemini.usage(
                    counted.promptTokenCount or 0,
                    counted.candidatesTokenCount or 0,
                    counted.cachedContentTokenCount or 0,
                    counted.thoughtsTokenCount or 0,
                    counted.toolUsePromptTokenCount or 0,
                )
            text = gemini.text_of(parts)
            log.add(EventKind.MODEL_CALL, at, agent=agent, text=text or None, model=line.model, usage=tokens)
            for call in (part.functionCall for part in parts if part.functionCall is not None):
                ask = asked(call.name, call.args, cwd)
                calls.call(call.id, call.name, json_text(call.args), ask, at=at, agent=agent, model=line.model)
        else:
            self._result(line, parts, calls, cwd, agent)

    def _result(
        self, line: _Line, parts: list[gemini.Part], calls: CallLog, cwd: str | None, agent: str | None
    ) -> None:
        result = line.toolCallResult or _Result()
        responses = [part.functionResponse for part in parts if part.functionResponse is not None]
        call_id = result.callId or next((response.id for response in responses if response.id), None)
        text, error = gemini.response_text(parts)
        edits = gemini.shown_edits(result.resultDisplay, calls.edits_of(call_id or ""), cwd)
        is_command = calls.command_of(call_id or "") is not None
        answer = gemini.answer(text, result.status, is_command=is_command, error=error, edits=edits)
        calls.result(call_id, answer, at=moment(line.timestamp), agent=agent)


def _said(line: _Line, parts: list[gemini.Part], *, by_user: bool) -> list[tuple[EventKind, str]]:
    """What a record of type `user` says: the prompt as it was typed, apart from what hooks and client put around it."""
    made = line.subtype in _NOTES or line.provenance not in (None, "real_user")
    if made or not by_user:
        return [(EventKind.NOTE, gemini.text_of(parts))]
    injected = [part.text for part in parts if part.text is not None and part.text.lstrip().startswith(_HOOK_TEXT)]
    typed = [part for part in parts if part.text is None or not part.text.lstrip().startswith(_HOOK_TEXT)]
    shown = _payload(line).displayText
    text = shown if shown is not None else gemini.text_of(typed)
    notes = [(EventKind.NOTE, text) for text in injected]
    return [*notes, (EventKind.PROMPT, text)] if text.strip() or not notes else notes


def _payload(line: _Line) -> _Payload:
    try:
        return decode(_PAYLOAD, line.systemPayload) if line.systemPayload else _Payload()
    except msgspec.DecodeError:
        return _Payload()
