"""The table of importers and the choice among them by content.

A package outside golddiff adds an importer with an entry point in the group `golddiff.importers` whose object is a
class without arguments; the built-in ones are asked first.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib import metadata
from pathlib import Path

from golddiff.errors import InputError
from golddiff.record.importers.contract import Importer, RepositoryImporter
from golddiff.record.importers.heads import Head

IMPORTERS = {
    "qwen-code": "golddiff.record.importers.qwen_code:QwenCode",
    "claude-code": "golddiff.record.importers.claude_code.importer:ClaudeCode",
    "codex": "golddiff.record.importers.codex.importer:Codex",
    "copilot-cli": "golddiff.record.importers.copilot_cli:CopilotCli",
    "gemini-cli": "golddiff.record.importers.gemini_cli.importer:GeminiCli",
    "mini-swe-agent": "golddiff.record.importers.mini_swe_agent:MiniSweAgent",
    "openhands": "golddiff.record.importers.openhands.importer:OpenHands",
    "swe-agent": "golddiff.record.importers.swe_agent.importer:SweAgent",
    "atif": "golddiff.record.importers.atif:Atif",
    "aider": "golddiff.record.importers.aider.history:Aider",
    "otel": "golddiff.record.importers.otel:OpenTelemetry",
    "specstory": "golddiff.record.importers.specstory.importer:SpecStory",
    "agent-trace": "golddiff.record.importers.agent_trace:AgentTrace",
    "chat-jsonl": "golddiff.record.importers.chat_jsonl:ChatJsonl",
}
"""Name → dotted path, tried in this order: a Qwen Code record also has all that tells a Claude Code record."""

REPOSITORY_IMPORTERS = {
    "aider-commits": "golddiff.record.importers.aider.commits:AiderCommits",
    "git-ai": "golddiff.record.importers.git_ai.importer:GitAi",
    "entire": "golddiff.record.importers.entire:Entire",
}
"""Name → dotted path of what reads git repositories, asked in this order."""

ENTRY_POINTS = "golddiff.importers"


@cache
def importers() -> tuple[Importer, ...]:
    """Every importer of the table and of other packages, imported on first use.

    Raises InputError where an importer of another package does not load.
    """
    found: list[Importer] = []
    for target in IMPORTERS.values():
        module, _, attribute = target.partition(":")
        found.append(getattr(importlib.import_module(module), attribute)())
    for point in metadata.entry_points(group=ENTRY_POINTS):
        try:
            found.append(point.load()())
        except Exception as error:
            raise InputError(
                f"the importer `{point.name}` ({point.value}) does not load: {error}. Repair or uninstall its package."
            ) from error
    return tuple(found)


@cache
def repository_importers() -> tuple[RepositoryImporter, ...]:
    """Every repository importer of the table, imported on first use."""
    found: list[RepositoryImporter] = []
    for target in REPOSITORY_IMPORTERS.values():
        module, _, attribute = target.partition(":")
        found.append(getattr(importlib.import_module(module), attribute)())
    return tuple(found)


def importer_for(path: Path) -> Importer | None:
    """Return the importer whose format the file's head has, or None. Raises `OSError` where it cannot be read."""
    head = Head(path)
    return next((importer for importer in importers() if importer.sniff(head)), None) if head else None
