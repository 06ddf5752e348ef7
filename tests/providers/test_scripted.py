from golddiff.providers import ScriptedUpstream, Upstream
from golddiff.types import Message


def test_it_answers_from_the_script_and_keeps_the_calls() -> None:
    upstream = ScriptedUpstream(lambda conversation: conversation[-1].content.upper())
    (answer,) = upstream.complete([(Message("user", "hi"),)], max_tokens=10)
    assert (answer.text, answer.finish_reason) == ("HI", "stop")
    assert len(upstream.calls) == 1


def test_long_answers_are_cut_and_say_so() -> None:
    (answer,) = ScriptedUpstream(lambda _: "abcdef").complete([()], max_tokens=3)
    assert (answer.text, answer.finish_reason) == ("abc", "length")


def test_likelihoods_are_sums_with_a_count() -> None:
    upstream = ScriptedUpstream(lambda _: "", likelihood=lambda pair: 0.5)
    assert upstream.loglikelihood([((), "abcd")]) == [(2.0, 4)]


def test_it_is_an_upstream() -> None:
    assert isinstance(ScriptedUpstream(lambda _: ""), Upstream)
