"""Small mechanical edits that nobody asked for, each kind shown on other lines before: what a narrow student forgets.

How it fits: `replay` holds the student to its base's predictions in conversations. Where these are only about edits
that it learns, it forgets to follow other examples and copies instead; so some are about edits that no row is about,
made of the rows' own words, which have their verdict already: renaming a word, removing one, capitals, the other
quotes, no spaces around operators. They are textual, for any language, and need not make sense: what the base predicts
is what is held, right or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from golddiff.rights.redact import redact_text
from golddiff.types import Example

__all__ = ["drills"]

WORD = re.compile(r"[A-Za-z_]\w{2,}")
SPACED = re.compile(r" *(==|[=+\-*/%<>!]=?) *")
MISSES = 50
"""Texts without anything to edit, after which another kind is drawn: some code has no quotes at all."""
_Drill: TypeAlias = Callable[[str], tuple[str, str] | None]
"""Text → (instruction, text after the edit); None where the text has nothing to edit."""


def drills(examples: Sequence[Example], size: int, seed: int) -> list[list[Example]]:
    """Return groups of `size` rows of one drill each, made of the rows' code before and after their change."""
    chance = np.random.default_rng(seed)
    words = sorted({word for example in examples for word in WORD.findall(example.before)})
    texts = [text for example in examples for text in (example.before, example.after)]
    places = [int(place) for place in chance.permutation(len(texts))]
    groups: list[list[Example]] = []
    group: list[Example] = []
    drill = _draw(chance, words) if words else None
    missed = 0
    for place in places:
        if drill is not None and (made := drill(texts[place])) and made[1] != texts[place]:
            instruction, after = map(redact_text, made)
            row = examples[place // 2]
            group.append(msgspec.structs.replace(row, instruction=instruction, before=texts[place], after=after))
        else:
            missed += 1
        if len(group) == size:
            groups.append(group)
        if words and (len(group) == size or missed == MISSES):
            group, drill, missed = [], _draw(chance, words), 0
    return groups


def _draw(chance: np.random.Generator, words: Sequence[str]) -> _Drill:
    new = words[int(chance.integers(len(words)))]

    def on_a_word(instruction: str, change: Callable[[str, str], str]) -> _Drill:
        def drill(text: str) -> tuple[str, str] | None:
            found = sorted(set(WORD.findall(text)))
            if not found:
                return None
            word = found[int(chance.integers(len(found)))]
            return instruction.format(word, new), change(text, word)

        return drill

    def quotes(text: str) -> tuple[str, str] | None:
        if ("'" in text) == ('"' in text):
            return None
        old, new, name = ('"', "'", "single") if '"' in text else ("'", '"', "double")
        return f"Use {name} quotes.", text.replace(old, new)

    kinds: Sequence[_Drill] = (
        on_a_word("Rename {0} to {1}.", lambda text, word: re.sub(rf"\b{word}\b", new, text)),
        on_a_word("Remove {0}.", lambda text, word: re.sub(rf"\b{word}\b\.?", "", text, count=1)),
        on_a_word("Write {0} in capitals.", lambda text, word: re.sub(rf"\b{word}\b", word.upper(), text)),
        quotes,
        lambda text: ("No spaces around operators.", SPACED.sub(r"\1", text)),
    )
    return kinds[int(chance.integers(len(kinds)))]
