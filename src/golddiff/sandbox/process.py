"""One running sandbox: its process, its pipes, and the certainty that it is gone afterwards.

How it fits: `bubblewrap` says what to start; this starts it, reads from it within limits and ends it. Whatever
happens, the process group is killed, bubblewrap takes its process-id namespace down (`--die-with-parent`), and
`--sync-fd` is read to its end, which the kernel gives only when the last process inside is gone.

Limits are set from outside (`confinement`) while bubblewrap holds the sandbox's first process back (`--info-fd`,
`--block-fd`). Where they cannot be set, nothing runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import IO, cast

from golddiff.errors import SandboxError
from golddiff.sandbox.confinement import confine
from golddiff.sandbox.contract import Ending, Limits

__all__ = ["OUTSIDE", "Inside"]

OUTSIDE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
"""Environment of the tools that enter the sandbox; nothing of ours is inherited."""

_LEFTOVER_SEC = 3.0
_SET_UP_SEC = 20.0


class Inside:
    """One running sandbox: its process, its pipes, and the certainty that it is gone afterwards."""

    def __init__(
        self,
        command: Callable[[list[str]], list[str]],
        seccomp: bytes,
        files: Mapping[str, bytes],
        *,
        limits: Limits | None = None,
        uid: int | None = None,
        private: bool = False,
    ) -> None:
        """Start `command(descriptor arguments)` with the filter and with `files` below /work.

        `limits` hold for everything inside from its first instruction; None: what is started sets its own. `uid` is
        whom the command becomes, None: us. Raises SandboxError where bubblewrap ends before it has started anything.

        `private`: `stdin` and `stdout` are pipes of their own, whose numbers end the command. bwrap's own process
        keeps the standard streams open, where code inside that has its uid can open them by /proc/1/fd.
        """
        self.out, self.err = bytearray(), bytearray()
        with contextlib.ExitStack() as ours:
            self._gone, held = os.pipe()
            ours.callback(os.close, held)
            descriptors = ["--sync-fd", str(held)]
            passed = [held]
            inputs = {f"/work/{_inside_path(name)}": data for name, data in files.items()}
            for place, data in (("", seccomp), *inputs.items()):
                source = ours.enter_context(os.fdopen(os.memfd_create("input"), "wb"))
                source.write(data)
                source.flush()
                source.seek(0)
                passed.append(source.fileno())
                descriptors += ["--file" if place else "--seccomp", str(source.fileno()), *([place] if place else [])]
            if limits:
                (told, tell), (held_back, release) = os.pipe(), os.pipe()
                for descriptor in (told, tell, held_back):
                    ours.callback(os.close, descriptor)
                passed += [tell, held_back]
                descriptors += ["--info-fd", str(tell), "--block-fd", str(held_back)]
            line = command(descriptors)
            if private:
                (jobs, to_jobs), (from_replies, replies) = os.pipe(), os.pipe()
                ours.callback(os.close, jobs)
                ours.callback(os.close, replies)
                passed += [jobs, replies]
                line += [str(jobs), str(replies)]
            self.process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL if private else subprocess.PIPE,
                stdout=subprocess.DEVNULL if private else subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=passed,
                cwd="/",
                env=OUTSIDE,
                start_new_session=True,  # Ctrl-C is ours to handle; the sandbox dies with us
            )
            told = os.dup(told) if limits else -1  # the other ends close here, so that it ends with bubblewrap
        streams = self.process.stdin, self.process.stdout, self.process.stderr
        self.stdin, self.stdout, self.stderr = (cast(IO[bytes], stream) for stream in streams)
        if private:
            self.stdin, self.stdout = os.fdopen(to_jobs, "wb"), os.fdopen(from_replies, "rb")
        for stream in (self.stdout, self.stderr):
            os.set_blocking(stream.fileno(), False)
        if limits:
            try:
                self._confine(told, limits, uid)
            except BaseException:
                self.close()  # before it is released
                raise
            finally:
                os.close(release)

    def _confine(self, told: int, limits: Limits, uid: int | None) -> None:
        with os.fdopen(told, "rb") as info:
            ready, _, _ = select.select([info], [], [], _SET_UP_SEC)
            said = info.read() if ready else b""
        try:
            first = int(json.loads(said)["child-pid"])
        except (ValueError, KeyError, TypeError):
            self.read_all(time.monotonic() + 1.0, 4096)
            lines = self.err.decode(errors="replace").strip().splitlines()
            raise SandboxError(f"does not start: {lines[-1] if lines else self.process.returncode}") from None
        confine(first, limits, uid)

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
                    select.select([ended], [], [], left)
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
        streams = {self.stdout.fileno(): self.out, self.stderr.fileno(): self.err}
        ready, _, _ = select.select([*streams, *([] if or_when is None else [or_when])], [], [], wait_sec)
        ends = 0
        for descriptor in streams.keys() & set(ready):
            while len(streams[descriptor]) <= most:
                try:
                    data = os.read(descriptor, 65536)
                except BlockingIOError:
                    break
                if not data:
                    ends += 1
                    break
                streams[descriptor] += data
        return ends < len(streams)

    def close(self) -> None:
        """Kill everything inside and wait until the kernel says that it is gone. Raises SandboxError if not."""
        if self._gone < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        ready, _, _ = select.select([self._gone], [], [], _LEFTOVER_SEC)
        os.close(self._gone)
        self._gone = -1
        if not ready:
            raise SandboxError(f"a sandbox was still alive {_LEFTOVER_SEC:.0f} s after it was killed")


def _inside_path(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"file names are relative and stay below /work, got {name!r}")
    return str(path)
