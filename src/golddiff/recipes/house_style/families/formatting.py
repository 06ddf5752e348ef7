"""Family `f-strings`: `"…" % x` and `"…".format(x)` become f-strings.

The literal's own source text is kept (quotes, escapes), placeholders are replaced by the arguments' source text.
`%s` → `{x}`, `%r` → `{x!r}`, `%d` → `{x:d}` (a bool or an enum prints differently as plain text), `%5.2f` →
`{x:5.2f}`, `%-10s` → `{x!s:<10}`, `%%` → `%`, and braces are doubled. Not edited: `*` widths, `%c`, bytes, raw
strings, adjacent literals, one value on the right that may be a tuple, and arguments that Python 3.11 does not
accept inside an f-string (backslashes, the same quotes, walrus, lambda, starred).

A careless first attempt forgets the conversion: `%r` and `%d` as plain `{x}`, `%%` left doubled, the arguments of
`.format` still called.
"""

from __future__ import annotations

import ast
import re
import string
from typing import Any

from golddiff.recipes.house_style.harness.style import old_formatting
from golddiff.recipes.house_style.statement import Edit, Skip, Statement

PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?([#0\- +]*)(\*|\d+)?(?:\.(\*|\d+))?[hlL]?(.)")
LITERAL = re.compile(r"^[uU]?(\"\"\"|'''|\"|')(.*)\1$", re.DOTALL)
MAYBE_TUPLE = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
PLAIN_TUPLE_NAMES = ("args", "params", "values", "data", "info", "t", "tup")


class Formatting:
    """See the module."""

    name = "f-strings"
    wish = "Use f-strings."
    mark = re.compile(r"""["']\s*%\s*[\w("'{\[]|["']\.format\(""")

    def edits(self, statement: Statement) -> list[Edit]:
        """Return one edit per formatting expression."""
        return [
            Edit(node, formatted(statement, node, careless=False)) for node in statement.walk() if old_formatting(node)
        ]

    def slip(self, statement: Statement) -> str | None:
        """Return the statement with conversions forgotten; None where there is none to forget."""
        nodes = [node for node in statement.walk() if old_formatting(node)]
        return statement.with_edits([Edit(node, formatted(statement, node, careless=True)) for node in nodes])

    def binding(self, statement: Statement) -> dict[str, Any]:
        """Stubs carry every conversion."""
        return {"mode": "statement"}


def formatted(statement: Statement, node: ast.AST, *, careless: bool) -> str:
    """Return the f-string for one formatting expression. Raises Skip."""
    if isinstance(node, ast.BinOp):
        quote, body = literal(statement, node.left)
        inner = from_percent(statement, body, node.right, quote, careless=careless)
    else:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        quote, body = literal(statement, node.func.value)
        if careless and len(node.args) > 2:
            return "f" + statement.source(node)
        inner = from_format(statement, body, node, quote, careless=careless)
    return f"f{quote}{inner}{quote}"


def literal(statement: Statement, node: ast.expr) -> tuple[str, str]:
    """Return quote and source text between the quotes of a single plain literal."""
    found = LITERAL.match(statement.source(node))
    if not isinstance(node, ast.Constant) or found is None:
        raise Skip("literal is not one plain string")
    quote, body = found.groups()
    whole = ast.literal_eval(f"({statement.source(node)})")
    if "\\N" in body or whole != node.value or (len(quote) == 1 and re.search(rf"(?<!\\){quote}", body)):
        raise Skip("literal is not one plain string")
    return quote, body


def argument(statement: Statement, node: ast.expr, quote: str) -> str:
    """Return the source of an argument as it may stand between braces."""
    source = statement.source(node)
    if isinstance(node, (ast.Lambda, ast.Starred, ast.NamedExpr, ast.Yield, ast.Await, ast.Tuple)):
        raise Skip("argument that cannot stand in an f-string")
    if quote[0] in source:
        other = '"' if quote[0] == "'" else "'"
        if other in source or len(quote) > 1:
            raise Skip("quotes inside the argument")
        source = source.replace(quote[0], other)
    if any(mark in source for mark in ("\\", "\n", "#")) or "lambda" in source or ":=" in source:
        raise Skip("argument that cannot stand in an f-string")
    return f" {source}" if source.startswith("{") else source


def from_percent(statement: Statement, body: str, right: ast.expr, quote: str, *, careless: bool) -> str:
    """Return the text between the quotes of the f-string."""
    found = list(PLACEHOLDER.finditer(body))
    wanted = [match for match in found if match.group(5) != "%"]
    named = [match for match in wanted if match.group(1)]
    if not wanted or (named and len(named) != len(wanted)):
        raise Skip("placeholders are mixed or missing")
    if body.count("%") != sum(match.group().count("%") for match in found):
        raise Skip("stray percent sign")
    values: dict[str, ast.expr] = {}
    queue: list[ast.expr] = []
    if named:
        if not isinstance(right, ast.Dict):
            raise Skip("right side is one mapping")
        for key, value in zip(right.keys, right.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                raise Skip("mapping with computed keys")
            values[key.value] = value
        if {match.group(1) for match in wanted} != set(values) or len(wanted) != len(values):
            raise Skip("mapping and placeholders differ")
    elif isinstance(right, ast.Tuple):
        queue = list(right.elts)
    elif isinstance(right, ast.Dict) or (isinstance(right, ast.Name) and right.id in PLAIN_TUPLE_NAMES):
        raise Skip("right side may be a tuple")
    else:
        queue = [right]
    if not named and (len(queue) != len(wanted) or any(isinstance(one, ast.Starred) for one in queue)):
        raise Skip("as many values as placeholders are needed")
    text, reached = [], 0
    for match in found:
        text.append(braces(body[reached : match.start()]))
        reached = match.end()
        if match.group(5) == "%":
            text.append("%%" if careless else "%")
            continue
        node = values[match.group(1)] if named else queue.pop(0)
        conversion = "" if careless and match.group(5) in "rdi" else converted(match)
        text.append(f"{{{argument(statement, node, quote)}{conversion}}}")
    return "".join([*text, braces(body[reached:])])


def braces(text: str) -> str:
    """Double the braces of literal text."""
    return text.replace("{", "{{").replace("}", "}}")


def converted(match: re.Match[str]) -> str:
    """Return conversion and format specification for one `%` placeholder."""
    _, flags, width, precision, kind = match.groups()
    if "*" in (width, precision) or kind not in "sradiuxXoeEfFgG" or " " in flags:
        raise Skip("placeholder without a counterpart")
    width, precision = width or "", f".{precision}" if precision is not None else ""
    if kind in "sra":
        if not width and not precision:
            return "" if kind == "s" else f"!{kind}"
        align = ("<" if "-" in flags else ">") if width else ""
        return f"!{kind}:{align}{width}{precision}"
    if kind in "diu" and (precision or "#" in flags):
        raise Skip("placeholder without a counterpart")
    align = "<" if "-" in flags and width else ""
    sign, alternate = ("+" if "+" in flags else ""), ("#" if "#" in flags else "")
    zero = "0" if "0" in flags and width and "-" not in flags else ""
    return f":{align}{sign}{alternate}{zero}{width}{precision}{'d' if kind in 'iu' else kind}"


def from_format(statement: Statement, body: str, call: ast.Call, quote: str, *, careless: bool) -> str:
    """Return the text between the quotes of the f-string."""
    if any(isinstance(one, ast.Starred) for one in call.args) or any(k.arg is None for k in call.keywords):
        raise Skip("starred arguments")
    given: dict[str, ast.expr] = {str(i): one for i, one in enumerate(call.args)}
    given |= {str(keyword.arg): keyword.value for keyword in call.keywords}
    try:
        pieces = list(string.Formatter().parse(body))
    except ValueError as error:
        raise Skip("placeholders do not parse") from error
    text, uses, automatic = [], dict.fromkeys(given, 0), 0
    for before, field, spec, conversion in pieces:
        text.append(braces(before))
        if field is None:
            continue
        found = re.match(r"^(\w*)((?:\.\w+)*)$", field)
        if found is None or "{" in (spec or "") or "{" in field:
            raise Skip("nested or indexed placeholder")
        key, attributes = found.groups()
        if not key:
            key, automatic = str(automatic), automatic + 1
        if key not in given:
            raise Skip("placeholder without a value")
        uses[key] += 1
        source = argument(statement, given[key], quote)
        if attributes and not isinstance(given[key], (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
            source = f"({source})"
        mark = f"!{conversion}" if conversion and not careless else ""
        text.append(f"{{{source}{attributes}{mark}{':' + spec if spec else ''}}}")
    simple = (ast.Name, ast.Attribute, ast.Constant)
    if any(n == 0 or (n > 1 and not isinstance(given[key], simple)) for key, n in uses.items()) or not uses:
        raise Skip("a value is not used exactly once")
    return "".join(text)
