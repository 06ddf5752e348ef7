"""One record as a card: its fields, and tables of what belongs to it, ready for the terminal or JSON.

The session card is the deep one: what the user asked for, what the agent did, the attempts and their fate, the
commits that it ended in with confidence and evidence, what became of each file.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from golddiff.store import Store
from golddiff.types import (
    Attempt,
    Clean,
    Dataset,
    Event,
    EventKind,
    Example,
    HunkFate,
    Outcome,
    Record,
    Session,
    Usage,
)
from golddiff.web import story, words
from golddiff.web.facts import Lines, lines_of, shorten
from golddiff.web.lineage import label, type_name

_HIDDEN = {"id", "schema_version", "record_hashes"}
"""Not shown as fields: the id is in the title, hashes are for the store."""
_IN_SECTIONS = {"written_lines", "kept_lines", "revised_lines", "dropped_lines", "reasons", "rows", "dropped", "denied"}
"""Shown as tables, in outcomes and datasets."""
_TOLD = set(EventKind) - {EventKind.PROMPT, EventKind.NOTE, EventKind.TOOL_RESULT}
"""Events of a session's story; prompts are a table of their own."""
MOST_EVENTS = 40
"""Events shown of a session."""
LONG = 400


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A table below a card."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One record for people."""

    type: str
    id: str
    title: str
    fields: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    """Longer texts with their heading: patches, code before and after."""


def card(store: Store, record: Record) -> Card:
    """Describe a record and what hangs on it."""
    title = shorten(label(record))
    fields = _fields(record, _HIDDEN | (_IN_SECTIONS if isinstance(record, Outcome | Dataset) else set()))
    sections: list[Section] = []
    texts: list[tuple[str, str]] = []
    match record:
        case Session():
            title, sections = _session(store, record)
        case Outcome():
            sections = _outcome(record)
            texts = [("what was kept", record.gold_patch)]
        case Attempt():
            texts = [("patch", record.patch)]
            texts += [("changed by hand after it", record.revision)] if record.revision else []
        case Example():
            texts = [
                ("instruction", record.instruction),
                ("before", record.before),
                ("after", record.after),
                *([("executed test", record.check.program)] if record.check else []),
            ]
        case Event():
            parts = (("text", record.text), ("command", record.command), ("arguments", record.arguments))
            texts = [(name, text) for name, text in parts if text and _said(text) is None]
            texts += [("patch", record.edit.hunks)] if record.edit and record.edit.hunks else []
        case Dataset():
            sections = [
                _counts("Rows by split", record.rows),
                _counts("Denied, by reason", record.denied),
                _counts("Dropped, by reason", record.dropped),
            ]
        case _:
            pass
    return Card(
        type=type_name(type(record)),
        id=record.id,
        title=title,
        fields=tuple(fields),
        sections=tuple(section for section in sections if section.rows),
        texts=tuple((name, text) for name, text in texts if text),
    )


def _session(store: Store, session: Session[Clean]) -> tuple[str, list[Section]]:
    prompts = [
        event for event in store.find(Event, session_id=session.id, kind=EventKind.PROMPT) if event.agent is None
    ]
    attempts = sorted(store.find(Attempt, session_id=session.id), key=lambda attempt: attempt.index)
    outcomes = list(store.find(Outcome, session_id=session.id))
    title = next((shorten(event.text) for event in prompts if event.text), "(no prompt)")
    sections = [
        _prompts(prompts),
        _events(store.find(Event, session_id=session.id)),
        _attempts(attempts),
        *(section for outcome in outcomes for section in _outcome(outcome)),
        Section(
            title="Sub-agents",
            columns=("session", "what"),
            rows=tuple((child.id, label(child)) for child in store.sessions(parent_id=session.id)),
        ),
        _counts("Records not understood", session.skipped),
    ]
    return title, sections


def _prompts(prompts: Iterable[Event[Clean]]) -> Section:
    rows = tuple((str(event.sequence), _time(event.at), shorten(event.text or "", 160)) for event in prompts)
    return Section(title="Prompts", columns=("event", "at", "prompt"), rows=rows)


def _events(events: Iterable[Event[Clean]]) -> Section:
    """The main agent's answers, edits, commands and what the user did about them; results and notes are left out."""
    told = [event for event in events if event.agent is None and event.kind in _TOLD]
    told.sort(key=lambda event: event.sequence)
    rows = [(str(event.sequence), event.kind.value.replace("_", " "), _what(event)) for event in told[:MOST_EVENTS]]
    if len(told) > MOST_EVENTS:
        rows.append(("…", "", f"{len(told) - MOST_EVENTS:,} more: golddiff export SESSION --format chat-jsonl has all"))
    return Section(title="What the agent did", columns=("event", "kind", "what"), rows=tuple(rows))


def _what(event: Event[Clean]) -> str:
    if event.edit is not None:
        return shorten(event.edit.path, 160)
    if event.command is not None:
        ended = "" if event.exit_code is None else f"  (exit {event.exit_code})"
        return shorten(event.command, 140) + ended
    if event.tool is not None:
        return shorten(f"{event.tool} {event.arguments or event.text or ''}", 160)
    return shorten(event.text or "", 160)


def _attempts(attempts: Iterable[Attempt]) -> Section:
    rows = tuple(
        (
            words.abbreviation(attempt.id),
            f"{attempt.first_event}–{attempt.last_event}",
            attempt.fate.value + ("" if attempt.distance is None else f", {100 * (1 - attempt.distance):.0f} % kept"),
            f"+{attempt.added_lines} −{attempt.removed_lines}",
            attempt.ended_by,
            story.said(attempt.tests[-1]) if attempt.tests else "",
        )
        for attempt in attempts
    )
    columns = ("attempt", "events", "fate", "lines", "ended by", "last tests")
    return Section(title="Attempts", columns=columns, rows=rows)


def _outcome(outcome: Outcome) -> list[Section]:
    lines = lines_of(outcome)
    counts = tuple((name, f"{getattr(lines, name):,}") for name in ("written", "kept", "revised", "dropped", "unknown"))
    state = f"Outcome: {outcome.state.value}, confidence {outcome.confidence:.2f}"
    links = tuple(
        (
            link.sha[:12],
            f"{link.confidence:.2f}",
            f"{link.lines_shared:,} of {link.lines_total:,}",
            {True: "default", False: "other", None: "?"}[link.on_default_branch],
            shorten("; ".join(f"{item.kind} {item.weight:+.1f} ({item.detail})" for item in link.evidence), 240),
        )
        for link in outcome.commits
    )
    return [
        Section(title=state, columns=("lines", "count"), rows=counts),
        Section(title="Why", columns=("reason",), rows=tuple((shorten(item, 200),) for item in outcome.reasons)),
        Section(title="Commits", columns=("commit", "confidence", "lines", "branch", "evidence"), rows=links),
        _files(outcome.hunks),
    ]


def _files(hunks: Iterable[HunkFate]) -> Section:
    sums: dict[str, Lines] = {}
    for hunk in hunks:
        written = hunk.kept + hunk.revised + hunk.dropped
        lines = Lines(written=written, kept=hunk.kept, revised=hunk.revised, dropped=hunk.dropped)
        sums[hunk.path] = sums.get(hunk.path, Lines()) + lines
    rows = tuple(
        (shorten(path, 120), str(lines.kept), str(lines.revised), str(lines.dropped))
        for path, lines in sorted(sums.items(), key=lambda item: -item[1].written)
    )
    return Section(title="Files", columns=("path", "kept", "revised", "dropped"), rows=rows)


def _counts(title: str, counts: dict[str, int]) -> Section:
    rows = tuple((name, f"{count:,}") for name, count in sorted(counts.items(), key=lambda item: -item[1]))
    return Section(title=title, columns=("what", "count"), rows=rows)


def _fields(record: Record, hidden: set[str]) -> list[tuple[str, str]]:
    """Short fields of any record, in its own order; texts and lists of records are sections."""
    found = []
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name not in hidden and value not in (None, "", (), {}) and (said := _said(value)) is not None:
            found.append((name.replace("_", " "), said))
    return found


def _said(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str) and len(value) <= LONG and "\n" not in value:
        return shorten(value, LONG)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return shorten(", ".join(value), LONG)
    if value == Usage():  # nobody counted, as in a stream without `include_usage`: no call costs nothing
        return "unknown"
    if isinstance(value, msgspec.Struct) and not isinstance(value, Record):
        pairs = ((name, _said(getattr(value, name))) for name in value.__struct_fields__)
        return ", ".join(f"{name.replace('_', ' ')} {said}" for name, said in pairs if said not in (None, "", "None"))
    if isinstance(value, dict) and all(isinstance(item, str | int | float | bool) for item in value.values()):
        return ", ".join(f"{name} {_said(item)}" for name, item in value.items())
    return None


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
