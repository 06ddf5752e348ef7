from datetime import UTC, datetime

import pytest

from golddiff.prompts import edit_messages, parse_update, update_text
from golddiff.types import Clean, Example, Message, Provenance


def example(before: str = "    x = '%s' % y\n", after: str = "    x = f'{y}'\n") -> Example:
    return Example(
        id="example_1",
        kind="accepted",
        instruction=Clean("Use an f-string."),
        path="a.py",
        start_line=3,
        before=Clean(before),
        after=Clean(after),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        provenance=Provenance(written_by="human"),
    )


def test_a_request_is_the_instruction_and_the_window() -> None:
    assert edit_messages(example()) == (Message("user", "Use an f-string.\n    x = '%s' % y"),)


def test_shots_are_earlier_turns_and_an_untrained_model_is_told_the_format() -> None:
    messages = edit_messages(example(), [example("a\n", "b\n")], explain=True)
    assert [m.role for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[2].content == "b"


@pytest.mark.parametrize("before", ["    a\n", "    a", "    a\r\n    b\r\n", "a\n\n  b\n", "\n\n  a\n\n"])
def test_the_accepted_window_survives_the_way_out_and_back(before: str) -> None:
    after = before.replace("a", "c")
    assert parse_update(update_text(example(before, after)), before=before) == after


def test_one_line_end_too_many_is_forgiven() -> None:
    assert parse_update("  x = 1\n", before="  x = 0\n") == "  x = 1\n"


def test_a_fence_around_the_whole_answer_is_taken_off() -> None:
    assert parse_update("```python\n  x = 1\n```") == "  x = 1\n"


def test_words_around_the_only_fence_are_left_out() -> None:
    assert parse_update("Sure:\n```python\n  x = 1\n```\nDone") == "  x = 1\n"


def test_a_window_that_holds_fences_is_taken_as_it_comes() -> None:
    assert parse_update("```sh\nls\n```", before="```sh\nls -l\n```") == "```sh\nls\n```"


@pytest.mark.parametrize("text", ["", "\n \n", "```python\nx = 1", "```\na\n```\nor\n```\nb\n```"])
def test_an_answer_without_one_window_is_no_update(text: str) -> None:
    assert parse_update(text) is None
