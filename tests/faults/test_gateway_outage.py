"""D4, D5 and D6 through the gateway: syncs are slow or fail, the store is away; users notice nothing, no count lies.

Two hundred requests a second by twenty clients. The taker of the gateway meets the fault as it does in service: it is
told nothing, tries again, and drains the backlog when the store is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from faults.load import Running, Tally, asking, stored_numbers, take_rest, upstream
from golddiff.errors import GolddiffError, WorkspaceError
from golddiff.record.gateway.worker import new_loop
from golddiff.store import Location, Store
from golddiff.types import Call

if TYPE_CHECKING:
    from golddiff.store.backends.temporary import TemporaryPostgres

CLIENTS = 20
PER_SECOND = 200.0
AWAY_SEC = 60.0
DRAIN_SEC = 60.0
WINDOWS = 7
WINDOW_SEC = 5.0
"""As long as the slowest sync."""
RECORDS = "golddiff_gateway_records_total"

pytestmark = pytest.mark.faults


def run(work: Awaitable[None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work)  # type: ignore[arg-type]


def stored_count(place: Path | Location) -> int:
    """Calls in the store; -1 where it does not answer."""
    try:
        with Store.open(place, write=False) as store:
            return store.count(Call)
    except GolddiffError:
        return -1


def between_two_turns_of_the_taker(work: Path) -> Store:
    """Return the store with its lock, waiting while the taker holds it."""
    until = time.monotonic() + 60
    while True:
        try:
            return Store.open(work)
        except WorkspaceError:
            assert time.monotonic() < until, "the taker never let go of the store"
            time.sleep(0.005)


async def until_stored(place: Path | Location, count: int, seconds: float) -> None:
    """Wait until the store holds that many calls."""
    began = time.monotonic()
    while (found := await asyncio.to_thread(stored_count, place)) < count:
        assert time.monotonic() - began < seconds, f"{found} of {count} calls are stored after {seconds} s"
        await asyncio.sleep(0.5)


async def outage(
    folder: Path,
    place: Path | Location,
    settings: str,
    per_second: float,
    away: Callable[[], None],
    back: Callable[[], None],
    server: Callable[[], int | None] = lambda: None,
) -> None:
    """Take the store away under load and bring it back. `server`: the process of its database, where it has one.

    The backlog drains within a minute on the clock, or, where other work kept the machine busy, of processor time that
    the whole gateway and the database needed meanwhile.
    """
    tally = Tally()
    async with upstream() as port:
        gateway = await asyncio.to_thread(Running, folder, port, more=settings)
        try:
            async with asking(tally, gateway.address, CLIENTS, per_second):
                await asyncio.sleep(5)
                await asyncio.to_thread(away)
                before = len(tally.acked)
                await asyncio.sleep(AWAY_SEC)
                during = len(tally.acked) - before
                await asyncio.to_thread(back)
                returned, used = time.monotonic(), cpu_sec(gateway.program.process.pid, server())
                await asyncio.sleep(5)
            await until_stored(place, len(tally.acked), 10 * DRAIN_SEC)
            drained = time.monotonic() - returned
            used = cpu_sec(gateway.program.process.pid, server()) - used
        finally:
            await asyncio.to_thread(gateway.stop)
    numbers = stored_numbers(place)
    sys.stderr.write(
        f"\n{during} of {len(tally.acked)} acknowledged calls came while the store was away for {AWAY_SEC:.0f} s; "
        f"{len(tally.broken)} broken answers, {len(tally.late)} late ones; drained {drained:.1f} s after it was back, "
        f"for {used:.1f} processor seconds of everything, load {os.getloadavg()[0]:.0f}, "
        f"{len(tally.acked - set(numbers))} lost\n"
    )
    assert tally.broken == []
    assert not tally.late
    assert during > 0.5 * AWAY_SEC * per_second
    assert sorted(numbers) == sorted(tally.acked)
    assert min(drained, used) <= DRAIN_SEC


def test_d6_postgresql_is_down_for_a_minute(tmp_path: Path, postgres: TemporaryPostgres) -> None:
    url = postgres.workspace("d6")
    place = Location(tmp_path / "work", database=url)
    settings = f'[store]\ndatabase = "{url}"\n'
    run(outage(tmp_path, place, settings, PER_SECOND, postgres.kill, postgres.restart, lambda: postgres.server.pid))


def test_d6_the_store_cannot_be_opened_for_a_minute(tmp_path: Path) -> None:
    work, aside = tmp_path / "work", tmp_path / "aside"

    def away() -> None:
        """What is there under the store's name is no database, as where a disk was not mounted."""
        while stored_count(work) <= 0:
            time.sleep(0.1)
        with between_two_turns_of_the_taker(work) as store:
            store.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copyfile(work / "golddiff.sqlite", aside)
            for path in work.glob("golddiff.sqlite*"):
                path.unlink()
            (work / "golddiff.sqlite").mkdir()

    def back() -> None:
        (work / "golddiff.sqlite").rmdir()
        aside.rename(work / "golddiff.sqlite")

    run(outage(tmp_path, work, "", PER_SECOND, away, back))


def metric(text: str, name: str, label: str = "") -> int:
    found = re.search(rf"^{name}{{[^}}]*{label}[^}}]*}} (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def fetched(url: str | None) -> str:
    assert url is not None
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read().decode())


def middle_and_p99_ms(seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1000, ordered[len(ordered) * 99 // 100] * 1000


@pytest.fixture
def disk_of(tmp_path: Path) -> Callable[..., list[str]]:
    """What runs a program on a disk whose syncs take that many seconds longer, or every so manieth of which fails."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to build a bad disk with. Run: apt-get install gcc")
    source = Path(__file__).with_name("bad_syncs.c")

    def before(sync_sec: float = 0.0, every: int = 0) -> list[str]:
        library = tmp_path / f"bad_syncs_{sync_sec}_{every}.so"
        log = json.dumps(str(tmp_path / "failed"))
        settings = [f"-DSYNC_NS={sync_sec * 1e9:.0f}LL", f"-DSYNC_FAILS={every}LL", f"-DSYNC_LOG={log}"]
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", *settings, "-o", str(library), str(source)], check=True)
        return ["env", f"LD_PRELOAD={library}"]

    return before


@pytest.mark.parametrize("sync_sec", [0.2, 5.0])
def test_d4_a_slow_disk_delays_no_first_byte_and_no_answer_beyond_the_deadline(
    tmp_path: Path, disk_of: Callable[..., list[str]], sync_sec: float
) -> None:
    """Two gateways side by side that differ in how long a sync takes; what else the machine does, both feel.

    Compared are medians of windows, so that a moment in which other work held up one of the two decides nothing; each
    window holds a whole sync, so that what a sync delays is in all of them.
    """
    quick, slow = Tally(), Tally()
    both = (quick, slow)
    windows: list[tuple[tuple[float, float], ...]] = []
    grown, kept = [0], [0, 0]

    async def drive() -> None:
        for name in ("quick", "slow"):
            (tmp_path / name).mkdir()
        async with upstream() as port:
            beside = await asyncio.to_thread(Running, tmp_path / "quick", port, before=disk_of(0), deadline_ms=25)
            try:
                gateway = await asyncio.to_thread(
                    Running, tmp_path / "slow", port, admin=True, before=disk_of(sync_sec), deadline_ms=25
                )
                try:
                    async with asking(quick, beside.address, 10, 100), asking(slow, gateway.address, 10, 100):
                        await asyncio.sleep(5)
                        grown[0] = -memory(gateway)
                        for _ in range(WINDOWS):
                            for tally in both:
                                tally.to_first_byte.clear()
                            await asyncio.sleep(WINDOW_SEC)
                            windows.append(tuple(middle_and_p99_ms(tally.to_first_byte) for tally in both))
                        grown[0] += memory(gateway)
                    settled = time.monotonic() + 30 + 6 * sync_sec
                    while sum(kept) < slow.sent and time.monotonic() < settled:
                        await asyncio.sleep(0.2)
                        text = await asyncio.to_thread(fetched, gateway.program.metrics)
                        kept[:] = [metric(text, RECORDS, f'state="{state}"') for state in ("acked", "late")]
                finally:
                    await asyncio.to_thread(gateway.kill)
            finally:
                await asyncio.to_thread(beside.stop)

    run(drive())
    acked, late = kept
    take_rest(tmp_path / "slow" / "work", tmp_path / "slow" / "work" / "spool")
    numbers = stored_numbers(tmp_path / "slow" / "work")
    (before, before_p99), (after, after_p99) = (
        [statistics.median(values) for values in zip(*of_one, strict=True)] for of_one in zip(*windows, strict=True)
    )
    sys.stderr.write(
        f"\nsyncs of {sync_sec} s: {slow.sent} requests, {len(slow.broken)} broken; to the first byte {after:.1f} ms "
        f"(median), {after_p99:.1f} (p99), on the other disk {before:.1f} and {before_p99:.1f}; {acked} acknowledged, "
        f"{late} late, {len(numbers)} stored; {grown[0] >> 20} MiB more memory; load {os.getloadavg()[0]:.0f}\n"
    )
    assert slow.broken == quick.broken == []
    assert acked + late == slow.sent
    assert late > acked
    assert sorted(numbers) == list(range(slow.sent))
    assert grown[0] < 64 << 20  # the ring
    assert (
        slow.sent > 0.9 * quick.sent
    )  # a client that waits asks nothing: what held all of them up would be few requests
    # the bounds are those of a machine that is free; on a busy one no difference is told from its own noise
    assert after < before + max(1.0, before)
    assert after_p99 < before_p99 + max(5.0, before_p99)


def cpu_sec(*pids: int | None) -> float:
    """Processor seconds of these processes and of all that they began, the ended ones included."""
    ticks = 0
    for pid in (one for top in pids if top is not None for one in descendants(top)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(gateway: Running) -> int:
    """Bytes of the gateway's processes."""
    pids = descendants(gateway.program.process.pid)
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    below = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(found for one in below for found in descendants(one))]


def test_d5_every_twentieth_sync_of_every_process_fails(tmp_path: Path, disk_of: Callable[..., list[str]]) -> None:
    work, tally = tmp_path / "work", Tally()
    said: list[str] = []

    async def drive() -> None:
        async with upstream() as port:
            gateway = await asyncio.to_thread(Running, tmp_path, port, admin=True, before=disk_of(every=20))
            try:
                async with asking(tally, gateway.address, CLIENTS, PER_SECOND):
                    await asyncio.sleep(30)
                await asyncio.sleep(1)
                said.append(await asyncio.to_thread(fetched, gateway.program.metrics))
            finally:
                await asyncio.to_thread(gateway.kill)

    run(drive())
    failed = (tmp_path / "failed").stat().st_size
    text = said[0]
    acked, late = metric(text, RECORDS, 'state="acked"'), metric(text, RECORDS, 'state="late"')
    dropped = metric(text, "golddiff_gateway_records_dropped_total", 'reason="eio"')
    take_rest(work, work / "spool")
    numbers = stored_numbers(work)
    sys.stderr.write(
        f"\n{failed} syncs failed; {tally.sent} requests, {len(tally.broken)} broken answers; {acked} acknowledged, "
        f"{dropped} dropped and counted, {len(numbers)} stored\n"
    )
    assert failed > 20
    assert tally.broken == []
    assert len(tally.acked) == tally.sent
    assert late == 0
    assert acked + dropped == tally.sent
    assert dropped > 0
    assert len(numbers) == len(set(numbers)) >= acked  # a failed sync may still have kept what it held
    assert apsw.Connection(str(work / "golddiff.sqlite")).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
