"""Families that are never trained on: what the student must not lose (or gain) by learning the house style.

Small edits of the same size on the same code: `not x in y` → `x not in y`, `d.get(k, None)` → `d.get(k)`,
`type(x) == T` → `isinstance(x, T)`, `sorted(list(x))` → `sorted(x)`. Nobody slips here: no teacher edits them.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from golddiff.recipes.house_style.harness.judge import SAMPLES, VALUE_SETS
from golddiff.recipes.house_style.harness.style import (
    old_default,
    old_membership,
    old_sorting,
    old_type_test,
)
from golddiff.recipes.house_style.statement import Edit, Skip, Statement

PLAIN = re.compile(r"[A-Za-z_][\w.]*")


class _OffWorkflow:
    """What the four share: no slip."""

    def slip(self, statement: Statement) -> str | None:
        """Return None: nobody is asked."""
        return None


class Membership(_OffWorkflow):
    """`not x in y` → `x not in y`; `not x is y` → `x is not y`."""

    name = "off: not in"
    wish = "Write not in, is not."
    mark = re.compile(r"\bnot [\w.]+(\[[^\]]*\]|\([^()]*\))? (in|is)\b")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per negated test."""
        edits = []
        for node in statement.walk():
            if old_membership(node) and isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Compare):
                word = "not in" if isinstance(node.operand.ops[0], ast.In) else "is not"
                left, right = statement.source(node.operand.left), statement.source(node.operand.comparators[0])
                edits.append(Edit(node, f"{left} {word} {right}"))
        return edits

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Bind what is compared by identity to None in every other value set."""
        overrides: list[dict[str, list[str]]] = [{} for _ in range(VALUE_SETS)]
        for node in statement.walk():
            if old_membership(node) and isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Compare):
                left = statement.source(node.operand.left)
                if isinstance(node.operand.ops[0], ast.Is) and PLAIN.fullmatch(left):
                    overrides[1][left] = overrides[3][left] = ["sample", "None"]
        return {"mode": "statement", "overrides": overrides}


class Default(_OffWorkflow):
    """`d.get(k, None)` → `d.get(k)`."""

    name = "off: get"
    wish = "No None default in get."
    mark = re.compile(r"\.get\(.*,\s*None\)")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per superfluous default."""
        return [
            Edit(node, f"{statement.source(node.func)}({statement.source(node.args[0])})")
            for node in statement.walk()
            if old_default(node) and isinstance(node, ast.Call) and not node.keywords
        ]

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Bind the mapping to a real one that knows some keys."""
        overrides: list[dict[str, list[Any]]] = [{} for _ in range(VALUE_SETS)]
        for node in statement.walk():
            if old_default(node) and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                path, key = statement.source(node.func.value), statement.source(node.args[0])
                if not PLAIN.fullmatch(path):
                    raise Skip("mapping is not a plain name")
                known = ast.literal_eval(key) if isinstance(node.args[0], ast.Constant) else key
                for number, bound in enumerate(overrides):
                    bound[path] = ["mapping", [str(known), "first"] if number % 2 else ["first"]]
        return {"mode": "statement", "overrides": overrides}


class TypeTest(_OffWorkflow):
    """`type(x) == T` → `isinstance(x, T)`, with `not` where it was `!=`."""

    name = "off: type test"
    wish = "Use isinstance."
    mark = re.compile(r"\btype\([\w.\[\]]+\)\s*(==|!=|is\b)")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per comparison of a type."""
        edits = []
        for node in statement.walk():
            if old_type_test(node):
                tested, wanted, negated = self._parts(statement, node)
                edits.append(Edit(node, f"{'not ' if negated else ''}isinstance({tested}, {wanted})"))
        return edits

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Bind the tested value to an instance of the class and to something else, in turn."""
        overrides: list[dict[str, list[str]]] = [{} for _ in range(VALUE_SETS)]
        for node in statement.walk():
            if old_type_test(node):
                tested, wanted, _ = self._parts(statement, node)
                for number, bound in enumerate(overrides):
                    if wanted not in SAMPLES:
                        bound[wanted] = ["class", wanted]
                    kind = "sample" if wanted in SAMPLES or number % 2 else "instance"
                    bound[tested] = [kind, "other" if number % 2 else wanted]
        return {"mode": "statement", "overrides": overrides}

    def _parts(self, statement: Statement, node: ast.AST) -> tuple[str, str, bool]:
        assert isinstance(node, ast.Compare)
        left, right, operator = node.left, node.comparators[0], node.ops[0]
        if len(node.ops) != 1 or not isinstance(operator, (ast.Eq, ast.Is, ast.NotEq, ast.IsNot)):
            raise Skip("chain of comparisons")
        if not isinstance(left, ast.Call) or statement.source(left.func) != "type" or len(left.args) != 1:
            raise Skip("type on the right side")
        tested, wanted = statement.source(left.args[0]), statement.source(right)
        if not PLAIN.fullmatch(tested) or not PLAIN.fullmatch(wanted):
            raise Skip("not plain names")
        return tested, wanted, isinstance(operator, (ast.NotEq, ast.IsNot))


class Sorting(_OffWorkflow):
    """`sorted(list(x))`, `set(list(x))`, `list(sorted(x))` → without the inner or outer copy."""

    name = "off: sorted"
    wish = "No needless copies."
    mark = re.compile(r"\b(sorted|set)\((list|tuple)\(|\blist\(sorted\(")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per needless copy."""
        edits = []
        for node in statement.walk():
            if old_sorting(node) and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                inner = node.args[0]
                assert isinstance(inner, ast.Call)
                if node.func.id == "list":
                    edits.append(Edit(node, statement.source(inner)))
                elif len(inner.args) == 1 and not inner.keywords:
                    edits.append(Edit(inner, statement.source(inner.args[0])))
        return edits

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Stubs can be iterated."""
        return {"mode": "statement"}
