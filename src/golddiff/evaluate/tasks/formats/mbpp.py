"""MBPP, plain and sanitised: a sentence, the accepted code, and a few asserts that are shown with the sentence.

The prompt is the paper's, asserts included. The function's name is the one that the first assert calls; the test of the
task calls it by that name, as the original does. Source: Austin et al. (2021), arXiv 2108.07732, section 3.1.
"""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.formats import Found
from golddiff.evaluate.tasks.programs import ProgramTask
from golddiff.evaluate.tasks.repository import objects

__all__ = ["read"]


class _Row(msgspec.Struct):
    task_id: int | str
    code: str
    test_list: list[str]
    text: str = ""
    prompt: str = ""
    test_setup_code: str = ""
    test_imports: list[str] = []


def read(path: Path) -> Found:
    """Read tasks, named `Mbpp/<number>` as EvalPlus names them. Raises InputError with the line that is none."""
    found = Found()
    for number, raw in objects(path):
        try:
            row = msgspec.convert(raw, _Row)
        except msgspec.ValidationError as error:
            raise InputError(f"{path}:{number}: this is no row of MBPP ({error}).") from error
        entry = _called(row.test_list, row.code)
        if entry is None:
            found.dropped["no assert calls a function of the accepted code"] += 1
            continue
        setup = "\n".join([*row.test_imports, row.test_setup_code]).replace("\r", "").strip()
        body = "\n".join(part for part in (setup, *row.test_list) if part)
        shown = "\n".join(row.test_list)
        found.tasks.append(
            ProgramTask(
                task_id=f"Mbpp/{row.task_id}" if str(row.task_id).isdigit() else str(row.task_id),
                prompt=f"{row.text or row.prompt} Your code should pass these tests:\n\n{shown}\n",
                entry_point=entry,
                canonical_solution=row.code.replace("\r", ""),
                test=f"def check(candidate):\n{_indented(body)}\n",
                whole=True,
            )
        )
    return found


def _indented(body: str) -> str:
    return "\n".join(f"    {line}" if line.strip() else "" for line in body.splitlines())


def _called(tests: list[str], code: str) -> str | None:
    """Return the name that the first readable assert calls and the code defines."""
    try:
        defined = {node.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    except (SyntaxError, ValueError):
        return None
    for test in tests:
        try:
            nodes = list(ast.walk(ast.parse(test.strip())))
        except (SyntaxError, ValueError):
            continue
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined:
                return node.func.id
    return None
