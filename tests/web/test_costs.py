"""What sessions cost: prices by call, unknown ones counted, ratios with intervals."""

from __future__ import annotations

import pytest

from golddiff.record.gateway.prices import Family, PriceList, Provider, Rates, Source
from golddiff.statistics.shares import Refused, Share
from golddiff.types import Clean, Event, EventKind, Usage
from golddiff.web import costs
from golddiff.web.costs import Cost
from golddiff.web.facts import SessionFacts
from golddiff.web.lives import Watched
from web.report_lives import followed
from web.report_sessions import lines, session

PRICES = PriceList(
    (
        Provider(
            "test",
            Source("test", "", "2026-01-01", "contract"),
            (Family(models=("alpha*",), rates=Rates(input=1, output=10)),),
        ),
    )
)


def call(model: str | None, output: int | None) -> Event[Clean]:
    usage = None if output is None else Usage(input_tokens=0, output_tokens=output)
    return Event[Clean](id="e", session_id="s", sequence=0, kind=EventKind.MODEL_CALL, model=model, usage=usage)


def dollars(amount: float) -> Cost:
    return Cost(nanodollars=round(amount * 1e9), calls=1)


def test_every_call_is_priced_by_the_model_that_answered_it() -> None:
    found = costs.cost_of([call("alpha-1", 1_000_000), call("alpha-2", 500_000)], session(1, lines()), PRICES)
    assert found.nanodollars == 15_000_000_000
    assert found.complete


def test_a_call_without_a_price_is_counted_and_makes_the_session_incomplete() -> None:
    found = costs.cost_of([call("alpha", 10), call("gamma", 10), call(None, 10)], session(1, lines()), PRICES)
    assert found.unpriced == {"gamma": 1, "a model without a name": 1}
    assert not found.complete


def test_a_session_without_usage_is_not_free() -> None:
    found = costs.cost_of([call("alpha", None)], session(1, lines(), tokens=0), PRICES)
    assert found.without_usage
    assert not found.complete


def test_where_only_the_sum_is_known_it_is_priced_by_the_only_model() -> None:
    found = costs.cost_of([], session(1, lines(), tokens=1_000), PRICES)
    assert found.nanodollars == 1000 * (900 * 1 + 100 * 10)  # cache reads cost what the list says of input


def shop() -> tuple[list[SessionFacts], dict[str, Cost]]:
    good = [session(number, lines(20, 5, 5), state="revised") for number in range(10)]
    bad = [session(number, lines(0, 0, 30), state="rejected", model="beta") for number in range(10, 16)]
    return good + bad, {fact.id: dollars(1 + number / 100) for number, fact in enumerate(good + bad)}


def test_cost_per_accepted_patch_counts_what_rejected_sessions_cost() -> None:
    facts, prices = shop()
    found = costs.summarise_costs(facts, prices, Watched())
    assert isinstance(found.per_accepted_patch, Share)
    assert found.per_accepted_patch.estimate == pytest.approx((16 + 1.2) / 10)
    assert found.per_accepted_patch.low < 1.72 < found.per_accepted_patch.high
    assert isinstance(found.wasted, Share)
    assert found.wasted.estimate == pytest.approx((6 + 0.75) / 17.2)


def test_sessions_without_a_price_are_in_no_ratio_and_are_counted() -> None:
    facts, prices = shop()
    prices[facts[0].id] = Cost(nanodollars=10**12, calls=2, unpriced={"gamma": 1})
    prices[facts[1].id] = Cost(without_usage=True)
    found = costs.summarise_costs(facts, prices, Watched())
    assert (found.sessions, found.unpriced_sessions, found.without_usage) == (14, 1, 1)
    assert found.unpriced_calls == {"gamma": 1}
    assert isinstance(found.per_accepted_patch, Share)
    assert found.per_accepted_patch.estimate == pytest.approx((14 + 1.19) / 8)


def test_cost_per_surviving_line_leaves_out_accepted_sessions_that_nobody_followed() -> None:
    facts, watched = followed(12)
    prices = {fact.id: dollars(1) for fact in facts}
    found = costs.summarise_costs(facts, prices, watched).per_surviving_line
    assert isinstance(found, Share)
    assert found.estimate == pytest.approx(12 / (6 * 10 + 6 * 5))
    half = Watched(lives=tuple(row for row in watched.lives if row.session_id != facts[0].id))
    rest = costs.summarise_costs(facts, prices, half).per_surviving_line
    assert isinstance(rest, Share)
    assert rest.estimate == pytest.approx(11 / (5 * 10 + 6 * 5))


def test_a_ratio_that_one_expensive_session_decides_is_refused() -> None:
    facts, prices = shop()
    prices[facts[3].id] = dollars(1_000)
    found = costs.summarise_costs(facts, prices, Watched()).per_accepted_patch
    assert isinstance(found, Refused)
    assert "of the money, one session is" in str(found)


def test_few_sessions_have_counts_and_no_ratio() -> None:
    facts, prices = shop()
    found = costs.summarise_costs(facts[:3], prices, Watched())
    assert found.dollars == pytest.approx(3.03)
    assert str(found.per_accepted_patch) == "too few sessions (3)"


def test_money_is_divided_by_model_agent_and_task() -> None:
    facts, prices = shop()
    found = {one.key: one for one in costs.summarise_costs(facts, prices, Watched()).breakdowns}
    alpha, beta = found["model"].groups
    assert (alpha.name, alpha.wasted_dollars) == ("alpha", 0)
    assert (beta.name, beta.sessions) == ("beta", 6)
    assert beta.wasted_dollars == pytest.approx(beta.dollars)
    assert isinstance(beta.per_accepted_patch, Refused)
    assert list(found) == ["model", "agent", "task"]
