"""Counters, gauges and histograms of all workers, as Prometheus text.

Every series exists before the first request: a family names all values of its labels, and a value that was not named is
counted as `other`. So nothing a caller sends can make a series, and no key, path, model or text can become a label
(keys are counted in the `limits` table; `golddiff keys list` shows them).

Each worker owns one file of 8-byte numbers, mapped into memory and preallocated: counting is one addition, without a
lock or a call to the system. Any worker's `/metrics` adds up the files of all. Counters go on where a restarted
worker's file left off; its gauges start at 0. Where the file cannot be made, the worker counts in memory and only it is
shown. (`prometheus-client` does this through an environment variable and a registry that importing it fills.)

The text format: https://prometheus.io/docs/instrumenting/exposition_formats/ (0.0.4).
"""

from __future__ import annotations

import mmap
import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import TypeAlias

import msgspec

from golddiff.record.capture import Drop
from golddiff.record.gateway.refusal import Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""What a label value that no family named is counted as."""
_HEADER_BYTES = 64
_NAME = re.compile(r"metrics-(\d+)\.bin\Z")

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of duration histograms."""


_STATUS = ("1xx", "2xx", "3xx", "4xx", "5xx", "client_gone", "truncated", "upstream_error")
_MALFORMED = (
    "malformed", "body", "body_memory", "body_size", "connections", "content_encoding", "expect", "head_size", "host",
    "method", "origin", "path", "pipelining", "request_timeout", "target", "transfer_encoding", "upgrade",
)  # fmt: skip
MEMORY = ("requests", "ring", "history", "process")
"""Bodies of requests under way, calls that wait for the disk, recent requests that are kept; all of the process."""
_FAILURES = ("unreachable", "upstream_timeout", "upstream_broke")


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: its name, kind and every value its labels may have."""

    name: str
    kind: str
    """`counter`, `gauge` (summed over workers) or `histogram`."""
    help: str
    labels: Mapping[str, tuple[str, ...]] = {}
    """Label → its values; `other` is added to each."""
    buckets: tuple[float, ...] = ()
    """Upper bounds, for histograms."""

    def series(self) -> list[tuple[str, ...]]:
        """Return every combination of label values."""
        return list(product(*((*values, OTHER) for values in self.labels.values())))


def families(upstreams: Iterable[str]) -> tuple[Family, ...]:
    """Return what the gateway counts, for upstreams of these names."""
    protocols = ("openai-chat", "openai-responses", "anthropic-messages")
    named = tuple(upstreams)
    return (
        Family(
            name="golddiff_gateway_requests_total",
            kind="counter",
            help="Requests that an upstream was chosen for, by what the client saw.",
            labels={"protocol": protocols, "status": _STATUS},
        ),
        Family(
            name="golddiff_gateway_refused_total",
            kind="counter",
            help="Requests that were turned away before any upstream saw them. They leave no other trace.",
            labels={"reason": (*map(str, Reason), *_MALFORMED)},
        ),
        Family(
            name="golddiff_gateway_upstream_failures_total",
            kind="counter",
            help="Requests that the gateway answered itself because the upstream did not.",
            labels={"upstream": named, "reason": _FAILURES},
        ),
        Family(
            name="golddiff_gateway_retries_total",
            kind="counter",
            help="Second and later attempts at an upstream.",
            labels={"upstream": named},
        ),
        Family(
            name="golddiff_gateway_tokens_total",
            kind="counter",
            help="Tokens that upstreams reported.",
            labels={"protocol": protocols, "kind": ("input", "output", "cache_read", "cache_write")},
        ),
        Family(
            name="golddiff_gateway_unpriced_total",
            kind="counter",
            help="Calls of models without a price: counted in tokens, not in money.",
        ),
        Family(
            name="golddiff_gateway_records_total",
            kind="counter",
            help="Calls by what became of their record: acked was on disk before the answer ended, late after it.",
            labels={"state": ("acked", "late", "dropped", "partial")},
        ),
        Family(
            name="golddiff_gateway_records_dropped_total",
            kind="counter",
            help="Calls that were not recorded, by reason. Users' requests were answered all the same.",
            labels={"reason": tuple(Drop)},
        ),
        Family(
            name="golddiff_gateway_degraded_total",
            kind="counter",
            help="Times that a file failed a worker. It goes on: by its own copy of limits and keys, in a new spool.",
            labels={"what": ("limits", "keys", "spool")},
        ),
        Family(name="golddiff_gateway_connections", kind="gauge", help="Client connections that are open."),
        Family(
            name="golddiff_gateway_memory_bytes",
            kind="gauge",
            help="Memory of the workers: what has a bound of its own, and all of their processes.",
            labels={"what": MEMORY},
        ),
        Family(
            name="golddiff_gateway_first_byte_seconds",
            kind="histogram",
            help="Time from the request's arrival to the answer's first byte, the upstream's time included.",
            buckets=SECONDS,
        ),
        Family(
            name="golddiff_gateway_duration_seconds",
            kind="histogram",
            help="Time from the request's arrival to the answer's last byte, the upstream's time included.",
            buckets=SECONDS,
        ),
    )


Cells: TypeAlias = "memoryview[float] | list[float]"


class Counter:
    """One counter of one worker."""

    __slots__ = ("_at", "_cells")

    def __init__(self, cells: Cells, at: int) -> None:
        self._cells = cells
        self._at = at

    def add(self, by: float = 1.0) -> None:
        """Add to it."""
        self._cells[self._at] += by


class Histogram:
    """One histogram of one worker."""

    __slots__ = ("_at", "_bounds", "_cells", "_sum")

    def __init__(self, cells: Cells, at: int, bounds: tuple[float, ...]) -> None:
        self._cells = cells
        self._at = at
        self._bounds = bounds
        self._sum = at + len(bounds) + 1

    def observe(self, value: float) -> None:
        """Add one value."""
        cells = self._cells
        cells[self._at + bisect_left(self._bounds, value)] += 1.0
        cells[self._sum] += value


class Metrics:
    """One worker's numbers, and the text of all workers'."""

    def __init__(self, folder: Path | None, worker: int | None, upstreams: Iterable[str] = ()) -> None:
        """Open or continue the worker's file.

        Args:
            folder: the gateway's folder; None: count in memory only.
            worker: its number; two workers must not share one. None: only read what the workers wrote.
            upstreams: names of the configured upstreams, as label values.
        """
        self._families = families(upstreams)
        self._places: dict[str, dict[tuple[str, ...], int]] = {}
        self._buckets = {family.name: family.buckets for family in self._families}
        place = 0
        for family in self._families:
            width = len(family.buckets) + 2 if family.buckets else 1
            self._places[family.name] = {}
            for labels in family.series():
                self._places[family.name][labels] = place
                place += width
        self._size = place
        self._layout = _fingerprint(self._families)
        self._folder = folder
        self._path = None if folder is None or worker is None else folder / f"metrics-{worker}.bin"
        self._cells, self.shared = self._open()
        for family in self._families:
            if family.kind == "gauge":
                for at in self._places[family.name].values():
                    self._cells[at] = 0.0

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter or gauge."""
        at = self._places[name].get(labels)
        self._cells[self._place(name, labels) if at is None else at] += by

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge, or a counter that is kept elsewhere in this worker."""
        self._cells[self._place(name, labels)] = value

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add one value to a histogram."""
        self.histogram(name, *labels).observe(value)

    def histogram(self, name: str, *labels: str) -> Histogram:
        """Return one series, for who adds to it with every request."""
        return Histogram(self._cells, self._place(name, labels), self._buckets[name])

    def counter(self, name: str, *labels: str) -> Counter:
        """The same for a counter."""
        return Counter(self._cells, self._place(name, labels))

    def value(self, name: str, *labels: str) -> float:
        """Return one series of this worker, for tests and readiness."""
        return self._cells[self._place(name, labels)]

    def render(self) -> bytes:
        """Return the Prometheus text over all workers. Series that are 0 and have labels are left out."""
        totals = [0.0] * self._size
        workers = 0
        for cells in self._all():
            workers += 1
            for at, value in enumerate(cells):
                totals[at] += value
        lines = [
            "# HELP golddiff_gateway_workers Workers whose numbers are added up here.",
            "# TYPE golddiff_gateway_workers gauge",
            f"golddiff_gateway_workers {workers}",
        ]
        for family in self._families:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
            for labels, at in self._places[family.name].items():
                lines += _series(family, labels, totals[at : at + len(family.buckets) + 2])
        return ("\n".join(lines) + "\n").encode()

    def _place(self, name: str, labels: tuple[str, ...]) -> int:
        places = self._places[name]
        at = places.get(labels)
        if at is None:
            allowed = next(family for family in self._families if family.name == name).labels.values()
            at = places[tuple(label if label in known else OTHER for label, known in zip(labels, allowed, strict=True))]
        return at

    def _open(self) -> tuple[Cells, bool]:
        if self._folder is None or self._path is None:
            return [0.0] * self._size, False
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                total = _HEADER_BYTES + 8 * self._size
                if os.fstat(descriptor).st_size != total or os.pread(descriptor, 32, 0) != self._layout:
                    os.ftruncate(descriptor, 0)
                    os.posix_fallocate(descriptor, 0, total)  # a mapped hole on a full disk would be a SIGBUS
                    os.pwrite(descriptor, self._layout, 0)
                mapped = mmap.mmap(descriptor, total)
            finally:
                os.close(descriptor)
        except OSError:
            return [0.0] * self._size, False
        return memoryview(mapped)[_HEADER_BYTES:].cast("d"), True

    def _all(self) -> Iterator[Iterable[float]]:
        """The numbers of every worker."""
        if self._path is not None or self._folder is None:
            yield self._cells
        for path in sorted(self._folder.glob("metrics-*.bin")) if self._folder is not None else ():
            if path == self._path or not _NAME.fullmatch(path.name):
                continue
            try:
                data = path.read_bytes()
            except OSError:
                continue
            if len(data) == _HEADER_BYTES + 8 * self._size and data[:32] == self._layout:
                yield memoryview(data)[_HEADER_BYTES:].cast("d")


def forget_gauges(folder: Path, worker: int, upstreams: Iterable[str]) -> None:
    """Set the gauges of a worker that is gone to 0: for whoever started it."""
    if (folder / f"metrics-{worker}.bin").exists():
        Metrics(folder, worker, upstreams)


def _fingerprint(described: tuple[Family, ...]) -> bytes:
    """What tells one layout of the file from another: after an upgrade that changes it, counting starts anew."""
    return blake2b(msgspec.json.encode(described), digest_size=32).digest()


def _series(family: Family, labels: tuple[str, ...], cells: list[float]) -> list[str]:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(family.labels, labels, strict=True)]
    if family.kind != "histogram":
        if pairs and cells[0] == 0.0:
            return []
        return [f"{family.name}{_braces(pairs)} {_number(cells[0])}"]
    lines = []
    running = 0.0
    for bound, count in zip((*family.buckets, None), cells, strict=False):
        running += count
        shown = "+Inf" if bound is None else _number(bound)
        le = f'le="{shown}"'
        lines.append(f"{family.name}_bucket{_braces([*pairs, le])} {_number(running)}")
    lines.append(f"{family.name}_sum{_braces(pairs)} {_number(cells[len(family.buckets) + 1])}")
    lines.append(f"{family.name}_count{_braces(pairs)} {_number(running)}")
    return lines


def _braces(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
