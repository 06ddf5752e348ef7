"""What models' changes to a repository are worth, and did one beat another on the same tasks? With intervals.

How it fits: `golddiff tasks grade` prints the shares and, under them, the pairs. Tasks that are unscored for one of a
pair, or that it has no answer to, are left out of that pair, and so is a task with several answers of one model. Of
those a share is pass@1 over tasks: answers to one task say nothing about other tasks. The p-value is McNemar's,
adjusted over all pairs of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import msgspec

from golddiff.evaluate.tasks.predictions import Judged
from golddiff.statistics.intervals import Interval, resample
from golddiff.statistics.paired import holm, mcnemar_exact, success_difference
from golddiff.statistics.pass_at_k import mean_pass_at_k

__all__ = ["Pair", "Resolved", "pairs", "shares"]


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """How many of one model's changes pass."""

    model: str
    resolved: int
    scored: int
    unscored: int
    """Changes that there is no verdict for: no failure of the model."""
    share: Interval | None
    """pass@1 over tasks: Wilson's interval where each has one answer, else tasks are drawn. None where nothing is
    scored, or nothing tells how far tasks differ."""


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
        of_model = [one for one in judged if one.model == model]
        by_task: dict[str, list[bool]] = {}
        for one in of_model:
            if one.resolved is not None:
                by_task.setdefault(one.instance_id, []).append(one.resolved)
        counts = [(len(answers), sum(answers)) for answers in by_task.values()]
        scored = sum(answers for answers, _ in counts)
        found.append(
            Resolved(
                model=model,
                resolved=sum(resolved for _, resolved in counts),
                scored=scored,
                unscored=len(of_model) - scored,
                share=mean_pass_at_k(counts, 1).interval,
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
