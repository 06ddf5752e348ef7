"""Test runs are found in commands and counted from their output."""

from __future__ import annotations

import pytest

from golddiff.record.importers.test_runs import find_test_run
from golddiff.types import TestRun

GO_VERBOSE = """=== RUN   TestA
--- PASS: TestA (0.00s)
=== RUN   TestB
    --- FAIL: TestB/sub (0.00s)
--- FAIL: TestB (0.01s)
=== RUN   TestC
--- SKIP: TestC (0.00s)
FAIL
FAIL\texample.com/x\t0.020s
ok  \texample.com/y\t0.010s
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("===== 3 passed, 1 skipped in 0.12s =====", (3, 0, 1, 0, True)),
        ("1 failed, 2 passed, 1 xfailed, 1 error in 12.30s", (2, 1, 1, 1, False)),
        ("2 passed, 3 warnings in 61.00s (0:01:01)", (2, 0, 0, 0, True)),
        ("==== 5 passed, 2 deselected, 1 xpassed in 1s ====", (6, 0, 0, 0, True)),
        ("==== no tests ran in 0.01s ====", (0, 0, 0, 0, False)),
        ("\x1b[32m\x1b[1m4 passed\x1b[0m\x1b[32m in 0.01s\x1b[0m", (4, 0, 0, 0, True)),
        ("1 passed in 0.1s\n--- again ---\n1 failed in 0.1s", (0, 1, 0, 0, False)),
    ],
)
def test_pytest_is_counted_from_its_last_summary(output: str, expected: tuple[int, int, int, int, bool]) -> None:
    run = find_test_run("pytest -q", output, None, None)
    assert run is not None
    assert (run.passed, run.failed, run.skipped, run.errors, run.success) == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("...\n-----\nRan 3 tests in 0.001s\n\nOK\n", (3, 0, 0, 0, True)),
        ("Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=1)\n", (1, 1, 1, 2, False)),
        ("Ran 4 tests in 0.1s\n\nOK (skipped=1, expected failures=1)", (2, 0, 2, 0, True)),
        ("Ran 2 tests in 0.1s\n\nFAILED (unexpected successes=1)", (1, 1, 0, 0, False)),
    ],
)
def test_unittest_is_counted_from_its_verdict(output: str, expected: tuple[int, int, int, int, bool]) -> None:
    run = find_test_run("python3 -m unittest discover", output, None, None)
    assert run is not None
    assert (run.passed, run.failed, run.skipped, run.errors, run.success) == expected


def test_go_test_counts_top_level_tests_where_it_lists_them() -> None:
    assert find_test_run("go test -v ./...", GO_VERBOSE, 1, None) == TestRun(
        framework="go test", passed=1, failed=1, skipped=1, errors=0, success=False
    )


def test_go_test_that_lists_no_tests_has_no_passed_count() -> None:
    assert find_test_run("go test ./...", "ok  \tx\t0.1s\n", None, False) == TestRun(
        framework="go test", failed=0, errors=0, success=True
    )


def test_go_packages_that_do_not_build_are_errors() -> None:
    output = "# x\nx.go:1: undefined: y\nFAIL\tx [build failed]\nFAIL\n"
    assert find_test_run("go test ./...", output, 1, None) == TestRun(
        framework="go test", failed=0, errors=1, success=False
    )


def test_go_test_events_in_json_are_counted() -> None:
    lines = [
        '{"Time":"t","Action":"pass","Package":"x","Test":"TestA","Elapsed":0}',
        '{"Time":"t","Action":"fail","Package":"x","Test":"TestB/sub","Elapsed":0}',
        '{"Time":"t","Action":"fail","Package":"x","Test":"TestB","Elapsed":0}',
        '{"Time":"t","Action":"fail","Package":"x","Elapsed":0}',
    ]
    run = find_test_run("go test -json ./...", "\n".join(lines), 1, None)
    assert run is not None
    assert (run.passed, run.failed, run.success) == (1, 1, False)


def test_output_that_went_through_another_program_may_have_lost_lines() -> None:
    """The exit code is that of `tail`: only what the output shows counts."""
    run = find_test_run("go test ./... 2>&1 | tail -5", "ok  \tx\t0.1s\n", 0, None)
    assert run == TestRun(framework="go test", success=True)
    assert find_test_run("go test ./... | grep x", "", 0, None) == TestRun(framework="go test")


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "cd src && FOO=1 pytest -q",
        "python -m pytest tests",
        ".venv/bin/python3.12 -X dev -m pytest",
        "uv run --group dev pytest",
        "poetry run python -m pytest",
        "timeout 60 pytest | tail -3",
        "coverage run -m pytest",
        "nice -n 10 pytest",
        "git stash; pytest -k 'a and b'",
    ],
)
def test_a_runner_is_found_behind_other_commands(command: str) -> None:
    run = find_test_run(command, "1 passed in 0.1s", None, None)
    assert run is not None
    assert (run.framework, run.passed) == ("pytest", 1)


@pytest.mark.parametrize("command", ["make test", "mise run test:ci", "npm test", "./scripts/test.sh", "tox -q"])
def test_behind_a_task_runner_the_output_tells(command: str) -> None:
    run = find_test_run(command, "[test] $ go test ./...\nok  \tx\t0.1s\n", 0, None)
    assert run is not None
    assert run.framework == ("tox" if command.startswith("tox") else "go test")


@pytest.mark.parametrize(
    "command",
    [
        "cat pytest.log",
        "grep -rn pytest .",
        "pip install pytest",
        "git commit -m 'run pytest'",
        "pytest --version",
        "cat > x <<'EOF'\npytest\nEOF",
        "echo 'go test ./...'",
        "go test -c ./x",
        "make build",
    ],
)
def test_naming_a_runner_is_not_running_it(command: str) -> None:
    assert find_test_run(command, "5 passed in 0.1s" if "make" not in command else "built", 0, None) is None


@pytest.mark.parametrize(
    ("command", "name"), [("npx vitest run", "vitest"), ("cargo test", "cargo test"), ("bun test", "bun test")]
)
def test_other_runners_have_a_name_and_the_verdict_of_their_exit_code(command: str, name: str) -> None:
    assert find_test_run(command, "…", 1, None) == TestRun(framework=name, success=False)


def test_an_unreadable_command_is_split_at_spaces() -> None:
    assert find_test_run("pytest 'oops", "1 passed in 0.1s", None, None) is not None


def test_numbers_that_no_run_could_have_are_no_counts() -> None:
    found = find_test_run("pytest", "9" * 5_000 + " passed in 1.0s", 0, None)
    assert found == TestRun(framework="pytest", success=True)
    assert find_test_run("python -m unittest", "Ran " + "9" * 5_000 + " tests in 1s\nOK", 0, None) is not None
