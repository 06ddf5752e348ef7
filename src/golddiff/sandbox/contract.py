"""What a sandbox promises: run untrusted code, say how it ended, leave nothing behind.

How it fits: `scoring.executed` compares what came back with what was expected, in this process, which the
untrusted code cannot reach; `evaluate` decides which code to run. A candidate is a text that a model wrote; a
`Job` is a small trusted program that reads the candidate from the file named by `sys.argv[1]`, runs or inspects
it, prints one JSON value and falls off its end. A program that stops in any other way (`sys.exit`, `os._exit`,
a signal) did not finish, whatever it printed: that is how a candidate that prints a verdict and leaves is caught.

What this cannot catch: a candidate that runs inside the same process as the program can, with effort, find the
program's frames and finish in its place. What it cannot find is the expected value, which never enters the
sandbox. So checks must expect values that are hard to guess, not `true`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from golddiff.errors import SandboxError

__all__ = ["Batch", "Domain", "Ending", "Job", "LateStart", "Limits", "Result", "Sandbox"]

MIB = 1 << 20


class LateStart(SandboxError):
    """A sandbox was not there in time. Nothing has failed and nothing has run: worth another try, with more time."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one program may use. Each is enforced inside the sandbox, per program."""

    wall_sec: float = 5.0
    """Seconds from start to end, without those for which other work left its first thread no processor."""
    cpu_sec: int = 4
    """Processor seconds of one process."""
    memory_bytes: int = 512 * MIB
    """Address space of one process."""
    processes: int = 16
    """Processes and threads of the sandbox's user, the sandbox's own few included."""
    file_bytes: int = 8 * MIB
    """Largest file that may be written."""
    disk_bytes: int = 32 * MIB
    """Size of the only writable folder, `/work`, which lives in memory."""
    open_files: int = 64
    output_bytes: int = 128 * 1024
    """Bytes of standard output and error together; more ends the program."""


class Ending(StrEnum):
    """How a program came to its end."""

    OK = "ok"  # it finished by itself; the exit code says whether well
    TIMEOUT = "timeout"  # wall or processor time used up
    OOM = "oom"  # it asked for more memory than it may have
    OUTPUT = "output"  # it printed more than it may
    VIOLATION = "violation"  # forbidden system call, ended the check early, or attacked its runner


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came back from one program."""

    ending: Ending
    exit_code: int | None = None
    """None where it was killed."""
    stdout: bytes = b""
    stderr: bytes = b""
    """Both cut at `Limits.output_bytes`; bytes of the untrusted program, to be parsed with care."""
    seconds: float = 0.0
    """Wall time as measured beside the program."""
    cpu_sec: float = 0.0
    """Processor seconds of the program and of what it waited for; 0 where that is not known (`run`)."""
    reason: str = ""
    """In words, where `ending` is not `ok`."""


class Job(msgspec.Struct, frozen=True):
    """A trusted Python program and the untrusted text that it is to judge."""

    program: str
    candidate: str


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """What the jobs of one trust domain share: one repository at one commit, or one data set."""

    readable: Mapping[str, Path] = {}
    """Folders of the host, seen read-only by every job: place inside, such as `/tree` → folder."""
    path: tuple[str, ...] = ()
    """Places inside that Python imports from, after its own library."""
    prepare: str = ""
    """Trusted Python that is run once, before any candidate is seen: the imports that every job would repeat."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of one trust domain; a warm interpreter serves one batch and never another."""

    jobs: Sequence[Job]
    domain: Domain = Domain()
    limits: Limits = Limits()


class Sandbox(Protocol):
    """A place where untrusted code can do no harm. Implementations: `Bubblewrap`, `FakeSandbox`."""

    def describe(self) -> str:
        """Return name and version, for the harness record of an evaluation."""

    def run(
        self, argv: Sequence[str], *, files: Mapping[str, bytes] | None = None, limits: Limits | None = None
    ) -> Result:
        """Run one command in a fresh sandbox, with `files` (relative paths) below its working folder `/work`.

        Raises SandboxError where the sandbox itself fails; never for anything that the command does.
        """

    def run_batches(self, batches: Sequence[Batch]) -> list[list[Result] | SandboxError]:
        """Run every batch and return its results in order, or why the sandbox itself failed over that batch.

        Much cheaper than `run` per job: an interpreter stays warm inside and forks for each. Candidates cannot
        reach each other's processes; do not mix domains that must not be able to learn of each other. All of this
        machine's cores are kept busy while there is work for them. Never raises for anything that a candidate does.
        """

    def run_jobs(self, jobs: Sequence[Job], *, limits: Limits | None = None) -> list[Result]:
        """Run one batch. Raises SandboxError where the sandbox itself fails."""
