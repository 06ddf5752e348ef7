"""OpenTelemetry in files: spans and log records of model calls, under the GenAI conventions or OpenInference's.

A file is OTLP in JSON: one document, pretty-printed or not, or JSON Lines with a document per line, as the collector's
file exporter writes them. Every conversation in it becomes a session. Spans that are not a model's, a tool's or an
agent's are counted and not looked into. How conventions and histories are read: `record.otlp`.

A conversation that is spread over several files becomes a session per file; what `golddiff otlp` receives is put
together over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.documents import is_json_lines, key, read_document, states
from golddiff.record.importers.heads import Head
from golddiff.record.importers.jsonl import JsonLines
from golddiff.record.otlp.reading import Document, Read
from golddiff.record.otlp.sessions import SOURCE, transcripts

_SPANS = (key("resourceSpans", r"\["), key("scopeSpans", r"\["))
_LOGS = (key("resourceLogs", r"\["), key("scopeLogs", r"\["))
_DOCUMENT = msgspec.json.Decoder(Document)


class OpenTelemetry:
    """Importer of OTLP JSON files."""

    name = SOURCE

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where the head has resource spans or resource logs with scopes in them."""
        return states(head, *_SPANS) or states(head, *_LOGS)

    def read(self, path: Path) -> Reading:
        """Read one file into a session for each conversation."""
        head = Head(path)
        read = Read()
        damaged: tuple[Damage, ...] = ()
        if is_json_lines(head):
            lines = JsonLines(path, Document)
            for document in lines:
                read.add(document)
            damaged = tuple(lines.damaged)
            read.skipped.update(lines.skipped)
        else:
            whole = read_document(path, _DOCUMENT)
            if isinstance(whole, Damage):
                return Reading(damaged=(whole,))
            if whole is None:
                return Reading(skipped={"unexpected shape": 1})
            read.add(whole)
        found, skipped = transcripts(read, str(path))
        return Reading(tuple(ReadSession(one, copy=True) for one in found), damaged, dict(skipped))
