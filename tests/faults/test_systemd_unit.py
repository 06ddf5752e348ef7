"""The systemd unit forbids system calls, but none that a gateway makes: its processes would do without what they do."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from faults.load import Running, Tally, asking, take_rest, upstream
from golddiff.record.gateway.worker import new_loop

UNIT = Path(__file__).parents[2] / "deploy/golddiff-gateway.service"


def allowed_calls() -> set[str]:
    """The system calls that the unit allows, by what this machine's systemd means by its sets."""
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE):
        names = {call for name in line.removeprefix("~").split() for call in members(name)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def members(name: str) -> set[str]:
    """The calls of a set of systemd's, or the one of that name."""
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", name], check=True, capture_output=True, text=True
    ).stdout
    inner = re.findall(r"^    ([@\w-]+)$", said, re.MULTILINE)
    return {call for one in inner for call in members(one)}


def test_the_unit_allows_every_system_call_of_a_gateway(tmp_path: Path) -> None:
    for program in ("strace", "systemd-analyze"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed. Run: apt-get install strace systemd")
    trace, tally = tmp_path / "trace", Tally()

    async def work() -> None:
        async with upstream() as port:
            gateway = await asyncio.to_thread(
                Running, tmp_path, port, admin=True, before=["strace", "-f", "-qq", "-o", str(trace)]
            )
            try:
                async with asking(tally, gateway.address, 2, 20):
                    await asyncio.sleep(3)
            finally:
                await asyncio.to_thread(gateway.kill)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work())
    assert len(tally.acked) == tally.sent > 10
    take_rest(tmp_path / "work", tmp_path / "work" / "spool")
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE))
    assert {"fdatasync", "setpriority", "epoll_pwait"} <= made, "the trace is of a whole gateway"
    allowed = allowed_calls()
    assert {"read", "accept4"} <= allowed
    assert "ptrace" not in allowed
    assert made - allowed <= {"fchown"}, "that one SQLite makes for root only, whom the unit does not run as"
