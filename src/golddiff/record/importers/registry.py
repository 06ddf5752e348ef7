"""The table of importers and the choice among them by content."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from golddiff.record.importers.contract import Importer
from golddiff.record.importers.jsonl import read_head

IMPORTERS = {
    "claude-code": "golddiff.record.importers.claude_code:ClaudeCode",
    "codex": "golddiff.record.importers.codex:Codex",
}
"""Name → dotted path, tried in this order. A format may be added without touching this module: extend the table."""


@cache
def importers() -> tuple[Importer, ...]:
    """Every importer of the table, imported on first use."""
    found: list[Importer] = []
    for target in IMPORTERS.values():
        module, _, attribute = target.partition(":")
        found.append(getattr(importlib.import_module(module), attribute)())
    return tuple(found)


def importer_for(path: Path) -> Importer | None:
    """Return the importer whose format the file's head has, or None. Raises `OSError` where it cannot be read."""
    head = read_head(path)
    return next((importer for importer in importers() if importer.sniff(head)), None) if head else None
