"""What is kept of one call while it passes: times, attempts, and the copy of the answer.

How it fits: `exchange` fills it; at the end it becomes the `RawCall` that the recorder gets and the `Served` that
metrics and logs get. The copy shares its bytes with what is written to the client and is bounded by `most`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from golddiff.record.capture import Attempted, Ending, RawCall
from golddiff.record.gateway.gate import Served
from golddiff.record.gateway.heads import HeaderList, recorded
from golddiff.record.gateway.request import Request
from golddiff.types import new_id


class Seen:
    """One call as far as it came."""

    status = 0
    """Status that the client saw; 0: no head was sent."""
    streamed = False
    """The answer is server-sent events."""
    cut = False
    """The answer is longer than what is kept."""
    id = ""
    """Id of the call's record; empty: it has none yet."""
    passed = 0
    """Bytes of the answer's body that were written to the client."""
    _first_byte = 0
    _copied = 0
    _headers: HeaderList = []  # noqa: RUF012 - replaced, never changed

    def __init__(self, request: Request, most: int) -> None:
        self._request = request
        self._most = most
        self._attempts: list[Attempted] = []
        self._copy: list[bytes] = []
        self._wall = time.time()
        self._started = time.monotonic_ns()

    def tried(self, upstream: str, result: str) -> None:
        """One attempt: its status, or the kind of its error."""
        self._attempts.append(Attempted(upstream, result))

    def begin(self, status: int, headers: HeaderList) -> None:
        """The head of the answer that the client gets."""
        self._first_byte = time.monotonic_ns() - self._started
        self.status = status
        self._headers = headers
        for name, value in headers:
            if len(name) == 12 and value.startswith(b"text/event-stream") and name.lower() == b"content-type":
                self.streamed = True

    def keep(self, body: bytes) -> None:
        """Add bytes of the answer's body to the copy."""
        left = self._most - self._copied
        if len(body) > left:
            body, self.cut = body[:left], True
        self._copied += len(body)
        self._copy.append(body)

    def call(self, upstream: str, model: str | None, ending: Ending) -> RawCall:
        """Return the call for the recorder."""
        request = self._request
        head = request.head
        self.id = self.id or new_id("call")
        return RawCall(
            call_id=self.id,
            started_at=datetime.fromtimestamp(self._wall, UTC),
            first_byte_ns=self._first_byte,
            duration_ns=time.monotonic_ns() - self._started,
            key_id=request.admission.key_id,
            protocol=head.route.protocol,
            upstream=upstream,
            method=head.method.decode("ascii"),
            path=head.path,
            asked_model=model,
            request_headers=head.recorded,
            response_headers=recorded(self._headers),
            request_body=request.body,
            response_body=self._copy[0] if len(self._copy) == 1 else b"".join(self._copy),
            status=self.status,
            streamed=self.streamed,
            ending=ending,
            attempts=tuple(self._attempts),
        )

    def served(self, upstream: str, ending: str, code: str, tries: int) -> Served:
        """Return what metrics and logs are told."""
        request = self._request
        return Served(
            call_id=self.id,
            key_id=request.admission.key_id,
            protocol=request.head.route.protocol,
            upstream=upstream,
            status=self.status,
            code=code,
            ending=ending,
            first_byte_ns=self._first_byte,
            duration_ns=time.monotonic_ns() - self._started,
            request_bytes=len(request.body),
            response_bytes=self.passed,
            attempts=tries,
            streamed=self.streamed,
        )
