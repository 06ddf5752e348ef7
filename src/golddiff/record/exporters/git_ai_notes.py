"""Outcomes as git-ai's authorship notes (standard 3.0.0): which lines of a commit a session wrote.

One note per accepting commit, over all sessions with lines in it. Attested are lines that the user kept as the session
wrote them, numbered as in that commit; lines that the user revised are counted (`overriden_lines`), as git-ai does.
Prompts and messages stay here. `record.importers.git_ai` reads the notes back; its module says how a note is built.

Not covered: commits that are linked but off the followed branch, and persons: golddiff stores none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from golddiff import __version__
from golddiff.types import Clean, LineFate, LivedLines, Outcome, Session, Survival

SCHEMA = "authorship/3.0.0"
MAKER = "golddiff:"
"""Begins `git_ai_version` of notes that golddiff wrote: only these does it ever replace."""
_PLAIN = re.compile(r'[^\s"\\\x00-\x1f\x7f]+')


_Placed = tuple[LivedLines, list[tuple[int, int]]]
"""Lines of one life, and where they stand in the accepting commit."""


@dataclass
class Notes:
    """Notes by commit, and what no note could say."""

    by_commit: dict[str, str] = field(default_factory=dict)
    lines: int = 0
    """Lines attested."""
    left_out: int = 0
    """Lines in files whose name the format cannot hold, or that the repository does not have."""


def notes_of(
    found: Iterable[tuple[Survival, Outcome, Session[Clean]]], file_at: Callable[[str, str], Sequence[str] | None]
) -> Notes:
    """Return the notes of these outcomes.

    `file_at` gives the lines of a file in a commit, by SHA and path, or None where it is not there: blank lines stand
    between the lines of a group and are attested by nobody.
    """
    commits: dict[str, list[tuple[Session[Clean], Outcome, list[_Placed]]]] = {}
    notes = Notes()
    for survival, outcome, session in found:
        mine: dict[str, list[_Placed]] = {}
        for group in survival.groups:
            ranges = None if _quoted(group.path) is None else _ranges(group, file_at(group.accepted_by, group.path))
            if ranges is None:
                notes.left_out += group.lines
            else:
                mine.setdefault(group.accepted_by, []).append((group, ranges))
        for sha, groups in mine.items():
            commits.setdefault(sha, []).append((session, outcome, groups))
    for sha, entries in commits.items():
        text, lines = _note(sha, sorted(entries, key=lambda entry: entry[0].id))
        notes.lines += lines
        if lines:
            notes.by_commit[sha] = text
    return notes


def is_ours(note: bytes) -> bool:
    """Whether golddiff wrote this note."""
    return f'"git_ai_version": "{MAKER}'.encode() in note


def _ranges(group: LivedLines, lines: Sequence[str] | None) -> list[tuple[int, int]] | None:
    """First and last line of each run of the group's lines; None where the file does not hold that many."""
    numbers: list[int] = []
    for number in range(group.first_line, len(lines or ()) + 1):
        if len(numbers) == group.lines:
            break
        if (lines or ())[number - 1].strip():
            numbers.append(number)
    return _joined([(number, number) for number in numbers]) if len(numbers) == group.lines else None


def _note(sha: str, entries: list[tuple[Session[Clean], Outcome, list[_Placed]]]) -> tuple[str, int]:
    attested: dict[str, list[str]] = {}
    sessions, total = {}, 0
    for session, outcome, groups in entries:
        key = f"s_{_digest(session.id)}"
        ranges: dict[str, list[tuple[int, int]]] = {}
        for group, places in groups:
            if group.fate is LineFate.KEPT:
                ranges.setdefault(group.path, []).extend(places)
        for path, found in ranges.items():
            said = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _joined(found))
            attested.setdefault(path, []).append(f"  {key}::t_{_digest(outcome.id)} {said}")
        accepted = sum(group.lines for group, _ in groups if group.fate is LineFate.KEPT)
        total += accepted
        agent = {"tool": session.source, "id": session.provider_session_id or session.id}
        model = next(iter(session.models), None)
        sessions[key] = {
            "agent_id": agent | ({"model": model} if model else {}),
            "total_additions": outcome.written_lines,
            "accepted_lines": accepted,
            "overriden_lines": sum(group.lines for group, _ in groups if group.fate is LineFate.REVISED),
        }
    metadata = {
        "schema_version": SCHEMA,
        "git_ai_version": f"{MAKER}{__version__}",
        "base_commit_sha": sha,
        "prompts": {},
        "sessions": sessions,
    }
    lines = [line for path, said in sorted(attested.items()) for line in (str(_quoted(path)), *said)]
    return "\n".join([*lines, "---", json.dumps(metadata, indent=2)]) + "\n", total


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(last, out[-1][1]))
        else:
            out.append((first, last))
    return out


def _quoted(path: str) -> str | None:
    """A path as the format writes it; None where it holds what neither form can."""
    if _PLAIN.fullmatch(path):
        return path
    return None if re.search(r'["\\\x00-\x1f\x7f]', path) or not path else f'"{path}"'


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=7).hexdigest()
