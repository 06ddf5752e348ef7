"""Which recent request a new one goes on from, found by what they begin with.

Agents resend their history, so the request before is the one that shares the longest start with the new one. Bodies
are indexed by the CRC32C of their starts at growing lengths; the longest length that is found names a few candidates,
which are then compared byte for byte. Nothing depends on a session id, so sub-agents and retries sort themselves out.
Requests of different keys never meet.

How it fits: `encode` asks `find` before a request is redacted and calls `add` after. Memory is
bounded: the bodies least recently used go first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache

from golddiff.record.spool.checksum import crc32c, extend
from golddiff.rights.bodies import Scanned
from golddiff.rights.overlap import common_prefix

_LEVELS = (512, 1 << 10, 1 << 11, 1 << 12, 1 << 13, *(int(2 ** (step / 2)) for step in range(28, 54)))
"""Lengths of the starts that are indexed, in bytes: 512 to about 94 MB, in finer steps where prompts differ."""

_CANDIDATES = 6
"""Bodies that are kept for one start."""

_OVERHEAD_BYTES = 6_000
"""Of an entry, beside its bodies."""


@dataclass(eq=False, slots=True)
class KeptRequest:
    """One request that was kept, and where the spool has it."""

    scanned: Scanned
    starts: list[tuple[int, int]] = field(repr=False)
    group: int = -1
    """Group that holds the body; -1: none."""
    index: int = -1
    """Its index in that group."""

    @property
    def size_bytes(self) -> int:
        scanned = self.scanned
        return _OVERHEAD_BYTES + len(scanned.raw) + (0 if scanned.clean is scanned.raw else len(scanned.clean))


class Conversations:
    """The recent requests of one recorder."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._kept: OrderedDict[int, KeptRequest] = OrderedDict()
        self._by_start: dict[tuple[int, int], list[KeptRequest]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        """Memory that the kept requests take, about."""
        return self._bytes

    def find(self, body: bytes, starts: list[tuple[int, int]]) -> KeptRequest | None:
        """Return the kept request that shares the longest start with `body`; None where none shares 512 bytes."""
        for start in reversed(starts):
            if found := self._by_start.get(start):
                best = max(found, key=lambda recent: common_prefix(recent.scanned.raw, body)) if found[1:] else found[0]
                self._kept.move_to_end(id(best))
                return best
        return None

    def add(self, scanned: Scanned, starts: list[tuple[int, int]], previous: KeptRequest | None) -> KeptRequest:
        """Keep a request; `previous`, which it goes on from, makes room where the new one holds nearly all of it."""
        if previous is not None and id(previous) in self._kept and _goes_on(scanned, previous.scanned):
            self._drop(previous)
        recent = KeptRequest(scanned, starts)
        size = recent.size_bytes
        if size > self._limit_bytes // 2:
            return recent
        self._kept[id(recent)] = recent
        self._bytes += size
        for start in starts:
            bucket = self._by_start.get(start)
            if bucket is None:
                self._by_start[start] = [recent]
            else:
                bucket.append(recent)
                del bucket[:-_CANDIDATES]
        while self._bytes > self._limit_bytes:
            self._drop(next(iter(self._kept.values())))
        return recent

    def _drop(self, recent: KeptRequest) -> None:
        del self._kept[id(recent)]
        self._bytes -= recent.size_bytes
        for start in recent.starts:
            bucket = self._by_start.get(start, [])
            if recent in bucket:
                bucket.remove(recent)
            if not bucket:
                self._by_start.pop(start, None)


def starts_of(body: bytes, key: str | None) -> list[tuple[int, int]]:
    """Return (length, CRC32C) of the starts of `body` that are indexed, for requests of one key."""
    starts = []
    at = 0
    size = len(body)
    crc = _seed(key)
    for level in _LEVELS:
        if level > size:
            break
        crc = extend(crc, body[at:level])
        at = level
        starts.append((level, crc))
    return starts


@lru_cache(maxsize=1_024)
def _seed(key: str | None) -> int:
    """Where the CRCs of one key's requests begin."""
    return crc32c((key or "").encode())


def _goes_on(scanned: Scanned, previous: Scanned) -> bool:
    return len(scanned.raw) >= len(previous.raw) and scanned.scanned_bytes * 4 <= len(scanned.raw) + 4_096
