"""The story of one session: what was asked, what each attempt did, what was kept of it, and how long that lived.

How it fits: `golddiff show SESSION` prints it, and `--json` holds it. A chapter is an attempt, from a prompt to where
the agent handed back; the end is the outcome. Everything comes from stored records; what they do not say is left out.
Titles and paths are other people's words: they are one line each, without control characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from golddiff.patch import PatchError, parse
from golddiff.store import Store
from golddiff.types import (
    Attempt,
    Clean,
    Commit,
    Event,
    EventKind,
    Outcome,
    Session,
    Survival,
    TestRun,
    derive_id,
)
from golddiff.web.facts import Lines, lines_of, shorten

_DAY_SEC = 86_400


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt."""

    attempt_id: str | None = None
    """None for what came after the last attempt, or where no attempt was made out."""
    asked: tuple[str, ...] = ()
    """Prompts, one line each."""
    at: datetime | None = None
    """When the first of them came."""
    edited: dict[str, int] = {}
    """Edits by path, most first."""
    commands: int = 0
    calls: int = 0
    """Other tool calls."""
    rejections: int = 0
    interruptions: int = 0
    tests: tuple[str, ...] = ()
    """Test runs, in words, in order."""
    added_lines: int = 0
    removed_lines: int = 0
    """Against the base, at its end."""
    fate: str | None = None
    kept: float | None = None
    """Share of its added lines that the gold diff holds."""
    ended_by: str | None = None
    changed_by_hand: dict[str, str] | None = None
    """What the user changed in its files before the agent went on, `+3 −1` by path; None where nobody looked."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that the session ended in."""

    sha: str
    subject: str
    at: datetime | None
    confidence: float
    lines_shared: int
    lines_total: int
    on_default_branch: bool | None


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """How long accepted lines lived."""

    lines: int
    still: int
    """There at the last look."""
    ended_by_people: int
    ended_by_agents: int
    median_days: float | None
    """Of the lines that ended; None where none did."""
    observed_until: datetime


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One session in one repository."""

    chapters: tuple[Chapter, ...]
    state: str | None = None
    """None where no outcome was made."""
    confidence: float | None = None
    lines: Lines = Lines()
    reasons: tuple[str, ...] = ()
    endings: tuple[Ending, ...] = ()
    life: Life | None = None


def tell(store: Store, session: Session[Clean]) -> Story:
    """Tell the story of a session; of several outcomes, that of the one with most lines."""
    outcomes = list(store.find(Outcome, session_id=session.id))
    outcome = max(outcomes, key=lambda item: (item.written_lines, item.confidence), default=None)
    attempts = sorted(store.find(Attempt, session_id=session.id), key=lambda attempt: attempt.index)
    if outcome is not None:
        mine = {derive_id("att", session.id, outcome.repository_id, attempt.index) for attempt in attempts}
        attempts = [attempt for attempt in attempts if attempt.id in mine] or attempts
    events = sorted(
        (event for event in store.find(Event, session_id=session.id) if event.agent is None),
        key=lambda event: event.sequence,
    )
    chapters = tuple(_chapters(events, attempts))
    if outcome is None:
        return Story(chapters=chapters)
    survival = next(store.find(Survival, outcome_id=outcome.id), None)
    return Story(
        chapters=chapters,
        state=outcome.state.value,
        confidence=outcome.confidence,
        lines=lines_of(outcome),
        reasons=tuple(shorten(reason, 200) for reason in outcome.reasons),
        endings=tuple(_endings(store, outcome)),
        life=None if survival is None or not survival.groups else _life(survival),
    )


def _chapters(events: Sequence[Event[Clean]], attempts: Sequence[Attempt]) -> Iterable[Chapter]:
    rest = list(events)
    for attempt in attempts:
        mine = [event for event in rest if event.sequence <= attempt.last_event]
        rest = rest[len(mine) :]
        yield _chapter(mine, attempt)
    if any(event.kind is not EventKind.NOTE for event in rest):
        yield _chapter(rest, None)


def _chapter(events: Sequence[Event[Clean]], attempt: Attempt | None) -> Chapter:
    kinds = Counter(event.kind for event in events)
    prompts = [event for event in events if event.kind is EventKind.PROMPT and event.text]
    edited = Counter(shorten(event.edit.path, 120) for event in events if event.edit is not None)
    runs = attempt.tests if attempt is not None else [event.tests for event in events if event.tests is not None]
    done = Chapter(
        asked=tuple(shorten(prompt.text or "", 200) for prompt in prompts),
        at=prompts[0].at if prompts else next((event.at for event in events if event.at), None),
        edited=dict(edited.most_common()),
        commands=kinds[EventKind.COMMAND],
        calls=kinds[EventKind.TOOL_CALL],
        rejections=kinds[EventKind.REJECTION],
        interruptions=kinds[EventKind.INTERRUPTION],
        tests=tuple(said(run) for run in runs),
    )
    if attempt is None:
        return done
    return msgspec.structs.replace(
        done,
        attempt_id=attempt.id,
        added_lines=attempt.added_lines,
        removed_lines=attempt.removed_lines,
        fate=attempt.fate.value,
        kept=None if attempt.distance is None else round(1 - attempt.distance, 4),
        ended_by=attempt.ended_by,
        changed_by_hand=None if attempt.revision is None else _sizes(attempt.revision),
    )


def said(run: TestRun) -> str:
    """A test run in a few words: `pytest red (3 passed, 1 failed)`."""
    counts = ((run.passed, "passed"), (run.failed, "failed"), (run.errors, "errors"))
    numbers = ", ".join(f"{count} {name}" for count, name in counts if count)
    verdict = {True: "green", False: "red", None: "unclear"}[run.success]
    return f"{run.framework} {verdict}" + (f" ({numbers})" if numbers else "")


def _sizes(patch: str) -> dict[str, str]:
    try:
        files = parse(patch)
    except PatchError:
        return {}
    sizes = {}
    for file in files:
        signs = Counter(sign for hunk in file.hunks for sign, _ in hunk.lines)
        sizes[shorten(file.new_path or file.old_path or "", 120)] = f"+{signs['+']} −{signs['-']}"
    return sizes


def _endings(store: Store, outcome: Outcome) -> Iterable[Ending]:
    for link in outcome.commits:
        commit = next(store.find(Commit, repository_id=outcome.repository_id, sha=link.sha), None)
        yield Ending(
            sha=link.sha,
            subject="" if commit is None else shorten(commit.subject, 120),
            at=None if commit is None else commit.committed_at,
            confidence=link.confidence,
            lines_shared=link.lines_shared,
            lines_total=link.lines_total,
            on_default_branch=link.on_default_branch,
        )


def _life(survival: Survival) -> Life:
    ended = [group for group in survival.groups if group.ended_at is not None]
    days = sorted(
        (group.ended_at - group.accepted_at).total_seconds() / _DAY_SEC
        for group in ended
        if group.ended_at is not None
        for _ in range(group.lines)
    )
    agents = sum(group.lines for group in ended if group.ended_by_sessions)
    return Life(
        lines=sum(group.lines for group in survival.groups),
        still=sum(group.lines for group in survival.groups if group.ended_at is None),
        ended_by_people=len(days) - agents,
        ended_by_agents=agents,
        median_days=days[len(days) // 2] if days else None,
        observed_until=survival.observed_until,
    )
