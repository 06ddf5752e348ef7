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
from golddiff.prompts.session import first_attempt, session_instruction
from golddiff.prompts.windows import Change, changes_of, windows
from golddiff.rights import mask_homes, redact_text
from golddiff.rights.provenance import provenance_of
from golddiff.store import Store
from golddiff.types import (
    Attempt,
    Clean,
    Commit,
    EventKind,
    Outcome,
    Repository,
    Session,
    SessionState,
)

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
        first = first_attempt(attempts, [path])
        instruction = mask_homes(redact_text(session_instruction(prompts, first, config.max_instruction_chars)))
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
