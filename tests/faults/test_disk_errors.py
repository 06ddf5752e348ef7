"""D3, D4, D5: a full, slow or failing disk costs calls that are counted, never a false word or a user's time."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.disks import FULL, Disk
from golddiff.record.capture import RawCall
from golddiff.record.spool import SpoolConfig, SpoolReader, SpoolRecorder, StoredCall
from golddiff.record.spool.files import SegmentFile
from golddiff.record.spool.frames import read_frame, read_header
from record.spool.calls import Verdicts, raw_call, record_together


def send(writer: SpoolRecorder, verdicts: Verdicts, count: int, size: int = 600) -> list[RawCall]:
    calls = [raw_call(os.urandom(size)) for _ in range(count)]
    before = len(verdicts.of)
    for call in calls:
        writer.submit(call, verdicts.done(call))
    verdicts.wait(before + count)
    return calls


def until_acked(writer: SpoolRecorder, verdicts: Verdicts, timeout: float) -> float:
    """Send a call now and then until one is acknowledged; return the seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < timeout:
        (call,) = send(writer, verdicts, 1)
        if verdicts.of[call.call_id].acked:
            return time.monotonic() - began
        time.sleep(0.02)
    raise AssertionError(f"recording did not resume within {timeout} s")


def stored(folder: Path) -> list[StoredCall]:
    with SpoolReader(folder) as reader:
        return list(reader.read())


def stored_in(segment: Path) -> list[StoredCall]:
    """What one segment holds, whatever the others do."""
    return [call for call in stored(segment.parent) if call.place.segment == segment.name]


def test_d3_a_full_disk_drops_with_an_exact_count_and_recording_resumes(tmp_path: Path) -> None:
    disk = Disk(room_bytes=20_000)
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(retry_sec=0.1), create=disk.create)
    verdicts = Verdicts()
    sent = sum(len(send(writer, verdicts, 10)) for _ in range(10))
    assert 0 < len(verdicts.acked) < sent
    assert verdicts.dropped() == {"enospc": sent - len(verdicts.acked)}
    assert {call.call_id for call in stored(tmp_path)} == verdicts.acked
    disk.room_bytes = 10_000_000
    assert until_acked(writer, verdicts, 5.0) < 5.0
    assert send(writer, verdicts, 20)[-1].call_id in verdicts.acked
    writer.close(10)
    assert writer.counters["dropped_enospc"] == len(verdicts.of) - len(verdicts.acked)
    assert {call.call_id for call in stored(tmp_path)} == verdicts.acked
    assert not disk.after_failure


def test_d3_the_disk_is_full_from_the_start(tmp_path: Path) -> None:
    disk = Disk(room_bytes=10)
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(retry_sec=0.05), create=disk.create)
    verdicts = Verdicts()
    send(writer, verdicts, 5)
    assert verdicts.dropped() == {"enospc": 5}
    disk.room_bytes = 1_000_000
    until_acked(writer, verdicts, 5.0)
    writer.close(10)
    assert {call.call_id for call in stored(tmp_path)} == verdicts.acked


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]).returncode:
        pytest.skip("a small file system cannot be mounted here: run as root with the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.faults
def test_d3_a_real_small_file_system_fills_and_is_freed(small_disk: Path) -> None:
    spool = small_disk / "spool"
    writer = SpoolRecorder(spool, "0")
    verdicts = Verdicts()
    for _ in range(200):
        send(writer, verdicts, 40, 1_000)
        time.sleep(0.02)
    assert 3_000 < len(verdicts.acked) < 8_000
    assert verdicts.dropped() == {"enospc": 8_000 - len(verdicts.acked)}
    full = {call.call_id for call in stored_without_lock(spool)}
    assert full == verdicts.acked
    for path in spool.glob("*.spool"):
        path.unlink()
    took = until_acked(writer, verdicts, 5.0)
    writer.close(10)
    assert took < 5.0
    assert {call.call_id for call in stored(spool)} == verdicts.acked - full


def stored_without_lock(folder: Path) -> list[StoredCall]:
    """What can be read from a disk that has no room for the reader's own files."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        return stored(Path(copy))


@pytest.mark.parametrize("sync_sec", [0.05, *([0.2, 5.0] if FULL else [])])
def test_d4_a_slow_disk_holds_up_nobody_and_memory_stays_within_the_ring(tmp_path: Path, sync_sec: float) -> None:
    ring = (64 << 20) if FULL else 400_000
    size = 100_000 if FULL else 10_000
    disk = Disk(sync_sec=sync_sec, recording=False)
    writer = SpoolRecorder(tmp_path, "0", ring, config=SpoolConfig(memory_bytes=1 << 20), create=disk.create)
    verdicts = Verdicts()
    first = raw_call(os.urandom(size))
    writer.submit(first, verdicts.done(first))
    took: list[float] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(4 * ring // size):
        call = raw_call(os.urandom(size))
        began = time.perf_counter()
        writer.submit(call, verdicts.done(call))
        took.append(time.perf_counter() - began)
        assert writer.counters["waiting_bytes"] <= ring
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert sorted(took)[len(took) * 99 // 100] < 0.005 + 0.1 * (not FULL)
    assert grown * 1024 < ring + (48 << 20)
    verdicts.wait(len(took) + 1, 120)
    writer.close(60)
    assert set(verdicts.dropped()) <= {"ring_full"}
    assert {call.call_id for call in stored(tmp_path)} == verdicts.acked


FAILED_SYNCS = pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])


@FAILED_SYNCS
def test_d5_calls_of_a_failed_sync_go_into_a_new_file_at_once(tmp_path: Path, number: int) -> None:
    disk = Disk(fail_sync=lambda count: number if count == 5 else 0)
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(retry_sec=30), create=disk.create)
    verdicts = Verdicts()
    calls = [send(writer, verdicts, 1)[0] for _ in range(6)]
    writer.close(10)
    assert verdicts.acked == {call.call_id for call in calls}
    assert not disk.after_failure
    assert writer.counters["suspect_segments"] == 1
    first, second = sorted(tmp_path.glob("*.spool"))
    frame = read_frame(second.read_bytes(), 0, 0, 0)
    assert frame is not None
    assert read_header(frame[1], second.name).suspect == first.name
    assert [call.call_id for call in stored_in(second)] == [call.call_id for call in calls[3:]]


@FAILED_SYNCS
def test_d5_after_a_failed_sync_nothing_of_that_file_is_acknowledged_or_touched(tmp_path: Path, number: int) -> None:
    disk = Disk(fail_sync=lambda count: number if count in (5, 7) else 0)  # a frame of the first file and of the second
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(retry_sec=0.05), create=disk.create)
    verdicts = Verdicts()
    calls = [send(writer, verdicts, 1)[0] for _ in range(4)]
    assert [verdicts.of[call.call_id].acked for call in calls] == [True, True, True, False]
    until_acked(writer, verdicts, 5.0)
    writer.close(10)
    assert not disk.after_failure
    assert writer.counters["suspect_segments"] == 2
    got = {call.call_id for call in stored(tmp_path)}
    assert verdicts.acked <= got <= verdicts.acked | {calls[3].call_id}  # a failed commit may still be there


def test_d5_a_batch_of_a_failed_sync_keeps_its_order_before_what_waits(tmp_path: Path) -> None:
    disk = Disk(fail_sync=lambda count: errno.EIO if count == 3 else 0, sync_sec=0.05)
    writer = SpoolRecorder(tmp_path, "0", create=disk.create)
    verdicts = Verdicts()
    calls = send(writer, verdicts, 1)
    for _ in range(3):  # those of the last round gather while the first are written
        for call in [raw_call(os.urandom(600)) for _ in range(5)]:
            calls.append(call)
            writer.submit(call, verdicts.done(call))
        time.sleep(0.01)
    verdicts.wait(len(calls))
    writer.close(10)
    assert not verdicts.dropped()
    _, second = sorted(tmp_path.glob("*.spool"))
    assert [call.call_id for call in stored_in(second)] == [call.call_id for call in calls[1:]]
    assert writer.counters["waiting_bytes"] == 0


def test_d5_a_new_file_that_cannot_be_begun_is_tried_once_more(tmp_path: Path) -> None:
    disk = Disk(fail_sync=lambda count: errno.EIO if count in (1, 4) else 0)  # the first header, and the next one's
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(retry_sec=30, segment_bytes=500), create=disk.create)
    verdicts = Verdicts()
    calls = [send(writer, verdicts, 1)[0] for _ in range(4)]
    writer.close(10)
    assert not verdicts.dropped()
    assert [call.call_id for call in stored(tmp_path)] == [call.call_id for call in calls]


def test_d5_while_the_disk_fails_it_is_tried_less_and_less_often(tmp_path: Path) -> None:
    now, tries = [0.0], []

    def create(path: Path) -> SegmentFile:
        tries.append(now[0])
        raise OSError(errno.EIO, "Input/output error")

    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(retry_sec=0.1), create=create, clock=lambda: now[0])
    verdicts = Verdicts()
    for step in range(50):
        now[0] = step / 100
        send(writer, verdicts, 1)
    writer.close(10)
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert pauses == pytest.approx([0, 0.02, 0.04, 0.08, 0.1, 0.1, 0.1], abs=0.011)  # a call comes every 0.01
    assert verdicts.dropped() == {"eio": 50}


def test_d5_a_disk_that_always_fails_acknowledges_nothing_and_leaves_few_files(tmp_path: Path) -> None:
    disk = Disk(fail_sync=lambda count: errno.EIO)
    writer = SpoolRecorder(tmp_path, "0", config=SpoolConfig(retry_sec=30), create=disk.create)
    verdicts = Verdicts()
    for _ in range(20):
        send(writer, verdicts, 3)
    writer.close(10)
    assert not verdicts.acked
    assert verdicts.dropped() == {"eio": 60}
    assert not list(tmp_path.glob("*.spool"))  # a file without a header is of no use to anyone


def test_a_spool_that_is_deleted_while_it_is_written_is_begun_anew(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    writer = SpoolRecorder(spool, "0", config=SpoolConfig(retry_sec=0.05))
    verdicts = Verdicts()
    send(writer, verdicts, 3)
    gone = set(verdicts.acked)
    for path in spool.iterdir():
        path.unlink()
    spool.rmdir()
    send(writer, verdicts, 2)
    writer.close(10)
    assert len(verdicts.acked) == 5
    assert {call.call_id for call in stored(spool)} == verdicts.acked - gone


def test_d3_a_commit_of_which_only_a_part_fits_is_dropped_whole(tmp_path: Path) -> None:
    disk = Disk(room_bytes=4_000)
    calls = [raw_call(os.urandom(600)) for _ in range(10)]
    verdicts = record_together(tmp_path, calls, create_file=disk.create, retry_sec=30)
    assert disk.room_bytes == 0
    assert verdicts.dropped() == {"enospc": 10}
    with SpoolReader(tmp_path) as reader:
        assert not list(reader.read())
        assert reader.damage.torn_tails == 1
    assert not disk.after_failure
