"""Wakes an event loop from another thread, and lets it run at once.

`call_soon_threadsafe` wakes the loop while the waker holds Python's lock, so that the loop goes back to sleep until the
waker has nothing left to do. Who rings gives the lock up for that moment. Figures: docs/decisions/0007.

How it fits: `holds` listens to one (`fileno`, for `add_reader`); the recorder's thread rings it with each verdict.
"""

from __future__ import annotations

import os
from contextlib import suppress


class Bell:
    """One side rings, the other listens; several rings before it looks are one."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """What becomes readable when it rings."""
        return self._read

    def ring(self) -> None:
        """Wake the other side."""
        with suppress(BlockingIOError):  # full: it is about to wake
            os.write(self._write, b"!")

    def silence(self) -> None:
        """Take what rang so far as heard."""
        with suppress(BlockingIOError):
            os.read(self._read, 4096)

    def __del__(self) -> None:
        # not before the last who might ring is gone: the numbers may mean other files then
        os.close(self._read)
        os.close(self._write)
