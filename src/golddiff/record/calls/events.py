"""What one call adds to its session, as events: prompts, notes, tool results, and the answer with its tool calls.

A tool call is an event without a result until a later request brings one; then its events are changed in place, and
what the result adds beyond them (a result of its own, a refusal) follows at the end. Prompts are told from what the
client injects by the importers of Claude Code and Codex; in a sub-agent nobody types, so all of it is notes.

An assistant message that no recorded call answered (the session began before the recording, or a record was
dropped) is a model call without usage whose model is `UNRECORDED`, which `rights` denies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import cast

import msgspec

from golddiff.providers.wire import Part, PartKind, WireRequest, WireResponse
from golddiff.record.calls.batch import Batch
from golddiff.record.calls.client_texts import is_client_answer, is_client_text
from golddiff.record.calls.history import Item
from golddiff.record.calls.tool_events import (
    awaited_process,
    continued,
    events_of_call,
    events_with_result,
    process_of,
)
from golddiff.record.importers.claude_code.events import ClaudeEvents
from golddiff.record.importers.claude_code.records import Block, Message
from golddiff.record.importers.claude_code.records import Line as ClaudeLine
from golddiff.record.importers.codex.prompts import is_injected, split_request
from golddiff.record.importers.event_log import EventLog
from golddiff.types import Event, EventKind, Session, Usage, Waiting

UNRECORDED = "unrecorded-model"
"""Stands for a model that is not known; no terms are on file for it."""


@dataclass
class SessionEvents:
    """The events of one session that calls add and change."""

    batch: Batch
    session_id: str
    next_sequence: int
    changed: dict[int, Event[str]] = field(default_factory=dict)
    """New and changed events by sequence number."""

    def add(self, events: Iterable[Event[str]]) -> int:
        """Append events; return the sequence number of the first."""
        first = self.next_sequence
        for event in events:
            self.put(self.next_sequence, event)
            self.next_sequence += 1
        return first

    def put(self, sequence: int, event: Event[str]) -> None:
        """Set the event of this number."""
        event_id = f"{self.session_id}/{sequence}"
        self.changed[sequence] = msgspec.structs.replace(
            event, id=event_id, session_id=self.session_id, sequence=sequence
        )

    def get(self, sequence: int) -> Event[str] | None:
        """Return the event of this number, as it is now."""
        if sequence in self.changed:
            return self.changed[sequence]
        return cast("Event[str] | None", self.batch.known(Event, f"{self.session_id}/{sequence}"))


class CallEvents:
    """Turns one call into events. `asked_call` finds a tool call that the request does not repeat."""

    def __init__(
        self,
        events: SessionEvents,
        call_id: str,
        agent: str | None,
        cwd: str | None,
        waiting: dict[str, Waiting],
        processes: dict[str, int],
    ) -> None:
        self._events = events
        self._call_id = call_id
        self._agent = agent
        self._cwd = cwd
        self.waiting = dict(waiting)
        self.processes = dict(processes)
        self.unrecorded = False
        """Some of the history was answered by a model that was not recorded."""

    def asked(self, new: list[Item], request: WireRequest, at: datetime, earlier: dict[str, Part]) -> None:
        """Take in what the request adds; `earlier` are tool calls by id that it does not repeat."""
        calls = earlier | {
            part.call_id: part
            for message in request.messages
            for part in message.parts
            if part.kind is PartKind.TOOL_CALL and part.call_id is not None
        }
        for _, group in groupby(new, key=lambda item: (item.message, item.role)):
            items = list(group)
            if items[0].role == "assistant":
                self._unrecorded([item.part for item in items], at)
                continue
            for item in items:
                if item.part.kind is PartKind.TOOL_RESULT:
                    self._result(item.part, calls, at)
            others = [item.part for item in items if item.part.kind is not PartKind.TOOL_RESULT]
            if others:
                self._said(others, items[0].role, at)

    def answered(self, answer: WireResponse, model: str | None, status: int, at: datetime) -> None:
        """Take in the answer."""
        text = "".join(part.text for part in answer.parts if part.kind in (PartKind.TEXT, PartKind.REFUSAL))
        failed = answer.error is not None or status >= 400 or status == 0
        if failed and answer.error:
            text = f"{text}\n{answer.error}" if text else answer.error
        self._model_call(text, model, answer.usage, at, is_error=failed)
        for part in answer.parts:
            if part.kind is PartKind.TOOL_CALL and not part.partial:
                self._call(part, model, at)

    def _unrecorded(self, parts: list[Part], at: datetime) -> None:
        calls = [part for part in parts if part.kind is PartKind.TOOL_CALL and part.call_id not in self.waiting]
        text = "".join(part.text for part in parts if part.kind is PartKind.TEXT)
        if not calls and is_client_answer(text):
            self._events.add([EventLog("").event(EventKind.NOTE, at, agent=self._agent, text=text)])
        elif text or calls:
            self.unrecorded = True
            self._model_call(text, UNRECORDED, None, at)
        for part in calls:
            self._call(part, UNRECORDED, at)

    def _model_call(
        self, text: str, model: str | None, usage: Usage | None, at: datetime, *, is_error: bool = False
    ) -> None:
        event = EventLog("").event(
            EventKind.MODEL_CALL,
            at,
            agent=self._agent,
            text=text or None,
            model=model,
            usage=usage,
            is_error=is_error,
        )
        self._events.add([event])

    def _call(self, part: Part, model: str | None, at: datetime) -> None:
        made = events_of_call(part, model, self._agent, self._cwd, at)
        first = self._events.add(made)
        if part.call_id is not None:
            self.waiting[part.call_id] = Waiting(self._call_id, first, len(made))

    def _result(self, result: Part, calls: dict[str, Part], at: datetime) -> None:
        call_id = result.call_id or ""
        waiting = self.waiting.pop(call_id, None)
        call = calls.get(call_id)
        if call is None or waiting is None:
            event = EventLog("").event(
                EventKind.TOOL_RESULT,
                at,
                agent=self._agent,
                call_id=result.call_id,
                text=result.text,
                is_error=result.is_error,
            )
            self._events.add([event])
            return
        asked = self._events.get(waiting.first) if waiting.events else None
        model = asked.model if asked is not None else None
        made = events_with_result(call, result, model, self._agent, self._cwd, at)
        for index, event in enumerate(made[: waiting.events]):
            self._events.put(waiting.first + index, event)
        self._events.add(made[waiting.events :])
        self._follow(call, result, waiting.first, at)

    def _follow(self, call: Part, result: Part, sequence: int, at: datetime) -> None:
        """Join a command that goes on with the calls that wait for it."""
        awaited = awaited_process(call)
        if awaited is not None and awaited in self.processes:
            command = self._events.get(self.processes[awaited])
            if command is not None:
                command, ended = continued(command, result, at)
                self._events.put(self.processes[awaited], command)
                if ended:
                    del self.processes[awaited]
        elif (running := process_of(result)) is not None:
            self.processes[running] = sequence

    def _said(self, parts: list[Part], role: str, at: datetime) -> None:
        log = EventLog("")
        if role != "user":
            text = "\n".join(part.text for part in parts if part.text)
            if text:
                log.add(EventKind.NOTE, at, agent=self._agent, text=text)
            self._events.add(_of(log))
            return
        blocks = []
        for part in parts:
            if part.kind is not PartKind.TEXT:
                blocks.append(Block("image" if part.kind is PartKind.IMAGE else "document"))
                continue
            injected = is_injected(part.text) or is_client_text(part.text)
            note, request = (part.text, "") if injected else split_request(part.text)
            if note:
                log.add(EventKind.NOTE, at, agent=self._agent, text=note)
            if request:
                blocks.append(Block("text", text=request))
        ClaudeEvents(log, self._cwd, has_user=self._agent is None).user(ClaudeLine(), Message(blocks), self._agent, at)
        self._events.add(_of(log))


def _of(log: EventLog) -> tuple[Event[str], ...]:
    return tuple(log.finish(Session[str](id="", source="")).events)
