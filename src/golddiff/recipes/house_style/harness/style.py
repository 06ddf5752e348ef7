"""What the house calls its style: one predicate per family over the syntax tree of the edited statement.

How it fits: an edit must run as before *and* be in style; otherwise the text before the edit would pass its own
check. Also part of the program that the sandbox runs: standard library only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

OLD_TYPING = frozenset({"Optional", "Union", "List", "Dict", "Tuple", "Set", "FrozenSet", "Type"})


def is_literal_text(node: ast.expr) -> bool:
    """Say whether `node` is literal text, formatted or not."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def calls(node: ast.AST, *names: str) -> bool:
    """Say whether `node` calls one of the built-in `names`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def old_formatting(node: ast.AST) -> bool:
    """`"…" % x`, `"…".format(x)`."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod) and is_literal_text(node.left)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
        and is_literal_text(node.func.value)
    )


def old_annotation(node: ast.AST) -> bool:
    """`Optional[int]`, `typing.List[int]`, bare `Dict`."""
    return (isinstance(node, ast.Name) and node.id in OLD_TYPING) or (
        isinstance(node, ast.Attribute) and node.attr in OLD_TYPING
    )


def old_super(node: ast.AST) -> bool:
    """`super(C, self)`."""
    return calls(node, "super") and isinstance(node, ast.Call) and bool(node.args)


def old_literal(node: ast.AST) -> bool:
    """`set([…])`, `dict(a=…)`, `dict([…])`, `list()`, `tuple()`."""
    if not isinstance(node, ast.Call) or not calls(node, "set", "dict", "list", "tuple"):
        return False
    assert isinstance(node.func, ast.Name)
    name, arguments = node.func.id, node.args
    if not arguments:
        return name != "set" and all(keyword.arg for keyword in node.keywords)
    shapes = (ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp) if name in ("set", "dict") else (ast.List, ast.Tuple)
    return len(arguments) == 1 and not node.keywords and isinstance(arguments[0], shapes)


def old_isinstance(node: ast.AST) -> bool:
    """`isinstance(x, (A, B))`."""
    return (
        isinstance(node, ast.Call)
        and calls(node, "isinstance", "issubclass")
        and len(node.args) == 2
        and isinstance(node.args[1], ast.Tuple)
    )


def old_keys(node: ast.AST) -> bool:
    """`x in d.keys()`, `for k in d.keys()`."""
    if isinstance(node, ast.Compare):
        asked = [c for op, c in zip(node.ops, node.comparators, strict=True) if isinstance(op, (ast.In, ast.NotIn))]
    elif isinstance(node, (ast.For, ast.comprehension)):
        asked = [node.iter]
    else:
        return False
    return any(
        isinstance(c, ast.Call) and isinstance(c.func, ast.Attribute) and c.func.attr == "keys" and not c.args
        for c in asked
    )


def old_membership(node: ast.AST) -> bool:
    """`not x in y`, `not x is y`."""
    return (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.Not)
        and isinstance(node.operand, ast.Compare)
        and len(node.operand.ops) == 1
        and isinstance(node.operand.ops[0], (ast.In, ast.Is))
    )


def old_default(node: ast.AST) -> bool:
    """`d.get(k, None)`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and len(node.args) == 2
        and isinstance(node.args[1], ast.Constant)
        and node.args[1].value is None
    )


def old_type_test(node: ast.AST) -> bool:
    """`type(x) == T`."""
    return isinstance(node, ast.Compare) and any(calls(side, "type") for side in (node.left, *node.comparators))


def old_sorting(node: ast.AST) -> bool:
    """`sorted(list(x))`, `set(list(x))`, `list(sorted(x))`."""
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.func, ast.Name):
        return False
    inner = node.args[0]
    if node.func.id in ("sorted", "set"):
        return calls(inner, "list", "tuple")
    return node.func.id == "list" and calls(inner, "sorted")


OLD: dict[str, Callable[[ast.AST], bool]] = {
    "f-strings": old_formatting,
    "annotations": old_annotation,
    "super": old_super,
    "literals": old_literal,
    "isinstance": old_isinstance,
    "keys": old_keys,
    "off: not in": old_membership,
    "off: get": old_default,
    "off: type test": old_type_test,
    "off: sorted": old_sorting,
}
"""Family → what must not be left. In-workflow families first; `off:` families are never trained on."""


def in_style(family: str, node: ast.AST) -> bool:
    """Say whether nothing of the old way of `family` is left anywhere in the statement."""
    return not any(OLD[family](part) for part in ast.walk(node))
