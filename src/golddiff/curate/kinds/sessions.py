"""Rows from sessions: the prompts so far + the window before → what was finally accepted, and the first attempt.

For each file of an outcome's gold patch the agent's first attempt at it is the first state, at the end of a turn, in
which the file is touched. The instruction is every prompt up to then and none later, so that nothing the user said
on seeing the answer reaches the student. Only sessions with an accepted or revised outcome make rows.

The gold patch and the attempts may rest on different commits; a first attempt counts only where the lines it
replaces are the lines that the gold patch shows. Names of home folders are masked in all three texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from golddiff.curate.config import CurateConfig
from golddiff.curate.row import Row, Tally, make_example
from golddiff.patch import FilePatch, PatchError, parse
from golddiff.prompts.windows import Change, changes_of, windows
from golddiff.rights import mask_homes, redact_text, terms
from golddiff.store import Store
from golddiff.types import (
    Attempt,
    Clean,
    Commit,
    Event,
    EventKind,
    Outcome,
    Provenance,
    Repository,
    Session,
    SessionState,
)

SIMULATED = "golddiff-simulated"
_KEPT = (SessionState.ACCEPTED, SessionState.REVISED)


def rows_from_sessions(
    store: Store, config: CurateConfig, tally: Tally, *, repository_id: str | None = None
) -> Iterator[Row]:
    """Yield the rows of every accepted outcome (of one repository), counting what is left out in `tally`."""
    where = {} if repository_id is None else {"repository_id": repository_id}
    for outcome in store.find(Outcome, **where):
        if outcome.state not in _KEPT:
            tally.drop(f"session {outcome.state.value}")
        elif not outcome.gold_patch:
            tally.drop("accepted session without a change")
        else:
            yield from _rows(store, config, tally, outcome)


def provenance_of(session: Session[Clean], repository: Repository | None, outcome: Outcome | None = None) -> Provenance:
    """Say where rows of a session come from; `rights` decides on this."""
    simulated = bool(session.models) and all(model.startswith(SIMULATED) for model in session.models)
    provider = terms.lookup(session.models[0]).provider if len(session.models) == 1 else None
    return Provenance(
        written_by="simulated" if simulated else "agent",
        provider=SIMULATED if simulated else provider,
        model=", ".join(session.models) or None,
        repository_id=repository.id if repository else None,
        licence=repository.licence if repository else None,
        session_id=session.id,
        outcome_id=outcome.id if outcome else None,
        commit=outcome.commits[-1].sha if outcome and outcome.commits else None,
        subject=session.subject,
    )


def _rows(store: Store, config: CurateConfig, tally: Tally, outcome: Outcome) -> Iterator[Row]:
    session = store.get(Session, outcome.session_id)
    repository = store.get(Repository, outcome.repository_id)
    at = _accepted_at(store, outcome, session)
    if at is None:
        tally.drop("time of acceptance unknown")
        return
    try:
        patches = parse(outcome.gold_patch)
    except PatchError:
        tally.drop("gold patch unreadable after redaction")
        return
    prompts = [event for event in store.events(session.id) if event.kind is EventKind.PROMPT and event.text]
    attempts = sorted(store.find(Attempt, session_id=session.id), key=lambda attempt: attempt.index)
    provenance = provenance_of(session, repository, outcome)
    for patch in patches:
        path = patch.new_path or patch.old_path or ""
        if patch.old_path is None or patch.new_path is None:
            tally.drop("new file" if patch.old_path is None else "deleted file")
            continue
        first = _first_attempt(attempts, path)
        instruction = _instruction(prompts, first, config.max_instruction_chars)
        if not instruction:
            tally.drop("no prompt before the change")
            continue
        changes, known = changes_of(patch.hunks)
        attempted = _attempted(first, path, known)
        if attempted is not None:
            known |= {line: text for line, text in attempted[1].items() if line not in known}
        for window in windows(known, changes, config.context_lines, attempted[0] if attempted else None):
            tally.seen += 1
            example = make_example(
                "accepted",
                instruction,
                path,
                window.start_line,
                mask_homes(redact_text(window.before)),
                mask_homes(redact_text(window.after)),
                at,
                provenance,
            )
            attempt = None if window.other is None else mask_homes(redact_text(window.other))
            yield Row(example, attempt, (outcome.id,))


def _accepted_at(store: Store, outcome: Outcome, session: Session[Clean]) -> datetime | None:
    times = [
        commit.committed_at
        for link in outcome.commits
        for commit in store.find(Commit, repository_id=outcome.repository_id, sha=link.sha)
    ]
    return max(times) if times else session.ended_at or session.started_at


def _first_attempt(attempts: list[Attempt], path: str) -> Attempt | None:
    return next((attempt for attempt in attempts if path in attempt.paths), None)


def _instruction(prompts: list[Event[Clean]], first: Attempt | None, limit: int) -> Clean:
    """The prompts up to the end of the first attempt, or the first prompt where no attempt is known."""
    last = first.last_event if first else prompts[0].sequence if prompts else -1
    said = [event for event in prompts if event.sequence <= last]
    text = "\n\n".join(str(event.text).strip() for event in said)
    return mask_homes(redact_text(text[-limit:].strip()))


def _attempted(first: Attempt | None, path: str, known: dict[int, str]) -> tuple[list[Change], dict[int, str]] | None:
    """Changes of the first attempt to `path`, where they rest on the same lines as the gold patch."""
    if first is None:
        return None
    try:
        patch = _of_path(parse(first.patch), path)
    except PatchError:
        return None
    if patch is None or patch.old_path is None or patch.new_path is None:
        return None
    changes, shown = changes_of(patch.hunks)
    if any(known.get(line, text) != text for line, text in shown.items()):
        return None
    return changes, shown


def _of_path(patches: tuple[FilePatch, ...], path: str) -> FilePatch | None:
    return next((patch for patch in patches if path in (patch.new_path, patch.old_path)), None)
