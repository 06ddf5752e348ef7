"""Claude Code's tool calls with their results → edits, commands and plain tool events.

Sources of an edit's states: `originalFile` (the file before), `structuredPatch` (hunks with line numbers), the
arguments (what the model asked for) and the result (what was applied, also where the user changed it first).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from golddiff.record.importers.claude_code.records import (
    BashInput,
    BashResult,
    Block,
    EditInput,
    EditResult,
    Hunk,
    MultiEditInput,
    NotebookInput,
    WriteInput,
)
from golddiff.record.importers.jsonl import decode
from golddiff.record.importers.paths import relative_path
from golddiff.record.importers.test_runs import find_test_run
from golddiff.types import FileEdit, Replacement, TestRun

_EDITS: dict[str, msgspec.json.Decoder[EditInput | MultiEditInput | WriteInput | NotebookInput]] = {
    "Edit": msgspec.json.Decoder(EditInput),
    "MultiEdit": msgspec.json.Decoder(MultiEditInput),
    "Write": msgspec.json.Decoder(WriteInput),
    "NotebookEdit": msgspec.json.Decoder(NotebookInput),
}
_BASH = msgspec.json.Decoder(BashInput)
_EDIT_RESULT = msgspec.json.Decoder(EditResult)
_BASH_RESULT = msgspec.json.Decoder(BashResult)
_CONTENT: msgspec.json.Decoder[str | list[Block] | None] = msgspec.json.Decoder(str | list[Block] | None)
_EXIT_CODE = re.compile(r"(?:Error: )?Exit code (-?\d{1,10})\n?")
_REJECTED = re.compile(r"The user doesn't want to (?:proceed with this tool use|take this action right now)")
_NEVER_RAN = re.compile(
    r"The user doesn't want to |<tool_use_error>"
    r"|Permission (?:for this tool use was|to use .{1,2000}? (?:has been|was)) denied",
    re.DOTALL,
)
_REASON = re.compile(r"the user said:\s*(.+)", re.DOTALL)
INTERRUPTED = "[Request interrupted by user"


@dataclass(frozen=True)
class Call:
    """A tool call that waits for its result."""

    call_id: str
    tool: str
    arguments: msgspec.Raw
    agent: str | None
    slot: int
    at: datetime | None
    model: str | None = None


@dataclass(frozen=True)
class Result:
    """What came back: the block for the model, and the client's own structure beside it."""

    text: str
    is_error: bool
    structured: msgspec.Raw

    @property
    def never_ran(self) -> bool:
        """The call was refused, by the user or by a rule, or was no valid call."""
        return self.is_error and _NEVER_RAN.match(self.text) is not None

    @property
    def rejection(self) -> str | None:
        """The user's words where the user refused the call (empty if none were given), else None."""
        if not self.is_error or not _REJECTED.match(self.text):
            return None
        reason = _REASON.search(self.text)
        return reason[1].strip() if reason else ""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    text: str
    exit_code: int | None
    is_error: bool
    tests: TestRun | None


def result_of(block: Block, structured: msgspec.Raw) -> Result:
    """Join a `tool_result` block with the `toolUseResult` of its line."""
    return Result(content_text(block.content), bool(block.is_error), structured)


def content_text(content: msgspec.Raw) -> str:
    """Text of a result's content; pictures and references become their type in brackets."""
    if not content:
        return ""
    try:
        blocks = decode(_CONTENT, content)
    except msgspec.DecodeError:
        return bytes(content).decode("utf-8", "replace")
    if blocks is None or isinstance(blocks, str):
        return blocks or ""
    return "\n".join(block.text if block.text is not None else f"[{block.type}]" for block in blocks)


def is_edit(tool: str) -> bool:
    """Say whether a tool of this name changes one file."""
    return tool in _EDITS


def command_of(call: Call) -> str | None:
    """The shell line of a Bash call; None for other tools and other shapes."""
    if call.tool != "Bash" or not call.arguments:
        return None
    try:
        return decode(_BASH, call.arguments).command
    except msgspec.DecodeError:
        return None


def edit_of(call: Call, cwd: str | None, result: Result | None = None) -> FileEdit[str] | None:
    """The edit that a call asked for and, with its result, what became of it; None where its shape is unknown.

    Without a result nothing says that the file changed, so `success` is false.
    """
    decoder = _EDITS.get(call.tool)
    if decoder is None or not call.arguments:
        return None
    try:
        asked = decode(decoder, call.arguments)
    except msgspec.DecodeError:
        return None
    done = _edit_result(result)
    success = result is not None and not result.is_error
    before = done.originalFile
    hunks = _unified(done.structuredPatch) if done.structuredPatch else None
    modified = bool(done.userModified)
    if isinstance(asked, WriteInput):
        created = done.type == "create" if done.type else before is None
        return FileEdit(
            path=relative_path(asked.file_path, cwd),
            operation="create" if created else "update",
            before=before,
            after=asked.content if done.content is None else done.content,
            hunks=hunks,
            user_modified=modified,
            success=success,
        )
    if isinstance(asked, NotebookInput):
        return FileEdit(path=relative_path(asked.notebook_path, cwd), operation="update", success=success)
    if isinstance(asked, MultiEditInput):
        steps = tuple(Replacement(s.old_string, s.new_string, bool(s.replace_all)) for s in asked.edits)
        path = asked.file_path
    else:
        old = asked.old_string if done.oldString is None else done.oldString
        new = asked.new_string if done.newString is None else done.newString
        steps = (Replacement(old, new, bool(asked.replace_all)),)
        path = asked.file_path
    creates = len(steps) > 0 and steps[0].old == "" and not before
    return FileEdit(
        path=relative_path(path, cwd),
        operation="create" if creates else "update",
        before=before,
        after=steps[0].new if creates and len(steps) == 1 else None,
        replacements=steps,
        hunks=hunks,
        user_modified=modified,
        success=success,
    )


def ran(command: str, result: Result) -> Ran:
    """How a Bash call ended.

    The client states exit codes of failures only, so `exit_code` is None after a success; a code that it explains
    instead (`grep` found nothing) is no failure and stays None as well.
    """
    match = _EXIT_CODE.match(result.text) if result.is_error else None
    if match is not None:
        text, exit_code = result.text[match.end() :], int(match[1])
        return Ran(text, exit_code, True, find_test_run(command, text, exit_code, None))
    done = _bash_result(result)
    if done is None:
        failed = True if result.is_error else None
        return Ran(result.text, None, result.is_error, find_test_run(command, result.text, None, failed))
    text = "\n".join(part for part in (done.stdout, done.stderr) if part) or result.text
    known = not (done.interrupted or done.backgroundTaskId or done.returnCodeInterpretation)
    tests = find_test_run(command, text, None, result.is_error if known else None)
    if done.backgroundTaskId:
        tests = None  # it only began
    return Ran(text, None, result.is_error or bool(done.interrupted), tests)


def _edit_result(result: Result | None) -> EditResult:
    if result is not None and not result.is_error and result.structured:
        try:
            return decode(_EDIT_RESULT, result.structured)
        except msgspec.DecodeError:
            pass
    return EditResult()


def _bash_result(result: Result) -> BashResult | None:
    if not result.structured:
        return None
    try:
        return decode(_BASH_RESULT, result.structured)
    except msgspec.DecodeError:
        return None


def _unified(hunks: list[Hunk]) -> str:
    lines = []
    for hunk in hunks:
        lines.append(f"@@ -{hunk.oldStart},{hunk.oldLines} +{hunk.newStart},{hunk.newLines} @@\n")
        lines += [line + "\n" for line in hunk.lines]
    return "".join(lines)
