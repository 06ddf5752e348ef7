"""Events of the OpenHands SDK (V1) → our events.

Each event names its class in `kind`. Several `ActionEvent`s of one response share its id and are one model call. Tools
are told by their arguments (`tool_call.arguments`, else `action`); a file editor's observation states the file before
and after, a terminal's its exit code. Models are not in the events but in the state beside them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from golddiff.record.importers.call_log import Answer
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import decode, printable_type
from golddiff.record.importers.openhands.events import OpenHandsEvents
from golddiff.record.importers.openhands.v0 import shown_edits
from golddiff.record.importers.timestamps import moment
from golddiff.record.importers.tool_shapes import arguments_of, asked, json_text
from golddiff.record.importers.untyped import said_text, usage_of
from golddiff.types import EventKind, Usage

_SILENT_TOOLS = frozenset({"think"})


class _Event(msgspec.Struct):
    kind: str | None = None
    id: str | int | None = None
    timestamp: str | int | float | None = None
    source: str | None = None
    llm_message: Any = None
    thought: Any = None
    action: Any = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    tool_call: Any = None
    llm_response_id: str | None = None
    observation: Any = None
    rejection_reason: str | None = None
    error: str | None = None
    detail: str | None = None
    summary: str | None = None
    sender: str | None = None
    value: Any = None


_EVENT = msgspec.json.Decoder(_Event)


class EventsV1(OpenHandsEvents):
    """Fills a log with the events of one session."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(log)
        self._responses: dict[str, int] = {}

    def event(self, raw: msgspec.Raw) -> None:
        """Take in one event."""
        try:
            event = decode(_EVENT, raw)
        except msgspec.DecodeError:
            self.skipped["unexpected shape"] += 1
            return
        at = moment(event.timestamp)
        kind = event.kind or ""
        if kind == "MessageEvent":
            self._message(event, at)
        elif kind == "ActionEvent":
            self._action(event, at)
        elif kind == "ObservationEvent":
            self._observation(event, at)
        elif kind == "UserRejectObservation":
            words = event.rejection_reason or ""
            self._calls.result(
                event.tool_call_id, Answer(text=words, is_error=True, never_ran=True, rejection=words), at=at
            )
        elif kind == "AgentErrorEvent":
            self._calls.result(event.tool_call_id, Answer(text=event.error or "", is_error=True, failed=True), at=at)
        elif kind in ("PauseEvent", "InterruptEvent"):
            self._log.add(EventKind.INTERRUPTION, at)
        elif kind in ("ConversationErrorEvent", "Condensation", "CondensationSummaryEvent"):
            if text := event.detail or event.summary:
                self._log.add(EventKind.NOTE, at, text=text, is_error=kind == "ConversationErrorEvent")
        else:
            self._state(event.value)
            known = kind.endswith("Event") or kind == "CondensationRequest"
            self.skipped[f"{'not needed' if known else 'unknown record'}: {printable_type(kind)}"] += 1

    def _message(self, event: _Event, at: datetime | None) -> None:
        self.speaks = True
        content = event.llm_message.get("content") if isinstance(event.llm_message, dict) else None
        text = said_text(content)
        if event.source == "user" and event.sender in (None, ""):
            self._log.add(EventKind.PROMPT, at, text=text)
        elif event.source == "agent":
            self._log.add(EventKind.MODEL_CALL, at, text=text or None, model=self.model)
        else:
            self._log.add(EventKind.NOTE, at, agent=event.sender, text=text)

    def _action(self, event: _Event, at: datetime | None) -> None:
        self.speaks = True
        text = said_text(event.thought)
        slot = self._responses.get(event.llm_response_id or "")
        earlier = self._log.get(slot) if slot is not None else None
        if slot is None or earlier is None:
            slot = self._log.add(EventKind.MODEL_CALL, at, text=text or None, model=self.model)
            if event.llm_response_id:
                self._responses[event.llm_response_id] = slot
        elif text and text not in (earlier.text or ""):
            self._log.update(slot, text="\n".join(part for part in (earlier.text, text) if part))
        call = _object(event.tool_call)
        function = _object(call.get("function")) or call
        arguments = arguments_of(function.get("arguments")) or arguments_of(event.action)
        arguments = {name: value for name, value in arguments.items() if name != "kind"}
        tool = event.tool_name or (function.get("name") if isinstance(function.get("name"), str) else None)
        if tool in _SILENT_TOOLS:
            return
        self._calls.call(
            event.tool_call_id, tool, json_text(arguments), asked(tool, arguments, self.cwd), at=at, model=self.model
        )

    def _observation(self, event: _Event, at: datetime | None) -> None:
        if event.tool_name in _SILENT_TOOLS:
            self.skipped["not needed: think"] += 1
            return
        seen = _object(event.observation)
        text = said_text(seen.get("content")) or said_text(seen.get("output")) or said_text(seen.get("error"))
        failed = seen.get("is_error") is True or bool(seen.get("error") and isinstance(seen.get("error"), str))
        call_id = event.tool_call_id or ""
        edits = None if failed else shown_edits(seen, self._calls.edits_of(call_id))
        answer = Answer(text=text, is_error=failed, edits=edits)
        if self._calls.command_of(call_id) is not None:
            metadata = _object(seen.get("metadata"))
            code = seen.get("exit_code")
            code = metadata.get("exit_code") if not isinstance(code, int) else code
            known = isinstance(code, int) and code >= 0
            answer = Answer(text=text, is_error=failed, exit_code=code if known else None, failed=failed or None)
            folder = metadata.get("working_dir")
            if self.cwd is None and isinstance(folder, str) and folder:
                self.cwd = folder
        self._calls.result(event.tool_call_id, answer, at=at)

    def _state(self, value: Any) -> None:
        """A state of the conversation may name the model, the folder and the tokens so far."""
        if not isinstance(value, dict):
            return
        for place in (value.get("agent"), value):
            llm = place.get("llm") if isinstance(place, dict) else None
            if isinstance(llm, dict) and isinstance(llm.get("model"), str):
                self.model = self.model or llm["model"]
        workspace = value.get("workspace")
        if isinstance(workspace, dict) and isinstance(workspace.get("working_dir"), str):
            self.cwd = self.cwd or workspace["working_dir"]
        stats = value.get("stats") if isinstance(value.get("stats"), dict) else value
        metrics = stats.get("usage_to_metrics") if isinstance(stats, dict) else None
        counted = [
            usage
            for entry in (metrics.values() if isinstance(metrics, dict) else ())
            if isinstance(entry, dict) and (usage := usage_of(entry.get("accumulated_token_usage")))
        ]
        if counted:
            self.total = Usage(
                **{name: sum(getattr(usage, name) for usage in counted) for name in Usage.__struct_fields__}
            )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
