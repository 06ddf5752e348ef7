"""Agent Trace records (RFC 0.1.0): which lines of which files a conversation wrote.

No transcript: a record names files, line ranges at a revision, and who contributed them. Each contributor of each
conversation in a record becomes one `Attribution`. Files are one JSON record, a list of them, or JSON Lines
(`.agent-trace/traces.jsonl`, as the reference hook writes it).

The specification says that lines are those at `vcs.revision`; real hooks write the record when the agent edits, so the
revision is the commit *before* the change. golddiff keeps what is stated. `.shell-history` and `.sessions` are how the
reference hook logs commands and sessions: no files, left out.

Format: the README and schemas of `cursor/agent-trace`, and one published trace file (docs/importers.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers.contract import Damage, Reading
from golddiff.record.importers.documents import is_json_lines, key, read_document, states
from golddiff.record.importers.heads import Head
from golddiff.record.importers.jsonl import JsonLines
from golddiff.record.importers.timestamps import moment
from golddiff.types import Attribution, Contributor, LineRange

_NO_FILES = frozenset({".shell-history", ".sessions"})
_LAST_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.jsonl)?/?$")
_SHAPE = (key("version", r'"\d+\.\d+'), key("files", r"\["), key("conversations", r"\["))


class By(msgspec.Struct, frozen=True):
    """A contributor."""

    type: str | None = None
    model_id: str | None = None


class Range(msgspec.Struct, frozen=True):
    """Lines, from 1, the last one included."""

    start_line: int
    end_line: int
    content_hash: str | None = None
    contributor: By | None = None


class Conversation(msgspec.Struct, frozen=True):
    """Ranges of one file that one conversation wrote."""

    ranges: list[Range]
    url: str | None = None
    contributor: By | None = None


class File(msgspec.Struct, frozen=True):
    """A file and the conversations that contributed to it."""

    path: str
    conversations: list[Conversation]


class Vcs(msgspec.Struct, frozen=True):
    """Where line numbers count."""

    type: str = "git"
    revision: str | None = None


class Tool(msgspec.Struct, frozen=True):
    """The client."""

    name: str | None = None


class Record(msgspec.Struct, frozen=True):
    """One trace record."""

    version: str
    id: str
    timestamp: str
    files: list[File]
    vcs: Vcs | None = None
    tool: Tool | None = None
    metadata: dict[str, Any] | None = None


_DOCUMENT = msgspec.json.Decoder(Record | list[Record])


class AgentTrace:
    """Importer of Agent Trace records."""

    name = "agent-trace"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where the head has a version, files and their conversations."""
        return states(head, *_SHAPE)

    def read(self, path: Path) -> Reading:
        """Read one file into claims."""
        head = Head(path)
        skipped: Counter[str] = Counter()
        records: Iterable[Record]
        damaged: list[Damage] = []
        if is_json_lines(head) and head[0].startswith(b"{"):
            lines = JsonLines(path, Record)
            records = list(lines)
            damaged, skipped = lines.damaged, lines.skipped
        else:
            document = read_document(path, _DOCUMENT)
            if isinstance(document, Damage):
                return Reading(damaged=(document,))
            if document is None:
                return Reading(skipped={"unexpected shape": 1})
            records = document if isinstance(document, list) else [document]
        claims = [claim for record in records for claim in _claims(record, str(path), skipped)]
        return Reading(damaged=tuple(damaged), skipped=dict(skipped), attributions=tuple(claims))


def _claims(record: Record, source_path: str, skipped: Counter[str]) -> list[Attribution[str]]:
    found: dict[tuple[str | None, Contributor, str | None], list[LineRange[str]]] = {}
    for file in record.files:
        if file.path in _NO_FILES:
            skipped[f"not a file: {file.path}"] += 1
            continue
        path = file.path.replace("\\", "/")
        for conversation in file.conversations:
            for part in conversation.ranges:
                if not 0 < part.start_line <= part.end_line:
                    skipped["not a range of lines"] += 1
                    continue
                by = part.contributor or conversation.contributor or By()
                lines = found.setdefault((conversation.url, _contributor(by), by.model_id), [])
                lines.append(
                    LineRange(
                        path=path,
                        first_line=part.start_line,
                        last_line=part.end_line,
                        content_hash=part.content_hash,
                    )
                )
    vcs = record.vcs or Vcs()
    return [
        Attribution(
            id="",
            source=AgentTrace.name,
            claim=f"{record.id}/{number}",
            vcs=vcs.type,
            revision=vcs.revision,
            contributor=contributor,
            provider_session_id=_session(record, url),
            tool=record.tool.name if record.tool is not None else None,
            model=model,
            at=moment(record.timestamp),
            lines=tuple(lines),
            url=url,
            source_path=source_path,
        )
        for number, ((url, contributor, model), lines) in enumerate(found.items())
    ]


def _contributor(by: By) -> Contributor:
    try:
        return Contributor(by.type or "unknown")
    except ValueError:
        return Contributor.UNKNOWN


def _session(record: Record, url: str | None) -> str | None:
    """The client's id of the session: the specification has no place for it, clients put it in metadata or the URL."""
    for name in ("conversation_id", "session_id"):
        value = (record.metadata or {}).get(name)
        if isinstance(value, str):
            return value
    match = _LAST_NAME.search(url.replace("\\", "/")) if url is not None else None
    return match[1] if match is not None else None
