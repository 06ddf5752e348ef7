from pathlib import Path

import pytest

from golddiff.cli import taking
from golddiff.record.calls.take import Taker, TakeSummary
from golddiff.record.spool.files import create_file
from golddiff.record.spool.frames import FORMAT_VERSION, Header, header_frame
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


def test_calls_that_come_while_a_turn_finds_none_are_taken_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "spool"
    begun = create_file(folder / "begun-0000000001-00000000.spool")
    begun.append(header_frame(Header(FORMAT_VERSION, "begun", 1, 7, 1)))
    turns = taking._Turns(Location(tmp_path / "work"), folder, None)
    assert turns.take(everything=False) == turns.waiting() > 0  # a segment without calls is nothing to come back for
    one_pass = Taker._pass

    def and_then_calls_come(taker: Taker, everything: bool, end: float | None) -> TakeSummary:
        summary = one_pass(taker, everything, end)
        spool(folder, *session_calls())
        summary.waiting_bytes = taker.waiting_bytes
        return summary

    with monkeypatch.context() as patched:
        patched.setattr(Taker, "_pass", and_then_calls_come)
        assert turns.take(everything=False) == taking._UNKNOWN
    turns.take(everything=False)
    with Store.open(tmp_path / "work") as store:
        assert store.count(Call) == 3
    turns.close()
    begun.close()
