"""What golddiff reads of Claude Code's records, as typed shapes; everything else in a line is never built.

Parts that only some records need (`toolUseResult`, `data`, a call's `input`) stay raw bytes until they are needed.
No record refers back to itself, so none is tracked by the garbage collector: a long session holds many of them.
"""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import msgspec

from golddiff.providers.wire.anthropic import Tokens
from golddiff.record.importers.jsonl import JsonLines

NOTHING = msgspec.Raw()
"""A part that is not there. A record without a UUID is named by what is read of it; only this object is left out."""


class Block(msgspec.Struct, gc=False, omit_defaults=True):
    """One content block of a message."""

    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING
    tool_use_id: str | None = None
    content: msgspec.Raw = NOTHING
    is_error: bool | None = None


class Message(msgspec.Struct, gc=False, omit_defaults=True):
    """`message` of a user or assistant line."""

    content: str | list[Block] | None = None
    id: str | None = None
    model: str | None = None
    usage: Tokens | None = None


class Line(msgspec.Struct, gc=False, omit_defaults=True):
    """One line of the file; in the order in which the client writes them, fields are found faster."""

    parentUuid: str | None = None
    logicalParentUuid: str | None = None
    isSidechain: bool | None = None
    cwd: str | None = None
    sessionId: str | None = None
    version: str | None = None
    gitBranch: str | None = None
    agentId: str | None = None
    type: str | None = None
    subtype: str | None = None
    message: Message | str | None = None
    data: msgspec.Raw = NOTHING
    attachment: msgspec.Raw = NOTHING
    isMeta: bool | None = None
    isCompactSummary: bool | None = None
    isVisibleInTranscriptOnly: bool | None = None
    isApiErrorMessage: bool | None = None
    uuid: str | None = None
    timestamp: str | int | float | None = None
    toolUseResult: msgspec.Raw = NOTHING
    prUrl: str | None = None
    messageId: str | None = None
    """Of a snapshot of files, which has no `uuid`."""
    leafUuid: str | None = None
    """Of a summary, which has no `uuid`."""


class AgentProgress(msgspec.Struct, gc=False):
    """`data` of a progress line: what a sub-agent just said or got."""

    type: str | None = None
    agentId: str | None = None
    message: msgspec.Raw = NOTHING


class Attachment(msgspec.Struct, gc=False):
    """`attachment` of a line; a `queued_command` is a prompt that was typed while the agent worked."""

    type: str | None = None
    commandMode: str | None = None
    prompt: str | list[Block] | None = None


class EditInput(msgspec.Struct, gc=False):
    """Arguments of Edit, and one step of MultiEdit."""

    old_string: str
    new_string: str
    file_path: str = ""
    replace_all: bool | None = None


class MultiEditInput(msgspec.Struct, gc=False):
    """Arguments of MultiEdit."""

    file_path: str
    edits: list[EditInput]


class WriteInput(msgspec.Struct, gc=False):
    """Arguments of Write."""

    file_path: str
    content: str


class NotebookInput(msgspec.Struct, gc=False):
    """Arguments of NotebookEdit; the cell's change alone does not give the file."""

    notebook_path: str


class BashInput(msgspec.Struct, gc=False):
    """Arguments of Bash."""

    command: str


class Hunk(msgspec.Struct, gc=False):
    """One entry of `structuredPatch`."""

    oldStart: int
    oldLines: int
    newStart: int
    newLines: int
    lines: list[str]


class EditResult(msgspec.Struct, gc=False):
    """`toolUseResult` of Edit, MultiEdit and Write."""

    type: str | None = None
    oldString: str | None = None
    newString: str | None = None
    replaceAll: bool | None = None
    originalFile: str | None = None
    content: str | None = None
    structuredPatch: list[Hunk] | None = None
    userModified: bool | None = None


class BashResult(msgspec.Struct, gc=False):
    """`toolUseResult` of Bash where it did not fail."""

    stdout: str | None = None
    stderr: str | None = None
    interrupted: bool | None = None
    returnCodeInterpretation: str | None = None
    backgroundTaskId: str | None = None


LINE = msgspec.json.Decoder(Line)
ATTACHMENT = msgspec.json.Decoder(Attachment)
AGENT_PROGRESS = msgspec.json.Decoder(AgentProgress)


def lines_of(path: Path) -> JsonLines[Line]:
    """The lines of a file; the client gives nearly every record a UUID."""
    return JsonLines(path, Line, uuid_of=attrgetter("uuid"))
