"""A stranger's thread is nobody else's, and what it starts has nothing of ours."""

import os
import subprocess

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox.stranger import Stranger


@pytest.fixture
def stranger() -> Stranger:
    try:
        return Stranger(61200)
    except SandboxError as problem:
        pytest.skip(f"only root needs a stranger: {problem}")


def facts(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_what_a_stranger_starts_has_its_ids_and_no_privilege_and_we_keep_ours(stranger: Stranger) -> None:
    read = ["/bin/cat", "/proc/self/status"]
    found = facts(stranger.do(lambda: subprocess.run(read, capture_output=True, text=True, check=True)).stdout)
    stranger.close()
    assert found["Uid"].split() == found["Gid"].split() == ["61200"] * 4
    assert found["Groups"].strip() in ("", "61200")
    assert int(found["CapPrm"], 16) == int(found["CapEff"], 16) == int(found["CapAmb"], 16) == 0
    assert found["NoNewPrivs"] == "1"
    assert (os.getuid(), os.geteuid()) == (0, 0)


def test_a_stranger_may_not_what_we_may_and_its_thread_goes_with_it(stranger: Stranger) -> None:
    threads = len(os.listdir("/proc/self/task"))
    with pytest.raises(PermissionError):
        stranger.do(lambda: os.listdir("/root" if os.stat("/root").st_mode & 0o7 == 0 else "/proc/1/fd"))
    assert stranger.do(lambda: 42) == 42  # it goes on after what it was told failed
    stranger.close()
    while len(os.listdir("/proc/self/task")) >= threads:
        os.sched_yield()


def test_mounts_that_cannot_be_entered_say_so() -> None:
    with open(os.devnull) as nothing, pytest.raises(SandboxError, match="as user 61200: "):
        Stranger(61200, nothing.fileno())
