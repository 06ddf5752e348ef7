"""Survival in the report: shares at times, curves, comparisons of groups."""

from __future__ import annotations

import pytest

from golddiff.statistics.shares import Difference, Refused, Share
from golddiff.statistics.survival import Median
from golddiff.statistics.survival_hazards import HazardRatio
from golddiff.web.lives import Watched
from golddiff.web.survival import CURVE_POINTS, Lives, summarise_lives
from web.report_lives import followed, life
from web.report_sessions import lines, session


def summary() -> Lives:
    facts, watched = followed()
    found = summarise_lives(watched, facts)
    assert found is not None
    return found


def estimate(measured: object) -> float:
    assert isinstance(measured, Share | Difference)
    return measured.estimate


def test_counts_say_what_ended_how() -> None:
    found = summary()
    assert (found.sessions, found.lines, found.ended_by_people, found.ended_by_agents) == (24, 480, 240, 60)
    assert found.left_out == {"moved away": 3}


def test_shares_of_accepted_and_of_written_lines_at_each_time() -> None:
    by_name = {horizon.name: horizon for horizon in summary().days}
    assert list(by_name) == ["at the commit", "7 days", "30 days", "90 days"]
    later = [horizon for name, horizon in by_name.items() if name != "at the commit"]
    assert str(by_name["at the commit"].of_accepted) == "all, by definition"
    assert [estimate(horizon.of_accepted) for horizon in later] == pytest.approx([0.75, 0.625, 0.375])
    assert [estimate(horizon.of_written) for horizon in by_name.values()] == pytest.approx([2 / 3, 0.5, 5 / 12, 0.25])
    assert estimate(by_name["30 days"].by_agents) == pytest.approx(0.125)
    assert by_name["30 days"].at_risk == 300


def test_shares_by_commits() -> None:
    by_name = {horizon.name: horizon for horizon in summary().commits}
    assert list(by_name) == ["1 commit", "10 commits", "100 commits"]
    assert estimate(by_name["1 commit"].of_accepted) == 1.0
    assert estimate(by_name["10 commits"].of_accepted) == pytest.approx(0.625)
    assert str(by_name["100 commits"].of_accepted) == "not watched so long"


def test_the_median_is_when_half_of_the_accepted_lines_are_gone() -> None:
    median = summary().median_days
    assert isinstance(median, Median)
    assert median.estimate == pytest.approx(60, abs=0.1)


def test_groups_are_compared_with_the_largest_one() -> None:
    by_model = next(one for one in summary().breakdowns if one.key == "model")
    alpha, beta = by_model.groups
    assert (alpha.name, alpha.hazard, alpha.against_reference) == ("alpha", None, None)
    assert isinstance(beta.hazard, HazardRatio)
    assert beta.hazard.verdict == "die faster"
    assert estimate(beta.against_reference) == pytest.approx(-0.75)
    assert isinstance(beta.against_reference, Difference)
    assert beta.against_reference.verdict == "lower"


def test_the_curve_begins_at_the_share_accepted_and_never_rises() -> None:
    curve = summary().curve
    assert curve is not None
    assert (curve.times[0], curve.times[-1]) == (0, 100)
    assert curve.still[0] == pytest.approx(2 / 3, abs=1e-4)
    assert list(curve.still) == sorted(curve.still, reverse=True)
    assert len(curve.times) <= CURVE_POINTS + 2
    assert all(low <= still <= high for low, still, high in zip(curve.low, curve.still, curve.high, strict=True))


def test_retained_characters_weigh_lines_by_their_length() -> None:
    facts, watched = followed()
    long = [life(facts[0], 100, lines=10) for _ in range(2)]
    short = [row for row in watched.lives if row.session_id != facts[0].id]
    found = summarise_lives(Watched(lives=(*long, *short)), facts)
    assert found is not None
    assert estimate(found.retained_characters) == pytest.approx(sum(
        row.characters for row in (*long, *short) if row.days >= 30
    ) / sum(row.characters for row in (*long, *short)))  # fmt: skip


def test_few_sessions_are_refused_everywhere() -> None:
    facts, watched = followed(4)
    found = summarise_lives(watched, facts)
    assert found is not None
    assert all(isinstance(horizon.of_accepted, Refused) for horizon in found.days)
    assert all(group.curve is None for one in found.breakdowns for group in one.groups)


def test_without_followed_lines_there_is_nothing_to_say() -> None:
    assert summarise_lives(Watched(), [session(1, lines(3))]) is None
