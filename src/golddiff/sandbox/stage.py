"""A mount namespace that is made once and entered for every start.

How it fits: started by root, a sandbox belongs to a stranger (`stranger`), and folders which that uid cannot enter are
mounted where it can (`policy.stage_prefix`). Making those mounts costs a shell and several more processes, more than
the sandbox itself; entering a namespace that has them costs two system calls. `bubblewrap` keeps one for what never
changes. What bubblewrap has no use for is not in it: it would be copied, listed and taken down with every sandbox.

The namespace lives as long as the descriptor of this process that names it; nothing is left on the host.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import weakref

from golddiff.errors import SandboxError
from golddiff.sandbox.process import OUTSIDE

__all__ = ["Stage"]

# bubblewrap needs its folders, /proc, /tmp to build on, and /dev's plain devices. Twice, since places are mounted over
# each other. What is not mounted stays as it is, and what is locked: a container did not mount it itself.
_KEEP_LITTLE = """for _ in 1 2; do
    umount --lazy --quiet /sys /run /dev/pts /dev/shm /dev/mqueue /dev/hugepages 2>/dev/null || :
done
exec cat"""


class Stage:
    """A mount namespace with our mounts in it. Raises SandboxError where it cannot be made."""

    descriptor: int
    """Names the namespace, for `Stranger`; open as long as this object lives."""

    def __init__(self, enter: list[str]) -> None:
        """`enter` is a command prefix that makes the mounts."""
        pipe, command = subprocess.PIPE, [*enter, "/bin/sh", "-c", _KEEP_LITTLE]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, cwd="/", env=OUTSIDE) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert holder.stderr is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended: then there is no answer either
                holder.stdin.write(b"\n")
            if holder.stdout.read(1) != b"\n":  # `cat` answers once the mounts stand
                raise SandboxError(f"cannot make its mounts: {holder.stderr.read().decode(errors='replace').strip()}")
            self.descriptor = os.open(f"/proc/{holder.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self.descriptor)
