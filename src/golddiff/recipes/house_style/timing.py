"""How long each step took, added up over interrupted and repeated runs, so that `minutes` is the whole of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

__all__ = ["Clock"]


class Clock:
    """Seconds by step, kept in a file. A step that is only found finished adds next to nothing."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self.seconds: dict[str, float] = {}
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, float]])
        except (OSError, msgspec.DecodeError):
            return
        self.seconds = kept.get(key, {})

    @property
    def minutes(self) -> float:
        """Return the sum over all steps."""
        return sum(self.seconds.values()) / 60

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to `name`, also where it is interrupted."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_bytes(msgspec.json.encode({self._key: self.seconds}))
