"""What Gemini CLI and its descendant Qwen Code share: content parts, tool results and the counting of tokens.

Content is a string, a part or a list of parts (`text`, `thought`, `functionCall`, `functionResponse`, `inlineData`).
A shell's result is text with labelled lines (`Output:`, `Error:`, `Exit Code:`); newer builds leave lines out that
say nothing, so a missing `Exit Code:` after a success is 0. A file diff states the file before and after.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from golddiff.record.importers.call_log import Answer
from golddiff.record.importers.jsonl import decode
from golddiff.record.importers.paths import relative_path
from golddiff.types import FileEdit, Usage

_EXIT = re.compile(r"^Exit Code: (-?\d{1,10})\s*$", re.MULTILINE)
_OUTPUT = re.compile(r"^(?:Output|Stdout): ?", re.MULTILINE)
_END = re.compile(
    r"^(?:Error: \(none\)|Stderr: \(empty\)|Exit Code: |Signal: |Background PIDs: |Process Group PGID: )", re.M
)
_BY_USER = re.compile(r"\buser (?:did not allow|cancell?ed|denied|rejected|declined)|\[Operation Cancelled\]", re.I)
_OPEN, _CLOSE = "<untrusted_context>\n", "\n</untrusted_context>"
_FINAL = ("success", "error", "cancelled")


class FunctionCall(msgspec.Struct):
    """A call of a tool, as a part."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class FunctionResponse(msgspec.Struct):
    """A tool's result, as a part."""

    id: str | None = None
    name: str | None = None
    response: dict[str, Any] | None = None


class Part(msgspec.Struct):
    """One part of a message."""

    text: str | None = None
    thought: bool | str | None = None
    functionCall: FunctionCall | None = None
    functionResponse: FunctionResponse | None = None
    inlineData: msgspec.Raw = msgspec.Raw()
    fileData: msgspec.Raw = msgspec.Raw()


class FileDiff(msgspec.Struct):
    """`resultDisplay` of a tool that changed a file."""

    fileDiff: str
    fileName: str | None = None
    filePath: str | None = None
    originalContent: str | None = None
    newContent: str | None = None
    truncatedForSession: bool | None = None
    fileDiffTruncated: bool | None = None
    originalContentTruncated: bool | None = None
    newContentTruncated: bool | None = None

    def cut(self, field: str) -> bool:
        """Say whether the client left a part of this field out when it saved the session."""
        marked: bool | None = getattr(self, f"{field}Truncated")
        return bool(self.truncatedForSession) if marked is None else marked


_PARTS: msgspec.json.Decoder[str | list[Part | str] | Part | None] = msgspec.json.Decoder(
    str | list[Part | str] | Part | None
)
_DIFF = msgspec.json.Decoder(FileDiff)


def parts_of(raw: msgspec.Raw) -> list[Part]:
    """Return content as parts; empty where it is missing or of another shape."""
    if not raw:
        return []
    try:
        content = decode(_PARTS, raw)
    except msgspec.DecodeError:
        return []
    if isinstance(content, str):
        return [Part(text=content)]
    if isinstance(content, Part):
        return [content]
    return [Part(text=part) if isinstance(part, str) else part for part in content or []]


def text_of(parts: list[Part]) -> str:
    """Text of the parts without thoughts; pictures and files become their kind in brackets."""
    found = []
    for part in parts:
        if part.thought:
            continue
        if part.text is not None:
            found.append(part.text)
        elif part.inlineData or part.fileData:
            found.append("[attachment]")
    return "\n".join(found)


def response_text(parts: list[Part]) -> tuple[str, bool]:
    """Text of the function responses among the parts, and whether one states an error."""
    found, failed = [], False
    for part in parts:
        response = part.functionResponse.response if part.functionResponse is not None else None
        if response is None:
            continue
        error = response.get("error")
        value = response.get("output", response.get("result", response.get("content", error)))
        failed = failed or bool(error)
        if value is not None:
            found.append(_unwrapped(value) if isinstance(value, str) else msgspec.json.encode(value).decode())
    return "\n".join(found), failed


def _unwrapped(text: str) -> str:
    """A tool's text without the tags that newer builds put around it, in which they escape those of the text."""
    if not (text.startswith(_OPEN) and text.endswith(_CLOSE)):
        return text
    return text[len(_OPEN) : -len(_CLOSE)].replace("&lt;/untrusted_context&gt;", "</untrusted_context>")


def answer(
    text: str,
    status: str | None,
    *,
    is_command: bool,
    error: bool = False,
    edits: list[FileEdit[str]] | None = None,
) -> Answer:
    """What a tool gave back; `status` is the client's (`success`, `error`, `cancelled`)."""
    failed = status == "error" or (error and status != "success")
    if status == "cancelled":
        rejection = "" if _BY_USER.search(text) or not text else None
        return Answer(text=text, is_error=True, never_ran=True, rejection=rejection, edits=edits)
    if not is_command:
        return Answer(text=text, is_error=failed, edits=edits)
    match = _EXIT.search(text)
    code = int(match[1]) if match is not None else (0 if status == "success" and _OUTPUT.search(text) else None)
    return Answer(text=_printed(text), is_error=failed, exit_code=code, failed=True if failed else None)


def _printed(text: str) -> str:
    """What the command printed, without the client's labels."""
    begin = _OUTPUT.search(text)
    if begin is None:
        return text
    end = _END.search(text, begin.end())
    printed = text[begin.end() : end.start() if end is not None else len(text)].rstrip("\n")
    return "" if printed in ("(empty)", "(none)") else printed


def is_final(status: str | None) -> bool:
    """Say whether a call of this status goes on no more."""
    return status in _FINAL


def shown_edits(raw: msgspec.Raw, asked: tuple[FileEdit[str], ...], cwd: str | None) -> list[FileEdit[str]] | None:
    """The call's edit with the states that its display shows; None where it shows none."""
    if not raw or len(asked) != 1:
        return None
    try:
        shown = decode(_DIFF, raw)
    except msgspec.DecodeError:
        return None
    created = asked[0].operation == "create" and shown.originalContent in (None, "")
    before = None if created or shown.cut("originalContent") else shown.originalContent
    after = None if shown.cut("newContent") else shown.newContent
    return [
        msgspec.structs.replace(
            asked[0],
            path=relative_path(shown.filePath, cwd) if shown.filePath else asked[0].path,
            operation="create" if created else "update",
            before=before,
            after=after if after is not None else asked[0].after,
            hunks=None if shown.cut("fileDiff") else _hunks(shown.fileDiff),
        )
    ]


def _hunks(diff: str) -> str | None:
    start = diff.find("@@")
    if start < 0 or (start > 0 and diff[start - 1] != "\n"):
        return None
    return diff[start:] if diff.endswith("\n") else diff[start:] + "\n"


def usage(prompt: int, answered: int, cached: int, thoughts: int, tool: int = 0) -> Usage:
    """Tokens as these clients count them: the prompt includes what the cache served, the answer leaves thoughts out."""
    cached = max(0, min(cached, prompt))
    return Usage(
        input_tokens=max(0, prompt - cached) + max(0, tool),
        output_tokens=max(0, answered) + max(0, thoughts),
        cache_read_tokens=cached,
    )
