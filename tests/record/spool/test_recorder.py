"""What the recorder acknowledges is on disk, redacted, and comes out of the reader as it went in."""

from __future__ import annotations

import asyncio
import errno
import gzip
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from faults.disks import Disk
from golddiff.errors import RightsError, UsageError
from golddiff.record.capture import Attempted, Drop, RawCall, Verdict
from golddiff.record.spool import clean, encode, groups, recorder
from golddiff.record.spool.append import Appender
from golddiff.record.spool.reader import SpoolReader
from golddiff.record.spool.recorder import SpoolConfig, SpoolRecorder
from golddiff.record.spool.stored import StoredCall
from record.spool.calls import Verdicts, conversation, raw_call, record_together
from rights.secrets_corpus import PROVIDER_FORMATS

TOKEN = PROVIDER_FORMATS["github classic"](random.Random(1))


def record(folder: Path, calls: list[RawCall], **config: object) -> Verdicts:
    verdicts = Verdicts()
    writer = SpoolRecorder(folder, "0", config=SpoolConfig(**config))  # type: ignore[arg-type]
    for call in calls:
        writer.submit(call, verdicts.done(call))
    verdicts.wait(len(calls))
    writer.close(30)
    return verdicts


def read(folder: Path) -> list[StoredCall]:
    with SpoolReader(folder) as reader:
        return list(reader.read())


def bytes_on_disk(folder: Path) -> bytes:
    data = b"".join(path.read_bytes() for path in folder.glob("*.spool"))
    for stored in read(folder):
        data += repr(stored).encode()
    return data


def test_a_failed_write_is_tried_again_though_the_loop_has_stopped(tmp_path: Path) -> None:
    disk = Disk(recording=False, sync_sec=0.05, fail_sync=lambda count: errno.EIO if count == 3 else 0)
    verdicts = Verdicts()
    loop = asyncio.new_event_loop()

    async def work() -> SpoolRecorder:
        writer = SpoolRecorder(tmp_path, "0", create=disk.create, loop=asyncio.get_running_loop())
        for number in range(2):
            call = raw_call(b"%d" % number)
            writer.submit(call, verdicts.done(call))
            while not number and not verdicts.of:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        return writer

    writer = loop.run_until_complete(work())
    verdicts.wait(2)  # while nobody runs the loop
    writer.close(10)
    loop.close()
    assert len(verdicts.acked) == 2
    assert writer.counters["suspect_segments"] == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_the_gateways_own_credentials_are_hidden_whatever_they_look_like(tmp_path: Path, streamed: bool) -> None:
    own = "plain words nobody would take for a key"
    writer = SpoolRecorder(tmp_path, "0", secrets=[own])
    verdicts = Verdicts()
    body = b'{"error": "' + own.encode() + b'"}'
    calls = [
        raw_call(
            b'{"messages": [' + b'{"a": "b"},' * n + body + b"]}",
            b"data: " + body + b"\n\n",
            streamed=streamed,
            response_headers=(("request-id", own),),
        )
        for n in range(3)
    ]
    for call in calls:
        writer.submit(call, verdicts.done(call))
    verdicts.wait(3)
    writer.close(30)
    assert own.encode() not in bytes_on_disk(tmp_path)
    assert bytes_on_disk(tmp_path).count(b"[REDACTED:gateway-credential]") >= 9


def test_a_call_comes_out_as_it_went_in(tmp_path: Path) -> None:
    call = raw_call(
        b'{"a": 1}',
        b"event: x\ndata: {}\n\n",
        asked_model=None,
        key_id=None,
        streamed=True,
        ending="client_gone",
        attempts=(Attempted("main", "503"), Attempted("other", "200")),
        started_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    )
    assert record(tmp_path, [call]).acked == {call.call_id}
    (stored,) = read(tmp_path)
    for name in RawCall.__struct_fields__:
        assert getattr(stored, name) == getattr(call, name), name
    assert (stored.worker, stored.number, stored.left_out) == ("0", 1, ())


def test_every_body_of_a_growing_conversation_is_rebuilt(tmp_path: Path) -> None:
    bodies = [body for pair in zip(conversation(30), conversation(30, "b"), strict=True) for body in pair]
    calls = [raw_call(body, b"answer %d" % n) for n, body in enumerate(bodies)]
    record(tmp_path, calls)
    assert [(c.request_body, c.response_body) for c in read(tmp_path)] == [
        (c.request_body, c.response_body) for c in calls
    ]
    stored = sum(path.stat().st_size for path in tmp_path.glob("*.spool"))
    assert stored < sum(map(len, bodies)) / 40


@pytest.mark.parametrize("limits", [{"memory_bytes": 20_000}, {"window_bytes": 10_000}, {"segment_bytes": 2_000}])
def test_small_memory_windows_and_segments_change_nothing_in_what_is_read(
    tmp_path: Path, limits: dict[str, int]
) -> None:
    bodies = [body for some in zip(*(conversation(12, seed) for seed in "abcdef"), strict=True) for body in some]
    calls = [raw_call(body) for body in bodies]
    record(tmp_path, calls, **limits)
    assert [call.request_body for call in read(tmp_path)] == bodies


def test_groups_begin_anew_and_can_be_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golddiff.record.spool.groups.GROUP_CALLS", 5)
    calls = [raw_call(body) for body in conversation(23)]
    record(tmp_path, calls)
    stored = read(tmp_path)
    assert [call.request_body for call in stored] == [call.request_body for call in calls]
    assert len({call.place.group for call in stored}) == 5


def test_a_group_ends_where_so_many_bytes_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golddiff.record.spool.groups.GROUP_BYTES", 3_000)
    calls = [raw_call(random.Random(number).randbytes(1_000)) for number in range(12)]
    record_together(tmp_path, calls, batch_calls=2)
    stored = read(tmp_path)
    assert [call.request_body for call in stored] == [call.request_body for call in calls]
    assert len({call.place.group for call in stored}) == 3


def test_what_was_stored_is_counted_to_the_byte(tmp_path: Path) -> None:
    verdicts = Verdicts()
    writer = SpoolRecorder(tmp_path, "0")
    for number, body in enumerate(conversation(5), 1):
        call = raw_call(body)
        writer.submit(call, verdicts.done(call))
        verdicts.wait(number)
    (path,) = tmp_path.glob("*.spool")
    first = read(tmp_path)[0].place.group  # where the header ends
    assert writer.counters["stored_bytes"] == path.stat().st_size - first
    writer.close(10)


@pytest.mark.parametrize("field", ["request", "response", "path", "header", "model"])
def test_no_secret_reaches_the_disk_from_any_field(tmp_path: Path, field: str) -> None:
    secret = f"k={TOKEN}"
    call = raw_call(
        secret.encode() if field == "request" else b"{}",
        secret.encode() if field == "response" else b"{}",
        path=f"/v1/x?{secret}" if field == "path" else "/v1/x",
        request_headers=(("x-title", secret),) if field == "header" else (),
        asked_model=secret if field == "model" else None,
    )
    record(tmp_path, [call])
    data = bytes_on_disk(tmp_path)
    assert TOKEN.encode() not in data
    assert b"[REDACTED:github-token]" in data


def test_texts_that_come_with_every_call_are_remembered_only_as_long_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean, "_MOST_REMEMBERED", 3)
    remembered: list[dict[object, object]] = []
    real = encode.clean_call
    monkeypatch.setattr(encode, "clean_call", lambda *parts: remembered.append(parts[-1]) or real(*parts))
    calls = [raw_call(path=f"/v1/{n % 5}", asked_model=f"k={TOKEN}") for n in range(20)]
    record(tmp_path, calls)
    stored = read(tmp_path)
    assert [call.path for call in stored] == [call.path for call in calls]
    assert {call.asked_model for call in stored} == {"k=[REDACTED:github-token]"}
    assert 0 < max(len(one) for one in remembered) <= 3
    assert TOKEN not in str(remembered)


def test_long_texts_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller chooses the model's name and the headers, and could fill the memory with them."""
    remembered: list[dict[object, object]] = []
    real = encode.clean_call
    monkeypatch.setattr(encode, "clean_call", lambda *parts: remembered.append(parts[-1]) or real(*parts))
    long = "long " * 1_000
    record(tmp_path, [raw_call(asked_model=long), raw_call(request_headers=(("x-title", long),))])
    assert [call.asked_model for call in read(tmp_path)] == [long, "a-model"]
    assert remembered[-1]
    assert long not in str(remembered)


def test_a_secret_spelled_out_over_a_stream_does_not_reach_the_disk(tmp_path: Path) -> None:
    events = [b'data: {"delta":{"content":"%s"}}\n\n' % TOKEN[at : at + 3].encode() for at in range(0, len(TOKEN), 3)]
    record(tmp_path, [raw_call(b"{}", b"".join(events), streamed=True)])
    assert b"[REDACTED:github-token]" in read(tmp_path)[0].response_body


def test_a_secret_that_an_answer_gave_away_is_hidden_in_the_next_request(tmp_path: Path) -> None:
    secret = "Zx81Qw7Rt5Yu3Io1Pa9S"
    bodies = [
        b'{"messages":["' + b"text " * 200 + b'"',
        b'{"messages":["' + b"text " * 200 + b'","it is ' + secret.encode(),
    ]
    record(tmp_path, [raw_call(bodies[0], f'{{"api_key": "{secret}"}}'.encode()), raw_call(bodies[1])])
    assert secret.encode() not in bytes_on_disk(tmp_path)


def test_bodies_of_different_keys_never_meet(tmp_path: Path) -> None:
    body = conversation(9)[-1]
    calls = [raw_call(body, key_id="key_1"), raw_call(body, key_id="key_2")]
    verdicts = Verdicts()
    writer = SpoolRecorder(tmp_path, "0")
    for call in calls:
        writer.submit(call, verdicts.done(call))
    verdicts.wait(2)
    writer.close(10)
    assert writer.counters["scanned_bytes"] == 2 * len(body)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(b"hello " * 99, mtime=0)), ("zstd", zstandard.ZstdCompressor().compress(b"hello " * 99))],
)
def test_bodies_in_a_known_content_encoding_are_unpacked_to_be_searched(
    tmp_path: Path, encoding: str, packed: bytes
) -> None:
    headers = (("Content-Encoding", encoding),)
    record(tmp_path, [raw_call(packed, packed, request_headers=headers, response_headers=headers)])
    (stored,) = read(tmp_path)
    assert stored.request_body == stored.response_body == b"hello " * 99


@pytest.mark.parametrize(("encoding", "body"), [("br", b"\x0b\x02\x80"), ("gzip", b"no gzip"), ("zstd", b"no zstd")])
def test_a_body_that_cannot_be_searched_is_left_out_and_says_so(tmp_path: Path, encoding: str, body: bytes) -> None:
    record(tmp_path, [raw_call(b"{}", body, response_headers=(("content-encoding", encoding),))])
    (stored,) = read(tmp_path)
    assert stored.response_body == b""
    assert stored.left_out == (f"response: content-encoding {encoding}",)


def test_a_body_that_unpacks_to_too_much_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean, "MOST_UNPACKED_BYTES", 1_000)
    assert clean.unpack(gzip.compress(b"a" * 2_000), "gzip") is None
    assert clean.unpack(zstandard.ZstdCompressor().compress(b"a" * 2_000), "zstd") is None
    assert clean.unpack(gzip.compress(b"a" * 900)[:-8], "gzip") == b"a" * 900  # cut where the client left


@pytest.mark.parametrize("recorded", [record, record_together])
def test_a_call_whose_redaction_fails_is_dropped_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: Callable[..., Verdicts]
) -> None:
    real = encode.clean_call

    def failing(raw: RawCall, *rest: object) -> object:
        if raw.request_body == b"bad":
            raise RightsError("no")
        if raw.request_body == b"worse":
            raise ValueError("a fault of our own")
        return real(raw, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(encode, "clean_call", failing)
    bodies = [*conversation(2), b"bad", *conversation(3), b"worse", *conversation(4)]
    verdicts = recorded(tmp_path, [raw_call(body) for body in bodies])
    assert verdicts.dropped() == {"redaction": 1, "internal": 1}
    bodies.remove(b"bad")
    bodies.remove(b"worse")
    assert [call.request_body for call in read(tmp_path)] == bodies


FAULTS = ["Window.use", "Window.add", "GroupWriter.add", "GroupWriter.frame", "Window.__init__", "GroupWriter.start"]


@pytest.mark.parametrize("recorded", [record, record_together])
@pytest.mark.parametrize("place", FAULTS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_fault_between_two_steps_takes_a_call_that_was_acknowledged_or_stops_the_recorder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recorded: Callable[..., Verdicts],
    place: str,
    when: str,
    count: int,
) -> None:
    owner, name = getattr(groups, place.split(".")[0]), place.split(".")[1]
    real, left = getattr(owner, name), [count]

    def failing(self: object, *arguments: object) -> object:
        left[0] -= 1
        if left[0] == 0 and when == "before":
            raise MemoryError
        result = real(self, *arguments)
        if left[0] == 0 and when == "after":
            raise MemoryError
        return result

    calls = [raw_call(body) for body in conversation(9)]
    monkeypatch.setattr(groups, "GROUP_CALLS", 4)
    encoder = encode.Encoder(1 << 20, 1 << 20, 1 << 20, {})  # the first group is none of the recorder's faults
    monkeypatch.setattr(recorder, "Encoder", lambda *arguments: encoder)
    monkeypatch.setattr(owner, name, failing)
    verdicts = recorded(tmp_path, calls, batch_calls=3, retry_sec=0.0)
    dropped = {call_id for call_id, verdict in verdicts.of.items() if verdict.drop is Drop.INTERNAL}
    assert verdicts.acked | dropped == {call.call_id for call in calls}
    assert verdicts.acked
    with SpoolReader(tmp_path) as reader:
        got = {call.call_id: call.request_body for call in reader.read()}
        assert verdicts.acked == got.keys()
        assert reader.damage.broken_calls == 0
    assert all(got[call.call_id] == call.request_body for call in calls if call.call_id in got)


def test_calls_that_cannot_be_packed_are_dropped_and_the_next_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = groups.GroupWriter.frame, [None, MemoryError("no room to compress"), None]

    def failing(self: groups.GroupWriter) -> tuple[int, bytes]:
        if failure := failures.pop():
            raise failure
        return real(self)

    monkeypatch.setattr(groups.GroupWriter, "frame", failing)
    calls = [raw_call(body) for body in conversation(6)]
    verdicts = record_together(tmp_path, calls, batch_calls=2)
    assert verdicts.dropped() == {"internal": 2}
    assert [call.call_id for call in read(tmp_path)] == [call.call_id for call in [*calls[:2], *calls[4:]]]


class Slow:
    """Writes of calls wait until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def create(self, path: Path) -> object:
        file = recorder.create_file(path)
        real = file.append
        header: list[bytes] = []

        def append(data: bytes) -> None:
            assert not header or self.go.wait(60)
            header.append(data)
            real(data)

        file.append = append  # type: ignore[method-assign]
        return file


def test_a_full_ring_drops_at_once_and_takes_calls_again_when_it_drains(tmp_path: Path) -> None:
    slow = Slow()
    verdicts = Verdicts()
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(ring_bytes=100_000), create=slow.create)  # type: ignore[arg-type]
    calls = [raw_call(b"a" * 10_000) for _ in range(20)]
    for call in calls:
        writer.submit(call, verdicts.done(call))
    assert writer.counters["waiting_bytes"] <= 100_000
    assert verdicts.dropped() == {"ring_full": 12}
    slow.go.set()
    verdicts.wait(20)
    again = raw_call()
    writer.submit(again, verdicts.done(again))
    verdicts.wait(21)
    writer.close(10)
    assert verdicts.acked == {call.call_id for call in read(tmp_path)}
    assert len(verdicts.acked) == 9
    assert writer.counters["waiting_bytes"] == 0


def test_submit_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    slow = Slow()
    writer = SpoolRecorder(tmp_path, "0", create=slow.create)  # type: ignore[arg-type]
    verdicts = Verdicts()
    calls = [raw_call() for _ in range(100)]
    began = time.monotonic()
    for call in calls:
        writer.submit(call, verdicts.done(call))
    assert time.monotonic() - began < 1.0
    assert not verdicts.of
    slow.go.set()
    verdicts.wait(100)
    assert writer.counters["syncs"] < 50  # the calls that gathered are one commit
    writer.close(10)


def test_closing_writes_what_waits_and_drops_it_where_there_is_no_time(tmp_path: Path) -> None:
    slow = Slow()
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(batch_calls=1), create=slow.create)  # type: ignore[arg-type]
    verdicts = Verdicts()
    calls = [raw_call() for _ in range(5)]
    for call in calls:
        writer.submit(call, verdicts.done(call))
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("*.spool")) and time.monotonic() < deadline:
        time.sleep(0.005)
    writer.close(0.05)
    assert verdicts.dropped() == {"closed": 4}
    late = raw_call()
    writer.submit(late, verdicts.done(late))
    assert verdicts.of[late.call_id] == Verdict(Drop.CLOSED)
    slow.go.set()
    verdicts.wait(6)
    assert len(verdicts.acked) == 1


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the event loop's thread encoded it, of each call."""
    places: list[bool] = []
    real = encode.Encoder.add

    def add(self: encode.Encoder, raw: RawCall) -> None:
        places.append(threading.current_thread() is threading.main_thread())
        real(self, raw)

    monkeypatch.setattr(encode.Encoder, "add", add)
    return places


def test_an_event_loop_encodes_small_calls_and_the_thread_all_others(tmp_path: Path, places: list[bool]) -> None:
    small, large = raw_call(b"a" * 1_000), raw_call(b"b" * 200_000)
    calls = [raw_call(), small, large, raw_call()]
    verdicts = Verdicts()

    async def work() -> None:
        writer = SpoolRecorder(tmp_path, "0", loop=asyncio.get_running_loop())
        for turn, call in enumerate(calls):
            writer.submit(call, verdicts.done(call))
            while len(verdicts.of) <= turn:
                await asyncio.sleep(0.001)
        await asyncio.to_thread(writer.close, 10)

    asyncio.run(work())
    assert places == [False, True, False, True]  # the first call opens the segment, which an event loop must not
    assert [call.call_id for call in read(tmp_path)] == [call.call_id for call in calls]
    assert verdicts.acked == {call.call_id for call in calls}


def test_while_syncs_are_slow_the_thread_encodes_and_batches_are_not_held_to_what_a_loop_can_spare(
    tmp_path: Path, places: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_SLOW_SYNC_SEC", 0.0)
    verdicts = Verdicts()

    async def work() -> None:
        writer = SpoolRecorder(tmp_path, "0", loop=asyncio.get_running_loop())
        for turn in range(3):
            call = raw_call()
            writer.submit(call, verdicts.done(call))
            while len(verdicts.of) <= turn:
                await asyncio.sleep(0.001)
        await asyncio.to_thread(writer.close, 10)

    asyncio.run(work())
    assert places == [False, False, False]


def test_calls_of_a_loop_that_is_gone_are_written_all_the_same(tmp_path: Path) -> None:
    slow = Slow()
    verdicts = Verdicts()
    calls = [raw_call() for _ in range(20)]

    async def work() -> SpoolRecorder:
        writer = SpoolRecorder(tmp_path, "0", loop=asyncio.get_running_loop(), create=slow.create)  # type: ignore[arg-type]
        for call in calls:
            writer.submit(call, verdicts.done(call))
            await asyncio.sleep(0.001)
        return writer

    writer = asyncio.run(work())
    slow.go.set()
    verdicts.wait(len(calls))
    writer.close(10)
    assert verdicts.acked == {call.call_id for call in read(tmp_path)} == {call.call_id for call in calls}


def test_calls_that_gather_during_a_sync_are_one_commit_of_the_loop(tmp_path: Path) -> None:
    slow = Slow()
    verdicts = Verdicts()
    calls = [raw_call(b'{"n": %d}' % n) for n in range(100)]

    async def work() -> int:
        writer = SpoolRecorder(tmp_path, "0", loop=asyncio.get_running_loop(), create=slow.create)  # type: ignore[arg-type]
        for call in calls:
            writer.submit(call, verdicts.done(call))
        await asyncio.sleep(0.01)
        slow.go.set()
        while len(verdicts.of) < len(calls):
            await asyncio.sleep(0.001)
        await asyncio.to_thread(writer.close, 10)
        return writer.counters["syncs"]

    assert asyncio.run(work()) < 50
    assert [call.request_body for call in read(tmp_path)] == [call.request_body for call in calls]


def test_a_commit_takes_a_bounded_number_of_bytes_beside_the_ring(tmp_path: Path) -> None:
    slow, verdicts = Slow(), Verdicts()
    config = SpoolConfig(batch_bytes=12_000)
    writer = SpoolRecorder(tmp_path, "0", config=config, create=slow.create)  # type: ignore[arg-type]
    for call in (raw_call(random.Random(n).randbytes(5_000)) for n in range(20)):
        writer.submit(call, verdicts.done(call))
    slow.go.set()
    verdicts.wait(20)
    writer.close(10)
    assert writer.counters["syncs"] >= 20 // 3
    assert len(verdicts.acked) == 20


def test_calls_that_fill_the_ring_share_a_commit_however_long_each_takes_to_encode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_TURN_SEC", 0.0)
    monkeypatch.setattr(recorder, "_PRESSED_SEC", 60.0)
    waiting, verdicts = threading.Event(), Verdicts()

    def create(path: Path) -> object:
        assert waiting.wait(60)
        return recorder.create_file(path)

    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(ring_bytes=1 << 20), create=create)  # type: ignore[arg-type]
    for call in (raw_call(random.Random(n).randbytes(20_000)) for n in range(20)):
        writer.submit(call, verdicts.done(call))
    waiting.set()
    verdicts.wait(20)
    writer.close(10)
    assert writer.counters["syncs"] == 1


def test_what_is_left_to_compress_counts_as_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [raw_call(random.Random(n).randbytes(1_000)) for n in range(8)]
    monkeypatch.setattr(recorder, "_PACK_SEC", 60.0 / 2_500)  # as many bytes as take a turn of that helper
    assert len(record_together(tmp_path, calls).acked) == 8
    assert [call.place.calls for call in read(tmp_path)] == [1, 2, 0, 1, 2, 0, 1, 0]


@pytest.mark.parametrize("of_a_loop", [False, True])
def test_what_was_being_written_when_something_else_than_the_disk_failed_is_dropped_and_leaves_the_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_a_loop: bool
) -> None:
    write, failures = Appender.write, [MemoryError("no room for the frame")]

    def failing(self: Appender, kind: int, payload: bytes) -> bool:
        if failures:
            raise failures.pop()
        return write(self, kind, payload)

    monkeypatch.setattr(Appender, "write", failing)
    verdicts, calls = Verdicts(), [raw_call() for _ in range(4)]

    async def work() -> None:
        loop = asyncio.get_running_loop() if of_a_loop else None
        writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(retry_sec=0.0), loop=loop)
        for number, call in enumerate(calls, 1):
            writer.submit(call, verdicts.done(call))
            await asyncio.sleep(0.005)
            await asyncio.to_thread(verdicts.wait, number, 5)
        writer.close(10)
        assert writer.counters["waiting_bytes"] == 0

    asyncio.run(work())
    assert verdicts.dropped() == {"internal": 1}
    assert [call.call_id for call in read(tmp_path)] == [call.call_id for call in calls[1:]]


def test_a_call_larger_than_the_ring_is_dropped(tmp_path: Path) -> None:
    assert record(tmp_path, [raw_call(b"a" * 9_000)], ring_bytes=9_000).dropped() == {"too_large": 1}


def test_one_who_fails_at_a_verdict_stops_nobody(tmp_path: Path) -> None:
    writer = SpoolRecorder(tmp_path, "0")
    verdicts = Verdicts()

    def failing(verdict: Verdict) -> None:
        raise ValueError("not my day")

    call = raw_call()
    writer.submit(raw_call(), failing)
    writer.submit(call, verdicts.done(call))
    verdicts.wait(1)
    writer.close(10)
    assert writer.counters["acked"] == 2


def test_segments_are_finished_by_age_and_size_and_never_reuse_a_name(tmp_path: Path) -> None:
    now = [0.0]
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(segment_sec=10), clock=lambda: now[0])
    verdicts = Verdicts()
    for turn in range(3):
        call = raw_call()
        writer.submit(call, verdicts.done(call))
        verdicts.wait(turn + 1)
        now[0] += 20
    writer.close(10)
    assert writer.counters["segments"] >= 2
    assert len(read(tmp_path)) == 3
    record(tmp_path, [raw_call()])
    names = sorted(path.name for path in tmp_path.glob("*.spool"))
    assert [int(name.split("-")[1]) for name in names] == sorted({int(name.split("-")[1]) for name in names})


@pytest.mark.parametrize("worker", ["", "a/b", "a-b", "x" * 65])
def test_a_worker_that_cannot_be_a_file_name_is_refused(tmp_path: Path, worker: str) -> None:
    with pytest.raises(UsageError, match="worker"):
        SpoolRecorder(tmp_path, worker)


def test_negative_durations_are_never_stored(tmp_path: Path) -> None:
    record(tmp_path, [raw_call(first_byte_ns=-5, duration_ns=-5)])
    (stored,) = read(tmp_path)
    assert (stored.first_byte_ns, stored.duration_ns) == (0, 0)


def test_files_of_the_spool_are_the_owners_alone(tmp_path: Path) -> None:
    record(tmp_path / "spool", [raw_call()])
    (segment,) = (tmp_path / "spool").glob("*.spool")
    assert segment.stat().st_mode & 0o077 == 0
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
