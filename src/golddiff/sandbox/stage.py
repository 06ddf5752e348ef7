"""A mount namespace that is made once and entered for every start.

How it fits: started by root, a sandbox takes a stranger's uid first, and folders which that uid cannot enter are
mounted where it can (`policy.stage_prefix`). Making those mounts costs a shell and several more processes, more than
the sandbox itself; entering a namespace that has them costs one. `bubblewrap` keeps one for what never changes.

The namespace lives as long as the descriptor of this process that names it; nothing is left on the host.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import weakref

from golddiff.errors import SandboxError
from golddiff.sandbox.process import OUTSIDE

__all__ = ["Stage"]


class Stage:
    """A mount namespace with our mounts in it. Raises SandboxError where it cannot be made."""

    def __init__(self, enter: list[str], uid: int) -> None:
        """`enter` is a command prefix that makes the mounts; `uid` is who starts sandboxes there."""
        tool = shutil.which("nsenter") or shutil.which("nsenter", path="/usr/sbin:/usr/bin:/sbin:/bin")
        if tool is None:
            raise SandboxError("nsenter is not installed; on Debian and Ubuntu: apt-get install util-linux")
        self._tool, self._uid = tool, uid
        pipe, command = subprocess.PIPE, [*enter, "/bin/cat"]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, cwd="/", env=OUTSIDE) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert holder.stderr is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended: then there is no answer either
                holder.stdin.write(b"\n")
            if holder.stdout.read(1) != b"\n":  # `cat` answers once the mounts stand
                raise SandboxError(f"cannot make its mounts: {holder.stderr.read().decode(errors='replace').strip()}")
            descriptor = os.open(f"/proc/{holder.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def prefix(self) -> list[str]:
        """Return a command prefix that enters the namespace as the stranger, without groups.

        The descriptor is named by this process's path: what is started does not inherit it.
        """
        place = f"--mount=/proc/{os.getpid()}/fd/{self._descriptor}"
        return [self._tool, place, f"--setuid={self._uid}", f"--setgid={self._uid}", "--"]
