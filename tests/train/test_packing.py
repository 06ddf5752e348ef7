import numpy as np
import pytest

from golddiff.train.packing import IGNORED, Row, answer_mask, pack, prompt_mask

ROWS = [Row([5, 6, 7], [8, 9]), Row([4], [3, 3, 3]), Row([1, 2], [1])]


def test_every_answer_token_is_predicted_once_from_the_token_before_it() -> None:
    packed = pack(ROWS, prompt_tokens=4, answer_tokens=8)
    assert packed.labels_NA.tolist() == [[8, 9, 3, 3, 3, 1, IGNORED, IGNORED]]
    assert packed.answers.tokens_NL.tolist() == [[7, 8, 4, 3, 3, 2, 0, 0]]
    assert packed.answers.positions_NL.tolist() == [[2, 3, 0, 1, 2, 1, 0, 0]]
    assert packed.prompts.tokens_NL.tolist() == [[5, 6, 1, 0]]


def test_rows_that_do_not_fit_together_open_another_sequence() -> None:
    packed = pack(ROWS, prompt_tokens=4, answer_tokens=4, multiple_of=4)
    assert len(packed) == 4
    assert packed.token_count == sum(len(row.prompt) - 1 + len(row.answer) for row in ROWS)
    assert (packed.labels_NA[2:] == IGNORED).all()


def test_a_row_sees_itself_and_nothing_later_or_foreign() -> None:
    packed = pack(ROWS, prompt_tokens=4, answer_tokens=8)
    seen = answer_mask(packed)[0, 0]
    assert seen.shape == (8, 12)
    assert np.flatnonzero(seen[1]).tolist() == [0, 1, 4, 5]  # both prompt tokens, itself and the one before
    assert np.flatnonzero(seen[2]).tolist() == [6]  # a row whose prompt is one token
    assert np.flatnonzero(prompt_mask(packed.prompts)[0, 0, 2]).tolist() == [2]


def test_padding_sees_something_so_that_no_softmax_is_empty() -> None:
    packed = pack(ROWS[:1], prompt_tokens=9, answer_tokens=9, multiple_of=2)
    assert answer_mask(packed).any(-1).all()
    assert prompt_mask(packed.prompts).any(-1).all()


@pytest.mark.parametrize(("prompt", "answer", "fits"), [(2, 2, True), (1, 2, False), (2, 1, False)])
def test_a_row_says_whether_it_fits(prompt: int, answer: int, fits: bool) -> None:
    assert ROWS[0].fits(prompt, answer) is fits
