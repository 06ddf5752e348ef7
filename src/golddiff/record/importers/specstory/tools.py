"""One tool use as SpecStory renders it → what was asked and what came back, as far as the rendering says.

Of Claude Code's Edit only the result is rendered, which names the file and not the change; of Write the content. A
command and its output are whole. Other tools have no arguments here, only what they gave back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from golddiff.record.importers.call_log import Answer
from golddiff.record.importers.tool_shapes import Asked
from golddiff.types import FileEdit

_SUMMARY = re.compile(r"<summary>Tool use: \*\*([^*\n]*)\*\*(?: `(.*)`)?</summary>\n?")
_OUTPUT = re.compile(r"`\n+(?:Output:\n)?```\w*\n")
_FENCE = re.compile(r"^```\w*\n", re.MULTILINE)
_RESULT = "\n```text\n"
_UPDATED = re.compile(r"The file (\S.*?) has been updated")
_CREATED = re.compile(r"(?:File created successfully at: (\S.*)|The file (\S.*?) has been (?:updated|created))")
_PATCHED = re.compile(r"^\*\*(Add|Update|Delete|Modify)[^:\n]*: `([^`\n]+)`\*\*$", re.MULTILINE)
_EXIT = re.compile(r"\A(?:Error: )?Exit code (-?\d{1,10})\n?")
_CODEX = re.compile(r"^Process exited with code (-?\d{1,10})$.*?^Output:\n", re.MULTILINE | re.DOTALL)
_CODEX_HEAD = 400
_REJECTED = "The user doesn't want to proceed with this tool use"
_REASON = re.compile(r"the user said:\s*(.+)", re.DOTALL)
_FAILED = ("<tool_use_error>", "Error: ", "String to replace not found", "File has ", "EISDIR", "ENOENT")


@dataclass(frozen=True)
class ToolUse:
    """A tool use, read."""

    tool: str
    asked: Asked
    answer: Answer | None
    """None where no result is rendered."""


def tool_use(kind: str, name: str, body: str) -> ToolUse:
    """Read one block; `kind` and `name` are its attributes, `body` is what stands in its `<details>`."""
    summary = _SUMMARY.match(body)
    argument = summary[2] if summary is not None else None
    rest = body[summary.end() :] if summary is not None else body
    if kind == "shell":
        command, output = _command(argument, rest)
        if command:
            return ToolUse(name, Asked(command=command), _ran(output))
    if kind == "write":
        edits = _edits(rest)
        if edits is not None:
            return ToolUse(name, Asked(edits=edits[0]), edits[1])
    text = _unfenced(rest)
    return ToolUse(name, Asked(), _result(text) if text else None)


def _command(argument: str | None, rest: str) -> tuple[str | None, str | None]:
    """The shell line and its output: in the summary with the output below it, or below a description."""
    if argument is not None:
        return argument, _unfenced(rest)
    start = rest.find("`")
    if start < 0 or rest.startswith("```", start):
        return None, None
    end = _OUTPUT.search(rest, start)
    if end is not None:
        return rest[start + 1 : end.start()], _without_fence(rest[end.end() :])
    last = rest.rfind("`")
    return (rest[start + 1 : last], None) if last > start else (None, None)


def _ran(output: str | None) -> Answer | None:
    if output is None:
        return Answer()
    if output.startswith(_REJECTED):
        return _result(output)
    if (match := _EXIT.match(output)) is not None:
        return Answer(output[match.end() :], is_error=True, exit_code=int(match[1]))
    if (match := _CODEX.search(output[:_CODEX_HEAD])) is not None:
        code = int(match[1])
        return Answer(output[match.end() :], is_error=code != 0, exit_code=code)
    return Answer(output, is_error=output.startswith(_FAILED))


def _edits(rest: str) -> tuple[tuple[FileEdit[str], ...], Answer | None] | None:
    """What was written where; None where the rendering names no file."""
    patched = list(_PATCHED.finditer(rest))
    if patched:
        ends = [match.start() for match in patched[1:]] + [len(rest)]
        return tuple(_patch(match, rest[match.end() : end]) for match, end in zip(patched, ends, strict=True)), None
    at = ("\n" + rest).rfind(_RESULT)  # what was written may hold fences of its own
    result = _without_fence(rest[at + len(_RESULT) - 1 :]) if at >= 0 else _unfenced(rest)
    content = _FENCE.search(rest, 0, max(at, 0))
    if content is not None and (match := _CREATED.match(result)) is not None:
        operation = "create" if match[1] else "update"
        after = _without_fence(rest[content.end() : at]) + "\n"
        return (FileEdit(path=(match[1] or match[2]).strip(), operation=operation, after=after),), Answer(result)
    if (match := _UPDATED.match(result)) is not None:
        return (FileEdit(path=match[1], operation="update"),), Answer(result)
    return None


def _patch(match: re.Match[str], diff: str) -> FileEdit[str]:
    body = _unfenced(diff)
    lines = body.split("\n") if body else []
    if match[1] == "Add":
        content = "".join(line.removeprefix("+") + "\n" for line in lines)
        return FileEdit(path=match[2], operation="create", after=content)
    operation = "delete" if match[1] == "Delete" else "update"
    return FileEdit(path=match[2], operation=operation, hunks=body + "\n" if body else None)


def _result(text: str) -> Answer:
    if text.startswith(_REJECTED):
        reason = _REASON.search(text)
        return Answer(text, is_error=True, never_ran=True, rejection=reason[1].strip() if reason else "")
    return Answer(text, is_error=text.startswith(_FAILED))


def _unfenced(text: str) -> str:
    """Text inside the outer fence, where there is one around all of it."""
    text = text.strip("\n")
    match = _FENCE.match(text)
    return _without_fence(text[match.end() :]) if match is not None and text.endswith("```") else text.strip()


def _without_fence(text: str) -> str:
    return text.rstrip().removesuffix("```").removesuffix("\n")
