r"""Redaction of request bodies that grow: only bytes that were not seen before are scanned, with the same result.

An agent sends its whole history with every request. `scan_body` gets the previous body of the conversation, reuses
what redaction made of the shared start and end, and scans the middle. Both ends of the middle lie on *seams*:
places that no match of any rule can cross, so that redacting the parts gives what redacting the whole gives
(`tests/rights/test_bodies.py` compares the two on hostile bodies).

A seam is the place after a `}` where only brackets, commas and white space follow up to a quote or backslash, and
where only those, a colon and one literal without quotes (`:false`) lie between it and the quote before: `"}]},{"`.
Why no match crosses it: a crossing match has to consume that `}`; only the classes of values do (`[^\s"'\\]` and the
like), and none of them takes a quote or white space. So the value would lie between these two quotes, and every check
refuses what can stand there: it wants letters and digits mixed. Refusing it moves no other match, since none can
begin or end inside it. The one class that takes quotes is the header line of a PEM block, at most 100 bytes after its
name: such a name shortly before a place makes it no seam. `before`, the two bytes that a check looks at, ends in a
bracket, a comma or nothing, which are alike to it.

A secret that only a later body gives away is hidden in that body and all after it, wherever they repeat it; what was
stored before keeps it. Not covered either: letters written as JSON escapes (`\u0073k-…`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from golddiff.errors import RightsError
from golddiff.rights.overlap import common_prefix, common_suffix
from golddiff.rights.redact import FAILED, Redactor, holds_nothing
from golddiff.types import CleanBytes

__all__ = ["Scanned", "scan_body", "scan_together"]

_CHUNK = 1 << 14
"""Bytes after which a scan is cut at the next seam: what is scanned again when one byte of it changes."""

_SHORTEST_REUSE = 1 << 10
_REACH = 64
"""Bytes that are looked at on either side of a seam."""

_TRIES = 64
"""Places that are tried as a seam before the search is given up."""

_FILLING = b"{}[], \t\r\n"
_LEFT = re.compile(rb'":?[{}\[\], \t\r\n]*(?:true|false|null|[0-9.-]+)?[{}\[\], \t\r\n]*\}\Z')
_HEADER_NAMES = re.compile(rb"Proc-Type|DEK-Info|Version|Comment|Key-ID")
_HEADER_REACH = 112

_MOST_SECRETS = 1_000
"""Secrets of one conversation that are looked for elsewhere in it."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """From here to the next mark, `clean` is what redaction made of `raw`."""

    raw: int
    clean: int
    same: bool
    """Redaction changed nothing here, so every byte has its place."""


_ALL_THE_SAME = (_Mark(0, 0, True),)


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """A body that was redacted, with what the next one of its conversation needs. Memory only: it holds the body."""

    raw: bytes = field(repr=False)
    clean: CleanBytes = field(repr=False)
    """The same object as `raw` where nothing was found."""
    marks: tuple[_Mark, ...]
    secrets: dict[str, str] = field(repr=False)
    """Secret → kind, of the whole conversation so far."""
    scanned_bytes: int
    """Bytes that were scanned for this body."""


def scan_body(raw: bytes, previous: Scanned | None = None, secrets: dict[str, str] | None = None) -> Scanned:
    """Return `raw` redacted, as if it were scanned as a whole; `secrets` are further ones to hide.

    Raises RightsError, with nothing of the body in it, where anything fails.
    """
    try:
        return _scan(raw, previous, {**(previous.secrets if previous else {}), **(secrets or {})})
    except Exception:
        raise RightsError(FAILED) from None


def scan_together(
    request: bytes, response: bytes, secrets: dict[str, str] | None = None
) -> tuple[Scanned, CleanBytes] | None:
    """Return two short bodies as they are, where one pass over both finds nothing that begins to look like a secret.

    None where they have to be scanned each: what a rule's anchor matches in one of them, it matches in both together.

    Raises RightsError, with nothing of the bodies in it, where anything fails.
    """
    try:
        if len(request) + len(response) > 2 * _CHUNK:
            return None
        both = b"\n\n".join((request, response))
        if not holds_nothing(both, frozenset(secrets or ())):
            return None
        return Scanned(request, CleanBytes(request), _ALL_THE_SAME, secrets or {}, len(request)), CleanBytes(response)
    except Exception:
        raise RightsError(FAILED) from None


def _scan(raw: bytes, previous: Scanned | None, secrets: dict[str, str]) -> Scanned:
    small = previous is None and len(raw) <= 2 * _CHUNK
    if small and Redactor().redact_bytes(raw) is raw and not _hold((raw,), secrets):  # nearly every short body
        return Scanned(raw, CleanBytes(raw), _ALL_THE_SAME, secrets, len(raw))
    redactor = Redactor()
    redactor.secrets = dict(secrets)
    head = tail = 0
    clean_head = clean_tail = 0
    if previous is not None:
        if secrets != previous.secrets and _hold(
            (previous.raw, previous.clean), secrets.keys() - previous.secrets.keys()
        ):
            previous = None
        else:
            head, clean_head = _shared_head(raw, previous)
            tail, clean_tail = _shared_tail(raw, previous, head)
    end = len(raw) - tail
    chunks = [raw[start:stop] for start, stop in _chunks(raw, head, end)]
    scanned = [redactor.redact_bytes(chunk) for chunk in chunks]
    if previous is not None and len(redactor.secrets) > len(secrets):
        new = redactor.secrets.keys() - secrets.keys()
        # of the raw bytes too: in the clean ones a shorter secret may have taken a part of a longer one
        reused = (
            raw[:head],
            raw[end:],
            previous.clean[:clean_head],
            previous.clean[len(previous.clean) - clean_tail :],
        )
        if _hold(reused, new):
            return _scan(raw, None, redactor.secrets)
    if redactor.secrets:
        scanned = [redactor.repeat_bytes(chunk) for chunk in scanned]
    marks = _marks(chunks, scanned, previous, (head, clean_head), (tail, clean_tail))
    if all(mark.same for mark in marks):
        clean = raw
    else:
        before = previous.clean[:clean_head] if previous else b""
        after = previous.clean[len(previous.clean) - clean_tail :] if previous and clean_tail else b""
        clean = b"".join([before, *scanned, after])
    found = secrets if len(redactor.secrets) == len(secrets) else dict(list(redactor.secrets.items())[-_MOST_SECRETS:])
    return Scanned(raw, CleanBytes(clean), marks, found, end - head)


def _hold(parts: tuple[bytes, ...], secrets: Iterable[str]) -> bool:
    for secret in secrets:
        data = secret.encode()
        for part in parts:
            if data in part:
                return True
    return False


def _chunks(raw: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Cut `raw[start:end]` at seams, each chunk about `_CHUNK` bytes or as long as there is no seam."""
    chunks = []
    while end - start > 2 * _CHUNK:
        cut = _next_seam(raw, start + _CHUNK, end)
        if cut is None:
            break
        chunks.append((start, cut))
        start = cut
    return [*chunks, (start, end)] if end > start else chunks


def _next_seam(raw: bytes, at: int, end: int) -> int | None:
    at = raw.find(b"}", at, end)  # one byte is found ten times as fast as two, and long texts hold no brace
    if at < 0:
        return None
    for _ in range(_TRIES):
        found = raw.find(b"},", at, end)
        if found < 0:
            return None
        if _is_seam(raw, found + 1):
            return found + 1
        at = found + 1
    return None


def _is_seam(data: bytes, at: int) -> bool:
    """Whether no match of a rule can cross `at`, the place after a `}`."""
    if at == 0 or at == len(data):
        return True
    if data[at - 1] != 0x7D or not _LEFT.search(data[max(0, at - _REACH) : at]):
        return False
    right = data[at : at + _REACH].lstrip(_FILLING)
    if right[:1] not in (b'"', b"\\") and (right or at + _REACH < len(data)):
        return False
    return _HEADER_NAMES.search(data[max(0, at - _HEADER_REACH) : at]) is None


def _shared_head(raw: bytes, previous: Scanned) -> tuple[int, int]:
    """Return (bytes of `raw`, bytes of `previous.clean`) that begin both bodies and end on a seam of both."""
    old = previous.raw
    shared = common_prefix(raw, old)
    if shared == len(raw) == len(old):
        return shared, len(previous.clean)
    at = shared
    for _ in range(_TRIES):
        at = raw.rfind(b"},", 0, at + 1) + 1
        if at < _SHORTEST_REUSE:
            break
        mark = _mark_of(previous.marks, at)
        if not mark.same and mark.raw != at:
            at = mark.raw  # inside a chunk that redaction changed: only its start has a place
            if at < _SHORTEST_REUSE:
                break
        if _is_seam(raw, at) and _is_seam(old, at):
            return at, mark.clean + at - mark.raw
        at -= 1
    return 0, 0


def _shared_tail(raw: bytes, previous: Scanned, head: int) -> tuple[int, int]:
    """Return (bytes of `raw`, bytes of `previous.clean`) that end both bodies and begin on a seam of both."""
    old = previous.raw
    limit = min(len(raw), len(old)) - head
    if limit < _SHORTEST_REUSE:
        return 0, 0
    shared = common_suffix(raw, old, limit)
    at = len(raw) - shared
    moved = len(old) - len(raw)
    for _ in range(_TRIES):
        if len(raw) - at < _SHORTEST_REUSE:
            break
        at = raw.find(b"},", at) + 1
        if at == 0:
            break
        mark = _mark_of(previous.marks, at + moved)
        if (mark.same or mark.raw == at + moved) and _is_seam(raw, at) and _is_seam(old, at + moved):
            return len(raw) - at, len(previous.clean) - (mark.clean + at + moved - mark.raw)
    return 0, 0


def _mark_of(marks: tuple[_Mark, ...], at: int) -> _Mark:
    low, high = 0, len(marks)
    while high - low > 1:
        middle = (low + high) // 2
        if marks[middle].raw <= at:
            low = middle
        else:
            high = middle
    return marks[low]


def _marks(
    chunks: list[bytes], scanned: list[bytes], previous: Scanned | None, head: tuple[int, int], tail: tuple[int, int]
) -> tuple[_Mark, ...]:
    """The marks of the new body; neighbours that redaction left alone become one."""
    marks = [mark for mark in previous.marks if mark.raw < head[0]] if previous else []
    at, clean_at = head
    for chunk, clean in zip(chunks, scanned, strict=True):
        marks.append(_Mark(at, clean_at, clean is chunk))
        at += len(chunk)
        clean_at += len(clean)
    if previous is not None and tail[0]:
        old, old_clean = len(previous.raw) - tail[0], len(previous.clean) - tail[1]
        first = _mark_of(previous.marks, old)
        marks.append(_Mark(at, clean_at, first.same))
        marks += [
            _Mark(mark.raw - old + at, mark.clean - old_clean + clean_at, mark.same)
            for mark in previous.marks
            if mark.raw > old
        ]
    merged: list[_Mark] = []
    for mark in marks or _ALL_THE_SAME:
        if not (merged and mark.same and merged[-1].same):
            merged.append(mark)
    return tuple(merged)
