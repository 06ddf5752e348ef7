"""Keys and limits behind the HTTP path's `Gate`: admit by key, reserve by the request, settle by the answer.

Corrections are written together ten times a second (`Limits.flush`), so that a request visits the shared counters once.
What a call is settled at: nothing where no upstream was asked or it answered with an error; its usage where that was
reported; else its prompt by size and its answer by the text that came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

import msgspec

from golddiff.providers.wire.route import RouteFields
from golddiff.record.capture import RawCall
from golddiff.record.gateway.keys import Admission, KeyBook, OpenBook
from golddiff.record.gateway.limits import Limits, Reservation
from golddiff.record.gateway.metrics import Counter, Metrics
from golddiff.record.gateway.refusal import Refusal
from golddiff.record.gateway.usage import estimated_answer, usage_of
from golddiff.types import Usage

FLUSH_SEC = 0.1
"""Longest that a correction waits to be seen by other workers, seconds."""
_LARGE_BYTES = 256 << 10
"""Calls above this size are settled at once, so that what waits to be settled holds little memory."""
_TOKENS = "golddiff_gateway_tokens_total"
_KINDS = ("input", "output", "cache_read", "cache_write")


class KeyGate:
    """The `Gate` of one worker."""

    def __init__(
        self,
        book: KeyBook | OpenBook,
        limits: Limits,
        *,
        loop: asyncio.AbstractEventLoop,
        metrics: Metrics | None = None,
    ) -> None:
        self._book = book
        self._limits = limits
        self._loop = loop
        self._metrics = metrics
        self._tokens: dict[str, tuple[Counter, ...]] = {}
        """Counters of tokens by protocol, one of each kind."""
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> Admission | Refusal:
        """Say whose request this is."""
        return self._book.admit(headers)

    def still_admits(self, admission: Admission) -> bool:
        """Say whether the same credential would be admitted as this now."""
        return self._book.still_admits(admission)

    def reserve(
        self, admission: Admission, fields: RouteFields, body_bytes: int, upstream_model: str | None = None
    ) -> Reservation | Refusal:
        """Count the request and the most it may use."""
        before = self._limits.unpriced
        made = self._limits.reserve(
            admission,
            model=fields.model,
            request_bytes=body_bytes,
            max_output_tokens=fields.max_output_tokens,
            answers=fields.answers,
            priced_as=upstream_model,
        )
        if self._metrics is not None and self._limits.unpriced != before:
            self._metrics.count("golddiff_gateway_unpriced_total")
        if self._timer is None:
            self._flush_soon()
        return made

    def settle(self, reservation: object, call: RawCall | None) -> None:
        """Put what the call really used in place of its reservation: now, or with those of the next calls."""
        if not isinstance(reservation, Reservation):
            return
        if call is None or call.status >= 400 or (call.status == 0 and not call.response_body):
            self._limits.release(reservation)
        elif len(call.request_body) + len(call.response_body) > _LARGE_BYTES:
            self._settle(reservation, call)
        else:
            self._limits.later(partial(self._settle, reservation, call))
        if self._timer is None:
            self._flush_soon()

    def _settle(self, reservation: Reservation, call: RawCall) -> None:
        usage = usage_of(call)
        if usage is None:
            self._limits.settle(reservation, None, answer_tokens=estimated_answer(call))
            return
        if call.ending != "complete":  # the count in a cut stream is of its beginning
            written = max(usage.output_tokens, estimated_answer(call))
            usage = msgspec.structs.replace(usage, output_tokens=written)
        self._limits.settle(reservation, usage)
        self._count(call.protocol, usage)

    def close(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
        self._limits.close()

    def _count(self, protocol: str, usage: Usage) -> None:
        if self._metrics is None:
            return
        tokens = self._tokens.get(protocol)
        if tokens is None:
            tokens = tuple([self._metrics.counter(_TOKENS, protocol, kind) for kind in _KINDS])
            self._tokens[protocol] = tokens
        read, written, from_cache, to_cache = tokens
        read.add(usage.input_tokens)
        written.add(usage.output_tokens)
        if usage.cache_read_tokens:
            from_cache.add(usage.cache_read_tokens)
        if usage.cache_write_tokens:
            to_cache.add(usage.cache_write_tokens)

    def _flush_soon(self) -> None:
        if self._limits.pending:
            self._timer = self._loop.call_later(FLUSH_SEC, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._limits.flush()
