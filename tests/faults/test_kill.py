"""D1: a writer killed at any moment has lost nothing that it acknowledged."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from golddiff.record.capture import Verdict
from golddiff.record.spool import SpoolConfig, SpoolReader, SpoolRecorder
from record.spool.calls import conversation, raw_call

BODIES = conversation(40)


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """Run `work` in a forked process with the write end of a pipe; return (process id, read end)."""
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: the child uses none of theirs
        process = os.fork()
    if process:
        os.close(write_end)
        return process, read_end
    try:  # the child never returns into the test
        os.close(read_end)
        work(write_end)
    finally:
        os._exit(0)


def write_for_ever(folder: Path, worker: str, segment_bytes: int, acks: int, pause_sec: float = 0.0) -> None:
    """Record calls until killed or orphaned, and write the id of each acknowledged one into `acks`."""
    parent = os.getppid()
    writer = SpoolRecorder(folder, worker, config=SpoolConfig(segment_bytes=segment_bytes))
    number = 0
    while os.getppid() == parent:
        call = raw_call(BODIES[number % len(BODIES)], b"answer")

        def done(verdict: Verdict, call_id: str = call.call_id) -> None:
            if verdict.acked:
                os.write(acks, f"{call_id}\n".encode())

        writer.submit(call, done)
        number += 1
        if pause_sec or writer.counters["waiting_bytes"] > 1_000_000:
            time.sleep(pause_sec or 0.001)


class Heard:
    """What a forked process says through its pipe, read as it comes, so that it never waits."""

    def __init__(self, end: int) -> None:
        self.first = threading.Event()
        self._said = b""
        self._thread = threading.Thread(target=self._listen, args=(end,), daemon=True)
        self._thread.start()

    def _listen(self, end: int) -> None:
        with os.fdopen(end, "rb", buffering=0) as file:
            said = []
            while data := file.read(1 << 16):
                said.append(data)
                self.first.set()
            self._said = b"".join(said)

    def all(self) -> list[str]:
        """The ids that were acknowledged, once the process is gone."""
        self._thread.join()
        return self._said.decode().split("\n")[:-1]


def kill_rounds(folder: Path, rounds: int, longest_sec: float, segment_bytes: int, at_least: int = 1) -> int:
    """Kill a writer `rounds` times at random moments, and on until `at_least` calls were acknowledged; return those.

    After each kill every one of them is found by a new reader.
    """
    rng = random.Random(rounds)
    found = number = 0
    while number < rounds or found < at_least:
        number += 1
        process, acks = forked(lambda end: write_for_ever(folder, "0", segment_bytes, end))
        heard = Heard(acks)
        if number % 4:  # each fourth may be killed while it starts
            heard.first.wait(60)
        time.sleep(rng.random() * longest_sec)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        said = heard.all()
        began = time.monotonic()
        with SpoolReader(folder) as reader:
            reading = reader.read()
            calls = list(itertools.islice(reading, 1))
            took = time.monotonic() - began
            calls += reading
            got = [call.call_id for call in calls]
            assert len(set(got)) == len(got)
            assert set(said) <= set(got), f"round {number}: {len(set(said) - set(got))} acknowledged calls lost"
            assert reader.damage.corrupt_places == reader.damage.broken_calls == 0
            assert reader.damage.torn_tails <= 1
            reader.taken(call.place for call in calls)
        assert not list(folder.glob("*.spool"))
        assert took < 2.0
        found += len(said)
    return found


def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    assert kill_rounds(tmp_path, 4, 0.2, 64 << 20) > 0


def test_killed_while_segments_change_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    assert kill_rounds(tmp_path, 4, 0.2, 20_000) > 0


@pytest.mark.faults
@pytest.mark.parametrize("segment_bytes", [64 << 20, 20_000])
def test_a_hundred_kills_and_a_hundred_thousand_calls(tmp_path: Path, segment_bytes: int) -> None:
    found = kill_rounds(tmp_path, 100, 0.7, segment_bytes, at_least=50_000)
    sys.stderr.write(f"\n{found} acknowledged calls over 100 kills, none lost\n")


@pytest.mark.faults
def test_a_writer_and_a_reader_restart_within_two_seconds_beside_a_large_backlog(tmp_path: Path) -> None:
    process, acks = forked(lambda end: write_for_ever(tmp_path, "0", 1 << 20, end))
    heard = Heard(acks)
    while sum(path.stat().st_size for path in tmp_path.glob("*.spool")) < 2 << 20:
        time.sleep(0.1)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert heard.all()
    began = time.monotonic()
    said: list[Verdict] = []
    writer = SpoolRecorder(tmp_path, "0")
    writer.submit(raw_call(), said.append)
    with SpoolReader(tmp_path) as reader:
        next(reader.read())
    while not said:
        time.sleep(0.001)
    assert time.monotonic() - began < 2.0
    assert said[0].acked
    writer.close(10)
