"""D5 and D6 through the gateway: syncs fail, the store is away for a minute; users notice nothing, and no count lies.

Two hundred requests a second by twenty clients. The taker of the gateway meets the fault as it does in service: it is
told nothing, tries again, and drains the backlog when the store is back.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest

from faults.load import Running, Tally, asking, stored_numbers, take_rest, upstream
from golddiff.errors import GolddiffError
from golddiff.record.gateway.worker import new_loop
from golddiff.store import Location, Store
from golddiff.types import Call

if TYPE_CHECKING:
    from golddiff.store.backends.temporary import TemporaryPostgres

CLIENTS = 20
PER_SECOND = 200.0
AWAY_SEC = 60.0
DRAIN_SEC = 60.0

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


async def until_stored(place: Path | Location, count: int, seconds: float) -> float:
    """Wait until the store holds that many calls; return the seconds it took."""
    began = time.monotonic()
    while (found := await asyncio.to_thread(stored_count, place)) < count:
        assert time.monotonic() - began < seconds, f"{found} of {count} calls are stored after {seconds} s"
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def outage(
    folder: Path,
    place: Path | Location,
    settings: str,
    per_second: float,
    away: Callable[[], None],
    back: Callable[[], None],
) -> None:
    """Take the store away under load and bring it back."""
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
                returned = time.monotonic()
                await asyncio.sleep(5)
            await until_stored(place, len(tally.acked), DRAIN_SEC)
            drained = time.monotonic() - returned
        finally:
            await asyncio.to_thread(gateway.stop)
    numbers = stored_numbers(place)
    sys.stderr.write(
        f"\n{during} of {len(tally.acked)} acknowledged calls came while the store was away for {AWAY_SEC:.0f} s; "
        f"{len(tally.broken)} broken answers, {len(tally.late)} late ones; drained {drained:.1f} s after it was back, "
        f"{len(tally.acked - set(numbers))} lost\n"
    )
    assert tally.broken == []
    assert not tally.late
    assert during > 0.5 * AWAY_SEC * per_second
    assert sorted(numbers) == sorted(tally.acked)
    assert drained <= DRAIN_SEC


def test_d6_postgresql_is_down_for_a_minute(tmp_path: Path, postgres: TemporaryPostgres) -> None:
    url = postgres.workspace("d6")
    place = Location(tmp_path / "work", database=url)
    run(outage(tmp_path, place, f'[store]\ndatabase = "{url}"\n', PER_SECOND, postgres.kill, postgres.restart))


def test_d6_the_store_cannot_be_opened_for_a_minute(tmp_path: Path) -> None:
    work, aside = tmp_path / "work", tmp_path / "aside"

    def away() -> None:
        """What is there under the store's name is no database, as where a disk was not mounted."""
        while stored_count(work) <= 0:
            time.sleep(0.1)
        with Store.open(work) as store:  # between two turns of the taker
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


def test_d5_every_twentieth_sync_of_every_process_fails(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed. Run: apt-get install strace")
    work, tally = tmp_path / "work", Tally()
    trace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", str(tmp_path / "trace")]
    trace += ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO:when=20+20"]
    said: list[str] = []

    async def drive() -> None:
        async with upstream() as port:
            gateway = await asyncio.to_thread(Running, tmp_path, port, admin=True, before=trace)
            try:
                async with asking(tally, gateway.address, CLIENTS, PER_SECOND):
                    await asyncio.sleep(30)
                await asyncio.sleep(1)
                said.append(await asyncio.to_thread(fetched, gateway.program.metrics))
            finally:
                await asyncio.to_thread(gateway.kill)

    run(drive())
    failed = (tmp_path / "trace").read_text().count("(INJECTED)")
    text = said[0]
    name = "golddiff_gateway_records_total"
    acked, late = metric(text, name, 'state="acked"'), metric(text, name, 'state="late"')
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
