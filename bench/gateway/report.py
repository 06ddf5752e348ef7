"""The figures of one run as the tables of docs/benchmarks.md."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEGIN, END = "<!-- bench/gateway begin -->", "<!-- bench/gateway end -->"
_BASE = "LiteLLM proxy"

Rounds = dict[str, list[dict[str, float]]]


def _median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median([one.get(name, 0.0) for one in rounds])


def _ratio(found: Rounds, system: str, base: str, name: str) -> str:
    """Median of the rounds' ratios, with the lowest and highest; of both systems the same round."""
    if base not in found or base == system:
        return "1" if base == system else "-"
    ratios = [
        one[name] / other[name]
        for one, other in zip(found[system], found[base], strict=False)
        if other.get(name, 0) > 0 and name in one
    ]
    if not ratios:
        return "-"
    return f"{_short(statistics.median(ratios))} ({_short(min(ratios))}-{_short(max(ratios))})"


def _less(found: Rounds, system: str, base: str, name: str) -> str:
    """How many times lower than the base's; a difference below 10 us counts as 10 us."""
    if base not in found or base == system:
        return "1" if base == system else "-"
    if not any(one["answered"] for one in found[base]):
        return "-"
    ratios = [
        max(other[name], 0.01) / max(one[name], 0.01)
        for one, other in zip(found[system], found[base], strict=False)
        if name in one and name in other
    ]
    return _short(statistics.median(ratios)) if ratios else "-"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.1f}" if abs(value) >= 2 else f"{value:.2f}"


def _table(title: str, found: Rounds, columns: dict[str, Callable[[str], str]]) -> list[str]:
    lines = [f"**{title}**", "", "| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for system, rounds in found.items():
        if any(one["answered"] for one in rounds):
            cells = [column(system) for column in columns.values()]
        else:
            failures = sum(one["failures"] for one in rounds)
            said = f"{failures:,.0f} requests failed" if failures else "no answer before the end of the wait (31 s)"
            cells = [f"answered none: {said}", *[""] * (len(columns) - 1)]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return [*lines, ""]


def _plain(found: Rounds, title: str) -> list[str]:
    def of(name: str) -> Callable[[str], str]:
        return lambda system: _short(_median(found[system], name))

    return _table(
        title,
        found,
        {
            "req/s": of("per_second"),
            "req per CPU-second": of("per_cpu"),
            "with the store's work": of("per_cpu_with_store"),
            f"x {_BASE}": lambda system: _ratio(found, system, _BASE, "per_cpu"),
            "of nginx": lambda system: _ratio(found, system, "nginx", "per_cpu"),
            "added p50, ms": of("added_p50"),
            "added p99, ms": of("added_p99"),
            f"p99: x lower than {_BASE}": lambda system: _less(found, system, _BASE, "added_p99"),
            "RSS, MB": of("megabytes"),
            "failed": of("failures"),
        },
    )


def _streams(found: Rounds, title: str) -> list[str]:
    def of(name: str) -> Callable[[str], str]:
        return lambda system: _short(_median(found[system], name))

    return _table(
        title,
        found,
        {
            "streams per CPU-second": of("per_cpu"),
            f"x {_BASE}": lambda system: _ratio(found, system, _BASE, "per_cpu"),
            "first event: added p50 / p99, ms": lambda s: f"{of('first_p50')(s)} / {of('first_p99')(s)}",
            "each event: added p50 / p99, ms": lambda s: f"{of('delay_p50')(s)} / {of('delay_p99')(s)}",
            "whole stream: added p50 / p99, ms": lambda s: f"{of('added_p50')(s)} / {of('added_p99')(s)}",
            "RSS, MB": of("megabytes"),
            "failed": of("failures"),
        },
    )


_OURS, _BARE = "golddiff, everything on", "golddiff, bare"
_QUIET_LOAD = 3
_DRAWS = 10_000


def _equal(found: dict[str, Any]) -> dict[str, Rounds]:
    """Requests a second that all were given → rounds."""
    return {name.partition("_")[2]: found[name] for name in found if name.startswith("equal_")}


def _targets(found: dict[str, Any]) -> list[str]:
    """The rows that the project set itself, each from this run alone."""
    lines = ["**Targets**", "", "| | measured | floor | moonshot |", "|---|---|---|---|"]
    plain, often, alone, paced, together = (
        found.get(name, {}) for name in ("plain_32", "often_32", "often_1", "often_paced_32", "often_paced_32_at_once")
    )

    def add(what: str, measured: str, floor: str, moonshot: str) -> None:
        lines.append(f"| {what} | {measured} | {floor} | {moonshot} |")

    if _OURS in plain and _BASE in plain:
        measured = _ratio(plain, _OURS, _BASE, "per_cpu")
        add("G1: requests per CPU-second, everything on, over LiteLLM's", f"{measured} x", "50 x", "200 x")
        measured = _less(plain, _OURS, _BASE, "added_p99")
        add("G2: added p99 under LiteLLM's, 32 connections", f"1/{measured}", "1/20", "1/100")
    if "nginx" in plain:
        for system, what, floor, moonshot in ((_BARE, "bare", "3 x", "1.5 x"), (_OURS, "everything on", "8 x", "4 x")):
            same = {f"both {rate} requests a second": rounds for rate, rounds in _equal(found).items()}
            most = {f"as many as each answers, {n} connections": found.get(f"plain_{n}", {}) for n in (32, 256)}
            for how, rounds in (same | most).items():
                if system in rounds:
                    if rounds is plain and system in often:
                        measured = _ratio_with_interval(often, "nginx", system, "per_cpu")
                    else:
                        measured = f"{_ratio(rounds, 'nginx', system, 'per_cpu')} x"
                    add(f"G3: CPU per request over nginx's, {what}, {how}", measured, floor, moonshot)
    if _OURS in alone:
        sync = _median(alone[_OURS], "fsync_ms")
        what = f"G4: added p50, 1 connection (fdatasync {sync:.2f} ms)"
        measured = f"{_with_interval(alone[_OURS], 'added_p50')} ms"
        if "nginx" in alone:
            measured += f" (nginx {_with_interval(alone['nginx'], 'added_p50')})"
        add(what, measured, f"{2 * sync + 0.2:.2f} ms", f"{1.2 * sync + 0.1:.2f} ms")
    for streams, how in ((paced, "each begun at a moment of its own"), (together, "all begun at one moment")):
        if _OURS in streams and "nginx" in streams:
            ours, theirs = (_with_interval(streams[system], "first_p50") for system in (_OURS, "nginx"))
            measured = f"{ours} ms over {theirs} ms = {_ratio_with_interval(streams, _OURS, 'nginx', 'first_p50')}"
            add(f"G5: first event of 32 paced streams, {how}: added p50 over nginx's", measured, "3 x", "1.5 x")
    return [*lines, ""] if len(lines) > 4 else []


def _bounds(medians: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def _medians(rounds: list[dict[str, float]], name: str) -> NDArray[np.float64]:
    """Medians of rounds drawn again and again; of two systems the same rounds are drawn."""
    values = np.array([one[name] for one in rounds])
    drawn = np.random.default_rng(1).integers(len(values), size=(_DRAWS, len(values)))
    return np.median(values[drawn], axis=1)


def _with_interval(rounds: list[dict[str, float]], name: str) -> str:
    low, high = _bounds(_medians(rounds, name))
    return f"{_median(rounds, name):.2f} [{low:.2f}, {high:.2f}]"


def _ratio_with_interval(found: Rounds, one: str, other: str, name: str) -> str:
    """Of one system's median over another's, unless that cannot be told from nothing."""
    above, below = (_medians(found[system], name) for system in (one, other))
    if _bounds(below)[0] <= 0:
        return f"no ratio: that of {other} cannot be told from nothing"
    low, high = _bounds(above / below)
    return f"{_median(found[one], name) / _median(found[other], name):.1f} [{low:.1f}, {high:.1f}] x"


def text(found: dict[str, Any]) -> str:
    """Return the section between the markers."""
    busy = ", so latencies are far from a quiet machine's" if max(found["load"]) > _QUIET_LOAD else ""
    lines = [
        f"Measured {found['when']} on {found['machine']} (load {found['load'][0]:.0f} before, "
        f"{found['load'][1]:.0f} after{busy}; the host kept {found['stolen']:.0%} of the time that it wanted); "
        f"{found['rounds']} rounds of {found['seconds']:g} s, {found['minutes']:.0f} minutes in all, medians "
        f"(lowest-highest), where there is a [95 % interval] {found['often']} rounds; fdatasync of 4 KB: median "
        f"{found['fsync_ms']:.2f} ms before, {found['fsync_ms_after']:.2f} ms after.",
        "",
        *_targets(found),
    ]
    for clients in (32, 256, 1):
        if f"plain_{clients}" in found:
            lines += _plain(found[f"plain_{clients}"], f"4 KB request, 2 KB answer, {clients} connections")
    for rate, rounds in _equal(found).items():
        lines += _plain(rounds, f"4 KB request, 2 KB answer, 32 connections, {rate} requests a second for each")
    if "large_32" in found:
        lines += _plain(found["large_32"], "200 KB request, 2 KB answer, 32 connections")
    if "burst_32" in found:
        lines += _streams(found["burst_32"], "Streams of 100 events in one burst, 32 connections")
        paced = "Streams of 100 events, one per 5 ms, 32 connections"
        lines += _streams(found["paced_32"], f"{paced}, each beginning at a moment of its own")
        lines += _streams(found["paced_32_at_once"], f"{paced}, all beginning at the same moment")
    growth = {f"{n} open streams": found[f"paced_{n}"] for n in (10, 100, 1000) if f"paced_{n}" in found}
    merged = {title: rounds for title, one in growth.items() for rounds in one.values()}
    if merged:
        lines += _streams(merged, "How cost grows with open streams (everything on)")
    stored = {name.partition("_")[2]: found[name] for name in found if name.startswith("stored_")}
    grown = {f"{int(n):,} records before": rounds for n, one in stored.items() for rounds in one.values()}
    if grown:
        lines += _plain(grown, "How cost grows with what is in the store (everything on, 32 connections)")
    if found["lost"]:
        lines += [
            "**Records**: answers that clients had in full (without those that warmed up), calls in the store when the "
            "gateway had been stopped (with 20 s to do so), calls that its spool still held on disk, and calls that it "
            "had counted as dropped.",
            "",
            "| | answered | in the store | in the spool | dropped |",
            "|---|---|---|---|---|",
        ]
        for name, one in found["lost"].items():
            dropped = ", ".join(f"{count:,} {reason}" for reason, count in one["dropped"].items()) or "0"
            lines.append(f"| {name} | {one['answered']:,} | {one['stored']:,} | {one['left']:,} | {dropped} |")
        lines.append("")
    for name, why in found["missing"].items():
        lines.append(f"Not run: {name} ({' '.join(why.split())[:200]}).")
    return "\n".join(lines)


def write(page: Path, section: str, part: str = "") -> None:
    """Put the section between its markers; `part`: one section of the bench that was run alone."""
    begin, end = (mark.replace("gateway", f"gateway {part}".rstrip()) for mark in (BEGIN, END))
    old = page.read_text("utf-8")
    if begin not in old:
        raise SystemExit(f"{page} has no markers {begin} … {end}: put them where the tables belong.")
    new = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{section}\n{end}", old, flags=re.DOTALL)
    page.write_text(new, "utf-8")
