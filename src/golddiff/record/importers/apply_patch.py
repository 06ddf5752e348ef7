"""The patch language of Codex: which files an `apply_patch` call changes, and how.

    *** Begin Patch
    *** Add File: p        then `+` lines
    *** Update File: p     optionally `*** Move to: q`, then `@@ context` and ` `, `-`, `+` lines
    *** Delete File: p
    *** End Patch

Hunks keep no line numbers, so `FileEdit.hunks` of an update lacks them. A patch that ends early gives the files that
were complete enough to read. Source: the grammar in the Codex CLI repository (`codex-rs/apply-patch`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from golddiff.record.importers.paths import relative_path
from golddiff.types import FileEdit

_HEADER = re.compile(r"\*\*\* (Add|Update|Delete) File: (.+)")
_MOVE = "*** Move to: "
_BEGIN = "*** Begin Patch"
_END = "*** End Patch"


def holds_patch(command: str) -> bool:
    """Say whether a shell command hands a patch to `apply_patch`."""
    return "apply_patch" in command and _BEGIN in command


def parse_patch(text: str, cwd: str | None, folder: str | None = None) -> list[FileEdit[str]]:
    """Return one edit per file of the patch, in order; text before and after the patch is ignored."""
    start = text.find(_BEGIN)
    if start < 0:
        return []
    edits: list[FileEdit[str]] = []
    header: tuple[str, str] | None = None
    body: list[str] = []
    for line in text[start:].removesuffix("\n").split("\n")[1:]:  # not splitlines: a form feed ends no line
        line = line.removesuffix("\r")
        if line.strip() == _END:
            break
        match = _HEADER.fullmatch(line.rstrip())
        if match is None:
            body.append(line)
            continue
        if header is not None:
            edits.append(_edit(header, body, cwd, folder))
        header, body = (match[1], match[2].strip()), []
    if header is not None:
        edits.append(_edit(header, body, cwd, folder))
    return edits


def mark_failed(edits: Iterable[FileEdit[str]]) -> list[FileEdit[str]]:
    """Return the edits as ones that the tool did not apply."""
    return [msgspec.structs.replace(edit, success=False) for edit in edits]


def _edit(header: tuple[str, str], body: list[str], cwd: str | None, folder: str | None) -> FileEdit[str]:
    verb, name = header
    path = relative_path(name, cwd, folder)
    if verb == "Delete":
        return FileEdit(path=path, operation="delete")
    if verb == "Add":
        after = "".join(line[1:] + "\n" for line in body if line.startswith("+"))
        return FileEdit(path=path, operation="create", after=after)
    new_path = None
    if body and body[0].startswith(_MOVE):
        new_path = relative_path(body.pop(0)[len(_MOVE) :].strip(), cwd, folder)
    hunks = "".join(line + "\n" for line in body if line != "*** End of File")
    if hunks and not hunks.startswith("@@"):
        hunks = "@@\n" + hunks  # the first chunk may leave its marker out
    return FileEdit(path=path, operation="move" if new_path else "update", new_path=new_path, hunks=hunks or None)
