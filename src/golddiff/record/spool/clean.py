"""From a call as it passed to one that may be stored: content encodings undone, everything redacted.

Fails closed: `RightsError` where redaction fails. A body that cannot be searched, because its content encoding is
unknown, damaged or unpacks to more than the limit, is left out and the call says so.

How it fits: the writer thread of `recorder` calls `clean_call`; `conversations` finds the earlier request.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import chain

import zstandard

from golddiff.record.capture import Attempted, RawCall
from golddiff.record.spool.stored import CallFacts
from golddiff.rights.bodies import Scanned, scan_body
from golddiff.rights.redact import redact_fields
from golddiff.rights.streams import scan_stream
from golddiff.types import Clean, CleanBytes

MOST_UNPACKED_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class CleanCall:
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
) -> CleanCall:
    """Redact everything of `raw`; `request_body` is its request as `unpacked` gave it, or nothing.

    `own` (secret → kind) are hidden besides those that are found.

    Raises RightsError, with nothing of the call in it.
    """
    request = scan_body(request_body, previous, own)
    response_body = _unpacked_or_nothing(raw.response_body, raw.response_headers, "response", left_out)
    if raw.streamed:
        response, secrets = scan_stream(response_body, request.secrets)
    else:
        scanned = scan_body(response_body, None, request.secrets)
        response, secrets = scanned.clean, scanned.secrets
    if len(secrets) > len(request.secrets):
        request = Scanned(request.raw, request.clean, request.marks, request.secrets | secrets, request.scanned_bytes)
    return CleanCall(_facts(raw, number, left_out, own or {}), request, response)


def request_of(raw: RawCall, left_out: list[str]) -> bytes:
    """Return the request body without its content encoding; nothing where that cannot be undone."""
    return _unpacked_or_nothing(raw.request_body, raw.request_headers, "request", left_out)


def _facts(raw: RawCall, number: int, left_out: list[str], own: dict[str, str]) -> CallFacts:
    texts = [
        raw.upstream, raw.method, raw.path, raw.asked_model or "", raw.key_id or "", *left_out,
        *chain.from_iterable(raw.request_headers), *chain.from_iterable(raw.response_headers),
    ]  # fmt: skip
    for attempt in raw.attempts:
        texts += (attempt.upstream, attempt.result)
    for secret, kind in own.items():
        if secret in "\n".join(texts):
            texts = [text.replace(secret, f"[REDACTED:{kind}]") for text in texts]
    clean = _clean_texts(texts)
    upstream, method, path, asked_model, key_id = clean[:5]
    asked = 5 + len(left_out)
    answered = asked + 2 * len(raw.request_headers)
    tried = answered + 2 * len(raw.response_headers)
    return CallFacts(
        call_id=raw.call_id,
        number=number,
        started_at=raw.started_at,
        first_byte_ns=max(0, raw.first_byte_ns),
        duration_ns=max(0, raw.duration_ns),
        key_id=key_id if raw.key_id is not None else None,
        protocol=raw.protocol,
        upstream=upstream,
        method=method,
        path=path,
        asked_model=asked_model if raw.asked_model is not None else None,
        request_headers=_pairs(clean[asked:answered]),
        response_headers=_pairs(clean[answered:tried]),
        status=raw.status,
        streamed=raw.streamed,
        ending=raw.ending,
        attempts=tuple([Attempted(name, result) for name, result in _pairs(clean[tried:])]),
        left_out=tuple(clean[5:asked]),
    )


def _pairs(texts: list[Clean]) -> tuple[tuple[Clean, Clean], ...]:
    return tuple(zip(texts[::2], texts[1::2], strict=True))


_harmless: dict[str, Clean] = {}
"""Texts that redaction left alone, nearly all of which come again with every call: names, paths, models."""

_MOST_HARMLESS = 4_096


def _clean_texts(texts: list[str]) -> list[Clean]:
    known = _harmless
    try:
        return [known[text] for text in texts]
    except KeyError:
        new = [text for text in texts if text not in known]
    redacted = dict(zip(new, redact_fields(new), strict=True))
    clean = [redacted[text] if text in redacted else known[text] for text in texts]
    if len(known) > _MOST_HARMLESS:
        known.clear()
    known.update((text, harmless) for text, harmless in redacted.items() if harmless == text)
    return clean


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
