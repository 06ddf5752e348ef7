"""Family `annotations`: `Optional[X]`, `Union[X, Y]`, `List[X]` … become `X | None`, `X | Y`, `list[X]` ….

A careless first attempt rewrites the containers and forgets what `Optional` means (`Optional[X]` → `X`) where it is
the type of a result or an attribute, and leaves `Optional` inside another type as it was.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from golddiff.recipes.house_style.harness.style import OLD_TYPING, old_annotation
from golddiff.recipes.house_style.statement import Edit, Function, Skip, Statement

BUILT_IN = {"List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set", "FrozenSet": "frozenset", "Type": "type"}


class Annotations:
    """See the module."""

    name = "annotations"
    wish = "Modern type hints."
    mark = re.compile(r"\b(Optional|Union|List|Dict|Tuple|Set|FrozenSet|Type)\[")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per annotation that holds an old name."""
        return [Edit(node, modern(statement, node)) for node in annotations_of(statement)]

    def slip(self, statement: Statement) -> str | None:
        """Return the statement with `Optional` taken for decoration."""
        arguments = statement.node.args if isinstance(statement.node, Function) else None
        kept = {id(a.annotation) for a in (arguments.args + arguments.kwonlyargs if arguments else [])}
        edits = []
        for node in annotations_of(statement):
            if name_of(node) == "Optional" and id(node) not in kept:
                assert isinstance(node, ast.Subscript)
                edits.append(Edit(node, modern(statement, node.slice)))
            else:
                edits.append(Edit(node, modern(statement, node, careless=True)))
        return statement.with_edits(edits)

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Annotations are resolved to types."""
        return {"mode": "annotations"}


def name_of(node: ast.AST) -> str | None:
    """Return `Optional` for `Optional[…]` and `typing.Optional[…]`."""
    inner = node.value if isinstance(node, ast.Subscript) else node
    return inner.id if isinstance(inner, ast.Name) else inner.attr if isinstance(inner, ast.Attribute) else None


def annotations_of(statement: Statement) -> list[ast.expr]:
    """Return the annotations of a statement that hold an old name. Raises Skip."""
    node = statement.node
    if isinstance(node, ast.AnnAssign):
        found = [node.annotation]
    elif isinstance(node, Function):
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [one for one in (arguments.vararg, arguments.kwarg) if one]
        found = [one.annotation for one in every if one.annotation]
        found += [node.returns] if node.returns else []
    else:
        return []
    old = [one for one in found if any(old_annotation(part) for part in ast.walk(one))]
    for one in old:
        for part in ast.walk(one):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                raise Skip("type given as text")
            if isinstance(part, ast.Name) and part.id in OLD_TYPING and part.id not in statement.typing_names:
                raise Skip("name not imported from typing")
            if isinstance(part, ast.Attribute) and part.attr in OLD_TYPING and statement.source(part.value) != "typing":
                raise Skip("name not imported from typing")
    return old


def modern(statement: Statement, node: ast.expr, *, careless: bool = False) -> str:
    """Return the source of a type in the new way."""
    name = name_of(node)
    if isinstance(node, ast.Subscript):
        inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in ("Optional", "Union") and not any(isinstance(one, ast.List) for one in inner):
            if any(isinstance(one, ast.Starred) for one in inner):
                raise Skip("starred types")
            parts = [modern(statement, one, careless=careless) for one in inner]
            return " | ".join(parts + (["None"] if name == "Optional" else []))
        start = statement.source(node.value)
        if name in BUILT_IN and old_annotation(node.value):
            start = BUILT_IN[name]
        if isinstance(node.slice, ast.Tuple) and not node.slice.elts:
            return f"{start}[()]"
        if careless:
            return f"{start}[{statement.source(node.slice)}]"
        return f"{start}[{', '.join(modern(statement, one) for one in inner)}]"
    if isinstance(node, ast.List):
        return f"[{', '.join(modern(statement, one, careless=careless) for one in node.elts)}]"
    if name in BUILT_IN and old_annotation(node):
        return BUILT_IN[name]
    if any(old_annotation(part) for part in ast.walk(node)):
        raise Skip("old name in an unusual place")
    return statement.source(node)
