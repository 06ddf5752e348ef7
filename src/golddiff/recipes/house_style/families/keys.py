"""Family `keys`: `k in d.keys()` and `for k in d.keys()` become `k in d` and `for k in d`.

A careless first attempt at a loop takes the parentheses and leaves the method (`for k in d.keys`).
"""

from __future__ import annotations

import ast
import re
from typing import Any

from golddiff.recipes.house_style.harness.judge import VALUE_SETS
from golddiff.recipes.house_style.harness.style import old_keys
from golddiff.recipes.house_style.statement import Edit, Skip, Statement


class Keys:
    """See the module."""

    name = "keys"
    wish = "No .keys() in tests and loops."
    mark = re.compile(r"\bin\b.*\.keys\(\)")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per `.keys()`."""
        return [Edit(call, statement.source(mapping)) for call, mapping in asked(statement)]

    def slip(self, statement: Statement) -> str | None:
        """Return the loop with the method itself asked."""
        if not isinstance(statement.node, ast.For):
            return None
        return statement.with_edits([Edit(c, statement.source(c).removesuffix("()")) for c, _ in asked(statement)])

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Bind every asked mapping to a real one, which knows the tested name in every other value set."""
        overrides: list[dict[str, list[Any]]] = [{} for _ in range(VALUE_SETS)]
        for _, mapping in asked(statement):
            path = statement.source(mapping)
            if not re.fullmatch(r"[A-Za-z_][\w.]*", path):
                raise Skip("mapping is not a plain name")
            tested = [statement.source(node.left) for node in statement.walk() if isinstance(node, ast.Compare)]
            for number, bound in enumerate(overrides):
                bound[path] = ["mapping", [*(tested if number % 2 else []), "first", "second"][: 2 + number]]
        return {"mode": "statement", "overrides": overrides}


def asked(statement: Statement) -> list[tuple[ast.Call, ast.expr]]:
    """Return every `.keys()` call that is tested or looped over, with its mapping."""
    found: list[ast.expr] = []
    for node in statement.walk():
        if old_keys(node):
            found += node.comparators if isinstance(node, ast.Compare) else [getattr(node, "iter")]  # noqa: B009
    if isinstance(statement.node, ast.For):
        found.append(statement.node.iter)
    calls = []
    for node in found:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys":
            if node.args or node.keywords or "\n" in statement.source(node):
                raise Skip("keys with arguments")
            calls.append((node, node.func.value))
    return calls
