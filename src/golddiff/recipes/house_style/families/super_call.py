"""Family `super`: `super(C, self)` becomes `super()`.

Only where it means the same: directly in a method, with the method's own class and its first argument. A careless
first attempt at `__init__` hands the instance over twice (`super().__init__(self, …)`), as code that names its base
class does.
"""

from __future__ import annotations

import ast
import re
from typing import Any, TypeGuard

from golddiff.recipes.house_style.harness.style import old_super
from golddiff.recipes.house_style.statement import Edit, Skip, Statement


class SuperCall:
    """See the module."""

    name = "super"
    wish = "Plain super()."
    mark = re.compile(r"\bsuper\(\w")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per `super(C, self)`."""
        return [Edit(node, "super()") for node in self._sites(statement)]

    def slip(self, statement: Statement) -> str | None:
        """Return the call of `__init__` with the instance handed over twice."""
        edits = []
        for node in self._sites(statement):
            call = next((one for one in ast.walk(statement.node) if _calls_through(one, node)), None)
            if call is None:
                return None
            assert isinstance(call.func, ast.Attribute)
            if call.func.attr != "__init__":
                return None
            given = [statement.source(node.args[1]), *(statement.source(one) for one in call.args)]
            if any(keyword.arg is None for keyword in call.keywords):
                return None
            given += [statement.source(keyword) for keyword in call.keywords]
            edits.append(Edit(call, f"super().{call.func.attr}({', '.join(given)})"))
        return statement.with_edits(edits)

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Run inside a method of the same shape above a logging base class."""
        assert statement.method is not None
        marks = {getattr(one, "id", "") for one in statement.method.decorator_list}
        bound = "class" if "classmethod" in marks or statement.method.name == "__new__" else "instance"
        attributes = {
            node.attr for node in ast.walk(statement.node) if isinstance(node, ast.Attribute) and _is_super(node.value)
        }
        place = {
            "class": statement.class_name,
            "first": statement.method.args.args[0].arg,
            "attributes": sorted(attributes),
            "class_methods": sorted(attributes) if "classmethod" in marks else [],
            "bound_to": bound,
        }
        return {"mode": "method", "place": place}

    def _sites(self, statement: Statement) -> list[ast.Call]:
        found = [node for node in statement.walk() if old_super(node) and isinstance(node, ast.Call)]
        if not found:
            return []
        method = statement.method
        if method is None or statement.class_name is None or not method.args.args:
            raise Skip("not directly in a method")
        for node in found:
            owner, *instance = (one.id if isinstance(one, ast.Name) else None for one in node.args)
            if owner != statement.class_name or instance != [method.args.args[0].arg]:
                raise Skip("not the method's own class and instance")
            inside = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, *_functions())
            if any(isinstance(part, inside) for part in statement.walk()):
                raise Skip("inside a nested scope")
        return found


def _functions() -> tuple[type[ast.AST], ...]:
    return (ast.FunctionDef, ast.AsyncFunctionDef)


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _calls_through(node: ast.AST, inner: ast.Call) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.value is inner
