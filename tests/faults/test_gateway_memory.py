"""What a worker holds stays within its settings, however many large requests pass and whether or not they are kept."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from faults.load import Running, Tally, asking, upstream
from faults.test_gateway_outage import fetched, metric, run

RING_MB = HISTORY_MB = 16
OWN_MB = 70
"""What a worker takes besides: before its first request, and for compression, requests under way and a commit."""

pytestmark = pytest.mark.faults


def taken(text: str, what: str) -> int:
    return metric(text, "golddiff_gateway_memory_bytes", f'what="{what}"')


def test_two_workers_stay_within_their_ring_and_history(tmp_path: Path) -> None:
    tally = Tally()
    words = "".join(f"word{random.randrange(1000)} " for _ in range(25_000))[:200_000]
    seen: list[str] = []

    async def drive() -> None:
        async with upstream() as port:
            gateway = await asyncio.to_thread(
                Running,
                tmp_path,
                port,
                admin=True,
                deadline_ms=25,
                more_of_gateway=f"ring_mb = {RING_MB}\nhistory_mb = {HISTORY_MB}",
            )
            try:
                async with asking(tally, gateway.address, 20, filling=words):
                    while tally.sent < 3_000:
                        await asyncio.sleep(1)
                        seen.append(await asyncio.to_thread(fetched, gateway.program.metrics))
            finally:
                await asyncio.to_thread(gateway.kill)

    run(drive())
    most = {
        what: max(taken(text, what) for text in seen) / (1 << 20) for what in ("requests", "ring", "history", "process")
    }
    said = ", ".join(f"{what} {size:.0f}" for what, size in most.items())
    sys.stderr.write(f"\n{tally.sent} requests of 200 kB to two workers; most of memory, MiB: {said}\n")
    assert tally.broken == []
    assert 0 < most["ring"] <= 2 * RING_MB
    assert HISTORY_MB < most["history"] <= 2 * HISTORY_MB
    assert most["process"] < 2 * (RING_MB + HISTORY_MB) + 2 * OWN_MB
