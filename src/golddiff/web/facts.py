"""One session's part in a report: what it wrote, what became of it, what it cost. Pure data, made once per session.

How it fits: `read` asks the store only for what a report needs (headers, prompts, counts, attempts, outcomes),
never for every event; `of_session` is the pure part. Titles are transcripts' own words and therefore untrusted:
they leave here on one line, without control or direction-changing characters; renderers still escape them.

Users have numbers, in the order in which their sessions began: the opaque ids that sessions carry (`Session.subject`)
stay in the store, since a report is passed on and an id may be looked up, or guessed where it is a hash of a name.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath

import msgspec
from pygments.lexers import find_lexer_class_for_filename

from golddiff.store import Store
from golddiff.types import (
    Attempt,
    AttemptFate,
    Clean,
    Event,
    EventKind,
    HunkFate,
    Outcome,
    Session,
    SessionState,
    Usage,
    derive_id,
)
from golddiff.web.tasks import task_kind

TITLE_CHARS = 80
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories: control, format, surrogate, private, unassigned, line and paragraph separators."""
_PLAIN_NAMES = {"Text only": "Text", "Transact-SQL": "SQL"}
NOT_LINKED = "not linked"
"""State of a session that no outcome has been made for; its lines are not counted."""


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that the agent wrote and what became of them. `written` also counts those whose fate is unknown."""

    written: int = 0
    kept: int = 0
    revised: int = 0
    dropped: int = 0

    @property
    def known(self) -> int:
        """Lines whose fate is known: the denominator of every share."""
        return self.kept + self.revised + self.dropped

    @property
    def unknown(self) -> int:
        """Lines whose fate is not known."""
        return max(0, self.written - self.known)

    def __add__(self, other: Lines) -> Lines:
        return Lines(
            written=self.written + other.written,
            kept=self.kept + other.kept,
            revised=self.revised + other.revised,
            dropped=self.dropped + other.dropped,
        )

    def without(self, other: Lines) -> Lines:
        """What is left when `other` is taken away; never below 0."""
        names = self.__struct_fields__
        return Lines(**{name: max(0, getattr(self, name) - getattr(other, name)) for name in names})


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one session by who wrote them, with what, in which language, and where."""

    model: str
    tool: str
    language: str
    lines: Lines
    folder: str = "unknown"


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says about one session."""

    id: str
    cluster: str
    """The session that started it, or itself: the unit of resampling."""
    title: str
    """First prompt, shortened."""
    agent: str
    """Client that it ran in: the importer's name."""
    models: tuple[str, ...]
    started_at: datetime | None
    minutes: float | None
    """From first to last record, idle time included."""
    prompts: int
    attempts: dict[str, int]
    """Attempts by fate."""
    rejections: int
    interruptions: int
    usage: Usage
    state: str
    """A value of `SessionState`, of the outcome with most lines where there are several; or `not linked`."""
    confidence: float | None
    unknown_because: str | None = None
    """Why the outcome could not be told, where it could not."""
    commits: tuple[str, ...]
    lines: Lines
    cells: tuple[Cell, ...] = ()
    task: str = "other"
    """What its first prompt asks for: see `tasks`."""
    user: str = "unknown"
    """`user 1`, `user 2`, …: whose session it is, by a number; `unknown` where nobody stated it."""
    repositories: tuple[str, ...] = ()
    """Repositories that its outcomes are of."""

    @property
    def tokens(self) -> int:
        """All tokens that models read (caches too) and wrote: see `spent`."""
        return spent(self.usage)


def spent(usage: Usage) -> int:
    """All tokens of a usage. Written ones are no measure by themselves: some clients record only their beginning."""
    return usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens


def read(
    store: Store, repository_ids: Iterable[str] | None = None, progress: Callable[[int], None] | None = None
) -> list[SessionFacts]:
    """Return the facts of every session, or of those with an outcome in one of the repositories.

    `progress` is called with the number of sessions read so far.
    """
    wanted = None if repository_ids is None else set(repository_ids)
    facts = []
    sessions = list(store.sessions())
    users = pseudonyms(sessions)
    for number, session in enumerate(sessions, 1):
        outcomes = list(store.find(Outcome, session_id=session.id))
        chosen = distinct(item for item in outcomes if wanted is None or item.repository_id in wanted)
        others = [item for item in outcomes if item not in chosen]
        if chosen or wanted is None:
            facts.append(
                of_session(
                    session,
                    prompts=tuple(store.find(Event, session_id=session.id, kind=EventKind.PROMPT)),
                    rejections=store.count(Event, session_id=session.id, kind=EventKind.REJECTION),
                    interruptions=store.count(Event, session_id=session.id, kind=EventKind.INTERRUPTION),
                    attempts=_attempts_beside(others, store.find(Attempt, session_id=session.id)),
                    outcomes=chosen,
                    user=users.get(session.subject or "", "unknown"),
                )
            )
        if progress is not None:
            progress(number)
    return facts


def pseudonyms(sessions: Iterable[Session[Clean]]) -> dict[str, str]:
    """Number the people whose sessions these are: opaque id → `user N`, whoever began first being user 1."""
    known = [session for session in sessions if session.subject]
    known.sort(key=lambda session: (session.started_at is None, session.started_at or datetime.max, session.id))
    subjects = dict.fromkeys(str(session.subject) for session in known)
    return {subject: f"user {number}" for number, subject in enumerate(subjects, 1)}


def _attempts_beside(others: Sequence[Outcome], attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """The attempts that do not belong to these other outcomes: a session has a set of its own in every repository.

    An attempt's id is derived from session, repository and index (`outcomes.run`).
    """
    return tuple(
        attempt
        for attempt in attempts
        if all(attempt.id != derive_id("att", item.session_id, item.repository_id, attempt.index) for item in others)
    )


def of_session(
    session: Session[Clean],
    *,
    prompts: Sequence[Event[Clean]],
    attempts: Sequence[Attempt],
    outcomes: Sequence[Outcome],
    rejections: int = 0,
    interruptions: int = 0,
    user: str = "unknown",
) -> SessionFacts:
    """Join what is known about one session; a session with several outcomes worked in several repositories."""
    spans = (session.started_at, session.ended_at)
    main = max(outcomes, key=lambda item: (item.written_lines, item.confidence), default=None)
    unknown = main is not None and main.state is SessionState.UNKNOWN
    asked = next((event.text for event in prompts if event.text), "")
    return SessionFacts(
        id=session.id,
        cluster=session.parent_id or session.id,
        title=shorten(asked) or "(no prompt)",
        agent=session.source,
        models=session.models,
        started_at=spans[0],
        minutes=(spans[1] - spans[0]).total_seconds() / 60 if spans[0] and spans[1] else None,
        prompts=sum(1 for event in prompts if event.agent is None),
        attempts=dict(Counter(str(attempt.fate.value) for attempt in attempts)),
        rejections=rejections,
        interruptions=interruptions,
        usage=session.usage,
        state=NOT_LINKED if main is None else main.state.value,
        confidence=None if main is None else main.confidence,
        unknown_because=shorten(main.reasons[0], 200) if main and unknown and main.reasons else None,
        commits=tuple(dict.fromkeys(link.sha for outcome in outcomes for link in outcome.commits)),
        lines=sum((lines_of(outcome) for outcome in outcomes), Lines()),
        cells=tuple(cell for outcome in outcomes for cell in _cells(session, outcome)),
        task=task_kind(asked),
        user=user,
        repositories=tuple(outcome.repository_id for outcome in outcomes),
    )


def distinct(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Leave out outcomes that count the same commits again, keeping the latest.

    A repository that was linked before it had a remote, and again afterwards, is two records with one history.
    """
    found: list[Outcome] = []
    for outcome in reversed(list(outcomes)):
        shas = {link.sha for link in outcome.commits}
        if not any(shas & {link.sha for link in other.commits} for other in found):
            found.insert(0, outcome)
    return found


def lines_of(outcome: Outcome) -> Lines:
    """Return the outcome's line counts; where it is unknown, every line is."""
    if outcome.state is SessionState.UNKNOWN:
        return Lines(written=outcome.written_lines)
    known = outcome.kept_lines + outcome.revised_lines + outcome.dropped_lines
    return Lines(
        written=max(outcome.written_lines, known),
        kept=outcome.kept_lines,
        revised=outcome.revised_lines,
        dropped=outcome.dropped_lines,
    )


def _cells(session: Session[Clean], outcome: Outcome) -> list[Cell]:
    """Lines of an outcome by model, tool and language; lines that no hunk accounts for go to `unknown`."""
    only_model = session.models[0] if len(session.models) == 1 else None
    known = outcome.state is not SessionState.UNKNOWN
    sums: dict[tuple[str, str, str, str], Lines] = {}
    for hunk in outcome.hunks:
        key = (hunk.model or only_model or "unknown", hunk.tool or "unknown", language(hunk.path), folder(hunk.path))
        sums[key] = sums.get(key, Lines()) + _hunk_lines(hunk, known)
    rest = lines_of(outcome).without(sum(sums.values(), Lines()))
    if rest.written:
        key = (only_model or "unknown", "unknown", "unknown", "unknown")
        sums[key] = sums.get(key, Lines()) + rest
    return [Cell(model=key[0], tool=key[1], language=key[2], folder=key[3], lines=lines) for key, lines in sums.items()]


def _hunk_lines(hunk: HunkFate, known: bool) -> Lines:
    written = hunk.kept + hunk.revised + hunk.dropped
    if not known:
        return Lines(written=written)
    return Lines(written=written, kept=hunk.kept, revised=hunk.revised, dropped=hunk.dropped)


def attempt_totals(facts: Iterable[SessionFacts]) -> dict[str, int]:
    """Attempts by fate, over sessions, in the order of the outcome table."""
    totals: Counter[str] = Counter()
    for fact in facts:
        totals.update(fact.attempts)
    return {fate.value: totals[fate.value] for fate in AttemptFate}


@lru_cache(maxsize=16_384)
def language(path: str) -> str:
    """Name the language of a file by its name, as Pygments does; `other` where it knows none."""
    name = PurePosixPath(path).name
    if name in ("go.mod", "go.sum"):
        return "Go"  # Pygments takes them for Modula-2
    lexer = find_lexer_class_for_filename(name)
    return "other" if lexer is None else _PLAIN_NAMES.get(str(lexer.name), str(lexer.name))


def folder(path: str) -> str:
    """The first two folders of a file's path, as far as it has them; `.` for the top of the repository."""
    return shorten("/".join(PurePosixPath(path).parts[:-1][:2])) or "."


def visible(text: str) -> str:
    """Replace what could move the cursor, reorder or hide text (control and format characters) by spaces."""
    return "".join(" " if unicodedata.category(character) in _UNSEEN else character for character in text.expandtabs(4))


def shorten(text: str, limit: int = TITLE_CHARS) -> str:
    """Put text on one line of at most `limit` characters, safe to print."""
    line = " ".join(visible(text[: limit * 8]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
