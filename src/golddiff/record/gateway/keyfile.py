"""Virtual keys on disk: who may use the gateway, for how long and how much. Hashes only, never a key.

One JSON file in the gateway's folder, replaced as a whole under a lock, so that a reader sees the old list or the new
one. `golddiff keys` writes it; gateway workers (`keys.KeyBook`) look whether it changed. A key is 40 random characters
behind a fixed prefix: 238 bits need no salt and no slow hash, and secret scanners and our own redaction know the
prefix.

Not covered: several machines. Each gateway host has its own file; put the folder on one host or give each its own keys.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from golddiff.errors import InputError, WorkspaceError
from golddiff.types import new_id

PREFIX = "gdk_"
"""Every virtual key begins with it."""
FILE_NAME = "keys.json"
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 40


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one key may use. None: no such limit. 0: nothing at all."""

    requests_per_minute: int | None = None
    """Requests in any 60 seconds."""
    tokens_per_minute: int | None = None
    """Tokens in any 60 seconds: read (cached or not) and written."""
    tokens_per_day: int | None = None
    """Tokens per calendar day, UTC."""
    tokens_per_month: int | None = None
    """Tokens per calendar month, UTC."""
    usd_per_day: float | None = None
    """US dollars per calendar day, UTC, by the price list."""
    usd_per_month: float | None = None
    """US dollars per calendar month, UTC, by the price list."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1e15:
                raise ValueError(f"{name} is {value}; allowed: 0 to 1e15, or leave it out for no limit")


NO_LIMITS = KeyLimits()


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual key, without the key."""

    id: str
    """`key_…`: what records, logs and commands call it."""
    slot: int
    """Place of its counters in the shared table; never given to another key."""
    digest: str
    """SHA-256 of the whole key, in hex."""
    name: str
    """What it is for."""
    owner: str
    """Whose it is; empty where nobody was named."""
    created_at: datetime
    """UTC."""
    expires_at: datetime | None = None
    """UTC; None: never."""
    revoked_at: datetime | None = None
    """UTC; None: not revoked."""
    models: tuple[str, ...] = ()
    """Shell patterns of the model names it may ask for; empty: all."""
    limits: KeyLimits = NO_LIMITS
    """What it may use."""

    def state(self, now: datetime) -> str:
        """Return `active`, `revoked` or `expired`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


class KeyList(msgspec.Struct, frozen=True):
    """The whole file."""

    version: int = 1
    next_slot: int = 0
    keys: tuple[Key, ...] = ()


def digest(key: bytes) -> str:
    """Return what is stored of a key: SHA-256 in hex."""
    return sha256(key).hexdigest()


class KeyFile:
    """The list of virtual keys in one gateway folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / FILE_NAME

    def read(self) -> KeyList:
        """Return all keys, revoked and expired ones included; an absent file holds none.

        Raises:
            WorkspaceError: the file cannot be read or is damaged.
        """
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=KeyList)
        except FileNotFoundError:
            return KeyList()
        except (OSError, msgspec.MsgspecError) as error:
            raise WorkspaceError(
                f"{self.path} cannot be read: {error}. Restore it from a backup, or move it away and make new keys "
                "with `golddiff keys create`."
            ) from error

    def create(
        self,
        name: str,
        *,
        owner: str = "",
        expires_at: datetime | None = None,
        models: tuple[str, ...] = (),
        limits: KeyLimits = NO_LIMITS,
    ) -> tuple[str, Key]:
        """Make a key; return it, this once, with its entry."""
        secret = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))

        def add(old: KeyList) -> tuple[KeyList, Key]:
            key = Key(
                id=new_id("key"),
                slot=old.next_slot,
                digest=digest(secret.encode()),
                name=name,
                owner=owner,
                created_at=datetime.now(UTC),
                expires_at=expires_at,
                models=models,
                limits=limits,
            )
            return KeyList(old.version, old.next_slot + 1, (*old.keys, key)), key

        return secret, self._change(add)

    def revoke(self, id_or_name: str) -> Key:
        """Revoke a key for good; revoking it again keeps the first time.

        Raises:
            InputError: no key, or more than one, is called that.
        """

        def stop(key: Key) -> Key:
            return msgspec.structs.replace(key, revoked_at=key.revoked_at or datetime.now(UTC))

        return self._change(lambda old: _replace(old, id_or_name, stop))

    def limit(self, id_or_name: str, change: Callable[[KeyLimits], KeyLimits]) -> Key:
        """Give a key other limits; what it already used in this day, month and minute stays counted.

        Raises:
            InputError: no key, or more than one, is called that.
        """

        def other(key: Key) -> Key:
            return msgspec.structs.replace(key, limits=change(key.limits))

        return self._change(lambda old: _replace(old, id_or_name, other))

    def _change(self, change: Callable[[KeyList], tuple[KeyList, Key]]) -> Key:
        if not self._folder.exists():
            change(self.read())  # a name that is not there is an error before a folder is made
        with self._locked():
            new, key = change(self.read())
            temporary = self.path.with_suffix(".new")
            with os.fdopen(self._make(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(new), indent=1) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
            _sync_folder(self._folder)
        return key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = self._make(self.path.with_suffix(".lock"), os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _make(self, path: Path, flags: int) -> int:
        """Open a file that only its owner may read; the folder's owner, where an administrator runs the command."""
        descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            owner = self._folder.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor


def choose(keys: tuple[Key, ...], id_or_name: str) -> Key:
    """Return the key with this id, beginning of an id, or name.

    Raises:
        InputError: no key, or more than one, is called that.
    """
    exact = [key for key in keys if key.id == id_or_name]
    fitting = exact or [
        key for key in keys if key.name == id_or_name or (len(id_or_name) >= 6 and key.id.startswith(id_or_name))
    ]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(f"{key.id} ({key.name})" for key in (fitting or keys)[:20]) or "none yet"
    count = f"{len(fitting)} keys are" if fitting else "no key is"
    shown = "that (a key itself is never looked up)" if id_or_name.startswith(PREFIX) else id_or_name
    raise InputError(f"{count} called {shown}; there is: {there}. Give the id of one; `golddiff keys list` shows all.")


def _replace(old: KeyList, id_or_name: str, change: Callable[[Key], Key]) -> tuple[KeyList, Key]:
    chosen = choose(old.keys, id_or_name)
    new = change(chosen)
    return msgspec.structs.replace(old, keys=tuple(new if key is chosen else key for key in old.keys)), new


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
