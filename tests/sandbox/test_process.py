"""A sandbox that does not start leaves nothing, and says whether it failed or was only late."""

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox import bubblewrap, process
from golddiff.sandbox.bubblewrap import Bubblewrap, open_sandbox
from golddiff.sandbox.confinement import confine
from golddiff.sandbox.contract import Job, LateStart, Limits
from golddiff.sandbox.process import Inside


def start(line: list[str], *, name: str = "a", wait_sec: float = 5.0) -> Inside:
    return Inside(lambda _: [*line], b"", {name: b""}, limits=Limits(), private=True, wait_sec=wait_sec)


@pytest.mark.parametrize(
    ("attempt", "problem"),
    [
        (lambda: start(["/nowhere/bwrap"]), r"does not start: .*/nowhere/bwrap"),
        (lambda: start(["/bin/true"], name="../a"), "below /work"),
        (lambda: start(["/bin/sh", "-c", "echo no luck >&2; exit 3"]), "does not start: no luck"),
        (lambda: start(["/bin/sh", "-c", "exit 3"]), "does not start: it ended with code 3"),
        (lambda: start(["/bin/sleep", "4245"], wait_sec=0.02), "too busy"),
    ],
)
def test_a_start_that_fails_says_why_and_keeps_no_descriptor(attempt: Callable[[], Inside], problem: str) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises((SandboxError, ValueError), match=problem) as raised:
        attempt()
    assert isinstance(raised.value, LateStart) == ("too busy" in problem)
    assert len(os.listdir("/proc/self/fd")) == len(before)


KILLED = """
import os, signal, subprocess
from golddiff.sandbox import bubblewrap, process

class Dies(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        if "--seccomp" in arguments[0]:
            os.kill(os.getpid(), signal.SIGKILL)

sandbox = bubblewrap.Bubblewrap(next(bubblewrap._binaries()))
process.subprocess.Popen = Dies
sandbox.run(["/bin/sleep", "4244"])
"""


def commands() -> list[bytes]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append((folder / "cmdline").read_bytes())
        except OSError:  # gone since it was listed
            continue
    return [command for command in found if b"4244" in command and b"KILL" not in command]


@pytest.mark.usefixtures("sandbox")
def test_killed_while_a_sandbox_starts_nothing_runs_in_it_and_nothing_stays() -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, check=False, timeout=60)
    assert ended.returncode == -9, ended.stderr
    until = time.monotonic() + 20
    while left := commands():
        assert not [command for command in left if command.startswith(b"/bin/sleep")]
        assert time.monotonic() < until, left
        time.sleep(0.01)


def test_what_cannot_be_limited_never_runs(sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise SandboxError("cannot limit what runs inside: no")

    monkeypatch.setattr(process, "confine", fails)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(SandboxError, match="cannot limit what runs inside: no"):
        sandbox.run(["/bin/sleep", "4244"])
    assert not commands()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_time_of_a_command_counts_from_when_its_sandbox_stands(
    sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(first: int, limits: Limits) -> None:
        time.sleep(0.3)
        confine(first, limits)

    monkeypatch.setattr(process, "confine", slowly)
    assert sandbox.run(["/bin/echo", "there"], limits=Limits(wall_sec=0.25)).stdout == b"there\n"


def test_a_stream_that_has_ended_is_not_ready_again_and_again() -> None:
    inside, (ended, end), (still_open, writer) = Inside.__new__(Inside), os.pipe(), os.pipe()
    try:
        os.close(end)
        inside._streams = {ended: bytearray(), still_open: bytearray()}
        assert inside.read_some(1.0, 10)
        started = time.monotonic()
        assert inside.read_some(0.03, 10)
        assert time.monotonic() - started >= 0.03
    finally:
        for descriptor in (ended, still_open, writer):
            os.close(descriptor)


@pytest.fixture
def _many_descriptors() -> Iterator[None]:
    """All below 1024 are taken, as in a process with many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"this process may have {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < 1024:
            taken.append(os.dup(taken[0]))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_descriptors")
def test_descriptors_from_1024_on_are_waited_for_where_a_start_fails() -> None:
    with pytest.raises(SandboxError, match="does not start: no luck"):
        start(["/bin/sh", "-c", "echo no luck >&2; exit 3"])


@pytest.mark.usefixtures("_many_descriptors")
def test_commands_and_jobs_run_with_descriptors_from_1024_on(sandbox: Bubblewrap) -> None:
    assert sandbox.run(["/bin/sh", "-c", "exec >&- 2>&-; sleep 0.02; exit 3"]).exit_code == 3
    (result,) = sandbox.run_jobs([Job("print(42)", "")])
    assert result.stdout == b"42\n"


def test_what_the_system_refuses_is_a_sandbox_that_does_not_start(
    sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(process, "_pipe", fails)
    for attempt in (lambda: sandbox.run(["/bin/true"]), lambda: sandbox.run_jobs([Job("print(42)", "")])):
        with pytest.raises(SandboxError, match=r"does not start: .*Too many open files"):
            attempt()


def test_a_machine_on_which_every_start_is_late_still_opens_and_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_START_SEC", 0.001)
    try:
        sandbox = open_sandbox(workers=1)
    except SandboxError as problem:
        assert "has not" not in str(problem)  # noqa: PT017 - there may be no sandbox at all
        pytest.skip(str(problem))
    (result,) = sandbox.run_jobs([Job("print(42)", "")])
    assert result.stdout == b"42\n"


def test_a_start_that_stays_late_says_so(sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_START_SEC", 0.001)
    monkeypatch.setattr(bubblewrap, "_PATIENT_START_SEC", 0.002)
    with pytest.raises(LateStart, match=r"within 0 s: this machine is too busy"):
        sandbox.run_jobs([Job("print(42)", "")])
