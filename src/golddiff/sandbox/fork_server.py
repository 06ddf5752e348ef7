"""The process inside the sandbox that runs one check after another, each in a fork of its own.

How it fits: `bubblewrap` hands this file's source to the interpreter *inside* the sandbox, writes jobs as JSON
lines to a pipe and reads results as JSON lines from another. It uses the standard library only and imports nothing
from golddiff. Starting Python and importing what checks need happens once; a fork costs about a millisecond.

A job runs in a child with its own limits. Between jobs every other process of the sandbox is killed and the
working folder is emptied, so nothing of one candidate meets the next. The server makes itself unreadable for its
children (`PR_SET_DUMPABLE`), keeps no descriptor that they inherit, and never looks inside what they print. A
child that kills or stops the server ends the batch; the trusted parent sees that and blames the job that ran.

Wall time is what a job may take on a machine that has a processor for it. How long its first thread was ready to run
and had none is known to the kernel and given back, up to `MOST_WALLS` times its wall time; the parent is told to wait.

The child reports that the program reached its own end with a random token, so that `os._exit` or `sys.exit` after
printing a verdict is told apart from finishing. See `contract` for what that cannot catch.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

WORK = "/work"
CANDIDATE = "/work/candidate.txt"
FINISHED, RAISED, NO_MEMORY = b"finished", b"raised", b"memory"
PRELOADED = (
    "ast", "bisect", "collections", "collections.abc", "copy", "dataclasses", "datetime", "decimal", "difflib",
    "enum", "fractions", "functools", "inspect", "io", "itertools", "math", "operator", "pathlib", "random", "re",
    "statistics", "string", "textwrap", "tokenize", "types", "typing", "unittest",
)  # fmt: skip
PR_SET_DUMPABLE = 4
MOST_WALLS = 20
STEP_SEC = 0.02


def serve() -> None:
    """Answer jobs until there are no more. Job keys: program, candidate, and the fields of `Limits`.

    The first argument is JSON: `path` to import from, Python to `prepare` with. Jobs and replies go through the two
    descriptors that the others name: the standard streams would also be open in the sandbox's first process, whose
    pipes code inside can open (`/proc/1/fd`) to forge replies or read jobs.
    """
    if ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise SystemExit("cannot protect the check runner from its checks (prctl)")
    shared = json.loads(sys.argv[1])
    sys.path += shared["path"]
    for name in PRELOADED:
        __import__(name)
    exec(compile(shared["prepare"], "<prepare>", "exec"), {"__name__": "__prepare__"})  # noqa: S102 - its purpose
    gc.collect()
    gc.freeze()  # what is loaded now stays shared with the forks
    given = [int(number) for number in sys.argv[2:4]] or [0, 1]
    requests, replies = os.fdopen(os.dup(given[0]), "rb"), os.fdopen(os.dup(given[1]), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    for descriptor in set(given) - {0, 1, 2}:
        os.close(descriptor)
    replies.write(b'{"ready": true}\n')
    replies.flush()

    def tell(reply: dict[str, Any]) -> None:
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()

    for line in requests:
        reply = run_one(json.loads(line), lambda more_sec: tell({"waits": more_sec}))
        tidy()
        tell(reply)


def run_one(job: dict[str, Any], wait: Callable[[float], None]) -> dict[str, Any]:
    """Run one job in a fork and say how it ended; `wait` is told how many seconds more it gets, each time."""
    with open(CANDIDATE, "x", encoding="utf-8", errors="surrogatepass", newline="") as target:
        target.write(job["candidate"])
    token = os.urandom(16)
    pipes = [os.pipe() for _ in range(3)]  # standard output, standard error, end of the program
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        become_child(job, token, [write for _, write in pipes])
    for _, write in pipes:
        os.close(write)
    (out, err, end), stopped, code, cpu_sec = collect(pid, [read for read, _ in pipes], job, started, wait)
    seconds = time.monotonic() - started
    ending, reason = classify(stopped, code, end, token)
    return {
        "ending": ending,
        "reason": reason,
        "exit_code": None if stopped else code,
        "stdout": out.decode("latin-1"),
        "stderr": err.decode("latin-1"),
        "seconds": seconds,
        "cpu_sec": cpu_sec,
    }


def become_child(job: dict[str, Any], token: bytes, writes: list[int]) -> NoReturn:
    """Confine this fork, run the program, never return."""
    try:
        os.setsid()
        saved = [os.dup(write) for write in writes]
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for target, source in zip((1, 2, 3), saved, strict=True):
            os.dup2(source, target)
        os.closerange(4, 1024)
        for kind, soft, hard in (
            (resource.RLIMIT_CPU, job["cpu_sec"], job["cpu_sec"] + 1),
            (resource.RLIMIT_AS, job["memory_bytes"], job["memory_bytes"]),
            (resource.RLIMIT_FSIZE, job["file_bytes"], job["file_bytes"]),
            (resource.RLIMIT_NPROC, job["processes"], job["processes"]),
            (resource.RLIMIT_NOFILE, job["open_files"], job["open_files"]),
            (resource.RLIMIT_CORE, 0, 0),
        ):
            resource.setrlimit(kind, (soft, hard))
        os.chdir(WORK)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False, encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", closefd=False, encoding="utf-8", errors="backslashreplace")
        sys.argv = ["check", CANDIDATE]
        code = 1
        try:
            exec(compile(job["program"], "<check>", "exec"), {"__name__": "__main__"})  # noqa: S102 - its purpose
            sys.stdout.flush()
            os.write(3, FINISHED + token)
            code = 0
        except MemoryError:
            os.write(3, NO_MEMORY + token)
        except Exception:
            traceback.print_exc(limit=-3)
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(3, RAISED + token)
        os._exit(code)
    finally:
        os._exit(70)


def collect(
    pid: int, reads: list[int], job: dict[str, Any], started: float, wait: Callable[[float], None]
) -> tuple[list[bytes], str, int, float]:
    """Read the child's pipes until it ends, runs out of time or prints too much; then leave nothing running.

    Returns what it wrote to each pipe, why it was stopped ("" where it was not), its exit code and processor seconds.
    """
    collected = [bytearray() for _ in reads]
    most: int = job["output_bytes"]
    watched = os.pidfd_open(pid)
    poll = select.poll()
    for descriptor in (*reads, watched):
        os.set_blocking(descriptor, False)
        poll.register(descriptor, select.POLLIN)
    stopped, alive = "", True
    deadline, most_sec = started + job["wall_sec"], MOST_WALLS * job["wall_sec"]
    probed: tuple[int, ...] = ()
    while alive and not stopped:
        left = deadline - time.monotonic()
        if left <= 0:
            turns, ready = in_line(pid)
            passed = time.monotonic() - started
            owed = min(job["wall_sec"] + turns[1] / 1e9, most_sec) - passed
            if owed >= STEP_SEC:
                probed = ()
            elif ready and passed < most_sec and probed in ((), turns):
                owed, probed = STEP_SEC, turns  # the wait that it may be in now is counted when that ends
            else:
                stopped = "timeout"
                break
            wait(owed)
            deadline = time.monotonic() + owed
            continue
        for descriptor, _ in poll.poll(left * 1000):
            if descriptor == watched:
                alive = False
            elif not drain(descriptor, collected[reads.index(descriptor)], most):
                poll.unregister(descriptor)
        if len(collected[0]) + len(collected[1]) > most:
            stopped = "output"
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL and used.ru_utime + used.ru_stime >= job["cpu_sec"]:
        code = -signal.SIGXCPU  # it blocked the signal and ran into the hard limit, which kills
    wait_until_alone()
    for descriptor, target in zip(reads, collected, strict=True):
        drain(descriptor, target, most)
        os.close(descriptor)
    os.close(watched)
    if len(collected[0]) + len(collected[1]) > most:
        stopped = stopped or "output"
    return [bytes(data[:most]) for data in collected], stopped, code, used.ru_utime + used.ru_stime


def in_line(pid: int) -> tuple[tuple[int, ...], bool]:
    """Return nanoseconds with a processor, those spent waiting for one and turns so far; whether it is ready to run.

    Source: Documentation/scheduler/sched-stats.rst and proc(5) of Linux; zeros where the kernel does not say.
    """
    with contextlib.suppress(OSError, IndexError, ValueError):
        with open(f"/proc/{pid}/schedstat", "rb") as source:
            turns = tuple(map(int, source.read().split()))
        with open(f"/proc/{pid}/stat", "rb") as source:
            state = source.read().rpartition(b")")[2].split()[0]
        if len(turns) == 3:
            return turns, state == b"R"
    return (0, 0, 0), False


def drain(descriptor: int, target: bytearray, at_most: int) -> bool:
    """Read what is there, a little beyond `at_most` in all; False at the end of the pipe."""
    while len(target) <= at_most:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        target += data
    return True


def wait_until_alone() -> None:
    """Kill what the child left behind, all at once and again until nothing is left; else give up the server."""
    for _ in range(2000):
        try:
            os.kill(-1, signal.SIGKILL)  # every process of this namespace but its init and this one
        except ProcessLookupError:
            return
        time.sleep(0.001)
    os._exit(71)


def classify(stopped: str, code: int, end: bytes, token: bytes) -> tuple[str, str]:
    """Return (ending, reason) as `contract.Ending` names them."""
    if stopped:
        return stopped, "wall time used up" if stopped == "timeout" else "printed more than it may"
    if code == -signal.SIGXCPU:
        return "timeout", "processor time used up"
    if code == -signal.SIGSYS:
        return "violation", "forbidden system call"
    if code == -signal.SIGKILL:
        return "oom", "killed from outside, most likely for memory"
    if end == NO_MEMORY + token:
        return "oom", "asked for more memory than it may have"
    if code < 0 or end in (FINISHED + token, RAISED + token):
        return "ok", ""
    return "violation", f"left with code {code} before the check reached its end"


def tidy() -> None:
    """Empty the working folder; give up the server where something will not go."""
    os.chmod(WORK, 0o700)
    for entry in os.scandir(WORK):
        if entry.is_dir(follow_symlinks=False):
            open_up(entry.path)
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
    if os.listdir(WORK):
        os._exit(72)


def open_up(folder: str) -> None:
    """Make a folder and all below it enterable, each before it is listed."""
    os.chmod(folder, 0o700)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            open_up(entry.path)


if __name__ == "__main__":
    serve()
