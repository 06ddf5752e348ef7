"""The report as numbers: facts of sessions in, one `Report` out, for the terminal, the page and JSON alike.

Rules that hold for every number here. A share comes with its 95 % interval, clustered by session, or is a `Refused`
that says why. Shares are of lines whose fate is known; how many are not is always beside them (coverage). Groups
are compared by a difference with its own interval, widened for the number of groups, never by two bare
percentages. Groups are what happened, not an experiment: different models got different tasks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from golddiff.statistics.shares import Difference, Draws, Measured, Refused
from golddiff.types import SessionState, Usage
from golddiff.web.compare import Comparison
from golddiff.web.costs import ACCEPTED, Cost, Costs, summarise_costs
from golddiff.web.facts import NOT_LINKED, Lines, SessionFacts, attempt_totals
from golddiff.web.lives import Watched
from golddiff.web.minutes import Glance, TenMinutes, summarise_minutes
from golddiff.web.survival import Lives, summarise_lives

UNKNOWN = SessionState.UNKNOWN.value
WASTE_ROWS = 10
_PARTICULAR = re.compile(r"\b(?:[0-9a-f]{7,40}|\d+(?:\.\d+)?)\b")
GROUP_ROWS = 8
"""Groups beyond these, the smallest, are put together."""

Part = tuple[str, Lines]
"""A session's lines in one group: (group, lines)."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one model, tool, language or length."""

    name: str
    sessions: int
    """Sessions that wrote lines in it."""
    lines: Lines
    coverage: float | None
    """Share of its lines whose fate is known; None without lines."""
    kept: Measured
    against_rest: Difference | Refused
    """Share kept here minus share kept in all other groups."""


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    """One way to divide the lines."""

    key: str
    title: str
    groups: tuple[Group, ...]


class Waste(msgspec.Struct, frozen=True, kw_only=True):
    """A session whose lines were not kept, with what it cost."""

    session: SessionFacts
    wasted: int
    """Lines written and then dropped."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `golddiff report` says."""

    name: str
    """Repository or workspace."""
    generated_at: datetime
    first: datetime | None
    last: datetime | None
    states: dict[str, int]
    """Sessions by state, `not linked` included."""
    unknown_because: dict[str, int]
    """Sessions of unknown outcome by reason, most frequent first."""
    lines: Lines
    coverage: float | None
    """Share of written lines whose fate is known."""
    kept: Measured
    revised: Measured
    dropped: Measured
    breakdowns: tuple[Breakdown, ...]
    attempts: dict[str, int]
    """Attempts by fate."""
    attempts_per_session: Measured
    prompts: int
    rejections: int
    interruptions: int
    usage: Usage
    tokens_per_kept_line: Measured
    """Tokens spent, read and written, in sessions of known outcome, per line kept."""
    waste: tuple[Waste, ...]
    sessions: tuple[SessionFacts, ...]
    acceptance: Measured = Refused("nothing to measure")
    """Share of the sessions of known outcome that were accepted, revised or not."""
    lives: Lives | None = None
    """How long accepted lines lived; None where none was followed."""
    ten_minutes: TenMinutes | None = None
    """Lines still there ten minutes after the agent handed back; None where nobody watched."""
    costs: Costs | None = None
    """What it cost; None where nobody asked for it."""
    comparison: Comparison | None = None
    """Two sides, where that was asked for."""

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        if isinstance(self.kept, Refused):
            if not self.lines.written:
                return "No written lines to report on yet"
            return f"You kept {self.lines.kept:,} of {self.lines.known:,} lines; no share: {self.kept}"
        return f"You kept {self.kept} of what the agent wrote"

    @property
    def coverage_sentence(self) -> str:
        """How much of the written lines the result rests on."""
        if self.coverage is None:
            return "No session wrote lines that could be followed."
        text = (
            f"The fate of {self.lines.known:,} of {self.lines.written:,} written lines is known "
            f"(coverage {100 * self.coverage:.0f} %)"
        )
        unlinked = self.states.get(NOT_LINKED, 0)
        return text + (f"; {unlinked} of {len(self.sessions)} sessions are not linked." if unlinked else ".")


def summarise(
    name: str,
    facts: Sequence[SessionFacts],
    *,
    now: datetime,
    watched: Watched | None = None,
    costs: Mapping[str, Cost] | None = None,
    glances: Mapping[str, Glance] | None = None,
) -> Report:
    """Build the report of `facts`; `now` is the time written on it. The same facts give the same numbers.

    `watched` holds the rows of their accepted lines (`lives.read`), `costs` what each session cost (`costs.read`),
    `glances` what snapshots show of the minutes after it (`minutes.read`).
    """
    clusters = list(dict.fromkeys(fact.cluster for fact in facts))
    measure = _Measure(clusters, facts)
    total = sum((fact.lines for fact in facts), Lines())
    times = sorted(fact.started_at for fact in facts if fact.started_at is not None)
    known = [fact for fact in facts if fact.lines.known]
    return Report(
        name=name,
        generated_at=now,
        first=times[0] if times else None,
        last=times[-1] if times else None,
        states=_states(facts),
        unknown_because=_reasons(facts),
        lines=total,
        coverage=total.known / total.written if total.written else None,
        kept=measure.ratio(lambda fact: fact.lines.kept, lambda fact: fact.lines.known),
        revised=measure.ratio(lambda fact: fact.lines.revised, lambda fact: fact.lines.known),
        dropped=measure.ratio(lambda fact: fact.lines.dropped, lambda fact: fact.lines.known),
        breakdowns=(
            measure.breakdown("model", "Model", _cell_parts(lambda cell: cell.model)),
            measure.breakdown("agent", "Agent", lambda fact: [(fact.agent, fact.lines)]),
            measure.breakdown("tool", "Editing tool", _cell_parts(lambda cell: cell.tool)),
            measure.breakdown("language", "Language", _cell_parts(lambda cell: cell.language)),
            measure.breakdown("folder", "Folder", _cell_parts(lambda cell: cell.folder)),
            measure.breakdown("task", "Kind of task", lambda fact: [(fact.task, fact.lines)]),
            measure.breakdown(
                "length", "Session length", lambda fact: [(length(fact.prompts), fact.lines)], order=_LENGTHS
            ),
        ),
        attempts=attempt_totals(facts),
        attempts_per_session=measure.ratio(
            lambda fact: sum(fact.attempts.values()), lambda fact: int(bool(fact.attempts)), bounded=False
        ),
        prompts=sum(fact.prompts for fact in facts),
        rejections=sum(fact.rejections for fact in facts),
        interruptions=sum(fact.interruptions for fact in facts),
        usage=_usage(facts),
        tokens_per_kept_line=_tokens_per_line(measure, known),
        waste=_waste(facts),
        sessions=tuple(sorted(facts, key=lambda fact: (fact.started_at is None, str(fact.started_at), fact.id))),
        acceptance=measure.ratio(
            lambda fact: int(fact.state in ACCEPTED), lambda fact: int(fact.state not in (UNKNOWN, NOT_LINKED))
        ),
        lives=None if watched is None else summarise_lives(watched, facts),
        ten_minutes=summarise_minutes(glances or {}, facts),
        costs=None if costs is None else summarise_costs(facts, costs, watched or Watched()),
    )


_LENGTHS = ("1 prompt", "2–4 prompts", "5–9 prompts", "10 or more")


def length(prompts: int) -> str:
    """Name the bucket of a session by how often its user wrote; 0 prompts count as 1."""
    return _LENGTHS[(prompts > 1) + (prompts > 4) + (prompts > 9)]


class _Measure:
    """All ratios of one report, on the same draws of sessions."""

    def __init__(self, clusters: list[str], facts: Sequence[SessionFacts]) -> None:
        self._position = {name: index for index, name in enumerate(clusters)}
        self._facts = facts
        self._draws = Draws(len(clusters))

    def ratio(
        self, top: Callable[[SessionFacts], int], bottom: Callable[[SessionFacts], int], *, bounded: bool = True
    ) -> Measured:
        """Sum of `top` over sum of `bottom`, over sessions."""
        tops, bottoms = self._columns((fact.cluster, top(fact), bottom(fact)) for fact in self._facts)
        return self._draws.share(tops, bottoms, bounded=bounded)

    def breakdown(
        self, key: str, title: str, parts: Callable[[SessionFacts], list[Part]], order: Sequence[str] = ()
    ) -> Breakdown:
        """Divide the lines: largest group first, or in the given order."""
        rows = [(fact.cluster, name, lines) for fact in self._facts for name, lines in parts(fact)]
        rows = [row for row in rows if row[2].written]
        sizes: dict[str, int] = {}
        for _, name, lines in rows:
            sizes[name] = sizes.get(name, 0) + lines.written
        names = sorted(sizes, key=lambda name: (name == "unknown", -sizes[name], name))
        if order:
            names = [name for name in order if name in sizes]
        elif len(names) > GROUP_ROWS:
            small = set(names[GROUP_ROWS - 1 :]) - {"unknown"}
            rest = f"{len(small)} others"
            rows = [(cluster, rest if name in small else name, lines) for cluster, name, lines in rows]
            names = [name for name in names if name not in small]
            names.insert(len(names) - (names[-1] == "unknown"), rest)
        comparisons = len(names) if len(names) > 2 else 1  # two groups make one comparison
        groups = [self._group(name, rows, comparisons) for name in names]
        return Breakdown(key=key, title=title, groups=tuple(groups))

    def _group(self, name: str, rows: list[tuple[str, str, Lines]], comparisons: int) -> Group:
        inside = [(cluster, lines.kept, lines.known) for cluster, other, lines in rows if other == name]
        outside = [(cluster, lines.kept, lines.known) for cluster, other, lines in rows if other != name]
        total = sum((lines for _, other, lines in rows if other == name), Lines())
        here, there = self._columns(inside), self._columns(outside)
        return Group(
            name=name,
            sessions=len({cluster for cluster, other, _ in rows if other == name}),
            lines=total,
            coverage=total.known / total.written if total.written else None,
            kept=self._draws.share(*here),
            against_rest=self._draws.difference(here, there, comparisons=comparisons)
            if outside
            else Refused("nothing to compare with"),
        )

    def _columns(self, rows: Iterable[tuple[str, int, int]]) -> tuple[list[int], list[int]]:
        tops, bottoms = [0] * len(self._position), [0] * len(self._position)
        for cluster, top, bottom in rows:
            tops[self._position[cluster]] += top
            bottoms[self._position[cluster]] += bottom
        return tops, bottoms


def _cell_parts(name: Callable[..., str]) -> Callable[[SessionFacts], list[Part]]:
    return lambda fact: [(name(cell), cell.lines) for cell in fact.cells]


def _states(facts: Sequence[SessionFacts]) -> dict[str, int]:
    order = [*(state.value for state in SessionState), NOT_LINKED]
    counts = {state: sum(1 for fact in facts if fact.state == state) for state in order}
    return {state: count for state, count in counts.items() if count or state != NOT_LINKED}


def _reasons(facts: Sequence[SessionFacts]) -> dict[str, int]:
    """Reasons counted without the numbers and commits that differ from session to session."""
    reasons = (_PARTICULAR.sub("…", fact.unknown_because) for fact in facts if fact.unknown_because)
    return dict(Counter(reasons).most_common())


def _usage(facts: Sequence[SessionFacts]) -> Usage:
    names = Usage.__struct_fields__
    return Usage(**{name: sum(getattr(fact.usage, name) for fact in facts) for name in names})


def _tokens_per_line(measure: _Measure, known: Sequence[SessionFacts]) -> Measured:
    """Tokens spent over lines kept. Refused where kept lines are too few or too concentrated to divide by."""
    if known and not any(fact.tokens for fact in known):
        return Refused("no token counts in these sessions")
    return measure.ratio(
        lambda fact: fact.tokens if fact.lines.known else 0, lambda fact: fact.lines.kept, bounded=False
    )


def _waste(facts: Sequence[SessionFacts]) -> tuple[Waste, ...]:
    """Sessions with most dropped lines, then with most tokens. A session of unknown outcome wasted nothing known."""
    rows = [Waste(session=fact, wasted=fact.lines.dropped) for fact in facts if fact.lines.dropped]
    rows.sort(key=lambda row: (-row.wasted, -row.session.tokens, row.session.id))
    return tuple(rows[:WASTE_ROWS])
