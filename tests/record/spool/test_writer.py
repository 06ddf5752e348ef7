"""The process that writes for an event loop: what it acknowledges is on disk, and it may end at any moment."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from golddiff.record.capture import RawCall
from golddiff.record.spool import recorder as recorder_module
from golddiff.record.spool import writer as writer_module
from golddiff.record.spool.append import Appender
from golddiff.record.spool.files import is_being_written
from golddiff.record.spool.frames import MARK, read_frame, read_header
from golddiff.record.spool.reader import SpoolReader
from golddiff.record.spool.recorder import SpoolConfig, SpoolRecorder
from golddiff.record.spool.segments import Segment
from golddiff.record.spool.stored import StoredCall
from golddiff.record.spool.writer_main import ANSWER, MOST_BYTES
from record.spool.calls import Verdicts, conversation, raw_call

pytestmark = pytest.mark.skipif(not hasattr(socket, "SOCK_SEQPACKET"), reason="this system has no SOCK_SEQPACKET")


class Recording:
    """A recorder of an event loop, and what it said."""

    def __init__(self, recorder: SpoolRecorder) -> None:
        self.recorder = recorder
        self.verdicts = Verdicts()
        self.calls: list[RawCall] = []

    @property
    def pid(self) -> int:
        assert self.recorder._appender.writer is not None
        return self.recorder._appender.writer._process.pid

    def submit(self, body: bytes) -> RawCall:
        call = raw_call(body)
        self.calls.append(call)
        self.recorder.submit(call, self.verdicts.done(call))
        return call

    async def send(self, *bodies: bytes) -> None:
        """Submit one after the other; return when all have their verdict."""
        for body in bodies:
            self.submit(body)
            await self.all_said()

    async def all_said(self) -> None:
        """Wait for the verdicts of what was submitted."""
        while len(self.verdicts.of) < len(self.calls):
            await asyncio.sleep(0.0005)

    async def warm(self) -> None:
        """Wait until the process writes."""
        await self.send(b"first")
        writer = self.recorder._appender.writer
        assert writer is not None
        while not (writer._is_up and writer._has_segment):
            await asyncio.sleep(0.001)


def record(folder: Path, work: Callable[[Recording], Awaitable[None]], **config: object) -> Recording:
    """Do `work` with a recorder, then close that."""

    async def whole() -> Recording:
        recording = Recording(
            SpoolRecorder(folder, "0", config=SpoolConfig(**config), loop=asyncio.get_running_loop())  # type: ignore[arg-type]
        )
        await work(recording)
        await asyncio.to_thread(recording.recorder.close, 10)
        return recording

    return asyncio.run(whole())


def read(folder: Path) -> list[StoredCall]:
    with SpoolReader(folder) as reader:
        return list(reader.read())


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def let_go(paths: list[Path]) -> None:
    """Wait until nobody may write these segments; the process closes them when it comes to it."""
    end = time.monotonic() + 10
    while any(is_being_written(path) for path in paths):
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


@pytest.fixture
def by_thread(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was written by the recorder's thread."""
    written: list[bytes] = []
    real = Appender.write

    def write(self: Appender, kind: int, payload: bytes) -> bool:
        written.append(payload)
        return real(self, kind, payload)

    monkeypatch.setattr(Appender, "write", write)
    return written


def test_what_the_process_writes_is_read_back_and_acknowledged(tmp_path: Path, by_thread: list[bytes]) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        by_thread.clear()
        await recording.send(*conversation(20))
        for body in conversation(30, "b"):
            recording.submit(body)
        await recording.all_said()
        assert not by_thread

    recording = record(tmp_path, work)
    assert [call.request_body for call in read(tmp_path)] == [call.request_body for call in recording.calls]
    assert len(recording.verdicts.acked) == 51
    counters = recording.recorder.counters
    (path,) = tmp_path.glob("*.spool")
    assert counters["stored_bytes"] == path.stat().st_size - read(tmp_path)[0].place.group - 13  # the end's frame
    assert counters["syncs"] >= 22
    assert counters["waiting_bytes"] == 0


def test_the_process_ends_with_its_recorder(tmp_path: Path) -> None:
    pids: list[int] = []

    async def work(recording: Recording) -> None:
        await recording.warm()
        pids.append(recording.pid)
        assert is_there(recording.pid)

    record(tmp_path, work)
    assert not is_there(pids[0])


PROGRAM = """
import asyncio, sys
sys.path[:0] = {path!r}
from pathlib import Path
from golddiff.record.spool import SpoolRecorder
from record.spool.calls import raw_call
async def work():
    recorder = SpoolRecorder(Path({folder!r}), "0", loop=asyncio.get_running_loop())
    recorder.submit(raw_call(), lambda verdict: print(recorder._appender.writer._process.pid, flush=True))
    await asyncio.sleep(60)
asyncio.run(work())
"""


def test_the_process_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    program = PROGRAM.format(path=sys.path, folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert is_there(pid)
        worker.kill()
    end = time.monotonic() + 10
    while is_there(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_there(pid)


def test_signals_for_the_whole_group_do_not_end_it_and_it_gets_no_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_thread: list[bytes]
) -> None:
    monkeypatch.setenv("PROVIDER_KEY", "sk-of-the-gateway")

    async def work(recording: Recording) -> None:
        await recording.warm()
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(recording.pid, number)
        by_thread.clear()
        await recording.send(*conversation(3))
        assert not by_thread
        assert b"sk-of-the-gateway" not in Path(f"/proc/{recording.pid}/environ").read_bytes()

    assert len(record(tmp_path, work).verdicts.acked) == 4


def test_a_process_that_is_killed_between_two_frames_costs_no_call(tmp_path: Path, by_thread: list[bytes]) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        os.kill(recording.pid, signal.SIGKILL)
        while recording.recorder._appender.writer._is_up:  # type: ignore[union-attr]
            await asyncio.sleep(0.001)
        by_thread.clear()
        await recording.send(*conversation(5))
        assert len(by_thread) == 5

    recording = record(tmp_path, work)
    assert len(recording.verdicts.acked) == 6
    assert {call.call_id for call in read(tmp_path)} == recording.verdicts.acked


def test_a_process_that_was_killed_is_started_again_with_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_thread: list[bytes]
) -> None:
    monkeypatch.setattr(recorder_module, "_RENEW_SEC", 0.0)

    async def work(recording: Recording) -> None:
        await recording.warm()
        first, process = recording.pid, recording.recorder._appender.writer
        os.kill(first, signal.SIGKILL)
        while process._is_up:  # type: ignore[union-attr]
            await asyncio.sleep(0.001)
        while recording.pid == first:
            await recording.send(os.urandom(900))
        await recording.warm()
        assert process._socket.fileno() == -1  # type: ignore[union-attr]
        by_thread.clear()
        await recording.send(*conversation(3))
        assert not by_thread

    recording = record(tmp_path, work, segment_bytes=20_000)
    assert len(recording.verdicts.acked) == len(recording.calls)
    assert [call.call_id for call in read(tmp_path)] == [call.call_id for call in recording.calls]
    assert not is_there(recording.pid)


def test_a_process_that_lives_serves_one_segment_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_RENEW_SEC", 0.0)

    async def work(recording: Recording) -> None:
        await recording.warm()
        first = recording.pid
        await recording.send(*(os.urandom(900) for _ in range(20)))
        assert recording.recorder.counters["segments"] > 3
        assert recording.pid == first

    record(tmp_path, work, segment_bytes=5_000)


def test_a_process_that_could_not_be_started_again_is_tried_with_a_later_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_RENEW_SEC", 0.0)
    real, failures = subprocess.Popen, [OSError(errno.EAGAIN, "Try again"), MemoryError("no room")]

    def popen(*arguments: object, **options: object) -> object:
        if failures:
            raise failures.pop()
        return real(*arguments, **options)  # type: ignore[call-overload]

    async def work(recording: Recording) -> None:
        await recording.warm()
        first, process = recording.pid, recording.recorder._appender.writer
        monkeypatch.setattr(subprocess, "Popen", popen)
        os.kill(first, signal.SIGKILL)
        while process._is_up:  # type: ignore[union-attr]
            await asyncio.sleep(0.001)
        while recording.recorder._appender.writer in (process, None):
            await recording.send(os.urandom(900))
        assert not failures
        assert recording.pid != first

    recording = record(tmp_path, work, segment_bytes=5_000)
    assert len(recording.verdicts.acked) == len(recording.calls)


def test_a_process_that_cannot_live_is_not_started_over_and_over(tmp_path: Path) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        first = recording.pid
        os.kill(first, signal.SIGKILL)
        await recording.send(*(os.urandom(900) for _ in range(40)))
        assert recording.recorder.counters["segments"] > 3
        assert recording.pid == first

    assert len(record(tmp_path, work, segment_bytes=5_000).verdicts.acked) == 41


def test_a_frame_whose_writer_is_killed_goes_into_the_next_segment(tmp_path: Path) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        os.kill(recording.pid, signal.SIGSTOP)
        recording.submit(b"out")
        await asyncio.sleep(0.02)
        os.kill(recording.pid, signal.SIGKILL)
        await recording.all_said()
        await recording.send(*conversation(3))

    recording = record(tmp_path, work, retry_sec=30)
    assert len(recording.verdicts.acked) == 5
    assert {call.call_id for call in read(tmp_path)} == recording.verdicts.acked
    first, second = sorted(tmp_path.glob("*.spool"))
    header = read_frame(second.read_bytes(), 0, 0, 0)
    assert header is not None
    assert read_header(header[1], second.name).suspect == first.name


def test_what_the_disk_refuses_goes_into_the_next_segment(tmp_path: Path) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        (path,) = tmp_path.glob("*.spool")
        size = path.stat().st_size + 100
        resource.prlimit(recording.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        await recording.send(os.urandom(2_000))
        await let_go([path])
        resource.prlimit(recording.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await recording.send(*conversation(4))

    recording = record(tmp_path, work, retry_sec=30)
    assert len(recording.verdicts.acked) == 6
    assert {call.call_id for call in read(tmp_path)} == recording.verdicts.acked
    assert recording.recorder.counters["suspect_segments"] == 1


def test_a_segment_that_was_deleted_is_noticed(tmp_path: Path) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        (path,) = tmp_path.glob("*.spool")
        path.unlink()
        await recording.send(b"would be lost")
        await recording.send(*conversation(2))

    recording = record(tmp_path, work, retry_sec=30)
    assert len(recording.verdicts.acked) == 4
    assert {call.call_id for call in read(tmp_path)} == {call.call_id for call in recording.calls[1:]}


def test_segments_that_are_finished_are_let_go(tmp_path: Path) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        await recording.send(*(os.urandom(300) for _ in range(40)))
        while recording.recorder._turn_is_out:
            await asyncio.sleep(0.001)
        *before, _ = sorted(tmp_path.glob("*.spool"))
        assert len(before) > 3
        await let_go(before)

    assert len(record(tmp_path, work, segment_bytes=1_500).verdicts.acked) == 41


def test_a_segment_that_the_process_did_not_get_is_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_thread: list[bytes]
) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()

        def failing(*_: object) -> int:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(socket, "send_fds", failing)
        await recording.send(*conversation(40))

    recording = record(tmp_path, work, segment_bytes=1_500)
    assert len(recording.verdicts.acked) == 41
    assert len(by_thread) > 10
    assert [call.call_id for call in read(tmp_path)] == [call.call_id for call in recording.calls]


def test_a_process_that_gets_no_descriptor_is_asked_once(tmp_path: Path, by_thread: list[bytes]) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        resource.prlimit(recording.pid, resource.RLIMIT_NOFILE, (3, 3))
        await recording.send(*conversation(60))

    recording = record(tmp_path, work, segment_bytes=1_500, retry_sec=30)
    assert recording.recorder.counters["suspect_segments"] == 1
    assert len(recording.verdicts.acked) == 61
    assert [call.call_id for call in read(tmp_path)] == [call.call_id for call in recording.calls]
    assert by_thread


@pytest.mark.parametrize("place", [(Segment, "frame"), (Appender, "send"), (Appender, "sent")])
def test_a_fault_of_our_own_beside_the_process_drops_a_batch_and_recording_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str]
) -> None:
    async def work(recording: Recording) -> None:
        await recording.warm()
        real, failures = getattr(*place), [MemoryError("no room")]

        def failing(self: object, *arguments: object) -> object:
            if failures:
                raise failures.pop()
            return real(self, *arguments)

        monkeypatch.setattr(*place, failing)
        await recording.send(*conversation(4))
        assert not failures

    recording = record(tmp_path, work, retry_sec=0.0)
    assert len(recording.verdicts.acked) >= 4
    assert recording.verdicts.acked <= {call.call_id for call in read(tmp_path)}
    assert recording.recorder.counters["waiting_bytes"] == 0
    assert not recording.recorder._thread.is_alive()


def test_a_process_that_was_stopped_ends_with_its_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_END_SEC", 0.2)
    pids: list[int] = []

    async def work(recording: Recording) -> None:
        await recording.warm()
        pids.append(recording.pid)
        os.kill(recording.pid, signal.SIGSTOP)

    record(tmp_path, work)
    assert not is_there(pids[0])
    (path,) = tmp_path.glob("*.spool")
    assert not is_being_written(path)


def test_a_process_that_was_killed_does_not_stay_in_the_table_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_IDLE_SEC", 0.01)

    async def work(recording: Recording) -> None:
        await recording.warm()
        pid = recording.pid
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < end
            await asyncio.sleep(0.01)

    record(tmp_path, work)


@pytest.mark.parametrize("where", ["on its thread", "beside the stopped loop"])
def test_a_recorder_is_closed_while_a_frame_is_out_and_its_loop_hears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(recorder_module, "_IDLE_SEC", 0.05)
    loop = asyncio.new_event_loop()

    async def work() -> Recording:
        recording = Recording(SpoolRecorder(tmp_path, "0", loop=loop))
        await recording.warm()
        os.kill(recording.pid, signal.SIGSTOP)
        recording.submit(b"out")
        await asyncio.sleep(0.02)
        os.kill(recording.pid, signal.SIGCONT)
        if where == "on its thread":
            recording.recorder.close(10)
        return recording

    recording = loop.run_until_complete(work())
    recording.recorder.close(10)
    assert len(recording.verdicts.acked) == 2
    assert not recording.recorder._thread.is_alive()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_loop_that_ends_while_a_frame_is_out_loses_no_verdict(tmp_path: Path) -> None:
    async def work() -> Recording:
        recording = Recording(SpoolRecorder(tmp_path, "0", loop=asyncio.get_running_loop()))
        await recording.warm()
        os.kill(recording.pid, signal.SIGSTOP)
        recording.submit(b"out")
        await asyncio.sleep(0.02)
        return recording

    recording = asyncio.run(work())
    os.kill(recording.pid, signal.SIGCONT)
    recording.recorder.close(10)
    assert len(recording.verdicts.acked) == 2
    assert {call.call_id for call in read(tmp_path)} == recording.verdicts.acked


def test_a_frame_that_is_too_large_for_a_message_is_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_thread: list[bytes]
) -> None:
    monkeypatch.setattr(recorder_module, "_TURN_SEC", 60.0)

    async def work(recording: Recording) -> None:
        await recording.warm()
        by_thread.clear()
        for _ in range(4):
            recording.submit(os.urandom(100_000))

    assert len(record(tmp_path, work).verdicts.acked) == 5
    assert max(map(len, by_thread)) > MOST_BYTES


@pytest.mark.parametrize("executable", ["", "/bin/false", "/nowhere"])
def test_where_there_can_be_no_process_the_thread_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executable: str, by_thread: list[bytes]
) -> None:
    monkeypatch.setattr(writer_module.sys, "executable", executable)

    async def work(recording: Recording) -> None:
        await recording.send(*conversation(3))

    assert len(record(tmp_path, work).verdicts.acked) == 3
    assert len(by_thread) == 3


def test_the_program_closes_what_it_has_and_writes_nothing_without_a_segment(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = [sys.executable, "-I", "-S", writer_module.writer_main.__file__, str(theirs.fileno())]
    path = tmp_path / "segment"
    with ours, path.open("wb") as file, subprocess.Popen(program, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        assert ours.recv(64) == ANSWER.pack(0, 0)
        ours.send(MARK + b"nowhere")
        assert ANSWER.unpack(ours.recv(64))[0] != 0
        socket.send_fds(ours, [bytes(path)], [file.fileno()])
        ours.send(MARK + b"one")
        assert ANSWER.unpack(ours.recv(64))[0] == 0
        ours.send(MARK + bytes(MOST_BYTES))
        assert ANSWER.unpack(ours.recv(64))[0] == errno.EMSGSIZE
        ours.send(b".")
        ours.send(MARK + b"two")
        assert ANSWER.unpack(ours.recv(64))[0] != 0
        ours.shutdown(socket.SHUT_RDWR)
        assert process.wait(10) == 0
    assert path.read_bytes() == MARK + b"one"
