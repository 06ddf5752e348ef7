"""Processes of one gateway: started, started again, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from golddiff.errors import UsageError
from golddiff.record.gateway.supervisor import only_gateway_of, open_listeners

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from golddiff.record.gateway.supervisor import Child, supervise
folder = Path(sys.argv[1])

def work():
    with (folder / "started").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    if not (folder / "once").exists():
        (folder / "once").touch()
        raise RuntimeError("canary")
    signal.signal(signal.SIGTERM, lambda *_: ((folder / "ended").touch(), os._exit(0)))
    while True:
        time.sleep(0.01)

supervise([Child("one", work)], [], 1.0, lambda text: print(text, flush=True))
"""


def until(condition: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def started(folder: Path) -> list[str]:
    path = folder / "started"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_child_is_started_again_and_ends_with_its_supervisor_however_that_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=log, stderr=log)
    try:
        until(lambda: len(started(tmp_path)) == 2)
        time.sleep(0.05)
        process.send_signal(number)
        process.wait(20)
        until((tmp_path / "ended").exists)
    finally:
        process.kill()
    assert (tmp_path / "started").stat().st_mode & 0o077 == 0
    said = (tmp_path / "log").read_text()
    assert "one ended (exit code 1); started again" in said
    assert "uncaught" in said
    assert "canary" not in said


NICE = """
import os, signal, sys
from pathlib import Path
from golddiff.record.gateway.supervisor import Child, supervise

def say(name):
    Path(sys.argv[1], name).write_text(str(os.nice(0)))
    signal.pause()

children = [Child("one", lambda: say("one")), Child("two", lambda: say("two"), last=True)]
supervise(children, [], 1.0, print)
"""


def test_who_works_on_what_the_others_leave_gives_way_to_them(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", NICE, str(tmp_path)]) as process:
        places = tmp_path / "one", tmp_path / "two"
        until(lambda: all(place.exists() and place.read_text() for place in places))
        process.terminate()
    first, last = (int(place.read_text()) for place in places)
    assert last == min(first + 10, 19)


ADOPTING = """
import ctypes, os, subprocess, sys, time
from pathlib import Path
from golddiff.record.gateway.supervisor import Child, supervise

def work():
    told = Path(sys.argv[1], "below")
    if told.exists():
        time.sleep(60)
    told.write_text(str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"]).pid))
    os._exit(1)

assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: as the first process of a container
supervise([Child("one", work)], [], 1.0, print)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a subreaper is Linux's")
def test_processes_of_a_worker_that_died_do_not_stay_in_the_table_of_processes(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ADOPTING, str(tmp_path)]) as process:
        until(lambda: (tmp_path / "below").exists() and (tmp_path / "below").read_text())
        below = (tmp_path / "below").read_text()
        until(lambda: not Path(f"/proc/{below}").exists())
        process.terminate()


def test_a_workspace_has_one_gateway(tmp_path: Path) -> None:
    first = only_gateway_of(tmp_path / "gateway")
    with pytest.raises(UsageError, match="serves"):
        only_gateway_of(tmp_path / "gateway")
    os.close(first)
    os.close(only_gateway_of(tmp_path / "gateway"))


def test_workers_share_a_port_with_each_other_and_with_nobody_else() -> None:
    mine = open_listeners("127.0.0.1", 0, 2)
    port = mine[0].getsockname()[1]
    assert {sock.getsockname()[1] for sock in mine} == {port}
    for sock in mine:
        sock.listen()
    for workers in (1, 2):
        with pytest.raises(OSError, match="in use"):
            open_listeners("127.0.0.1", port, workers)
    for sock in mine:
        sock.close()
    for sock in open_listeners("127.0.0.1", port, 2):
        sock.close()
