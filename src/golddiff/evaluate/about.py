"""What a report must know of an arm besides its scores: its role, which trainings it belongs to, how it was asked.

How it fits: `arms.Arm` tells it, the run's record keeps it as flat `key:arm` entries, `columns` and `summary` read it
back, `golddiff evaluate --against` carries it from one run into another. The fields here are the only list of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, TypeAlias

import msgspec

__all__ = ["About", "Kept"]

Kept: TypeAlias = Mapping[str, float | int | str | None]
"""`EvaluationRun.summary`."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """One arm. Fields at their default are not kept."""

    role: str = "student"
    """`arms.Role`."""
    training: str = ""
    """Name that it shares with other trainings of one recipe."""
    examples: int | None = None
    """Rows that it was trained on."""
    in_flight: int = 0
    """Requests at a time where it is a server."""
    price: str = ""
    """Where its price is from."""

    @classmethod
    def read(cls, kept: Kept, arm: str) -> Self:
        """Return what a run keeps of an arm. Raises msgspec.ValidationError where it is of another type."""
        found = {name: kept.get(f"{name}:{arm}") for name in About.__struct_fields__}
        return msgspec.convert({name: value for name, value in found.items() if value is not None}, cls)

    def flat(self, arm: str) -> dict[str, float | int | str | None]:
        """Return the entries that a run keeps of an arm."""
        found = {name: getattr(self, name) for name in About.__struct_fields__}
        return {f"{name}:{arm}": value for name, value in found.items() if value}
