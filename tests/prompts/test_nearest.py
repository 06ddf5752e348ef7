"""R0 shows what is near and what is past, never the future."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from golddiff.prompts.nearest import K1, B, EarlierChanges
from golddiff.types import Clean, Example, Provenance

START = datetime(2026, 1, 1, tzinfo=UTC)


def example(identity: str, before: str, day: int, **origin: str) -> Example:
    return Example(
        id=identity,
        kind="accepted",
        instruction=Clean("do"),
        path="p",
        start_line=1,
        before=Clean(before),
        after=Clean("x"),
        at=START + timedelta(days=day),
        provenance=Provenance(written_by="human", **origin),
    )


def ids(found: list[Example]) -> list[str]:
    return [item.id for item in found]


def test_the_nearest_comes_last() -> None:
    index = EarlierChanges([example("far", "alpha gamma", 1), example("near", "alpha beta", 2)])
    assert ids(index.nearest(example("now", "alpha beta", 9), 2)) == ["far", "near"]
    assert ids(index.nearest(example("now", "alpha beta", 9), 1)) == ["near"]


def test_nothing_of_the_future_or_of_the_same_moment_is_shown() -> None:
    index = EarlierChanges([example("past", "alpha", 1), example("same", "alpha", 5), example("future", "alpha", 6)])
    assert ids(index.nearest(example("now", "alpha", 5), 3)) == ["past"]


def test_the_request_itself_is_never_shown() -> None:
    index = EarlierChanges([example("now", "alpha", 1)])
    assert index.nearest(example("now", "alpha", 5), 3) == []


def test_nothing_of_the_same_session_or_commit_is_shown_whenever_it_was() -> None:
    origins = {"session": {"session_id": "s"}, "commit": {"commit": "c"}, "other": {"session_id": "t", "commit": "d"}}
    index = EarlierChanges([example(name, "alpha", 1, **origin) for name, origin in origins.items()])
    assert ids(index.nearest(example("now", "alpha", 5, session_id="s", commit="c"), 3)) == ["other"]
    assert len(index.nearest(example("now", "alpha", 5), 3)) == 3


def test_an_empty_pool_gives_nothing() -> None:
    assert EarlierChanges([]).nearest(example("now", "alpha", 5), 3) == []


def test_weights_are_bm25_by_hand() -> None:
    """Three documents of 2+2, 2+1 and 2+3 words (each has `do` and `p`); `alpha` occurs twice in the first."""
    index = EarlierChanges([example("1", "alpha alpha", 1), example("2", "beta", 2), example("3", "alpha b c", 3)])
    rarity = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    first = rarity * 2 * (K1 + 1) / (2 + K1 * (1 - B + B * 4 / 4))
    third = rarity * 1 * (K1 + 1) / (1 + K1 * (1 - B + B * 5 / 4))
    assert dict(index._weights["alpha"]) == pytest.approx({0: first, 2: third})
