"""D1 through the gateway: all of its processes killed under load, and nothing that was acknowledged is lost.

Fifty clients stream through two workers while the taker moves calls from the spool into the store; a SIGKILL to the
whole group ends them at a random moment, a new gateway goes on in the same workspace. At the end every call whose
answer ended before the deadline is in the store, with its body, once.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path

import apsw
import pytest

from faults.load import Running, Tally, asking, stored_numbers, take_rest, upstream
from golddiff.record.gateway.worker import new_loop
from golddiff.store import Store
from golddiff.store.check import check

CLIENTS = 50


async def kill_rounds(folder: Path, rounds: int, at_least: int) -> tuple[Tally, list[float], list[float]]:
    """Kill a gateway `rounds` times, and on until `at_least` calls were acknowledged; return seconds and processor
    seconds of each start, until its first answer.

    Moments are drawn by number of answers, so that a slow machine does the same work as a quick one.
    """
    dice = random.Random(rounds)
    tally, started, used = Tally(), [], []
    number = 0
    async with upstream() as port:
        while number < rounds or len(tally.acked) < at_least:
            number += 1
            began = time.monotonic()
            gateway = await asyncio.to_thread(Running, folder, port)
            tally.first.clear()
            async with asking(tally, gateway.address, CLIENTS):
                await asyncio.wait_for(tally.first.wait(), 60)
                started.append(time.monotonic() - began)
                used.append(gateway.cpu_sec())
                goal = len(tally.acked) + dice.randrange(2 * at_least // rounds)
                while len(tally.acked) < goal:
                    await asyncio.sleep(0.02 * dice.random())
                gateway.kill()
    return tally, started, used


@pytest.mark.faults
def test_a_gateway_killed_a_hundred_times_has_every_call_that_it_acknowledged(tmp_path: Path) -> None:
    at_least = 100_000
    with asyncio.Runner(loop_factory=new_loop) as runner:
        tally, started, used = runner.run(kill_rounds(tmp_path, 100, at_least))
    work = tmp_path / "work"
    take_rest(work, work / "spool")
    times = Counter(stored_numbers(work))
    started.sort()
    middle, longest = started[len(started) // 2], started[-1]
    sys.stderr.write(
        f"\n{len(tally.acked)} acknowledged calls over {len(started)} kills, {len(tally.acked - times.keys())} lost; "
        f"from start to the first answer {middle:.2f} s (median), {longest:.2f} s (longest), "
        f"{max(used):.2f} processor seconds at most\n"
    )
    assert not tally.acked - times.keys()
    assert max(times.values()) == 1
    assert len(tally.acked) >= at_least
    assert apsw.Connection(str(work / "golddiff.sqlite")).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with Store.open(work, write=False) as store:
        assert check(store).problems == []
    assert max(used) < 2.0  # of processor time: what else the machine does is no part of a start
