"""D2: whatever a power cut leaves of the writes that were not synced, no acknowledged call is lost.

The short form records the operations at the file layer; `make test-faults` also takes them from strace.
"""

from __future__ import annotations

import ast
import asyncio
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from faults.disks import FULL, Disk, Operation, crash_states
from golddiff.record.capture import RawCall, Verdict
from golddiff.record.spool import SpoolConfig, SpoolReader, SpoolRecorder
from record.spool.calls import Verdicts, conversation, raw_call


def record(folder: Path, calls: Iterable[RawCall], disk: Disk, **config: int) -> None:
    """Record the calls one commit each, and note in `disk` when each was acknowledged."""
    writer = SpoolRecorder(folder, "0", config=SpoolConfig(**config), create=disk.create)  # type: ignore[arg-type]
    verdicts = Verdicts()
    for number, call in enumerate(calls, 1):
        say = verdicts.done(call)

        def done(verdict: Verdict, call: RawCall = call, say: object = say) -> None:
            assert verdict.acked
            disk.ack(call.call_id)
            assert callable(say)
            say(verdict)

        writer.submit(call, done)
        if number % 3:
            verdicts.wait(number)
    verdicts.wait(len(verdicts.of))
    writer.close(30)


def replay(operations: list[Operation], sent: dict[str, bytes], folder: Path, seed: int, subsets: int) -> int:
    """Check every state that a power cut may leave; return how many there were."""
    states = 0
    seen: set[int] = set()
    for acked, files in crash_states(operations, random.Random(seed), subsets):
        key = hash((frozenset(acked), tuple(files.items())))
        states += 1
        if key in seen:
            continue
        seen.add(key)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        with SpoolReader(folder) as reader:
            got = {call.call_id: call.request_body for call in reader.read()}
            assert acked <= got.keys(), f"state {states}: {len(acked - got.keys())} acknowledged calls lost"
            assert all(sent[call_id] == body for call_id, body in got.items())
            assert reader.damage.refused_segments == 0
    return states


def test_no_state_after_a_power_cut_lacks_an_acknowledged_call(tmp_path: Path) -> None:
    disk = Disk()
    calls = some_calls(40 if FULL else 8)
    record(tmp_path / "spool", calls, disk, segment_bytes=6_000)
    sent = {call.call_id: call.request_body for call in calls}
    states = replay(disk.operations, sent, tmp_path / "state", 1, 40 if FULL else 4)
    assert states >= (1_500 if FULL else 60)
    assert sum(operation.kind == "create" for operation in disk.operations) > 1


def test_the_replay_notices_an_acknowledgement_before_the_sync(tmp_path: Path) -> None:
    disk = Disk()
    call = raw_call()
    record(tmp_path / "spool", [call], disk)
    early = [operation for operation in disk.operations if operation.kind != "sync"]
    with pytest.raises(AssertionError, match="acknowledged calls lost"):
        replay(early, {call.call_id: call.request_body}, tmp_path / "state", 1, 4)


@pytest.mark.faults
@pytest.mark.parametrize("written_by", ["thread", "process"])
def test_no_state_replayed_from_the_system_calls_lacks_an_acknowledged_call(tmp_path: Path, written_by: str) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed. Run: apt-get install strace")
    log = tmp_path / "log"
    program = [sys.executable, __file__, str(tmp_path / "spool"), written_by]
    done = subprocess.run(
        ["strace", "-f", "-y", "-s", "9999999", "-xx", "-e", "trace=openat,write", "-o", str(log), *program],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr[-2_000:]
    sent = {call.call_id: call.request_body for call in some_calls(40)}
    lines = log.read_text().splitlines()
    operations = list(parse_strace(lines))
    writers = {line.split()[0] for line in lines if " write(" in line and _path_of(line).endswith(".spool")}
    assert len(writers) == (2 if written_by == "process" else 1)  # the thread begins and ends every segment
    assert sum(operation.kind == "ack" for operation in operations) == len(sent)
    assert replay(operations, sent, tmp_path / "state", 2, 40) >= 1_500


def some_calls(count: int) -> list[RawCall]:
    """Calls whose records take several sectors; the same in the traced process and here."""
    rng = random.Random(3)
    bodies = conversation(count)
    return [raw_call(body, rng.randbytes(1_500), call_id=f"call_{number}") for number, body in enumerate(bodies)]


_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
_PARTS = re.compile(r"^(\d+) +(?:(.*) <unfinished \.\.\.>|<\.\.\. \w+ resumed>(.*))$")


def parse_strace(lines: Iterable[str]) -> Iterable[Operation]:
    """The operations on segments, and the acknowledgements, which the traced program writes to standard output."""
    begun: dict[str, str] = {}
    for line in lines:
        if parts := _PARTS.match(line):
            process, first, rest = parts.groups()
            if first is not None:
                begun[process] = first
                continue
            line = begun.pop(process, "") + rest
        match = _CALL.match(line)
        if match is None or int(match.group(3)) < 0:
            continue
        name, arguments, result = match.groups()
        if name == "openat":
            path = ast.literal_eval("b" + arguments.split(", ")[1]).decode()
            if path.endswith(".spool.new") and "O_CREAT" in arguments:
                assert "O_DSYNC" in arguments
                yield Operation("create", Path(path).name.removesuffix(".new"))
        elif name == "write":
            file, data = Path(_path_of(line)).name, ast.literal_eval("b" + arguments.split(", ")[1])
            if arguments.startswith("1<"):
                for call_id in data.decode().split():
                    yield Operation("ack", call_id)
            elif file.endswith(".spool"):
                yield Operation("write", file, data[: int(result)])
                yield Operation("sync", file)  # a write to such a file returns when it is on the device


def _path_of(line: str) -> str:
    """The path behind the first descriptor of a system call, which `strace -y` names."""
    match = re.search(r"write\(\d+<([^>]*)>", line)
    return ast.literal_eval(f'b"{match.group(1)}"').decode() if match else ""


if __name__ == "__main__":  # the traced program: acknowledge each call on standard output

    class Announcing(Disk):
        def ack(self, call_id: str) -> None:
            sys.stdout.write(call_id + "\n")
            sys.stdout.flush()

    async def record_beside_a_loop(folder: Path) -> None:
        disk, verdicts, calls = Announcing(), Verdicts(), some_calls(40)
        writer = SpoolRecorder(folder, "0", config=SpoolConfig(segment_bytes=6_000), loop=asyncio.get_running_loop())
        for number, call in enumerate(calls, 1):
            say = verdicts.done(call)

            def done(verdict: Verdict, call: RawCall = call, say: Callable[[Verdict], None] = say) -> None:
                disk.ack(call.call_id)
                say(verdict)

            writer.submit(call, done)
            while number % 3 and len(verdicts.of) < number:
                await asyncio.sleep(0.001)
        await asyncio.to_thread(writer.close, 30)

    if sys.argv[2] == "process":
        asyncio.run(record_beside_a_loop(Path(sys.argv[1])))
    else:
        record(Path(sys.argv[1]), some_calls(40), Announcing(), segment_bytes=6_000)
