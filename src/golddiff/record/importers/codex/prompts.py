"""What a user message of Codex says: typed by the user, or injected by the client."""

from __future__ import annotations

from golddiff.record.importers.codex.records import Content

_INJECTED = (
    "# AGENTS.md instructions", "<INSTRUCTIONS>", "<collaboration_mode", "<environment_context", "<permissions",
    "<skill>", "<subagent_notification", "<turn_aborted", "<user_action>", "<user_instructions>", "<user_shell_command",
)  # fmt: skip
_IDE_CONTEXT = "# Context from my IDE setup:"
_IDE_REQUEST = "## My request for Codex:"


def is_injected(text: str) -> bool:
    """Say whether the client wrote this user message."""
    return text.lstrip().startswith(_INJECTED)


def split_request(text: str) -> tuple[str | None, str]:
    """Part what an editor put in front of the user's request: (note or None, request)."""
    if text.startswith(_IDE_CONTEXT):
        note, marker, request = text.partition(_IDE_REQUEST)
        if marker:
            return note.strip(), request.strip()
    return None, text


def content_text(content: list[Content] | str | None) -> str:
    """Text of a message's parts; pictures become their type in brackets."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.text if part.text is not None else f"[{part.type}]" for part in content)
