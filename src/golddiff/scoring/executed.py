"""Did the change do what the accepted one does? Decided by running it, and by comparing in this process.

How it fits: a task's `Check` holds a program, run in the sandbox on the candidate, and the JSON value that it must
print. The value never enters the sandbox, so a candidate cannot print what it does not know; a candidate that
ends the program early is found by the sandbox (`Ending.VIOLATION`). Nothing that the sandbox prints is believed
beyond being one JSON value.

A check is itself checked (`unusable_checks`): it must accept the gold window and reject the unchanged one. A task
whose check does not is `Unscored` for every arm, with the reason; it says nothing about a model.

Not covered: test suites of repositories; `grading` runs those.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from golddiff.sandbox.contract import Ending, Job, Limits, Result, Sandbox
from golddiff.types import Check, Example

__all__ = ["Kind", "Unscored", "Verdict", "check_candidates", "unusable_checks"]

NO_SANDBOX = "no sandbox"
"""Reason of executed scores on a machine where untrusted code cannot be contained."""


class Kind(StrEnum):
    """What became of one candidate."""

    PASSED = "passed"
    WRONG = "wrong result"  # ran to its end with another value than expected
    RAISED = "raised"  # the check ended with an exception or a crash
    NOT_JSON = "not one JSON value"
    TIMEOUT = "timeout"
    OOM = "out of memory"
    OUTPUT = "too much output"
    VIOLATION = "violation"
    FAILED = "tests failed"
    TAMPERED = "tampered"  # tests that must fail passed
    REFUSED = "refused"  # not admissible, or it does not apply; nothing was run


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one check of one candidate."""

    kind: Kind
    detail: str = ""
    """What it printed or said last; text of the untrusted program, cut."""

    @property
    def passed(self) -> bool:
        """Whether the candidate did what was expected."""
        return self.kind is Kind.PASSED


class Unscored(msgspec.Struct, frozen=True):
    """There is no score, for a reason that is not the model's: never a 0."""

    reason: str


ENDINGS = {
    Ending.TIMEOUT: Kind.TIMEOUT,
    Ending.OOM: Kind.OOM,
    Ending.OUTPUT: Kind.OUTPUT,
    Ending.VIOLATION: Kind.VIOLATION,
}
_DETAIL_CHARACTERS = 600


def check_candidates(
    sandbox: Sandbox, pairs: Sequence[tuple[Check, str]], *, limits: Limits | None = None
) -> list[Verdict]:
    """Run every (check, candidate) of one trust domain in the sandbox and judge them here, in order.

    Raises SandboxError where the sandbox itself fails.
    """
    results = sandbox.run_jobs([Job(check.program, candidate) for check, candidate in pairs], limits=limits)
    return [_judge(result, check.expected) for result, (check, _) in zip(results, pairs, strict=True)]


def unusable_checks(
    sandbox: Sandbox, examples: Sequence[Example], *, limits: Limits | None = None
) -> dict[str, Unscored]:
    """Return, by example id, why a check cannot decide anything: it rejects the gold or accepts the unchanged text."""
    checked = [(example, example.check) for example in examples if example.check is not None]
    gold = check_candidates(sandbox, [(check, example.after) for example, check in checked], limits=limits)
    unchanged = check_candidates(sandbox, [(check, example.before) for example, check in checked], limits=limits)
    found = {}
    for (example, _), good, same in zip(checked, gold, unchanged, strict=True):
        if not good.passed:
            found[example.id] = Unscored(f"the check rejects the accepted change ({good.kind})")
        elif same.passed:
            found[example.id] = Unscored("the check accepts the unchanged text")
    return found


def _judge(result: Result, expected: str) -> Verdict:
    if result.ending is not Ending.OK:
        return Verdict(kind=ENDINGS[result.ending], detail=result.reason)
    if result.exit_code != 0:
        return Verdict(kind=Kind.RAISED, detail=_tail(result.stderr) or f"exit code {result.exit_code}")
    try:
        value = json.loads(result.stdout)
    except (ValueError, RecursionError):
        return Verdict(kind=Kind.NOT_JSON, detail=_tail(result.stdout))
    if _canonical(value) != _canonical(json.loads(expected)):
        return Verdict(kind=Kind.WRONG, detail=_tail(result.stdout))
    return Verdict(kind=Kind.PASSED)


def _canonical(value: Any) -> str:
    # As text, since in Python True == 1 == 1.0, which JSON tells apart.
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        return "too deep"


def _tail(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()[-_DETAIL_CHARACTERS:]
