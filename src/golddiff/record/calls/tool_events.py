"""Tool calls and their results on the wire → edits, commands, test runs and plain tool events.

What a tool means is the importers' knowledge: Claude Code's tools by `ClaudeEvents`, Codex's by `CodexCalls`, those
of everyone else by `tool_shapes` and `CallLog`. Each is given one call, and its result once the next request brings
it, in a log of its own; the events of the call alone are what is stored until then.

A result on the wire is the text that the model gets, so what only a client's own files state (the file before an
edit, whether the user changed it first) is not known here.
"""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from golddiff.providers.wire import Part
from golddiff.record.importers.call_log import Answer, CallLog
from golddiff.record.importers.claude_code.events import ClaudeEvents
from golddiff.record.importers.claude_code.records import Block, Message
from golddiff.record.importers.claude_code.records import Line as ClaudeLine
from golddiff.record.importers.codex.calls import CodexCalls
from golddiff.record.importers.codex.records import Item
from golddiff.record.importers.codex.tools import output_of, waited_for
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.test_runs import find_test_run
from golddiff.record.importers.tool_shapes import Asked, asked
from golddiff.types import Event, EventKind, Session

_CLAUDE = frozenset({"Bash", "Edit", "MultiEdit", "NotebookEdit", "Write"})
_CODEX = frozenset(
    {
        "apply_patch",
        "container.exec",
        "exec_command",
        "local_shell",
        "shell",
        "shell_command",
        "unified_exec",
        "write_stdin",
    }
)
_EXIT = re.compile(
    r"^(?:Exit [Cc]ode|Process exited with code|Command finished with exit code|\[exit code):? (-?\d{1,10})\b"
    r"|<returncode>\s*(-?\d{1,10})\s*</returncode>",
    re.MULTILINE,
)
_ENDS_CHARS = 600
"""An exit code stands in the first or the last characters of a result; elsewhere it is a tool's output."""
_FAILED = re.compile(r"\s*(?:\"?error\b|Error:|Failed to |<tool_use_error>)", re.IGNORECASE)
_REFUSED = re.compile(
    r"The user (?:doesn't want|denied|rejected|declined|cancelled) "
    r"|[\w ]{0,40}(?:rejected|denied|cancelled) by (?:the )?user\b",
    re.IGNORECASE,
)
_REFUSAL_CHARS = 400
_UPDATED = re.compile(r"The file .{1,2000}? has been updated", re.DOTALL)


def events_of_call(
    part: Part, model: str | None, agent: str | None, cwd: str | None, at: datetime | None
) -> list[Event[str]]:
    """Return the events of a call that has no result yet: nothing says that it ran."""
    log = EventLog("")
    if part.name in _CLAUDE:
        _claude(log, part, None, model, agent, cwd, at)
    elif part.name in _CODEX:
        _codex(log, part, None, model, cwd, at)
    else:
        calls = CallLog(log)
        calls.call(part.call_id, part.name, part.arguments, _asked(part, cwd), at=at, agent=agent, model=model)
    return _events(log, agent)


def events_with_result(
    part: Part, result: Part, model: str | None, agent: str | None, cwd: str | None, at: datetime | None
) -> list[Event[str]]:
    """Return the events of a call once its result is there; the first of them stand for those of the call alone."""
    log = EventLog("")
    if part.name in _CLAUDE:
        _claude(log, part, result, model, agent, cwd, at)
        return [_as_updated(event, result.text) for event in _events(log, agent)]
    if part.name in _CODEX:
        _codex(log, part, result, model, cwd, at)
    else:
        calls = CallLog(log)
        calls.call(part.call_id, part.name, part.arguments, _asked(part, cwd), at=at, agent=agent, model=model)
        calls.result(part.call_id, _answer(result), at=at, agent=agent)
    return _events(log, agent)


def process_of(result: Part) -> str | None:
    """Return the agent's id of the process that a command left running; None where it ended."""
    return output_of(_codex_output(result)).running


def awaited_process(part: Part) -> str | None:
    """Return the process that a call waits for; None for calls that do something else."""
    waited = waited_for(_codex_item(part))
    return waited[0] if waited is not None else None


def continued(command: Event[str], result: Part, at: datetime | None) -> tuple[Event[str], bool]:
    """Return a command that went on with what a waiting call brought, and whether it has ended."""
    output = output_of(_codex_output(result))
    text = (command.text or "") + output.text
    if output.running is not None:
        return msgspec.structs.replace(command, text=text), False
    tests = find_test_run(command.command or "", text, output.exit_code, output.failed or None)
    ended = msgspec.structs.replace(
        command, text=text, at=at, exit_code=output.exit_code, tests=tests, is_error=output.failed
    )
    return ended, True


def _claude(
    log: EventLog,
    part: Part,
    result: Part | None,
    model: str | None,
    agent: str | None,
    cwd: str | None,
    at: datetime | None,
) -> None:
    events = ClaudeEvents(log, cwd, has_user=True)
    arguments = msgspec.Raw(part.arguments.encode("utf-8", "replace"))
    call = Block("tool_use", id=part.call_id or "-", name=part.name, input=arguments)
    events.assistant(ClaudeLine(), Message([call], "-", model), agent, at)
    if result is not None:
        content = msgspec.Raw(msgspec.json.encode(result.text))
        answer = Block("tool_result", tool_use_id=part.call_id or "-", content=content, is_error=result.is_error)
        events.user(ClaudeLine(), Message([answer]), agent, at)


def _codex(
    log: EventLog, part: Part, result: Part | None, model: str | None, cwd: str | None, at: datetime | None
) -> None:
    calls = CodexCalls(log)
    calls.cwd, calls.model = cwd, model
    calls.call(_codex_item(part), at)
    if result is not None:
        calls.output(_codex_output(result, part.call_id), at)
        calls.finish()


def _codex_item(part: Part) -> Item:
    raw = msgspec.Raw(msgspec.json.encode(part.arguments))
    if part.custom:
        return Item(type="custom_tool_call", name=part.name, input=part.arguments, call_id=part.call_id)
    if part.name == "local_shell":
        action = msgspec.Raw(part.arguments.encode("utf-8", "replace") or b"null")
        return Item(type="local_shell_call", action=action, call_id=part.call_id)
    return Item(type="function_call", name=part.name, arguments=raw, call_id=part.call_id)


def _codex_output(result: Part, call_id: str | None = None) -> Item:
    output = msgspec.Raw(msgspec.json.encode(result.text))
    return Item(type="function_call_output", call_id=call_id or result.call_id, output=output)


def _asked(part: Part, cwd: str | None) -> Asked:
    return asked(part.name, part.arguments, cwd)


def _answer(result: Part) -> Answer:
    """Read a result of any agent: its exit code where it names one in its first or last lines."""
    text = result.text
    refused = len(text) <= _REFUSAL_CHARS and _REFUSED.match(text) is not None and "exit" not in text.lower()
    found = None
    for found in _EXIT.finditer(text[:_ENDS_CHARS] + "\n" + text[-_ENDS_CHARS:]):  # noqa: B007 - the last one counts
        pass
    exit_code = int(next(group for group in found.groups() if group is not None)) if found is not None else None
    failed = result.is_error or (exit_code is None and _FAILED.match(text) is not None)
    return Answer(
        text=text,
        is_error=failed,
        exit_code=exit_code,
        failed=True if failed else None,
        never_ran=refused,
        rejection="" if refused else None,
    )


def _events(log: EventLog, agent: str | None) -> list[Event[str]]:
    """The events of the log, without the model call that Claude's reader enters for the message."""
    events = log.finish(Session[str](id="", source="")).events
    return [
        event if event.agent == agent else msgspec.structs.replace(event, agent=agent)
        for event in events
        if event.kind is not EventKind.MODEL_CALL
    ]


def _as_updated(event: Event[str], text: str) -> Event[str]:
    """Write says in words whether the file was there before."""
    edit = event.edit
    if edit is None or edit.operation != "create" or not edit.success or _UPDATED.match(text) is None:
        return event
    return msgspec.structs.replace(event, edit=msgspec.structs.replace(edit, operation="update"))
