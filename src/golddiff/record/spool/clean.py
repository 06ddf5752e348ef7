"""From a call as it passed to one that may be stored: content encodings undone, everything redacted.

Fails closed: `RightsError` where redaction fails. A body that cannot be searched, because its content encoding is
unknown, damaged or unpacks to more than the limit, is left out and the call says so.

How it fits: `encode` calls `clean_call`; `conversations` finds the earlier request.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeAlias

import msgspec
import zstandard

from golddiff.record.capture import Attempted, Headers, RawCall
from golddiff.record.spool.stored import CallFacts, CleanHeaders
from golddiff.rights.bodies import Scanned, scan_body, scan_together
from golddiff.rights.redact import redact_fields
from golddiff.rights.streams import scan_stream
from golddiff.types import Clean, CleanBytes

MOST_UNPACKED_BYTES = 64 << 20

_MOST_REMEMBERED = 4_096
_LONGEST_REMEMBERED = 4_096
"""Characters: what is longer comes from someone who fills memory, and is looked at again."""


class CleanCall(msgspec.Struct, frozen=True):
    """A call that may be stored. `request` also holds the body as it came, for the next of its conversation."""

    facts: CallFacts
    request: Scanned
    response: CleanBytes


def clean_call(
    raw: RawCall,
    request_body: bytes,
    previous: Scanned | None,
    number: int,
    left_out: list[str],
    own: dict[str, str] | None = None,
    remembered: Remembered | None = None,
) -> CleanCall:
    """Redact everything of `raw`; `request_body` is its request as `unpacked` gave it, or nothing.

    `own` (secret → kind) are hidden besides those that are found. `remembered` is kept between calls with the same
    `own`: what need not be looked at again.

    Raises RightsError, with nothing of the call in it.
    """
    remembered = {} if remembered is None else remembered
    response_body = _unpacked_or_nothing(raw.response_body, raw.response_headers, "response", left_out)
    if previous is None and not raw.streamed:
        together = scan_together(request_body, response_body, own)
        if together is not None:  # nearly every short call that goes on from no other
            return CleanCall(_facts(raw, number, left_out, own or {}, remembered), *together)
    request = scan_body(request_body, previous, own)
    if raw.streamed:
        response, secrets = scan_stream(response_body, request.secrets)
    else:
        scanned = scan_body(response_body, None, request.secrets)
        response, secrets = scanned.clean, scanned.secrets
    if len(secrets) > len(request.secrets):
        request = Scanned(request.raw, request.clean, request.marks, request.secrets | secrets, request.scanned_bytes)
    return CleanCall(_facts(raw, number, left_out, own or {}, remembered), request, response)


def request_of(raw: RawCall, left_out: list[str]) -> bytes:
    """Return the request body without its content encoding; nothing where that cannot be undone."""
    return _unpacked_or_nothing(raw.request_body, raw.request_headers, "request", left_out)


Remembered: TypeAlias = dict[object, "tuple[Any, ...]"]
"""Names, headers and tries as they came → as redaction left them, where it found nothing: nearly all come again."""


def _facts(raw: RawCall, number: int, left_out: list[str], own: dict[str, str], remembered: Remembered) -> CallFacts:
    said = (raw.upstream, raw.method, raw.path, raw.asked_model, raw.key_id, raw.request_headers, raw.attempts)
    asked, answered = remembered.get(said), remembered.get(raw.response_headers)
    if asked is None:
        asked = _redacted_asked(raw, said, own, remembered)
    if answered is None:
        answered = _redacted_headers(raw.response_headers, own, remembered)
    upstream, method, path, asked_model, key_id, request_headers, attempts = asked
    first_byte_ns, duration_ns = raw.first_byte_ns, raw.duration_ns
    return CallFacts(
        call_id=raw.call_id,
        number=number,
        started_at=raw.started_at,
        first_byte_ns=first_byte_ns if first_byte_ns > 0 else 0,
        duration_ns=duration_ns if duration_ns > 0 else 0,
        key_id=key_id,
        protocol=raw.protocol,
        upstream=upstream,
        method=method,
        path=path,
        asked_model=asked_model,
        request_headers=request_headers,
        response_headers=answered,
        status=raw.status,
        streamed=raw.streamed,
        ending=raw.ending,
        attempts=attempts,
        left_out=_redacted(left_out, own) if left_out else (),
    )


def _redacted_asked(
    raw: RawCall, said: tuple[Any, ...], own: dict[str, str], remembered: Remembered
) -> tuple[Any, ...]:
    """Names, request headers and tries, which come again with nearly every call of a client."""
    names = said[:5]
    tried = [text for each in raw.attempts for text in (each.upstream, each.result)]
    texts = _redacted([*(name or "" for name in names), *chain.from_iterable(raw.request_headers), *tried], own)
    at = len(texts) - len(tried)
    headers, pairs = texts[len(names) : at], texts[at:]
    clean = (
        *(None if name is None else text for name, text in zip(names, texts, strict=False)),
        tuple(zip(headers[::2], headers[1::2], strict=True)),
        tuple([Attempted(name, result) for name, result in zip(pairs[::2], pairs[1::2], strict=True)]),
    )
    _remember(remembered, said, clean, texts)
    return clean


def _redacted_headers(headers: Headers, own: dict[str, str], remembered: Remembered) -> CleanHeaders:
    texts = _redacted(list(chain.from_iterable(headers)), own)
    pairs = tuple(zip(texts[::2], texts[1::2], strict=True))
    _remember(remembered, headers, pairs, texts)
    return pairs


def _redacted(texts: Sequence[str], own: dict[str, str]) -> tuple[Clean, ...]:
    for secret, kind in own.items():
        if secret in "\n".join(texts):
            texts = [text.replace(secret, f"[REDACTED:{kind}]") for text in texts]
    return redact_fields(texts)


def _remember(remembered: Remembered, part: tuple[Any, ...], clean: tuple[Any, ...], texts: tuple[Clean, ...]) -> None:
    """Remember what redaction left as it was; `texts` are those that it holds."""
    if clean == part and sum(map(len, texts)) <= _LONGEST_REMEMBERED:
        if len(remembered) >= _MOST_REMEMBERED:
            remembered.clear()
        remembered[part] = clean


def _unpacked_or_nothing(body: bytes, headers: tuple[tuple[str, str], ...], which: str, left_out: list[str]) -> bytes:
    for name, value in headers:
        if len(name) == 16 and name.lower() == "content-encoding":
            encoding = value.strip().lower()
            break
    else:
        return body
    if not body or encoding in ("", "identity"):
        return body
    unpacked = unpack(body, encoding)
    if unpacked is None:
        left_out.append(f"{which}: content-encoding {encoding[:40]}")
        return b""
    return unpacked


def unpack(body: bytes, encoding: str) -> bytes | None:
    """Undo one content encoding, as far as the body goes where it was cut. None: unknown, damaged or too large."""
    try:
        if encoding in ("gzip", "x-gzip", "deflate"):
            unzip = zlib.decompressobj(47)  # gzip or zlib, told by the header
            unpacked = unzip.decompress(body, MOST_UNPACKED_BYTES)
            return None if unzip.unconsumed_tail else unpacked
        if encoding == "zstd":
            with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
                body, read_across_frames=True
            ) as stream:
                unpacked = stream.read(MOST_UNPACKED_BYTES)
                return None if stream.read(1) else unpacked
    except (zlib.error, zstandard.ZstdError):
        return None
    return None
