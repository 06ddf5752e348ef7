"""Instruction + window + earlier accepted diffs → messages, and the answer → updated window. The only place.

The edit format is *original/updated blocks* (whole window out, no diff syntax: Sweep's next-edit report, science.md
1.2). The user message is the instruction, a newline, and the window; the assistant message is the updated window and
nothing else. Earlier accepted changes (R0) are earlier turns of the same shape. `curate`, `train`, `evaluate` and
`serve` all go through these two functions, so a request to `/v1/chat/completions` with the same content meets the same
tokens that the student was trained on.

A trained student gets the bare form. An untrained model cannot know the format, so `explain=True` says it in a system
message: that is the fair form for the arms base and R0.

Windows travel with `\\n` line ends and without their last one; `parse_update` gives the window's own convention back.
Not covered: cutting windows (`windows`) and which tokens mark the turns (`models.renderer`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from golddiff.types import Message

if TYPE_CHECKING:
    from golddiff.types import Example

EXPLANATION = "You edit Python code. Apply the instruction to the code. Reply with the updated code only."
"""System message for models that were not trained on the format."""

MOST_INSTRUCTION_CHARACTERS = 600
"""Longer instructions keep their end (the latest prompts), where nobody says otherwise."""

_PULL_NUMBER = re.compile(r"\s*\(#\d+\)\s*$")
_FENCED = re.compile(r"^```[^\n`]*\n(?P<body>.*?)\n?```[ \t]*$", re.DOTALL | re.MULTILINE)


def edit_messages(example: Example, shots: Sequence[Example] = (), *, explain: bool = False) -> tuple[Message, ...]:
    """Return the conversation that asks for `example`'s change; `shots` are earlier accepted changes, nearest last."""
    messages = [Message("system", EXPLANATION)] if explain else []
    for shot in shots:
        messages += [_request(shot), Message("assistant", update_text(shot))]
    return (*messages, _request(example))


def commit_instruction(subject: str, most_characters: int = MOST_INSTRUCTION_CHARACTERS) -> str:
    """Return what a commit's subject asks for: without the number of the pull request that it came from."""
    return _PULL_NUMBER.sub("", subject)[-most_characters:]


def update_text(example: Example) -> str:
    """Return the answer that `edit_messages` should get: the accepted window as the assistant writes it."""
    return _travelling(example.after)


def parse_update(text: str, *, before: str = "\n") -> str | None:
    """Return the updated window in an answer, or None where there is none.

    Chat models like to put the code into a fence, with words around it: the only fenced block of an answer is the
    update. Several blocks, an unfinished fence or an empty answer are none. A window that holds fences itself is
    taken as it comes. `before` is the original window: its line ends are given to the update.
    """
    body = text.replace("\r\n", "\n")
    if "```" in body and "```" not in before:
        blocks = [found["body"] for found in _FENCED.finditer(body)]
        if len(blocks) != 1 or body.count("```") != 2:
            return None
        body = blocks[0]
    if not body.strip():
        return None
    if body.endswith("\n") and not _travelling(before).endswith("\n"):  # chat models end with one; we do not ask for it
        body = body[:-1]
    ending = "\r\n" if before.endswith("\r\n") else "\n"
    return body.replace("\n", ending) + (ending if before.endswith("\n") else "")


def _request(example: Example) -> Message:
    return Message("user", f"{example.instruction.strip()}\n{_travelling(example.before)}")


def _travelling(window: str) -> str:
    return window.replace("\r\n", "\n").removesuffix("\n")
