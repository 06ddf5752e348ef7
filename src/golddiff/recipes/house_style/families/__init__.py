"""The families of edits, by name: what the simulated team asks for, and what it never asks for."""

from __future__ import annotations

from golddiff.recipes.house_style.families.annotations import Annotations
from golddiff.recipes.house_style.families.contract import Family
from golddiff.recipes.house_style.families.formatting import Formatting
from golddiff.recipes.house_style.families.isinstance_union import IsinstanceUnion
from golddiff.recipes.house_style.families.keys import Keys
from golddiff.recipes.house_style.families.literals import Literals
from golddiff.recipes.house_style.families.off_workflow import Default, Membership, Sorting, TypeTest
from golddiff.recipes.house_style.families.super_call import SuperCall

__all__ = ["IN_WORKFLOW", "OFF_WORKFLOW", "Family"]

IN_WORKFLOW: tuple[Family, ...] = (
    Formatting(),
    Annotations(),
    SuperCall(),
    Literals(),
    IsinstanceUnion(),
    Keys(),
)
"""What the team asks for, and the student is trained on."""

OFF_WORKFLOW: tuple[Family, ...] = (Membership(), Default(), TypeTest(), Sorting())
"""What nobody asks for: never in a session, never in training."""
