"""Judge one window: is its statement in style, and does it do what it did?

How it fits: `program_of` joins the files of this folder into one program without imports of golddiff; the sandbox
runs it on a candidate; `golddiff.scoring` compares what it prints with `Check.expected`, which never enters the
sandbox. The expected value comes from `judge` on the text *before* the edit, in this process, with `style` set to
true: that text is real code from installed packages, and every name in it is a stub.

The specification is JSON: `family`; `mode` (`statement`, `method`, `annotations`); `place` for `method`;
`overrides` (one mapping from path to a coded value per value set).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from golddiff.recipes.house_style.harness.annotations import resolve_annotations
from golddiff.recipes.house_style.harness.execution import (
    Unusable,
    parse_statement,
    run_in_method,
    run_statement,
)
from golddiff.recipes.house_style.harness.stubs import Stub, World, canonical, digest_of
from golddiff.recipes.house_style.harness.style import in_style

VALUE_SETS = 4
RAISED = "raised"


class Sample:
    """An object of no class that a test asks about."""

    __module__ = "bindings"


SAMPLES: dict[str, Any] = {
    "int": 3, "str": "text", "float": 2.5, "list": [1, 2], "tuple": (1, 2), "dict": {"a": 1}, "set": {1},
    "bytes": b"b", "bool": True, "frozenset": frozenset({1}), "complex": 1j, "bytearray": bytearray(b"b"),
    "None": None, "other": Sample(),
}  # fmt: skip
"""One instance per built-in type, for tests of type."""


def decoded(code: list[Any], made: dict[str, type], world: World) -> Any:
    """Return the value that `code` stands for: `sample`, `class`, `instance`, `mapping`."""
    kind, name = code
    if kind == "sample":
        return SAMPLES[name]
    if kind in ("class", "instance"):
        known = made.setdefault(name, type(name.rpartition(".")[2], (), {"__module__": "bindings"}))
        return known if kind == "class" else known()
    if kind == "mapping":
        return {Stub(key, world): Stub(f"{key} value", world) for key in name}
    raise Unusable(f"no such binding: {kind}")


def outcome_of(statement: str, spec: dict[str, Any], number: int) -> Any:
    """Return what `statement` does under value set `number`, as JSON data; what it raises is an outcome too."""
    if spec["mode"] == "annotations":
        return resolve_annotations(statement)
    world = World(number)
    made: dict[str, type] = {}
    coded = spec["overrides"][number] if spec.get("overrides") else {}
    world.overrides = {path: decoded(code, made, world) for path, code in coded.items()}
    try:
        if spec["mode"] == "method":
            return run_in_method(statement, world, spec["place"])
        return run_statement(statement, world)
    except Unusable:
        raise
    except Exception as error:
        return [RAISED, type(error).__name__, canonical(list(error.args)), world.log]


def judge(statement: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return `{"style": …, "does": […], "ended": n}` for one window, or `{"unusable": why}`.

    `does` holds a digest of the outcome per value set, `ended` how many of them did not raise.
    """
    try:
        styled = in_style(spec["family"], parse_statement(statement))
        sets = 1 if spec["mode"] == "annotations" else VALUE_SETS
        outcomes = [outcome_of(statement, spec, number) for number in range(sets)]
        ended = sum(outcome[0] != RAISED for outcome in outcomes)
        return {"style": styled, "does": [digest_of(outcome) for outcome in outcomes], "ended": ended}
    except Exception as error:
        return {"unusable": f"{type(error).__name__}: {error}"[:200]}


def main(spec: dict[str, Any]) -> None:
    """Judge the file named by the first argument and print one JSON value."""
    with open(sys.argv[1], encoding="utf-8") as file:
        print(json.dumps(judge(file.read(), spec), sort_keys=True))  # noqa: T201 - the program's answer
