"""Calls as compressed records, in groups that can be read alone.

A group is one zstd stream, flushed after the calls of each commit, so that a response, and the next request that
repeats it, cost little more than a reference; a request body is only what its base, an earlier one of the group, does
not hold. The first call of a group refers to nothing. Writer and reader keep the same recent bodies by the same rule
(`Window`), so neither needs more memory than the header of the segment says.

    payload of a frame = number of its calls (u32, little-endian) · their records, one msgpack array, compressed
    in format 1        = the one record, compressed

How it fits: `encode` adds calls and takes the payload of their frame; `scan` gives the frames of a group, in order and
without a gap, to a `GroupReader`. The price of the small form: a damaged frame takes the rest of its group with it, so
groups are kept short (`GROUP_BYTES`).
"""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from hashlib import sha256

import msgspec
import zstandard

from golddiff.record.spool.clean import CleanCall
from golddiff.record.spool.conversations import KeptRequest
from golddiff.record.spool.frames import FIRST, NEXT
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
_COUNT = struct.Struct("<I")


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
    """Makes the frames of one group after the other."""

    def __init__(self, window_bytes: int) -> None:
        self._window_bytes = window_bytes
        self._encoder = msgspec.msgpack.Encoder()
        self._compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS)  # serves one group after another
        self.group = 0
        """Number of the current group, over all segments of the recorder."""
        self.frame_bytes = 0
        """Of the records since the last frame, not compressed."""
        self._records: list[bytes] = []
        self.start()

    def start(self) -> None:
        """Begin a new group, between two frames."""
        window, stream = Window(self._window_bytes), self._compressor.compressobj()
        self._window, self._stream = window, stream
        self.group += 1
        self._calls = 0
        self._kind = FIRST
        self._compressed_bytes = 0
        self._ended = False

    def forget(self, first: int = 0) -> None:
        """Forget the calls since the last frame from that one on; the group ends, since its window knows them."""
        self._ended = True
        del self._records[first:]
        self.frame_bytes = sum(map(len, self._records))

    @property
    def frame_calls(self) -> int:
        """Calls that were added since the last frame."""
        return len(self._records)

    @property
    def is_full(self) -> bool:
        """Whether the next call has to begin a group."""
        return self._ended or self._calls >= GROUP_CALLS or self._compressed_bytes >= GROUP_BYTES

    def add(self, call: CleanCall, known: KeptRequest, previous: KeptRequest | None) -> None:
        """Add a call to the next frame; `known` is where its request is kept, `previous` its base."""
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
        known.group, known.index = self.group, self._calls
        self._window.add(self._calls, len(body))
        self._calls += 1
        self.frame_bytes += len(data)
        self._records.append(data)

    def frame(self) -> tuple[int, bytes]:
        """Return (kind, payload) of the frame of the calls that were added since the last one."""
        data = self._encoder.encode([msgspec.Raw(record) for record in self._records])
        payload = b"".join(
            (
                _COUNT.pack(len(self._records)),
                self._stream.compress(data),
                self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
            )
        )
        kind, self._kind = self._kind, NEXT
        self._records.clear()
        self.frame_bytes = 0
        self._compressed_bytes += len(payload)
        return kind, payload


def calls_in(payload: bytes, version: int) -> int:
    """Return how many calls the frame with that payload holds, in a segment of that format."""
    if version < 2:
        return 1
    return int(_COUNT.unpack_from(payload)[0]) if len(payload) >= _COUNT.size else 0


class GroupReader:
    """Reads the calls of one group, in order, in a segment of format `version`."""

    def __init__(self, window_bytes: int, version: int) -> None:
        self._version = version
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG).decompressobj()
        self._one = msgspec.msgpack.Decoder(Record)
        self._many = msgspec.msgpack.Decoder(list[Record])
        self._window = Window(window_bytes)
        self._bodies: dict[int, bytes] = {}
        self._calls = 0
        self._records: deque[Record] = deque()

    @property
    def left(self) -> int:
        """Calls of the frame that was opened last which were not read."""
        return len(self._records)

    def open(self, payload: bytes) -> None:
        """Go on with the next frame.

        Raises ValueError where it is not what was written; the rest of the group cannot be read then.
        """
        try:
            if self._version < 2:
                records = [self._one.decode(self._stream.decompress(payload))]
            else:
                records = self._many.decode(self._stream.decompress(payload[_COUNT.size :]))
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise ValueError("the frame does not decode") from error
        if len(records) != calls_in(payload, self._version):
            raise ValueError("the frame holds another number of calls than it says")
        self._records.extend(records)

    def read(self, worker: str, place: Place) -> StoredCall:
        """Return the next call of the frame. Raises ValueError, as `open` does."""
        record, body = self._next()
        if sha256(body).digest() != record.sha256:
            raise ValueError("the body is not the one that was written")
        return _stored(record, body, worker, place)

    def skip(self) -> None:
        """Pass over a call that only others of the group need. Raises ValueError, as `open` does."""
        self._next()

    def _next(self) -> tuple[Record, bytes]:
        record = self._records.popleft()
        body = record.middle
        if record.base >= 0:
            base = self._bodies.get(record.base)
            if base is None:
                raise ValueError("the record needs a body that is not there")
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
