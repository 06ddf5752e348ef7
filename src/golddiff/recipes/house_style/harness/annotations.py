"""Run the annotations of one statement and return the types that they resolve to.

How it fits: the check of the `annotations` family. `typing` names are real, every other unknown name becomes a
class of its own, and what the statement annotates is compared as types: `Optional[int]` and `int | None` are the
same, `list[int]` and `List[int]` are the same, `list[int]` and `list[str]` are not. Parameters, their kinds and
their defaults are compared too.

Not covered: annotations as text (`"Node"`), which cannot be joined with `|` when they run.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import types
import typing
from typing import Any

from golddiff.recipes.house_style.harness.execution import Unusable, parse_statement

ALIASES = {typing.Union: "union", types.UnionType: "union"}
_MISSING = object()


class Named(type):
    """A class for a name that nothing defines; attributes are further classes, subscripts are generic aliases."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = Named(f"{cls.__name__}.{name}", (), {})
        setattr(cls, name, made)
        return made

    def __getitem__(cls, item: Any) -> Any:
        return types.GenericAlias(cls, item if isinstance(item, tuple) else (item,))


class TypeNames(dict[str, Any]):
    """Names as a module with `from typing import …` sees them."""

    def __init__(self) -> None:
        super().__init__(__builtins__={"__build_class__": builtins.__build_class__}, __name__="window")
        self.update(typing=typing, t=typing)

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            return getattr(builtins, name)
        found = getattr(typing, name, _MISSING) if name in typing.__all__ else _MISSING
        self[name] = Named(name, (), {}) if found is _MISSING else found
        return self[name]


def canonical_type(annotation: Any) -> Any:
    """Return a type as JSON data: unions sorted, `typing` aliases of built-in and abstract classes resolved."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in ALIASES:
        return ["union", *sorted((canonical_type(part) for part in arguments), key=repr)]
    if origin is typing.Literal:
        return ["literal", *map(repr, arguments)]
    if isinstance(annotation, list):
        return [canonical_type(part) for part in annotation]
    if annotation is None or annotation is type(None):
        return "None"
    if origin is not None and not arguments:
        return canonical_type(origin)
    if origin is not None:
        return [canonical_type(origin), *(canonical_type(part) for part in arguments)]
    if isinstance(annotation, type):
        return annotation.__name__
    return repr(annotation)


def default_of(value: Any) -> Any:
    """Return a default value as JSON data."""
    if isinstance(value, (dict, list, tuple, set)):
        return [type(value).__name__, repr(value)]
    return value.__name__ if isinstance(value, type) else repr(value)


def resolve_annotations(text: str) -> Any:
    """Return as JSON data what `text` (an annotated assignment or a `def` header) annotates. Raises Unusable."""
    node = parse_statement(text)
    names = TypeNames()
    if isinstance(node, ast.AnnAssign):
        annotation = eval(compile(ast.Expression(node.annotation), "window", "eval", dont_inherit=True), names)  # noqa: S307 - the check
        rest = ast.unparse(node.value) if node.value is not None else None
        return [ast.unparse(node.target), canonical_type(annotation), rest]
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise Unusable(f"a {type(node).__name__} annotates nothing")
    exec(compile(ast.Module([node], []), "window", "exec", dont_inherit=True), names)  # noqa: S102 - the check
    signature = inspect.signature(names[node.name])
    empty = inspect.Parameter.empty
    parameters = [
        [
            name,
            parameter.kind.name,
            "" if parameter.annotation is empty else canonical_type(parameter.annotation),
            "" if parameter.default is empty else default_of(parameter.default),
        ]
        for name, parameter in signature.parameters.items()
    ]
    returned = "" if signature.return_annotation is empty else canonical_type(signature.return_annotation)
    return [type(node).__name__, node.name, parameters, returned]
