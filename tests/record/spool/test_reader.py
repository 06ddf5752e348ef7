"""The reader gives every call once, counts damage, and deletes only what was taken."""

from __future__ import annotations

import shutil
import struct
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golddiff.errors import WorkspaceError
from golddiff.record.spool import reader as reader_module
from golddiff.record.spool.frames import FORMAT_VERSION, Header, header_frame
from golddiff.record.spool.reader import SpoolReader
from golddiff.record.spool.recorder import SpoolConfig, SpoolRecorder
from record.spool.calls import Verdicts, conversation, raw_call, record_together


def write(folder: Path, bodies: list[bytes], worker: str = "0", **config: object) -> list[str]:
    """Record a call for each body; return their ids."""
    verdicts = Verdicts()
    writer = SpoolRecorder(folder, worker, config=SpoolConfig(**config))  # type: ignore[arg-type]
    calls = [raw_call(body) for body in bodies]
    for call in calls:
        writer.submit(call, verdicts.done(call))
    verdicts.wait(len(calls))
    writer.close(30)
    assert len(verdicts.acked) == len(calls)
    return [call.call_id for call in calls]


def write_together(folder: Path, bodies: list[bytes]) -> list[str]:
    """Record a call for each body, all of them in one frame for as long as the group may be; return their ids."""
    calls = [raw_call(body) for body in bodies]
    assert len(record_together(folder, calls).acked) == len(calls)
    return [call.call_id for call in calls]


def segment(folder: Path) -> Path:
    (path,) = folder.glob("*.spool")
    return path


def ids(folder: Path) -> list[str]:
    with SpoolReader(folder) as reader:
        return [call.call_id for call in reader.read()]


def test_calls_are_read_while_the_writer_goes_on(tmp_path: Path) -> None:
    verdicts = Verdicts()
    writer = SpoolRecorder(tmp_path, "0")
    with SpoolReader(tmp_path) as reader:
        for turn, body in enumerate(conversation(12)):
            call = raw_call(body)
            writer.submit(call, verdicts.done(call))
            verdicts.wait(turn + 1)
            assert [(got.call_id, got.request_body) for got in reader.read()] == [(call.call_id, body)]
        assert not list(reader.read())
        assert reader.damage == reader_module.Damage()
    writer.close(10)


def test_workers_are_read_side_by_side_each_in_its_order(tmp_path: Path) -> None:
    expected = {worker: write(tmp_path, conversation(5, worker), worker, segment_bytes=1_000) for worker in "abc"}
    with SpoolReader(tmp_path) as reader:
        got: dict[str, list[str]] = {}
        for call in reader.read():
            got.setdefault(call.worker, []).append(call.call_id)
    assert got == expected


def test_what_was_taken_is_not_given_again_and_its_segments_are_deleted(tmp_path: Path) -> None:
    written = write(tmp_path, conversation(10))
    with SpoolReader(tmp_path) as reader:
        calls = list(reader.read())
        reader.taken([calls[3].place])
        assert segment(tmp_path).exists()
    with SpoolReader(tmp_path) as reader:
        rest = list(reader.read())
        assert [call.call_id for call in rest] == written[4:]
        assert [call.request_body for call in rest] == conversation(10)[4:]
        assert reader.waiting_bytes > 0
        reader.taken(call.place for call in rest)
        assert not list(tmp_path.glob("*.spool"))
        assert reader.waiting_bytes == 0
    assert ids(tmp_path) == []


@pytest.mark.parametrize("taken", range(1, 6))
def test_reading_goes_on_in_the_middle_of_a_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr("golddiff.record.spool.groups.GROUP_CALLS", 3)
    written = write_together(tmp_path, conversation(6))
    with SpoolReader(tmp_path) as reader:
        calls = list(reader.read())
        assert len({call.place.group for call in calls}) == 2
        reader.taken(call.place for call in calls[:taken])
        assert segment(tmp_path).exists()
    with SpoolReader(tmp_path) as reader:
        rest = list(reader.read())
        assert [call.call_id for call in rest] == written[taken:]
        assert [call.request_body for call in rest] == conversation(6)[taken:]
        reader.taken(call.place for call in rest[:-1])
        assert segment(tmp_path).exists()
        reader.taken([rest[-1].place])
        assert not list(tmp_path.glob("*.spool"))


def test_one_who_stops_reading_in_the_middle_of_a_frame_gets_the_rest_later(tmp_path: Path) -> None:
    written = write_together(tmp_path, conversation(3)) + write(tmp_path, conversation(2), "1")
    with SpoolReader(tmp_path) as reader:
        got = [next(reader.read()).call_id for _ in written]
        assert got == written
        assert not list(reader.read())


def test_what_was_read_before_a_call_that_did_not_come_out_as_written_is_not_deleted_untaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [raw_call(body) for body in conversation(5)]  # two frames: of three calls and of two

    def wrong(body: bytes) -> object:
        return sha256(body + b"?" if body == calls[2].request_body else body)

    with monkeypatch.context() as patch:
        patch.setattr("golddiff.record.spool.groups.sha256", wrong)
        assert len(record_together(tmp_path, calls, batch_calls=3).acked) == 5
    written = [call.call_id for call in calls]
    with SpoolReader(tmp_path) as reader:
        got = list(reader.read())
        assert [call.call_id for call in got] == written[:2]
        assert reader.damage.broken_calls == 3
        assert not list(reader.read())
        for taken in ([], [got[0].place]):
            reader.taken(taken)
            assert segment(tmp_path).exists()
        reader.taken([got[1].place])
        assert not list(tmp_path.glob("*.spool"))


def test_a_frame_that_holds_another_number_of_calls_than_it_says_gives_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("golddiff.record.spool.groups._COUNT", struct.Struct(">I"))
        write_together(tmp_path, conversation(3))
    with SpoolReader(tmp_path) as reader:
        assert not list(reader.read())
        assert reader.damage.broken_calls > 0


def test_segments_of_format_1_are_read_and_gone_on_with(tmp_path: Path) -> None:
    for path in (Path(__file__).parent / "format1").iterdir():  # two groups, of three calls and of two
        shutil.copy(path, tmp_path)
    with SpoolReader(tmp_path) as reader:
        calls = list(reader.read())
        assert [call.request_body for call in calls] == conversation(5)
        assert [call.response_body for call in calls] == [b"ok"] * 5
        reader.taken([calls[1].place])
    with SpoolReader(tmp_path) as reader:
        rest = list(reader.read())
        assert rest == calls[2:]
        assert reader.damage == reader_module.Damage()
        reader.taken([rest[-1].place])
        assert not list(tmp_path.glob("*.spool"))


def test_a_segment_that_is_still_written_is_not_deleted(tmp_path: Path) -> None:
    writer = SpoolRecorder(tmp_path, "0")
    verdicts = Verdicts()
    with SpoolReader(tmp_path) as reader:
        for turn in range(2):
            call = raw_call()
            writer.submit(call, verdicts.done(call))
            verdicts.wait(turn + 1)
            reader.taken(call.place for call in reader.read())
            assert segment(tmp_path).exists()
        writer.close(10)
        assert not list(reader.read())
    assert not list(tmp_path.glob("*.spool"))


def test_calls_that_were_read_but_not_taken_are_given_to_the_next_reader(tmp_path: Path) -> None:
    written = write(tmp_path, conversation(4))
    assert ids(tmp_path) == written
    assert ids(tmp_path) == written


def test_a_second_reader_is_refused_while_one_is_open(tmp_path: Path) -> None:
    with SpoolReader(tmp_path), pytest.raises(WorkspaceError, match="One reader is allowed"):
        SpoolReader(tmp_path)
    SpoolReader(tmp_path).close()


def test_a_torn_tail_is_cut_and_counted_at_every_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golddiff.record.spool.groups.GROUP_CALLS", 2)
    written = write_together(tmp_path, conversation(4))
    path = segment(tmp_path)
    whole = path.read_bytes()
    with SpoolReader(tmp_path) as reader:
        _, first, _, second = (call.place.offset for call in reader.read())
    ends = [first, first, second, second]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with SpoolReader(tmp_path) as reader:
            got = [call.call_id for call in reader.read()]
            assert got == written[: sum(end <= length for end in ends)]
            assert reader.damage.torn_tails == (length not in (0, *ends) and length != whole.find(b"\xf5GD\x1e", 1))
            assert reader.damage.corrupt_places == 0
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes, list[str]]:
    """Name, bytes and ids of a segment with four groups of six calls, in three frames each."""
    folder = tmp_path_factory.mktemp("grouped")
    calls = [raw_call(body) for body in conversation(24, text_bytes=60)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("golddiff.record.spool.groups.GROUP_CALLS", 6)
        assert len(record_together(folder, calls, batch_calls=2).acked) == len(calls)
    return segment(folder).name, segment(folder).read_bytes(), [call.call_id for call in calls]


@settings(max_examples=40, deadline=None)
@given(where=st.floats(0, 1), change=st.integers(1, 255))
def test_damage_in_the_middle_costs_only_its_group_and_is_counted(
    grouped: tuple[str, bytes, list[str]], tmp_path_factory: pytest.TempPathFactory, where: float, change: int
) -> None:
    name, whole, written = grouped
    folder = tmp_path_factory.mktemp("damaged")
    (folder / name).write_bytes(whole)
    with SpoolReader(folder) as reader:
        groups = {call.call_id: call.place.group for call in reader.read()}
    first = min(groups.values())
    damaged = bytearray(whole)
    damaged[first + int(where * (len(whole) - 14 - first))] ^= change
    (folder / name).write_bytes(damaged)
    with SpoolReader(folder) as reader:
        got = [call.call_id for call in reader.read()]
        assert reader.damage.corrupt_places == 1
        lost = [call_id for call_id in written if call_id not in got]
        assert len(lost) == 2 + reader.damage.broken_calls
    assert got == [call_id for call_id in written if call_id in got]
    assert len({groups[call_id] for call_id in lost}) == 1


def test_a_segment_of_a_newer_format_is_kept_and_the_others_are_read(tmp_path: Path) -> None:
    newer = tmp_path / "0-0000000001-00000000.spool"
    newer.write_bytes(header_frame(Header(FORMAT_VERSION + 1, "0", 1, 7, 1)))
    written = write(tmp_path, conversation(2))
    with SpoolReader(tmp_path) as reader:
        calls = list(reader.read())
        assert [call.call_id for call in calls] == written
        reader.taken(call.place for call in calls)
        assert reader.damage.refused_segments == 1
    assert newer.exists()


def test_bytes_of_another_segment_never_pass_as_records(tmp_path: Path) -> None:
    write(tmp_path / "a", conversation(4))
    write(tmp_path / "b", conversation(4))
    one, other = segment(tmp_path / "a"), segment(tmp_path / "b")
    data = one.read_bytes()
    one.write_bytes(data[: len(data) // 2] + other.read_bytes())
    with SpoolReader(tmp_path / "a") as reader:
        assert len(list(reader.read())) < 4
        assert reader.damage.torn_tails == 1


def test_an_unreadable_memory_of_what_was_taken_means_delivery_again(tmp_path: Path) -> None:
    written = write(tmp_path, conversation(3))
    (tmp_path / "taken.json").write_text("no json")
    assert ids(tmp_path) == written


def test_a_memory_that_cannot_be_written_is_an_error_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, conversation(3))

    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reader_module, "sync_folder", full)
    with SpoolReader(tmp_path) as reader:
        calls = list(reader.read())
        with pytest.raises(WorkspaceError, match="No space left"):
            reader.taken([calls[0].place])


def test_places_survive_being_written_down(tmp_path: Path) -> None:
    write(tmp_path, conversation(2))
    with SpoolReader(tmp_path) as reader:
        place = next(reader.read()).place
    assert msgspec.json.decode(msgspec.json.encode(place), type=type(place)) == place


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        SpoolReader(tmp_path / "file")
