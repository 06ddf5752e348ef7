"""Times as clients write them → UTC moments."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

_MILLISECONDS_FROM = 1e11
"""Larger numbers are milliseconds since 1970 (as seconds they would lie past the year 5000)."""
_FIRST_YEAR = 1900
"""Earlier years are a client's way to say that it has no time (Go's zero time is in the year 1)."""


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
        if when.tzinfo is None:
            return None
        when = when.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError, ValueError):
        return None
    return when if when.year >= _FIRST_YEAR else None
