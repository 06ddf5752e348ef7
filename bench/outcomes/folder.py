"""Many repositories at a time: is the result the same, and how much sooner is it there? One command:

    python -m bench.outcomes.folder --repositories 8 --scenarios 24 --write docs/benchmarks.md

Generates so many repositories with sessions (`bench.histories`), decides them one after the other, in processes and,
where Ray is installed, on Ray workers of this machine, each time into a copy of the same workspace, and compares what
was stored byte for byte. Seconds are of the wall clock, so the load of the machine is stated; workers' start is
counted for processes, and for Ray beside it, since a cluster is there before.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import msgspec
from bench.outcomes.lives import random_history

from golddiff.outcomes.many import compute_below
from golddiff.outcomes.survival.stored import lines_file
from golddiff.parallel import Workers
from golddiff.rights.redact import redact_transcript
from golddiff.store import Store
from golddiff.types import Attempt, Commit, Outcome, RawSession, Repository, Survival, Transcript, derive_id

_BEGIN, _END = "<!-- bench/outcomes/folder begin -->", "<!-- bench/outcomes/folder end -->"
_RECORDS = (Repository, Commit, Outcome, Attempt, Survival)


def stored(store: Store) -> bytes:
    """Everything that the stage stored, and the pass that it keeps of every repository."""
    parts = [msgspec.msgpack.encode(record) for kind in _RECORDS for record in store.find(kind)]
    files = [lines_file(store, found.id) for found in store.find(Repository)]
    return b"".join([*parts, *(file.read_bytes() for file in files if file.exists())])


def make(folder: Path, repositories: int, scenarios: int) -> int:
    """Generate repositories below `folder`/src and a workspace with their sessions; returns how many sessions."""
    with Store.open(folder / "workspace") as store:
        (folder / "src").mkdir()
        for seed in range(repositories):
            for transcript in random_history(seed, folder / "src" / f"repository-{seed}", scenarios).sessions:
                store.add_transcript(redact_transcript(named(transcript, seed)))
        return sum(1 for _ in store.sessions())


def named(transcript: RawSession, seed: int) -> RawSession:
    """The session under a name that no other history has: they are all numbered from one."""
    name = f"{seed}-{transcript.session.provider_session_id}"
    mine = derive_id("ses", name)
    session = msgspec.structs.replace(transcript.session, id=mine, provider_session_id=name, record_hashes=(mine,))
    events = [
        msgspec.structs.replace(event, id=f"{mine}/{event.sequence}", session_id=mine) for event in transcript.events
    ]
    return Transcript(session, tuple(events))


def run(folder: Path, workers: Workers) -> tuple[float, bytes, int]:
    """Seconds of one run into a copy of the workspace, what it stored, and how many repositories it decided."""
    with tempfile.TemporaryDirectory() as copy:
        workspace = Path(copy) / "workspace"
        shutil.copytree(folder / "workspace", workspace)
        with Store.open(workspace) as store:
            began = time.perf_counter()
            every = compute_below(store, folder / "src", workers=workers)
            took = time.perf_counter() - began
            assert not every.failed, [str(row.error) for row in every.failed]
            return took, stored(store), len(every.summaries)


def report(repositories: int, scenarios: int, jobs: int) -> str:
    """The section of docs/benchmarks.md."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sessions = make(folder, repositories, scenarios)
        load = os.getloadavg()[0]
        alone, same, decided = run(folder, Workers())
        rows = [("one after the other", alone, "")]
        for count in (2, jobs):
            took, found, _ = run(folder, Workers(jobs=count))
            rows.append((f"`--jobs {count}`", took, "yes" if found == same else "NO"))
        if find_spec("ray"):
            os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
            import ray

            began = time.perf_counter()
            ray.init(
                address="local", num_cpus=jobs, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
            )
            start = time.perf_counter() - began
            for turn in ("first run", "again, workers warm"):
                took, found, _ = run(folder, Workers(ray="auto"))
                rows.append((f"Ray, {jobs} workers, {turn}", took, "yes" if found == same else "NO"))
            rows.append((f"Ray {ray.__version__}, its own start", start, ""))
            ray.shutdown()
        again, _, _ = run(folder, Workers())
        rows.append(("one after the other, once more", again, ""))
        end = os.getloadavg()[0]
    return "\n".join(
        [
            _BEGIN,
            f"Measured {datetime.now(UTC):%Y-%m-%d}, {platform.machine()} {platform.system()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}: {decided} generated repositories with {sessions} sessions; load "
            f"{load:.1f} at the start, {end:.1f} at the end. Seconds of the wall clock.",
            "",
            "| | seconds | times as fast | the same bytes |",
            "|---|---|---|---|",
            *(
                f"| {what} | {took:.1f} | {'' if 'start' in what else f'{alone / took:.2f}'} | {equal} |"
                for what, took, equal in rows
            ),
            _END,
            "",
        ]
    )


def main() -> None:
    """Parse, measure, print, and write the section where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=8, help="generated repositories (default: 8)")
    parser.add_argument("--scenarios", type=int, default=24, help="scenarios in each (default: 24)")
    parser.add_argument("--jobs", type=int, default=4, help="workers (default: 4)")
    parser.add_argument("--write", type=Path, help="replace the section in this file")
    given = parser.parse_args()
    text = report(given.repositories, given.scenarios, given.jobs)
    print(text)
    if given.write:
        old = given.write.read_text()
        start, end = old.index(_BEGIN), old.index(_END) + len(_END) + 1
        given.write.write_text(old[:start] + text + old[end:])


if __name__ == "__main__":
    main()
