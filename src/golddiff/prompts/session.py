"""What a user asked for in a session, as the instruction of a row or a task: nothing said on seeing the answer.

How it fits: `curate` words the rows of sessions here, `evaluate` the tasks that are made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from golddiff.prompts.edit import MOST_INSTRUCTION_CHARACTERS
from golddiff.types import Attempt, Clean, Event

__all__ = ["first_attempt", "session_instruction"]


def first_attempt(attempts: Iterable[Attempt], paths: Iterable[str]) -> Attempt | None:
    """Return the first of a session's attempts, in order, after which one of `paths` differs from the base."""
    wanted = set(paths)
    return next((attempt for attempt in attempts if wanted.intersection(attempt.paths)), None)


def session_instruction(
    prompts: Sequence[Event[Clean]], first: Attempt | None, most_characters: int = MOST_INSTRUCTION_CHARACTERS
) -> str:
    """Return the prompts up to the end of the first attempt, or the first prompt where no attempt is known."""
    last = first.last_event if first else prompts[0].sequence if prompts else -1
    text = "\n\n".join(str(event.text).strip() for event in prompts if event.sequence <= last)
    return text[-most_characters:].strip()
