"""Patches as text: compare two texts, render and parse unified diffs, apply hunks strictly or by context.

How it fits: `outcomes` renders attempts and gold diffs and checks by applying that they fit their base; importers
and replay apply what transcripts hold, where line numbers are often missing or stale, so `apply_hunks` looks for
the old lines when they are not where the header says. Line ends: a text's own `\\n` or `\\r\\n` is kept, and a missing
newline at the end of a file is part of the text.

Not covered: binary patches, renames detected by content, and merging three ways. Comparison is `difflib` after the
common head and tail are cut off (edits are local, so what is left is small); it is exact, not always minimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from golddiff.errors import InputError

_HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_JUNK_FROM = 3_000
"""Longer middles are compared with difflib's popularity shortcut: exact still, less minimal, linear in practice."""


class PatchError(InputError):
    """A patch cannot be read or does not fit the text it is applied to."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk. Line texts carry their line end; starts count from 1, None where the header gave none."""

    old_start: int | None
    lines: tuple[tuple[str, str], ...]
    """(` `, `-` or `+`, text)"""

    @property
    def old(self) -> list[str]:
        """Lines that must be there before."""
        return [text for sign, text in self.lines if sign != "+"]

    @property
    def new(self) -> list[str]:
        """Lines that are there after."""
        return [text for sign, text in self.lines if sign != "-"]


@dataclass(frozen=True, slots=True)
class FilePatch:
    """All hunks of one file. A path is None where the file does not exist on that side."""

    old_path: str | None
    new_path: str | None
    hunks: tuple[Hunk, ...]


def split(text: str) -> list[str]:
    """Lines with their ends, cut at `\\n` only (as git does)."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def blocks(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Differing ranges `(a_from, a_to, b_from, b_to)`, in order; everything between them is equal."""
    head = 0
    limit = min(len(a), len(b))
    while head < limit and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < limit - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    middle_a, middle_b = a[head : len(a) - tail], b[head : len(b) - tail]
    if not middle_a and not middle_b:
        return []
    if not middle_a or not middle_b:
        return [(head, head + len(middle_a), head, head + len(middle_b))]
    junk = max(len(middle_a), len(middle_b)) > _JUNK_FROM
    matcher = SequenceMatcher(None, middle_a, middle_b, autojunk=junk)
    return [
        (i1 + head, i2 + head, j1 + head, j2 + head) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"
    ]


# ------------------------------------------------------------------------------------------------------- rendering


def render(path: str, before: str | None, after: str | None, *, context: int = 3) -> str:
    """Unified diff in git's form from `before` to `after` (None: the file is absent); empty if they are equal."""
    if before == after:
        return ""
    old, new = split(before or ""), split(after or "")
    return render_blocks(path, before is None, after is None, old, new, blocks(old, new), context=context)


def render_blocks(
    path: str,
    created: bool,
    deleted: bool,
    old: Sequence[str],
    new: Sequence[str],
    changes: Iterable[tuple[int, int, int, int]],
    *,
    context: int = 3,
) -> str:
    """Unified diff of the given differing ranges; `new` must be `old` with exactly these ranges replaced."""
    out = [f"diff --git {_quote('a/' + path)} {_quote('b/' + path)}\n"]
    if created:
        out.append("new file mode 100644\n")
    if deleted:
        out.append("deleted file mode 100644\n")
    groups: list[list[tuple[int, int, int, int]]] = []
    for change in changes:
        if groups and change[0] - groups[-1][-1][1] <= 2 * context:
            groups[-1].append(change)
        else:
            groups.append([change])
    if groups:
        out.append(f"--- {'/dev/null' if created else _named('a/' + path)}\n")
        out.append(f"+++ {'/dev/null' if deleted else _named('b/' + path)}\n")
    for group in groups:
        a_from, b_from = max(0, group[0][0] - context), max(0, group[0][2] - context)
        a_from = group[0][0] - min(group[0][0] - a_from, group[0][2] - b_from)
        b_from = group[0][2] - (group[0][0] - a_from)
        tail = min(context, len(old) - group[-1][1], len(new) - group[-1][3])
        a_to, b_to = group[-1][1] + tail, group[-1][3] + tail
        out.append(f"@@ -{_range(a_from, a_to)} +{_range(b_from, b_to)} @@\n")
        at = a_from
        for i1, i2, j1, j2 in group:
            for sign, lines in ((" ", old[at:i1]), ("-", old[i1:i2]), ("+", new[j1:j2])):
                out += [_line(sign, line) for line in lines]
            at = i2
        out += [_line(" ", line) for line in old[at:a_to]]
    return "".join(out)


def _range(start: int, stop: int) -> str:
    count = stop - start
    return f"{start + 1 if count else start}" + ("" if count == 1 else f",{count}")


def _line(sign: str, line: str) -> str:
    return sign + line if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"


_QUOTED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def _quote(path: str) -> str:
    if not any(char in _QUOTED or ord(char) < 32 for char in path):
        return path
    return '"' + "".join(_QUOTED.get(c, c if ord(c) >= 32 else f"\\{ord(c):03o}") for c in path) + '"'


def _named(path: str) -> str:
    quoted = _quote(path)
    return quoted + "\t" if " " in path and quoted == path else quoted


# --------------------------------------------------------------------------------------------------------- parsing


def parse(text: str) -> tuple[FilePatch, ...]:
    """Parse a unified diff of any number of files. Raises PatchError where a hunk is cut short."""
    files: list[tuple[str | None, str | None, list[Hunk]]] = []
    lines = split(text)
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
            files.append((_path(line[4:]), _path(lines[at + 1][4:]), []))
            at += 2
        elif line.startswith("@@") and files:
            hunk, at = _hunk(lines, at)
            files[-1][2].append(hunk)
        else:
            at += 1
    return tuple(FilePatch(old, new, tuple(hunks)) for old, new, hunks in files)


def parse_hunks(text: str) -> tuple[Hunk, ...]:
    """Parse hunks of one file, with or without line numbers; file headers among them are skipped."""
    lines = split(text)
    hunks: list[Hunk] = []
    at = 0
    while at < len(lines):
        if lines[at].startswith("@@"):
            hunk, at = _hunk(lines, at)
            hunks.append(hunk)
        elif not hunks and lines[at][:1] in (" ", "+", "-") and not lines[at].startswith(("--- ", "+++ ")):
            hunk, at = _hunk(["@@\n", *lines[at:]], 0)
            return (hunk,)
        else:
            at += 1
    return tuple(hunks)


def _hunk(lines: Sequence[str], at: int) -> tuple[Hunk, int]:
    header = lines[at].strip()
    match = _HEADER.match(header)
    old_left = int(match[2] or 1) if match else None
    new_left = int(match[4] or 1) if match else None
    body: list[tuple[str, str]] = []
    at += 1
    while at < len(lines):
        if old_left == 0 and new_left == 0 and not lines[at].startswith("\\"):
            break
        line = lines[at]
        sign = line[:1]
        if sign == "\\":
            if body:
                body[-1] = (body[-1][0], body[-1][1].removesuffix("\n"))
        elif sign in (" ", "-", "+") or line in ("\n", "\r\n"):
            kept = (" ", line) if line in ("\n", "\r\n") else (sign, line[1:])
            body.append(kept)
            if old_left is not None and new_left is not None:
                old_left -= kept[0] != "+"
                new_left -= kept[0] != "-"
        else:
            break
        at += 1
    if old_left or new_left:
        raise PatchError(f"the hunk {header[:60]!r} is cut short: get the patch again, whole.")
    start = int(match[1]) if match else None
    return Hunk(start, tuple(body)), at


def _path(text: str) -> str | None:
    name = text.rstrip("\r\n").removesuffix("\t")
    if name == "/dev/null":
        return None
    name = unquote(name) if name.startswith('"') else name.split("\t", 1)[0]
    return name[2:] if name[:2] in ("a/", "b/") else name


def unquote(name: str) -> str:
    """Return a path as git writes it in a patch's headers without its quotes; octal escapes are bytes of UTF-8."""
    if len(name) < 2 or not (name.startswith('"') and name.endswith('"')):
        return name
    escapes = {"n": b"\n", "t": b"\t", "r": b"\r", "a": b"\a", "b": b"\b", "f": b"\f", "v": b"\v"}
    out = bytearray()
    for match in re.finditer(r"\\([0-3][0-7]{2})|\\(.)|([^\\]+|\\)", name[1:-1], re.DOTALL):
        if match[1]:
            out.append(int(match[1], 8))
        else:
            out += escapes.get(match[2], match[2].encode()) if match[2] else match[3].encode("utf-8", "surrogatepass")
    return out.decode("utf-8", "replace")


# -------------------------------------------------------------------------------------------------------- applying


def apply(patch: FilePatch, text: str | None) -> str | None:
    """Apply strictly: every old line must be exactly where the header says. Raises PatchError otherwise.

    `text` is None where the file is absent; returns None where the patch deletes the file.
    """
    if (text is None) != (patch.old_path is None):
        raise PatchError(f"{patch.old_path or patch.new_path} is {'absent' if text is None else 'already there'}.")
    lines = split(text or "")
    out: list[str] = []
    at = 0
    for hunk in patch.hunks:
        old = hunk.old
        if hunk.old_start is None:
            raise PatchError("a hunk has no line numbers; use apply_hunks to search for its place.")
        start = hunk.old_start - 1 if old else hunk.old_start
        if start < at or lines[start : start + len(old)] != old:
            raise PatchError(f"the hunk at line {hunk.old_start} of {patch.old_path} does not fit.")
        out += lines[at:start]
        out += hunk.new
        at = start + len(old)
    result = "".join(out + lines[at:])
    if patch.new_path is None:
        if result:
            raise PatchError(f"{patch.old_path} is deleted by the patch but lines would be left.")
        return None
    return result


def apply_hunks(hunks: Iterable[Hunk], text: str) -> str:
    """Apply hunks where their old lines are found, nearest to where they are said to be.

    Tolerates missing or stale line numbers, other line ends and trailing space. Raises PatchError where the old
    lines are not in the text.
    """
    lines = split(text)
    ending = "\r\n" if text.count("\r\n") * 2 > max(1, text.count("\n")) else "\n"
    shift = 0
    at = 0
    for hunk in hunks:
        old = hunk.old
        new = [line.rstrip("\r\n") + ending if line.endswith("\n") else line for line in hunk.new]
        if not old:
            start = len(lines) if hunk.old_start is None else min(len(lines), hunk.old_start + shift)
        else:
            wanted = at if hunk.old_start is None else hunk.old_start - 1 + shift
            found = _find(lines, old, wanted)
            if found is None:
                raise PatchError(f"the lines {old[0].strip()[:60]!r} … that a hunk changes are not in the file.")
            start = found
        # Context keeps the file's own bytes; only lines that the hunk adds are taken from it.
        replaced: list[str] = []
        cursor = start
        fresh = iter(new)
        for sign, _ in hunk.lines:
            if sign == "+":
                replaced.append(next(fresh))
                continue
            if sign == " ":
                next(fresh)
                replaced.append(lines[cursor])
            cursor += 1
        if start and replaced and not lines[start - 1].endswith("\n"):
            lines[start - 1] += ending
        lines[start : start + len(old)] = replaced
        shift += len(replaced) - len(old)
        at = start + len(replaced)
    return "".join(lines)


def _find(lines: Sequence[str], old: Sequence[str], wanted: int) -> int | None:
    """Nearest place to `wanted` where `old` stands, trailing space and line ends ignored."""
    stripped = [line.rstrip() for line in lines]
    target = [line.rstrip() for line in old]
    places = [
        index
        for index in range(len(stripped) - len(target) + 1)
        if stripped[index] == target[0] and stripped[index : index + len(target)] == target
    ]
    return min(places, key=lambda index: abs(index - wanted)) if places else None


def replace(text: str, old: str, new: str, *, every: bool = False) -> str:
    """Search and replace as agents' edit tools do; `\\n` in `old` also finds `\\r\\n`. Raises PatchError if absent."""
    if old not in text and "\r\n" in text:
        old, new = re.sub(r"\r?\n", "\r\n", old), re.sub(r"\r?\n", "\r\n", new)
    if not old or old not in text:
        raise PatchError(f"the text {old.strip()[:60]!r} to replace is not in the file.")
    return text.replace(old, new) if every else text.replace(old, new, 1)
