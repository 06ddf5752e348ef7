"""Times as clients write them → UTC moments."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

_MILLISECONDS_FROM = 1e11
"""Larger numbers are milliseconds since 1970 (as seconds they would lie past the year 5000)."""


def moment(timestamp: str | int | float | None) -> datetime | None:
    """Return a record's time, or None where it is missing or no time; numbers are Unix seconds or milliseconds."""
    try:
        if isinstance(timestamp, str):
            when = msgspec.convert(timestamp, datetime, strict=False)
        elif timestamp:
            seconds = timestamp / 1000 if timestamp > _MILLISECONDS_FROM else timestamp
            when = msgspec.convert(seconds, datetime, strict=False)
        else:
            return None
    except (msgspec.ValidationError, OverflowError, ValueError):
        return None
    return when.astimezone(UTC) if when.tzinfo is not None else None
