"""What sessions cost, from recorded usage and the dated price list; what has no price is counted, never taken as free.

How it fits: `read` prices every model call of the report's sessions by the model that answered it (rates may depend on
the length of each prompt, so sums of tokens are not enough); `summarise_costs` divides sums over sessions by what was
got for them. A session with a call that cannot be priced, or without any usage, is in no ratio.

List prices, not bills: contracts, batches and subscriptions are in an operator's own `prices.toml`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from golddiff.record.gateway.prices import NANODOLLARS, PriceList
from golddiff.statistics.shares import Draws, Measured, Refused, instability
from golddiff.store import Store
from golddiff.types import Event, EventKind, SessionState
from golddiff.web.facts import SessionFacts, spent
from golddiff.web.lives import Watched

ACCEPTED = frozenset({SessionState.ACCEPTED.value, SessionState.REVISED.value})
_UNNAMED = "a model without a name"


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one session cost."""

    nanodollars: int = 0
    """Of the calls that have a price."""
    calls: int = 0
    unpriced: dict[str, int] = {}
    """Calls with usage that no price is on file for, by model."""
    without_usage: bool = False
    """Whether nothing says how many tokens it used."""

    @property
    def complete(self) -> bool:
        """Whether all that is known to have been used has a price."""
        return not self.unpriced and not self.without_usage


class CostGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What sessions of one model, agent or kind of task cost."""

    name: str
    sessions: int
    """Whose whole usage has a price."""
    dollars: float
    wasted_dollars: float
    """Of these, in sessions rejected or abandoned."""
    wasted: Measured
    per_accepted_patch: Measured


class CostBreakdown(msgspec.Struct, frozen=True, kw_only=True):
    """One way to divide the money: sessions of known outcome whose whole usage has a price."""

    key: str
    title: str
    groups: tuple[CostGroup, ...]


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What the report says about money, in US dollars."""

    dollars: float
    """Of all calls that have a price."""
    sessions: int
    """Whose whole usage has a price: the only ones in the ratios below."""
    unpriced_sessions: int
    without_usage: int
    """Sessions without any count of tokens."""
    unpriced_calls: dict[str, int]
    """Calls without a price, by model."""
    per_accepted_patch: Measured
    """Dollars spent in sessions of known outcome per session whose patch was accepted, revised or not."""
    per_kept_line: Measured
    """Dollars spent in sessions of known outcome per line kept as it was or revised."""
    per_surviving_line: Measured
    """Dollars spent in sessions of known outcome whose lines were followed, per line still there at the last look."""
    wasted: Measured
    """Share of the dollars that went into sessions rejected or abandoned."""
    breakdowns: tuple[CostBreakdown, ...]


def read(store: Store, facts: Sequence[SessionFacts], prices: PriceList) -> dict[str, Cost]:
    """Return the cost of each session by its id."""
    return {
        fact.id: cost_of(list(store.find(Event, session_id=fact.id, kind=EventKind.MODEL_CALL)), fact, prices)
        for fact in facts
    }


def cost_of(calls: Sequence[Event[str]], fact: SessionFacts, prices: PriceList) -> Cost:
    """Price the model calls of one session; where only the session's sum is known, that of its only model."""
    counted = [(call.model, call.usage) for call in calls if call.usage is not None and spent(call.usage)]
    if not counted:
        if not fact.tokens:
            return Cost(calls=len(calls), without_usage=True)
        only = fact.models[0] if len(fact.models) == 1 else None
        family = prices.lookup(only)
        if family is None or family.long_prompt is not None:  # which rate holds depends on each call's prompt
            return Cost(calls=len(calls), unpriced={only or _UNNAMED: 1})
        return Cost(calls=len(calls), nanodollars=family.cost(fact.usage))
    total, unpriced = 0, Counter[str]()
    for model, usage in counted:
        family = prices.lookup(model)
        if family is None:
            unpriced[model or _UNNAMED] += 1
        else:
            total += family.cost(usage)
    return Cost(nanodollars=total, calls=len(calls), unpriced=dict(unpriced))


def summarise_costs(facts: Sequence[SessionFacts], costs: Mapping[str, Cost], watched: Watched) -> Costs:
    """Return ratios of sums over sessions, clustered like everything else in the report."""
    none = Cost(without_usage=True)
    by_session = {fact.id: costs.get(fact.id, none) for fact in facts}
    unpriced: Counter[str] = Counter()
    for cost in by_session.values():
        unpriced.update(cost.unpriced)
    priced = [fact for fact in facts if by_session[fact.id].complete]
    ratios = CostRatios(priced, by_session, watched, list(dict.fromkeys(fact.cluster for fact in facts)))
    return Costs(
        dollars=sum(cost.nanodollars for cost in by_session.values()) / NANODOLLARS,
        sessions=len(priced),
        unpriced_sessions=sum(bool(cost.unpriced) for cost in by_session.values()),
        without_usage=sum(cost.without_usage for cost in by_session.values()),
        unpriced_calls=dict(unpriced.most_common()),
        per_accepted_patch=ratios.per_accepted_patch(),
        per_kept_line=ratios.per_kept_line(),
        per_surviving_line=ratios.per_surviving_line(),
        wasted=ratios.wasted(),
        breakdowns=tuple(ratios.breakdown(key, title, name) for key, title, name in _BREAKDOWNS),
    )


def main_model(fact: SessionFacts) -> str:
    """The model of a session, where it had only one."""
    return fact.models[0] if len(fact.models) == 1 else "several models" if fact.models else "unknown"


_BREAKDOWNS: tuple[tuple[str, str, Callable[[SessionFacts], str]], ...] = (
    ("model", "Model", main_model),
    ("agent", "Agent", lambda fact: fact.agent),
    ("task", "Kind of task", lambda fact: fact.task),
)
GROUP_ROWS = 8


class CostRatios:
    """Dollars of some sessions over what came of them, on the draws of all `clusters`."""

    def __init__(
        self, facts: Sequence[SessionFacts], costs: Mapping[str, Cost], watched: Watched, clusters: Sequence[str]
    ) -> None:
        self._facts = [fact for fact in facts if fact.state in {state.value for state in SessionState} - {"unknown"}]
        self._costs = costs
        self._position = {name: index for index, name in enumerate(clusters)}
        self._draws = Draws(len(clusters))
        self._followed = {life.session_id for life in watched.lives}
        self._alive: Counter[str] = Counter()
        for life in watched.lives:
            self._alive[life.session_id] += life.lines if life.cause == 0 else 0

    def per_accepted_patch(self) -> Measured:
        """Dollars per session whose patch was accepted."""
        return self._ratio(self._facts, {fact.id: float(fact.state in ACCEPTED) for fact in self._facts})

    def patches(self, chosen: Callable[[SessionFacts], bool]) -> tuple[list[float], list[float]]:
        """Dollars and accepted patches of some of the sessions, by cluster."""
        facts = [fact for fact in self._facts if chosen(fact)]
        return self.columns(facts, {fact.id: float(fact.state in ACCEPTED) for fact in facts})

    def per_kept_line(self) -> Measured:
        """Dollars per line that got into a commit."""
        return self._ratio(self._facts, {fact.id: float(fact.lines.kept + fact.lines.revised) for fact in self._facts})

    def per_surviving_line(self) -> Measured:
        """Dollars per line still there; sessions that were accepted but not followed are left out on both sides."""
        known = [fact for fact in self._facts if fact.id in self._followed or fact.state not in ACCEPTED]
        return self._ratio(known, {fact.id: float(self._alive[fact.id]) for fact in known})

    def wasted(self) -> Measured:
        """Share of the dollars spent in sessions of which nothing was accepted."""
        return self._wasted(self._facts)

    def breakdown(self, key: str, title: str, name: Callable[[SessionFacts], str]) -> CostBreakdown:
        """Divide the money by what a session was; the most expensive first, small ones put together."""
        sums: Counter[str] = Counter()
        for fact in self._facts:
            sums[name(fact)] += self._costs[fact.id].nanodollars
        order = [one for one, _ in sums.most_common()]
        small = set(order[GROUP_ROWS - 1 :]) if len(order) > GROUP_ROWS else set()
        groups: dict[str, list[SessionFacts]] = {one: [] for one in order if one not in small}
        for fact in self._facts:
            one = name(fact)
            groups.setdefault(f"{len(small)} others" if one in small else one, []).append(fact)
        return CostBreakdown(key=key, title=title, groups=tuple(self._group(one, of) for one, of in groups.items()))

    def _group(self, name: str, facts: Sequence[SessionFacts]) -> CostGroup:
        return CostGroup(
            name=name,
            sessions=len(facts),
            dollars=sum(map(self._dollars, facts)),
            wasted_dollars=sum(self._dollars(fact) for fact in facts if fact.state not in ACCEPTED),
            wasted=self._wasted(facts),
            per_accepted_patch=self._ratio(facts, {fact.id: float(fact.state in ACCEPTED) for fact in facts}),
        )

    def _wasted(self, facts: Sequence[SessionFacts]) -> Measured:
        bottoms, _ = self.columns(facts, {fact.id: 0.0 for fact in facts})
        lost = [fact for fact in facts if fact.state not in ACCEPTED]
        tops, _ = self.columns(lost, {fact.id: 0.0 for fact in lost})
        return self._draws.share(tops, bottoms) if any(bottoms) else Refused("nothing has a price")

    def columns(self, facts: Sequence[SessionFacts], got: Mapping[str, float]) -> tuple[list[float], list[float]]:
        """Dollars and what was got, by cluster."""
        tops, bottoms = [0.0] * len(self._position), [0.0] * len(self._position)
        for fact in facts:
            tops[self._position[fact.cluster]] += self._dollars(fact)
            bottoms[self._position[fact.cluster]] += got[fact.id]
        return tops, bottoms

    def _ratio(self, facts: Sequence[SessionFacts], got: Mapping[str, float]) -> Measured:
        tops, bottoms = self.columns(facts, got)
        if not any(tops):
            return Refused("no session of known outcome has a price")
        if (reason := instability(np.asarray(tops))) is not None:
            return Refused(f"of the money, {reason}" if reason.startswith("one") else reason)
        return self._draws.share(tops, bottoms, bounded=False)

    def _dollars(self, fact: SessionFacts) -> float:
        return self._costs[fact.id].nanodollars / NANODOLLARS
