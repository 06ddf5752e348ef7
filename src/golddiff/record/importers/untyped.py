"""Values in JSON whose shape no specification fixes: texts in parts, strings and counts at a place, tokens.

For formats whose shapes changed from build to build, so that no typed structure holds them. Nothing here raises.
"""

from __future__ import annotations

from typing import Any

from golddiff.record.importers.jsonl import printable_type
from golddiff.record.importers.tool_shapes import json_text
from golddiff.types import Usage

_PICTURES = ("image_url", "input_image")


def string_at(place: object, *names: str) -> str | None:
    """The string below `place` at these keys, one in the other; None where there is none or an empty one."""
    for name in names:
        place = place.get(name) if isinstance(place, dict) else None
    return place if isinstance(place, str) and place else None


def said_text(content: object) -> str:
    """What is said in a message: a string, or parts, of which some hold parts themselves; pictures are `[image]`."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    found = []
    for part in content:
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, dict):
            inner = part.get("text") or part.get("content")
            if isinstance(inner, str | list):
                found.append(said_text(inner))
            elif part.get("type") in _PICTURES or "image_urls" in part:
                found.append("[image]")
    return "\n".join(found)


def marked_text(content: object) -> str:
    """Text of a message of which nothing is left out: parts without text become their type in brackets."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        return json_text(content) or ""
    found = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        kind = printable_type(part.get("type")) if isinstance(part, dict) else "part"
        found.append(text if isinstance(text, str) else f"[{kind}]")
    return "\n".join(found)


def usage_of(counted: object) -> Usage | None:
    """Tokens in the manner of OpenAI's APIs, where the input counts what the cache gave; None where none are stated.

    What the cache gave is looked for in each of the places that clients put it.
    """
    if not isinstance(counted, dict):
        return None
    prompt = _count(counted, "prompt_tokens", "input_tokens")
    details = counted.get("prompt_tokens_details") or counted.get("input_tokens_details")
    cached = _count(counted, "cache_read_tokens", "cache_read_input_tokens") or _count(details, "cached_tokens")
    cached = min(cached, prompt)
    written = min(_count(counted, "cache_write_tokens", "cache_creation_input_tokens"), prompt)
    return Usage(
        input_tokens=max(0, prompt - cached - written),
        output_tokens=_count(counted, "completion_tokens", "output_tokens"),
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )


def _count(counted: Any, *names: str) -> int:
    if not isinstance(counted, dict):
        return 0
    return next((max(0, counted[name]) for name in names if type(counted.get(name)) is int), 0)
