"""What a call used, read off the ends of its answer: for limits and metrics, while the client's next request waits.

Only the first and the last event that name usage are decoded, and of a whole answer only its usage; msgspec skips the
rest. Where a provider reports nothing (OpenAI streams without `include_usage`, answers that were cut short), the answer
is estimated from its text, at four bytes a token.

`golddiff.providers.wire` reads the same answers in full, later and elsewhere; this module reads nothing but numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

import msgspec

from golddiff.record.capture import RawCall
from golddiff.types import Usage

_MOST_ESTIMATED = 1 << 20
"""Bytes of an answer whose text is measured; longer ones are scaled up."""
_MOST_TOKENS = 10_000_000
"""Tokens that any one call can have used: what reports more is not believed."""
_BYTES_PER_TOKEN = 4
_WINDOWS = (1 << 10, 1 << 16)
"""Bytes that are split at once where events are alike: at first, and most where they go on to be."""
_MARK = b'"usage"'


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Reported(msgspec.Struct):
    """Usage by whichever names the protocol has."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Inner(msgspec.Struct):
    usage: _Reported | None = None


class _Answer(msgspec.Struct):
    """A whole answer or one event: usage stands at the top, in `message` (Anthropic) or in `response` (Responses)."""

    usage: _Reported | None = None
    message: _Inner | None = None
    response: _Inner | None = None


_DECODER = msgspec.json.Decoder(_Answer)
_TEXT = re.compile(
    rb'"(?:content|text|delta|thinking|partial_json|arguments|refusal)":\s*"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL
)


def usage_of(call: RawCall) -> Usage | None:
    """Return what the upstream reported of a call, or None where it reported nothing."""
    body = call.response_body
    whole = None if call.streamed else _decode(body)
    found = list(_reports(body)) if whole is None else [whole]
    if not found:
        return None
    prompt = output = cached = read = write = 0
    for report in found:  # what a later event says replaces what an earlier one said
        for number in (report.input_tokens, report.prompt_tokens):
            if number is not None:
                prompt = _sane(number)
        for number in (report.output_tokens, report.completion_tokens):
            if number is not None:
                output = _sane(number)
        if report.cache_read_input_tokens is not None:
            read = _sane(report.cache_read_input_tokens)
        if report.cache_creation_input_tokens is not None:
            write = _sane(report.cache_creation_input_tokens)
        details = report.prompt_tokens_details or report.input_tokens_details
        if details is not None and details.cached_tokens is not None:
            cached = _sane(details.cached_tokens)
    if not read and cached:  # OpenAI counts what its cache served among the prompt's tokens, Anthropic beside them
        read = min(cached, prompt)
        prompt -= read
    return Usage(input_tokens=prompt, output_tokens=output, cache_read_tokens=read, cache_write_tokens=write)


def estimated_answer(call: RawCall) -> int:
    """Return about how many tokens came, by the length of the answer's text."""
    body = call.response_body[:_MOST_ESTIMATED]
    if not body:
        return 0
    return -(-_text_bytes(body) * len(call.response_body) // len(body) // _BYTES_PER_TOKEN)


def _text_bytes(body: bytes) -> int:
    """How long the strings in text fields are together, as they are written in the body.

    The events of a stream mostly differ in nothing but their text: between the texts of two of them stand the same
    bytes, and so on, which is split in one step.
    """
    total = 0
    window, widest = _WINDOWS
    found = _TEXT.search(body)
    while found is not None:
        total += found.end(1) - found.start(1)
        after = _TEXT.search(body, found.end())
        if after is not None:
            separator = body[found.end(1) : after.start(1)]
            if body.startswith(separator, after.end(1)):
                start, least = after.start(1), after.end(1) + len(separator)
                texts, passed = _alike(body[start : least + window], separator)
                total += texts
                after = _TEXT.search(body, start + passed)  # behind the last of these texts
                window = min(4 * window, widest) if passed > window // 2 else _WINDOWS[0]
        found = after
    return total


def _alike(body: bytes, separator: bytes) -> tuple[int, int]:
    """How long the texts at the beginning of `body` are between which nothing but `separator` stands, and their end."""
    last = body.rfind(separator)
    run = body[:last]
    between = run.count(separator)
    quotes = run.count(b'"') - between * separator.count(b'"')
    if quotes == run.count(b'\\"') and b'\\\\"' not in run and b"\\" not in separator:  # no quote ends a text
        return last - between * len(separator), last
    texts = list(takewhile(lambda text: b'"' not in _unescaped(text), body.split(separator)[:-1]))
    size = sum(map(len, texts))
    return size, size + len(separator) * (len(texts) - 1)


def _unescaped(text: bytes) -> bytes:
    return text.replace(b"\\\\", b"").replace(b'\\"', b"")


def _reports(body: bytes) -> Iterator[_Reported]:
    """The first and the last event that name usage: Anthropic counts the prompt in one and the answer in the other."""
    first, last = body.find(_MARK), body.rfind(_MARK)
    for at in (first, last) if first != last else (first,):
        if at < 0:
            return
        start = max(body.rfind(b"\n", 0, at), body.rfind(b"\r", 0, at)) + 1
        ends = [end for end in (body.find(b"\n", at), body.find(b"\r", at)) if end >= 0]
        line = body[start : min(ends)] if ends else body[start:]
        if line.startswith(b"data:") and (report := _decode(line[5:])) is not None:
            yield report


def _decode(data: bytes) -> _Reported | None:
    try:
        answer = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if answer.usage is not None:
        return answer.usage
    for holder in (answer.message, answer.response):
        if holder is not None and holder.usage is not None:
            return holder.usage
    return None


def _sane(number: int) -> int:
    """The number; 0 where it cannot be true."""
    return number if 0 <= number <= _MOST_TOKENS else 0
