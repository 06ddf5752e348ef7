"""Mounts are made once; what cannot be made says why."""

import os
import subprocess
from pathlib import Path

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox import policy
from golddiff.sandbox.stage import Stage
from golddiff.sandbox.stranger import Stranger


def test_a_folder_that_a_stranger_cannot_enter_is_there_in_the_stage_and_not_outside(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root needs a stage")
    (tmp_path / "inner").mkdir(mode=0o755)
    (tmp_path / "inner" / "x").write_text("seen")
    tmp_path.chmod(0o700)
    enter, seen = policy.stage_prefix(61200, {"inner": tmp_path / "inner"})
    try:
        stage = Stage(enter)
    except SandboxError as problem:
        pytest.skip(f"no mounts here: {problem}")
    stranger = Stranger(61200, stage.descriptor)
    read = ["/bin/sh", "-c", f"cat {seen['inner']}/x; cat /proc/self/mountinfo"]
    said = stranger.do(lambda: subprocess.run(read, capture_output=True, text=True, check=True, cwd="/"))
    stranger.close()
    assert said.stdout.startswith("seen")
    assert " /dev/pts " not in said.stdout  # what bubblewrap has no use for
    assert not seen["inner"].exists()


def test_a_stage_that_cannot_be_made_says_why() -> None:
    with pytest.raises(SandboxError, match="cannot make its mounts"):
        Stage(["/bin/sh", "-c", "exit 3", "--"])
