"""Bodies of calls in the store: what a request shares with the request before it in its thread is kept once.

An agent's request is the one before with something added, so its first and last bytes are mostly known: a body is
kept as the length of both and one zstd frame of what lies between. After `MAX_CHAIN` such steps a body stands alone
again, so no rebuild reads more than that many rows. Every rebuild is compared with the body's SHA-256.

How it fits: the spool does the same within its segments and gives whole bodies out; here they are taken apart anew,
because the store outlives the segments.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

import zstandard

from golddiff.errors import WorkspaceError
from golddiff.record.calls.batch import Batch
from golddiff.rights.overlap import common_prefix, common_suffix
from golddiff.store import Store
from golddiff.types import Call, CleanBytes, KeptBody

MAX_CHAIN = 32
"""Bodies that have to be rebuilt before one, at most."""

_CACHE_BYTES = 64 << 20
_SHORTEST_SHARE = 256
"""Sharing fewer bytes is not worth the chain."""
_LEVEL = 3


def keep_alone(body: CleanBytes) -> KeptBody:
    """Return a body that rests on no other."""
    return KeptBody(hash=sha256(body).hexdigest(), size=len(body), rest=_packed(body))


def keep_after(body: CleanBytes, base: Call, base_body: bytes) -> KeptBody:
    """Return a request's body as what the request of `base` does not hold."""
    prefix = common_prefix(body, base_body)
    suffix = common_suffix(body, base_body, min(len(body), len(base_body)) - prefix)
    if prefix + suffix < _SHORTEST_SHARE or base.request.chain >= MAX_CHAIN:
        return keep_alone(body)
    return KeptBody(
        hash=sha256(body).hexdigest(),
        size=len(body),
        base=base.id,
        prefix=prefix,
        suffix=suffix,
        chain=base.request.chain + 1,
        rest=_packed(body[prefix : len(body) - suffix]),
    )


def rebuild_request(store: Store, call: Call) -> CleanBytes:
    """Return the redacted request byte for byte. Raises WorkspaceError where the store is damaged."""
    return Bodies().request(store, call)


def rebuild_answer(call: Call) -> CleanBytes:
    """Return the redacted answer byte for byte. Raises WorkspaceError where the store is damaged."""
    return _checked(_unpacked(call.answer.rest, call.id), call.answer, call.id)


class Bodies:
    """Rebuilds requests, and remembers the last ones: the next request of a thread rests on one of them."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        """By call and hash: a body that erasure changed in the store is not the one that is remembered."""
        self._bytes = 0

    def remember(self, call_id: str, kept: KeptBody, body: bytes) -> None:
        """Keep a body in memory; the ones used longest ago make room."""
        key = (call_id, kept.hash)
        if key in self._known or len(body) > _CACHE_BYTES:
            return
        self._known[key] = body
        self._bytes += len(body)
        while self._bytes > _CACHE_BYTES:
            _, old = self._known.popitem(last=False)
            self._bytes -= len(old)

    def request(self, store: Store | Batch, call: Call) -> CleanBytes:
        """Return the redacted request of a call that is stored. Raises WorkspaceError where it cannot be rebuilt."""
        key = (call.id, call.request.hash)
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return CleanBytes(known)
        steps = [call]
        while known is None and (base := steps[-1].request.base) is not None:
            if len(steps) > MAX_CHAIN + 1:
                raise WorkspaceError(f"the request of call {call.id} rests on too many others: restore a backup.")
            earlier = store.get(Call, base)
            known = self._known.get((base, earlier.request.hash))
            if known is None:
                steps.append(earlier)
        body = known or b""
        for step in reversed(steps):
            kept = step.request
            tail = body[len(body) - kept.suffix :] if kept.suffix else b""
            body = body[: kept.prefix] + _unpacked(kept.rest, step.id) + tail
        checked = _checked(body, call.request, call.id)
        self.remember(call.id, call.request, checked)
        return checked


def _packed(data: bytes) -> CleanBytes:
    return CleanBytes(zstandard.compress(data, _LEVEL))


def _unpacked(data: bytes, call_id: str) -> bytes:
    try:
        return zstandard.decompress(data)
    except zstandard.ZstdError as error:
        raise WorkspaceError(f"a body of call {call_id} is damaged ({error}): restore a backup.") from error


def _checked(body: bytes, kept: KeptBody, call_id: str) -> CleanBytes:
    if sha256(body).hexdigest() != kept.hash:
        raise WorkspaceError(f"a body of call {call_id} is not what was recorded: restore a backup.")
    return CleanBytes(body)
