"""What a call must return stays here; what it returned is compared with its type."""

import json
import os
from pathlib import Path

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.scoring.calls import AssertedCalls, asserted_calls
from golddiff.scoring.executed import check_candidates
from golddiff.types import Check, Clean

_ROOT = Path(os.environ.get("GOLDDIFF_SHARED") or Path(__file__).resolve().parents[2].parent / "shared")
_TASKS = _ROOT / "data/exec-tasks"
TEST = """
def check(candidate):
    assert candidate([1, 2]) == [3]
    assert (1, {"a": {2}}) == candidate("x", wide=True), "message"
    assert candidate(0.5) == 1.5
    assert abs(candidate(2) - 3) < 1e-6
    assert candidate(other(1)) == 2
    for n in range(3):
        assert candidate(n) == n
"""


def found() -> AssertedCalls:
    calls = asserted_calls(TEST, callee="candidate", entry="solve")
    assert calls is not None
    return calls


def test_asserts_of_calls_and_literals_are_taken_and_others_counted() -> None:
    calls = found()
    assert calls.left_out == 3
    assert all(call in calls.program for call in ("solve([1, 2])", "solve('x', wide=True)", "solve(0.5)"))
    assert json.loads(calls.expected)[0] == ["value", ["list", [["number", "3"]]]]
    assert "[3]" not in calls.program


@pytest.mark.parametrize("test", ["", "def f(:", "assert True", "assert f(x) == 1", "assert a.f(1) == 1"])
def test_where_there_is_none_there_is_no_check(test: str) -> None:
    assert asserted_calls(test) is None


RIGHT = """
def solve(x, wide=False):
    if wide: return (1, {"a": {2}})
    return [3] if x == [1, 2] else 1.5
"""
WRONG = {
    "a list for a tuple": RIGHT.replace('(1, {"a": {2}})', '[1, {"a": {2}}]'),
    "text for a number": RIGHT.replace("(1,", "('1',"),
    "an exception": RIGHT.replace("1.5", "1 / 0"),
    "what equals everything": "class Any:\n    def __eq__(self, other): return True\ndef solve(*a, **k): return Any()",
    "a number that equals everything": "class Any(float):\n    def __eq__(self, other): return True\n"
    "    __repr__ = lambda self: '1.5'\ndef solve(*a, **k): return Any(0)",
    "its frames": "import sys\ndef solve(*a, **k): return sys._getframe(1).f_globals.get('expected')",
    "deep": "def solve(*a, **k):\n    x = []\n    for _ in range(9000): x = [x]\n    return x",
}


def test_right_answers_pass_and_no_others() -> None:
    try:
        sandbox = open_sandbox(workers=1)
    except SandboxError as problem:
        pytest.skip(str(problem))
    check = Check(program=Clean(found().program), expected=Clean(found().expected))
    other = "import collections\n" + RIGHT.replace('{"a": {2}}', "collections.OrderedDict(a={2.0})").replace(
        "[3]", "[True + 2]"
    )
    right, same, *wrong = check_candidates(sandbox, [(check, text) for text in (RIGHT, other, *WRONG.values())])
    assert right.passed, right
    assert same.passed, same
    assert [name for name, verdict in zip(WRONG, wrong, strict=True) if verdict.passed] == []


@pytest.mark.faults
@pytest.mark.shared
@pytest.mark.skipif(not _TASKS.is_dir(), reason="the shared tasks are not on this machine")
def test_reference_solutions_of_humaneval_and_mbpp_pass() -> None:
    try:
        sandbox = open_sandbox()
    except SandboxError as problem:
        pytest.skip(str(problem))
    pairs, names = [], []
    for name in ("humaneval", "mbpp_train_val_prompt"):
        for line in (_TASKS / f"{name}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            test = row.get("test") or "\n".join(row["test_list"])
            solution = row["prompt"] + row["canonical_solution"] if "prompt" in row else row["code"]
            calls = asserted_calls(test, callee="candidate", entry=row.get("entry_point"))
            if calls:
                names.append(row["task_id"])
                pairs.append((Check(program=Clean(calls.program), expected=Clean(calls.expected)), solution))
    verdicts = check_candidates(sandbox, pairs)
    failed = {str(name): verdict.detail for name, verdict in zip(names, verdicts, strict=True) if not verdict.passed}
    assert len(pairs) > 500
    assert len(failed) / len(pairs) <= 0.01, failed
