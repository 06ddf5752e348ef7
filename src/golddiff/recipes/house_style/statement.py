"""One logical statement of a file: its lines, its syntax tree, and where in the text every node lies.

How it fits: `sites` cuts files into statements, a family edits a statement's text at node positions (so quotes,
spacing and comments stay as they were), and the lines of the statement are the unit that is checked.

A compound statement is represented by its header only. Statements that share a line with others, span more than
one line or hold anything but ASCII are left out: `ast` counts columns in bytes, short windows are the point, and of a
change inside a longer statement a patch would show a part that does not parse.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_LINES = 1
MAX_CHARACTERS = 140

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Skip(Exception):
    """This site is not used; the message is the reason that is counted."""


@dataclass(frozen=True)
class Edit:
    """Replace the text of one node."""

    node: ast.AST
    text: str


@dataclass(frozen=True)
class Statement:
    """A statement with its surroundings, as far as families need them."""

    text: str
    """Whole lines, without the newline at the end."""
    node: ast.stmt
    first_line: int
    """From 1."""
    typing_names: frozenset[str] = frozenset()
    """Names that the file imports from `typing`."""
    class_name: str | None = None
    """Class whose method holds the statement directly; None elsewhere."""
    method: Function | None = None
    parts: tuple[ast.AST, ...] = field(default=(), compare=False)
    """Nodes whose text belongs to the statement: itself, or the expressions of its header."""

    def offset(self, line: int, column: int) -> int:
        """Return the position in `text` of a place given as in `ast`."""
        lines = self.text.split("\n")
        return sum(len(one) + 1 for one in lines[: line - self.first_line]) + column

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where the text of `node` starts and ends in `text`."""
        assert isinstance(node, (ast.expr, ast.stmt, ast.arg, ast.keyword))
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def source(self, node: ast.AST) -> str:
        """Return the text of `node`."""
        start, end = self.span(node)
        return self.text[start:end]

    def walk(self) -> Iterator[ast.AST]:
        """Yield every node of the statement, of a header only the header's."""
        for part in self.parts:
            yield from ast.walk(part)

    def with_edits(self, edits: list[Edit]) -> str:
        """Return the text after `edits`. Raises Skip where two of them overlap."""
        spans = sorted((*self.span(edit.node), edit.text) for edit in edits)
        text, reached = [], 0
        for start, end, new in spans:
            if start < reached:
                raise Skip("one edit inside another")
            text += [self.text[reached:start], new]
            reached = end
        return "".join(text) + self.text[reached:]


def statements_of(source: str, tree: ast.Module) -> Iterator[Statement]:
    """Yield the usable statements of a file in order."""
    lines = source.split("\n")
    typing_names = frozenset(
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "typing"
        for alias in node.names
    )
    stack: list[tuple[ast.AST, str | None, Function | None]] = [(tree, None, None)]
    found: list[Statement] = []
    while stack:
        owner, class_name, method = stack.pop()
        if isinstance(owner, ast.ClassDef):
            class_name, method = owner.name, None
        elif isinstance(owner, Function):
            class_name, method = (class_name, owner) if class_name and method is None else (None, owner)
        for child in ast.iter_child_nodes(owner):
            if isinstance(child, ast.stmt):
                stack.append((child, class_name, method))
                made = _statement(child, lines, typing_names, class_name, method)
                if made is not None:
                    found.append(made)
            elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
                stack.append((child, class_name, method))
    yield from sorted(found, key=lambda one: one.first_line)


def _statement(
    node: ast.stmt, lines: list[str], typing_names: frozenset[str], class_name: str | None, method: Function | None
) -> Statement | None:
    """Return the statement, or None where its lines are not its own or too many."""
    first, parts = node.lineno, _header(node)
    last = node.end_lineno or first
    body = getattr(node, "body", None)
    if isinstance(body, list) and body:
        last = min(getattr(b, "lineno", first) - len(getattr(b, "decorator_list", [])) for b in body[:1]) - 1
        while last > first and (not lines[last - 1].strip() or lines[last - 1].strip().startswith("#")):
            last -= 1
    if not parts or last < first or last - first >= MAX_LINES:
        return None
    text = "\n".join(lines[first - 1 : last])
    shares_line = lines[first - 1][: node.col_offset].strip() or (body is None and not _ends(node, lines[last - 1]))
    header_open = isinstance(body, list) and not text.split("#")[0].rstrip().endswith(":")
    if shares_line or header_open or not text.isascii() or "\t" in text or len(text) > MAX_CHARACTERS:
        return None
    return Statement(text, node, first, typing_names, class_name, method, parts)


def _ends(node: ast.stmt, line: str) -> bool:
    """Say whether nothing but a comment follows the statement on its last line."""
    rest = line[node.end_col_offset :].strip()
    return not rest or rest.startswith("#")


def _header(node: ast.stmt) -> tuple[ast.AST, ...]:
    """Return what of `node` stands in its own lines; empty for statements that are never edited."""
    if isinstance(node, (ast.If, ast.While)):
        return (node.test,)
    if isinstance(node, ast.For):
        return (node.target, node.iter)
    if isinstance(node, ast.With):
        return tuple(node.items)
    if isinstance(node, Function):
        return (node.args, *([node.returns] if node.returns else []))
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Raise, ast.Assert, ast.Expr)):
        return (node,)
    return ()
