"""Family `isinstance`: `isinstance(x, (A, B))` becomes `isinstance(x, A | B)`.

Only with names that are classes by their looks (built-in types, CapWords): a variable may hold a tuple, which `|`
does not take. A careless first attempt writes `or` once there are more than two classes, which tests for the first
class alone.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from golddiff.recipes.house_style.harness.judge import SAMPLES, VALUE_SETS
from golddiff.recipes.house_style.harness.style import old_isinstance
from golddiff.recipes.house_style.statement import Edit, Skip, Statement

CLASS_LIKE = re.compile(r"^_?[A-Z]\w*[a-z]\w*$")


class IsinstanceUnion:
    """See the module."""

    name = "isinstance"
    wish = "isinstance with |."
    mark = re.compile(r"\bisinstance\(.*,\s*\(")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per tuple of classes."""
        return [Edit(node.args[1], " | ".join(classes(statement, node))) for node in calls_of(statement)]

    def slip(self, statement: Statement) -> str | None:
        """Return the statement with `or` between more than two classes."""
        edits = []
        for node in calls_of(statement):
            names = classes(statement, node)
            edits.append(Edit(node.args[1], (" or " if len(names) > 2 else " | ").join(names)))
        return statement.with_edits(edits)

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Bind the tested value to an instance of each class in turn, and to something else."""
        overrides: list[dict[str, list[str]]] = [{} for _ in range(VALUE_SETS)]
        for node in calls_of(statement):
            names = classes(statement, node)
            tested = statement.source(node.args[0])
            if not re.fullmatch(r"[A-Za-z_][\w.]*", tested):
                raise Skip("tested value is not a plain name")
            if statement.source(node.func) == "issubclass":
                raise Skip("tests classes, not instances")
            for number, bound in enumerate(overrides):
                bound |= {name: ["class", name] for name in names if name not in SAMPLES}
                chosen = [*names[:2], "other", names[-1]][number]
                bound[tested] = ["sample" if chosen in SAMPLES else "instance", chosen]
        return {"mode": "statement", "overrides": overrides}


def calls_of(statement: Statement) -> list[ast.Call]:
    """Return the calls with a tuple of classes."""
    return [node for node in statement.walk() if old_isinstance(node) and isinstance(node, ast.Call)]


def classes(statement: Statement, node: ast.Call) -> list[str]:
    """Return the names of the classes. Raises Skip where one may be something else."""
    second = node.args[1]
    assert isinstance(second, ast.Tuple)
    names = [statement.source(one) for one in second.elts]
    for name in names:
        if name not in SAMPLES and not (re.fullmatch(r"[\w.]+", name) and CLASS_LIKE.match(name.rpartition(".")[2])):
            raise Skip("not sure to be a class")
    if len(names) < 2 or "\n" in statement.source(second):
        raise Skip("one class only")
    return names
