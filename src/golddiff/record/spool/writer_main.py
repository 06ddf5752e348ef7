"""A program that appends frames to the segments of one worker, so that its event loop needs no thread for that.

    python -I -S writer_main.py SOCKET

SOCKET is the number of one end of a pair of SOCK_SEQPACKET sockets. A message is a frame, a segment to go on with (its
path, and its descriptor beside it), or anything else, which closes the segment. It says once that it is there, and of
each frame what became of it, `ANSWER`. It ends when the other end is closed, in the middle of nothing: what was begun
is finished, and the lock on the segment lasts as long.

How it fits: `writer` starts it. It imports nothing of golddiff: it is there in 25 ms, and small.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress

MOST_BYTES = 192 << 10
"""Largest frame: a message has to fit the socket's buffer, which is 208 KiB where nothing else was set."""

ANSWER = struct.Struct("<iq")
"""Number of the error, 0: it is on the device under the segment's name; and nanoseconds that it took."""

_FRAME = b"\xf5"
"""How `frames.MARK` begins, and no path does."""
_ONE_DESCRIPTOR = socket.CMSG_SPACE(4)


def main(number: int) -> None:
    """Serve the other end of the socket."""
    for name in (signal.SIGINT, signal.SIGTERM):  # both may reach the whole group: it ends with its worker
        signal.signal(name, signal.SIG_IGN)
    with suppress(OSError), open("/proc/self/comm", "w") as name_of_process:
        name_of_process.write("gd-writer")
    end = socket.socket(fileno=number)
    room = memoryview(bytearray(MOST_BYTES))
    file, path, made = -1, b"", os.stat("/")
    answer = ANSWER.pack(0, 0)
    while True:
        try:
            if answer:
                end.send(answer)
            size, beside, flags, _ = end.recvmsg_into([room], _ONE_DESCRIPTOR)
        except OSError:
            return
        if size == 0:
            return
        answer = b""
        if room[:1] == _FRAME:
            began = time.monotonic_ns()
            failed = errno.EMSGSIZE if flags & socket.MSG_TRUNC else _append(file, room[:size], path, made)
            answer = ANSWER.pack(failed, time.monotonic_ns() - began)
            continue
        if file >= 0:
            os.close(file)
            file = -1
        if beside:
            file, path = int.from_bytes(beside[0][2][:4], sys.byteorder), bytes(room[:size])
            made = os.fstat(file)


def _append(file: int, frame: memoryview, path: bytes, made: os.stat_result) -> int:
    """Write and return when it is on the device: 0, or the number of the error."""
    try:
        while frame:
            frame = frame[os.write(file, frame) :]
        return 0 if os.path.samestat(os.stat(path), made) else errno.ENOENT
    except OSError as error:
        return error.errno or errno.EIO


if __name__ == "__main__":
    main(int(sys.argv[1]))
