"""Stored records with known numbers for the tests of the pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from golddiff.types import (
    Attempt,
    AttemptFate,
    Clean,
    Event,
    EventKind,
    HunkFate,
    LineFate,
    Outcome,
    Session,
    SessionState,
    Usage,
)


def session(**fields: Any) -> Session[Clean]:
    return Session[Clean](
        id="ses_1",
        source="claude-code",
        models=("alpha",),
        started_at=datetime(2026, 8, 3, 9, tzinfo=UTC),
        ended_at=datetime(2026, 8, 3, 10, 30, tzinfo=UTC),
        usage=Usage(input_tokens=5, output_tokens=7, cache_read_tokens=100, cache_write_tokens=10),
        **fields,
    )


def event(sequence: int, kind: EventKind, text: str = "", agent: str | None = None) -> Event[Clean]:
    return Event[Clean](
        id=f"ses_1/{sequence}",
        session_id="ses_1",
        sequence=sequence,
        kind=kind,
        text=Clean(text),
        agent=agent,
    )


def outcome(state: SessionState = SessionState.REVISED, repository: str = "repo_1", **fields: Any) -> Outcome:
    hunks = (
        HunkFate(path="a/app.py", start_line=1, fate=LineFate.KEPT, kept=6, model="alpha", tool="Edit"),
        HunkFate(path="a/app.py", start_line=9, fate=LineFate.REVISED, revised=1, dropped=1, tool="Edit"),
        HunkFate(path="web/x.ts", start_line=1, fate=LineFate.DROPPED, dropped=2, model="beta", tool="Write"),
    )
    values: dict[str, Any] = {
        "written_lines": 12, "kept_lines": 6, "revised_lines": 1, "dropped_lines": 3, "hunks": hunks,
        "id": f"out_{repository}", "session_id": "ses_1", "repository_id": repository, "state": state,
        "confidence": 0.9, "gold_patch": Clean(""), "method": "test",
    }  # fmt: skip
    return Outcome(**(values | fields))


def attempt(index: int, fate: AttemptFate) -> Attempt:
    return Attempt(
        id=f"att_{index}",
        session_id="ses_1",
        index=index,
        first_event=0,
        last_event=1,
        ended_by="prompt",
        patch=Clean(""),
        fate=fate,
    )
