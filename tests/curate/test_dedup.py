"""No change is trained on twice, and none is in both splits."""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.made_rows import row
from golddiff.curate import Row, Tally
from golddiff.curate.dedup import decontaminated, fingerprint, without_duplicates

TEXTS = st.lists(st.text(string.ascii_lowercase + " \n=()", min_size=1, max_size=60), max_size=25)


def rows_of(texts: list[str]) -> list[Row]:
    return [row(number, before=text, after=text + "z\n") for number, text in enumerate(texts)]


@given(TEXTS)
def test_what_is_kept_holds_no_exact_duplicate_and_nothing_is_lost_uncounted(texts: list[str]) -> None:
    rows, tally = rows_of(texts), Tally()
    kept = without_duplicates(rows, None, tally)
    marks = [fingerprint(item) for item in kept]
    assert len(set(marks)) == len(marks)
    assert set(marks) == {fingerprint(item) for item in rows}
    assert len(kept) + sum(tally.dropped.values()) == len(rows)


@settings(deadline=None)
@given(TEXTS)
def test_removing_duplicates_twice_changes_nothing_more(texts: list[str]) -> None:
    once = without_duplicates(rows_of(texts), 0.8, Tally())
    assert without_duplicates(once, 0.8, Tally()) == once


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_after_decontamination_training_holds_no_test_row(train_texts: list[str], test_texts: list[str]) -> None:
    train, test, tally = rows_of(train_texts), rows_of(test_texts), Tally()
    kept = decontaminated(test, train, 0.8, tally)
    assert not {fingerprint(item) for item in kept} & {fingerprint(item) for item in train}
    assert len(kept) + sum(tally.dropped.values()) == len(test)


def test_white_space_at_line_ends_does_not_make_a_new_row() -> None:
    tally = Tally()
    kept = without_duplicates(
        [row(1, before="a\nb\n", after="c\n"), row(2, before="a  \nb\t\n", after="c\n")], None, tally
    )
    assert len(kept) == 1
    assert tally.dropped == {"exact duplicate": 1}


def test_the_first_of_two_near_duplicates_stays() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    first = row(1, before=words + "\n", after=words + " end\n")
    second = row(2, before=words + " tail\n", after=words + " end tail\n")
    other = row(3)
    tally = Tally()
    assert without_duplicates([first, second, other], 0.7, tally) == [first, other]
    assert tally.dropped == {"near duplicate": 1}


def test_the_same_text_before_with_another_answer_is_another_row() -> None:
    words = " ".join(f"word{number}" for number in range(8))
    answers = [f"{words} {number} totally different {'x' * number} text\n" for number in range(3)]
    rows = [row(number, before=words + "\n", after=answer) for number, answer in enumerate(answers)]
    assert len(without_duplicates(rows, None, Tally())) == 3
