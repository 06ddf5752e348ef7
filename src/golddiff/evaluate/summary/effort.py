"""What an accepted patch takes: money, time and tokens of all answers, by the tasks that were done.

How it fits: part of the summary, and the frontier of cost and quality. Only tasks with a score *and* a known effort
count. Time is not the same thing everywhere: of a server it is what a caller waits for one answer at the number of
requests that were in flight; of a local model it is a batch's time by its answers, which is throughput.
"""

from __future__ import annotations

import msgspec

from golddiff.evaluate.summary.columns import Columns
from golddiff.statistics.intervals import Interval
from golddiff.statistics.per_success import cost_per_success, frontier

__all__ = ["EFFORTS", "Effort", "efforts_of", "on_the_frontier"]

EFFORTS = {"usd": "US dollars", "seconds": "seconds", "tokens": "tokens written"}
"""Metric → in words; the first that all arms have is the cost of the frontier."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of effort of one arm."""

    tasks: int
    """Tasks with a score and a known effort."""
    answer: Interval
    """Of one answer, on average."""
    accepted: Interval | None
    """Of one accepted patch; None where there is none. `high` infinite (null in JSON): the draws give no bound."""


def efforts_of(columns: Columns, arm: str) -> dict[str, Effort]:
    """Return every kind of effort that is known of the arm."""
    success, scored = columns.values(arm, "success")
    found = {}
    for metric in EFFORTS:
        value, known = columns.values(arm, metric)
        both = scored * known
        if not (value * both).sum():
            continue
        answer = columns.interval(value * both, both, shares=False)
        if answer is not None:
            accepted = cost_per_success(value * both, success * both, columns.counts_RN, clusters=columns.width)
            found[metric] = Effort(tasks=int(both.sum()), answer=answer, accepted=accepted)
    return found


def on_the_frontier(efforts: dict[str, tuple[float, float]]) -> list[str]:
    """Return the arms, given as (cost, quality), that no other arm beats in both; the cheapest first."""
    names = list(efforts)
    return [names[index] for index in frontier([efforts[name] for name in names])]
