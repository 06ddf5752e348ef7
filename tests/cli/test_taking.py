from pathlib import Path

import pytest

from golddiff.cli import taking
from golddiff.record.calls.take import Taker
from golddiff.store import Location, Store
from golddiff.types import Call
from record.calls.test_take import session_calls, spool


def test_a_turn_that_ends_first_leaves_the_rest_to_the_next_though_no_more_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool(tmp_path / "spool", *session_calls())
    monkeypatch.setattr(taking, "_TURN_SEC", 0.0)
    monkeypatch.setattr(Taker, "_batch", lambda taker, ready: taker._held[:1])
    turns = taking._Turns(Location(tmp_path / "work"), tmp_path / "spool", None)
    for taken in (1, 2, 3):
        left = turns.take(everything=False)
        assert (left == taking._UNKNOWN) == (taken < 3)
        with Store.open(tmp_path / "work") as store:
            assert store.count(Call) == taken
    assert left == 0
    turns.close()
