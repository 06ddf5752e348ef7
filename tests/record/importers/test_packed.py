"""A list whose older items lie compressed."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from golddiff.record.importers import Importer, packed
from golddiff.record.importers.event_log import NumberedEvents
from golddiff.record.importers.packed import Packed
from golddiff.types import Event, RawSession
from record.importers.test_damage import BOTH


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks so small that every list is packed."""
    monkeypatch.setattr(packed, "CHUNK_ITEMS", 2)
    monkeypatch.setattr(packed, "OPEN_CHUNKS", 1)


@pytest.mark.usefixtures("tiny")
def test_it_is_the_list_that_it_stands_for_whatever_is_done_to_it() -> None:
    dice = random.Random(7)
    like: list[list[str]] = []
    items: Packed[list[str]] = Packed(list[str])
    for step in range(600):
        place = dice.randrange(len(like)) if like else 0
        match dice.choice(("append", "append", "append", "set", "get", "truncate" if step % 20 == 0 else "append")):
            case "set" if like:
                like[place] = items[place] = [f"changed {step}"]
            case "get" if like:
                assert items[place] == like[place]
            case "truncate":
                del like[place:]
                items.truncate(place)
            case _:
                like.append([f"item {step}"])
                items.append([f"item {step}"])
    assert not items.is_open
    assert (len(items), list(items)) == (len(like), like)
    assert list(items.drain()) == like


@pytest.mark.usefixtures("tiny")
def test_what_cannot_be_written_lies_open() -> None:
    items: Packed[str] = Packed(str)
    for text in ("a", "\ud83d", "b", "c", "d", "e"):
        items.append(text)
    assert list(items) == ["a", "\ud83d", "b", "c", "d", "e"]


def _read(importer: Importer, path: Path) -> list[RawSession]:
    return [read.transcript for read in importer.read(path).sessions]


@pytest.mark.parametrize("name", list(BOTH))
def test_a_session_that_was_packed_is_the_same(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    importer, data = BOTH[name]
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    before = _read(importer, path)
    request.getfixturevalue("tiny")
    after = _read(importer, path)
    for one, other in zip(before, after, strict=True):
        assert len(one.events) <= 4 or isinstance(other.events, NumberedEvents)
        assert [event.id.partition("/")[2] for event in other.events] == [str(n) for n in range(len(one.events))]
        assert [_plain(event) for event in other.events] == [_plain(event) for event in one.events]
        assert (len(other.events), other.events[-1]) == (len(one.events), list(other.events)[-1])
        assert other.session.usage == one.session.usage


def _plain(event: Event[str]) -> Event[str]:
    return msgspec.structs.replace(event, id="", session_id="")
