"""D6, D7, D8, D11: from the spool into the store while the store is away, calls come twice, clocks jump."""

from __future__ import annotations

import ast
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import msgspec
import pytest

import golddiff.record.spool
from faults.test_kill import Heard, forked, write_for_ever
from golddiff.errors import WorkspaceError
from golddiff.record.calls.take import Taker, take
from golddiff.record.capture import RawCall
from golddiff.record.spool import SpoolReader, SpoolRecorder
from golddiff.store import Store
from golddiff.store.check import check
from golddiff.types import Call
from record.spool.calls import Verdicts, conversation, raw_call


def record(folder: Path, calls: list[RawCall], worker: str = "0") -> None:
    verdicts = Verdicts()
    writer = SpoolRecorder(folder, worker)
    for call in calls:
        writer.submit(call, verdicts.done(call))
    verdicts.wait(len(calls))
    writer.close(30)
    assert len(verdicts.acked) == len(verdicts.of)


def answer(said: str, provider_id: str = "msg_1") -> bytes:
    return msgspec.json.encode(
        {
            "id": provider_id,
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": said}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )


def test_d6_while_the_store_refuses_calls_wait_in_the_spool_and_then_drain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [raw_call(body, answer(str(n))) for n, body in enumerate(conversation(6))]
    with Store.open(tmp_path / "w") as store, Taker(store, tmp_path / "spool") as taker:
        with monkeypatch.context() as patch:

            def away() -> None:
                raise WorkspaceError("the store does not answer")

            patch.setattr(store, "transaction", away)
            record(tmp_path / "spool", calls[:3])
            with pytest.raises(WorkspaceError):
                taker.round(everything=True)
            record(tmp_path / "spool", calls[3:])  # recording goes on
        taker.round(everything=True)
        assert {call.id for call in store.find(Call)} == {call.call_id for call in calls}
    assert not list((tmp_path / "spool").glob("*.spool"))


def test_d7_a_call_that_is_delivered_three_times_is_one_call(tmp_path: Path) -> None:
    body = conversation(3)[-1]
    once = raw_call(body, answer("yes"))
    with Store.open(tmp_path / "w") as store:
        for worker in "abc":
            record(tmp_path / "spool", [once], worker)
            take(store, tmp_path / "spool")
        assert [call.id for call in store.find(Call)] == [once.call_id]


def test_d7_other_content_under_the_same_provider_id_is_another_call(tmp_path: Path) -> None:
    calls = [raw_call(conversation(3)[-1], answer(said, "chatcmpl-1")) for said in ("yes", "no")]
    record(tmp_path / "spool", calls)
    with Store.open(tmp_path / "w") as store:
        take(store, tmp_path / "spool")
        assert {call.id for call in store.find(Call)} == {call.call_id for call in calls}


def test_d7_a_taker_that_dies_before_it_said_so_takes_nothing_twice(tmp_path: Path) -> None:
    calls = [raw_call(body, answer(str(n))) for n, body in enumerate(conversation(6))]
    record(tmp_path / "spool", calls)
    copy = {path.name: path.read_bytes() for path in (tmp_path / "spool").glob("*.spool")}
    with Store.open(tmp_path / "w") as store:
        take(store, tmp_path / "spool")
        for name, data in copy.items():
            (tmp_path / "spool" / name).write_bytes(data)
        (tmp_path / "spool" / "taken.json").unlink()
        assert take(store, tmp_path / "spool").known == len(calls)
        assert store.count(Call) == len(calls)


def test_d8_a_clock_that_jumps_changes_neither_order_nor_what_is_kept(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    jumps = [timedelta(0), timedelta(days=-2), timedelta(days=10), timedelta(minutes=5), timedelta(minutes=-5)]
    calls = [raw_call(body, started_at=noon + jump) for body, jump in zip(conversation(5), jumps, strict=True)]
    record(tmp_path, calls)
    with SpoolReader(tmp_path) as reader:
        got = list(reader.read())
    assert [call.call_id for call in got] == [call.call_id for call in calls]
    assert [call.number for call in got] == [1, 2, 3, 4, 5]
    assert [call.started_at for call in got] == [noon + jump for jump in jumps]


def test_d8_nothing_in_the_spool_asks_the_wall_clock() -> None:
    folder = Path(golddiff.record.spool.__file__).parent
    asked = {
        ast.unparse(node)
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"time", "time_ns", "now", "utcnow", "today", "st_mtime"}
    }
    assert asked == set()


@pytest.mark.parametrize("seconds", [0.5, pytest.param(20.0, marks=pytest.mark.faults)])
def test_d11_writers_and_the_one_who_takes_do_not_disturb_each_other(tmp_path: Path, seconds: float) -> None:
    spool = tmp_path / "spool"
    workers = [forked(lambda end, name=name: write_for_ever(spool, name, 200_000, end)) for name in "abc"]  # type: ignore[misc]
    heard = [Heard(end) for _, end in workers]
    got: list[str] = []
    began = time.monotonic()
    with SpoolReader(spool) as reader:
        while time.monotonic() - began < seconds:
            for call in reader.read():
                got.append(call.call_id)
                if len(got) % 50 == 0:
                    reader.taken([call.place])
                if time.monotonic() - began > 4 * seconds:
                    break
        for process, _ in workers:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        acked = {call_id for one in heard for call_id in one.all()}
        got += [call.call_id for call in reader.read()]
        assert reader.damage.corrupt_places == reader.damage.broken_calls == 0
    assert len(got) == len(set(got))
    assert acked <= set(got)


def read_for_ever(work: Path, errors: int) -> None:
    """Read the store over and over until killed, as a report does beside a gateway; say what was wrong, if anything."""
    parent, seen = os.getppid(), 0
    while os.getppid() == parent:
        try:
            with Store.open(work, write=False) as store:
                sessions = [session.id for session in store.sessions()]
                found = store.count(Call)
                for session_id in sessions[-3:]:
                    assert list(store.events(session_id))
            assert found >= seen, f"{seen} calls were there, now {found}"
            seen = found
        except Exception as error:
            os.write(errors, f"{type(error).__name__}: {error}\n".encode())
        time.sleep(0.01)


def storm(work: Path, store: Store, until: float, pause_sec: float) -> int:
    """Checkpoints of every kind until a moment, one after another, with a second writer refused; return how many."""
    made = 0
    store.database.execute("PRAGMA busy_timeout = 20")  # those that wait for readers give up soon
    while True:
        for mode in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
            store.database.execute(f"PRAGMA wal_checkpoint({mode})")
            made += 1
        with pytest.raises(WorkspaceError, match="another golddiff is writing"):
            Store.open(work)
        if time.monotonic() >= until:
            store.database.execute("PRAGMA busy_timeout = 10000")
            return made
        time.sleep(pause_sec)


@pytest.mark.parametrize("seconds", [0.5, pytest.param(600.0, marks=pytest.mark.faults)])
def test_d11_the_store_stays_whole_among_writers_readers_and_a_storm_of_checkpoints(
    tmp_path: Path, seconds: float
) -> None:
    spool, work = tmp_path / "spool", tmp_path / "w"
    workers = [forked(lambda end, name=name: write_for_ever(spool, name, 200_000, end, 0.05)) for name in "abcd"]  # type: ignore[misc]
    heard = [Heard(end) for _, end in workers]
    with Store.open(work) as store, Taker(store, spool, batch_calls=16) as taker:
        readers = [forked(lambda end: read_for_ever(work, end)) for _ in range(2)]
        complaints = [Heard(end) for _, end in readers]
        until, storms, turns = time.monotonic() + seconds, 0, 0
        while time.monotonic() < until:
            taker.round(end=time.monotonic() + 0.1)  # then checkpoints for as long, however many calls wait
            storms += storm(work, store, time.monotonic() + 0.1, 0.005)
            turns += 1
        for process, _ in (*workers, *readers):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        taker.round(everything=True)
        acked = {call_id for one in heard for call_id in one.all()}
        assert acked <= {call.id for call in store.find(Call)}
        assert check(store).problems == []
    assert [said for one in complaints for said in one.all()] == []
    assert apsw.Connection(str(work / "golddiff.sqlite")).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    sys.stderr.write(
        f"\n{len(acked)} acknowledged calls in {seconds:.0f} s, {storms} checkpoints in {turns} turns, none lost\n"
    )
    assert storms >= 4 * turns > 0
    if seconds > 100:
        assert storms > 1_000
