"""Which headers travel, which are recorded, and answers of the gateway's own."""

from __future__ import annotations

import json

from golddiff.record.gateway import heads


def test_a_request_head_leaves_out_what_belongs_to_one_hop_and_every_credential() -> None:
    sent = [
        (b"Host", b"gateway"), (b"Authorization", b"Bearer c"), (b"X-API-Key", b"c"), (b"api-key", b"c"),
        (b"X-Goog-Api-Key", b"c"), (b"Cookie", b"c"), (b"Proxy-Authorization", b"c"), (b"Accept-Encoding", b"br"),
        (b"Connection", b"close, X-Mine"), (b"X-Mine", b"1"), (b"TE", b"trailers"), (b"Content-Length", b"9"),
        (b"Metadata-Flavor", b"Google"), (b"anthropic-beta", b"x"), (b"X-Keep", b""),
    ]  # fmt: skip
    head = heads.request_head(b"POST", b"/v1/x", b"api.example", sent, b"x-api-key: own\r\n", False)
    assert head == (
        b"POST /v1/x HTTP/1.1\r\nhost: api.example\r\naccept-encoding: identity\r\nx-api-key: own\r\n"
        b"anthropic-beta: x\r\nX-Keep: \r\n"
    )


def test_the_callers_credential_is_sent_on_only_where_the_operator_said_so() -> None:
    sent = [(b"Authorization", b"Bearer c"), (b"Cookie", b"c")]
    head = heads.request_head(b"GET", b"/v1/models", b"h", sent, b"", True)
    assert head.endswith(b"identity\r\nAuthorization: Bearer c\r\n")


def test_an_answer_keeps_its_headers_in_order_and_gets_framing_of_its_own() -> None:
    sent = [(b"X-B", b"1"), (b"Transfer-Encoding", b"gzip"), (b"Content-Length", b"7"), (b"X-A", b"2"), (b"X-B", b"3")]
    head = heads.response_head(200, b"Fine", sent, "chunked", None, False)
    assert head == b"HTTP/1.1 200 Fine\r\nX-B: 1\r\nX-A: 2\r\nX-B: 3\r\ntransfer-encoding: chunked\r\n\r\n"
    assert b"content-length: 7\r\nconnection: close\r\n\r\n" in heads.response_head(
        200, b"", sent, "length", b"7", True
    )


def test_only_named_headers_are_recorded() -> None:
    sent = [(b"Session_Id", b"s"), (b"Authorization", b"x"), (b"Set-Cookie", b"x"), (b"X-Unknown", b"x")]
    assert heads.recorded(sent) == (("session_id", "s"),)


def test_errors_have_the_shape_of_each_api() -> None:
    assert json.loads(heads.error_body("anthropic", 429, "c", "m")) == {
        "type": "error", "error": {"type": "rate_limit_error", "message": "m"},
    }  # fmt: skip
    assert json.loads(heads.error_body("openai", 502, "c", "m"))["error"] == {
        "message": "m", "type": "server_error", "param": None, "code": "c",
    }  # fmt: skip
