import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from golddiff.errors import WorkspaceError
from golddiff.record.calls import rebuild_answer, rebuild_request, take
from golddiff.record.calls.store_call import CallStore
from golddiff.record.calls.take import Taker
from golddiff.record.capture import RawCall
from golddiff.record.spool import SpoolReader, SpoolRecorder, StoredCall
from golddiff.store import Store
from golddiff.types import Call, Event, Session, Thread, new_id
from record.calls.world import Claude, chat, chat_answer, lines, only_session, result, stored
from record.spool.calls import Verdicts

EDIT = {"file_path": "/home/dev/app/a.py", "old_string": "x", "new_string": "y"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        yield opened


def session_calls() -> list[StoredCall]:
    """Three calls of one session."""
    claude = Claude()
    claude.user("go")
    calls = [claude.call("one", ("Edit", "toolu_01AAAAAAAA", EDIT), at=0)]
    claude.user(result("toolu_01AAAAAAAA", "ok"))
    calls.append(claude.call("two", at=10))
    claude.user("more")
    calls.append(claude.call("three", at=20))
    return calls


def spool(folder: Path, *calls: StoredCall, worker: str = "0") -> None:
    """Record calls as a gateway's worker does."""
    verdicts = Verdicts()
    recorder = SpoolRecorder(folder, worker)
    for call in calls:
        raw = RawCall(**{name: getattr(call, name) for name in RawCall.__struct_fields__})
        verdicts_done = verdicts.done(raw) if raw.call_id not in verdicts.of else lambda verdict: None
        recorder.submit(raw, verdicts_done)
        verdicts.wait(1)
    recorder.close(30)


def counts(store: Store) -> list[int]:
    return [store.count(kind) for kind in (Call, Session, Thread, Event)]


def test_a_spool_is_taken_into_sessions_and_is_empty_afterwards(store: Store, tmp_path: Path) -> None:
    calls = session_calls()
    spool(tmp_path / "spool", *calls)
    summary = take(store, tmp_path / "spool")
    assert (summary.calls, summary.known, summary.new_sessions) == (3, 0, 1)
    assert summary.relations == {"new": 1, "continues": 2}
    assert summary.session_ids == [only_session(store).id]
    assert lines(store, only_session(store).id)[-1] == "model_call: three"
    assert not list((tmp_path / "spool").glob("*.spool"))
    for call in calls:
        record = store.get(Call, call.call_id)
        assert (rebuild_request(store, record), rebuild_answer(record)) == (call.request_body, call.response_body)


def test_a_call_that_is_delivered_three_times_is_stored_once(store: Store, tmp_path: Path) -> None:
    calls = session_calls()
    spool(tmp_path / "spool", *calls, calls[0])
    take(store, tmp_path / "spool")
    before = counts(store)
    spool(tmp_path / "spool", *calls)
    summary = take(store, tmp_path / "spool")
    assert (summary.calls, summary.known) == (0, 3)
    assert counts(store) == before == [3, 1, 1, 6]


def test_a_crash_before_the_spool_was_told_doubles_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool(tmp_path / "spool", *session_calls())

    def crash(reader: SpoolReader, places: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(SpoolReader, "taken", crash)
        take(store, tmp_path / "spool")
    before = counts(store)
    summary = take(store, tmp_path / "spool")
    assert (summary.calls, summary.known) == (0, 3)
    assert counts(store) == before
    assert not list((tmp_path / "spool").glob("*.spool"))


def test_a_store_that_is_down_leaves_the_backlog_for_the_next_round(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool(tmp_path / "spool", *session_calls())

    def down(*records: object, **more: object) -> None:
        raise WorkspaceError("the database does not answer")

    with Taker(store, tmp_path / "spool", batch_calls=2) as taker:
        with monkeypatch.context() as patched, pytest.raises(WorkspaceError):
            patched.setattr(store, "put", down)
            taker.round()
        assert counts(store) == [0, 0, 0, 0]
        assert taker.round().calls == 3
        assert taker.round().calls == 0
    assert counts(store)[0] == 3


def test_calls_of_several_workers_are_put_in_order(store: Store, tmp_path: Path) -> None:
    first, second, third = session_calls()
    spool(tmp_path / "spool", first, third, worker="0")
    spool(tmp_path / "spool", second, worker="1")
    assert take(store, tmp_path / "spool").relations == {"new": 1, "continues": 2}


def test_a_window_smaller_than_the_backlog_takes_all_of_it(store: Store, tmp_path: Path) -> None:
    spool(tmp_path / "spool", *session_calls())
    with Taker(store, tmp_path / "spool", window_bytes=1) as taker:
        assert taker.round().calls == 3


def test_what_ended_after_the_reading_began_waits(store: Store, tmp_path: Path) -> None:
    soon = (datetime.now(UTC) - stored("other", b"", b"", at=0).started_at) / timedelta(seconds=1) + 3
    spool(tmp_path / "spool", stored("openai-chat", chat([]), chat_answer("x"), at=soon))
    with Taker(store, tmp_path / "spool") as taker:
        assert taker.round().calls == 0
        assert taker.round(everything=True).calls == 1


@pytest.mark.parametrize("jump", [-2 * 86_400, 10 * 86_400])
def test_a_clock_that_jumps_changes_no_order(store: Store, tmp_path: Path, jump: int) -> None:
    claude = Claude()
    claude.user("go")
    calls = [claude.call("one", at=0)]
    claude.user("more")
    calls.append(claude.call("two", at=jump))
    spool(tmp_path / "spool", *calls)
    assert take(store, tmp_path / "spool").relations == {"new": 1, "continues": 1}
    assert lines(store, only_session(store).id)[-1] == "model_call: two"


def test_other_content_under_the_same_provider_id_is_another_call(store: Store, tmp_path: Path) -> None:
    calls = [
        stored("openai-chat", chat([{"role": "user", "content": text}]), chat_answer(text), at=at)
        for at, text in enumerate(("a", "b"))
    ]
    spool(tmp_path / "spool", *calls)
    take(store, tmp_path / "spool")
    assert [call.response_id for call in store.find(Call)] == ["chatcmpl-1", "chatcmpl-1"]
    assert store.count(Session) == 2


def test_the_subject_is_the_key_s_unless_it_is_stated(store: Store, tmp_path: Path) -> None:
    spool(tmp_path / "spool", session_calls()[0])
    take(store, tmp_path / "spool", subject="someone")
    assert only_session(store).subject == "someone"


def conversations(count: int, turns: int) -> list[StoredCall]:
    """Agents that work side by side: every turn repeats the history and brings the result of a tool call."""
    calls = []
    agents = [Claude(f"0197b1de-4f4c-7bd2-a2b5-{number:012}" if number % 2 else None) for number in range(count)]
    for number, claude in enumerate(agents):
        claude.user(f"task {number}")
    for turn in range(turns):
        for number, claude in enumerate(agents):
            call_id = f"toolu_{number:04}{turn:06}"
            at = turn * 100 + number
            if (turn + number) % 3 == 0:
                calls.append(stored("anthropic-messages", claude.request(), b"", at=at, status=529))
            calls.append(claude.call(f"step {turn}", ("Edit", call_id, EDIT), at=at + 1))
            claude.user(result(call_id, f"ok {number} {turn}"))
    return calls


def test_calls_of_one_batch_become_what_they_become_one_by_one(tmp_path: Path) -> None:
    calls = conversations(6, 5)
    seen = []
    for size in (1, 7, len(calls)):
        with Store.open(tmp_path / str(size)) as store:
            outcomes = []
            for at in range(0, len(calls), size):
                with store.transaction():
                    outcomes += CallStore(store).add(*calls[at : at + size])
            threads = [msgspec.structs.replace(one, id="", session_id="") for one in store.find(Thread)]
            seen.append(
                (
                    [(one.relation, one.new_session, one.events) for one in outcomes],
                    [lines(store, session.id) for session in store.sessions()],
                    sorted(threads, key=lambda thread: thread.items),
                    [rebuild_request(store, store.get(Call, call.call_id)) for call in calls],
                )
            )
    assert seen[0] == seen[1] == seen[2]
    assert {relation for relation, *_ in seen[0][0]} >= {"new", "continues", "retry"}


def test_a_batch_is_few_round_trips_however_many_calls_it_has(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(method: Callable[..., object]) -> Callable[..., object]:
        def ask(sql: str, values: object = ()) -> object:
            asked.append(sql)
            return method(sql, values)

        return ask

    for name in ("execute", "execute_many"):
        monkeypatch.setattr(store.database, name, counted(getattr(store.database, name)))
    calls, adder = conversations(10, 12), CallStore(store)
    for at in range(0, len(calls), 40):
        with store.transaction():
            adder.add(*calls[at : at + 40])
    assert len(asked) / len(calls) < 1


def test_a_round_ends_when_its_time_is_over_and_the_next_one_goes_on(store: Store, tmp_path: Path) -> None:
    calls = session_calls()
    spool(tmp_path / "spool", *calls)
    with Taker(store, tmp_path / "spool", batch_calls=1) as taker:
        for taken in (1, 2, 3):
            assert taker.round(end=time.monotonic()).more == (taken < 3)
            assert [call.id for call in store.find(Call)] == [call.call_id for call in calls[:taken]]
        assert taker.round(end=time.monotonic()).calls == 0
    assert not list((tmp_path / "spool").glob("*.spool"))


def test_a_round_ends_though_calls_come_in_faster_than_they_are_taken(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = session_calls()
    spool(tmp_path / "spool", *calls)
    with SpoolReader(tmp_path / "spool") as reader:
        first = next(iter(reader.read()))

    def endless(reader: SpoolReader) -> Iterator[StoredCall]:
        while True:
            yield msgspec.structs.replace(first, call_id=new_id("call"), protocol="other")

    monkeypatch.setattr(SpoolReader, "read", endless)
    with Taker(store, tmp_path / "spool", batch_calls=2, window_bytes=50_000) as taker:
        summary = taker.round(end=time.monotonic() + 0.05)
    assert summary.more
    assert summary.calls == store.count(Call) > 0


def test_calls_of_a_batch_that_failed_are_taken_by_the_next_round(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = session_calls()
    spool(tmp_path / "spool", *calls)
    with Taker(store, tmp_path / "spool") as taker:
        with monkeypatch.context() as patch:

            def full(*records: object) -> None:
                raise WorkspaceError("the disk is full")

            patch.setattr(store, "put", full)
            with pytest.raises(WorkspaceError):
                taker.round(everything=True)
        assert counts(store) == [0, 0, 0, 0]
        taker.round(everything=True)
    assert counts(store) == [3, 1, 1, 6]
