"""One running sandbox: its process, its pipes, and the certainty that it is gone afterwards.

How it fits: `bubblewrap` says what to start; this starts it, reads from it within limits and ends it. Whatever
happens, the process group is killed, bubblewrap takes its process-id namespace down (`--die-with-parent`), and
`--sync-fd` is read to its end, which the kernel gives only when the last process inside is gone.

Limits are set from outside (`confinement`) while bubblewrap waits for its seccomp filter, which it reads last of all
(`--info-fd`, `--seccomp`). Where they cannot be set, or where this process dies before it has set them, the filter
never comes, and without one bubblewrap runs nothing: `--block-fd` would let the sandbox go when its writer dies.
Not covered: two instants, microseconds each, between system calls of bubblewrap, in which this process would have to
be killed. In one a bubblewrap that runs nothing stays; in the other, what is inside stays, limited but for wall time.

Source: bubblewrap.c of 0.8.0 and 0.11.1, `main` and `seccomp_program_new`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import IO, cast

from golddiff.errors import SandboxError
from golddiff.sandbox.confinement import confine
from golddiff.sandbox.contract import Ending, LateStart, Limits
from golddiff.sandbox.stranger import Stranger

__all__ = ["OUTSIDE", "Inside"]

OUTSIDE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
"""Environment of the tools that enter the sandbox; nothing of ours is inherited."""

_LEFTOVER_SEC = 60.0  # milliseconds by itself; only a starved machine needs more, and nothing more can be done


class Inside:
    """One running sandbox: its process, its pipes, and the certainty that it is gone afterwards."""

    def __init__(
        self,
        command: Callable[[list[str]], list[str]],
        seccomp: bytes,
        files: Mapping[str, bytes],
        *,
        limits: Limits,
        stranger: Stranger | None = None,
        drops: bool = False,
        private: bool = False,
        wait_sec: float = 20.0,
    ) -> None:
        """Start `command(descriptor arguments)` with the filter and with `files` below /work.

        `limits` hold for everything inside from its first instruction. `stranger` is whom the command runs as, None:
        us; it starts the command, unless the command `drops` to it by itself, and ends with the sandbox.
        Raises SandboxError where bubblewrap ends before it has started anything, LateStart where that takes longer
        than `wait_sec`: then nothing has run inside, and nothing is left.

        `private`: `stdin` and `stdout` are pipes of their own, whose numbers end the command. bwrap's own process
        keeps the standard streams open, where code inside that has its uid can open them by /proc/1/fd.
        """
        self.out, self.err = bytearray(), bytearray()
        inputs = {f"/work/{_inside_path(name)}": data for name, data in files.items()}
        with contextlib.ExitStack() as ours:
            if stranger:
                ours.callback(stranger.close)
            with contextlib.ExitStack() as theirs:  # closed once they are inherited, so that their ends are seen
                self._gone, held = _pipe(ours, theirs)
                ours.callback(self._wait_until_gone)
                told, tell = _pipe(ours, theirs)
                # Open for both, so that writing to it ends nobody when we are dead: bubblewrap's first process would
                # wait for ever for the one that told us.
                tell = theirs.enter_context(os.fdopen(os.open(f"/proc/self/fd/{tell.fileno()}", os.O_RDWR), "rb"))
                gate, behind = socket.socketpair()
                ours.enter_context(gate)
                theirs.enter_context(behind)
                passed = [held.fileno(), tell.fileno(), behind.fileno()]
                descriptors = [
                    part
                    for option, number in zip(("--sync-fd", "--info-fd", "--seccomp"), passed, strict=True)
                    for part in (option, str(number))
                ]
                for place, data in inputs.items():
                    source = theirs.enter_context(os.fdopen(os.memfd_create("input"), "wb"))
                    source.write(data)
                    source.flush()
                    source.seek(0)
                    passed.append(source.fileno())
                    descriptors += ["--file", str(source.fileno()), place]
                line = command(descriptors)
                if private:
                    jobs, self.stdin = _pipe(theirs, ours)
                    self.stdout, replies = _pipe(ours, theirs)
                    passed += [jobs.fileno(), replies.fileno()]
                    line += [str(jobs.fileno()), str(replies.fileno())]
                try:
                    start = partial(
                        subprocess.Popen,
                        line,
                        stdin=subprocess.DEVNULL if private else subprocess.PIPE,
                        stdout=subprocess.DEVNULL if private else subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        pass_fds=passed,
                        cwd="/",
                        env=OUTSIDE,
                        start_new_session=True,  # Ctrl-C is ours to handle; the sandbox dies with us
                    )
                    self.process = stranger.do(start) if stranger and not drops else start()
                except OSError as problem:
                    raise SandboxError(f"does not start: {problem}") from problem
                ours.callback(self._end)
            if not private:
                self.stdin, self.stdout = cast(IO[bytes], self.process.stdin), cast(IO[bytes], self.process.stdout)
            self.stderr = cast(IO[bytes], self.process.stderr)
            for stream in (self.stdout, self.stderr):
                os.set_blocking(stream.fileno(), False)
            self._streams = {self.stdout.fileno(): self.out, self.stderr.fileno(): self.err}
            self._release(told, gate, seccomp, limits, stranger, wait_sec)
            self._ours = ours.pop_all()

    def _release(
        self,
        told: IO[bytes],
        gate: socket.socket,
        seccomp: bytes,
        limits: Limits,
        stranger: Stranger | None,
        wait_sec: float,
    ) -> None:
        """Limit the first process inside, then let it go."""
        said, deadline = b"", time.monotonic() + wait_sec
        while not said.endswith(b"}\n"):
            if not _ready([told.fileno()], deadline - time.monotonic()):
                raise LateStart(f"has not started within {wait_sec:.0f} s: this machine is too busy")
            data = os.read(told.fileno(), 4096)
            if not data:
                break
            said += data
        try:
            limit = partial(confine, int(json.loads(said)["child-pid"]), limits)
            stranger.do(limit) if stranger else limit()
            gate.sendall(seccomp)
            gate.shutdown(socket.SHUT_WR)  # closing it would not be enough where a fork of ours has a copy
        except (ValueError, KeyError, TypeError, OSError, SandboxError) as problem:
            self.read_all(time.monotonic() + 0.3, 4096)
            lines = self.err.decode(errors="replace").strip().splitlines()
            unsaid = str(problem) if said else f"it ended with code {self.process.returncode}"
            raise SandboxError(f"does not start: {lines[-1] if lines else unsaid}") from problem

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_all(self, deadline: float, most: int) -> Ending | None:
        """Read both streams until the process ends; return why it has to be stopped, if it has."""
        self.stdin.close()
        ended = os.pidfd_open(self.process.pid)  # waiting with a time limit would sleep in steps
        try:
            streams_open = True
            while True:
                left = max(0.0, deadline - time.monotonic())
                if streams_open:
                    streams_open = self.read_some(left, most, or_when=ended)
                else:
                    _ready([ended], left)
                gone = self.process.poll() is not None
                if gone:
                    self.read_some(0.0, most)
                if len(self.out) + len(self.err) > most:
                    return Ending.OUTPUT
                if gone:
                    return None
                if time.monotonic() > deadline:
                    return Ending.TIMEOUT
        finally:
            os.close(ended)

    def read_some(self, wait_sec: float, most: int, *, or_when: int | None = None) -> bool:
        """Wait for output, or for another descriptor, and append what came, at most a little beyond `most`.

        Returns False when both streams have ended.
        """
        streams = self._streams
        ready = _ready([*streams, *([] if or_when is None else [or_when])], wait_sec)
        for descriptor in streams.keys() & ready:
            while len(streams[descriptor]) <= most:
                try:
                    data = os.read(descriptor, 65536)
                except BlockingIOError:
                    break
                if not data:
                    del streams[descriptor]  # or it would be ready again and again
                    break
                streams[descriptor] += data
        return bool(streams)

    def close(self) -> None:
        """Kill everything inside and wait until the kernel says that it is gone. Raises SandboxError if not."""
        self._ours.close()

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _wait_until_gone(self) -> None:
        if not _ready([self._gone.fileno()], _LEFTOVER_SEC):
            raise SandboxError(f"a sandbox was still alive {_LEFTOVER_SEC:.0f} s after it was killed")


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Return a pipe's two ends, each closed by the stack of the side that keeps it."""
    read, write = os.pipe()
    return reader.enter_context(os.fdopen(read, "rb")), writer.enter_context(os.fdopen(write, "wb"))


def _ready(descriptors: Iterable[int], wait_sec: float) -> set[int]:
    """Return those that can be read or have ended, after at most `wait_sec`.

    Not by select(2), which knows no descriptor from 1024 on: a process with many files or connections has those.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    milliseconds = min(max(0.0, wait_sec) * 1000, (1 << 31) - 1)  # below 0 is for ever, above this is refused
    return {descriptor for descriptor, _ in poll.poll(milliseconds)}


def _inside_path(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"file names are relative and stay below /work, got {name!r}")
    return str(path)
