"""When two lines count as the same, and when a line says anything at all.

Lines are compared without any white space, so re-indenting, reformatting inside a line and line ends do not end a
line's life; where a formatter broke or joined lines, or changed quotes, `bare` and `fingerprint` see through it.
A line without a letter or digit (`}`, `);`) is nobody's: it is carried along but proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from posixpath import commonprefix

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_FORMATTERS = str.maketrans("", "", "'\",;")
_TELLING_CHARS = 20
"""Letters and digits: the least that git takes for moved text (git-diff, `--color-moved=blocks`)."""

SIMILAR = 0.6
"""Lines at least this alike (difflib ratio of their keys) are one line that was revised: git's own rename default
is 0.5 of a file; single short lines of code agree by chance more often, hence a little higher."""


_MOST_CHARS = 2_000
"""Characters of two keys beyond which only what they share at head and tail counts: comparing in full takes the
square of it (minutes for a minified file that is one line), and a change in one place is still found."""


def key(line: str) -> str:
    """The line without white space: equal keys are the same line."""
    return "".join(line.split())


def fingerprint(line_key: str) -> str:
    """The key with one kind of quote and without the mark that it ends with: what formatters change of a whole line."""
    return line_key.replace("'", '"').rstrip(",;")


def bare(line_key: str) -> str:
    """The key without quotes, commas and semicolons: what a formatter that breaks and joins lines leaves in order."""
    return line_key.translate(_FORMATTERS)


def tells(line_keys: Iterable[str]) -> bool:
    """Whether lines found in another place, or broken otherwise, are enough to say that they are the same ones."""
    return sum(map(str.isalnum, "".join(line_keys))) >= _TELLING_CHARS


def significant(line_key: str) -> bool:
    """Whether a line can be told from punctuation: it has a letter or a digit."""
    return _LETTER_OR_DIGIT.search(line_key) is not None


def keys(text_lines: Iterable[str]) -> list[str]:
    """Keys of the significant lines, in order."""
    return [found for found in map(key, text_lines) if significant(found)]


def similarity(a: str, b: str) -> float:
    """Likeness of two keys, 0 to 1; 0 where cheap upper bounds say that it is below SIMILAR.

    Of very long keys it is a lower bound.
    """
    if 2 * min(len(a), len(b)) < SIMILAR * (len(a) + len(b)):
        return 0.0
    if len(a) + len(b) > _MOST_CHARS:
        head = len(commonprefix([a, b]))
        rest_a, rest_b = a[head:], b[head:]
        return 2 * (head + len(commonprefix([rest_a[::-1], rest_b[::-1]]))) / (len(a) + len(b))
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= SIMILAR else 0.0
