"""Codex CLI's tool calls joined with their outputs, in the log of a session.

An output names its call; a command that goes on gets the rest of its output from the `write_stdin` calls that wait
for it, which then are no events of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from golddiff.record.importers.apply_patch import mark_failed
from golddiff.record.importers.codex.records import Item, Message
from golddiff.record.importers.codex.tools import (
    Output,
    applied_edits,
    arguments_text,
    asked_edits,
    output_of,
    shell_call,
    waited_for,
)
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.test_runs import find_test_run
from golddiff.types import Event, EventKind, FileEdit


class CodexCalls:
    """The calls of one session that still wait for something."""

    def __init__(self, log: EventLog) -> None:
        self.cwd: str | None = None
        """The session's folder, once its header was read."""
        self.model: str | None = None
        """The model of the turn."""
        self._log = log
        self._calls: dict[str, tuple[Item, int]] = {}
        self._applied: dict[str, Message] = {}
        self._ended: dict[str, Message] = {}
        self._processes: dict[str, int] = {}
        """Commands that go on, by process: their slots."""
        self._outputs: dict[int, list[str]] = {}
        """What they printed so far, by slot; joined when they end."""

    def report(self, event: Message) -> None:
        """Keep `patch_apply_end` and `exec_command_end` until the output of their call comes."""
        reports = self._applied if event.type == "patch_apply_end" else self._ended
        if event.call_id is not None:
            reports[event.call_id] = event

    def finish(self) -> None:
        """The file ends: commands that still go on keep what they printed."""
        for slot in list(self._outputs):
            self._end(slot)

    def cut(self, slot: int) -> None:
        """Forget what waits at `slot` or later: the user took those turns back."""
        self._calls = {key: call for key, call in self._calls.items() if call[1] < slot}
        self._processes = {key: start for key, start in self._processes.items() if start < slot}
        self._outputs = {start: parts for start, parts in self._outputs.items() if start < slot}

    def call(self, item: Item, at: datetime | None) -> None:
        """Enter a call as if no output ever came; `output` replaces it."""
        call_id = item.call_id
        tool = item.name or (item.type or "").removesuffix("_call")
        shared = {"tool": tool, "call_id": call_id}
        edits = mark_failed(asked_edits(item, self.cwd))
        shell = shell_call(item)
        if edits:
            slot = self._log.add(EventKind.EDIT, at)
            made = {**shared, "model": self.model}
            self._log.fill(slot, [self._log.event(EventKind.EDIT, at, edit=edit, **made) for edit in edits])
        elif shell is not None:
            slot = self._log.add(EventKind.COMMAND, at, command=shell[0], model=self.model, **shared)
        else:
            slot = self._log.add(EventKind.TOOL_CALL, at, arguments=arguments_text(item), **shared)
        if call_id is not None:
            item.arguments, item.action = item.arguments.copy(), item.action.copy()  # it may wait long: alone
            self._calls[call_id] = (item, slot)

    def output(self, item: Item, at: datetime | None) -> None:
        """Join an output with its call."""
        call, slot = self._calls.pop(item.call_id or "", (None, -1))
        output = output_of(item)
        if call is None:
            self._log.add(EventKind.TOOL_RESULT, at, call_id=item.call_id, text=output.text, is_error=output.failed)
            return
        shared = {"tool": call.name or "local_shell", "call_id": call.call_id, "is_error": output.failed}
        edits = asked_edits(call, self.cwd)
        shell = shell_call(call)
        waited = waited_for(call)
        if edits or (call.name == "apply_patch" and call.call_id in self._applied):
            self._log.move(slot, self._edits(call, edits, output, at))
        elif shell is not None and output.rejected:  # never ran: a call that was refused, no command
            self._log.move(slot, [self._log.event(EventKind.TOOL_CALL, at, arguments=arguments_text(call), **shared)])
        elif shell is not None:
            self._command(slot, call, shell[0], output, at)
        elif waited is not None and waited[0] in self._processes:
            self._continue(slot, *waited, output, at, shared)
        else:
            self._log.add(EventKind.TOOL_RESULT, at, text=output.text, **shared)
        if output.rejected:
            self._log.add(EventKind.REJECTION, at, tool=shared["tool"], call_id=call.call_id)

    def _edits(self, call: Item, asked: list[FileEdit[str]], output: Output, at: datetime | None) -> list[Event[str]]:
        done = self._applied.pop(call.call_id or "", None)
        if done is not None and done.changes:
            edits = applied_edits(done.changes, done.success is not False, self.cwd)
            success = done.success is not False
        else:
            success = output.exit_code == 0 or (output.exit_code is None and output.text.startswith("Success"))
            edits = [msgspec.structs.replace(edit, success=success) for edit in asked]
        fields = {"tool": call.name, "call_id": call.call_id, "is_error": not success, "model": self.model}
        text = None if success else output.text
        return [self._log.event(EventKind.EDIT, at, edit=edit, text=text, **fields) for edit in edits]

    def _command(self, slot: int, call: Item, command: str, output: Output, at: datetime | None) -> None:
        ended = self._ended.pop(call.call_id or "", None)
        text, exit_code, failed = output.text, output.exit_code, output.failed
        if ended is not None:
            text = ended.aggregated_output or text
            exit_code = ended.exit_code if exit_code is None else exit_code
            failed = failed or exit_code not in (None, 0)
        event = self._log.event(
            EventKind.COMMAND,
            at,
            tool=call.name or "local_shell",
            call_id=call.call_id,
            model=self.model,
            command=command,
            text=text,
            exit_code=exit_code,
            tests=None if output.running else find_test_run(command, text, exit_code, failed or None),
            is_error=failed,
        )
        slot = self._log.move(slot, [event])
        if output.running is not None:
            self._processes[output.running] = slot
            self._outputs[slot] = [text]

    def _continue(
        self, slot: int, process: str, only_waits: bool, output: Output, at: datetime | None, shared: dict[str, Any]
    ) -> None:
        """Add what a waiting call brought to the command that it waited for."""
        started = self._processes[process]
        self._outputs[started].append(output.text)
        if output.running is None:
            del self._processes[process]
            self._end(started, output)
        if only_waits:
            self._log.fill(slot, [])
        else:
            self._log.add(EventKind.TOOL_RESULT, at, text=output.text, **shared)

    def _end(self, slot: int, output: Output | None = None) -> None:
        """Put together what a command printed in pieces, and how it ended where that is known."""
        text = "".join(self._outputs.pop(slot))
        command = self._log.get(slot)
        if command is not None and command.command is not None and output is not None:
            tests = find_test_run(command.command, text, output.exit_code, output.failed or None)
            self._log.update(slot, text=text, exit_code=output.exit_code, tests=tests, is_error=output.failed)
        else:
            self._log.update(slot, text=text)
