"""Test runs out of commands: which runner, how many tests passed, and whether the run was green.

The runner is known from the command (`pytest -q`, `python -m unittest`, `go test ./...`) or, behind a task runner
(`make`, `mise`, `npm`, a script), from the shape of the output. pytest, unittest and go test are counted; other
runners get a name and a verdict only. A count is None where the output does not state it: `go test` without `-v`
never says how many tests passed, and output that went through `head` or `grep` may have lost lines.
"""

from __future__ import annotations

import re

from golddiff.record.importers.shell import SimpleCommand, simple_commands
from golddiff.types import TestRun

_TASK_RUNNERS = frozenset(
    {"make", "mise", "just", "task", "tox", "nox", "npm", "pnpm", "yarn", "bun", "rake", "bazel", "gradle", "ninja"}
)
_OTHER = {
    "vitest": "vitest", "jest": "jest", "mocha": "mocha", "playwright": "playwright", "rspec": "rspec",
    "phpunit": "phpunit", "ctest": "ctest", "tox": "tox", "nox": "nox", "gotestsum": "gotestsum",
}  # fmt: skip
_SUBCOMMANDS = {
    ("cargo", "test"): "cargo test", ("cargo", "nextest"): "cargo test", ("bun", "test"): "bun test",
    ("deno", "test"): "deno test", ("dotnet", "test"): "dotnet test", ("mvn", "test"): "mvn test",
    ("swift", "test"): "swift test", ("node", "--test"): "node --test",
}  # fmt: skip
_PYTEST_WORD = r"\d{1,9} (?:failed|passed|skipped|deselected|xfailed|xpassed|warnings?|errors?|rerun|subtests passed)"
_PYTEST_SUMMARY = re.compile(
    rf"^=* ?(?:no tests ran|{_PYTEST_WORD}(?:, {_PYTEST_WORD})*) in \d+(?:\.\d+)?s(?: \([\d:.a-z, ]+\))? ?=*\s*$",
    re.MULTILINE,
)
_UNITTEST_RAN = re.compile(r"^Ran (\d{1,9}) tests? in [\d.]+s\s*$", re.MULTILINE)
_UNITTEST_VERDICT = re.compile(r"^(OK|FAILED|NO TESTS RAN)(?: \(([^)]*)\))?\s*$", re.MULTILINE)
_GO_PACKAGE = re.compile(r"^(?:\[[\w:-]+\] )?(ok|FAIL|---)\s*\t\S+", re.MULTILINE)
_GO_TEST = re.compile(r"^(?:\[[\w:-]+\] )?--- (PASS|FAIL|SKIP): ", re.MULTILINE)
_GO_BROKEN = re.compile(r"\[(?:build|setup) failed\]")
_GO_EVENT = re.compile(
    r'^\{"Time":[^\n]{0,200}?"Action":"(pass|fail|skip)",[^\n]{0,1000}?"Test":"([^"/\n]+)"', re.MULTILINE
)
_GO_FAIL_LINE = re.compile(r"^(?:\[[\w:-]+\] )?(?:FAIL(?:\s|$)|panic: )", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def find_test_run(command: str, output: str, exit_code: int | None, failed: bool | None) -> TestRun | None:
    """Return what a command's tests reported, or None where it ran none.

    `failed` is the client's word on the command where it gives no exit code: True, False, or None if it has none.
    """
    run, framework = _runner(command, output)
    if run is None:
        return None
    ended_well = exit_code == 0 if exit_code is not None else (None if failed is None else not failed)
    if run.piped:
        ended_well = None  # the verdict of `tail`, not of the tests
    if "\x1b[" in output:
        output = _ANSI.sub("", output)
    if framework == "pytest":
        return _pytest(output, ended_well)
    if framework == "unittest":
        return _unittest(output, ended_well)
    if framework == "go test":
        return _go_test(run, output, ended_well)
    return TestRun(framework=framework, success=ended_well)


def _runner(command: str, output: str) -> tuple[SimpleCommand | None, str]:
    behind = None
    for run in simple_commands(command):
        framework = _framework(run)
        if framework is not None:
            return run, framework
        script = run.words[0].endswith(".sh") or (run.program.startswith("python") and len(run.words) > 1)
        if behind is None and (script or run.program in _TASK_RUNNERS):
            behind = run
    if behind is not None:
        if _PYTEST_SUMMARY.search(output):
            return behind, "pytest"
        if _UNITTEST_RAN.search(output):
            return behind, "unittest"
        if _GO_PACKAGE.search(output) or _GO_TEST.search(output):
            return behind, "go test"
    return None, ""


def _framework(run: SimpleCommand) -> str | None:
    program, words = run.program, run.words
    if program in ("pytest", "py.test"):
        return None if {"--version", "--help", "-h", "--collect-only", "--co"} & set(words) else "pytest"
    if program == "unittest":
        return "unittest"
    if program.startswith("python") and len(words) > 2 and words[1].endswith("manage.py") and words[2] == "test":
        return "unittest"
    if program == "go" and len(words) > 1 and words[1] == "test":
        return None if {"-c", "-list"} & set(words) else "go test"
    if program in _OTHER:
        return _OTHER[program]
    return _SUBCOMMANDS.get((program, words[1])) if len(words) > 1 else None


def _pytest(output: str, ended_well: bool | None) -> TestRun:
    summary = None
    for match in _PYTEST_SUMMARY.finditer(output):
        summary = match[0]
    if summary is None:
        return TestRun(framework="pytest", success=ended_well)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", summary.split(" in ")[0])}
    failed = counts.get("failed", 0)
    errors = counts.get("errors", counts.get("error", 0))
    passed = counts.get("passed", 0) + counts.get("xpassed", 0)
    success = failed == 0 and errors == 0 and passed + counts.get("xfailed", 0) > 0
    return TestRun(
        framework="pytest",
        passed=passed,
        failed=failed,
        skipped=counts.get("skipped", 0) + counts.get("xfailed", 0),
        errors=errors,
        success=success and ended_well is not False,
    )


def _unittest(output: str, ended_well: bool | None) -> TestRun:
    ran = None
    for ran in _UNITTEST_RAN.finditer(output):  # noqa: B007 - the last one counts
        pass
    verdict = _UNITTEST_VERDICT.search(output, ran.end()) if ran else None
    if ran is None or verdict is None:
        return TestRun(framework="unittest", success=ended_well)
    counts = {name.strip(): int(number) for name, number in re.findall(r"([a-z ]+)=(\d{1,9})", verdict[2] or "")}
    failed = counts.get("failures", 0) + counts.get("unexpected successes", 0)
    errors = counts.get("errors", 0)
    skipped = counts.get("skipped", 0) + counts.get("expected failures", 0)
    return TestRun(
        framework="unittest",
        passed=max(0, int(ran[1]) - failed - errors - skipped),
        failed=failed,
        skipped=skipped,
        errors=errors,
        success=verdict[1] == "OK" and ended_well is not False,
    )


def _go_test(run: SimpleCommand, output: str, ended_well: bool | None) -> TestRun:
    verdicts = [match[1].lower() for match in _GO_TEST.finditer(output)]
    verdicts += [match[1] for match in _GO_EVENT.finditer(output)]
    broken = len(_GO_BROKEN.findall(output))
    packages = [match[1] for match in _GO_PACKAGE.finditer(output)]
    red = "fail" in verdicts or "FAIL" in packages or broken > 0 or _GO_FAIL_LINE.search(output) is not None
    if red:
        success: bool | None = False
    elif run.piped:
        success = True if "ok" in packages else None
    else:
        success = ended_well
    every_test_listed = not run.piped and ("pass" in verdicts or "=== RUN" in output)
    whole = not run.piped and (packages or verdicts or success)
    return TestRun(
        framework="go test",
        passed=verdicts.count("pass") if every_test_listed else None,
        failed=verdicts.count("fail") if whole or red else None,
        skipped=verdicts.count("skip") if every_test_listed else None,
        errors=broken if whole or red else None,
        success=success,
    )
