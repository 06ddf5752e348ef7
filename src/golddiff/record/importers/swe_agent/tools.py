"""SWE-agent's own commands → edits, commands and plain tool calls.

The windowed editor shows a file with numbered lines (`[File: path (N lines total)]`, `12:text`) and replaces lines by
number: what stood there is taken from the window that was shown last, so that the edit has hunks; where the window did
not show these lines, only the path is known. Later bundles name their editors by other commands; those with arguments
of their own (`str_replace_editor`) are read from the call, or from its line in the first function-calling versions.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from golddiff.record.importers.call_log import Answer
from golddiff.record.importers.paths import relative_path
from golddiff.record.importers.tool_shapes import Asked, arguments_of, asked, json_text
from golddiff.types import FileEdit, Replacement

_TOOLS = frozenset(
    {
        "close_file", "create", "edit", "exit_cost", "exit_forfeit", "filemap", "find_file", "goto", "insert", "open",
        "scroll_down", "scroll_up", "search_dir", "search_file", "set_cursors", "str_replace_editor", "submit",
        "undo_edit", "view_image",
    }
)  # fmt: skip
_EDITS = ("create", "edit", "insert", "str_replace_editor")
_HEADER = re.compile(r"^\[File: (.+?) \(\d+ lines? total\)\]\s*$", re.MULTILINE)
_NUMBERED = re.compile(r"^(\d{1,9}):(.*)$")
_BY_LINES = re.compile(r"edit\s+(\d{1,9}):(\d{1,9})[^\n]*\n(.*?)\n?^end_of_edit\s*$", re.DOTALL | re.MULTILINE)
_BY_CURSOR = re.compile(r"edit\s*\n(.*?)\n?^end_of_edit\s*$", re.DOTALL | re.MULTILINE)
_DONE = re.compile(
    r"\[File: |has been edited|edited successfully|created successfully|\[?File updated|Text replaced|undone", re.I
)
_NOT_DONE = re.compile(
    r"introduced new syntax error|not been applied|was not applied|were not applied|No replacement was performed"
    r"|^ERROR:|^Usage:|No file open|not found in|did not appear verbatim|already exists",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Action:
    """One action of the agent."""

    tool: str
    arguments: str | None
    asked: Asked


class Windows:
    """Lines of files as the editor showed them last."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[int, str]] = {}
        self.current: str | None = None
        """The file that was shown last."""

    def show(self, observed: str, folder: str | None, *, failed: bool) -> None:
        """Take in what an action printed in `folder`; a refused edit shows what the file would have been too."""
        header = None
        for header in _HEADER.finditer(observed):  # noqa: B007 - the last one is what stands now
            pass
        if header is None or failed:
            return
        lines: dict[int, str] = {}
        for line in observed[header.end() :].split("\n"):
            match = _NUMBERED.match(line)
            if match is not None:
                lines[int(match[1])] = match[2]
        self.current = posixpath.normpath(posixpath.join(folder or "", header[1]))
        self._lines[self.current] = lines

    def hunks(self, path: str, first: int, last: int, text: str) -> str | None:
        """Hunks that replace lines `first` to `last`; None where these lines were not shown."""
        shown = self._lines.get(path, {})
        if not 1 <= first <= last or last - first > len(shown):
            return None
        old = [shown.get(number) for number in range(first, last + 1)]
        new = text.split("\n") if text else []
        if any(line is None for line in old):
            return None
        body = [f"-{line}\n" for line in old] + [f"+{line}\n" for line in new]
        start = first if new else first - 1
        return f"@@ -{first},{len(old)} +{start},{len(new)} @@\n" + "".join(body)


def action_of(
    line: str,
    tool_calls: list[dict[str, Any]] | None,
    windows: Windows,
    open_file: str | None,
    folder: str | None,
    cwd: str | None,
) -> Action:
    """Say what an action does. `open_file` and `folder` are the editor's file and the shell's working folder."""
    words = line.split(None, 1)
    name = words[0] if words else ""
    tool, arguments = _call(tool_calls)
    if tool is None or (tool != name and tool != "bash"):
        tool, arguments = (name, None) if name in _TOOLS else ("bash", None)
    if tool not in _TOOLS:
        return Action("bash", json_text(arguments) or None, Asked(command=line.strip()))
    edits: tuple[FileEdit[str], ...] = ()
    if tool in _EDITS:
        edit = _edit(tool, arguments, line, windows, open_file or windows.current, folder, cwd)
        edits = (edit,) if edit is not None else ()
    return Action(tool, json_text(arguments) if arguments is not None else line.strip(), Asked(edits=edits))


def answer_of(action: Action, observed: str) -> Answer:
    """What an action gave back; the format has no exit codes, so an edit's own words decide about it."""
    if action.asked.edits:
        bad = _NOT_DONE.search(observed) is not None or _DONE.search(observed) is None
        return Answer(text=observed, is_error=bad)
    return Answer(text=observed)


def _call(tool_calls: list[dict[str, Any]] | None) -> tuple[str | None, Any]:
    function = tool_calls[0].get("function") if tool_calls else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None, None
    return function["name"], function.get("arguments")


def _edit(
    tool: str,
    arguments: Any,
    line: str,
    windows: Windows,
    open_file: str | None,
    folder: str | None,
    cwd: str | None,
) -> FileEdit[str] | None:
    given = dict(arguments_of(arguments))
    if tool == "str_replace_editor":
        given = given or _flags(line)
        done = asked(tool, given, cwd)
        return done.edits[0] if done.edits else None
    if tool == "create":
        name = given.get("filename") or line.partition(" ")[2].strip().strip("\"'")
        if not isinstance(name, str) or not name:
            return None
        return FileEdit(path=relative_path(name, cwd, folder), operation="create", after="\n")
    if not open_file or open_file == "n/a":
        return None
    absolute = posixpath.normpath(posixpath.join(folder or "", open_file))
    edit = FileEdit[str](path=relative_path(absolute, cwd), operation="update")
    steps = _by_lines(given, line)
    if steps is not None:
        return msgspec.structs.replace(edit, hunks=windows.hunks(absolute, *steps))
    old, new = given.get("search"), given.get("replace")
    if isinstance(old, str) and isinstance(new, str):
        every = given.get("replace-all") in (True, "True", "true")
        return msgspec.structs.replace(edit, replacements=(Replacement(old, new, every),))
    text, at = given.get("text"), given.get("line")
    if tool == "insert" and isinstance(text, str):
        if not isinstance(at, int):
            return edit
        lines = text.split("\n")
        added = "".join(f"+{part}\n" for part in lines)
        return msgspec.structs.replace(edit, hunks=f"@@ -{at},0 +{at + 1},{len(lines)} @@\n{added}")
    return edit if tool == "edit" and (given or _BY_CURSOR.search(line) or line.startswith("edit ")) else None


def _by_lines(given: dict[str, Any], line: str) -> tuple[int, int, str] | None:
    """First line, last line and text of an edit by line numbers."""
    first, last, text = given.get("start_line"), given.get("end_line"), given.get("replacement_text")
    if isinstance(first, int) and isinstance(last, int) and isinstance(text, str):
        return first, last, text
    match = _BY_LINES.search(line)
    return (int(match[1]), int(match[2]), match[3]) if match is not None else None


def _flags(line: str) -> dict[str, Any]:
    """Arguments of `str_replace_editor VERB PATH --old_str '…'`, as the first function-calling versions logged it."""
    try:
        words = shlex.split(line)[1:]
    except ValueError:
        return {}
    given: dict[str, Any] = dict(zip(("command", "path"), words, strict=False))
    for flag, value in pairwise(words[2:]):
        if flag.startswith("--") and not value.startswith("--"):
            given[flag[2:]] = int(value) if flag == "--insert_line" and value.isdigit() else value
    return given
