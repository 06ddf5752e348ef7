"""Edits inside an answer of aider's: the blocks of its edit formats, found in the text.

| edit format | block |
|---|---|
| diff | a path, then `<<<<<<< SEARCH` … `=======` … `>>>>>>> REPLACE` (2023: `ORIGINAL`, `UPDATED`) |
| udiff | a fence of `diff` with `---`, `+++` and hunks without line numbers |
| patch | `*** Begin Patch` (`apply_patch`) |
| whole | a path, then a fence with the whole file; only where the session says that this format is used |

The text says what the model asked for; whether it was applied is said below it (`aider`), or by the commit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from golddiff.record.importers.apply_patch import parse_patch
from golddiff.record.importers.paths import relative_path
from golddiff.types import FileEdit, Replacement

_HEAD = re.compile(r"<{5,9} (?:SEARCH|ORIGINAL)>?\s*$")
_DIVIDER = re.compile(r"={5,9}\s*$")
_TAIL = re.compile(r">{5,9} (?:REPLACE|UPDATED)\s*$")
_FENCE = re.compile(r"\s*(`{3,}|~{3,}|<source>|<code>)")
_CLOSING = {"<source>": "</source>", "<code>": "</code>"}
_NAME = re.compile(r"[\w.@+~\-/\\ ()\[\]]{1,300}")


def edits_of(text: str, cwd: str | None, *, whole: bool = False) -> list[FileEdit[str]]:
    """Return the edits that an answer asks for, in order. `whole`: the session replaces whole files."""
    if "*** Begin Patch" in text:
        return parse_patch(text, cwd)
    lines = text.split("\n")
    found = _blocks(lines, cwd)
    if not found:
        found = [edit for block in _fences(lines, "diff") for edit in _diff(block, cwd)]
    if not found and whole:
        found = _whole(lines, cwd)
    return found


def _blocks(lines: Sequence[str], cwd: str | None) -> list[FileEdit[str]]:
    found: list[FileEdit[str]] = []
    path: str | None = None
    at = 0
    while at < len(lines):
        if not _HEAD.match(lines[at]):
            at += 1
            continue
        middle = _next(lines, at + 1, _DIVIDER)
        end = _next(lines, middle + 1, _TAIL) if middle is not None else None
        if middle is None or end is None:
            at += 1
            continue
        path = _path_above(lines, at) or path
        if path is not None:
            old = "".join(line + "\n" for line in lines[at + 1 : middle])
            new = "".join(line + "\n" for line in lines[middle + 1 : end])
            where = relative_path(path, cwd)
            if old.strip():
                edit = FileEdit(path=where, operation="update", replacements=(Replacement(old, new),))
            else:
                edit = FileEdit(path=where, operation="create", after=new)
            found.append(edit)
        at = end + 1
    return found


def _next(lines: Sequence[str], start: int, pattern: re.Pattern[str]) -> int | None:
    """Index of the next line of this kind; None where another block begins before."""
    for index in range(start, len(lines)):
        if pattern.match(lines[index]):
            return index
        if _HEAD.match(lines[index]):
            return None
    return None


def _path_above(lines: Sequence[str], at: int) -> str | None:
    """The path over a block: the first of the lines above that is no fence, up to three of them."""
    for index in range(at - 1, max(-1, at - 4), -1):
        if _FENCE.match(lines[index]) or not lines[index].strip():
            continue
        return _name(lines[index])
    return None


def _name(line: str) -> str | None:
    """A line that is a path and nothing else, without the decoration that models put around it."""
    text = line.strip().strip("*`").lstrip("#").strip().rstrip(":").strip("`*").strip()
    if not _NAME.fullmatch(text) or not any(character.isalnum() for character in text):
        return None
    return text if "." in text or "/" in text or " " not in text else None


def _fences(lines: Sequence[str], language: str) -> list[list[str]]:
    """Lines inside the fences of a language."""
    found: list[list[str]] = []
    inside: list[str] | None = None
    for line in lines:
        if inside is None:
            if line.strip() == f"```{language}":
                inside = []
        elif line.strip() == "```":
            found.append(inside)
            inside = None
        else:
            inside.append(line)
    return found


def _diff(block: Sequence[str], cwd: str | None) -> list[FileEdit[str]]:
    found: list[FileEdit[str]] = []
    at = 0
    while at + 1 < len(block):
        if not (block[at].startswith("--- ") and block[at + 1].startswith("+++ ")):
            at += 1
            continue
        old, new = _diff_path(block[at]), _diff_path(block[at + 1])
        end = at + 2
        while end < len(block) and not (
            block[end].startswith("--- ") and end + 1 < len(block) and block[end + 1].startswith("+++ ")
        ):
            end += 1
        body = block[at + 2 : end]
        name = new or old
        if name is not None and body:
            path = relative_path(name, cwd)
            if old is None:
                after = "".join(line[1:] + "\n" for line in body if line.startswith("+"))
                found.append(FileEdit(path=path, operation="create", after=after))
            else:
                hunks = "".join(line + "\n" for line in body)
                found.append(FileEdit(path=path, operation="update" if new else "delete", hunks=hunks))
        at = end
    return found


def _diff_path(line: str) -> str | None:
    name = line[4:].split("\t", 1)[0].strip()
    if not name or name == "/dev/null":
        return None
    return name[2:] if name[:2] in ("a/", "b/") else name


def _whole(lines: Sequence[str], cwd: str | None) -> list[FileEdit[str]]:
    found: list[FileEdit[str]] = []
    at = 0
    while at < len(lines):
        match = _FENCE.match(lines[at])
        name = _name(lines[at - 1]) if match is not None and at else None
        if match is None:
            at += 1
            continue
        closing = _CLOSING.get(match[1], match[1])
        end = next((i for i in range(at + 1, len(lines)) if lines[i].strip() == closing), None)
        if end is None:
            return found
        if name is not None:
            after = "".join(line + "\n" for line in lines[at + 1 : end])
            found.append(FileEdit(path=relative_path(name, cwd), operation="create", after=after))
        at = end + 1
    return found
