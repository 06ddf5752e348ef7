"""When two lines are the same line."""

from golddiff.outcomes.lines import SIMILAR, key, keys, significant, similarity


def test_white_space_is_no_difference() -> None:
    assert key("  if x :\r\n") == key("if x:") == "ifx:"


def test_punctuation_alone_says_nothing() -> None:
    assert [significant(text) for text in ("});", "", "___", "x", "1", "é")] == [False, False, False, True, True, True]
    assert keys(["}\n", " a b\n", "\n"]) == ["ab"]


def test_a_changed_argument_is_a_revision_and_another_statement_is_not() -> None:
    assert similarity("total=compute(2,'a')", "total=compute(3,'b')") >= SIMILAR
    assert similarity("total=compute(2,'a')", "raiseKeyError(name)") < SIMILAR
    assert similarity("a", "a" * 50) == 0.0


def test_a_file_that_is_one_line_is_compared_at_its_ends() -> None:
    line = "".join(f"key{number}:{number * number}," for number in range(20_000))
    assert similarity(line, line.replace("key9000:", "word9000:")) > 0.99
    assert similarity(line, line[::-1]) < SIMILAR
