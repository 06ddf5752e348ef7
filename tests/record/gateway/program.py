"""The program itself: `golddiff gateway` in processes of its own, for what tests inside one process cannot show."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


class Program:
    """A gateway that runs in `folder`."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], places: Mapping[str, str]) -> None:
        self.folder = folder
        self.process = process
        self.address: str = places["anthropic_base_url"]
        self.metrics: str | None = places["metrics_url"]

    def workers(self) -> list[int]:
        """Ids of its processes, the one that takes calls included."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def rss(self) -> int:
        """Bytes of memory that all of its processes have together."""
        pages = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.workers()]
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")


def launch(
    folder: Path,
    settings: str,
    environment: Mapping[str, str] | None = None,
    *,
    before: Iterable[str] = (),
    verbose: bool = True,
    start_new_session: bool = False,
) -> Program:
    """Start it in `folder` (its workspace is `folder/work`) with this golddiff.toml; return when it takes requests.

    Its standard output and error are in `folder/out` and `folder/log`. `before`: a command that runs it, as strace.
    """
    (folder / "golddiff.toml").write_text('workspace = "work"\n' + settings)
    with (folder / "out").open("wb") as out, (folder / "log").open("ab") as log:
        command = [*before, sys.executable, "-m", "golddiff", "gateway", "--json", *(["--verbose"] if verbose else [])]
        surroundings = {**os.environ, **(environment or {})}
        process = subprocess.Popen(
            command, cwd=folder, env=surroundings, stdout=out, stderr=log, start_new_session=start_new_session
        )
    while not (line := (folder / "out").read_bytes()).endswith(b"\n"):
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.02)
    return Program(folder, process, json.loads(line))


@contextlib.contextmanager
def program(folder: Path, settings: str, environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Run it as `launch` does; stop it with SIGTERM and check that."""
    running = launch(folder, settings, environment)
    try:
        yield running
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
    finally:
        running.process.kill()
        running.process.wait()
