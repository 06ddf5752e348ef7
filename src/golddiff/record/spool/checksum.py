"""CRC32C, from google-crc32c: the checksum of a segment's frames and of the index of recent requests."""

from __future__ import annotations

from golddiff.errors import UsageError

__all__ = ["crc32c", "extend"]

try:
    from google_crc32c import extend
except ModuleNotFoundError:

    def extend(crc: int, chunk: bytes) -> int:
        raise UsageError("a spool needs google-crc32c. Run: pip install 'golddiff[gateway]'")


def crc32c(data: bytes, start: int = 0) -> int:
    """Return the CRC32C of `data`, going on from `start`.

    Raises UsageError where google-crc32c is not installed.
    """
    return int(extend(start, data))
