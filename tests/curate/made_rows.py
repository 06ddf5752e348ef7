"""Made-up rows for the tests of curate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from golddiff.curate import Row, make_example
from golddiff.rights import redact_text
from golddiff.types import Provenance

START = datetime(2026, 1, 1, tzinfo=UTC)


def row(
    number: int,
    *,
    path: str | None = None,
    before: str | None = None,
    after: str | None = None,
    hours: float | None = None,
    repository: str = "rep_1",
    licence: str | None = "MIT",
    attempt: str | None = None,
) -> Row:
    """A row of a person's history that differs from every other number in all its words."""
    words = [f"name{number}x{place}" for place in range(12)]
    body = before if before is not None else " ".join(words) + "\n"
    example = make_example(
        "history",
        redact_text(f"Change thing {number}"),
        path or f"src/file{number}.py",
        10,
        redact_text(body),
        redact_text(after if after is not None else body + f"added{number} = {number}\n"),
        START + timedelta(hours=number if hours is None else hours),
        Provenance(written_by="human", repository_id=repository, licence=licence, commit=f"{number:040x}"),
    )
    return Row(example, redact_text(attempt) if attempt is not None else None)
