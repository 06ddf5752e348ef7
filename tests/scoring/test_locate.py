"""A change is in the right place or not, whatever it writes there."""

import pytest

from golddiff.scoring.locate import stage_metrics

BEFORE = "a\nb\nc\nd\ne\nf\n"
GOLD = "a\nB\nc\nd\nE\nf\n"


@pytest.mark.parametrize(
    ("proposed", "f1", "located"),
    [
        ("a\nX\nc\nd\nY\nf\n", 1.0, 1.0),  # both places, other text
        ("a\nX\nc\nd\ne\nf\n", 2 / 3, 0.0),  # one of two
        ("a\nX\nc\nD\nE\nF\n", 1.0, 1.0),  # a hunk that is too long meets it still
        ("A\nb\nc\nd\ne\nF\n", 0.0, 0.0),  # elsewhere: two lines that touch the right ones and miss them
        (BEFORE, 0.0, 0.0),
        (None, 0.0, 0.0),
    ],
)
def test_hunks_are_met_or_not(proposed: str | None, f1: float, located: float) -> None:
    assert stage_metrics(BEFORE, GOLD, proposed) == pytest.approx({"hunk_f1": f1, "located": located})


def test_an_insertion_lies_between_two_lines() -> None:
    inserted = "a\nb\nnew\nc\nd\ne\nf\n"
    assert stage_metrics(BEFORE, inserted, "a\nb\nother\nc\nd\ne\nf\n")["located"] == 1.0
    assert stage_metrics(BEFORE, inserted, "a\nb\nc\nd\ne\nother\nf\n")["located"] == 0.0
    assert stage_metrics(BEFORE, BEFORE, BEFORE)["located"] == 1.0
