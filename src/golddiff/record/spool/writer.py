"""A process that appends frames for an event loop, which neither waits for the disk nor shares Python's lock for it.

A thread that writes has to be woken, gets Python's lock when the loop lets go of it, and takes it again to say what
became of the write; between its steps the two fight for the lock. A process is woken by one message and answers with
one. Figures: docs/decisions/0006-spool.md.

How it fits: `append` gives it the segment that is open and small frames from the loop; large ones, and everything where
it cannot be started or is gone, the recorder's thread writes itself. One of the two at a time: there is one turn.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from golddiff.record.spool import writer_main
from golddiff.record.spool.writer_main import ANSWER, MOST_BYTES

_log = logging.getLogger(__name__)

_END_SEC = 2.0
"""Longest wait for the process to end by itself."""
_PASSED_ON = ("LD_LIBRARY_PATH", "LD_PRELOAD")
"""What it gets of the environment: no credential."""


class Writer:
    """The process. Raises OSError where it cannot be started.

    `answered` is called on the loop with the number of the error (0: none) and the nanoseconds that a frame took.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, answered: Callable[[int, int], None]) -> None:
        self._loop = loop
        self._answered = answered
        self.is_gone = False
        """It writes nothing any more."""
        self._is_up = False
        self._has_segment = False
        self._waits = False
        self._listens = False
        self._may_end = False
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", writer_main.__file__, str(other.fileno())],
                pass_fds=[other.fileno()],
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            other.close()
        self._socket.setblocking(False)
        try:
            loop.call_soon_threadsafe(self._listen)
        except RuntimeError:  # it was closed meanwhile
            self.end()
            raise

    def use(self, path: Path, descriptor: int) -> None:
        """Append what follows to this segment."""
        with suppress(OSError):
            socket.send_fds(self._socket, [os.fsencode(path.absolute())], [descriptor])
            self._has_segment = True

    def let_go(self) -> None:
        """Have the segment closed there, too."""
        if self._has_segment:
            self._has_segment = False
            with suppress(OSError):
                self._socket.send(b".")

    def send(self, frame: bytes) -> bool:
        """Have a frame appended, from the loop; False: nothing of it is, or will be."""
        if not (self._is_up and self._has_segment) or self._waits or len(frame) > MOST_BYTES:
            return False
        try:
            self._socket.send(frame)
        except OSError:
            return False
        self._waits = True
        return True

    def look(self, deaf: bool) -> None:
        """Do now and then, from the recorder's thread, what the system expects; `deaf`: hear the process, too."""
        self._process.poll()  # or it stays in the table of processes when it ended
        if deaf and self._waits:
            self._hear()

    def end(self) -> None:
        """Have it end, from the recorder's thread and with no frame out."""
        self._may_end = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_END_SEC)
        except subprocess.TimeoutExpired:  # it was stopped: its descriptors would lock the segments as long
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SEC)
        try:
            self._loop.call_soon_threadsafe(self._close)
        except RuntimeError:  # it is closed
            self._socket.close()

    def _listen(self) -> None:
        if not self._may_end:
            self._loop.add_reader(self._socket.fileno(), self._hear)
            self._listens = True

    def _hear(self) -> None:
        try:
            answer = self._socket.recv(ANSWER.size)
        except BlockingIOError:
            return
        except OSError:
            answer = b""
        if not answer:
            self._gone()
        elif not self._waits:
            self._is_up = True  # the first word, that it is there
        else:
            error, took_ns = ANSWER.unpack(answer)
            if error == errno.EBADF:
                self._is_up, self.is_gone = False, True
                _log.error("the process that writes the spool got no file; a thread writes until another is started")
            self._waits = False
            self._answered(error, took_ns)

    def _gone(self) -> None:
        """It ended. The socket stays open until `end`: the thread uses its number."""
        self._is_up, self.is_gone = False, True
        self._stop_listening()
        if not self._may_end:
            _log.error("the process that writes the spool is gone; a thread writes until another is started")
        if self._waits:  # nobody knows how much of it is on the disk
            self._waits = False
            self._answered(errno.EIO, 0)

    def _close(self) -> None:
        self._stop_listening()
        self._socket.close()

    def _stop_listening(self) -> None:
        if self._listens and not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
        self._listens = False


def start_writer(loop: asyncio.AbstractEventLoop, answered: Callable[[int, int], None]) -> Writer | None:
    """Return a writer; None where there can be none, as on systems without SOCK_SEQPACKET."""
    if loop.is_closed():
        return None
    try:
        return Writer(loop, answered)
    except (OSError, AttributeError, TypeError, RuntimeError) as error:
        _log.warning("the spool is written by a thread, since no process can be started: %s", error)
        return None
