"""Which part of a change is the session's."""

from __future__ import annotations

from golddiff.outcomes.gold import applies, responsible
from golddiff.patch import render


def own(old: str, new: str, mine: list[str], gone: set[str] | None = None) -> list[tuple[int, int, int, int]]:
    """The session's blocks; lines are single letters."""
    return responsible([f"{x}\n" for x in old], [f"{x}\n" for x in new], mine, gone or set())


def test_a_block_of_the_sessions_lines_is_the_sessions_and_a_users_is_not() -> None:
    assert own("abcdef", "aXbcdYef", ["X"]) == [(1, 1, 1, 2)]


def test_of_a_mixed_insertion_only_the_runs_are_the_sessions() -> None:
    assert own("ab", "aXYuuXb", ["X", "Y"]) == [(1, 1, 1, 3), (1, 1, 5, 6)]


def test_punctuation_beside_the_sessions_block_goes_with_it() -> None:
    assert own("abcd", "aXb}cd", ["X"]) == [(1, 1, 1, 2), (2, 2, 3, 4)]


def test_a_replaced_block_is_decided_by_the_larger_part() -> None:
    assert own("abc", "aXYuc", ["X", "Y"]) == [(1, 2, 1, 4)]
    assert own("abc", "aXuvc", ["X"]) == []


def test_lines_that_a_replaced_block_only_re_indents_are_no_ones() -> None:
    old, new = ["a\n", "b\n", "c\n", "d\n"], ["X\n", " a\n", " b\n", " c\n", " d\n"]
    assert responsible(old, new, ["X"], set()) == [(0, 4, 0, 5)]
    assert responsible(old, new, [], set()) == []
    assert responsible(old, ["X\n", "u\n", "v\n", *new[1:]], ["X"], set()) == []


def test_a_deletion_is_the_sessions_if_it_removed_those_lines() -> None:
    assert own("abcd", "ad", [], {"b", "c"}) == [(1, 3, 1, 1)]
    assert own("abcd", "ad", [], {"d"}) == []


def test_a_patch_is_checked_by_applying_it() -> None:
    diff = render("a", "1\n2\n", "1\n3\n")
    assert applies(diff, {"a": "1\n2\n"}, {"a": "1\n3\n"})
    assert not applies(diff, {"a": "1\nother\n"}, {"a": "1\n3\n"})
    assert not applies(diff, {"b": "1\n2\n"}, {"b": "1\n3\n"})
