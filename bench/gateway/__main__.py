"""The gateway beside its peers in one run: requests per CPU-second, added latency, streams, memory, lost records.

    python -m bench.gateway --peers FOLDER [--rounds 3] [--seconds 2] [--write docs/benchmarks.md] [--json FILE]

Everything runs on this machine at once and idles until its turn; rounds are interleaved over the systems, and figures
are medians of the rounds with the lowest and highest beside the ones that matter. The main figure is CPU time of the
process tree (`/proc`), which a busy neighbour changes little; latencies are what was added to the provider's own at the
same concurrency in the same round. With two cores or more, the systems share one and the provider and the clients
another.

What is kept of golddiff is checked afterwards: every answer that a client has in full must be in the store.

How cost grows with what the store holds, alone (some minutes and 4 GB of disk for the million), written to a place of
its own on the page:

    python -m bench.gateway --only "everything on" --sections stored --stored 10000,1000000
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.gateway import report
from bench.gateway.growth import grow
from bench.gateway.load import Load, drive
from bench.gateway.systems import (
    OURS,
    PEERS,
    System,
    free_port,
    pin,
    start_again,
    start_ours,
    stop,
    stopped_at_end,
)
from bench.gateway.upstream import EVENTS, TICK_SEC

HEADLINE = "golddiff, everything on"
STREAM_SEC = EVENTS * TICK_SEC
EQUAL_RATES = (500, 1000)
"""Requests a second that golddiff and nginx are given alike; the other peers cannot answer as many here."""


def percentile(values: list[float], share: float) -> float:
    """The value below which this share lies; 0 where there is none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def fsync_ms(folder: Path, count: int = 200) -> float:
    """Median milliseconds of writing 4 KB and fdatasync."""
    times = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(count):
            file.write(os.urandom(4096))
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def processor() -> str:
    """What the system calls its processor, and whether it is a virtual one."""
    told = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    return (found[1] if found else platform.machine()) + (" of a virtual machine" if " hypervisor" in told else "")


def _ticks() -> tuple[int, int]:
    """Ticks that all cores worked so far, and those in which they wanted to and the host did not let them."""
    ticks = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks[:3]) + sum(ticks[5:7]), ticks[7]


class Bench:
    """All systems, and what was seen of each."""

    def __init__(self, systems: list[System], upstream: int, folder: Path, seconds: float) -> None:
        self.systems = systems
        self.upstream = upstream
        self.folder = folder
        self.seconds = seconds
        self.answered = {system.name: 0 for system in systems}
        self.number = 0

    def let_settle(self) -> None:
        """Wait until no system works on what is left of its last turn, as golddiff's takers do; 15 s at most."""
        end = time.monotonic() + 15
        while time.monotonic() < end:
            before = sum(sum(system.cpu().values()) for system in self.systems)
            time.sleep(0.25)
            if sum(sum(system.cpu().values()) for system in self.systems) - before < 0.02:
                return

    def load(self, system: System, clients: int, **options: Any) -> Load:
        self.number += 1_000_000
        found = drive(system.port, clients, self.seconds, headers=system.headers, first=self.number, **options)
        self.answered[system.name] = self.answered.get(system.name, 0) + found.answered
        return found

    def one(self, system: System, clients: int, **options: Any) -> dict[str, float]:
        """One system in one round: its own figures, and what it added to the provider's."""
        self.let_settle()
        sync_ms = fsync_ms(self.folder, 50)
        alone = drive(self.upstream, clients, min(self.seconds, 1.0), **options)
        before = system.cpu()
        seen = self.load(system, clients, **options)
        after = system.cpu()
        spent = {what: after[what] - before[what] for what in after}
        figures = {
            "per_second": seen.answered / seen.seconds,
            "per_cpu": seen.answered / max(spent["serving"], 0.01),
            "per_cpu_with_store": seen.answered / max(sum(spent.values()), 0.01),
            "failures": seen.failures,
            "answered": seen.answered,
            "direct_p50": percentile(alone.latencies, 0.5) * 1000,
            "fsync_ms": sync_ms,
            "megabytes": system.megabytes(),
        }
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            figures[f"added_{name}"] = (percentile(seen.latencies, share) - percentile(alone.latencies, share)) * 1000
            if seen.first:
                added = percentile(seen.first, share) - percentile(alone.first, share)
                figures[f"first_{name}"] = added * 1000
                figures[f"delay_{name}"] = (percentile(seen.delays, share) - percentile(alone.delays, share)) * 1000
        return figures

    def rounds(self, count: int, systems: list[System], clients: int, **options: Any) -> report.Rounds:
        """Interleaved rounds over these systems; one that answers nothing in its first round has no second."""
        found: report.Rounds = {system.name: [] for system in systems}
        for _ in range(count):
            for system in systems:
                done = found[system.name]
                if done and not done[-1]["answered"]:
                    continue
                done.append(self.one(system, clients, **options))
                print(f"  {system.name}: {done[-1]['per_cpu']:.0f} per CPU-second", file=sys.stderr, flush=True)
        return found


def dropped(system: System) -> dict[str, int]:
    """Calls that a running golddiff gateway says it could not keep, by reason."""
    with urllib.request.urlopen(system.metrics, timeout=20) as answer:
        text = answer.read().decode()
    found = re.findall(r'^golddiff_gateway_records_dropped_total\{.*reason="(\w+)"\} (\d+)$', text, re.MULTILINE)
    return {reason: int(count) for reason, count in found if int(count)}


def stored(system: System) -> dict[str, int]:
    """Calls of a golddiff gateway that has stopped: in its store, and still in its spool (taken now and counted)."""
    from golddiff.record.calls.take import take
    from golddiff.store import Store
    from golddiff.types import Call

    assert system.folder is not None
    with Store.open(system.folder) as store:
        before = store.count(Call)
        left = take(store, system.folder / "spool").calls
    return {"stored": before, "left": left}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=Path("/nonexistent"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--often", type=int, default=15, help="rounds of the targets that compare small times")
    parser.add_argument("--only", help="names of systems that hold this text")
    parser.add_argument("--sections", default="plain,large,streams,growth,stored")
    parser.add_argument("--stored", default="10000,1000000", help="calls in the store for the section `stored`")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="golddiff-bench-") as name:
        folder = Path(name)
        upstream = free_port()
        provider = subprocess.Popen([sys.executable, "-m", "bench.gateway.upstream", str(upstream)])
        time.sleep(1)
        pin(0, 0)
        pin(provider.pid, 0)
        began, load_before, ticks_before = time.monotonic(), os.getloadavg()[0], _ticks()
        systems: list[System] = []
        try:
            with stopped_at_end(systems):
                missing = _start_all(systems, upstream, folder, options)
                bench = Bench(systems, upstream, folder, options.seconds)
                found = _measure(bench, systems, folder, options)
                time.sleep(3)  # the taker's last round
                kept = [one for one in systems if one.folder is not None and bench.answered[one.name]]
                lost = {one.name: {"answered": bench.answered[one.name], "dropped": dropped(one)} for one in kept}
        finally:
            provider.kill()
            provider.wait()
        found["load"] = [load_before, os.getloadavg()[0]]
        busy, stolen = (after - before for before, after in zip(ticks_before, _ticks(), strict=True))
        found["stolen"] = stolen / max(1, busy + stolen)
        found["minutes"] = (time.monotonic() - began) / 60
        found["missing"] = missing
        if options.json:
            options.json.write_text(json.dumps(found, indent=1))
        found["lost"] = {one.name: {**lost[one.name], **stored(one)} for one in kept}
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    text = report.text(found)
    print(text)
    if options.write:
        report.write(options.write, text, "stored" if options.sections == "stored" else "")


def _start_all(systems: list[System], upstream: int, folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """Start what is wanted; return what could not be, and why. A peer that does not start stops nobody else."""
    missing: dict[str, str] = {}

    def wanted(name: str) -> bool:
        return not options.only or any(part in name for part in options.only.split(","))

    for name, start in PEERS.items():
        if wanted(name):
            print(f"starting {name}", file=sys.stderr, flush=True)
            try:
                systems.append(start(upstream, folder, options.peers))
            except (RuntimeError, OSError) as error:
                missing[name] = str(error)
                print(error, file=sys.stderr)
    for name in OURS:
        if wanted(name):
            print(f"starting {name}", file=sys.stderr, flush=True)
            systems.append(start_ours(name, upstream, folder))
    for system in systems:
        _on_one_core(system)
    systems.sort(key=lambda system: not system.name.startswith("golddiff"))
    return missing


def _on_one_core(system: System) -> None:
    for pid in system.processes():
        with contextlib.suppress(OSError):
            pin(pid, 1)


def _measure(bench: Bench, systems: list[System], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    sections = options.sections.split(",")
    found: dict[str, Any] = {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{processor()}, {os.cpu_count()} cores, Linux, Python {platform.python_version()}",
        "rounds": options.rounds,
        "often": options.often,
        "seconds": options.seconds,
        "fsync_ms": fsync_ms(folder),
    }
    pair = [system for system in systems if system.name in (HEADLINE, "nginx")]
    for system in systems:  # connections, caches and the interpreter's own warm-up
        drive(system.port, 4, 0.5, headers=system.headers, first=900_000_000 + 1_000_000 * systems.index(system))
    if "plain" in sections:
        for clients in (1, 32, 256):
            print(f"4 KB, {clients} connections", file=sys.stderr)
            found[f"plain_{clients}"] = bench.rounds(options.rounds, systems, clients)
        able = [system for system in systems if system.name in OURS or system.name == "nginx"]
        for clients in (1, 32):
            print(f"4 KB, {clients} connections, often", file=sys.stderr)
            found[f"often_{clients}"] = bench.rounds(options.often, pair, clients)
        for rate in EQUAL_RATES:
            print(f"4 KB, 32 connections, {rate} requests a second", file=sys.stderr)
            found[f"equal_{rate}"] = bench.rounds(options.rounds, able, 32, rate=rate)
    if "large" in sections:
        print("200 KB, 32 connections", file=sys.stderr)
        found["large_32"] = bench.rounds(options.rounds, systems, 32, kilobytes=200.0)
    if "streams" in sections:
        print("streams in one burst, 32 connections", file=sys.stderr)
        found["burst_32"] = bench.rounds(options.rounds, systems, 32, model="burst")
        print("paced streams, 32 connections", file=sys.stderr)
        found["paced_32"] = bench.rounds(options.rounds, systems, 32, model="paced", spread=STREAM_SEC)
        print("paced streams that begin at once, 32 connections", file=sys.stderr)
        found["paced_32_at_once"] = bench.rounds(options.rounds, systems, 32, model="paced")
        print("both, often", file=sys.stderr)
        found["often_paced_32"] = bench.rounds(options.often, pair, 32, model="paced", spread=STREAM_SEC)
        found["often_paced_32_at_once"] = bench.rounds(options.often, pair, 32, model="paced")
    if "growth" in sections:
        ours = [system for system in systems if system.name == HEADLINE]
        for clients in (10, 100, 1000):
            print(f"{clients} open streams", file=sys.stderr)
            found[f"paced_{clients}"] = bench.rounds(1, ours, clients, model="paced", spread=STREAM_SEC)
    if "stored" in sections and any(system.name == HEADLINE for system in systems):
        found |= _stored(bench, systems, folder, options)
    found["fsync_ms_after"] = fsync_ms(folder)
    return found


def _stored(bench: Bench, systems: list[System], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One gateway, stopped and started again whenever its store has been made to hold more."""
    found: dict[str, Any] = {}
    fresh = start_ours(HEADLINE, bench.upstream, folder, place="stored")
    fresh.name = "golddiff, store that grows"
    systems.append(fresh)
    workspace, fresh.folder = fresh.folder, None  # most of what it will hold was answered to nobody
    assert workspace is not None
    for number, size in enumerate([0, *map(int, options.stored.split(","))]):
        if size:
            stop(fresh)
            there = grow(workspace / "golddiff.sqlite", size, 6_000 if size <= 100_000 else 64)
            start_again(fresh)
        else:
            there = 0
        print(f"{there} calls in the store", file=sys.stderr)
        _on_one_core(fresh)
        drive(fresh.port, 4, 0.5, headers=fresh.headers, first=990_000_000 + 1_000_000 * number)
        found[f"stored_{there}"] = bench.rounds(options.rounds, [fresh], 32)
        time.sleep(5)  # the taker catches up
    return found


if __name__ == "__main__":
    main()
