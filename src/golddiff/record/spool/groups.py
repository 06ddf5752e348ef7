"""Calls as compressed records, in groups that can be read alone.

A group is one zstd stream, flushed after each call, so that a response, and the next request that repeats it, cost
little more than a reference; a request body is only what its base, an earlier one of the group, does not hold. The
first call of a group refers to nothing. Writer and reader keep the same recent bodies by the same rule (`Window`), so
neither needs more memory than the header of the segment says.

How it fits: `recorder` writes what `GroupWriter.add` returns as a frame; `reader` feeds the frames of a group, in
order and without a gap, to `GroupReader.read`. The price of the small form: a damaged frame takes the rest of its
group with it, so groups are kept short (`GROUP_BYTES`).
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

import msgspec
import zstandard

from golddiff.record.spool.clean import CleanCall
from golddiff.record.spool.conversations import KeptRequest
from golddiff.record.spool.stored import CallFacts, Place, Record, StoredCall
from golddiff.rights.overlap import common_prefix, common_suffix
from golddiff.types import CleanBytes

GROUP_BYTES = 4 << 20
"""Compressed bytes after which a group ends."""

GROUP_CALLS = 2_048
"""Calls after which a group ends, which also bounds how many records a body is rebuilt from."""

_WINDOW_LOG = 23
_PARAMETERS = zstandard.ZstdCompressionParameters(
    window_log=_WINDOW_LOG, strategy=1, hash_log=17, chain_log=13, search_log=1, min_match=7, target_length=0
)
"""A single fast hash of seven bytes: measured on real sessions beside levels, docs/decisions/0006-spool.md."""

_SHORTEST_SHARED = 64


class Window:
    """Which request bodies of the group are still kept: the last ones used, up to a number of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._sizes: OrderedDict[int, int] = OrderedDict()

    def __contains__(self, index: int) -> bool:
        return index in self._sizes

    def use(self, index: int) -> None:
        """Say that a body was a base; it stays longer."""
        self._sizes.move_to_end(index)

    def add(self, index: int, size_bytes: int) -> list[int]:
        """Keep a body; return the indices of those that go."""
        self._sizes[index] = size_bytes
        self._bytes += size_bytes
        gone = []
        while self._bytes > self._limit_bytes:
            oldest, size = self._sizes.popitem(last=False)
            self._bytes -= size
            gone.append(oldest)
        return gone


class GroupWriter:
    """Makes the records of one group after the other."""

    def __init__(self, window_bytes: int) -> None:
        self._window_bytes = window_bytes
        self._encoder = msgspec.msgpack.Encoder()
        self._compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS)  # serves one group after another
        self.group = 0
        """Number of the current group, over all segments of the recorder."""
        self.start()

    def start(self) -> None:
        """Begin a new group."""
        self.group += 1
        self.calls = 0
        self._written_bytes = 0
        self._window = Window(self._window_bytes)
        self._stream = self._compressor.compressobj()

    @property
    def is_full(self) -> bool:
        """Whether the next call should begin a group."""
        return self.calls >= GROUP_CALLS or self._written_bytes >= GROUP_BYTES

    def add(self, call: CleanCall, known: KeptRequest, previous: KeptRequest | None) -> bytes:
        """Return the payload of the next record; `known` is where the call's request is kept, `previous` its base."""
        body = call.request.clean
        base, prefix, suffix = -1, 0, 0
        if previous is not None and previous.group == self.group and previous.index in self._window:
            old = previous.scanned.clean
            prefix = common_prefix(old, body)
            suffix = common_suffix(old, body, min(len(old), len(body)) - prefix)
            if prefix + suffix >= _SHORTEST_SHARED:
                base = previous.index
                self._window.use(base)
            else:
                prefix = suffix = 0
        middle = body[prefix : len(body) - suffix]
        record = Record(call.facts, base, prefix, suffix, middle, sha256(body).digest(), call.response)
        data = self._encoder.encode(record)
        payload = self._stream.compress(data) + self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        known.group, known.index = self.group, self.calls
        self._window.add(self.calls, len(body))
        self.calls += 1
        self._written_bytes += len(payload)
        return payload


class GroupReader:
    """Reads the records of one group, in order."""

    def __init__(self, window_bytes: int) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG).decompressobj()
        self._decoder = msgspec.msgpack.Decoder(Record)
        self._window = Window(window_bytes)
        self._bodies: dict[int, bytes] = {}
        self._calls = 0

    def read(self, payload: bytes, worker: str, place: Place) -> StoredCall:
        """Return the next call of the group.

        Raises ValueError where the record is not what was written; the rest of the group cannot be read then.
        """
        record, body = self._next(payload, place)
        if sha256(body).digest() != record.sha256:
            raise ValueError(f"record at {place.segment}:{place.offset} is not the body that was written")
        return _stored(record, body, worker, place)

    def skip(self, payload: bytes, place: Place) -> None:
        """Pass over a call that only others of the group need. Raises ValueError, as `read` does."""
        self._next(payload, place)

    def _next(self, payload: bytes, place: Place) -> tuple[Record, bytes]:
        try:
            record = self._decoder.decode(self._stream.decompress(payload))
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise ValueError(f"record at {place.segment}:{place.offset} does not decode") from error
        body = record.middle
        if record.base >= 0:
            base = self._bodies.get(record.base)
            if base is None:
                raise ValueError(f"record at {place.segment}:{place.offset} needs a body that is not there")
            self._window.use(record.base)
            body = b"".join((base[: record.prefix], record.middle, base[len(base) - record.suffix :]))
        self._bodies[self._calls] = body
        for gone in self._window.add(self._calls, len(body)):
            self._bodies.pop(gone, None)
        self._calls += 1
        return record, body


def _stored(record: Record, body: bytes, worker: str, place: Place) -> StoredCall:
    facts = {name: getattr(record.facts, name) for name in CallFacts.__struct_fields__}
    return StoredCall(
        **facts,
        request_body=CleanBytes(body),
        response_body=CleanBytes(record.response),
        request_sha256=record.sha256,
        worker=worker,
        place=place,
    )
