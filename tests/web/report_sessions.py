"""Sessions with known numbers for the tests of the report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from golddiff.types import Usage
from golddiff.web.facts import Cell, Lines, SessionFacts

BEGAN = datetime(2026, 8, 3, 9, tzinfo=UTC)


def lines(kept: int = 0, revised: int = 0, dropped: int = 0, unknown: int = 0) -> Lines:
    return Lines(written=kept + revised + dropped + unknown, kept=kept, revised=revised, dropped=dropped)


def session(
    number: int,
    counts: Lines,
    *,
    state: str = "accepted",
    model: str = "alpha",
    language: str = "Python",
    tool: str = "Edit",
    title: str = "Add a flag",
    prompts: int = 1,
    attempts: dict[str, int] | None = None,
    cluster: str | None = None,
    tokens: int = 100,
    unknown_because: str | None = None,
) -> SessionFacts:
    return SessionFacts(
        id=f"ses_{number:026d}",
        cluster=cluster or f"ses_{number:026d}",
        title=title,
        agent="claude-code",
        models=(model,),
        started_at=BEGAN + timedelta(days=number),
        minutes=12.0,
        prompts=prompts,
        attempts=attempts if attempts is not None else {"kept": 1},
        rejections=1,
        interruptions=2,
        usage=Usage(output_tokens=tokens // 10, cache_read_tokens=tokens - tokens // 10),
        state=state,
        confidence=0.9,
        unknown_because=unknown_because,
        commits=("ab" * 20,),
        lines=counts,
        cells=(Cell(model=model, tool=tool, language=language, lines=counts),),
    )


def eight() -> list[SessionFacts]:
    """240 lines: 80 kept, 40 revised, 80 dropped, 40 unknown (all of them in the last two sessions)."""
    good = [session(number, lines(20, 5, 5), state="revised", model="alpha") for number in range(4)]
    bad = [session(number, lines(0, 10, 30), state="rejected", model="beta") for number in (4, 5)]
    lost = [session(number, lines(unknown=20), state="unknown", language="Go") for number in (6, 7)]
    return good + bad + lost
