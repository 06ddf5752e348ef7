"""Family `literals`: `set([a])`, `dict(a=1)`, `dict([(k, v) …])`, `list()`, `tuple()` become displays.

A careless first attempt writes `dict(a=1)` with the keys as names, and drops the braces' meaning where a set is
built from a list (`set([a])` → `[a]`): both look tidy and fail when they run.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from golddiff.recipes.house_style.harness.style import old_literal
from golddiff.recipes.house_style.statement import Edit, Skip, Statement

EMPTY = {"list": "[]", "tuple": "()", "dict": "{}"}


class Literals:
    """See the module."""

    name = "literals"
    wish = "Use literals."
    mark = re.compile(r"\b(set\([\[(]|set\(.*\bfor\b|dict\([)\[(\w]|list\([)\[(]|tuple\([)\[(])")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per constructor call."""
        return [Edit(node, display(statement, node, careless=False)) for node in statement.walk() if old_literal(node)]

    def slip(self, statement: Statement) -> str | None:
        """Return the statement with keys as names and lists for sets."""
        return statement.with_edits(
            [Edit(node, display(statement, node, careless=True)) for node in statement.walk() if old_literal(node)]
        )

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Stubs carry everything."""
        return {"mode": "statement"}


def display(statement: Statement, node: ast.AST, *, careless: bool) -> str:
    """Return the display for one constructor call. Raises Skip."""
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    name = node.func.id
    if not node.args:
        if not node.keywords:
            return EMPTY[name]
        if name != "dict":
            raise Skip("not a constructor of the built-in type")
        quote = "" if careless else "'" if "'" in statement.text and '"' not in statement.text else '"'
        pairs = [f"{quote}{k.arg}{quote}: {statement.source(k.value)}" for k in node.keywords]
        return "{" + ", ".join(pairs) + "}"
    inner = node.args[0]
    body = statement.source(inner)
    bare = isinstance(inner, ast.GeneratorExp) and not body.startswith("(")  # between the call's own parentheses
    content = (body if bare else body[1:-1]).strip().rstrip(",")
    if name == "dict":
        return "{" + paired(statement, inner, content) + "}"
    if name in ("list", "tuple"):
        opening, closing = (
            ("[", "]") if name == "list" else ("(", ",)" if len(getattr(inner, "elts", "..")) == 1 else ")")
        )
        if not content:
            return EMPTY[name]
        return f"{opening}{content}{closing}"
    if not content:
        raise Skip("an empty set has no literal")
    return f"[{content}]" if careless else f"{{{content}}}"


def paired(statement: Statement, inner: ast.expr, content: str) -> str:
    """Return the inside of a dict display for a list or comprehension of pairs."""
    if isinstance(inner, (ast.ListComp, ast.GeneratorExp)):
        pair = inner.elt
        if not isinstance(pair, ast.Tuple) or len(pair.elts) != 2:
            raise Skip("pairs are not spelled out")
        written = statement.source(pair)
        rest = content[content.index(written) + len(written) :]
        return f"{statement.source(pair.elts[0])}: {statement.source(pair.elts[1])}{rest}"
    if not isinstance(inner, (ast.List, ast.Tuple)) or not inner.elts:
        raise Skip("pairs are not spelled out")
    pairs = []
    for pair in inner.elts:
        if not isinstance(pair, (ast.Tuple, ast.List)) or len(pair.elts) != 2:
            raise Skip("pairs are not spelled out")
        pairs.append(f"{statement.source(pair.elts[0])}: {statement.source(pair.elts[1])}")
    return ", ".join(pairs)
