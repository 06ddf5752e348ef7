"""Verdicts are made here, not in the sandbox: no candidate talks itself into a pass."""

import json
from datetime import UTC, datetime

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox.bubblewrap import Bubblewrap, open_sandbox
from golddiff.sandbox.contract import Ending, Limits, Result
from golddiff.sandbox.fake import FakeSandbox
from golddiff.scoring.executed import Kind, check_candidates, unusable_checks
from golddiff.types import Check, Clean, Example, Provenance

PROGRAM = """
import json, sys
space = {}
exec(open(sys.argv[1]).read(), space)
pairs = [[20, 22], [3, 4], [-5, 2]]
print(json.dumps([space["answer"](a, b) for a, b in pairs]))
"""
CHECK = Check(program=Clean(PROGRAM), expected=Clean("[42, 7, -3]"))
HONEST = "def answer(a, b): return a + b"

TAMPERED = {
    "prints the verdict and leaves": "import os\nprint('[42, 7, -3]', flush=True)\nos._exit(0)",
    "prints the verdict and exits": "import sys\nprint('[42, 7, -3]')\nsys.exit(0)",
    "prints the verdict and closes standard output": (
        "import os\nprint('[42, 7, -3]', flush=True)\nos.close(1)\ndef answer(a, b): return 0"
    ),
    "prints the verdict before a wrong answer": "print('[42, 7, -3]')\ndef answer(a, b): return 0",
    "prints the verdict at exit": (
        "import atexit\natexit.register(print, '[42, 7, -3]')\ndef answer(a, b): raise ValueError"
    ),
    "returns an object equal to everything": (
        "class Equal:\n    def __eq__(self, other): return True\n    __hash__ = None\ndef answer(a, b): return Equal()"
    ),
    "returns an int that says it is equal": (
        "class Equal(int):\n    def __eq__(self, other): return True\n    __hash__ = None\n"
        "def answer(a, b): return Equal(0)"
    ),
    "replaces json.dumps": "import json\njson.dumps = lambda value: '[true, true, true]'\ndef answer(a, b): return 0",
    "replaces print": "import builtins\nbuiltins.print = lambda *a: None\ndef answer(a, b): return 0",
    "answers with text": "def answer(a, b): return str(a + b)",
    "answers with floats": "def answer(a, b): return float(a + b)",
    "answers with booleans": "def answer(a, b): return True",
    "leaves a verdict in a file": "open('/work/verdict.json', 'w').write('[42, 7, -3]')\ndef answer(a, b): return 0",
    "raises SystemExit when asked": "def answer(a, b): raise SystemExit(0)",
    "runs a child that prints": (
        "import os\nif os.fork() == 0:\n    print('[42, 7, -3]', flush=True)\n    os._exit(0)\n"
        "os.wait()\ndef answer(a, b): return 0"
    ),
    "writes nothing": "import os\nos.close(1)\ndef answer(a, b): return a + b",
    "breaks the syntax": "def answer(a, b) return a + b",
    "is empty": "",
    "prints half of it": "import sys\nsys.stdout.write('[42, 7')\ndef answer(a, b): return 0",
    "prints deep JSON": "print('[' * 100000)\nimport sys\nsys.stdout.flush()\ndef answer(a, b): return 0",
}


@pytest.fixture(scope="module")
def sandbox() -> Bubblewrap:
    try:
        return open_sandbox(workers=2)
    except SandboxError as problem:
        pytest.skip(str(problem))


def test_no_tampering_passes_and_honest_answers_do(sandbox: Bubblewrap) -> None:
    pairs = [(CHECK, text) for candidate in TAMPERED.values() for text in (candidate, HONEST)]
    verdicts = check_candidates(sandbox, pairs, limits=Limits(memory_bytes=256 << 20))
    passed = [name for name, verdict in zip(TAMPERED, verdicts[::2], strict=True) if verdict.passed]
    assert passed == []
    assert {verdict.kind for verdict in verdicts[1::2]} == {Kind.PASSED}


def test_honest_answers_pass_every_time(sandbox: Bubblewrap) -> None:
    """No false reject among 200 correct candidates, three times each."""
    forms = ["return a + b", "return b + a", "return sum((a, b))", "return a - (-b)"]
    pairs = [(CHECK, f"def answer(a, b):\n    # {number}\n    {forms[number % 4]}") for number in range(200)]
    for _ in range(3):
        assert all(verdict.passed for verdict in check_candidates(sandbox, pairs))


@pytest.mark.parametrize(
    ("printed", "expected", "kind"),
    [
        ("42", "42", Kind.PASSED),
        (' {"b": 1,\n "a": 2} ', '{"a": 2, "b": 1}', Kind.PASSED),
        ("1", "true", Kind.WRONG),
        ("1.0", "1", Kind.WRONG),
        ("41", "42", Kind.WRONG),
        ("", "null", Kind.NOT_JSON),
        ("42 42", "42", Kind.NOT_JSON),
        ("42\n42", "42", Kind.NOT_JSON),
        ("\x00", "42", Kind.NOT_JSON),
    ],
)
def test_values_are_compared_as_json(printed: str, expected: str, kind: Kind) -> None:
    check = Check(program=Clean(""), expected=Clean(expected))
    (verdict,) = check_candidates(FakeSandbox(lambda _: printed), [(check, "")])
    assert verdict.kind is kind


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (Ending.TIMEOUT, Kind.TIMEOUT),
        (Ending.OOM, Kind.OOM),
        (Ending.OUTPUT, Kind.OUTPUT),
        (Ending.VIOLATION, Kind.VIOLATION),
    ],
)
def test_a_candidate_that_did_not_finish_never_passes(ending: Ending, kind: Kind) -> None:
    fake = FakeSandbox(lambda _: Result(ending=ending, exit_code=0, stdout=b"42"))
    (verdict,) = check_candidates(fake, [(Check(program=Clean(""), expected=Clean("42")), "")])
    assert verdict.kind is kind


def example(identity: str, before: str, after: str) -> Example:
    return Example(
        id=identity,
        kind="accepted",
        instruction=Clean("i"),
        path="p.py",
        start_line=1,
        before=Clean(before),
        after=Clean(after),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        provenance=Provenance(written_by="human"),
        check=Check(program=Clean(""), expected=Clean(json.dumps("good"))),
    )


def test_checks_that_decide_nothing_are_found() -> None:
    """One is sound, one rejects the gold, one accepts the unchanged text."""
    examples = [example("sound", "bad", "good"), example("rejects", "bad", "worse"), example("lax", "good", "good")]
    found = unusable_checks(FakeSandbox(lambda job: json.dumps(job.candidate)), examples)
    assert found.keys() == {"rejects", "lax"}
    assert "rejects the accepted change" in found["rejects"].reason
    assert "unchanged" in found["lax"].reason
