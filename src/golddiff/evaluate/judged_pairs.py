"""What models' changes to a repository are worth, and did one beat another on the same tasks? With intervals.

How it fits: `golddiff tasks grade` prints the shares and, under them, the pairs. Tasks that are unscored for one of a
pair, or that it has no answer to, are left out of that pair, and so is a task with several answers of one model:
`pass@k` is the measure for those. The p-value is McNemar's, adjusted over all pairs of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import msgspec

from golddiff.evaluate.predictions import Judged
from golddiff.statistics.intervals import Interval, resample, wilson
from golddiff.statistics.paired import holm, mcnemar_exact, success_difference

__all__ = ["Pair", "Resolved", "pairs", "shares"]


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """How many of one model's changes pass."""

    model: str
    resolved: int
    scored: int
    unscored: int
    """Changes that there is no verdict for: no failure of the model."""
    share: Interval | None
    """Of those that are scored, Wilson's interval; None where there are none."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Share of tasks resolved by `second` less that by `first`, on the tasks that both have a verdict for."""

    first: str
    second: str
    difference: Interval
    p_value: float
    """Exact McNemar, adjusted after Holm."""
    tasks: int
    only_first: int
    only_second: int


def shares(judged: Sequence[Judged]) -> list[Resolved]:
    """Return every model's share, in order of first use."""
    found = []
    for model in dict.fromkeys(one.model for one in judged):
        of_model = [one.resolved for one in judged if one.model == model]
        scored = [resolved for resolved in of_model if resolved is not None]
        found.append(
            Resolved(
                model=model,
                resolved=sum(scored),
                scored=len(scored),
                unscored=len(of_model) - len(scored),
                share=wilson(sum(scored), len(scored)) if scored else None,
            )
        )
    return found


def pairs(judged: Sequence[Judged]) -> list[Pair]:
    """Return every pair of models that at least two tasks compare, in order of first use."""
    several = {key for key, count in Counter((one.model, one.instance_id) for one in judged).items() if count > 1}
    known = {
        (one.model, one.instance_id): one.resolved
        for one in judged
        if one.resolved is not None and (one.model, one.instance_id) not in several
    }
    found = []
    for first, second in combinations(dict.fromkeys(one.model for one in judged), 2):
        tasks = [task for model, task in known if model == first and (second, task) in known]
        if len(tasks) < 2:
            continue
        mine = [float(known[second, task]) for task in tasks]
        other = [float(known[first, task]) for task in tasks]
        counts_RN = resample([(task,) for task in tasks])
        only = Counter(zip(other, mine, strict=True))
        found.append(
            Pair(
                first=first,
                second=second,
                difference=success_difference(mine, other, [1.0] * len(tasks), counts_RN, clusters=len(tasks)),
                p_value=mcnemar_exact(only[1.0, 0.0], only[0.0, 1.0]),
                tasks=len(tasks),
                only_first=only[1.0, 0.0],
                only_second=only[0.0, 1.0],
            )
        )
    adjusted = holm({str(place): pair.p_value for place, pair in enumerate(found)})
    return [msgspec.structs.replace(pair, p_value=adjusted[str(place)]) for place, pair in enumerate(found)]
