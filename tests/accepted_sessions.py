"""Sessions whose work was committed, put into a store as the outcomes of a repository `rep_1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from golddiff.rights import redact_text, redact_transcript
from golddiff.store import Store
from golddiff.types import (
    Attempt,
    Clean,
    CommitLink,
    Event,
    EventKind,
    Grant,
    Outcome,
    Session,
    SessionState,
    Transcript,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


def add_accepted(
    store: Store,
    number: int,
    *,
    prompts: Sequence[str],
    patches: Sequence[Clean],
    path: str,
    sha: str,
    model: str = "m",
    fields: Mapping[str, object],
) -> Outcome:
    """Store session `number`: each prompt with an edit, an attempt for each patch, the last of which was committed.

    `fields` are those of the outcome that are not as usual.
    """
    session_id = f"ses_{number}"
    kinds = [(kind, text) for text in prompts for kind in (EventKind.PROMPT, EventKind.EDIT)]
    events = tuple(
        Event[str](id="", session_id=session_id, sequence=at, kind=kind, text=text if kind is EventKind.PROMPT else "")
        for at, (kind, text) in enumerate(kinds)
    )
    session = Session[str](id=session_id, source="test", models=(model,), started_at=START, record_hashes=(session_id,))
    store.add_transcript(redact_transcript(Transcript(session, events)))
    outcome = Outcome(
        id=f"out_{number}",
        session_id=session_id,
        repository_id="rep_1",
        state=SessionState.ACCEPTED,
        confidence=0.9,
        commits=(CommitLink(sha=sha, confidence=0.9),),
        gold_patch=patches[-1],
        method="test",
    )
    outcome = msgspec.structs.replace(outcome, **fields)
    attempts = [
        Attempt(
            id=f"att_{number}_{index}",
            session_id=session_id,
            index=index,
            first_event=2 * index,
            last_event=2 * index + 1,
            ended_by="prompt",
            patch=patch,
            paths=(path,),
        )
        for index, patch in enumerate(patches)
    ]
    store.put(outcome, *attempts)
    return outcome


def consent(store: Store) -> None:
    """Store that the user said yes to everything."""
    store.put(
        Grant(
            id="grt_1",
            gate="consent",
            applies_to="*",
            granted=True,
            by=redact_text("Ada"),
            document=redact_text("here"),
            recorded_at=START,
        )
    )
