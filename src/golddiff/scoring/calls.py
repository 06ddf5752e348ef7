"""Asserts that compare calls with literals, turned into a program and the values that it must print.

How it fits: `executed.check_candidates` runs a check's program beside the candidate and compares what it printed in
this process. A test such as `assert add(2, 3) == 5` run beside the candidate can be bent by it; the same call printed
as JSON cannot, since the 5 is only here. `asserted_calls` takes those asserts of a test that have this form and counts
the others: what is left out needs `grading`.

Values are equal as Python's own types are: 1 equals 1.0, a tuple is no list, and an object of a class of the
candidate's own equals nothing. Not covered: tolerances, exceptions that must be raised, calls that build on each other.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections import Counter, OrderedDict, defaultdict
from typing import Any

import msgspec

__all__ = ["AssertedCalls", "asserted_calls"]

_IMPORTS = """
import json, sys
from collections import Counter, OrderedDict, defaultdict
from typing import Any
"""
_PROGRAM = """
dumps, write, run, evaluate = json.dumps, sys.stdout.write, exec, eval
space = {"__name__": "candidate"}
run(compile(open(sys.argv[1], encoding="utf-8").read(), "candidate", "exec"), space)
found = []
for call in CALLS:
    try:
        found.append(["value", typed(evaluate(call, space))])
    except Exception as problem:
        found.append(["raised", type(problem).__name__])
write(dumps(found))
"""


class AssertedCalls(msgspec.Struct, frozen=True):
    """A check's program and expected JSON, as `types.Check` holds them after redaction."""

    program: str
    expected: str
    left_out: int
    """Asserts of another form."""


def asserted_calls(test: str, *, callee: str | None = None, entry: str | None = None) -> AssertedCalls | None:
    """Return the asserts `call(...) == literal` of a test's source; None where there is none or it cannot be read.

    `callee` is what the test calls the function, `entry` what the candidate calls it (HumanEval: `candidate`).
    """
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError, RecursionError):
        return None
    calls, expected, left_out = [], [], 0
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert):
            continue
        found = _call_and_value(node.test)
        if found is None:
            left_out += 1
            continue
        call, value = found
        if entry and callee:
            call.func = ast.Name(entry) if isinstance(call.func, ast.Name) and call.func.id == callee else call.func
        calls.append(ast.unparse(call))
        expected.append(["value", typed(value)])
    if not calls:
        return None
    program = f"{_IMPORTS}{inspect.getsource(typed)}\nCALLS = {calls!r}{_PROGRAM}"
    return AssertedCalls(program, json.dumps(expected), left_out)


def _call_and_value(test: ast.expr) -> tuple[ast.Call, Any] | None:
    """Return the call, its arguments literal, and the literal that it must equal."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return None
    call, value = test.left, test.comparators[0]
    if not isinstance(call, ast.Call):
        call, value = value, call
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    try:
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            ast.literal_eval(argument)
        return call, ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def typed(value: Any, depth: int = 0) -> list[object]:
    """Return a value as JSON that names its types; runs here on literals and, as source, beside the candidate."""
    kind = type(value)
    if kind in (bool, int) or (kind is float and value.is_integer()):
        return ["number", str(int(value))]
    if kind is str or value is None:
        return [kind.__name__, value]
    if kind in (float, bytes, complex):
        return ["number" if kind is float else kind.__name__, repr(value)]
    if depth < 50 and kind in (list, tuple):
        return [kind.__name__, [typed(item, depth + 1) for item in value]]
    if depth < 50 and kind in (set, frozenset):
        return ["set", sorted([typed(item, depth + 1) for item in value], key=json.dumps)]
    if depth < 50 and kind in (dict, Counter, OrderedDict, defaultdict):
        pairs = [[typed(key, depth + 1), typed(item, depth + 1)] for key, item in value.items()]
        return ["dict", sorted(pairs, key=json.dumps)]
    return ["other", kind.__name__]
