"""Likelihood of changed lines: what is scored is exactly the new lines, given everything before them."""

from pathlib import Path

import pytest

from evaluate.conftest import task
from golddiff.evaluate.asking.answers import AnswerBook, Failure, Likelihood
from golddiff.evaluate.asking.likelihood import ONLY_DELETES, changed_lines, changed_spans, untouched
from golddiff.evaluate.asking.requests import Way
from golddiff.prompts import edit_messages
from golddiff.providers import ScriptedUpstream
from golddiff.types import Clean


def test_a_span_runs_from_the_last_unchanged_text_to_the_end_of_the_new_lines() -> None:
    assert changed_spans("a\nb\nc", "a\nB\nc") == [("a", "\nB")]
    assert changed_spans("a\nc", "a\nb\nc\nd") == [("a", "\nb"), ("a\nb\nc", "\nd")]
    assert changed_spans("a\nb", "A\nb") == [("", "A")]


def test_white_space_before_a_changed_line_belongs_to_it() -> None:
    """`\\n    ` is one token in byte-level tokenisers of code; a cut inside it would change the tokens."""
    assert changed_spans("a\n\n    b", "a\n\n    B") == [("a", "\n\n    B")]


def test_deletions_and_new_blank_lines_have_nothing_to_score() -> None:
    assert changed_spans("a\nb\nc", "a\nc") == []
    assert changed_spans("a\nc", "a\n\nc") == []


def test_nats_and_tokens_are_those_of_the_changed_lines(tmp_path: Path) -> None:
    """The fake counts characters as tokens at 0.5 nats each."""
    seen = []
    upstream = ScriptedUpstream(lambda _: "", likelihood=lambda pair: seen.append(pair) or 0.5)
    example = task(1)
    with AnswerBook(tmp_path, "m", "h", upstream) as book:
        (found,) = changed_lines(book, [(example, edit_messages(example))], Way(batch=8))
    assert [message.role for message in seen[0][0]] == ["user", "assistant"]
    assert seen[0][0][-1].content == "def f():"
    new = "\n    return new(1)"
    assert found == Likelihood(len(new) * 0.5, len(new))


def test_a_change_that_only_deletes_is_left_out_with_its_reason(tmp_path: Path) -> None:
    import msgspec

    example = msgspec.structs.replace(task(1), after=Clean("def f():\n"))
    with AnswerBook(tmp_path, "m", "h", ScriptedUpstream(lambda _: "")) as book:
        assert changed_lines(book, [(example, edit_messages(example))], Way(batch=8)) == [Failure.of(ONLY_DELETES)]


def test_bare_documents_are_scored_without_a_conversation(tmp_path: Path) -> None:
    seen = []
    upstream = ScriptedUpstream(lambda _: "", likelihood=lambda pair: seen.append(pair) or 2.0)
    with AnswerBook(tmp_path, "m", "h", upstream) as book:
        assert untouched(book, ["abc"], Way(batch=8)) == [Likelihood(6.0, 3)]
        assert untouched(book, ["abc"], Way(batch=8)) == [Likelihood(6.0, 3)]
    assert seen == [((), "abc")]


def test_a_model_that_gives_no_likelihood_gives_a_reason(tmp_path: Path) -> None:
    from golddiff.errors import UpstreamError

    class Chat(ScriptedUpstream):
        def loglikelihood(self, pairs):  # type: ignore[no-untyped-def]
            raise UpstreamError("chat APIs give none")

    with AnswerBook(tmp_path, "m", "h", Chat(lambda _: "")) as book:
        (found,) = changed_lines(book, [(task(1), edit_messages(task(1)))], Way(batch=8))
    assert isinstance(found, Failure)
    assert "chat APIs" in found.reason


def test_a_torn_last_line_is_dropped_and_asked_again(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(lambda _: "")
    with AnswerBook(tmp_path, "m", "h", upstream) as book:
        untouched(book, ["abc", "defg"], Way(batch=1))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    with AnswerBook(tmp_path, "m", "h", upstream) as book:
        assert untouched(book, ["abc", "defg"], Way(batch=1)) == [Likelihood(3.0, 3), Likelihood(4.0, 4)]
    assert file.read_bytes() == whole


@pytest.mark.parametrize("identity", ["m", "other"])
def test_answers_of_one_model_are_never_given_for_another(tmp_path: Path, identity: str) -> None:
    calls = []
    upstream = ScriptedUpstream(lambda _: "", likelihood=lambda pair: calls.append(pair) or 1.0)
    with AnswerBook(tmp_path, "m", "h", upstream) as book:
        untouched(book, ["abc"], Way(batch=1))
    with AnswerBook(tmp_path, identity, "h", upstream) as book:
        untouched(book, ["abc"], Way(batch=1))
    assert len(calls) == (1 if identity == "m" else 2)
