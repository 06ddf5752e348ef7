"""git-ai's authorship notes (`refs/notes/ai`, standard 3.0.0): who wrote which lines of a commit.

A note is an attestation (files, keys, line ranges), a line `---`, and JSON that says what the keys are: `s_…::t_…` an
agent's session, `h_…` a person, bare hexadecimal a prompt of an older build. Each key of each note becomes one
`Attribution`; traces of one session are merged. Builds up to 1.3.3 also copied the conversation into the note: it
grows from note to note, so of each session the longest copy becomes a transcript (`git_ai.messages`).

Names and addresses of people are in the notes and are not read.

How it fits: `ingest` calls this for a path that is a repository; `golddiff.git` reads it. Notes are claims: anyone who
may push notes may write them. Format: `specs/git_ai_standard_v3.0.0.md` of git-ai, and 10,685 notes of its repository.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from golddiff.git import GitRepository
from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.git_ai.messages import transcript_of
from golddiff.record.importers.jsonl import decode
from golddiff.types import Attribution, Contributor, LineRange

_REFS = ("refs/notes/ai-remote/", "refs/notes/ai")
_ENTRY = re.compile(rb"  (\S+) ([0-9][0-9,-]*)")
_RANGE = re.compile(rb"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_NOTES_AT_ONCE = 200
"""Notes that are stored in one transaction."""


class Agent(msgspec.Struct, frozen=True):
    """The agent of a session, and the client's id of it."""

    tool: str | None = None
    id: str | None = None
    model: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """What the note's JSON says about one key."""

    agent_id: Agent | None = None
    messages: msgspec.Raw = msgspec.Raw()
    messages_url: str | None = None
    total_additions: int | None = None
    accepted_lines: int | None = None
    overriden_lines: int | None = None
    """Spelt as in the standard."""


class Metadata(msgspec.Struct, frozen=True):
    """The JSON of a note. Persons (`humans`, `human_author`) are left out on purpose."""

    schema_version: str
    prompts: dict[str, Entry] | None = None
    sessions: dict[str, Entry] | None = None

    @property
    def entries(self) -> dict[str, Entry]:
        """Prompts of older builds and sessions, by key."""
        return {**(self.prompts or {}), **(self.sessions or {})}


@dataclass
class Note:
    """A note, taken apart."""

    metadata: Metadata
    lines: dict[str, list[LineRange[str]]] = field(default_factory=dict)
    """By key, without its trace."""
    damaged: list[tuple[int, str]] = field(default_factory=list)
    """Line of the note, from 1, and what is wrong with it."""


_METADATA = msgspec.json.Decoder(Metadata)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_BYTE = re.compile(r"\(byte (\d+)\)")


class GitAi:
    """Importer of git-ai's notes."""

    name = "git-ai"

    def read(self, git: GitRepository) -> Iterator[Reading]:
        """Yield the claims of all notes, then one transcript for each conversation that they hold."""
        longest: dict[tuple[str, str], tuple[int, str, str, Path]] = {}
        claims: list[Attribution[str]] = []
        damaged: list[Damage] = []
        skipped: Counter[str] = Counter()
        for count, (commit, blob, place) in enumerate(_notes(git)):
            note = parse_note(git.blob(blob) or b"")
            if not isinstance(note, Note):
                if note is None:
                    skipped["a note of another tool"] += 1
                else:
                    damaged.append(Damage(place, *note))
                continue
            damaged += [Damage(place, *what) for what in note.damaged]
            claims += attributions(note, commit, str(place))
            for key, entry in note.metadata.entries.items():
                agent = entry.agent_id
                if agent is not None and agent.id and (size := _messages(entry)):
                    whose = (agent.tool or "", agent.id)
                    if size > longest.get(whose, (0,))[0]:
                        longest[whose] = (size, blob, key, place)
            if (count + 1) % _NOTES_AT_ONCE == 0:
                yield Reading(attributions=tuple(claims), damaged=tuple(damaged), skipped=dict(skipped))
                claims, damaged, skipped = [], [], Counter()
        yield Reading(attributions=tuple(claims), damaged=tuple(damaged), skipped=dict(skipped))
        remotes = git.remotes()
        for _, blob, key, place in longest.values():
            note = parse_note(git.blob(blob) or b"")
            if isinstance(note, Note):
                entry = note.metadata.entries[key]
                agent = entry.agent_id or Agent()
                session = transcript_of(
                    entry.messages, agent.tool, agent.id, agent.model, str(place), remotes[0] if remotes else None
                )
                if session is not None:
                    yield Reading((ReadSession(session, copy=True),))


def parse_note(data: bytes) -> Note | tuple[int, str] | None:
    """Return the note, the line and reason of its damage, or None where it is no note of git-ai's."""
    head, separator, tail = (b"", b"---\n", data[4:]) if data.startswith(b"---\n") else data.partition(b"\n---\n")
    if not separator or b'"schema_version"' not in tail:
        return None
    try:
        metadata = decode(_METADATA, tail)
    except msgspec.ValidationError as error:
        return data[: len(data) - len(tail)].count(b"\n") + 1, f"unexpected shape: {error}"
    except msgspec.DecodeError as error:
        place = _BYTE.search(str(error))
        before = data[: len(data) - len(tail) + (int(place[1]) if place else len(tail.rstrip()))]
        return before.count(b"\n") + 1, str(error)
    if not metadata.schema_version.startswith("authorship/"):
        return None
    note = Note(metadata)
    path: str | None = None
    for number, line in enumerate(head.split(b"\n"), 1):
        if not line.strip():
            continue
        if not line.startswith(b" "):
            text = line.decode("utf-8", "replace")
            path = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
            continue
        found = _ENTRY.fullmatch(line)
        ranges = _ranges(found[2]) if found is not None else None
        if found is None or ranges is None or path is None:
            note.damaged.append((number, "not an attestation"))
            continue
        key = found[1].decode("utf-8", "replace").partition("::")[0]
        mine = note.lines.setdefault(key, [])
        mine += [LineRange(path=path, first_line=first, last_line=last) for first, last in ranges]
    return note


def attributions(note: Note, commit: str, source_path: str) -> list[Attribution[str]]:
    """One claim per key that the note attests or describes."""
    entries = note.metadata.entries
    found = []
    for key in dict.fromkeys((*note.lines, *entries)):
        entry = entries.get(key, Entry())
        agent = entry.agent_id or Agent()
        if key.startswith("h_") or key == "human":
            contributor = Contributor.HUMAN
        elif key in entries or key == "ai_agent":
            contributor = Contributor.AI
        else:
            contributor = Contributor.UNKNOWN
        found.append(
            Attribution(
                id="",
                source=GitAi.name,
                claim=key,
                revision=commit,
                contributor=contributor,
                provider_session_id=agent.id,
                tool=agent.tool,
                model=agent.model,
                lines=tuple(sorted(note.lines.get(key, ()), key=lambda line: (line.path, line.first_line))),
                proposed_lines=entry.total_additions,
                accepted_lines=entry.accepted_lines,
                revised_lines=entry.overriden_lines,
                url=entry.messages_url,
                source_path=source_path,
            )
        )
    return found


def _notes(git: GitRepository) -> Iterator[tuple[str, str, Path]]:
    """Commit, blob and place of every note; one of the own ref hides the remote's on the same commit."""
    refs = git.refs()
    found: dict[str, tuple[str, Path]] = {}
    for name in sorted(refs, key=lambda name: name == _REFS[1]):
        if name == _REFS[1] or name.startswith(_REFS[0]):
            for path, blob in git.tree(refs[name]).items():
                found[path.replace("/", "")] = (blob, git.git_dir / name / path)
    for commit, (blob, place) in found.items():
        yield commit, blob, place


def _messages(entry: Entry) -> int:
    """Number of messages that the entry holds."""
    try:
        return len(decode(_LIST, entry.messages)) if entry.messages else 0
    except msgspec.DecodeError:
        return 0


def _ranges(text: bytes) -> list[tuple[int, int]] | None:
    found = []
    for part in text.split(b","):
        match = _RANGE.fullmatch(part)
        if match is None:
            return None
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if not 0 < first <= last:
            return None
        found.append((first, last))
    return found
