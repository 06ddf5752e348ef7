"""How near a proposed window is to the accepted one, measured on what changed and on nothing else.

Most of a window stays as it was, so similarity of whole windows saturates (91 % edit similarity beside 28 % exact
match in a published next-edit system). Every measure here compares two *changes*: before → gold with before →
proposed. A model that repeats the window unchanged scores 0 where the gold diff changes something.

- `exact_match`: the same text, line ends and trailing blank lines aside.
- `line_f1`: F1 over the multisets of added and removed lines (trailing white space aside, indentation kept).
- `delta_chrf`: chrF over the *differences* of character n-gram counts, n = 1..6, beta = 2, white space left out.

Sources: chrF: Popović (2015), WMT, 392-395. Its delta form: Zed's edit-prediction evaluation (Zeta2), which subtracts
the n-gram counts of the text before and compares what remains with its sign. Here orders in which neither change
has an n-gram are left out of the average. Into an empty window both equal sacreBLEU's chrF, which a test checks.

Not covered: equivalence of different texts; that is what executed checks are for.
"""

from __future__ import annotations

from collections import Counter

from golddiff import patch

__all__ = ["compared_lines", "delta_chrf", "exact_match", "line_f1", "text_metrics"]

CHARACTER_ORDER = 6
BETA = 2.0


def text_metrics(before: str, gold: str, proposed: str | None) -> dict[str, float]:
    """Return `applied`, `exact`, `line_f1` and `delta_chrf`, each 0 to 1; `proposed` None is no usable answer."""
    if proposed is None:
        return {"applied": 0.0, "exact": 0.0, "line_f1": 0.0, "delta_chrf": 0.0}
    return {
        "applied": 1.0,
        "exact": float(exact_match(gold, proposed)),
        "line_f1": line_f1(before, gold, proposed),
        "delta_chrf": delta_chrf(before, gold, proposed),
    }


def exact_match(gold: str, proposed: str) -> bool:
    """Whether both windows hold the same lines."""
    return compared_lines(gold) == compared_lines(proposed)


def line_f1(before: str, gold: str, proposed: str) -> float:
    """Return F1 of added and removed lines; 1 where neither change changes a line, 0 where only one does."""
    return _f_score(changed_lines(before, gold), changed_lines(before, proposed), beta=1.0)


def changed_lines(before: str, after: str) -> Counter[tuple[str, str]]:
    """Return the multiset of (`-` or `+`, line) that turns `before` into `after`."""
    old, new = compared_lines(before), compared_lines(after)
    changed: Counter[tuple[str, str]] = Counter()
    for old_from, old_to, new_from, new_to in patch.blocks(old, new):
        changed.update(("-", line) for line in old[old_from:old_to])
        changed.update(("+", line) for line in new[new_from:new_to])
    return changed


def delta_chrf(before: str, gold: str, proposed: str) -> float:
    """Return the chrF of the proposed change against the gold change, 0 to 1; 1 where neither changes anything."""
    texts = ["".join(text.split()) for text in (before, gold, proposed)]
    precision = recall = 0.0
    orders = 0
    for order in range(1, CHARACTER_ORDER + 1):
        start, wanted, got = (_ngrams(text, order) for text in texts)
        wanted_delta, got_delta = _signed(start, wanted), _signed(start, got)
        if not wanted_delta and not got_delta:
            continue
        orders += 1
        common = (wanted_delta & got_delta).total()
        precision += common / got_delta.total() if got_delta else 0.0
        recall += common / wanted_delta.total() if wanted_delta else 0.0
    if not orders:
        return 1.0
    return _f(precision / orders, recall / orders, BETA)


def compared_lines(text: str) -> list[str]:
    """Return the lines that comparisons look at: trailing white space and trailing blank lines aside."""
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _ngrams(text: str, order: int) -> Counter[str]:
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))


def _signed(start: Counter[str], end: Counter[str]) -> Counter[tuple[str, str]]:
    delta = Counter({("+", gram): count for gram, count in (end - start).items()})
    delta.update({("-", gram): count for gram, count in (start - end).items()})
    return delta


def _f_score(wanted: Counter[tuple[str, str]], got: Counter[tuple[str, str]], beta: float) -> float:
    if not wanted and not got:
        return 1.0
    if not wanted or not got:
        return 0.0
    common = (wanted & got).total()
    return _f(common / got.total(), common / wanted.total(), beta)


def _f(precision: float, recall: float, beta: float) -> float:
    if precision + recall == 0:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
