"""How long each step took, so that `minutes` is the whole of it, however often the demo was stopped and continued.

A step's time is kept under a key that names what it works on. Going on with the same work adds to it; other work (the
code or the settings changed) begins at zero, so work that no result rests on is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

__all__ = ["Clock"]


class _Spent(msgspec.Struct):
    key: str
    seconds: float


class Clock:
    """Seconds by step, kept in a file. A step that is only found finished adds next to nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, _Spent] = {}
        self._this_run: set[str] = set()
        try:
            self._kept = msgspec.json.decode(path.read_bytes(), type=dict[str, _Spent])
        except (OSError, msgspec.MsgspecError):
            return

    @property
    def seconds(self) -> dict[str, float]:
        """Return the seconds of the steps that this run went through, earlier sittings at the same work included."""
        return {name: spent.seconds for name, spent in self._kept.items() if name in self._this_run}

    @property
    def minutes(self) -> float:
        """Return the sum over all steps."""
        return sum(self.seconds.values()) / 60

    @contextmanager
    def step(self, name: str, key: str) -> Iterator[None]:
        """Add the time that the block takes to `name`, also where it is interrupted."""
        before = self._kept.get(name)
        spent = before if before is not None and before.key == key else _Spent(key, 0.0)
        self._kept[name] = spent
        self._this_run.add(name)
        began = time.monotonic()
        try:
            yield
        finally:
            spent.seconds += time.monotonic() - began
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(msgspec.json.encode(self._kept))
