"""What the HTTP path asks of everything that is not HTTP: may this request pass, and what became of it.

How it fits: `cli.gateway` puts keys, limits, metrics and logs together behind these two Protocols; `OpenGate` and
`Silent` are what a gateway without them uses, and what tests use. All calls come from the event loop and must be
quick: nothing here may wait for a disk or a socket.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from golddiff.providers.wire.route import RouteFields
from golddiff.record.capture import RawCall, WireProtocol
from golddiff.record.gateway.keys import ANYONE, Admission
from golddiff.record.gateway.refusal import Refusal


class Gate(Protocol):
    """Keys and limits."""

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> Admission | Refusal:
        """Say whose request this is; asked before the body is read."""
        ...

    def still_admits(self, admission: Admission) -> bool:
        """Say whether the same credential would be admitted as this now; False where that takes a closer look."""
        ...

    def reserve(
        self, admission: Admission, fields: RouteFields, body_bytes: int, upstream_model: str | None = None
    ) -> object | Refusal:
        """Take what the request may cost out of the key's limits; the result is given back to `settle`.

        `upstream_model`: the model behind an alias, whose price counts. None: the one that was asked for.
        """
        ...

    def settle(self, reservation: object, call: RawCall | None) -> None:
        """Replace the reservation by what the call really used. None: the upstream was not asked."""
        ...


class OpenGate:
    """Everyone may pass, nothing is counted."""

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> Admission | Refusal:
        return ANYONE

    def still_admits(self, admission: Admission) -> bool:
        return True

    def reserve(
        self, admission: Admission, fields: RouteFields, body_bytes: int, upstream_model: str | None = None
    ) -> object | Refusal:
        return None

    def settle(self, reservation: object, call: RawCall | None) -> None:
        """Nothing was reserved."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was answered, by an upstream or by the gateway, for metrics and logs; holds no text of it."""

    call_id: str
    """Id of its record; empty: there is none."""
    key_id: str | None
    protocol: WireProtocol
    upstream: str
    """Name of the last upstream that was tried; empty: none was."""
    status: int
    """Status that the client saw; 0: none."""
    code: str
    """Why the gateway itself answered, out of a closed list; empty: the answer is the upstream's."""
    ending: str
    first_byte_ns: int
    duration_ns: int
    request_bytes: int
    response_bytes: int
    attempts: int
    streamed: bool


class Watcher(Protocol):
    """Metrics and logs."""

    def served(self, served: Served) -> None:
        """A request is over for the client."""
        ...

    def recorded(self, call_id: str, state: str, reason: str) -> None:
        """The record of a call reached its final state (`holds.State`); `reason` only where it was dropped."""
        ...

    def refused(self, status: int, code: str) -> None:
        """A request was turned away before any upstream was asked; `code` is out of a closed list."""
        ...

    def connections(self, change: int) -> None:
        """A client connection was opened (1) or closed (-1)."""
        ...


class Silent:
    """Watches nothing."""

    def served(self, served: Served) -> None: ...

    def recorded(self, call_id: str, state: str, reason: str) -> None: ...

    def refused(self, status: int, code: str) -> None: ...

    def connections(self, change: int) -> None: ...
