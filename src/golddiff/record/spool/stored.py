"""One model call as it is stored: redacted, and what a record on disk holds of it.

How it fits: `clean` makes `CallFacts` and clean bodies of a `RawCall`; `groups` turns them into a `Record`, in which
the request body is only what its base does not hold, and back into a `StoredCall`; `golddiff.record.calls` takes
those into the store.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from golddiff.record.capture import Attempted, Ending, WireProtocol
from golddiff.types import Clean, CleanBytes

CleanHeaders: TypeAlias = tuple[tuple[Clean, Clean], ...]


class Place(msgspec.Struct, frozen=True, order=True):
    """Where reading goes on."""

    segment: str
    """File name of the segment."""
    offset: int
    """Of the frame with the next call; after the last call of a frame, of the byte behind it."""
    group: int
    """Offset of the first frame of the last call's group, where decoding has to begin."""
    calls: int = 0
    """Calls of the frame at `offset` that come before."""


class CallFacts(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All of a call but its bodies, redacted. Fields as in `capture.RawCall`, but for what is said here."""

    call_id: str
    number: int
    """Counts the calls of one recorder, from 1: their order, whatever the clock did."""
    started_at: datetime
    first_byte_ns: int
    duration_ns: int
    key_id: str | None
    protocol: WireProtocol
    upstream: Clean
    method: Clean
    path: Clean
    asked_model: Clean | None
    request_headers: CleanHeaders
    response_headers: CleanHeaders
    status: int
    streamed: bool
    ending: Ending
    attempts: tuple[Attempted, ...] = ()
    left_out: tuple[Clean, ...] = ()
    """Bodies that could not be searched for secrets, so are empty here: `request: content-encoding br`."""


class StoredCall(CallFacts, frozen=True, kw_only=True, array_like=True):
    """One model call as a reader of the spool gets it."""

    request_body: CleanBytes
    """Redacted, and without the content encoding that `request_headers` may name."""
    response_body: CleanBytes
    """The same of the response."""
    request_sha256: bytes
    """Of `request_body`; it was compared after rebuilding."""
    worker: str
    """Whose spool it comes from."""
    place: Place
    """Where reading goes on after this call; `SpoolReader.take` wants it."""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What a frame holds of a call: the facts, and the request body as what its base does not hold."""

    facts: CallFacts
    base: int
    """Index in the group of the call whose request body this one shares its ends with; -1: none."""
    prefix: int
    """Bytes that the body shares with its base at the start."""
    suffix: int
    """The same at the end."""
    middle: bytes
    sha256: bytes
    """Of the whole request body."""
    response: bytes
