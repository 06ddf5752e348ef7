"""The nearest earlier accepted changes of a request, by BM25: the context of the untrained arm R0.

How it fits: `evaluate` shows them to the base model, `serve` may do so too; training sees none. Only changes accepted
*before* the request count: an index that knows the future would leak the answer; nor do those of its own session or
commit, whenever they were. Ties go to the later change.

BM25 and not embeddings: it needs no model, it is exact on identifiers, and R0 is the honest control, so it should be
what any team could switch on in an afternoon.

Source: Robertson & Zaragoza (2009), The Probabilistic Relevance Framework, FnTIR 3(4):333-389, eq. 3.15, with the
idf of Lucene (ln(1 + (N - n + 0.5) / (n + 0.5)), never negative); k1 = 1.2, b = 0.75.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from golddiff.types import Example

K1 = 1.2
B = 0.75
_TERM = re.compile(r"[A-Z]+(?![a-z])|[A-Za-z][a-z0-9]*|\d+|[^\w\s]")


class EarlierChanges:
    """An index of accepted changes. Build once, ask often."""

    def __init__(self, pool: Sequence[Example]) -> None:
        self._pool = sorted(pool, key=lambda example: example.at)
        terms = [Counter(_terms(example)) for example in self._pool]
        lengths = [counts.total() for counts in terms]
        average = sum(lengths) / len(lengths) if lengths else 1.0
        holding = Counter(term for counts in terms for term in counts)
        self._weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for index, (counts, length) in enumerate(zip(terms, lengths, strict=True)):
            for term, count in counts.items():
                rarity = math.log(1 + (len(terms) - holding[term] + 0.5) / (holding[term] + 0.5))
                norm = K1 * (1 - B + B * length / average)
                self._weights[term].append((index, rarity * count * (K1 + 1) / (count + norm)))

    def nearest(self, example: Example, k: int) -> list[Example]:
        """Return up to `k` changes accepted before `example.at`, the nearest last (next to the request).

        Changes that share no word with the request, and those of its own session or commit, are never returned.
        """
        scores: dict[int, float] = defaultdict(float)
        for term in set(_terms(example)):
            for index, weight in self._weights.get(term, ()):
                scores[index] += weight
        earlier = [
            (score, index)
            for index, score in scores.items()
            if self._pool[index].at < example.at and not _same_work(self._pool[index], example)
        ]
        return [self._pool[index] for _, index in sorted(sorted(earlier, reverse=True)[:k])]


def _same_work(one: Example, other: Example) -> bool:
    mine, others = one.provenance, other.provenance
    return (
        one.id == other.id
        or (mine.session_id is not None and mine.session_id == others.session_id)
        or (mine.commit is not None and mine.commit == others.commit)
    )


def _terms(example: Example) -> list[str]:
    """Words of instruction, path and window before; identifiers by their parts, punctuation as words."""
    text = f"{example.instruction}\n{example.path}\n{example.before}"
    return [part.lower() for part in _TERM.findall(text)]
