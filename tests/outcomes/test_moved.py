"""Runs of lines that went to another file are found; single and short ones are not believed."""

from __future__ import annotations

from golddiff.outcomes.moved import find_moved

RUN = ["total=combine(first,second)", "returntotal", "defnext_one(value):"]


def test_a_run_of_lines_in_another_file_has_moved_there() -> None:
    found = find_moved({"a": RUN}, {"b": ["other", *RUN, "more"], "c": ["nothingofit"]})
    assert (dict(found["a"].lines), found["a"].to) == (dict.fromkeys(RUN, 1), {"b"})


def test_a_line_counts_once_even_where_two_files_have_it() -> None:
    found = find_moved({"a": RUN}, {"b": RUN, "c": RUN})
    assert sum(found["a"].lines.values()) == len(RUN)


def test_one_line_or_a_few_characters_have_not_moved() -> None:
    assert find_moved({"a": [RUN[0], "x", RUN[1]]}, {"b": [RUN[0], "y", RUN[1]]}) == {}
    assert find_moved({"a": ["x=1", "y=2"]}, {"b": ["x=1", "y=2"]}) == {}


def test_a_file_is_not_its_own_elsewhere() -> None:
    assert find_moved({"a": RUN}, {"a": RUN}) == {}


def test_where_a_run_went_a_line_that_stands_apart_went_too() -> None:
    found = find_moved({"a": ["x=1", *RUN]}, {"b": [*RUN, "between", "x=1"]})
    assert found["a"].lines["x=1"] == 1
