"""The gateway on disks that are slow, full or broken (D3-D5 in short): clients notice little, and no count lies."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from golddiff.record.spool.files import SegmentFile, create_file
from golddiff.record.spool.reader import SpoolReader
from golddiff.record.spool.recorder import SpoolConfig, SpoolRecorder
from record.gateway.fakes import (  # fmt: skip
    STREAM_HEAD,
    Gateway,
    ScriptedServer,
    body_of,
    chunk,
    gateway,
    json_answer,
    request,
    run,
    sends,
)

ANSWER = b'{"id":"x","choices":[{"message":{"role":"assistant","content":"hello"}}]}'


class BadDisk:
    """A disk whose files sync slowly, or fail while `error` is set."""

    def __init__(self, sync_sec: float = 0.0, error: int = 0) -> None:
        self.sync_sec = sync_sec
        self.error = error

    def create(self, path: Path) -> SegmentFile:
        return _File(create_file(path), self)


class _File:
    def __init__(self, file: SegmentFile, disk: BadDisk) -> None:
        self._file = file
        self._disk = disk

    def append(self, data: bytes) -> None:
        self._file.append(data)
        time.sleep(self._disk.sync_sec)
        if self._disk.error:
            raise OSError(self._disk.error, os.strerror(self._disk.error))

    def fileno(self) -> int:
        return self._file.fileno()

    def is_listed(self) -> bool:
        return self._file.is_listed()

    def close(self) -> None:
        self._file.close()


def numbered(number: int) -> bytes:
    return request(body=b'{"model":"m","messages":[{"role":"user","content":"call %d"}]}' % number)


async def ask_all(gate: Gateway, count: int, first: int = 0) -> None:
    """Every answer is whole, whatever the disk does."""
    answers = await asyncio.gather(*(gate.ask(numbered(first + number)) for number in range(count)))
    assert [body_of(answer) for answer in answers] == [ANSWER] * count


def stored(folder: Path) -> list[bytes]:
    with SpoolReader(folder) as reader:
        return [call.request_body for call in reader.read()]


@pytest.mark.parametrize(
    ("data", "beginning"),
    [
        (STREAM_HEAD + chunk(b"data: 1\n\n") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n", b"data: 1\n\n"),
        (json_answer(ANSWER), ANSWER[:20]),
    ],
    ids=["stream", "whole"],
)
def test_a_slow_disk_delays_the_end_of_an_answer_by_the_deadline_and_its_beginning_not_at_all(
    tmp_path: Path, data: bytes, beginning: bytes
) -> None:
    async def work() -> None:
        recorder = SpoolRecorder(tmp_path, "0", loop=asyncio.get_running_loop(), create=BadDisk(sync_sec=1.5).create)
        async with (
            ScriptedServer(sends(data)) as upstream,
            gateway(upstream, recorder=recorder, deadline_ms=300) as gate,
        ):
            reader, writer = await asyncio.open_connection(gate.host, gate.port)
            start = time.monotonic()
            writer.write(numbered(0))
            await reader.readuntil(beginning)
            first = time.monotonic() - start
            await reader.read()
            whole = time.monotonic() - start
            writer.close()
            assert first < whole - 0.1, "the first bytes do not wait for the disk"
            assert 0.29 < whole < 1.4, "the last bytes wait for the deadline, not for the disk"
            await gate.settled()
            assert gate.watcher.states == [("late", "")]

    run(work())
    assert len(stored(tmp_path)) == 1


def test_on_a_full_disk_every_answer_arrives_and_recording_resumes_by_itself(tmp_path: Path) -> None:
    disk = BadDisk()

    async def work() -> None:
        recorder = SpoolRecorder(
            tmp_path, "0", loop=asyncio.get_running_loop(), config=SpoolConfig(retry_sec=0.01), create=disk.create
        )
        async with (
            ScriptedServer(sends(json_answer(ANSWER))) as upstream,
            gateway(upstream, recorder=recorder, deadline_ms=5000) as gate,
        ):
            await ask_all(gate, 20)
            disk.error = errno.ENOSPC
            await ask_all(gate, 20, 100)
            disk.error = 0
            await asyncio.sleep(0.05)
            await ask_all(gate, 20, 200)
            await gate.settled(60)
            states = gate.watcher.states
            assert states.count(("dropped", "enospc")) + states.count(("acked", "")) == 60
            assert states.count(("acked", "")) >= 40
            acked.append(states.count(("acked", "")))

    acked: list[int] = []
    run(work())
    kept = stored(tmp_path)
    for number in [*range(20), *range(200, 220)]:
        assert any(b'"call %d"' % number in body for body in kept)
    assert len(kept) >= acked[0]


def test_a_disk_that_fails_to_sync_acknowledges_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        recorder = SpoolRecorder(tmp_path, "0", loop=asyncio.get_running_loop(), create=BadDisk(error=errno.EIO).create)
        async with (
            ScriptedServer(sends(json_answer(ANSWER))) as upstream,
            gateway(upstream, recorder=recorder, deadline_ms=5000) as gate,
        ):
            await ask_all(gate, 10)
            assert gate.watcher.states == [("dropped", "eio")] * 10

    run(work())
