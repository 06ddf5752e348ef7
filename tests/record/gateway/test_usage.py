"""What a call used, read off its answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golddiff.record.capture import RawCall
from golddiff.record.gateway.usage import _TEXT, estimated_answer, usage_of
from golddiff.types import Usage


def call(body: bytes, *, streamed: bool = False) -> RawCall:
    return RawCall(
        call_id="call_1", started_at=datetime.now(UTC), first_byte_ns=1, duration_ns=2, key_id=None, protocol="other",
        upstream="main", method="POST", path="/v1", asked_model=None, request_headers=(), response_headers=(),
        request_body=b"", response_body=body, status=200, streamed=streamed, ending="complete",
    )  # fmt: skip


def events(*data: object, newline: bytes = b"\n") -> bytes:
    return b"".join(b"event: x" + newline + b"data: " + json.dumps(one).encode() + newline * 2 for one in data)


CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "total_tokens": 107,
    "prompt_tokens_details": {"cached_tokens": 60},
}
RESPONSES = {"input_tokens": 100, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 60}}
MESSAGES = {"input_tokens": 40, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 5, "output_tokens": 7}
OPENAI = Usage(input_tokens=40, output_tokens=7, cache_read_tokens=60)
ANTHROPIC = Usage(input_tokens=40, output_tokens=7, cache_read_tokens=60, cache_write_tokens=5)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [(CHAT, OPENAI), (RESPONSES, OPENAI), (MESSAGES, ANTHROPIC)],
    ids=["chat", "responses", "messages"],
)
def test_a_whole_answer_says_what_it_used(usage: object, expected: Usage) -> None:
    answer = {"id": "1", "content": [{"text": 'the "usage": is here', "usage": "x"}], "usage": usage, "model": "m"}
    assert usage_of(call(json.dumps(answer).encode())) == expected


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_stream_says_it_in_its_events(newline: bytes) -> None:
    text = {"choices": [{"delta": {"content": '"usage": {"prompt_tokens": 9}'}}]}
    chat = events(text, {"choices": [], "usage": None}, {"choices": [], "usage": CHAT}, newline=newline)
    assert usage_of(call(chat + b"data: [DONE]" + newline * 2, streamed=True)) == OPENAI
    done = {"type": "response.completed", "response": {"id": "r", "usage": RESPONSES}}
    assert usage_of(call(events({"response": {"usage": None}}, text, done, newline=newline), streamed=True)) == OPENAI
    start = {"type": "message_start", "message": {"id": "m", "usage": MESSAGES | {"output_tokens": 1}}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
    assert usage_of(call(events(start, text, end, newline=newline), streamed=True)) == ANTHROPIC


def test_a_stream_that_was_cut_says_what_it_can() -> None:
    start = events({"type": "message_start", "message": {"id": "m", "usage": MESSAGES | {"output_tokens": 1}}})
    assert usage_of(call(start + b'data: {"type": "message_delta", "usage": {"output', streamed=True)) is not None
    assert usage_of(call(start[:-30], streamed=True)) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'{"usage": 3}', b'{"usage": {"input_tokens": "many"}}', b"\xff\xfe", b"[" * 100_000],
)
def test_what_cannot_be_read_says_nothing(body: bytes) -> None:
    assert usage_of(call(body)) is None
    assert usage_of(call(b"data: " + body + b"\n\n", streamed=True)) is None


@pytest.mark.parametrize("number", [-5, 10**12])
def test_numbers_that_cannot_be_true_count_as_nothing(number: int) -> None:
    assert usage_of(call(json.dumps({"usage": {"output_tokens": number}}).encode())) == Usage()


def test_an_answer_without_usage_is_estimated_by_its_text() -> None:
    chunks = [{"choices": [{"delta": {"content": "abcd" * 10}}]} for _ in range(50)]
    assert estimated_answer(call(events(*chunks), streamed=True)) == 500
    assert estimated_answer(call(b"")) == 0


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]), st.sampled_from(["content", "text", "partial_json", "id"]),
            st.text(alphabet='ab"\\\\{},:\n é', max_size=6), st.integers(1, 5),
        ),
        max_size=12,
    ),
    st.booleans(),
)  # fmt: skip
def test_events_that_are_alike_are_measured_like_all_others(
    said: list[tuple[str, str, str, int]], counted: bool
) -> None:
    chunks = [
        {"n": number if counted else 0, "id": name, "delta": {field: text}}
        for name, field, text, times in said
        for number in range(times)
    ]
    body = events(*chunks)
    one_by_one = sum(map(len, _TEXT.findall(body)))
    assert estimated_answer(call(body, streamed=True)) == -(-one_by_one // 4)


def test_texts_longer_than_what_is_split_at_once_are_measured_whole() -> None:
    body = events(*[{"id": 1, "delta": {"content": "abcd" * 20_000}}] * 5)
    assert estimated_answer(call(body, streamed=True)) == 100_000


def test_events_that_keep_changing_are_measured_as_fast_as_others() -> None:
    """All calls of a worker wait while one is measured."""
    same = [{"n": 0, "delta": {"content": "a"}}] * 16_000
    changing = [{"n": number % 3 // 2, "delta": {"content": "a"}} for number in range(16_000)]
    for chunks in (same, changing):
        answer = call(events(*chunks), streamed=True)
        began = process_time()
        assert estimated_answer(answer) == 4_000
        assert process_time() - began < 0.5


def test_a_long_answer_is_estimated_by_its_beginning() -> None:
    chunks = [{"choices": [{"delta": {"content": "abcd" * 10}}]}] * 30_000
    assert estimated_answer(call(events(*chunks), streamed=True)) == pytest.approx(300_000, rel=0.02)
