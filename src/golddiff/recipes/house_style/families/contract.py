"""What a family of edits is: find, edit, describe the check, and slip the way a model slips.

How it fits: `sites` asks every family about every statement; `teacher` asks for the slip. The edit is made on
positions of the syntax tree, never by regular expression over code, so everything around it stays as it was.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from golddiff.recipes.house_style.statement import Edit, Statement


class Family(Protocol):
    """One kind of edit that the simulated team asks for."""

    name: str
    """Key of `harness.style.OLD`."""
    wish: str
    """What the team types: the instruction of every row of this family."""
    mark: re.Pattern[str]
    """Matches every line that may hold a site: a cheap look before anything is parsed. Edits never rest on it."""

    def edits(self, statement: Statement) -> list[Edit]:
        """Return the right edits, or none. Raises Skip (with the reason) for a site that is not clear-cut."""

    def slip(self, statement: Statement) -> str | None:
        """Return the text that a careless first attempt leaves, or None where it would be right."""

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Return the part of the check's specification that is this family's own."""
