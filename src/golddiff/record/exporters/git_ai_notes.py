"""Outcomes as git-ai's authorship notes (standard 3.0.0): which lines of a commit a session wrote.

One note per accepting commit, over all sessions with lines in it. Attested are lines that the user kept as the session
wrote them, numbered as in that commit; lines that the user revised are counted (`overriden_lines`), as git-ai does.
Prompts and messages stay here. `record.importers.git_ai` reads the notes back; its module says how a note is built.

Not covered: commits that are linked but off the followed branch, and persons: golddiff stores none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from golddiff import __version__
from golddiff.types import Clean, LineFate, LivedLines, Outcome, Session, Survival

SCHEMA = "authorship/3.0.0"
MAKER = "golddiff:"
"""Begins `git_ai_version` of notes that golddiff wrote: only these does it ever replace."""
_PLAIN = re.compile(r'[^\s"\\\x00-\x1f\x7f]+')


@dataclass
class Notes:
    """Notes by commit, and what no note could say."""

    by_commit: dict[str, str] = field(default_factory=dict)
    lines: int = 0
    """Lines attested."""
    left_out: int = 0
    """Lines in files whose name the format cannot hold."""


def notes_of(found: Iterable[tuple[Survival, Outcome, Session[Clean]]]) -> Notes:
    """Return the notes of these outcomes."""
    commits: dict[str, list[tuple[Session[Clean], Outcome, list[LivedLines]]]] = {}
    notes = Notes()
    for survival, outcome, session in found:
        mine: dict[str, list[LivedLines]] = {}
        for group in survival.groups:
            if _quoted(group.path) is None:
                notes.left_out += group.lines
            else:
                mine.setdefault(group.accepted_by, []).append(group)
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


def _note(sha: str, entries: list[tuple[Session[Clean], Outcome, list[LivedLines]]]) -> tuple[str, int]:
    attested: dict[str, list[str]] = {}
    sessions, total = {}, 0
    for session, outcome, groups in entries:
        key = f"s_{_digest(session.id)}"
        own = [group for group in groups if group.fate is LineFate.KEPT]
        ranges: dict[str, list[tuple[int, int]]] = {}
        for group in own:
            ranges.setdefault(group.path, []).append((group.first_line, group.first_line + group.lines - 1))
        for path, found in ranges.items():
            said = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _joined(found))
            attested.setdefault(path, []).append(f"  {key}::t_{_digest(outcome.id)} {said}")
        accepted = sum(group.lines for group in own)
        total += accepted
        agent = {"tool": session.source, "id": session.provider_session_id or session.id}
        model = next(iter(session.models), None)
        sessions[key] = {
            "agent_id": agent | ({"model": model} if model else {}),
            "total_additions": outcome.written_lines,
            "accepted_lines": accepted,
            "overriden_lines": sum(group.lines for group in groups if group.fate is LineFate.REVISED),
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
