"""Find the sites of a few lines of code: what the tests of families and sites share."""

from golddiff.recipes.house_style.families import IN_WORKFLOW, OFF_WORKFLOW
from golddiff.recipes.house_style.sites import Found, find_sites
from golddiff.recipes.house_style.sources import SourceFile


def found_in(text: str) -> Found:
    """Return what all families find in `text`."""
    return find_sites([SourceFile("example", "example/a.py", text, "MIT")], IN_WORKFLOW + OFF_WORKFLOW)


def edited(line: str) -> str | None:
    """Return the right edit of the only statement of `line`, or None where there is no site."""
    sites = found_in(line + "\n").sites
    return sites[0].after if sites else None
