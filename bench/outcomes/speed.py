"""How fast, how exact and how large is following every line? One command:

    python -m bench.outcomes.speed --repo click=PATH --repo datasette=PATH [--large aider=PATH]
                                   [--peers PYTHON] [--seeds N] [--write FILE]

The first repository is the one that the peers read too: PyDriller for text and hunks, git-of-theseus (weekly) for
survival; `--peers` is a Python that has both. All figures are CPU seconds of the process and its children, measured
one after the other on the same machine, so that ratios hold under load. Agreement is with `git blame` (default options)
at the tip, line by line, over every text file. `--large` shows growth, memory and the cost of one more commit.
Nothing of a repository is written, except clones for the peers in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from bench.outcomes.lives import MODES, measure

from golddiff.git import GitRepository
from golddiff.git.parsing import path_text
from golddiff.outcomes.survival import follow
from golddiff.outcomes.survival.kept import follow_on

_BEGIN, _END = "<!-- bench/outcomes/speed begin -->", "<!-- bench/outcomes/speed end -->"
_NEWEST = 9
"""Commits that are followed one by one to see what one more costs; the median is shown."""
_PYDRILLER = """
import os, sys
from pydriller import Repository
commits = size = 0
for commit in Repository(sys.argv[1]).traverse_commits():
    if not commit.merge:
        commits += 1
        for file in commit.modified_files:
            size += len(file.source_code or "") + len(file.source_code_before or "") + len(file.diff)
print(commits, sum(os.times()[:4]))
"""


def cpu_sec() -> float:
    """CPU seconds of this process and its finished children so far."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]  # to the microsecond
    return sum(one.ru_utime + one.ru_stime for one in both)


def one_pass(path: str, tip: str, mode: str) -> dict[str, float]:
    """One whole pass in a process of its own."""
    command = [sys.executable, "-m", "bench.outcomes.speed", "--pass", path, tip, mode]
    return dict(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


def _most_memory() -> float:
    """Most resident memory of this program in MiB (`getrusage` would count what it was started from)."""
    return next(
        int(line.split()[1]) / 1024 for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )


def _pass(path: str, tip: str, mode: str) -> None:
    with GitRepository.open(path) as git:
        before = cpu_sec()
        found = follow(git, tip, carry=MODES[mode])
        took = cpu_sec() - before
    print(
        json.dumps(
            {
                "cpu": took,
                "rss_mib": _most_memory(),
                "commits": len(found.commits),
                "lines": len(found.ledger.length),
                "hunks": len(found.ledger.block_first),
                "changed": len(found.ledger.length) + sum(at >= 0 for at in found.ledger.ended),
                "left_out": len(found.left_out),
            }
        )
    )


def agreement(path: str) -> dict[str, float]:
    """Share of lines at the tip whose commit is the one that blame names."""
    with GitRepository.open(path) as git:
        tip = str(git.resolve("HEAD"))
        found = follow(git, tip)
        lines = same = files = 0
        before = cpu_sec()
        for name, file in found.files.items():
            if not file.numbers:
                continue
            out = git.output(["blame", "-s", "-l", "--root", tip, "--", path_text(name)]) or b""
            blamed = [line[:40].decode() for line in out.splitlines()]
            ledger = found.ledger
            mine = [found.commits[ledger.block_commit[ledger.block_of(number)]].sha for number in file.numbers]
            assert len(mine) == len(blamed), name
            files += 1
            lines += len(mine)
            same += sum(one == other for one, other in zip(mine, blamed, strict=True))
        return {"files": files, "lines": lines, "same": same, "blame_cpu": cpu_sec() - before}


def one_more(path: str, mode: str) -> tuple[float, float, float, float]:
    """One more mainline commit, from a pass that was kept: median CPU and wall seconds, least and most CPU seconds.

    Each in a process of its own, as it is when somebody asks after a commit; the process's start is not counted.
    """
    with GitRepository.open(path) as git, tempfile.TemporaryDirectory() as folder:
        tips = (git.output(["rev-list", "--first-parent", f"-n{_NEWEST + 1}", "HEAD"]) or b"").decode().split()[::-1]
        took, lasted = [], []
        for tip in tips:
            command = [sys.executable, "-m", "bench.outcomes.speed", "--more", path, tip, mode, folder + "/kept"]
            one = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            took.append(one["cpu"])
            lasted.append(one["wall"])
    return sorted(took[1:])[_NEWEST // 2], sorted(lasted[1:])[_NEWEST // 2], min(took[1:]), max(took[1:])


def _more(path: str, tip: str, mode: str, kept: str) -> None:
    with GitRepository.open(path) as git:
        before, began = cpu_sec(), time.perf_counter()
        follow_on(git, tip, Path(kept), carry=MODES[mode], mode=mode)
        print(json.dumps({"cpu": cpu_sec() - before, "wall": time.perf_counter() - began}))


def extraction(path: str, *, texts: bool) -> tuple[int, float]:
    """Commits that are no merges, and the CPU seconds to read their hunks, with `texts` every file's whole text too."""
    with GitRepository.open(path) as git:
        graph = git.graph([str(git.resolve("HEAD"))])
        shas = [sha for sha, parents in graph.items() if len(parents) < 2]
        before = cpu_sec()
        blobs: dict[str, None] = {}
        for _, files in git.changes(shas):
            if texts:
                for file in files:
                    blobs |= {file.old_blob: None, file.new_blob: None}
        if texts:
            wanted = "".join(f"{blob}\n" for blob in blobs if blob.strip("0")).encode()
            git.output(["cat-file", "--batch", "--buffer"], stdin=wanted)
        return len(shas), cpu_sec() - before


def peers(path: str, python: Path, folder: Path) -> dict[str, Any]:
    """What PyDriller and git-of-theseus need."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", path, str(clone)], check=True)
    branch = subprocess.run(
        ["git", "-C", str(clone), "symbolic-ref", "--short", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    out = subprocess.run([python, "-c", _PYDRILLER, str(clone)], capture_output=True, text=True, check=True).stdout
    before = cpu_sec()
    program = [
        str(python.with_name("git-of-theseus-analyze")),
        str(clone),
        "--branch",
        branch,
        "--procs",
        "1",
        "--quiet",
    ]
    subprocess.run([*program, "--outdir", str(folder)], capture_output=True, check=True)
    versions = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
    ).stdout
    known = {row["name"].lower(): row["version"] for row in json.loads(versions)}
    return {
        "commits": int(out.split()[0]),
        "pydriller": float(out.split()[1]),
        "theseus": cpu_sec() - before,
        "versions": f"PyDriller {known.get('pydriller')}, git-of-theseus {known.get('git-of-theseus')}",
    }


# ------------------------------------------------------------------------------------------------------------ report


class Rows(list[str]):
    """The report line by line; each is shown on standard error when it is measured."""

    def __init__(self, rows: Iterable[str] = ()) -> None:
        super().__init__()
        self += rows

    def append(self, row: str) -> None:
        """Add one and show it."""
        super().append(row)
        print(row, file=sys.stderr, flush=True)

    def __iadd__(self, rows: Iterable[str]) -> Self:  # type: ignore[override,misc]
        for row in rows:
            self.append(row)
        return self


def report(repositories: dict[str, str], large: tuple[str, str] | None, python: Path | None, seeds: int) -> str:
    """The section of docs/benchmarks.md."""
    now = datetime.now(UTC)
    load = os.getloadavg()[0]
    git_version = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    rows = Rows()
    rows += [
        _BEGIN,
        f"Measured {now:%Y-%m-%d} on {platform.machine()} {platform.system()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {git_version}; load at the start {load:.1f}. CPU seconds throughout.",
        "",
        "**Agreement with `git blame`** (exact mode, every text file at the tip)",
        "",
        "| repository | commits | files | lines | the same commit | pass | blame of the tip alone |",
        "|---|---|---|---|---|---|---|",
    ]
    differing = 0
    for name, path in repositories.items():
        tip = _tip(path)
        done, exact = agreement(path), one_pass(path, tip, "exact")
        differing += int(done["lines"] - done["same"])
        rows.append(
            f"| {name} | {exact['commits']:,.0f} | {done['files']:,.0f} | {done['lines']:,.0f} | "
            f"{done['same']:,.0f} ({done['same'] / done['lines']:.3%}) | {exact['cpu']:.2f} | {done['blame_cpu']:.1f} |"
        )
    rows += ["", f"{differing:,} lines differ." if differing else "No line differs, so there is none to explain."]
    first = next(iter(repositories))
    rows += ["", f"**Against others** ({first})", "", "| task | tool | CPU s | ratio |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        other = peers(repositories[first], python, Path(folder)) if python else None
    commits, hunks = extraction(repositories[first], texts=False)
    _, texts = extraction(repositories[first], texts=True)
    again = {mode: one_pass(repositories[first], _tip(repositories[first]), mode) for mode in MODES}
    if other:
        assert other["commits"] == commits
        rows += [
            f"| hunks and whole texts, {commits:,} commits | PyDriller | {other['pydriller']:.1f} | 1 |",
            f"| hunks with their text | golddiff | {hunks:.2f} | {other['pydriller'] / hunks:.1f} |",
            f"| hunks and every file's whole text before and after | golddiff | {texts:.2f} | "
            f"{other['pydriller'] / texts:.1f} |",
            f"| survival of every line | git-of-theseus, weekly | {other['theseus']:.1f} | 1 |",
        ]
    for mode in MODES:
        ratio = f"{other['theseus'] / again[mode]['cpu']:.1f}" if other else ""
        rows.append(f"| survival of every line, {mode} | golddiff | {again[mode]['cpu']:.2f} | {ratio} |")
    extra = again["reshaped"]["cpu"] / again["exact"]["cpu"]
    rows += ["", f"The reshaped mode costs {extra:.2f} times the CPU of the exact one (git's share included in both)."]
    if other:
        rows += ["", f"{other['versions']}; both with one process."]
    if large:
        _growth(rows, *large)
    verdicts = measure(seeds)
    rows += [
        "",
        f"**Lives against a known truth** ({seeds} generated histories; lines that are not blank, each with every span "
        "in which it lived)",
        "",
        "| mode | lives | ended where the truth ends them | of lines whose text is unique |",
        "|---|---|---|---|",
    ]
    for mode, verdict in verdicts.items():
        every, alone = verdict.every, verdict.alone
        rows.append(
            f"| {mode} | {every.lives:,} | {every.right:,} ({every.right / every.lives:.2%}) | "
            f"{alone.right:,} of {alone.lives:,} ({alone.right / alone.lives:.2%}) |"
        )
    load = os.getloadavg()[0]
    rows += ["", f"All of it took {cpu_sec() / 60:.0f} minutes of CPU; load at the end {load:.1f}."]
    return "\n".join([*rows, _END, ""])


def _growth(rows: Rows, name: str, path: str) -> None:
    chain = subprocess.run(
        ["git", "-C", path, "rev-list", "--first-parent", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.split()[::-1]
    rows += ["", f"**Growth** ({name}: {len(chain):,} mainline commits)", ""]
    rows += [
        "| up to mainline commit | commits | lines written or ended | exact | per 1,000 changed lines | reshaped | "
        "per 1,000 | most memory (MiB) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for part in (8, 4, 2, 1):
        tip = chain[len(chain) // part - 1]
        exact, reshaped = one_pass(path, tip, "exact"), one_pass(path, tip, "reshaped")
        rows.append(
            f"| {len(chain) // part:,} | {exact['commits']:,.0f} | {exact['changed']:,.0f} | {exact['cpu']:.2f} | "
            f"{1e6 * exact['cpu'] / exact['changed']:.1f} ms | {reshaped['cpu']:.2f} | "
            f"{1e6 * reshaped['cpu'] / reshaped['changed']:.1f} ms | {reshaped['rss_mib']:.0f} |"
        )
    more = one_more(path, "reshaped")
    rows += [
        "",
        f"One more commit, from the kept pass (reshaped, median of {_NEWEST}, with git): {1000 * more[0]:.0f} ms of "
        f"CPU ({1000 * more[2]:.0f} to {1000 * more[3]:.0f}), {1000 * more[1]:.0f} ms in all.",
    ]


def _tip(path: str) -> str:
    with GitRepository.open(path) as git:
        return str(git.resolve("HEAD"))


def main() -> None:
    """Parse, measure, print, and write the section where asked."""
    if sys.argv[1:2] == ["--pass"]:
        _pass(*sys.argv[2:])
        return
    if sys.argv[1:2] == ["--more"]:
        _more(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", action="append", required=True, metavar="NAME=PATH", help="repository to read")
    parser.add_argument("--large", metavar="NAME=PATH", help="repository that shows growth, memory and one more commit")
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="a Python that has PyDriller and git-of-theseus")
    parser.add_argument("--seeds", type=int, default=16, help="generated histories (default: 16)")
    parser.add_argument("--write", type=Path, help="replace the section in this file")
    given = parser.parse_args()
    repositories: dict[str, Any] = dict(item.split("=", 1) for item in given.repo)
    large = tuple(given.large.split("=", 1)) if given.large else None
    began = time.perf_counter()
    text = report(repositories, large, given.peers, given.seeds)
    print(text)
    print(f"took {time.perf_counter() - began:.0f} s", file=sys.stderr)
    if given.write:
        old = given.write.read_text()
        start, end = old.index(_BEGIN), old.index(_END) + len(_END) + 1
        given.write.write_text(old[:start] + text + old[end:])


if __name__ == "__main__":
    main()
