"""Records ↔ bytes: zstd-compressed JSON, long strings moved out into content-addressed blobs.

A reference is the JSON object `{"$blob": "<32 hex digits>"}`: BLAKE2b-128 of the string's UTF-8 bytes. No record
field holds a dictionary with that key, so a reference cannot be mistaken for data.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec
import zstandard

from golddiff.store.schema import INLINE_CHARS

_REFERENCE = "$blob"
_LEVEL = 3  # zstd's own default; level 1 saves nothing measurable next to the fsync, higher levels cost CPU


def blob_hash(text: str) -> bytes:
    """Address of a long string: BLAKE2b-128 of its UTF-8 bytes (lone surrogates allowed)."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def compress(data: bytes) -> bytes:
    """One zstd frame with its content size in the header."""
    return zstandard.compress(data, _LEVEL)


def decompress(data: bytes) -> bytes:
    """Inverse of `compress`. Raises `zstandard.ZstdError` on damaged data."""
    return zstandard.decompress(data)


def encode(record: msgspec.Struct, keep: Callable[[bytes, str], None]) -> bytes:
    """Return the stored body; `keep(hash, text)` is called for each string that moves into a blob."""
    return compress(msgspec.json.encode(_shrink(msgspec.to_builtins(record), keep)))


def decode(body: bytes, decode_type: Any, fetch: Callable[[bytes], str]) -> Any:
    """Rebuild a record; `fetch(hash)` returns the text of a blob."""
    return msgspec.convert(_grow(msgspec.json.decode(decompress(body)), fetch), decode_type)


def _shrink(value: Any, keep: Callable[[bytes, str], None]) -> Any:
    if isinstance(value, str):
        if len(value) <= INLINE_CHARS:
            return value
        address = blob_hash(value)
        keep(address, value)
        return {_REFERENCE: address.hex()}
    if isinstance(value, dict):
        return {key: _shrink(item, keep) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shrink(item, keep) for item in value]
    return value


def _grow(value: Any, fetch: Callable[[bytes], str]) -> Any:
    if isinstance(value, dict):
        if len(value) == 1 and _REFERENCE in value:
            return fetch(bytes.fromhex(value[_REFERENCE]))
        return {key: _grow(item, fetch) for key, item in value.items()}
    if isinstance(value, list):
        return [_grow(item, fetch) for item in value]
    return value
