"""When two lines count as the same, and when a line says anything at all.

Lines are compared without any white space, so re-indenting, reformatting inside a line and line ends do not end a
line's life. A line without a letter or digit (`}`, `);`) is nobody's: it is carried along but proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")

SIMILAR = 0.6
"""Lines at least this alike (difflib ratio of their keys) are one line that was revised: git's own rename default
is 0.5 of a file; single short lines of code agree by chance more often, hence a little higher."""


def key(line: str) -> str:
    """The line without white space: equal keys are the same line."""
    return "".join(line.split())


def significant(line_key: str) -> bool:
    """Whether a line can be told from punctuation: it has a letter or a digit."""
    return _LETTER_OR_DIGIT.search(line_key) is not None


def keys(text_lines: Iterable[str]) -> list[str]:
    """Keys of the significant lines, in order."""
    return [found for found in map(key, text_lines) if significant(found)]


def similarity(a: str, b: str) -> float:
    """Likeness of two keys, 0 to 1; 0 where cheap upper bounds say that it is below SIMILAR."""
    if 2 * min(len(a), len(b)) < SIMILAR * (len(a) + len(b)):
        return 0.0
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= SIMILAR else 0.0
