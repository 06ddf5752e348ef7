"""A candidate row on its way into a dataset, and the tally of those that did not make it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from golddiff.types import Check, Clean, Example, Provenance, derive_id


@dataclass(frozen=True)
class Row:
    """One task: its accepted change, and the agent's first attempt at it where that is known."""

    example: Example
    attempt: Clean | None = None
    """The window after the first attempt; None where it is not known."""
    parents: tuple[str, ...] = ()
    """Ids of the records that it was made from."""


@dataclass
class Tally:
    """Why candidates were dropped, counted; and which were denied by `rights`."""

    dropped: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    """Candidate rows that were cut, before any filter on rows."""

    def drop(self, reason: str, count: int = 1) -> None:
        """Count dropped candidates."""
        if count:
            self.dropped[reason] += count


def make_example(
    kind: str,
    instruction: Clean,
    path: str,
    start_line: int,
    before: Clean,
    after: Clean,
    at: datetime,
    provenance: Provenance,
    *,
    check: Check | None = None,
    family: str | None = None,
) -> Example:
    """Make an example whose id is derived from where it is and what it says."""
    place = (provenance.repository_id, path, start_line)
    return Example(
        id=derive_id("exa", kind, instruction, *place, before, after),
        kind=kind,
        instruction=instruction,
        path=path,
        start_line=start_line,
        before=before,
        after=after,
        at=at,
        provenance=provenance,
        check=check,
        family=family,
    )
