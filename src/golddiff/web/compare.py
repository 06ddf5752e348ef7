"""Two models, tools, kinds of task or periods side by side: every difference with its interval, or why there is none.

How it fits: `golddiff report --compare WHAT`. WHAT is `model`, `agent`, `tool`, `language`, `folder`, `task` or `user`
(the two groups with most lines), one of these with names (`model=alpha,beta`), a date (sessions before it and from it
on), or two periods (`2026-06-01..2026-06-30,2026-07-01..2026-07-31`, both ends included). `check` says what is wrong
with it as far as that can be told without any session, so that nobody waits for a run that ends in a refusal.

Sessions are the unit: all differences are of the same draws of sessions, so that sessions with lines on both sides
count within themselves, and the intervals are widened for the number of measures (Bonferroni). Lines are on a side
where they were written by its model or tool; a session is on it where all its lines are. No experiment: what was asked
of the two sides may differ.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec
import numpy as np

from golddiff.errors import UsageError
from golddiff.statistics.shares import Difference, Draws, Measured, Refused
from golddiff.statistics.survival import Lifetimes, survival_curve, survival_difference
from golddiff.statistics.survival_hazards import HazardRatio, hazard_ratios
from golddiff.types import SessionState
from golddiff.web.costs import ACCEPTED, Cost, CostRatios
from golddiff.web.facts import NOT_LINKED, Lines, SessionFacts
from golddiff.web.lives import Life, Watched, days_clock
from golddiff.web.survival import COMPARED_AT, KEYS

_CELL_KEYS = ("model", "tool", "language", "folder")
_PERIOD = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")
_UNKNOWN = (SessionState.UNKNOWN.value, NOT_LINKED)
FORMS = f"{', '.join(KEYS)}, KEY=FIRST,SECOND, a date, or two periods FROM..TO,FROM..TO"


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of both sides."""

    key: str
    name: str
    unit: str
    """`share` (0 to 1), `dollars`, `tokens`, `number`, or `ratio` (then only `difference` is set)."""
    first: Measured | None
    second: Measured | None
    difference: Difference | HazardRatio | Refused
    """First minus second; of `ratio`, first over second."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two sides and how they differ."""

    by: str
    first: str
    second: str
    sessions: tuple[int, int]
    """Sessions with lines on each side."""
    contrasts: tuple[Contrast, ...]


class _Side(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    lines: Callable[[SessionFacts], Lines]
    """What the session wrote on this side."""
    whole: Callable[[SessionFacts], bool]
    """Whether the session is on this side and on no other."""
    life: Callable[[Life], bool]


def compare(
    what: str, facts: Sequence[SessionFacts], watched: Watched, costs: Mapping[str, Cost] | None = None
) -> Comparison:
    """Compare two sides of these sessions.

    Raises UsageError where `what` has none of the forms above, or names groups that no line belongs to.
    """
    by, one, two = _sides(what, facts)
    clusters = list(dict.fromkeys(fact.cluster for fact in facts))
    measure = _Measures(clusters, facts, watched, costs or {})
    return Comparison(
        by=by,
        first=one.name,
        second=two.name,
        sessions=(measure.count(one), measure.count(two)),
        contrasts=tuple(measure.all(one, two)),
    )


def check(what: str) -> None:
    """Raise UsageError where `what` has none of the forms of `compare`, whatever the sessions are."""
    key, equals, names = what.partition("=")
    chosen = [name.strip() for name in names.split(",")]
    if key in KEYS:
        if equals and (len(chosen) != 2 or not all(chosen) or chosen[0] == chosen[1]):
            raise UsageError(f"--compare {what} needs two different groups, as in {key}=FIRST,SECOND.")
    elif equals:
        raise UsageError(f"--compare {what}: there is no key {key}; it takes {FORMS}.")
    elif (spans := _spans(what)) is None:
        raise UsageError(f"--compare {what} is not understood; it takes {FORMS}.")
    elif any(begin and end and begin >= end for begin, end in spans):
        raise UsageError(f"--compare {what}: a period ends before it begins.")


def _sides(what: str, facts: Sequence[SessionFacts]) -> tuple[str, _Side, _Side]:
    check(what)
    key, _, names = what.partition("=")
    if key in KEYS:
        sizes: Counter[str] = Counter()
        for fact in facts:
            for name, lines in _groups(key, fact).items():
                sizes[name] += lines.written
        known = [name for name, _ in sizes.most_common() if name != "unknown"]
        chosen = [name.strip() for name in names.split(",")] if names else known[:2]
        if len(chosen) != 2 or not set(chosen) <= set(known) or len(set(chosen)) != 2:
            there = ", ".join(known[:12]) or "none"
            raise UsageError(f"--compare {what} needs two groups that wrote lines; by {key} there are: {there}.")
        return key, _group_side(key, chosen[0]), _group_side(key, chosen[1])
    spans = _spans(what)
    assert spans is not None  # checked
    return "period", _period_side(*spans[0]), _period_side(*spans[1])


def _groups(key: str, fact: SessionFacts) -> dict[str, Lines]:
    if key not in _CELL_KEYS:
        return {getattr(fact, key): fact.lines}
    sums: dict[str, Lines] = {}
    for cell in fact.cells:
        sums[getattr(cell, key)] = sums.get(getattr(cell, key), Lines()) + cell.lines
    return sums


def _group_side(key: str, name: str) -> _Side:
    return _Side(
        name=name,
        lines=lambda fact: _groups(key, fact).get(name, Lines()),
        whole=lambda fact: (
            {one for one, lines in _groups(key, fact).items() if lines.written} == {name}
            or (key == "model" and fact.models == (name,))
        ),
        life=lambda life: bool(KEYS[key](life) == name),
    )


Span = tuple[datetime | None, datetime | None]
"""From and until, the second excluded."""


def _spans(what: str) -> tuple[Span, Span] | None:
    try:
        periods = [(_day(found[1]), _day(found[2])) for found in map(_PERIOD.fullmatch, what.split(",")) if found]
        if len(periods) == 2 and what.count(",") == 1:
            (begin, end), (other_begin, other_end) = periods
            day = timedelta(days=1)
            return (begin, end + day), (other_begin, other_end + day)
        cut = _day(what)
    except ValueError:
        return None
    return (None, cut), (cut, None)


def _day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(), UTC)


def _period_side(begin: datetime | None, end: datetime | None) -> _Side:
    def inside(fact: SessionFacts) -> bool:
        at = fact.started_at
        return at is not None and (begin is None or at >= begin) and (end is None or at < end)

    first = f"from {begin:%Y-%m-%d}" if begin and not end else f"{begin:%Y-%m-%d}" if begin else ""
    last = f"before {end:%Y-%m-%d}" if end and not begin else f"{end - timedelta(days=1):%Y-%m-%d}" if end else ""
    return _Side(
        name=f"{first}–{last}" if first and last else first or last,
        lines=lambda fact: fact.lines if inside(fact) else Lines(),
        whole=inside,
        life=lambda _: True,  # by its session: see `_Measures`
    )


class _Measures:
    """All measures of one comparison, on the same draws of sessions."""

    def __init__(
        self, clusters: Sequence[str], facts: Sequence[SessionFacts], watched: Watched, costs: Mapping[str, Cost]
    ) -> None:
        self._clusters, self._facts, self._watched, self._costs = clusters, facts, watched, costs
        self._position = {name: index for index, name in enumerate(clusters)}
        self._draws = Draws(len(clusters))
        priced = [fact for fact in facts if fact.id in costs and costs[fact.id].complete]
        self._money = CostRatios(priced, costs, watched, clusters)

    def count(self, side: _Side) -> int:
        """Sessions with lines on this side."""
        return len({fact.cluster for fact in self._facts if side.lines(fact).written or side.whole(fact)})

    def all(self, one: _Side, two: _Side) -> list[Contrast]:
        """Every measure that there is data for."""
        wanted: list[tuple[str, str, str, Callable[[_Side], tuple[list[float], list[float]]]]] = [
            ("kept", "lines kept as written", "share", self._kept),
            ("accepted_lines", "lines kept or revised", "share", self._accepted_lines),
            ("acceptance", "sessions accepted", "share", self._acceptance),
            ("attempts", "attempts per session", "number", self._attempts),
            ("tokens_per_kept_line", "tokens per kept line", "tokens", self._tokens),
        ]
        if self._costs:
            wanted.append(("cost_per_accepted_patch", "dollars per accepted patch", "dollars", self._dollars))
        comparisons = len(wanted) + 2 * bool(self._watched.lives)
        found = [self._ratio(*entry, one, two, comparisons) for entry in wanted]
        return found + (self._survival(one, two, comparisons) if self._watched.lives else [])

    def _ratio(
        self,
        key: str,
        name: str,
        unit: str,
        columns: Callable[[_Side], tuple[list[float], list[float]]],
        one: _Side,
        two: _Side,
        comparisons: int,
    ) -> Contrast:
        bounded = unit == "share"
        here, there = columns(one), columns(two)
        return Contrast(
            key=key,
            name=name,
            unit=unit,
            first=self._draws.share(*here, bounded=bounded),
            second=self._draws.share(*there, bounded=bounded),
            difference=self._draws.difference(here, there, comparisons=comparisons, bounded=bounded),
        )

    def _survival(self, one: _Side, two: _Side, comparisons: int) -> list[Contrast]:
        here, there = self._lifetimes(one), self._lifetimes(two)
        name = f"accepted lines still there after {COMPARED_AT} days"
        both = [*here[1], *there[1]]
        joined = days_clock(self._clusters).accepted(both)
        labels = [one.name] * len(here[1]) + [two.name] * len(there[1])
        ratio: HazardRatio | Refused = Refused("nothing to compare with")
        if here[1] and there[1]:
            ratio = hazard_ratios(joined, labels, two.name, comparisons=comparisons)[one.name]
        return [
            Contrast(
                key="survival",
                name=name,
                unit="share",
                first=survival_curve(here[0]).at(COMPARED_AT),
                second=survival_curve(there[0]).at(COMPARED_AT),
                difference=survival_difference(here[0], there[0], COMPARED_AT, comparisons=comparisons),
            ),
            Contrast(
                key="hazard_ratio",
                name="how many times as fast accepted lines end",
                unit="ratio",
                first=None,
                second=None,
                difference=ratio,
            ),
        ]

    def _lifetimes(self, side: _Side) -> tuple[Lifetimes, list[Life]]:
        sessions = {fact.id for fact in self._facts if side.lines(fact).written or side.whole(fact)}
        lives = [life for life in self._watched.lives if life.session_id in sessions and side.life(life)]
        return days_clock(self._clusters).accepted(lives), lives

    def _columns(self, pair: Callable[[SessionFacts], tuple[float, float]]) -> tuple[list[float], list[float]]:
        tops, bottoms = np.zeros(len(self._clusters)), np.zeros(len(self._clusters))
        for fact in self._facts:
            top, bottom = pair(fact)
            tops[self._position[fact.cluster]] += top
            bottoms[self._position[fact.cluster]] += bottom
        return tops.tolist(), bottoms.tolist()

    def _kept(self, side: _Side) -> tuple[list[float], list[float]]:
        return self._columns(lambda fact: (side.lines(fact).kept, side.lines(fact).known))

    def _accepted_lines(self, side: _Side) -> tuple[list[float], list[float]]:
        return self._columns(lambda fact: (side.lines(fact).kept + side.lines(fact).revised, side.lines(fact).known))

    def _acceptance(self, side: _Side) -> tuple[list[float], list[float]]:
        known = self._whole(side, lambda fact: fact.state not in _UNKNOWN)
        return self._columns(lambda fact: (float(known(fact) and fact.state in ACCEPTED), float(known(fact))))

    def _attempts(self, side: _Side) -> tuple[list[float], list[float]]:
        chosen = self._whole(side, lambda fact: bool(fact.attempts))
        return self._columns(lambda fact: (chosen(fact) * sum(fact.attempts.values()), float(chosen(fact))))

    def _tokens(self, side: _Side) -> tuple[list[float], list[float]]:
        chosen = self._whole(side, lambda fact: bool(fact.lines.known and fact.tokens))
        return self._columns(lambda fact: (chosen(fact) * fact.tokens, chosen(fact) * fact.lines.kept))

    def _dollars(self, side: _Side) -> tuple[list[float], list[float]]:
        return self._money.patches(side.whole)

    @staticmethod
    def _whole(side: _Side, also: Callable[[SessionFacts], bool]) -> Callable[[SessionFacts], bool]:
        return lambda fact: side.whole(fact) and also(fact)
