"""Events of OpenHands' application (V0) → our events.

An action of the agent is a model call (one per response, whose id its calls share, so that its tokens count once) and
a tool call; the observation that names it as its `cause` is the result. An `edit` observation states the file before
and after. What a delegated agent did, between the `delegate` action and its observation, carries that agent's name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from golddiff.record.importers.call_log import Answer
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import decode, printable_type
from golddiff.record.importers.openhands.events import OpenHandsEvents
from golddiff.record.importers.timestamps import moment
from golddiff.record.importers.tool_shapes import Asked, asked
from golddiff.record.importers.untyped import usage_of
from golddiff.types import EventKind, FileEdit

_HOUSEKEEPING = frozenset(
    {"agent_state_changed", "change_agent_state", "condensation", "loop_recovery", "null", "recall", "system",
     "task_tracking"}
)  # fmt: skip
_STOPPED = frozenset({"paused", "stopped", "user_rejected"})


class _Event(msgspec.Struct):
    id: int | str | None = None
    timestamp: str | int | float | None = None
    source: str | None = None
    message: str | None = None
    cause: int | str | None = None
    action: str | None = None
    observation: str | None = None
    args: dict[str, Any] | None = None
    extras: dict[str, Any] | None = None
    content: str | None = None
    success: bool | None = None
    tool_call_metadata: dict[str, Any] | None = None
    llm_metrics: dict[str, Any] | None = None


_EVENT = msgspec.json.Decoder(_Event)


class EventsV0(OpenHandsEvents):
    """Fills a log with the events of one session."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(log)
        self._responses: set[str] = set()
        self._delegates: list[tuple[str, str]] = []
        """Delegated agents that are at work: id of the action, and name."""

    @property
    def _agent(self) -> str | None:
        return self._delegates[-1][1] if self._delegates else None

    def event(self, raw: msgspec.Raw) -> None:
        """Take in one event."""
        try:
            event = decode(_EVENT, raw)
        except msgspec.DecodeError:
            self.skipped["unexpected shape"] += 1
            return
        if event.action is not None:
            self._action(event.action, event, event.args or {})
        elif event.observation is not None:
            self._observation(event.observation, event, event.extras or {})
        else:
            self.skipped["unknown record: other"] += 1

    # ---- actions ---------------------------------------------------------------------------------------------

    def _action(self, kind: str, event: _Event, args: dict[str, Any]) -> None:
        at = moment(event.timestamp)
        text = args.get("content") if isinstance(args.get("content"), str) else event.message
        if kind == "change_agent_state" and event.source == "user" and args.get("agent_state") in _STOPPED:
            self._log.add(EventKind.INTERRUPTION, at)
        elif kind == "condensation" and isinstance(args.get("summary"), str):
            self._log.add(EventKind.NOTE, at, text=args["summary"])
        elif kind in _HOUSEKEEPING:
            self.skipped[f"not needed: {kind}"] += 1
        elif event.source in ("user", "environment"):
            self.speaks = True
            typed = event.source == "user" and kind == "message"
            shown = text if kind == "message" else args.get("command")
            self._log.add(
                EventKind.PROMPT if typed else EventKind.NOTE, at, text=shown if isinstance(shown, str) else text
            )
        else:
            self._agents_action(kind, event, args, text)

    def _agents_action(self, kind: str, event: _Event, args: dict[str, Any], text: str | None) -> None:
        at = moment(event.timestamp)
        self.speaks = True
        metadata = event.tool_call_metadata or {}
        thought = args.get("thought") if isinstance(args.get("thought"), str) else None
        final = args.get("final_thought") if isinstance(args.get("final_thought"), str) else None
        self._model_call(event, metadata, text if kind == "message" else (final or thought))
        if kind in ("message", "think"):
            return
        tool = metadata.get("function_name")
        call_id = str(event.id) if event.id is not None else None
        given = {name: value for name, value in args.items() if name not in ("thought", "final_thought")}
        name = tool if isinstance(tool, str) else kind
        arguments = msgspec.json.encode(given).decode("utf-8", "replace")
        self._calls.call(call_id, name, arguments, self._asked(kind, args), at=at, agent=self._agent, model=self.model)
        if kind == "delegate" and call_id is not None:
            agent = args.get("agent")
            self._delegates.append((call_id, agent if isinstance(agent, str) and agent else f"delegate-{call_id}"))

    def _model_call(self, event: _Event, metadata: dict[str, Any], text: str | None) -> None:
        response = metadata.get("model_response")
        response = response if isinstance(response, dict) else {}
        response_id = response.get("id")
        if isinstance(response_id, str):
            if response_id in self._responses:
                return
            self._responses.add(response_id)
        model = response.get("model")
        self.model = model if isinstance(model, str) and model else self.model
        said = _said(response)
        usage = usage_of(response.get("usage"))
        metrics = (event.llm_metrics or {}).get("accumulated_token_usage")
        self.total = usage_of(metrics) or self.total
        self._log.add(
            EventKind.MODEL_CALL,
            moment(event.timestamp),
            agent=self._agent,
            text=said or text or None,
            model=self.model,
            usage=usage,
        )

    def _asked(self, kind: str, args: dict[str, Any]) -> Asked:
        if kind == "run":
            command = args.get("command")
            return Asked(command=command) if isinstance(command, str) and command else Asked()
        if kind == "edit":
            return asked("str_replace_editor" if args.get("command") else "write", args, self.cwd)
        return asked("write", args, self.cwd) if kind == "write" else Asked()

    # ---- observations ----------------------------------------------------------------------------------------

    def _observation(self, kind: str, event: _Event, extras: dict[str, Any]) -> None:
        at = moment(event.timestamp)
        cause = str(event.cause) if event.cause is not None else None
        if self._delegates and self._delegates[-1][0] == cause:
            self._delegates.pop()
        if kind in _HOUSEKEEPING or (kind == "think"):
            self.skipped[f"not needed: {printable_type(kind)}"] += 1
            return
        text = event.content or ""
        failed = kind == "error" or (kind in ("edit", "write") and text.startswith("ERROR:"))
        if kind == "user_rejected":
            answer = Answer(text=text, is_error=True, never_ran=True, rejection=text)
        elif kind == "run":
            answer = self._ran(text, event, extras)
        elif kind == "edit" and not failed:
            edits = shown_edits(extras, self._calls.edits_of(cause or ""))
            answer = Answer(text=text, edits=edits)
        else:
            answer = Answer(text=text, is_error=failed)
        if cause is None or not self._calls.waits_for(cause):
            if text:
                self._log.add(EventKind.NOTE, at, agent=self._agent, text=text, is_error=failed)
            return
        self._calls.result(cause, answer, at=at, agent=self._agent)

    def _ran(self, text: str, event: _Event, extras: dict[str, Any]) -> Answer:
        metadata = extras.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else extras
        folder = metadata.get("working_dir")
        if self.cwd is None and isinstance(folder, str) and folder:
            self.cwd = folder
        code = metadata.get("exit_code")
        known = isinstance(code, int) and code >= 0  # -1: it still runs, or was cut off
        return Answer(text=text, exit_code=code if known else None, failed=None if known else event.success is False)


def shown_edits(shown: dict[str, Any], asked_for: tuple[FileEdit[str], ...]) -> list[FileEdit[str]] | None:
    """The call's edit with the states that its observation shows; None where it shows none."""
    before, after = shown.get("old_content"), shown.get("new_content")
    if len(asked_for) != 1 or not isinstance(after, str):
        return None
    existed = shown.get("prev_exist") is not False and isinstance(before, str)
    return [
        msgspec.structs.replace(
            asked_for[0],
            operation="update" if existed else "create",
            before=before if existed else None,
            after=after,
        )
    ]


def _said(response: dict[str, Any]) -> str | None:
    choices = response.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) and content else None
