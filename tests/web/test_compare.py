"""Two sides, and how they differ."""

from __future__ import annotations

import msgspec
import pytest

from golddiff.errors import UsageError
from golddiff.statistics.shares import Difference, Refused, Share
from golddiff.statistics.survival_hazards import HazardRatio
from golddiff.web.compare import Comparison, compare
from golddiff.web.costs import Cost
from golddiff.web.lives import Watched
from web.report_lives import followed
from web.report_sessions import eight, lines, session


def by_key(found: Comparison) -> dict[str, object]:
    return {contrast.key: contrast.difference for contrast in found.contrasts}


def test_two_models_differ_in_how_long_their_lines_live_and_not_in_what_was_kept() -> None:
    facts, watched = followed()
    found = compare("model=beta,alpha", facts, watched, {fact.id: Cost(nanodollars=10**9) for fact in facts})
    assert (found.by, found.first, found.second, found.sessions) == ("model", "beta", "alpha", (12, 12))
    differences = by_key(found)
    assert list(differences) == [
        "kept", "accepted_lines", "acceptance", "attempts", "tokens_per_kept_line", "cost_per_accepted_patch",
        "survival", "hazard_ratio",
    ]  # fmt: skip
    kept, survival, ratio = differences["kept"], differences["survival"], differences["hazard_ratio"]
    assert isinstance(kept, Difference)
    assert (kept.estimate, kept.verdict) == (0, "not told apart")
    assert isinstance(survival, Difference)
    assert survival.estimate == pytest.approx(-0.75)
    assert isinstance(ratio, HazardRatio)
    assert ratio.low > 1


def test_intervals_are_widened_for_the_number_of_measures() -> None:
    facts, watched = followed()
    with_survival, without = (by_key(compare("model", facts, seen)) for seen in (watched, Watched()))
    one, two = with_survival["kept"], without["kept"]
    assert isinstance(one, Difference)
    assert isinstance(two, Difference)
    assert (one.level, two.level) == pytest.approx((1 - 0.05 / 7, 1 - 0.05 / 5))


def test_a_date_divides_sessions_into_before_and_from_then() -> None:
    facts = [session(number, lines(18 if number < 10 else 4, 0, 12)) for number in range(20)]
    found = compare("2026-08-13", facts, Watched())
    assert (found.first, found.second, found.sessions) == ("before 2026-08-13", "from 2026-08-13", (10, 10))
    kept = found.contrasts[0]
    assert isinstance(kept.first, Share)
    assert kept.first.estimate == pytest.approx(0.6)
    assert isinstance(kept.difference, Difference)
    assert kept.difference.estimate == pytest.approx(0.35)


def test_two_periods_hold_both_their_ends_and_nothing_else() -> None:
    facts = [session(number, lines(5, 0, 5)) for number in range(20)]
    found = compare("2026-08-03..2026-08-05,2026-08-10..2026-08-11", facts, Watched())
    assert (found.first, found.second) == ("2026-08-03–2026-08-05", "2026-08-10–2026-08-11")
    assert found.sessions == (3, 2)


def test_too_few_sessions_on_a_side_are_refused_with_the_reason() -> None:
    found = compare("model", eight(), Watched())
    for contrast in found.contrasts:
        assert isinstance(contrast.difference, Refused)
        assert "too few sessions" in str(contrast.difference) or "measure" in str(contrast.difference)


def test_lines_of_one_session_may_be_on_both_sides() -> None:
    facts, watched = followed()
    found = compare("tool=Edit,Write", [*facts, session(99, lines(9), tool="Write")], watched)
    assert found.sessions == (24, 1)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("models", "is not understood"),
        ("model=alpha,gamma", "by model there are: alpha, beta"),
        ("model=alpha,alpha", "two different groups, as in model=FIRST,SECOND"),
        ("model=alpha", "two different groups"),
        ("colour=red,blue", "there is no key colour; it takes model, "),
        ("2026-02-02..2026-02-01,2026-03-01..2026-03-02", "ends before it begins"),
        ("agent", "two groups"),
        ("2026-13-01", "is not understood"),
        ("2026-01-01..2026-02-01", "is not understood"),
    ],
)
def test_what_cannot_be_compared_is_said(what: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compare(what, eight(), Watched())


def test_users_are_compared_by_their_numbers() -> None:
    facts = [
        msgspec.structs.replace(session(number, lines(5, 0, 5)), user=f"user {number % 2 + 1}") for number in range(8)
    ]
    found = compare("user=user 2,user 1", facts, Watched())
    assert (found.first, found.second, found.sessions) == ("user 2", "user 1", (4, 4))
