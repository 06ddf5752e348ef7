"""Times as clients write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from golddiff.record.importers.timestamps import moment

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-01-01T12:00:00Z", _NOON),
        ("2026-01-01T12:00:00.000Z", _NOON),
        ("2026-01-01T14:00:00+02:00", _NOON),
        (1767268800, _NOON),
        (1767268800000, _NOON),
        ("2026-01-01T12:00:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (0, None),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (1e300, None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        (float("inf"), None),
    ],
)
def test_a_time_is_utc_or_none(written: str | float | None, expected: datetime | None) -> None:
    assert moment(written) == expected
