"""Text that looks like code: lines that stand once in a history, and lines that stand everywhere.

Linking lives on the difference, so both are needed in the shares that real code has: identifiers with a number of
their own, and `return None`, blank lines, closing brackets and boilerplate that anyone writes.
"""

from __future__ import annotations

from itertools import count
from random import Random

_VERBS = ("load", "store", "merge", "check", "render", "count", "sort", "route", "split", "price", "cancel", "book")
_NOUNS = ("invoice", "parcel", "ticket", "ledger", "sensor", "report", "basket", "depot", "tariff", "voucher")

BOILERPLATE = (
    (
        "import logging",
        "from dataclasses import dataclass, field",
        "",
        "logger = logging.getLogger(__name__)",
    ),
    (
        'if __name__ == "__main__":',
        "    logging.basicConfig(level=logging.INFO)",
        "    raise SystemExit(main())",
    ),
    (
        "try:",
        "    import uvloop",
        "except ImportError:",
        "    uvloop = None",
    ),
)
"""Blocks that several people write, word for word."""


class Words:
    """Makes names that no other call makes."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def name(self, rng: Random) -> str:
        """An identifier of its own."""
        return f"{rng.choice(_NOUNS)}_{next(self._numbers)}"

    def path(self, rng: Random) -> str:
        """A path of its own, in one of a few folders."""
        return f"src/{rng.choice(_NOUNS)}s/{self.name(rng)}.py"

    def statement(self, rng: Random, indent: int = 4) -> str:
        """One line of its own, long enough to be told from any other."""
        name, verb, noun = self.name(rng), rng.choice(_VERBS), rng.choice(_NOUNS)
        form = rng.randrange(4)
        if form == 0:
            text = f"{name} = {verb}_{noun}({noun}s, limit={rng.randrange(10, 999)})"
        elif form == 1:
            text = f"self.{verb}_{noun}({name}, {noun}.{rng.choice(_NOUNS)}, retries={rng.randrange(2, 9)})"
        elif form == 2:
            text = f"# {name}: the {noun} is {verb}ed before the {rng.choice(_NOUNS)}"
        else:
            text = f'log.info("{verb} {noun} %s", {name}.{rng.choice(_NOUNS)})'
        return " " * indent + text

    def function(self, rng: Random, statements: int | None = None) -> list[str]:
        """A function: lines of its own among lines that every function has; a blank line at its end."""
        name, noun = self.name(rng), rng.choice(_NOUNS)
        lines = [f"def {rng.choice(_VERBS)}_{name}({noun}, *, limit=None):", f'    """Handle the {noun} of {name}."""']
        if rng.random() < 0.5:
            lines += [f"    if {noun} is None:", "        return None"]
        lines += [self.statement(rng) for _ in range(statements or rng.randrange(2, 6))]
        if rng.random() < 0.3:
            lines += ["    try:", self.statement(rng, 8), "    except KeyError:", "        pass"]
        if rng.random() < 0.3:
            lines += [f"    rows_{name} = [", f"        {self.name(rng)},", f"        {self.name(rng)},", "    ]"]
        return [*lines, rng.choice(("    return None", f"    return {noun}")), ""]

    def module(self, rng: Random, functions: int = 2) -> list[str]:
        """A whole file."""
        lines = [f'"""The {rng.choice(_NOUNS)} of {self.name(rng)}."""', "", "from __future__ import annotations", ""]
        for _ in range(functions):
            lines += self.function(rng)
        return lines

    def revised(self, text: str) -> str:
        """The line with a small change: more alike to it than to any other line."""
        number = next(self._numbers)
        head, bracket, tail = text.partition("(")
        return f"{head}(r{number}, {tail}" if bracket and tail else f"{text}  # {number}"


def wrapped(text: str) -> list[str] | None:
    """The line broken behind its first bracket and before its last, token for token; None where it has none."""
    body = text.strip()
    if not body.endswith(")") or "(" not in body or body.startswith(("#", "def ")):
        return None
    head, _, rest = body.partition("(")
    indent = " " * (len(text) - len(text.lstrip()))
    return [f"{indent}{head}(", f"{indent}    {rest[:-1]}", f"{indent})"]
