"""Generated bindings: every free name of a statement becomes a `Stub` that answers any operation and logs effects.

How it fits: `execution` runs a real statement of real code with nothing of that code around it. A stub knows the
expression that made it (its path, such as `self.options.get`), and everything it yields follows from that path and
the number of the value set: text with braces, quotes and percent signs, whole numbers below zero, fractions. Calls,
assignments to attributes and to items are logged. Two statements that treat the same values in the same way
leave the same log; a change of one conversion (`%r` to `%s`, `%d` to plain text) leaves another one.

Not covered: protocols of asynchronous code and of descriptors. A statement that stubs cannot carry raises, and
`sites` drops it with that reason. This file is also part of the program that the sandbox runs: standard library only.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

TEXTS = ("plain", "{b} %s %%", 'it\'s "q"', "back\\slash {0!r}", "\u00e9\tnl", "")
"""Material for text values: what a careless conversion trips over."""

REAL_BUILTINS = frozenset({
    "NotImplemented", "Ellipsis", "abs", "all", "any", "bool", "bytearray", "bytes", "complex", "dict", "divmod",
    "enumerate", "filter", "float", "frozenset", "hash", "hex", "int", "isinstance", "issubclass", "len", "list", "map",
    "max", "memoryview", "min", "object", "oct", "ord", "range", "repr", "reversed", "round", "set", "slice", "sorted",
    "str", "sum", "super", "tuple", "type", "zip",
})  # fmt: skip
"""Names that keep their meaning: they compute and touch nothing outside. All others are stubs."""


class World:
    """One value set: its number, the paths that are bound to something other than a stub, and the log."""

    def __init__(self, number: int, overrides: dict[str, Any] | None = None) -> None:
        self.number = number
        self.overrides = overrides or {}
        self.log: list[Any] = []

    def draw(self, path: str, kind: str, size: int) -> int:
        """Return a number below `size` that follows from value set, path and kind."""
        digest = blake2b(f"{self.number}|{kind}|{path}".encode("utf-8", "backslashreplace"), digest_size=6)
        return int.from_bytes(digest.digest(), "big") % size

    def at(self, path: str) -> Any:
        """Return what lies at `path`."""
        return self.overrides[path] if path in self.overrides else Stub(path, self)


class Stub(str):
    """A value of no particular type; as a `str` it is its own path, so that `join` and dict keys work."""

    _world: World
    __slots__ = ("_world",)
    __module__ = "bindings"  # shown by `%s` of a type, which must not depend on where this code runs

    def __new__(cls, path: str, world: World) -> Stub:
        stub = str.__new__(cls, path)
        object.__setattr__(stub, "_world", world)
        return stub

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            return str.__getattribute__(self, name)
        return world_of(self).at(f"{path_of(self)}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        world_of(self).log.append(["set", path_of(self), name, canonical(value)])

    def __delattr__(self, name: str) -> None:
        world_of(self).log.append(["del", path_of(self), name])

    def __setitem__(self, key: Any, value: Any) -> None:
        world_of(self).log.append(["setitem", path_of(self), canonical(key), canonical(value)])

    def __delitem__(self, key: Any) -> None:
        world_of(self).log.append(["delitem", path_of(self), canonical(key)])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = [canonical(list(args)), canonical(dict(sorted(kwargs.items())))]
        world_of(self).log.append(["call", path_of(self), given])
        return world_of(self).at(f"{path_of(self)}({digest_of(given) if args or kwargs else ''})")

    def __getitem__(self, key: Any) -> Any:
        return world_of(self).at(f"{path_of(self)}[{canonical(key)}]")

    def __iter__(self) -> Iterator[Any]:
        return iter([world_of(self).at(f"{path_of(self)}<{i}>") for i in range(2)])

    def __contains__(self, item: object) -> bool:
        return bool(world_of(self).draw(f"{path_of(self)} has {canonical(item)}", "bool", 2))

    def __bool__(self) -> bool:
        return bool(world_of(self).draw(path_of(self), "bool", 2))

    def __str__(self) -> str:
        world = world_of(self)
        return f"{TEXTS[world.draw(path_of(self), 'text', len(TEXTS))]}~{world.draw(path_of(self), 'mark', 997)}"

    def __repr__(self) -> str:
        return f"<{self.__str__()!r}>"

    def __format__(self, spec: str) -> str:
        if spec and spec[-1] in "dn":
            return format(self.__int__(), spec)
        if spec and spec[-1] in "xXobc":
            return format(self.__index__(), spec)
        if spec and spec[-1] in "eEfFgG%":
            return format(self.__float__(), spec)
        return format(self.__str__(), spec)

    def __int__(self) -> int:
        return world_of(self).draw(path_of(self), "int", 4001) - 2000

    def __index__(self) -> int:
        return abs(self.__int__()) % 7 if world_of(self).number % 2 else abs(self.__int__())

    def __float__(self) -> float:
        return self.__int__() / 16

    def __add__(self, other: Any) -> Any:
        return text_of(self) + other if is_text(other) else operated(self, "+", other)

    def __radd__(self, other: Any) -> Any:
        return other + text_of(self) if is_text(other) else operated(self, "r+", other)

    def __rmod__(self, other: Any) -> Any:
        # Python asks a subclass of str before str itself; formatting is what is judged, so it must really happen.
        return str.__mod__(other, (self,)) if isinstance(other, str) else operated(self, "r%", other)

    def __enter__(self) -> Any:
        world_of(self).log.append(["enter", path_of(self)])
        return world_of(self).at(f"{path_of(self)}:entered")

    def __exit__(self, *details: object) -> None:
        world_of(self).log.append(["exit", path_of(self)])


def path_of(stub: Stub) -> str:
    """Return the expression that made `stub`."""
    return str.__str__(stub)


def world_of(stub: Stub) -> World:
    """Return the value set that `stub` belongs to."""
    world: World = str.__getattribute__(stub, "_world")
    return world


def text_of(stub: Stub) -> str:
    """Return a stub's text as concatenation sees it."""
    return stub.__str__()


def is_text(value: Any) -> bool:
    """Say whether `value` is real text: with it a stub concatenates, with another stub it computes."""
    return isinstance(value, str) and not isinstance(value, Stub)


def operated(stub: Stub, operator: str, other: Any) -> Any:
    """Return the value of an operation that stubs do not compute."""
    return world_of(stub).at(f"({path_of(stub)} {operator} {canonical(other)})")


def _operation(name: str) -> Callable[..., Any]:
    return lambda self, *others: operated(self, name, list(others))


def _comparison(name: str) -> Callable[..., Any]:
    def compare(self: Stub, other: Any) -> bool:
        return bool(world_of(self).draw(f"{path_of(self)} {name} {canonical(other)}", "bool", 2))

    return compare


for _name in ("sub", "mul", "mod", "truediv", "floordiv", "pow", "and", "or", "xor", "lshift", "rshift", "matmul"):
    setattr(Stub, f"__{_name}__", _operation(_name))
    if _name != "mod":
        setattr(Stub, f"__r{_name}__", _operation(f"r{_name}"))
for _name in ("neg", "pos", "invert", "abs"):
    setattr(Stub, f"__{_name}__", _operation(_name))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Stub, f"__{_name}__", _comparison(_name))


class Bindings(dict[str, Any]):
    """Names of the statement: what it assigned itself, pure builtins and exceptions, and stubs for the rest."""

    def __init__(self, world: World) -> None:
        super().__init__(__builtins__={"__build_class__": builtins.__build_class__}, __name__="window")
        self.world = world

    def __missing__(self, name: str) -> Any:
        if name in self.world.overrides:
            return self.world.overrides[name]
        known = getattr(builtins, name, None)
        if name in REAL_BUILTINS or (isinstance(known, type) and issubclass(known, BaseException)):
            return known
        return self.world.at(name)


def canonical(value: Any, depth: int = 0) -> Any:
    """Return `value` as JSON data that two equal values share and two different ones do not."""
    if depth > 8:
        return "..."
    if isinstance(value, Stub):
        return f"\u00a7{path_of(value)}"
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(canonical(item, depth + 1) for item in value)]
    if isinstance(value, (set, frozenset)):
        return [type(value).__name__, *sorted((canonical(item, depth + 1) for item in value), key=repr)]
    if isinstance(value, dict):
        return ["dict", *([canonical(k, depth + 1), canonical(v, depth + 1)] for k, v in value.items())]
    if isinstance(value, BaseException):
        return ["raised", type(value).__name__, canonical(list(value.args), depth + 1)]
    if isinstance(value, type):
        return f"class {value.__name__}"
    if value is None or isinstance(value, (bool, int, str)):
        return [type(value).__name__, str(value)]
    if isinstance(value, (float, complex, bytes, slice)):
        return [type(value).__name__, repr(value)]
    if hasattr(value, "__next__"):
        return ["iterator", *(canonical(item, depth + 1) for item in value)]
    return canonical_callable(value, depth) if callable(value) else f"a {type(value).__name__}"


def canonical_callable(value: Any, depth: int) -> Any:
    """Return what a function of the statement does with stubs (a lambda's body is part of the change)."""
    code = getattr(value, "__code__", None)
    if code is None:
        return f"builtin {getattr(value, '__name__', '?')}"
    names = value.__globals__
    world = World(names.world.number if isinstance(names, Bindings) else 0)
    given = [world.at(f"argument {i}") for i in range(code.co_argcount - len(value.__defaults__ or ()))]
    return ["function", canonical(list(value.__defaults__ or ()), depth + 1), canonical(value(*given), depth + 1)]


def digest_of(data: Any) -> str:
    """Return 12 hex digits of canonical data."""
    return blake2b(repr(data).encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()
