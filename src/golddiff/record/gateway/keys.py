"""Who is asking: one request's headers → the virtual key behind it, or a refusal.

How it fits: every worker holds a `KeyBook`. It keeps the whole list in memory by digest, so a request costs one SHA-256
and one dictionary look-up, and nothing that a caller sends is ever stored, cached or compared character by character:
100,000 random keys leave nothing behind. Four times a second at most it asks the file system whether the list changed,
so a revoked key stops within a second on every worker.

Where the list becomes unreadable the last good one stays in force and `failures` counts up; where it is deleted, no key
is valid any more. Not covered: limits (`limits`), how a refusal is written to the client (the HTTP path).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from hashlib import blake2b, sha256
from hmac import compare_digest
from pathlib import Path

import msgspec

from golddiff.errors import WorkspaceError
from golddiff.record.gateway import credential
from golddiff.record.gateway.keyfile import NO_LIMITS, Key, KeyFile, KeyLimits
from golddiff.record.gateway.refusal import Reason, Refusal

CHECK_EVERY = 0.25
"""Seconds between two looks at the file."""
_RACY = 50_000_000
"""Nanoseconds within which two changes of a file may carry the same time stamp."""
_NEVER = float("inf")

_UNKNOWN = Refusal(
    Reason.UNKNOWN_KEY, "unknown API key: it is not a key of this gateway. Ask its operator for one (golddiff keys)."
)
_REVOKED = Refusal(Reason.REVOKED_KEY, "this API key was revoked. Ask the gateway's operator for another one.")
_EXPIRED = Refusal(Reason.EXPIRED_KEY, "this API key has expired. Ask the gateway's operator for another one.")


class Admission(msgspec.Struct, frozen=True):
    """A request whose key is valid."""

    key_id: str | None
    """Id of the key, for records and logs; None where the gateway asks for no key."""
    slot: int = -1
    """Place of the key's counters; -1: nothing is counted."""
    limits: KeyLimits = NO_LIMITS
    """What the key may use."""
    models: tuple[str, ...] = ()
    """Shell patterns of the models it may ask for; empty: all."""
    tag: int = 0
    """Whose counters the slot must hold: a hash of the key's id."""
    limited: bool = False
    """Whether there is any limit at all."""

    def permits(self, model: str | None) -> bool:
        """Whether the key may ask for this model; a key with a list may not leave the model out."""
        return not self.models or (model is not None and any(fnmatchcase(model, name) for name in self.models))


ANYONE = Admission(None)
"""What `OpenBook` says of every request."""


def admission_of(key: Key) -> Admission:
    """Return what a valid key's requests are admitted as."""
    tag = int.from_bytes(blake2b(key.id.encode(), digest_size=7).digest(), "little")
    return Admission(key.id, key.slot, key.limits, key.models, tag, key.limits != NO_LIMITS)


class _Entry:
    """A key as the hot path needs it."""

    __slots__ = ("admission", "digest", "expires", "revoked")

    def __init__(self, key: Key) -> None:
        self.admission = admission_of(key)
        self.digest = bytes.fromhex(key.digest)
        self.expires = key.expires_at.timestamp() if key.expires_at else _NEVER
        self.revoked = key.revoked_at is not None


class OpenBook:
    """Admits everyone: for a gateway on the loopback address of one person's machine."""

    failures = 0
    """Never any."""

    def admit(self, headers: Iterable[tuple[bytes, bytes]], now: float | None = None) -> Admission | Refusal:
        """Admit."""
        return ANYONE

    def still_admits(self, admission: Admission) -> bool:
        """Everyone is."""
        return True


class KeyBook:
    """The valid keys of one gateway folder, in one worker's memory."""

    def __init__(self, folder: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._file = KeyFile(folder)
        self._monotonic = monotonic
        self._entries: dict[bytes, _Entry] = {}
        self._by_id: dict[str | None, _Entry] = {}
        self._stamp: tuple[int, ...] | None = None
        self._next_check = float("-inf")
        self.failures = 0
        """How often the list could not be read since this worker started."""
        self.refresh()

    def __len__(self) -> int:
        return len(self._entries)

    def admit(self, headers: Iterable[tuple[bytes, bytes]], now: float | None = None) -> Admission | Refusal:
        """Return whose request this is, or why it is refused.

        Args:
            headers: name and value as they came, duplicates included.
            now: wall clock in seconds; None: now.
        """
        if self._monotonic() >= self._next_check:
            self.refresh()
        key = credential.find(headers)
        if isinstance(key, Refusal):
            return key
        digest = sha256(key).digest()
        entry = self._entries.get(digest)
        if entry is None or not compare_digest(entry.digest, digest):
            return _UNKNOWN
        if entry.revoked:
            return _REVOKED
        if entry.expires <= (time.time() if now is None else now):
            return _EXPIRED
        return entry.admission

    def still_admits(self, admission: Admission) -> bool:
        """Say whether the credential that was admitted as this is valid now; False too where the list was read anew.

        What `admit` gave out stands for the credential: it is compared as an object, and a list that is read again
        has others.
        """
        if self._monotonic() >= self._next_check:
            self.refresh()
        entry = self._by_id.get(admission.key_id)
        if entry is None or entry.admission is not admission or entry.revoked:
            return False
        return entry.expires == _NEVER or entry.expires > time.time()

    def refresh(self) -> None:
        """Read the list again if the file changed; never raises."""
        self._next_check = self._monotonic() + CHECK_EVERY
        try:
            stamp = self._look()
            if stamp is not None and stamp == self._stamp:
                return
            self._entries = {bytes.fromhex(key.digest): _Entry(key) for key in self._file.read().keys}
            self._by_id = {entry.admission.key_id: entry for entry in self._entries.values()}
            self._stamp = stamp
        except (WorkspaceError, OSError, ValueError):
            self.failures += 1

    def _look(self) -> tuple[int, ...] | None:
        """What tells one version of the file from another; None where a change could hide behind it."""
        try:
            seen = os.stat(self._file.path)
        except FileNotFoundError:
            return ()
        if abs(time.time_ns() - seen.st_mtime_ns) < _RACY:
            return None
        return (seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size)
