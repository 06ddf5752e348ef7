"""Heads that come again byte for byte."""

from __future__ import annotations

import httptools
import pytest

from golddiff.record.gateway.repeats import Repeat

HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nX-Api-Key: k\r\n\r\n"
DATA = HEAD % 4 + b"abcd"


class Parsed:
    """What the parser makes of bytes: headers but for the length, and the body; None: it takes them for no message."""

    def __init__(self) -> None:
        self.url, self.headers, self.body, self.whole = b"", list[tuple[bytes, bytes]](), b"", False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() != b"content-length":
            self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True

    @classmethod
    def of(cls, data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes] | None:
        seen = cls()
        try:
            httptools.HttpRequestParser(seen).feed_data(data)
        except httptools.HttpParserError:
            return None
        return (seen.url, seen.headers, seen.body) if seen.whole else None


def test_the_same_head_with_another_body_is_the_next_request() -> None:
    repeat = Repeat.of(DATA, b"abcd")
    assert repeat is not None
    assert repeat.body(HEAD % 12 + b"another body") == b"another body"
    assert repeat.body(HEAD % 0) == b""


def test_what_is_taken_without_the_parser_is_what_the_parser_would_have_made_of_it() -> None:
    repeat, parsed = Repeat.of(DATA, b"abcd"), Parsed.of(DATA)
    assert repeat is not None
    assert parsed is not None
    taken = 0
    for at in range(len(DATA)):
        for byte in (*b"\r\n\t \0:,;09-+xX\x80", DATA[at] ^ 32):
            for changed in (
                DATA[:at] + bytes([byte]) + DATA[at + 1 :], DATA[:at] + bytes([byte]) + DATA[at:], DATA[:at],
            ):  # fmt: skip
                body = repeat.body(changed)
                if body is not None:
                    taken += 1
                    assert Parsed.of(changed) == (*parsed[:2], body)
    assert taken > 10


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n\r\nabcd", b"POST / HTTP/1.1\r\nHost: h\r\n\r\nabcd", HEAD % 3 + b"abcd", HEAD % 4 + b"abcdGET /",
        b"\r\n" + HEAD % 4 + b"abc", (HEAD % 4).replace(b"X-Api-Key: k", b"content-length: 4") + b"abcd",
        (HEAD % 4).replace(b": 4", b": 4 ") + b"abcd",
    ],
)  # fmt: skip
def test_a_read_that_is_not_one_head_with_one_length_and_its_body_is_not_remembered(data: bytes) -> None:
    assert Repeat.of(data, b"abcd") is None
