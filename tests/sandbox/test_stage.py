"""Mounts are made once; what cannot be made says why."""

import os
import subprocess
from pathlib import Path

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox import policy
from golddiff.sandbox.stage import Stage


def test_a_folder_that_a_stranger_cannot_enter_is_there_in_the_stage_and_not_outside(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root needs a stage")
    (tmp_path / "inner").mkdir(mode=0o755)
    (tmp_path / "inner" / "x").write_text("seen")
    tmp_path.chmod(0o700)
    enter, seen = policy.stage_prefix(61200, {"inner": tmp_path / "inner"})
    try:
        stage = Stage(enter, 61200)
    except SandboxError as problem:
        pytest.skip(f"no mounts here: {problem}")
    read = [*stage.prefix(), "/bin/sh", "-c", f"cat {seen['inner']}/x; id -u; id -G"]
    said = subprocess.run(read, capture_output=True, text=True, check=True, cwd="/")
    assert said.stdout == "seen61200\n61200\n"
    assert not seen["inner"].exists()


def test_a_stage_that_cannot_be_made_says_why() -> None:
    with pytest.raises(SandboxError, match="cannot make its mounts"):
        Stage(["/bin/sh", "-c", "exit 3", "--"], 61200)
