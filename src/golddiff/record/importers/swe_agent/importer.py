"""SWE-agent's trajectories (`*.traj`), from the first text form to function calls (1.1).

A step of `trajectory` is one model call, its action and what came back; `history` says what was asked first and holds
the calls with their arguments, where the version had them. A file that has `history` alone (a demonstration) is read
from that. The agent's own commands (`open`, `edit 12:14`, …) act on the file that is open: `swe_agent.tools` turns
them into edits. Everything else is a command; the format has no exit codes and no times.

Format: `docs/usage/trajectories.md` of the SWE-agent repository, and its published trajectories.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers.call_log import CallLog
from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.documents import key, read_document, states
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import decode, record_hash
from golddiff.record.importers.submissions import add_submission
from golddiff.record.importers.swe_agent.tools import Windows, action_of, answer_of
from golddiff.record.importers.untyped import said_text, string_at
from golddiff.types import EventKind, RawSession, Session, Usage, new_id

_ACTION, _ROLE = key("action"), key("role", '"')
_TRAJECTORY, _HISTORY = key("trajectory", r"\["), key("history", r"\[")
_OBSERVATION, _THOUGHT = key("observation"), key("thought")
_AGENT = key("agent", '"(?:main|primary)"')


class _Stats(msgspec.Struct):
    tokens_sent: int | float | None = None
    tokens_received: int | float | None = None


class _Info(msgspec.Struct):
    submission: str | None = None
    exit_status: str | None = None
    swe_agent_version: str | None = None
    model_stats: _Stats | None = None


class _Document(msgspec.Struct):
    history: list[msgspec.Raw] | None = None
    trajectory: list[msgspec.Raw] | None = None
    info: _Info | None = None
    replay_config: msgspec.Raw = msgspec.Raw()


class _Step(msgspec.Struct):
    action: str | None = None
    observation: str | None = None
    response: str | None = None
    thought: str | None = None
    state: msgspec.Raw = msgspec.Raw()


class _State(msgspec.Struct):
    open_file: str | None = None
    working_dir: str | None = None


class _Message(msgspec.Struct):
    role: str | None = None
    content: Any = None
    action: str | None = None
    thought: str | None = None
    is_demo: bool | None = None
    tool_calls: list[dict[str, Any]] | None = None


_DOCUMENT = msgspec.json.Decoder(_Document)
_STEP = msgspec.json.Decoder(_Step)
_STATE = msgspec.json.Decoder(_State)
_MESSAGE = msgspec.json.Decoder(_Message)
_TEXT = msgspec.json.Decoder(str)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class SweAgent:
    """Importer of SWE-agent's trajectories."""

    name = "swe-agent"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True for a document with steps of action and observation, or with a history of the agent's own roles."""
        if states(head, _TRAJECTORY, _ACTION, _OBSERVATION) or states(head, _TRAJECTORY, _ACTION, _THOUGHT):
            return True
        return states(head, _HISTORY, _ROLE, _AGENT)

    def read(self, path: Path) -> Reading:
        """Read one file into at most one session."""
        document = read_document(path, _DOCUMENT)
        if isinstance(document, Damage):
            return Reading(damaged=(document,))
        if document is None or (document.history is None and document.trajectory is None):
            return Reading(skipped={"unexpected shape": 1})
        reader = _Reader(document)
        reader.read()
        if not reader.speaks:
            return Reading(skipped=dict(reader.skipped + Counter({"no conversation": 1})))
        return Reading((ReadSession(reader.session(path)),))


class _Reader:
    """State of one pass over one trajectory."""

    def __init__(self, document: _Document) -> None:
        self._document = document
        self._id = new_id("ses")
        self._log = EventLog(self._id)
        self._calls = CallLog(self._log)
        self._windows = Windows()
        self._config = _config(document.replay_config)
        self._model = string_at(self._config, "agent", "model", "name")
        self._cwd: str | None = None
        self._asked: deque[_Message] = deque()
        """Messages of the model in the history that no step has been matched with yet."""
        self.skipped: Counter[str] = Counter()
        self.speaks = False

    def read(self) -> None:
        """Turn the document into events."""
        messages = [message for raw in self._document.history or [] if (message := self._decode(_MESSAGE, raw))]
        steps = [step for raw in self._document.trajectory or [] if (step := self._decode(_STEP, raw))]
        self._task(messages)
        answers = [message for message in messages if message.role == "assistant" and not message.is_demo]
        if steps:
            self._asked.extend(answers)
            for step in steps:
                self._step(step, self._calls_of(step.action))
            return
        pairs = [message for message in messages if not message.is_demo]
        for index, message in enumerate(pairs):
            if message.role == "assistant":
                after = pairs[index + 1] if index + 1 < len(pairs) else _Message()
                observed = said_text(after.content) if after.role in ("tool", "user") else None
                step = _Step(message.action, observed, said_text(message.content), message.thought)
                self._step(step, message.tool_calls)

    def _decode(self, decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw) -> Any:
        try:
            return decode(decoder, raw)
        except msgspec.DecodeError:
            self.skipped["unexpected shape"] += 1
            return None

    def _task(self, messages: list[_Message]) -> None:
        """The first message that no demonstration is: the problem with the agent's instructions around it."""
        for message in messages:
            if message.role == "system":
                self.skipped["not needed: system"] += 1
            elif message.is_demo:
                self.skipped["not needed: demonstration"] += 1
        first = next((m for m in messages if m.role == "user" and not m.is_demo), None)
        problem = string_at(self._config, "problem_statement", "text")
        given = said_text(first.content) if first is not None else ""
        if problem and problem.strip() and problem.strip() in given and problem.strip() != given.strip():
            self._log.add(EventKind.NOTE, None, text=given)
            given = problem.strip()
        if given or problem:
            self.speaks = True
            self._log.add(EventKind.PROMPT, None, text=given or problem)

    def _calls_of(self, action: str | None) -> list[dict[str, Any]] | None:
        """The calls of the history's message that this step came from; answers that were asked again have no step."""
        for index, message in enumerate(self._asked):
            if (message.action or "").strip() == (action or "").strip():
                for _ in range(index + 1):
                    self._asked.popleft()
                return message.tool_calls
        return None

    def _step(self, step: _Step, tool_calls: list[dict[str, Any]] | None) -> None:
        self.speaks = True
        state = self._state(step.state)
        if self._cwd is None and state.working_dir:
            self._cwd = state.working_dir
        said = step.thought if step.thought is not None else step.response
        self._log.add(EventKind.MODEL_CALL, None, text=said or None, model=self._model)
        if not (step.action or "").strip():
            if step.observation:
                self._log.add(EventKind.NOTE, None, text=step.observation)
            return
        action = action_of(step.action or "", tool_calls, self._windows, state.open_file, state.working_dir, self._cwd)
        call_id = f"step {len(self._log)}"
        self._calls.call(call_id, action.tool, action.arguments, action.asked, model=self._model)
        observed = (step.observation or "").replace("\r\n", "\n")
        answer = answer_of(action, observed) if step.observation is not None else None
        if answer is not None:
            self._calls.result(call_id, answer, at=None)
            self._windows.show(observed, state.working_dir, failed=answer.is_error)

    def _state(self, raw: msgspec.Raw) -> _State:
        try:
            if raw and bytes(raw).startswith(b'"'):
                return decode(_STATE, decode(_TEXT, raw).encode("utf-8", "replace"))
            return decode(_STATE, raw) if raw else _State()
        except msgspec.DecodeError:
            return _State()

    def session(self, path: Path) -> RawSession:
        """Close the log and put the header on it."""
        info = self._document.info or _Info()
        add_submission(self._log, info.submission, self._cwd, self._model)
        records = [*(self._document.trajectory or []), *(self._document.history or [])]
        url = string_at(self._config, "problem_statement", "github_url") or string_at(
            self._config, "env", "repo", "github_url"
        )
        base = string_at(self._config, "env", "repo", "base_commit")
        transcript = self._log.finish(
            Session(
                id=self._id,
                source=SweAgent.name,
                agent_version=info.swe_agent_version,
                cwd=self._cwd,
                repository_url=url.partition("/issues/")[0] if url else None,
                base_commit=base if base and _is_sha(base) else None,
                source_path=str(path),
                record_hashes=tuple(record_hash(record) for record in records),
                skipped=dict(self.skipped),
            )
        )
        stats = info.model_stats or _Stats()
        usage = Usage(
            input_tokens=max(0, int(stats.tokens_sent or 0)), output_tokens=max(0, int(stats.tokens_received or 0))
        )
        return msgspec.structs.replace(transcript, session=msgspec.structs.replace(transcript.session, usage=usage))


def _config(raw: msgspec.Raw) -> dict[str, Any]:
    """The run's configuration: an object, or a string that holds one."""
    try:
        if raw and bytes(raw).startswith(b'"'):
            return decode(_OBJECT, decode(_TEXT, raw).encode("utf-8", "replace"))
        return decode(_OBJECT, raw) if raw else {}
    except msgspec.DecodeError:
        return {}


def _is_sha(text: str) -> bool:
    return 7 <= len(text) <= 64 and all(character in "0123456789abcdef" for character in text)
