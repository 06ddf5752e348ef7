"""Heads of requests and answers: which headers travel, which stay, and answers of the gateway's own.

How it fits: `connection` and `upstreams` parse with httptools (llhttp in its strict mode), this module decides what
the other side sees. Every message is framed anew from what was parsed: framing bytes of one side never reach the
other, so what two parsers could read differently does not pass (request smuggling).

Bodies are bytes and never looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from golddiff.providers.wire.clients import AGENT_HEADERS, CLIENT_HEADERS, SESSION_HEADERS
from golddiff.record.gateway.credential import CARRIERS, SECRET_HEADERS

HeaderList = list[tuple[bytes, bytes]]
"""Name and value as they came."""

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of request line and headers together."""
MAX_HEADERS = 200
"""Header fields of one message."""

HOP_BY_HOP = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip
_NOT_TO_UPSTREAM = (
    HOP_BY_HOP
    | SECRET_HEADERS
    | {b"host", b"content-length", b"expect", b"accept-encoding", b"metadata-flavor", b"x-aws-ec2-metadata-token"}
)
_NOT_TO_CLIENT = HOP_BY_HOP | {b"content-length"}

_RECORDED = {
    name: name.decode()
    for name in (
        b"content-type", b"content-encoding", b"anthropic-version", b"anthropic-beta", b"openai-beta",
        b"x-client-request-id", b"x-stainless-retry-count", b"x-stainless-package-version", b"request-id",
        b"x-request-id", b"openai-model", b"openai-version", b"openai-processing-ms", b"retry-after", b"x-should-retry",
        *(name.encode() for name in (*SESSION_HEADERS, *AGENT_HEADERS, *CLIENT_HEADERS)),
    )
}  # fmt: skip
"""The only headers that a record may hold: all others, known or not, are left out."""

REASONS = {
    200: b"OK", 201: b"Created", 202: b"Accepted", 204: b"No Content", 206: b"Partial Content",
    301: b"Moved Permanently", 302: b"Found", 303: b"See Other", 304: b"Not Modified", 307: b"Temporary Redirect",
    308: b"Permanent Redirect", 400: b"Bad Request", 401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden",
    404: b"Not Found", 405: b"Method Not Allowed", 408: b"Request Timeout", 409: b"Conflict", 410: b"Gone",
    413: b"Content Too Large", 415: b"Unsupported Media Type", 422: b"Unprocessable Content",
    429: b"Too Many Requests", 431: b"Request Header Fields Too Large", 499: b"Client Closed Request",
    500: b"Internal Server Error", 501: b"Not Implemented", 502: b"Bad Gateway", 503: b"Service Unavailable",
    504: b"Gateway Timeout", 508: b"Loop Detected", 529: b"Overloaded",
}  # fmt: skip


def request_head(method: bytes, target: bytes, host: bytes, headers: HeaderList, own: bytes, forward: bool) -> bytes:
    """Return the head that an upstream gets, up to where its length and the empty line follow.

    Args:
        own: header lines of the gateway (its credential), each ended by CRLF.
        forward: let the caller's own credential pass.
    """
    named = _named_by_connection(headers)
    lines = [method, b" ", target, b" HTTP/1.1\r\nhost: ", host, b"\r\naccept-encoding: identity\r\n", own]
    for name, value in headers:
        lowered = name.lower()
        if lowered in _NOT_TO_UPSTREAM:
            if not (forward and lowered in CARRIERS):
                continue
        elif lowered in named:
            continue
        lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)


Framing = Literal["length", "chunked", "close", "none"]
"""How an answer's body is delimited for the client."""


def response_head(
    status: int, reason: bytes, headers: HeaderList, framing: Framing, length: bytes | None, close: bool
) -> bytes:
    """Return the head that the client gets: the upstream's, in its order, without what belongs to the other hop."""
    named = _named_by_connection(headers)
    lines = [b"HTTP/1.1 %d " % status, reason or REASONS.get(status, b""), b"\r\n"]
    for name, value in headers:
        lowered = name.lower()
        if lowered in _NOT_TO_CLIENT or lowered in named:
            continue
        lines += (name, b": ", value, b"\r\n")
    if framing == "chunked":
        lines.append(b"transfer-encoding: chunked\r\n")
    elif length is not None:
        lines += (b"content-length: ", length, b"\r\n")
    lines.append(b"connection: close\r\n\r\n" if close else b"\r\n")
    return b"".join(lines)


def recorded(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Return the headers that a record may hold, names in lower case."""
    found = []
    for name, value in headers:
        text = _RECORDED.get(name.lower())
        if text is not None:
            found.append((text, value.decode("latin-1")))
    return tuple(found)


def own_answer(
    status: int,
    body: bytes,
    *,
    headers: Iterable[tuple[str, str]] = (),
    content_type: bytes = b"application/json",
    close: bool = False,
    head_only: bool = False,
) -> bytes:
    """Return a whole answer of the gateway itself."""
    extra = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers)
    return b"".join(
        (
            b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n"
            % (status, REASONS.get(status, b""), content_type, len(body)),
            extra,
            b"connection: close\r\n\r\n" if close else b"\r\n",
            b"" if head_only else body,
        )
    )


_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_ANTHROPIC_TYPES = _OPENAI_TYPES | {413: "request_too_large", 529: "overloaded_error"}


def error_body(api: str, status: int, code: str, message: str) -> bytes:
    """Return an error in the shape that clients of this API read."""
    if api == "anthropic":
        kind = _ANTHROPIC_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})
    kind = _OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def _named_by_connection(headers: HeaderList) -> frozenset[bytes] | tuple[()]:
    """Names that a `Connection` header declares to be of this hop only."""
    for name, _ in headers:
        if len(name) == 10 and name.lower() == b"connection":
            break
    else:
        return ()
    return frozenset(
        part.strip().lower() for name, value in headers if name.lower() == b"connection" for part in value.split(b",")
    )
