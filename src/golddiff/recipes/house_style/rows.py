"""Rows of the pipeline ↔ sites: attach the check, the family and the licence of the file that a row came from.

How it fits: `curate` cuts rows out of accepted diffs and knows nothing of sites. A row is recognised by its path and
the text before; what cannot be recognised is dropped with a count, never guessed. The licence is that of the
distribution that the file was copied from, which is what `rights` must decide on, not the product's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from golddiff.curate import Row, Tally, make_example
from golddiff.recipes.house_style.families import Family
from golddiff.recipes.house_style.harness.program import check_of
from golddiff.recipes.house_style.sites import Site
from golddiff.rights.redact import redact_text
from golddiff.types import Example, Provenance

__all__ = ["annotated", "example_of"]

UNKNOWN = "row: no planned edit at that place"


def annotated(rows: Iterable[Row], sites: Sequence[Site], licence_of: Mapping[str, str], tally: Tally) -> Iterator[Row]:
    """Yield the rows that are planned sites, with check, family and licence."""
    known = {(site.path, site.first_line, site.before): site for site in sites}
    for row in rows:
        example = row.example
        site = known.get((example.path, example.start_line, example.before.removesuffix("\n")))
        if site is None:
            tally.drop(UNKNOWN)
            continue
        provenance = msgspec.structs.replace(example.provenance, licence=licence_of[site.path])
        example = msgspec.structs.replace(
            example, provenance=provenance, family=site.family, check=check_of(site.before, site.spec)
        )
        yield Row(example, row.attempt, row.parents)


def example_of(site: Site, family: Family, licence: str, kind: str) -> Example:
    """Return a task for a site that no session touched: it is asked, checked, and never trained on."""
    return make_example(
        kind,
        redact_text(family.wish),
        site.path,
        site.first_line,
        redact_text(site.before + "\n"),
        redact_text(site.after + "\n"),
        datetime(2027, 1, 1, tzinfo=UTC),
        Provenance(written_by="simulated", provider="golddiff-simulated", licence=licence),
        check=check_of(site.before, site.spec),
        family=site.family,
    )
