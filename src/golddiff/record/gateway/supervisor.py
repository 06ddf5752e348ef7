"""All processes of one gateway: workers on one port, and whoever takes their calls into the store.

How it fits: `cli.gateway` says what each process does; this starts them, starts them again when they die, and stops
them in order. The listening sockets are opened here, one per worker on the same port (SO_REUSEPORT), and stay open
while a worker is started again: connections that come meanwhile wait in its queue instead of being refused.

Plain fork, before any thread or event loop exists. On SIGTERM or SIGINT the sockets are closed, the processes told, and
after their time to drain the rest is killed: what was acknowledged is on disk by then.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from golddiff.errors import UsageError
from golddiff.record.gateway import logs
from golddiff.record.gateway.worker import listen

_CHILDREN_END_SEC = 3.0
"""What a process has after its drain time, seconds: the recorder's last group, and the interpreter's exit."""
_LAST_NICENESS = 10
_QUICK_DEATH_SEC = 1.0
_LONGEST_PAUSE_SEC = 10.0
_PR_SET_PDEATHSIG = 1
_SIGNALS = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))


class Child(msgspec.Struct):
    """One process."""

    name: str
    """For the log and for `ps`."""
    work: Callable[[], None]
    """What it does, in the new process; returning ends it."""
    died: Callable[[], None] | None = None
    """Called in the supervisor when it died by itself, before it is started again."""
    last: bool = False
    """It works on what the others leave: in the time that they do not need, and stopped when they have ended."""
    pid: int = 0
    started: float = 0.0
    again_at: float = 0.0
    quick_deaths: int = 0


def only_gateway_of(folder: Path) -> int:
    """Return a descriptor whose lock says that this process and its children serve the folder; keep it open.

    Raises:
        UsageError: another gateway does: two would write the same spool and counters.
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "gateway.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(
            f"a gateway serves {folder.parent} already. Stop it first, or give this one a workspace of its own "
            "(--workspace)."
        ) from None
    return descriptor


def open_listeners(host: str, port: int, workers: int) -> list[socket.socket]:
    """Return one listening socket per worker, all on the same port.

    Raises:
        OSError: the address cannot be listened on.
    """
    if workers > 1 and port:
        listen(host, port).close()  # a shared port would let another gateway of this user have it as well, unsaid
    first = listen(host, port, shared=workers > 1)
    chosen = first.getsockname()[1]
    return [first, *(listen(host, chosen, shared=True) for _ in range(workers - 1))]


def supervise(
    children: Sequence[Child], listeners: Sequence[socket.socket], drain_sec: float, say: Callable[[str], None]
) -> None:
    """Run all processes until SIGTERM or SIGINT; return when they have ended."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        for child in children:
            _start(child)
        while True:
            pause = min((child.again_at - time.monotonic() for child in children if not child.pid), default=60.0)
            seen = signal.sigtimedwait(_SIGNALS, max(pause, 0.01))
            if seen is not None and seen.si_signo != signal.SIGCHLD:
                break
            _bury(children, say)
            _reap_adopted(children)
            for child in children:
                if not child.pid and child.again_at <= time.monotonic():
                    _start(child)
        for listener in listeners:
            listener.close()
        _stop([child for child in children if not child.last], drain_sec + _CHILDREN_END_SEC, say)
        _stop([child for child in children if child.last], _CHILDREN_END_SEC, say)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def _start(child: Child) -> None:
    child.started = time.monotonic()
    supervisor = os.getpid()
    child.pid = os.fork()
    if child.pid:
        return
    code = 1
    try:
        _end_with(supervisor)
        os.umask(0o077)  # spool, store and counters hold people's words and are their owner's only
        with contextlib.suppress(OSError):  # what `ps` and `top` show; 15 characters
            Path("/proc/self/comm").write_text(f"gd-{child.name.replace(' ', '-')}", "ascii")
        if child.last:
            with contextlib.suppress(OSError):  # where that is forbidden it does its work all the same
                os.nice(_LAST_NICENESS)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the supervisor decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        child.work()
        code = 0
    except BaseException as error:  # the last chance to say why: below, the process just ends
        logs.get("process").error("uncaught", error=error)
    finally:
        os._exit(code)


def _end_with(supervisor: int) -> None:
    """Let the kernel end this process when the supervisor is killed: nobody would stop it or start it again."""
    with contextlib.suppress(OSError, AttributeError):  # Linux only
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != supervisor:
        os._exit(1)


def _bury(children: Sequence[Child], say: Callable[[str], None]) -> None:
    for child in children:
        if not child.pid:
            continue
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid == 0:
            continue
        child.pid = 0
        now = time.monotonic()
        child.quick_deaths = child.quick_deaths + 1 if now - child.started < _QUICK_DEATH_SEC else 0
        wait = min(0.1 * 2**child.quick_deaths, _LONGEST_PAUSE_SEC) if child.quick_deaths else 0.0
        child.again_at = now + wait
        code = os.waitstatus_to_exitcode(status)
        say(f"{child.name} ended ({f'signal {-code}' if code < 0 else f'exit code {code}'}); started again")
        if child.died is not None:
            child.died()


def _reap_adopted(children: Sequence[Child]) -> None:
    """Take the exit of those who lost their parent and got us: the first process of a container gets all."""
    ours = {child.pid for child in children}
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in ours:
            os.waitpid(ended.si_pid, 0)


def _stop(children: Sequence[Child], seconds: float, say: Callable[[str], None]) -> None:
    end = time.monotonic() + seconds
    for child in children:
        if child.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
    while any(child.pid for child in children):
        left = end - time.monotonic()
        if left <= 0:
            break
        signal.sigtimedwait({signal.SIGCHLD}, min(left, 0.2))
        for child in children:
            if child.pid and os.waitpid(child.pid, os.WNOHANG)[0]:
                child.pid = 0
    for child in children:
        if child.pid:
            say(f"{child.name} did not end in {seconds:.0f} s and is killed")
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
