"""Codex CLI's tool calls with their outputs → commands and edits.

An exit code is text (`Process exited with code 0`), JSON inside the string in older builds, or an
`exec_command_end` record. A patch's result is `patch_apply_end` (unified diffs with line numbers, whole files) where
the build writes it, else the patch itself and the tool's word on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from golddiff.record.importers.apply_patch import holds_patch, parse_patch
from golddiff.record.importers.codex.records import (
    Action,
    Change,
    Content,
    ExecArguments,
    Item,
    OldOutput,
    PatchArguments,
    StdinArguments,
)
from golddiff.record.importers.jsonl import decode
from golddiff.record.importers.paths import relative_path
from golddiff.record.importers.shell import join_command
from golddiff.types import FileEdit

StructT = TypeVar("StructT")

_SHELLS = frozenset({"exec_command", "shell", "shell_command", "container.exec", "local_shell", "unified_exec"})
_EXIT = re.compile(r"^(?:Process exited with code|Exit code:|exit_code:) (-?\d{1,10})\s*$", re.MULTILINE)
_RUNNING = re.compile(r"^Process running with session ID (\d+)\s*$", re.MULTILINE)
_OUTPUT = re.compile(r"^Output:\n", re.MULTILINE)
_REJECTED = re.compile(r"rejected by (?:the )?user(?! approval)|user (?:rejected|cancelled|denied) MCP tool call", re.I)
_ABORTED = re.compile(r"aborted by (?:the )?user", re.IGNORECASE)
_HEAD_CHARS = 400

_TEXT = msgspec.json.Decoder(str)
_PARTS = msgspec.json.Decoder(list[Content])
_ACTION = msgspec.json.Decoder(Action)
_EXEC = msgspec.json.Decoder(ExecArguments)
_STDIN = msgspec.json.Decoder(StdinArguments)
_PATCH = msgspec.json.Decoder(PatchArguments)
_OLD_OUTPUT = msgspec.json.Decoder(OldOutput)


@dataclass(frozen=True)
class Output:
    """What a tool gave back."""

    text: str
    exit_code: int | None = None
    running: str | None = None
    """Id of the process that goes on; its end comes with a later `write_stdin`."""
    failed: bool = False
    rejected: bool = False
    aborted: bool = False


def arguments_text(item: Item) -> str:
    """Arguments as JSON text: the client writes a string that holds JSON."""
    raw = item.arguments or item.action
    if not raw:
        return item.input or ""
    try:
        return decode(_TEXT, raw)
    except msgspec.DecodeError:
        return bytes(raw).decode("utf-8", "replace")


def shell_call(item: Item) -> tuple[str, str | None] | None:
    """Command and working folder of a shell call; None for other tools and other shapes."""
    if item.type == "local_shell_call":
        action = _parse(_ACTION, bytes(item.action))
        return (join_command(action.command), None) if action and action.command else None
    if item.name not in _SHELLS:
        return None
    arguments = _parse(_EXEC, arguments_text(item).encode("utf-8", "replace"))
    if arguments is None:
        return None
    command = join_command(arguments.cmd if arguments.cmd is not None else arguments.command)
    return (command, arguments.workdir) if command else None


def waited_for(item: Item) -> tuple[str, bool] | None:
    """Process id of a `write_stdin` call and whether it only waits; None for other calls."""
    if item.name != "write_stdin":
        return None
    arguments = _parse(_STDIN, arguments_text(item).encode("utf-8", "replace"))
    if arguments is None or arguments.session_id is None:
        return None
    return str(arguments.session_id), not arguments.chars


def asked_edits(item: Item, cwd: str | None) -> list[FileEdit[str]]:
    """The edits that an `apply_patch` call asks for, also one through the shell; empty for other calls."""
    if item.name == "apply_patch":
        if item.input is not None:
            return parse_patch(item.input, cwd)
        text = arguments_text(item)
        wrapped = _parse(_PATCH, text.encode("utf-8", "replace"))
        return parse_patch((wrapped.input or wrapped.patch or "") if wrapped else text, cwd)
    shell = shell_call(item)
    if shell is not None and holds_patch(shell[0]):
        return parse_patch(shell[0], cwd, shell[1])
    return []


def applied_edits(changes: dict[str, Change], success: bool, cwd: str | None) -> list[FileEdit[str]]:
    """The edits that `patch_apply_end` reports."""
    edits: list[FileEdit[str]] = []
    for name, change in changes.items():
        path = relative_path(name, cwd)
        if change.type == "add":
            edits.append(FileEdit(path=path, operation="create", after=change.content, success=success))
        elif change.type == "delete":
            edits.append(FileEdit(path=path, operation="delete", before=change.content, success=success))
        else:
            target = relative_path(change.move_path, cwd) if change.move_path else None
            edits.append(
                FileEdit(
                    path=path,
                    operation="move" if target else "update",
                    new_path=target,
                    hunks=change.unified_diff,
                    success=success,
                )
            )
    return edits


def output_of(item: Item) -> Output:
    """Take a tool's output apart."""
    text = _output_text(item.output)
    if text.startswith("{") and '"output"' in text:
        old = _parse(_OLD_OUTPUT, text.encode("utf-8", "replace"))
        if old is not None:
            return _judge(old.output, old.metadata.exit_code if old.metadata else None, None)
    head = text[:_HEAD_CHARS]
    start = _OUTPUT.search(head)
    head = head[: start.start()] if start else head
    exited = _EXIT.search(head)
    running = _RUNNING.search(head)
    if exited is None and running is None:
        return _judge(text, None, None)
    body = text[start.end() :] if start else text
    return _judge(body, int(exited[1]) if exited else None, running[1] if running else None)


def _judge(text: str, exit_code: int | None, running: str | None) -> Output:
    ended = exit_code is not None or running is not None
    head = "" if ended or len(text) > _HEAD_CHARS else text  # a longer text is a tool's output that mentions it
    rejected = _REJECTED.search(head) is not None
    aborted = not rejected and _ABORTED.match(head) is not None
    failed = rejected or aborted or (exit_code is not None and exit_code != 0)
    return Output(text, exit_code, running, failed, rejected, aborted)


def _output_text(raw: msgspec.Raw) -> str:
    if not raw:
        return ""
    try:
        return decode(_TEXT, raw)
    except msgspec.DecodeError:
        pass
    try:
        return "\n".join(part.text if part.text is not None else f"[{part.type}]" for part in decode(_PARTS, raw))
    except msgspec.DecodeError:
        return bytes(raw).decode("utf-8", "replace")


def _parse(decoder: msgspec.json.Decoder[StructT], text: bytes) -> StructT | None:
    try:
        return decode(decoder, text)
    except msgspec.DecodeError:
        return None
