"""A thread of ours that is another user, in other mounts, and does what it is told.

How it fits: started by root, a sandbox must belong to a stranger's uid. A program that takes that uid and enters our
mounts (`nsenter`, `setpriv`) costs about as much as the plain subprocess that a start is measured by. In the kernel
both are properties of a thread, so `process` starts bubblewrap from a thread that has them. The same thread sets its
limits (`confinement`): only that stranger or CAP_SYS_RESOURCE may, and containers commonly take that from their root.

The thread lives as long as its sandbox, which would die with it (PR_SET_PDEATHSIG), and no longer: while it lives, the
C library cannot change the user of this process, for it changes all threads or none. What is done in the thread must
import nothing: the stranger cannot read where our Python lies.

Source: credentials(7), setns(2), no_new_privs in prctl(2), C library/kernel differences in setresuid(2).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from typing import Any, TypeVar

from golddiff.errors import SandboxError

__all__ = ["Stranger"]

Made = TypeVar("Made")

_CLONE_FS, _CLONE_NEWNS = 0x200, 0x20000
_PR_SET_NO_NEW_PRIVS = 38


class Stranger:
    """A thread with user and group `uid`, no other group, no privilege and none to gain."""

    def __init__(self, uid: int, mounts: int | None = None) -> None:
        """`mounts` is a descriptor of the mount namespace to be in, None: this process's.

        Raises SandboxError where we may not become that user or enter there.
        """
        calls = _calls()  # here, while what it imports can be read
        self._asked: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._said: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()
        try:
            self.do(lambda: _become(uid, mounts, *calls))
        except OSError as problem:
            self.close()
            raise SandboxError(f"cannot start anything as user {uid}: {problem}") from problem

    def do(self, work: Callable[[], Made]) -> Made:
        """Do `work` as the stranger, one caller at a time. Raises what it raises."""
        self._asked.put(work)
        made: Made
        made, problem = self._said.get()
        if problem is not None:
            raise problem
        return made

    def close(self) -> None:
        """End the thread."""
        self._asked.put(None)

    def _work(self) -> None:
        while (work := self._asked.get()) is not None:
            try:
                self._said.put((work(), None))
            except Exception as problem:
                self._said.put((None, problem))


def _become(uid: int, mounts: int | None, library: ctypes.CDLL, numbers: dict[str, int]) -> None:
    """Change this thread alone: the C library's own functions, and so those of `os`, change every thread's ids."""

    def call(name: str, *values: int) -> None:
        given = [ctypes.c_long(value) for value in values]
        done = library.syscall(ctypes.c_long(numbers[name]), *given) if name in numbers else library[name](*given)
        if done != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{name}: {os.strerror(error)}")

    if mounts is not None:
        call("unshare", _CLONE_FS)
        call("setns", mounts, _CLONE_NEWNS)
    call("setgroups", 0, 0)
    call("setresgid", uid, uid, uid)  # before the user: another one may not
    call("setresuid", uid, uid, uid)
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


@cache
def _calls() -> tuple[ctypes.CDLL, dict[str, int]]:
    """Return the C library and the numbers of those calls that it would make for every thread."""
    import pyseccomp

    names = ("setgroups", "setresgid", "setresuid")
    return ctypes.CDLL(None, use_errno=True), {
        name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in names
    }
