"""No line counts for two sessions."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from golddiff.outcomes.survival.owners import owners

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def test_a_line_that_one_session_claims_is_not_asked_about() -> None:
    assert owners({"a": {1, 2}, "b": {4}}, {}) == {}


def test_a_common_line_goes_with_the_lines_next_to_it() -> None:
    assert owners({"a": {1, 2, 3, 6}, "b": {3, 5, 6, 7}}, {}) == {3: "a", 6: "b"}


def test_of_two_at_the_same_distance_the_one_with_more_lines_has_it() -> None:
    assert owners({"a": {1, 2}, "b": {2, 3, 4}}, {}) == {2: "b"}


def test_what_two_sessions_wrote_word_for_word_is_the_later_ones() -> None:
    assert owners({"a": {1, 2}, "b": {1, 2}}, {"a": LATE, "b": EARLY}) == {1: "a", 2: "a"}


@given(st.dictionaries(st.sampled_from("abcd"), st.frozensets(st.integers(0, 12))))
@settings(deadline=None, derandomize=True)
def test_the_owner_is_one_of_those_who_claim_the_line(claims: dict[str, frozenset[int]]) -> None:
    assert all(at in claims[name] for at, name in owners(claims, {}).items())
