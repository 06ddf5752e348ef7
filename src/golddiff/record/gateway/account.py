"""The account of one call: what is kept of it while it passes, and who is told what became of it.

How it fits: `exchange` moves the bytes and fills this; the recorder gets a `RawCall` from it, keys and limits get back
what was reserved, metrics and logs a `Served`. Nothing that goes wrong here costs a client its answer. The copy of the
answer shares its bytes with what is written to the client and is bounded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golddiff.providers.wire.route import RouteFields
from golddiff.record.capture import Attempted, Ending, RawCall
from golddiff.record.gateway.gate import Served
from golddiff.record.gateway.heads import HeaderList, recorded
from golddiff.record.gateway.refusal import Refusal
from golddiff.record.gateway.request import Request
from golddiff.types import new_id

if TYPE_CHECKING:
    from golddiff.record.gateway.service import Service

_log = logging.getLogger(__name__)


class Account:
    """One call as far as it came."""

    id = ""
    """Id of the call's record; empty: it has none yet."""
    model: str | None = None
    """Name that was asked for."""
    upstream = ""
    """Name of the last upstream that was tried."""
    tries = 0
    status = 0
    """Status that the client saw; 0: no head was sent."""
    streamed = False
    """The answer is server-sent events."""
    cut = False
    """The answer is longer than what is kept."""
    passed = 0
    """Bytes of the answer's body that were written to the client."""
    submitted = False
    """The call is on its way to the recorder."""
    whole = False
    """The answer ended as the upstream meant it."""
    let_go: Callable[[], None] | None = None
    """Writes what was held back."""
    _reservation: object = None
    _first_byte = 0
    _duration = 0
    _copied = 0
    _ending: Ending = "complete"
    _headers: HeaderList = []  # noqa: RUF012 - replaced, never changed

    def __init__(self, request: Request, service: Service) -> None:
        self._request = request
        self._service = service
        self.recorded = request.head.route.recorded and service.recording
        """The call is one that is kept."""
        self.copies = self.recorded
        """The answer is copied: for the record, or to read off it what was used."""
        self._attempts: list[Attempted] = []
        self._copy: list[bytes] = []
        self._wall = time.time()
        self._started = time.monotonic_ns()

    # ---- while it passes

    def reserve(self, fields: RouteFields, behind: str | None) -> Refusal | None:
        """Take what the request may cost out of its key's limits; `behind`: the model behind an alias."""
        request = self._request
        reserved = self._service.gate.reserve(request.admission, fields, len(request.body), behind)
        if isinstance(reserved, Refusal):
            return reserved
        self._reservation = reserved
        self.copies = self.recorded or reserved is not None
        return None

    def tried(self, result: str) -> None:
        """One attempt: its status, or the kind of its error."""
        self._attempts.append(Attempted(self.upstream, result))

    def begin(self, status: int, headers: HeaderList, streamed: bool) -> None:
        """The head of the answer that the client gets."""
        self._first_byte = time.monotonic_ns() - self._started
        self.status = status
        self._headers = headers
        self.streamed = streamed

    def keep(self, body: bytes) -> None:
        """Add bytes of the answer's body to the copy."""
        left = self._service.most_kept - self._copied
        if len(body) > left:
            body, self.cut = body[:left], True
        self._copied += len(body)
        self._copy.append(body)

    # ---- when it is over

    def close(self, ending: Ending, let_go: Callable[[], None] | None = None) -> None:
        """The call is over: have it recorded, and its reservation settled.

        `let_go` is called once its record is on disk or need not be waited for; at once where nothing is recorded.
        """
        self._ending = ending
        self._duration = time.monotonic_ns() - self._started
        if self.recorded:
            self.submitted = True
            self.whole = ending == "complete"
            self.let_go = let_go
            self.id = new_id("call", self._service.random_bits)
            self._service.holds.submit(self)
            return
        if let_go is not None:
            let_go()
        if self._reservation is not None:
            self.settle(self._call())

    def settle(self, call: RawCall | None) -> None:
        """Put what was used in place of what was reserved. None: the upstream was not asked."""
        reservation, self._reservation = self._reservation, None
        if reservation is None:
            return
        try:
            self._service.gate.settle(reservation, call)
        except Exception:
            _log.exception("what a call used could not be counted")

    def served(self, ending: str, code: str = "") -> None:
        """The request is over for the client; `code`: why the gateway itself answered."""
        request = self._request
        try:
            self._service.watcher.served(
                Served(
                    call_id=self.id,
                    key_id=request.admission.key_id,
                    protocol=request.head.route.protocol,
                    upstream=self.upstream,
                    status=self.status,
                    code=code,
                    ending=ending,
                    first_byte_ns=self._first_byte,
                    duration_ns=time.monotonic_ns() - self._started,
                    request_bytes=len(request.body),
                    response_bytes=self.passed,
                    attempts=self.tries,
                    streamed=self.streamed,
                )
            )
        except Exception:
            _log.exception("a request could not be counted")

    # ---- for `holds`

    @property
    def size_bytes(self) -> int:
        """Memory that the bodies take."""
        return len(self._request.body) + self._copied

    def call(self) -> RawCall:
        """Return what is recorded, and settle the reservation."""
        call = self._call()
        self.settle(call)
        return call

    def report(self, state: str, reason: str) -> None:
        """Tell the watcher what became of the record."""
        try:
            self._service.watcher.recorded(self.id, state, reason)
        except Exception:
            _log.exception("the state of a record could not be counted")

    def _call(self) -> RawCall:
        request, head = self._request, self._request.head
        return RawCall(
            call_id=self.id,
            started_at=datetime.fromtimestamp(self._wall, UTC),
            first_byte_ns=self._first_byte,
            duration_ns=self._duration,
            key_id=request.admission.key_id,
            protocol=head.route.protocol,
            upstream=self.upstream,
            method=head.method_text,
            path=head.path,
            asked_model=self.model,
            request_headers=head.recorded,
            response_headers=recorded(self._headers),
            request_body=request.body,
            response_body=self._copy[0] if len(self._copy) == 1 else b"".join(self._copy),
            status=self.status,
            streamed=self.streamed,
            ending=self._ending,
            attempts=tuple(self._attempts),
        )
