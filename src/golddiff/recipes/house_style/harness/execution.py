"""Run one statement with generated bindings and return what it did.

How it fits: `program` joins this with `stubs`, `annotations` and `style` into the program of a `Check`. The same
statement before the edit, run by the same code outside, gives the expected log.

A header (`if …:`, `def …:`) gets an empty body. `return`, `raise` and `assert` become assignments of what they
would carry, so that a value that is no exception can be raised and the message of an assertion is always built.
`super()` needs a method of a class: such a statement runs inside one, above a base class that logs.
"""

from __future__ import annotations

import ast
import textwrap
from typing import Any

from golddiff.recipes.house_style.harness.stubs import Bindings, World, canonical

RESULT = "__result__"
LEFT_OUT = (ast.Await, ast.YieldFrom)


class Unusable(Exception):
    """The text is not one statement that can be run; the message says why."""


def parse_statement(text: str) -> ast.stmt:
    """Return the only statement of `text`, whose indentation is removed and whose missing body is filled in."""
    block = textwrap.dedent(text).strip("\n")
    if block.startswith("elif "):
        block = block[2:]
    for candidate in (block, f"{block}\n    pass"):
        try:
            body = ast.parse(candidate).body
        except (SyntaxError, ValueError):
            continue
        if len(body) != 1:
            raise Unusable(f"{len(body)} statements")
        return body[0]
    raise Unusable("no valid Python")


class _Carrying(ast.NodeTransformer):
    """Turns statements that leave into assignments of what they carry; leaves nested functions alone."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return _carry(node, [node.value])

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return _carry(node, [node.exc, node.cause])

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return _carry(node, [node.test, node.msg])

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        return _carry(node, [node.value])

    def visit_Yield(self, node: ast.Yield) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(
            ast.Call(ast.Name("__yielded__", ast.Load()), [node.value or ast.Constant(None)], []), node
        )


def _carry(node: ast.stmt, parts: list[ast.expr | None]) -> ast.stmt:
    elements = [part if part is not None else ast.Constant(None) for part in parts]
    kind: ast.expr = ast.Constant(type(node).__name__)
    value = ast.Tuple([kind, *elements], ast.Load())
    return ast.copy_location(ast.Assign([ast.Name(RESULT, ast.Store())], value), node)


def _headless(node: ast.stmt) -> ast.stmt:
    """Return a compound statement reduced to its header's expressions."""
    if isinstance(node, (ast.If, ast.While)):
        kept: ast.expr = ast.Call(ast.Name("bool", ast.Load()), [node.test], [])
        return _carry(node, [kept])
    if isinstance(node, ast.For):
        return ast.copy_location(ast.For(node.target, node.iter, [ast.Pass()], []), node)
    return node


def keyword_of(text: str) -> str:
    """Return the first word of a header that `ast` does not tell apart from another: `elif`."""
    return "elif" if text.lstrip().startswith("elif ") else ""


def run_statement(text: str, world: World) -> Any:
    """Return as JSON data what the statement assigned, carried and called. Raises Unusable, or what it raises."""
    node = _headless(parse_statement(text))
    if any(isinstance(part, LEFT_OUT) for part in ast.walk(node)):
        raise Unusable("asynchronous or yielding")
    tree = ast.fix_missing_locations(ast.Module([_Carrying().visit(node)], []))
    names = Bindings(world)
    exec(compile(tree, "window", "exec", dont_inherit=True), names)  # noqa: S102 - this is the check; untrusted text only in the sandbox
    assigned = {k: canonical(v) for k, v in names.items() if k not in ("__builtins__", "__name__")}
    return [keyword_of(text), sorted(assigned.items()), world.log]


def run_in_method(text: str, world: World, place: dict[str, Any]) -> Any:
    """As `run_statement`, inside a method of class `place["class"]` whose base class logs the calls it gets."""
    node = _headless(parse_statement(text))
    if any(isinstance(part, LEFT_OUT) for part in ast.walk(node)):
        raise Unusable("asynchronous or yielding")

    def method(name: str) -> Any:
        def called(first: Any, *args: Any, **kwargs: Any) -> Any:
            who = first.__name__ if isinstance(first, type) else type(first).__name__
            return world.at(f"Base.{name}")(who, *args, **kwargs)

        return classmethod(called) if name in place["class_methods"] else called

    base = type("Base", (), {name: method(name) for name in place["attributes"]})
    names = Bindings(world)
    names["Base"] = base
    first = place["first"]
    body = ast.unparse(ast.fix_missing_locations(_Carrying().visit(node)))
    source = (
        f"class {place['class']}(Base):\n    def __probe__({first}):\n{textwrap.indent(body, ' ' * 8)}\n"
        f"        return {{k: v for k, v in __locals__().items() if k != {first!r}}}\n"
    )
    names["__locals__"] = locals
    exec(compile(ast.parse(source), "window", "exec", dont_inherit=True), names)  # noqa: S102 - as above
    made = names[place["class"]]
    instance = made if place["bound_to"] == "class" else object.__new__(made)
    assigned = made.__probe__(instance)
    cleaned = {k: canonical(v) for k, v in assigned.items() if k != "__class__"}
    return [sorted(cleaned.items()), world.log]
