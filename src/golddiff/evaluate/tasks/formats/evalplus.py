"""EvalPlus: HumanEval+ and MBPP+ as released, with inputs instead of asserts; what is right is what the reference says.

How it fits: the reference solution runs once, in the sandbox, when tasks are imported. What it returned is written
into asserts, so the reference itself is never beside an answer. Values are compared as EvalPlus does: equal, or
floats within the row's tolerance (1e-6 where it has none) and 1e-7 of the value; a few functions have a comparison
of their own. Inputs of MBPP+ that JSON cannot hold are restored first (`mbpp_plus`).

Left out, and counted: inputs or results that are no literals, and rows whose asserts would be larger than 2 MB.

Source: Liu et al. (2023), arXiv 2305.01210; comparisons: the repository evalplus/evalplus, evalplus/eval, v0.3.1.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.formats import Found
from golddiff.evaluate.tasks.formats.mbpp_plus import as_called
from golddiff.evaluate.tasks.programs import LIMITS, ProgramTask
from golddiff.evaluate.tasks.repository import objects
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.sandbox.contract import Ending, Job, Result, Sandbox

__all__ = ["read"]

_MOST_CHARACTERS = 2_000_000
_NOT_NONE = frozenset({"check_str", "text_match_three", "text_starta_endb"})
_AS_SETS = frozenset({
    "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
    "intersection_array", "find_dissimilar", "Diff",
})  # fmt: skip
_OWN_ORACLE = frozenset({"are_equivalent", "sum_div", "surface_Area", "digit_distance_nums"})
_CLOSE = """
def _close(found, wanted, tolerance):
    if isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(_close(a, b, tolerance) for a, b in zip(found, wanted))
    return found == wanted or abs(found - wanted) <= tolerance + 1e-07 * abs(wanted)
"""
_ANSWERS = """
import copy, sys
space = {"__name__": "reference"}
exec(compile(open(sys.argv[1], encoding="utf-8").read(), "reference", "exec"), space)
import json
print(json.dumps([repr(space[ENTRY](*copy.deepcopy(one))) for one in INPUTS]))
"""


class _Row(msgspec.Struct):
    task_id: str
    prompt: str
    entry_point: str
    base_input: list[list[Any]]
    plus_input: list[list[Any]] | None = None
    canonical_solution: str = ""
    reference: str = ""
    """What early releases call the canonical solution."""
    atol: float = 0.0


def read(path: Path, sandbox: Sandbox | None = None) -> Found:
    """Read tasks; where a row has inputs of EvalPlus's own beside the original ones, both decide.

    Raises:
        InputError: a line is no row of EvalPlus.
        SandboxError: no sandbox works here, and the reference is not run without one.
    """
    found, rows = Found(), []
    for number, raw in objects(path):
        try:
            row = msgspec.convert(raw, _Row)
            row.base_input = [as_called(row.task_id, given) for given in row.base_input]
            row.plus_input = [as_called(row.task_id, given) for given in row.plus_input or []]
            rows.append(row)
        except (msgspec.ValidationError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise InputError(f"{path}:{number}: this is no row of EvalPlus ({error}).") from error
    jobs = [Job(_program(row), row.prompt + (row.canonical_solution or row.reference)) for row in rows]
    results = (sandbox or open_sandbox()).run_jobs(jobs, limits=LIMITS)
    for row, result in zip(rows, results, strict=True):
        made = _task(row, result)
        if isinstance(made, str):
            found.dropped[made] += 1
        else:
            found.tasks.append(made)
    return found


def _inputs(row: _Row) -> list[Any]:
    return [*row.base_input, *(row.plus_input or [])]


def _program(row: _Row) -> str:
    return f"ENTRY = {row.entry_point!r}\nINPUTS = {_inputs(row)!r}{_ANSWERS}"


def _task(row: _Row, result: Result) -> ProgramTask | str:
    if row.entry_point in _OWN_ORACLE:
        return "EvalPlus compares it in a way of its own"
    if result.ending is not Ending.OK or result.exit_code != 0:
        return f"the reference solution fails on its inputs ({result.ending if result.exit_code is None else 'raised'})"
    try:
        wanted = [ast.literal_eval(text) for text in json.loads(result.stdout)]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return "the reference solution returns something that is no literal"
    lines = [f"    {_assert(row, given, value)}" for given, value in zip(_inputs(row), wanted, strict=True)]
    test = f"{_CLOSE}\n\ndef check(candidate):\n" + "\n".join(lines) + "\n"
    if len(test) > _MOST_CHARACTERS:
        return "its asserts would be larger than 2 MB"
    return ProgramTask(
        task_id=row.task_id,
        prompt=row.prompt,
        entry_point=row.entry_point,
        canonical_solution=row.canonical_solution or row.reference,
        test=test,
        whole=row.task_id.startswith("Mbpp"),
    )


def _assert(row: _Row, given: list[Any], wanted: Any) -> str:
    call = f"candidate({', '.join(map(repr, given))})"
    if row.entry_point == "find_zero":  # a root of the polynomial; there are several
        powers = f"for power, factor in enumerate({given[0]!r})"
        return f"assert abs(sum(factor * root ** power {powers} for root in [{call}])) <= {row.atol or 1e-4!r}"
    if row.entry_point in _NOT_NONE:
        return f"assert ({call} is not None) == {wanted is not None!r}"
    if row.entry_point in _AS_SETS:
        return f"assert set({call}) == {set(wanted)!r}" if wanted else f"assert not {call}"
    tolerance = row.atol or (1e-6 if _floats(wanted) else 0.0)
    return f"assert _close({call}, {wanted!r}, {tolerance!r})" if tolerance else f"assert {call} == {wanted!r}"


def _floats(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)
