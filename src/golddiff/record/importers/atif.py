"""ATIF, the Agent Trajectory Interchange Format (versions 1.0 to 1.8): one JSON document per trajectory.

A step says who spoke (`system`, `user`, `agent`); an agent's step holds its calls with their observations, and its
tokens. Tools are told by their names and arguments (`tool_shapes`), since the format leaves both to the agent. What a
client put into `extra` is used where its meaning is plain: an exit code (`exit_code`, `exitCode`, `returncode`), a
side-chain (`is_sidechain` with `agent_id`), a folder and a commit. JSON Lines of trajectories give a session per line.

Format: the RFC as mirrored in `docs/atif/0001-trajectory-format.md` of OpenAgentsInc/openagents (1.4), and the shapes
that public code writes for later versions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers.call_log import Answer, CallLog
from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.documents import is_json_lines, key, read_document, states
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.heads import Head
from golddiff.record.importers.jsonl import JsonLines, decode, printable_type, record_hash
from golddiff.record.importers.timestamps import moment
from golddiff.record.importers.tool_shapes import asked, json_text
from golddiff.record.importers.untyped import marked_text, string_at
from golddiff.types import EventKind, RawSession, Session, Usage, new_id

_VERSION = key("schema_version", '"ATIF-v')
_EXIT_CODES = ("exit_code", "exitCode", "returncode", "return_code")


class _Agent(msgspec.Struct):
    name: str | None = None
    version: str | None = None
    model_name: str | None = None
    extra: Any = None


class _Totals(msgspec.Struct):
    total_prompt_tokens: int | float | None = None
    total_completion_tokens: int | float | None = None
    total_cached_tokens: int | float | None = None


class _Trajectory(msgspec.Struct):
    schema_version: str
    steps: list[msgspec.Raw]
    session_id: str | None = None
    trajectory_id: str | None = None
    agent: _Agent = msgspec.field(default_factory=_Agent)
    final_metrics: _Totals | None = None
    extra: Any = None
    subagent_trajectories: list[msgspec.Raw] | None = None


class _Call(msgspec.Struct):
    tool_call_id: str | None = None
    function_name: str | None = None
    arguments: Any = None
    extra: Any = None


class _Result(msgspec.Struct):
    source_call_id: str | None = None
    content: Any = None
    extra: Any = None


class _Observation(msgspec.Struct):
    results: list[_Result] = []


class _Metrics(msgspec.Struct):
    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    cached_tokens: int | float | None = None
    extra: Any = None


class _Step(msgspec.Struct):
    step_id: int | str | None = None
    timestamp: str | int | float | None = None
    source: str | None = None
    model_name: str | None = None
    message: Any = None
    tool_calls: list[_Call] | None = None
    observation: _Observation | None = None
    metrics: _Metrics | None = None
    extra: Any = None
    is_copied_context: bool | None = None


_TRAJECTORY = msgspec.json.Decoder(_Trajectory)
_STEP = msgspec.json.Decoder(_Step)


class Atif:
    """Importer of ATIF trajectories."""

    name = "atif"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where the document says that it is ATIF."""
        return states(head, _VERSION)

    def read(self, path: Path) -> Reading:
        """Read one document into one session and one for each sub-agent's trajectory inside it."""
        head = Head(path)
        if is_json_lines(head):
            lines = JsonLines(path, _Trajectory)
            sessions = tuple(session for trajectory in lines for session in _sessions(path, trajectory))
            return Reading(sessions, tuple(lines.damaged), dict(lines.skipped))
        document = read_document(path, _TRAJECTORY)
        if isinstance(document, Damage):
            return Reading(damaged=(document,))
        if document is None:
            return Reading(skipped={"unexpected shape": 1})
        sessions = tuple(_sessions(path, document))
        return Reading(sessions, skipped={} if sessions else {"no conversation": 1})


def _sessions(path: Path, trajectory: _Trajectory, parent: str | None = None) -> list[ReadSession]:
    reader = _Reader(trajectory)
    for raw in trajectory.steps:
        reader.step(raw)
    found = [ReadSession(reader.session(path), parent)] if reader.speaks else []
    if parent is None:
        for raw in trajectory.subagent_trajectories or []:
            try:
                inner = decode(_TRAJECTORY, raw)
            except msgspec.DecodeError:
                reader.skipped["unexpected shape"] += 1
                continue
            found += _sessions(path, inner, trajectory.session_id or trajectory.trajectory_id)
    return found


class _Reader:
    """State of one pass over one trajectory."""

    def __init__(self, trajectory: _Trajectory) -> None:
        self._trajectory = trajectory
        self._id = new_id("ses")
        self._log = EventLog(self._id)
        self._calls = CallLog(self._log)
        self._cwd = string_at(trajectory.extra, "cwd") or _first(_value(trajectory.agent.extra, "cwds"))
        self._cwd = self._cwd or string_at(trajectory.agent.extra, "cwd")
        self.skipped: Counter[str] = Counter()
        self.speaks = False

    def step(self, raw: msgspec.Raw) -> None:
        """Take in one step."""
        try:
            step = decode(_STEP, raw)
        except msgspec.DecodeError:
            self.skipped["unexpected shape"] += 1
            return
        if step.is_copied_context:
            self.skipped["not needed: copied context"] += 1
            return
        at = moment(step.timestamp)
        side = _value(step.extra, "is_sidechain") is True
        agent = (string_at(step.extra, "agent_id") or "sidechain") if side else None
        text = marked_text(step.message)
        if step.source == "agent":
            self._agent(step, text, agent, at)
        elif step.source == "user":
            self.speaks = True
            self._log.add(EventKind.NOTE if side else EventKind.PROMPT, at, agent=agent, text=text)
        elif step.source == "system":
            self.speaks = self.speaks or step.observation is not None
            self._log.add(EventKind.NOTE, at, agent=agent, text=text)
        else:
            self.skipped[f"unknown record: {printable_type(step.source)}"] += 1
            return
        for result in step.observation.results if step.observation is not None else ():
            self._result(result, step, agent, at)

    def _agent(self, step: _Step, text: str, agent: str | None, at: datetime | None) -> None:
        self.speaks = True
        model = step.model_name or self._trajectory.agent.model_name
        usage = _usage(step.metrics)
        self._log.add(EventKind.MODEL_CALL, at, agent=agent, text=text or None, model=model, usage=usage)
        for call in step.tool_calls or []:
            ask = asked(call.function_name, call.arguments, self._cwd)
            arguments = json_text(call.arguments)
            call_id = self._call_id(call.tool_call_id, step)
            self._calls.call(call_id, call.function_name, arguments, ask, at=at, agent=agent, model=model)

    def _call_id(self, given: str | None, step: _Step) -> str | None:
        """Ids are the agent's own and may begin again in every step."""
        if given is None:
            return None
        return given if not self._calls.was_answered(given) else f"{given} of step {step.step_id}"

    def _result(self, result: _Result, step: _Step, agent: str | None, at: datetime | None) -> None:
        text = marked_text(result.content)
        given = result.source_call_id
        if given is None and step.tool_calls is not None and len(step.tool_calls) == 1:
            given = step.tool_calls[0].tool_call_id
        if given is not None and not self._calls.waits_for(given):
            later = f"{given} of step {step.step_id}"
            given = later if self._calls.waits_for(later) else given
        if given is None and step.source == "system":
            self._log.add(EventKind.NOTE, at, agent=agent, text=text)
            return
        code = next((value for name in _EXIT_CODES if type(value := _value(result.extra, name)) is int), None)
        failed = _value(result.extra, "is_error") is True
        answer = Answer(text=text, is_error=failed, exit_code=code, failed=failed or None)
        self._calls.result(given, answer, at=at, agent=agent)

    def session(self, path: Path) -> RawSession:
        """Close the log and put the header on it."""
        trajectory = self._trajectory
        agent_extra, extra = trajectory.agent.extra, trajectory.extra
        transcript = self._log.finish(
            Session(
                id=self._id,
                source=Atif.name,
                provider_session_id=trajectory.session_id or trajectory.trajectory_id,
                agent_version=" ".join(part for part in (trajectory.agent.name, trajectory.agent.version) if part)
                or None,
                cwd=self._cwd,
                repository_url=string_at(extra, "repository_url"),
                branch=string_at(extra, "branch") or _first(_value(agent_extra, "git_branches")),
                base_commit=string_at(extra, "base_commit"),
                source_path=str(path),
                record_hashes=tuple(record_hash(raw) for raw in trajectory.steps),
                skipped=dict(self.skipped),
            )
        )
        totals = trajectory.final_metrics
        if transcript.session.usage == Usage() and totals is not None:
            stated = _Metrics(totals.total_prompt_tokens, totals.total_completion_tokens, totals.total_cached_tokens)
            header = msgspec.structs.replace(transcript.session, usage=_usage(stated) or Usage())
            transcript = msgspec.structs.replace(transcript, session=header)
        return transcript


def _usage(metrics: _Metrics | None) -> Usage | None:
    if metrics is None or (metrics.prompt_tokens is None and metrics.completion_tokens is None):
        return None
    prompt = max(0, int(metrics.prompt_tokens or 0))
    cached = min(prompt, max(0, int(metrics.cached_tokens or 0)))
    written = _value(metrics.extra, "cache_creation_input_tokens")
    written = min(prompt - cached, max(0, written)) if type(written) is int else 0
    return Usage(
        input_tokens=prompt - cached - written,
        output_tokens=max(0, int(metrics.completion_tokens or 0)),
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )


def _value(place: object, name: str) -> Any:
    return place.get(name) if isinstance(place, dict) else None


def _first(values: object) -> str | None:
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else None
