"""Find the places in real code that a family can edit, and keep those whose edit passes its own check.

How it fits: `sources` says which files may be used; `families` make the edit; `harness` judges it. What is returned
is the raw material of the simulated team's work: every site has a right answer that was executed. Everything that is
not used is counted by family and reason. The same statement text is used once, wherever it occurs again.
"""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from golddiff.recipes.house_style.families import Family
from golddiff.recipes.house_style.harness.judge import judge
from golddiff.recipes.house_style.harness.program import expected_of
from golddiff.recipes.house_style.sources import SourceFile
from golddiff.recipes.house_style.statement import Skip, Statement, statements_of

__all__ = ["Found", "Site", "find_sites"]


@dataclass(frozen=True)
class Site:
    """One statement of a real file that a family can edit."""

    family: str
    path: str
    """Below the root of the team's repository."""
    first_line: int
    before: str
    after: str
    """The right edit: executed, in style."""
    slip: str | None
    """What a careless first attempt leaves; None where this family's slip does not touch the statement."""
    slip_fails: bool
    """Whether the check refuses the slip (measured by running it)."""
    spec: dict[str, Any] = field(hash=False)
    """Specification of the check."""


@dataclass
class Found:
    """Sites with the count of everything that was not used."""

    sites: list[Site] = field(default_factory=list)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(family, reason) → places."""
    files: int = 0


def find_sites(files: Iterable[SourceFile], families: Sequence[Family]) -> Found:
    """Return the usable sites of `files`, each statement text once, at most one family per statement."""
    found, seen = Found(), set[tuple[str, str]]()
    for file in files:
        asked = [family for family in families if family.mark.search(file.text)]
        if not asked:
            continue
        found.files += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree = ast.parse(file.text)
            except (SyntaxError, ValueError):
                continue
            for statement in statements_of(file.text, tree):
                for family in asked:
                    if family.mark.search(statement.text):
                        _try(file, statement, family, found, seen)
    return found


def _try(file: SourceFile, statement: Statement, family: Family, found: Found, seen: set[tuple[str, str]]) -> None:
    """Add the site, or count why not."""
    try:
        edits = family.edits(statement)
        if not edits:
            return
        key = (family.name, " ".join(statement.text.split()))
        if key in seen:
            raise Skip("same text elsewhere")
        seen.add(key)
        spec = {"family": family.name, **family.binding(statement)}
        after = statement.with_edits(edits)
        expected = expected_of(statement.text, spec)
        if "unusable" in expected:
            raise Skip(f"does not run with stubs: {expected['unusable'].partition(':')[0]}")
        if not expected["ended"]:
            raise Skip("raises with every value set")
        if judge(after, spec) != expected:
            raise Skip("the edit fails its own check")
        slip = _slip(statement, family)
        fails = slip is not None and slip != after and judge(slip, spec) != expected
        found.sites.append(
            Site(
                family=family.name,
                path=file.path,
                first_line=statement.first_line,
                before=statement.text,
                after=after,
                slip=slip,
                slip_fails=fails,
                spec=spec,
            )
        )
    except Skip as reason:
        found.dropped[family.name, str(reason)] += 1


def _slip(statement: Statement, family: Family) -> str | None:
    try:
        return family.slip(statement)
    except Skip:
        return None
