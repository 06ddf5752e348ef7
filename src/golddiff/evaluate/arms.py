"""What is compared: the untrained base, the base with earlier accepted changes (R0), students, teachers, controls.

How it fits: an arm is a model behind `providers.Upstream` plus how it is asked, or the answers that a teacher gave
when the session was recorded. `run.evaluate` asks every arm the same tasks; `cli.evaluate` and recipes make the arms.

An untrained model is told the edit format in words (`explain`); a student was trained on the bare form and gets that,
as `serve` would ask it. R0 (`shots`) shows only changes accepted before the task's own time; a teacher with it is the
fair teacher.

Several trainings of one recipe that differ only in their seed are one arm each, with one `training` between them: the
summary then speaks of the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from golddiff.errors import UsageError
from golddiff.evaluate.about import About
from golddiff.evaluate.budget import Price
from golddiff.prompts import edit_messages
from golddiff.prompts.nearest import EarlierChanges
from golddiff.providers.upstream import Upstream
from golddiff.types import Example, Message, derive_id

__all__ = ["Arm", "Role", "recorded_answers"]


class Role(StrEnum):
    """What an arm is in the comparison."""

    BASE = "base"  # untrained; the best of these is what capability recovered counts from
    STUDENT = "student"
    TEACHER = "teacher"
    CONTROL = "control"  # trained on something that should not help as much


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm. It has either an `upstream` or `recorded` answers."""

    name: str
    """As it stands in reports."""
    role: Role
    identity: str
    """Which weights answer: checkpoint id, name and hash of weights, or model name at its server."""
    variant: str = ""
    """How they are run, where that can change an answer: quantisation, server."""
    upstream: Upstream | None = field(default=None, compare=False)
    recorded: Mapping[str, str] | None = field(default=None, compare=False)
    """Example id → window as the model left it; tasks that are not in it are unscored."""
    explain: bool = False
    """Say the edit format in a system message."""
    shots: int = 0
    """Earlier accepted changes to show (R0); 0 shows none."""
    context_characters: int = 6000
    """Most characters of a conversation with shots; the farthest shots are left out beyond it."""

    in_flight: int = 0
    """Requests at a time where the model is a server; 0: it is given batches."""
    price: Price | None = None
    """What the model's server charges; None: nobody said."""
    training: str = ""
    """Name that this arm shares with other trainings of one recipe; empty: it stands alone."""
    examples: int | None = None
    """Rows that it was trained on; None: untrained or unknown."""

    def __post_init__(self) -> None:
        if (self.upstream is None) == (self.recorded is None):
            raise UsageError(f"arm {self.name} needs either a model to ask or recorded answers")

    def about(self) -> About:
        """Return what a report must know of the arm besides its scores."""
        return About(
            role=self.role.value,
            training=self.training,
            examples=self.examples,
            in_flight=self.in_flight,
            price=self.price.source if self.price else "",
        )

    def shapes(self) -> dict[str, object]:
        """Return all that can change a score of this arm besides the weights' answers themselves; JSON can hold it."""
        recorded = [text for pair in sorted((self.recorded or {}).items()) for text in pair]
        return {
            "name": self.name,
            "identity": self.identity,
            "variant": self.variant,
            "recorded": derive_id("answers", *recorded),
            "explain": self.explain,
            "shots": [self.shots, self.context_characters] if self.shots else None,
            "in_flight": self.in_flight,
            "price": self.price,
        }

    def messages(self, example: Example, earlier: EarlierChanges | None) -> tuple[Message, ...]:
        """Return the conversation that this arm is asked for one task."""
        shots = earlier.nearest(example, self.shots) if earlier is not None and self.shots else []
        # With changes shown it is not the bare request that a student learned: all are told the format alike.
        messages = edit_messages(example, shots, explain=self.explain or bool(shots))
        while shots and sum(len(message.content) for message in messages) > self.context_characters:
            shots = shots[1:]
            messages = edit_messages(example, shots, explain=self.explain or bool(shots))
        return messages


def recorded_answers(tasks: Iterable[Example], attempts: Iterable[Example]) -> dict[str, str]:
    """Return, by task id, the window that a recorded attempt left for the same request.

    An attempt belongs to a task if path, place, window before and instruction are the same.
    """
    known = {_request(attempt): attempt.after for attempt in attempts}
    return {task.id: known[_request(task)] for task in tasks if _request(task) in known}


def _request(example: Example) -> tuple[str, int, str, str]:
    return example.path, example.start_line, example.before, example.instruction
