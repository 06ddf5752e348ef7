"""Only the change counts: repeating the window is worth nothing, and the numbers agree with sacreBLEU's chrF."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golddiff.scoring.delta import changed_lines, delta_chrf, exact_match, line_f1, text_metrics

BEFORE = "def f(x):\n    y = 1\n    return '%s' % x\n"
GOLD = "def f(x):\n    y = 1\n    return f'{x}'\n"
HALF = "def f(x):\n    y = 2\n    return f'{x}'\n"


def test_repeating_the_window_scores_nothing() -> None:
    assert text_metrics(BEFORE, GOLD, BEFORE) == {"applied": 1.0, "exact": 0.0, "line_f1": 0.0, "delta_chrf": 0.0}


def test_the_gold_window_scores_one() -> None:
    assert text_metrics(BEFORE, GOLD, GOLD) == {"applied": 1.0, "exact": 1.0, "line_f1": 1.0, "delta_chrf": 1.0}


def test_no_usable_answer_scores_nothing_anywhere() -> None:
    assert set(text_metrics(BEFORE, GOLD, None).values()) == {0.0}


def test_an_unwanted_further_edit_costs_precision() -> None:
    """Gold: one line out, one in. Proposed: both of them and one more pair: precision 1/2, recall 1."""
    assert line_f1(BEFORE, GOLD, HALF) == pytest.approx(2 / 3)
    assert 0 < delta_chrf(BEFORE, GOLD, HALF) < 1


def test_lines_are_counted_as_often_as_they_occur() -> None:
    assert changed_lines("a\n", "a\nb\nb\n") == {("+", "b"): 2}
    assert line_f1("a\n", "a\nb\nb\n", "a\nb\n") == pytest.approx(2 / 3)


def test_line_ends_and_trailing_blanks_do_not_matter_and_indentation_does() -> None:
    assert exact_match("a\r\n  b\r\n", "a\n  b \n\n")
    assert not exact_match("a\n  b\n", "a\n b\n")


def test_changing_nothing_where_nothing_was_to_change_is_right() -> None:
    assert text_metrics("a\n", "a\n", "a\n")["delta_chrf"] == 1.0
    assert text_metrics("a\n", "a\n", "b\n")["line_f1"] == 0.0


@given(st.text("abcd ", min_size=12, max_size=60), st.text("abcd ", min_size=12, max_size=60))
def test_into_an_empty_window_it_is_sacrebleus_chrf(gold: str, proposed: str) -> None:
    chrf = pytest.importorskip("sacrebleu.metrics.chrf")
    if min(len("".join(text.split())) for text in (gold, proposed)) < 6:
        return  # sacreBLEU leaves orders out that one side lacks; a change that lacks them is simply short
    expected = chrf.CHRF(word_order=0, char_order=6, beta=2).sentence_score(proposed, [gold]).score / 100
    assert delta_chrf("", gold, proposed) == pytest.approx(expected)


@given(st.text("ab\n ", max_size=30), st.text("ab\n ", max_size=30), st.text("ab\n ", max_size=30))
def test_every_measure_stays_between_0_and_1(before: str, gold: str, proposed: str) -> None:
    metrics = text_metrics(before, gold, proposed)
    assert all(0.0 <= value <= 1.0 + 1e-9 for value in metrics.values())
    assert text_metrics(before, gold, gold)["line_f1"] == 1.0
