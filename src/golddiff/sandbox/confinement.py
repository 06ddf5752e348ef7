"""Limits for the first process of a sandbox, set from outside before it runs anything.

How it fits: `process` calls `confine` while bubblewrap holds the sandbox back; what the sandbox then starts inherits
the limits. They count what is inside alone, because the process has a user namespace of its own by then, and no
program has to be started inside to set them, which took a tenth of a sandbox's whole start.

Started by root, the sandbox runs as a stranger, whose limits only that stranger or CAP_SYS_RESOURCE may change, and
containers commonly take that capability from their root. In the kernel a user id is a property of a thread, so a
thread that lives as long as the call takes the stranger's.

Source: prlimit(2), credentials(7); C library/kernel differences in setresuid(2).
"""

from __future__ import annotations

import ctypes
import os
import resource
import threading
from functools import cache

from golddiff.errors import SandboxError
from golddiff.sandbox.contract import Limits

__all__ = ["confine"]


def confine(process: int, limits: Limits, uid: int | None) -> None:
    """Limit `process`, which runs as `uid` and its group (None: as we do). Raises SandboxError where it cannot."""
    failure: list[Exception] = []

    def work() -> None:
        try:
            if uid is not None:
                _become(uid)
            _limit(process, limits)
        except Exception as problem:
            failure.append(problem)

    if uid is None:
        work()
    else:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    if failure:
        raise SandboxError(f"cannot limit what runs inside: {failure[0]}") from failure[0]


def _limit(process: int, limits: Limits) -> None:
    for kind, soft, hard in (
        (resource.RLIMIT_NPROC, limits.processes, limits.processes),
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes),
        (resource.RLIMIT_CPU, limits.cpu_sec, limits.cpu_sec + 1),
        (resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, most = resource.prlimit(process, kind)  # where less is allowed here, that stays
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.prlimit(process, kind, (soft, hard))


def _become(uid: int) -> None:
    """Take real ids, of this thread only: the C library's own functions, and so `os`, change every thread's."""
    library, numbers = _calls()
    for name, number in numbers.items():
        if library.syscall(ctypes.c_long(number), ctypes.c_long(uid), ctypes.c_long(-1), ctypes.c_long(-1)) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{name}: {os.strerror(error)}")


@cache
def _calls() -> tuple[ctypes.CDLL, dict[str, int]]:
    """Return the C library and numbers of calls, the group's first: it cannot be changed as another user."""
    import pyseccomp

    names = ("setresgid", "setresuid")
    return ctypes.CDLL(None, use_errno=True), {
        name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in names
    }
