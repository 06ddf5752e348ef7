"""What kind of work a session was asked for: the first word of its first prompt that names one.

How it fits: one of the ways in which the report divides lines and costs. It is a reading of a prompt's words by a fixed
list, nothing more: deterministic, the same for every model, and `other` where no word of the list is there.
"""

from __future__ import annotations

import re

_KINDS = {
    "fix": r"fix(?:es|ed|ing)?|bugs?|errors?|fail(?:s|ed|ing|ures?)?|broken|breaks?|crash(?:es|ed)?|debug|regressions?",
    "test": r"tests?|testing|coverage",
    "docs": r"docs?|document(?:ed|ation)?|readme|comments?|changelog|docstrings?",
    "refactor": r"refactor(?:ing)?|rename|clean ?up|simplif(?:y|ies)|extract|move|split|restructure|format|lint",
    "chore": r"upgrade|bump|dependenc(?:y|ies)|ci|deploy|release|configur(?:e|ation)|merge|rebase|commit",
    "question": r"why|explain|review|how (?:does|do|is|are|can)|what (?:does|do|is|are)|analy[sz]e|investigate",
    "add": r"add(?:s|ed|ing)?|implement(?:s|ed|ing|ation)?|create|build|support|write|new|make|introduce|generate",
}
KINDS = (*_KINDS, "other")
_WORD = re.compile("|".join(rf"(?P<{name}>\b(?:{words})\b)" for name, words in _KINDS.items()), re.IGNORECASE)
_CHARS = 2_000


def task_kind(prompt: str) -> str:
    """Return one of `KINDS`."""
    found = _WORD.search(prompt[:_CHARS])
    return "other" if found is None or found.lastgroup is None else found.lastgroup
