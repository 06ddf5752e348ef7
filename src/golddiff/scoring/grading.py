"""Grades changes by a repository's own tests, so that tampering with the tests does not pay.

How it fits: whatever builds tasks makes a `Suite` and lets `Grader.confirm` check it on the accepted change; whatever
evaluates arms calls `Grader.grade`. docs/sandbox.md describes both and what is promised.

A candidate is refused where it is not `admissible`. What it does to test files is ignored: those of the suite stand in
their place. What it does to test configuration never takes part. pytest starts in a warm sandbox of the suite's own
(`pytest_run`), with canaries among its tests (`canaries`). Every verdict is made here, from what only this process
knows: which ids must pass, and which must not. A test passes if it ran to its end; a run counts if every canary did
what it had to.

A failure of our own machinery (no sandbox, no pytest, a tree that cannot be copied) is `Unscored`, never a 0.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from golddiff.errors import SandboxError
from golddiff.git.worktree import read_below
from golddiff.patch import PatchError
from golddiff.sandbox.contract import Batch, Domain, Ending, Job, Result, Sandbox
from golddiff.scoring import admissible, canaries
from golddiff.scoring.executed import ENDINGS, Kind, Unscored
from golddiff.scoring.suite import Mutant, Suite, check_suite, is_test, snapshot

__all__ = ["Candidate", "Grade", "Grader"]

Candidate = str | Mapping[str, str | None]
"""A unified diff, or the new texts of files (None: deleted)."""

_MOST_FILE_BYTES = 8_000_000
_MUTANTS_PER_RUN = 8
_MUTANTS_PER_CONFIRMATION = 60
_PREPARE = """
import importlib, site
import pytest, _pytest.config
for name in (*["_pytest." + name for name in _pytest.config.default_plugins], *{plugins!r}):
    importlib.import_module(name)
site.setquit(), site.sethelper(), site.setcopyright()
import _pytest._code.code, _pytest._io.terminalwriter, asyncio, bdb, cmd, code, colorsys, ctypes, email
import concurrent.futures, faulthandler, getpass, pdb, readline
import glob, hashlib, html, http, importlib.metadata, importlib.resources, json, locale, logging, pprint, queue, secrets
import sqlite3, subprocess, tempfile, urllib.parse, urllib.request, uuid, xml, zipfile, zoneinfo
"""
_PROGRAM = Path(__file__).with_name("pytest_run.py")


class Grade(msgspec.Struct, frozen=True, kw_only=True):
    """How one candidate did on one suite."""

    kind: Kind
    tests: dict[str, str]
    """Expected id → `passed`, `failed`, `skipped` or `missing`; all `missing` where nothing counts."""
    detail: str = ""
    """Why, in words; may quote the untrusted program, cut."""
    seconds: float = 0.0
    cpu_sec: float = 0.0
    """Of the run inside the sandbox; 0 where nothing was run."""

    @property
    def passed(self) -> bool:
        """Whether every expected test passed and nothing was bent."""
        return self.kind is Kind.PASSED


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one run claims, with what was planted for it."""

    outcomes: dict[str, str] = {}
    details: dict[str, str] = {}
    collection: dict[str, str] = {}
    planted: Mapping[str, canaries.Planted] = {}
    kind: Kind | None = None
    """Why the run as a whole does not count, where it does not."""
    said: str = ""
    seconds: float = 0.0
    cpu_sec: float = 0.0

    def of(self, file: str, name: str) -> set[str]:
        """Outcomes of one function of a file, over its parameters."""
        identity = "::".join([file, *name.split(".")])
        return {end for test, end in self.outcomes.items() if test == identity or test.startswith(f"{identity}[")}

    def passes(self, file: str, name: str) -> bool:
        return self.of(file, name) == {"passed"}

    def fails(self, file: str, name: str) -> bool:
        ends = self.of(file, name)
        return "failed" in ends and "passed" not in ends

    def real(self) -> dict[str, str]:
        """Outcomes by the ids that the tests had before they were renamed; others of those names do not count."""
        found = {}
        for identity, end in self.outcomes.items():
            file, _, names = identity.partition("::")
            planted = self.planted.get(file)
            bare, bracket, parameters = names.partition("[")
            *owners, name = bare.split("::")
            if planted and name in planted.renamed:
                found["::".join([file, *owners, planted.renamed[name]]) + bracket + parameters] = end
            elif not planted or name not in planted.renamed.values():
                found[identity] = end
        return found


class _NotLaidOut(Unscored, frozen=True):
    """A run that says that its tests could not begin."""


_Work = tuple[Suite, Candidate, Sequence[Mutant] | None]


class Grader:
    """Grades candidates in a sandbox. `seed` makes names and choices of canaries repeatable, for tests only."""

    def __init__(self, sandbox: Sandbox, *, seed: int | None = None) -> None:
        self._sandbox = sandbox
        self._chance: random.Random = random.Random(seed) if seed is not None else random.SystemRandom()  # noqa: S311

    def describe(self) -> str:
        """Return what a record of an evaluation names as its harness."""
        return f"pytest with canaries in {self._sandbox.describe()}"

    def grade(self, work: Sequence[tuple[Suite, Candidate]]) -> list[Grade | Unscored]:
        """Grade every candidate on its suite, in order; runs of one suite share a warm interpreter.

        Raises InputError for a suite that cannot be graded at all. Nothing that a candidate does raises.
        """
        runs = self._run([(suite, candidate, self._choice(suite)) for suite, candidate in work])
        return [
            run if isinstance(run, Unscored) else _judged(suite, run)
            for (suite, _), run in zip(work, runs, strict=True)
        ]

    def outcomes(self, suite: Suite, candidate: Candidate) -> dict[str, str] | Unscored:
        """Return how every test of the suite's files ended, expected or not: `passed`, `failed` or `skipped`.

        For building tasks: nothing is planted and nothing is judged.
        """
        (found,) = self.all_outcomes([(suite, candidate)])
        return found

    def all_outcomes(self, work: Sequence[tuple[Suite, Candidate]]) -> list[dict[str, str] | Unscored]:
        """Return what `outcomes` does for every pair, in order; suites of one tree share a warm sandbox."""
        return [
            run if isinstance(run, Unscored) else Unscored(f"{run.kind}: {run.said}") if run.kind else run.outcomes
            for run in self._run([(suite, candidate, None) for suite, candidate in work])
        ]

    def confirm(self, work: Sequence[tuple[Suite, Candidate]], *, times: int = 3) -> list[Suite | Unscored]:
        """Return each suite with the mutants that work on its accepted change, or why it cannot decide anything.

        The accepted change must pass every expected test every time, the unchanged tree must not, and canaries among
        the tests must do what they have to. A suite that is flaky is named so and is to be quarantined.
        """
        found: list[Suite | Unscored | None] = [None] * len(work)
        plain = [(suite, candidate, None) for suite, accepted in work for candidate in (*[accepted] * times, {})]
        runs = self._run(plain)
        tries: dict[int, list[list[Mutant]]] = {}
        for index, (suite, _) in enumerate(work):
            *golds, base = runs[index * (times + 1) : (index + 1) * (times + 1)]
            reason, fixed = _usable(suite, golds, base)
            if reason:
                found[index] = Unscored(reason)
            else:
                tries[index] = [_worth_trying(suite, fixed), _worth_trying(suite, fixed, only=True), []]
        while tries:
            tried = {index: left.pop(0) for index, left in tries.items()}
            planted = self._run([(*work[index], mutants) for index, mutants in tried.items()])
            suites = {
                index: msgspec.structs.replace(work[index][0], mutants=_working(mutants, run))
                for (index, mutants), run in zip(tried.items(), planted, strict=True)
            }
            whole = {index for index, run in zip(tried, planted, strict=True) if _undisturbed(work[index][0], run)}
            again = self.grade([(suites[index], work[index][1]) for index in sorted(whole)])
            for index, grade in zip(sorted(whole), again, strict=True):
                if isinstance(grade, Grade) and grade.passed:
                    found[index] = suites[index]
                    del tries[index]
            for index, run in zip(tried, planted, strict=True):
                if isinstance(run, Unscored):
                    found[index] = run
                    del tries[index]
            for index in [index for index, left in tries.items() if not left]:
                found[index] = Unscored("planted tests disturb its tests, or are not run like them")
                del tries[index]
        return [suite for suite in found if suite is not None]

    # ---------------------------------------------------------------------------------------------------- running

    def _run(self, work: Sequence[_Work]) -> list[_Run | Unscored]:
        """Run every candidate. With mutants, however few, canaries are planted; with None nothing is.

        That a tree could not be laid out is said by the untrusted side: it is our failure where the same holds without
        the candidate.
        """
        runs = self._run_once(work)
        doubted = [index for index, run in enumerate(runs) if isinstance(run, _NotLaidOut)]
        again = self._run_once([one for index in doubted for one in (work[index], (work[index][0], {}, None))])
        for index, run, unchanged in zip(doubted, again[::2], again[1::2], strict=True):
            if isinstance(run, _NotLaidOut) and not isinstance(unchanged, Unscored):
                run = _Run(kind=Kind.REFUSED, said=f"with its files {run.reason}")
            runs[index] = run
        return runs

    def _run_once(self, work: Sequence[_Work]) -> list[_Run | Unscored]:
        domains: dict[tuple[object, ...], list[int]] = {}
        runs: list[_Run | Unscored | None] = [None] * len(work)
        jobs: dict[int, tuple[Job, Mapping[str, canaries.Planted]]] = {}
        for index, (suite, candidate, mutants) in enumerate(work):
            check_suite(suite)
            try:
                jobs[index] = self._job(suite, candidate, mutants)
            except PatchError as problem:
                runs[index] = _Run(kind=Kind.REFUSED, said=str(problem))
            else:
                shared = (suite.tree, suite.packages, suite.plugins, msgspec.structs.astuple(suite.limits))
                domains.setdefault(shared, []).append(index)
        with tempfile.TemporaryDirectory(prefix="golddiff-") as folder:
            batches = []
            for number, indices in enumerate(domains.values()):
                suite = work[indices[0]][0]
                tree = Path(folder) / str(number)
                domain, lacking = _domain(suite, tree)
                if lacking:
                    runs = [Unscored(lacking) if index in indices else run for index, run in enumerate(runs)]
                    indices.clear()
                else:
                    snapshot(suite.tree, tree)
                batches.append(Batch(jobs=[jobs[index][0] for index in indices], domain=domain, limits=suite.limits))
            ended = self._sandbox.run_batches(batches)
        for indices, results in zip(domains.values(), ended, strict=True):
            for place, index in enumerate(indices):
                failed = isinstance(results, SandboxError)
                runs[index] = Unscored(str(results)) if failed else _read(results[place], jobs[index][1])  # type: ignore[index]
        return [run for run in runs if run is not None]

    def _job(
        self, suite: Suite, candidate: Candidate, mutants: Sequence[Mutant] | None
    ) -> tuple[Job, dict[str, canaries.Planted]]:
        """Return the job, with what is planted by test file. Raises PatchError where the candidate is refused."""
        changed = _changed(suite, candidate)
        files: dict[str, bytes | None] = {
            path: None if text is None else text.encode("utf-8", "surrogateescape") for path, text in changed.items()
        }
        files.update(suite.protected)
        planted = {}
        if mutants is not None:
            for file in suite.files:
                data = _trusted(suite, file)
                here = [mutant for mutant in mutants if mutant.file == file]
                found = canaries.plant(data, here, self._chance) if data is not None else None
                if found:
                    planted[file], files[file] = found, found.data
        order = {
            "files": {path: None if data is None else base64.b64encode(data).decode() for path, data in files.items()},
            "tests": suite.files,
            "import_from": suite.import_from,
            "packages": [f"/site/{number}" for number in range(max(1, len(suite.packages)))],
            "plugins": suite.plugins,
        }
        return Job(_PROGRAM.read_text(encoding="utf-8"), json.dumps(order)), planted

    def _choice(self, suite: Suite) -> list[Mutant]:
        """Draw mutants: most of them from the first ones, which are of the tests that the change is about."""
        first, rest = list(suite.mutants[: 2 * _MUTANTS_PER_RUN]), list(suite.mutants[2 * _MUTANTS_PER_RUN :])
        chosen = self._chance.sample(first, min(len(first), _MUTANTS_PER_RUN - 2))
        return chosen + self._chance.sample(rest, min(len(rest), 2))


def _changed(suite: Suite, candidate: Candidate) -> dict[str, str | None]:
    """Return the files that take part, by path. Raises PatchError with the reason of a refusal."""
    allowed = suite.allowed | suite.protected.keys()
    if isinstance(candidate, str):
        changed = (
            admissible.files_after(candidate, lambda path: _text(suite, path), allowed=allowed) if candidate else {}
        )
    else:
        changed = dict(candidate)
        reason = admissible.refusal(changed, allowed=allowed)
        if reason:
            raise admissible.Inadmissible(f"{reason}.")
    for path in changed:
        if _behind_link(suite.tree, path):
            raise admissible.Inadmissible(f"{path!r} is, or lies behind, a link of the tree.")
    own = {path for path in changed if is_test(path) or path in suite.protected or admissible.configures_tests(path)}
    return {path: text for path, text in changed.items() if path not in own}


def _text(suite: Suite, path: str) -> str | None:
    data = read_below(suite.tree, path, _MOST_FILE_BYTES)
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _trusted(suite: Suite, path: str) -> bytes | None:
    return suite.protected[path] if path in suite.protected else read_below(suite.tree, path, _MOST_FILE_BYTES)


def _behind_link(tree: Path, path: str) -> bool:
    place = tree
    for part in path.split("/"):
        place = place / part
        if place.is_symlink():
            return True
    return False


def _domain(suite: Suite, tree: Path) -> tuple[Domain, str]:
    """Return what the suite's runs share, and why they cannot be run, where they cannot."""
    packages = suite.packages or _own_packages()
    if not packages:
        return Domain(), "pytest is not installed: name folders of packages that hold it, or run: pip install pytest"
    places = {f"/site/{number}": folder for number, folder in enumerate(packages)}
    missing = next((folder for folder in packages if not folder.is_dir()), None)
    if missing:
        return Domain(), f"the folder of packages {missing} does not exist"
    return Domain(
        readable={"/tree": tree, **places}, path=tuple(places), prepare=_PREPARE.format(plugins=suite.plugins)
    ), ""


def _own_packages() -> tuple[Path, ...]:
    found = importlib.util.find_spec("pytest")
    return (Path(found.origin).parents[1],) if found and found.origin else ()


def _read(result: Result, planted: Mapping[str, canaries.Planted]) -> _Run | Unscored:
    run = _claim(result, planted)
    if isinstance(run, Unscored):
        return run
    return msgspec.structs.replace(run, seconds=result.seconds, cpu_sec=result.cpu_sec)


def _claim(result: Result, planted: Mapping[str, canaries.Planted]) -> _Run | Unscored:
    """Take in what a run printed. It is a claim of the untrusted side: of the right shape, or the run is no good."""
    if result.ending is not Ending.OK:
        return _Run(kind=ENDINGS[result.ending], said=result.reason)
    said = result.stderr.decode("utf-8", "replace").strip()[-400:]
    if result.exit_code != 0:
        return _Run(kind=Kind.RAISED, said=said or f"exit code {result.exit_code}")
    try:
        claim: dict[str, Any] = json.loads(result.stdout)
        if isinstance(claim, dict) and isinstance(claim.get("setup"), str):
            return _NotLaidOut(f"the tree could not be laid out in the sandbox: {claim['setup'][:400]}")
        parts = [msgspec.convert(claim[name], dict[str, str]) for name in ("outcomes", "details", "collection")]
    except (ValueError, RecursionError, KeyError, TypeError):
        return _Run(kind=Kind.NOT_JSON, said="what the run reported is not a report")
    return _Run(outcomes=parts[0], details=parts[1], collection=parts[2], planted=planted)


# -------------------------------------------------------------------------------------------------------- judging


def _judged(suite: Suite, run: _Run) -> Grade:
    return msgspec.structs.replace(_verdict(suite, run), seconds=run.seconds, cpu_sec=run.cpu_sec)


def _verdict(suite: Suite, run: _Run) -> Grade:
    if run.kind:
        return Grade(kind=run.kind, tests=dict.fromkeys(suite.expected, "missing"), detail=run.said)
    ends = run.real()
    tests = {identity: ends.get(identity, "missing") for identity in suite.expected}
    bent = _bent(run)
    if bent:
        return Grade(kind=Kind.TAMPERED, tests=dict.fromkeys(suite.expected, "missing"), detail=bent)
    failure = _failure(suite, run)
    if failure:
        return Grade(kind=Kind.FAILED, tests=tests, detail=failure)
    unproven = next((file for file, planted in run.planted.items() if not _proven(run, file, planted)), None)
    if unproven or not run.planted:
        said = f"planted tests of {unproven or 'its files'} did not run as they must"
        return Grade(kind=Kind.TAMPERED, tests=tests, detail=said)
    return Grade(kind=Kind.PASSED, tests=tests)


def _bent(run: _Run) -> str:
    """Say which test passed that had to fail."""
    for file, planted in run.planted.items():
        if "passed" in run.of(file, planted.must_fail):
            return f"a test of {file} that must fail passed"
        for name, mutant in planted.mutants.items():
            if "passed" in run.of(file, name):
                return f"{mutant.test} of {file} also passed with another expected value"
    return ""


def _proven(run: _Run, file: str, planted: canaries.Planted) -> bool:
    plain = run.fails(file, planted.must_fail) and run.passes(file, planted.must_pass)
    return plain and all(run.fails(file, name) for name in planted.mutants)


def _failure(suite: Suite, run: _Run) -> str:
    """Say which expected tests did not pass, with the first reason; empty where all did."""
    if run.kind:
        return f"{run.kind}: {run.said}"
    ends = run.real()
    bad = [identity for identity in suite.expected if ends.get(identity) != "passed"]
    if not bad:
        return ""
    reason = next((said for identity, said in run.details.items() if run.outcomes.get(identity) == "failed"), "")
    reason = next(iter(run.collection.values()), "") or reason or ends.get(bad[0], "was not run")
    return f"{len(bad)} of {len(suite.expected)} expected tests did not pass, first {bad[0]}: {reason}"


# ----------------------------------------------------------------------------------------------------- confirming


def _usable(suite: Suite, golds: Sequence[_Run | Unscored], base: _Run | Unscored) -> tuple[str, list[str]]:
    """Return why a suite cannot decide anything, and the expected ids that the accepted change made pass."""
    ours = next((run.reason for run in (*golds, base) if isinstance(run, Unscored)), "")
    if ours or isinstance(base, Unscored):
        return ours, []
    failures = [_failure(suite, run) for run in golds if isinstance(run, _Run)]
    if any(failures) and not all(failures):
        reason = next(filter(None, failures))
        return f"flaky: the accepted change passes some of {len(golds)} runs, not all ({reason})", []
    if failures[0]:
        return f"the accepted change does not pass: {failures[0]}", []
    if not _failure(suite, base):
        return "the unchanged tree passes every expected test", []
    return "", [identity for identity in suite.expected if base.outcomes.get(identity) != "passed"]


def _worth_trying(suite: Suite, fixed: Sequence[str], *, only: bool = False) -> list[Mutant]:
    """Return assertions to turn around: at most two a test, tests that the change made pass first, or `only` those."""
    chosen: list[Mutant] = []
    by_test: dict[tuple[str, str], list[Mutant]] = {}
    for file in suite.files:
        data = _trusted(suite, file)
        for mutant in canaries.mutable(file, data) if data is not None else ():
            by_test.setdefault((mutant.file, mutant.test), []).append(mutant)
    for identity in fixed if only else (*fixed, *suite.expected):
        file, *names = identity.split("[", 1)[0].split("::")
        chosen += by_test.pop((file, ".".join(names)), [])[:2]
    return chosen[:_MUTANTS_PER_CONFIRMATION]


def _working(tried: Sequence[Mutant], run: _Run | Unscored) -> tuple[Mutant, ...]:
    """Return the mutants that failed, in the order in which they were chosen."""
    planted = run.planted.items() if isinstance(run, _Run) else ()
    failing = {
        mutant
        for file, found in planted
        for name, mutant in found.mutants.items()
        if isinstance(run, _Run) and run.fails(file, name)
    }
    return tuple(mutant for mutant in tried if mutant in failing)


def _undisturbed(suite: Suite, run: _Run | Unscored) -> bool:
    """Whether every expected test still passes beside planted ones, and the plain canaries do what they must."""
    if isinstance(run, Unscored) or _failure(suite, run):
        return False
    return all(
        run.fails(file, found.must_fail) and run.passes(file, found.must_pass) for file, found in run.planted.items()
    )
