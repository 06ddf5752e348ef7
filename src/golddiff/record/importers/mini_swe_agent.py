"""mini-swe-agent's trajectories (`*.traj.json`): the messages of the model, and nothing else.

Version 2 writes `{info, messages, trajectory_format}` with what it ran in `extra`; version 1 a bare list of messages,
whose commands are in fenced blocks of the answers. The agent has one tool, the shell, so its edits are known only from
the diff that it hands in (`submissions`).

Format: `agents/default.py` and `models/utils` of the package (2.4.6), and the repository's test files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers.call_log import Answer, CallLog
from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.documents import key, read_document, states
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import decode, printable_type, record_hash
from golddiff.record.importers.submissions import add_submission
from golddiff.record.importers.timestamps import moment
from golddiff.record.importers.tool_shapes import Asked
from golddiff.record.importers.untyped import said_text, string_at, usage_of
from golddiff.types import EventKind, RawSession, Session, new_id

_BLOCK = re.compile(r"```(?:mswea_bash_command|bash|sh)?[ \t]*\n(.*?)\n?```", re.DOTALL)
_RETURN_CODE = re.compile(r"<returncode>\s*(-?\d{1,10})\s*</returncode>")
_OUTPUT = re.compile(r"<output>\n?(.*)</output>\s*\Z", re.DOTALL)
_FINISH = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
_FENCE = key("content", r'"(?:[^"\\]|\\.)*```mswea_bash_command')
_KEYS = (key("trajectory_format", '"mini-swe-agent'), key("mini_version", '"'))
_NOT_RUN = "action was not executed"
_REJECTED = "Command not executed. The user rejected"
_INTERRUPTED = "Interrupted by user:"
_WORDS = "with the following message: "
_NEW_TASK = "The user added a new task: "


class _Info(msgspec.Struct):
    config: dict[str, Any] | None = None
    mini_version: str | None = None
    exit_status: str | None = None
    submission: str | None = None


class _Document(msgspec.Struct):
    messages: list[msgspec.Raw]
    info: _Info = msgspec.field(default_factory=_Info)


class _Message(msgspec.Struct):
    role: str | None = None
    type: str | None = None
    object: str | None = None
    model: str | None = None
    usage: Any = None
    content: Any = None
    output: Any = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    call_id: str | None = None
    extra: dict[str, Any] | None = None


_DOCUMENT: msgspec.json.Decoder[_Document | list[msgspec.Raw]] = msgspec.json.Decoder(_Document | list[msgspec.Raw])
_MESSAGE = msgspec.json.Decoder(_Message)


class MiniSweAgent:
    """Importer of mini-swe-agent's trajectories."""

    name = "mini-swe-agent"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where the document names the agent, or its messages speak of its fenced commands."""
        return any(states(head, pattern) for pattern in _KEYS) or (
            states(head, key("role", '"system"'), _FENCE) and b'"trajectory"' not in b"\n".join(head)
        )

    def read(self, path: Path) -> Reading:
        """Read one file into at most one session."""
        document = read_document(path, _DOCUMENT)
        if isinstance(document, Damage):
            return Reading(damaged=(document,))
        if document is None:
            return Reading(skipped={"unexpected shape": 1})
        if isinstance(document, list):
            document = _Document(document)
        reader = _Reader(document.info)
        for raw in document.messages:
            reader.message(raw)
        if not reader.speaks:
            return Reading(skipped=dict(reader.skipped + Counter({"no conversation": 1})))
        return Reading((ReadSession(reader.session(path, [record_hash(raw) for raw in document.messages])),))


class _Reader:
    """State of one pass over one trajectory."""

    def __init__(self, info: _Info) -> None:
        self._info = info
        self._id = new_id("ses")
        self._log = EventLog(self._id)
        self._calls = CallLog(self._log)
        self._open: list[str] = []
        """Commands that wait for what they printed, in order."""
        self._prompted = False
        config = info.config or {}
        self._model = string_at(config, "model", "model_name")
        self._cwd = string_at(config, "environment", "cwd") or None
        self._template = string_at(config, "agent", "instance_template")
        self._submission: str | None = None
        self.skipped: Counter[str] = Counter()
        self.speaks = False

    def message(self, raw: msgspec.Raw) -> None:
        """Take in one message."""
        try:
            message = decode(_MESSAGE, raw)
        except msgspec.DecodeError:
            self.skipped["unexpected shape"] += 1
            return
        extra = message.extra or {}
        at = moment(extra["timestamp"]) if isinstance(extra.get("timestamp"), int | float | str) else None
        text = said_text(message.content)
        role = message.role or {"function_call_output": "tool"}.get(message.type or "", message.object)
        if role == "system":
            self.skipped["not needed: system"] += 1
        elif role == "exit":
            self._submission = extra["submission"] if isinstance(extra.get("submission"), str) else None
            self.skipped["not needed: exit"] += 1
        elif role in ("assistant", "response"):
            self._answer(message, text or said_text(message.output), extra, at)
        elif role == "user" and extra.get("actions"):  # the person's own command; what it printed is a note too
            self._log.add(EventKind.NOTE, at, text=text)
        elif role == "tool" or (role == "user" and self._open and not _by_person(text, extra)):
            self._printed(message, text or said_text(message.output), extra, at)
        elif role == "user":
            self._said(text, extra, at)
        else:
            self.skipped[f"unknown record: {printable_type(role)}"] += 1

    def _said(self, text: str, extra: dict[str, Any], at: datetime | None) -> None:
        """The task, what the person at the keyboard did, or what the agent's own program answered."""
        reason = extra.get("interrupt_type")
        rejected = reason == "UserRejection" or (reason is None and text.startswith(_REJECTED))
        for call_id in self._open if rejected else ():
            self._calls.result(call_id, Answer(text=_NOT_RUN, is_error=True, never_ran=True), at=at)
        self._open = []
        if not self._prompted:
            self._prompted = self.speaks = True
            task = _task(text, self._template)
            if task != text:
                self._log.add(EventKind.NOTE, at, text=text)
            self._log.add(EventKind.PROMPT, at, text=task)
        elif reason == "UserNewTask":
            self._log.add(EventKind.PROMPT, at, text=text.partition(_NEW_TASK)[2] or text)
        elif rejected:
            self._log.add(EventKind.REJECTION, at, tool="bash", text=text.partition(_WORDS)[2] or None)
        elif reason == "UserInterruption" or (reason is None and text.startswith(_INTERRUPTED)):
            self._log.add(EventKind.INTERRUPTION, at, text=text.removeprefix(_INTERRUPTED).strip() or None)
        else:
            self._log.add(EventKind.NOTE, at, text=text)

    def _answer(self, message: _Message, text: str, extra: dict[str, Any], at: datetime | None) -> None:
        self.speaks = True
        response = extra.get("response")
        self._model = model = self._model or message.model or string_at(response, "model")
        counted = message.usage or (response.get("usage") if isinstance(response, dict) else None)
        self._log.add(EventKind.MODEL_CALL, at, text=text or None, model=model, usage=usage_of(counted))
        actions = extra.get("actions")
        if isinstance(actions, list):
            commands = [action for action in actions if isinstance(action, dict)]
        else:
            commands = [{"command": block} for block in _BLOCK.findall(text)[:1]]
        self._open = []
        for action in commands:
            command = action.get("command")
            if isinstance(command, str):
                given = action.get("tool_call_id")
                call_id = given if isinstance(given, str) else f"call {len(self._log)}"
                arguments = msgspec.json.encode({"command": command}).decode()
                self._calls.call(call_id, "bash", arguments, Asked(command=command), at=at, model=model)
                self._open.append(call_id)

    def _printed(self, message: _Message, text: str, extra: dict[str, Any], at: datetime | None) -> None:
        given = message.tool_call_id or message.call_id
        call_id = given if given in self._open else (self._open[0] if self._open else given)
        if call_id in self._open:
            self._open.remove(call_id)
        if extra.get("exception_info") == _NOT_RUN:
            self._calls.result(call_id, Answer(text=_NOT_RUN, is_error=True, never_ran=True), at=at)
            return
        code = extra.get("returncode")
        match = _RETURN_CODE.search(text)
        if not isinstance(code, int):
            code = int(match[1]) if match is not None else None
        printed = extra.get("raw_output")
        if not isinstance(printed, str):
            output = _OUTPUT.search(text)
            printed = output[1] if output is not None else text
        ran = self._calls.command_of(call_id) if call_id is not None else None
        if ran is not None and _FINISH in ran and text.lstrip().startswith("diff --git"):
            self._submission = text
        self._calls.result(call_id, Answer(text=printed, exit_code=code), at=at)

    def session(self, path: Path, hashes: list[str]) -> RawSession:
        """Close the log and put the header on it."""
        add_submission(self._log, self._info.submission or self._submission, self._cwd, self._model)
        return self._log.finish(
            Session(
                id=self._id,
                source=MiniSweAgent.name,
                agent_version=self._info.mini_version,
                cwd=self._cwd,
                source_path=str(path),
                record_hashes=tuple(hashes),
                skipped=dict(self.skipped),
            )
        )


def _by_person(text: str, extra: dict[str, Any]) -> bool:
    return "interrupt_type" in extra or text.startswith((_REJECTED, _INTERRUPTED))


def _task(text: str, template: str | None) -> str:
    """The task without the instructions that the agent puts around it, where its template says where it stands."""
    before, found, after = (template or "").partition("{{task}}")
    if not found:
        return text
    opening = before.rsplit("\n", 1)[-1].rsplit("}}", 1)[-1].rsplit("%}", 1)[-1]
    closing = next((line for line in after.split("\n") if line.strip() and "{" not in line), "")
    start = text.find(opening) + len(opening) if opening in text else -1
    end = text.find(closing, start) if closing else len(text)
    return text[start:end].strip() if 0 <= start < end else text
