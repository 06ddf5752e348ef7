"""A budget is never overdrawn, and says when it is used up."""

import pytest

from golddiff.errors import UsageError
from golddiff.evaluate.budget import Budget, Price
from golddiff.types import Message


def test_a_price_covers_the_longest_answer_and_every_byte() -> None:
    price = Price(2.0, 10.0)
    assert price.cost(1_000, 100) == pytest.approx(0.003)
    assert price.most((Message("user", "ä" * 10),), 100) == pytest.approx((20 + 32) * 2e-6 + 0.001)


def test_what_is_under_way_counts_until_it_is_settled() -> None:
    budget = Budget(usd=1.0)
    assert budget.admit(0.6)
    assert not budget.admit(0.6)
    assert budget.ended is None  # it may turn out cheaper
    budget.settle(0.6, 0.1)
    assert budget.admit(0.6)
    budget.settle(0.6, 0.6)
    assert not budget.admit(0.6)
    assert budget.ended == "1 US dollars"
    assert budget.admit()  # what nobody charges for goes on
    assert budget.spent == pytest.approx(0.7)


def test_time_ends_everything_and_nothing_is_begun_that_will_not_be_over() -> None:
    now = [0.0]
    budget = Budget(minutes=1, clock=lambda: now[0])
    assert budget.admit(sec=59)
    assert not budget.admit(sec=61)
    assert budget.ended == "1 minutes"
    assert not budget.admit()


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="0 usd buys nothing"):
        Budget(usd=0)
