"""How long what was kept lived: the curves, shares and comparisons of survival that the report shows.

Two shares are shown, both with the commit that accepted the lines as the beginning. *Of the lines written*: a line that
never got into a commit ended at 0, so the curve begins at the share that was accepted. *Of the lines accepted*: only
those. Groups are compared with the largest one that allows it, at one time (difference) and over all of it (hazard
ratio).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec
import numpy as np

from golddiff.statistics.shares import Difference, Measured, Refused
from golddiff.statistics.survival import Curve, Median, survival_curve, survival_difference
from golddiff.statistics.survival_hazards import HazardRatio, hazard_ratios, too_little
from golddiff.web.facts import SessionFacts
from golddiff.web.lives import AGENT, PERSON, Clock, Life, Watched, commits_clock, days_clock

DAYS = (7, 30, 90)
COMMITS = (1, 10, 100)
COMPARED_AT = 30
"""Days at which groups are compared."""
GROUP_ROWS = 8
CURVE_POINTS = 160


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """Shares at one time after the accepting commit."""

    name: str
    of_written: Measured
    """Of the lines written, those still in place."""
    of_accepted: Measured
    """Of the lines accepted, those still in place."""
    by_agents: Measured
    """Of the lines accepted, those that an agent session has overwritten."""
    at_risk: int
    """Accepted lines that were in place and watched for so long."""


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """A curve as points, thinned: shares from 0 to 1."""

    times: tuple[float, ...]
    still: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    by_agents: tuple[float, ...]
    at_risk: tuple[int, ...]


class LifeGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted lines of one model, tool, language, folder, kind of task or user."""

    name: str
    sessions: int
    lines: int
    ended: int
    """Of these, lines seen to end."""
    still: Measured
    """Share in place after `COMPARED_AT` days."""
    against_reference: Difference | Refused | None
    """That share minus the reference's; None for the reference itself."""
    hazard: HazardRatio | Refused | None
    """How many times as fast its lines end; None for the reference itself."""
    curve: Steps | None = None
    """None where the share is refused."""


class LifeBreakdown(msgspec.Struct, frozen=True, kw_only=True):
    """One way to divide accepted lines; the largest group that others can be compared with is the reference."""

    key: str
    title: str
    groups: tuple[LifeGroup, ...]

    @property
    def tells(self) -> bool:
        """Whether anything can be said of two groups beside each other."""
        known = sum(not isinstance(group.still, Refused) for group in self.groups)
        return known > 1 or any(isinstance(group.hazard, HazardRatio) for group in self.groups)


class Lives(msgspec.Struct, frozen=True, kw_only=True):
    """What the report says about survival."""

    sessions: int
    """With accepted lines that were followed."""
    lines: int
    characters: int
    ended_by_people: int
    ended_by_agents: int
    observed_until: datetime | None
    left_out: dict[str, int]
    days: tuple[Horizon, ...]
    commits: tuple[Horizon, ...]
    median_days: Median | Refused
    """Days until half of the accepted lines are gone."""
    curve: Steps | None
    """Of the lines written, by days; None where nothing was followed."""
    accepted_curve: Steps | None
    """Of the lines accepted, by days."""
    breakdowns: tuple[LifeBreakdown, ...]
    retained_characters: Measured
    """Share of accepted characters in place after `COMPARED_AT` days."""


_BREAKDOWNS: tuple[tuple[str, str, Callable[[Life], str]], ...] = (
    ("model", "Model", lambda life: life.model),
    ("agent", "Agent", lambda life: life.agent),
    ("tool", "Editing tool", lambda life: life.tool),
    ("language", "Language", lambda life: life.language),
    ("folder", "Folder", lambda life: life.folder),
    ("task", "Kind of task", lambda life: life.task),
    ("user", "User", lambda life: life.user),
)
KEYS = {key: name for key, _, name in _BREAKDOWNS}
"""What accepted lines can be divided by."""


def summarise_lives(watched: Watched, facts: Sequence[SessionFacts]) -> Lives | None:
    """Return what the rows say; None where no accepted line of these sessions was followed."""
    lives = watched.lives
    if not lives:
        return None
    clusters = list(dict.fromkeys(fact.cluster for fact in facts))
    by_days, by_commits = days_clock(clusters), commits_clock(clusters)
    accepted = by_days.accepted(lives)
    curve = survival_curve(accepted)
    return Lives(
        sessions=len({life.session_id for life in lives}),
        lines=sum(life.lines for life in lives),
        characters=sum(life.characters for life in lives),
        ended_by_people=sum(life.lines for life in lives if life.cause == PERSON),
        ended_by_agents=sum(life.lines for life in lives if life.cause == AGENT),
        observed_until=watched.observed_until,
        left_out=watched.left_out,
        days=tuple(_horizons(by_days, watched, facts, [(0, "at the commit"), *((day, f"{day} days") for day in DAYS)])),
        commits=tuple(
            _horizons(by_commits, watched, facts, [(n, f"{n} commit" if n == 1 else f"{n} commits") for n in COMMITS])
        ),
        median_days=curve.median(),
        curve=steps(survival_curve(by_days.written(watched, facts))),
        accepted_curve=steps(curve),
        breakdowns=tuple(breakdown(key, title, name, lives, clusters) for key, title, name in _BREAKDOWNS),
        retained_characters=survival_curve(
            by_days.accepted([life for life in lives if life.characters], lambda life: life.characters)
        ).at(COMPARED_AT),
    )


def _horizons(
    clock: Clock, watched: Watched, facts: Sequence[SessionFacts], times: Iterable[tuple[float, str]]
) -> Iterable[Horizon]:
    accepted = clock.accepted(watched.lives)
    curve, written = survival_curve(accepted), survival_curve(clock.written(watched, facts))
    for time, name in times:
        yield Horizon(
            name=name,
            of_written=written.at(time),
            of_accepted=curve.at(time) if time else Refused("all, by definition"),
            by_agents=curve.at(time, AGENT) if time else Refused("none, by definition"),
            at_risk=round(accepted.at_risk(time)),
        )


def breakdown(
    key: str, title: str, name: Callable[[Life], str], lives: Sequence[Life], clusters: Sequence[str]
) -> LifeBreakdown:
    """Divide accepted lines; groups beyond the largest are put together."""
    sizes: Counter[str] = Counter()
    for life in lives:
        sizes[name(life)] += life.lines
    names = sorted(sizes, key=lambda one: (one == "unknown", -sizes[one], one))
    small = set(names[GROUP_ROWS - 1 :]) if len(names) > GROUP_ROWS else set()
    rest = f"{len(small)} others"
    groups = [rest if name(life) in small else name(life) for life in lives]
    order = [one for one in names if one not in small] + ([rest] if small else [])
    return compared(key, title, lives, groups, order, clusters)


def compared(
    key: str,
    title: str,
    lives: Sequence[Life],
    groups: Sequence[str],
    order: Sequence[str],
    clusters: Sequence[str],
) -> LifeBreakdown:
    """Compare groups of rows, one name per row, with the first of them that is large enough."""
    lifetimes = days_clock(clusters).accepted(lives)
    labels = np.asarray(groups, dtype=object)
    reference = next((one for one in order if too_little(lifetimes.where(labels == one)) is None), order[0])
    ratios = hazard_ratios(lifetimes, list(groups), reference) if len(order) > 1 else {}
    found = []
    for one in order:
        chosen = labels == one
        mine = lifetimes.where(chosen)
        curve = survival_curve(mine)
        still = curve.at(COMPARED_AT)
        difference = survival_difference(
            mine, lifetimes.where(labels == reference), COMPARED_AT, comparisons=max(1, len(order) - 1)
        )
        found.append(
            LifeGroup(
                name=one,
                sessions=int(np.count_nonzero(mine.by_cluster())),
                lines=round(float(mine.weights_N.sum())),
                ended=round(float(mine.weights_N[mine.causes_N > 0].sum())),
                still=still,
                against_reference=None if one == reference else difference,
                hazard=None if one == reference else ratios.get(one, Refused("nothing to compare with")),
                curve=None if isinstance(still, Refused) else steps(curve),
            )
        )
    return LifeBreakdown(key=key, title=title, groups=tuple(found))


def steps(curve: Curve) -> Steps | None:
    """Thin a curve to at most `CURVE_POINTS` points from its beginning to the last look; None without rows."""
    rows = curve.lifetimes
    if not len(rows.durations_N):
        return None
    last = float(rows.durations_N.max())
    times = curve.times_T
    if len(times) > CURVE_POINTS:
        grid = np.linspace(0, last, CURVE_POINTS)
        times = np.unique(times[np.clip(np.searchsorted(times, grid, side="right") - 1, 0, None)])
    times = np.unique(np.concatenate([[0.0], times, [last]]))
    at = np.searchsorted(curve.times_T, times, side="right") - 1
    low, high = curve.band()

    def column(values: np.ndarray[tuple[int], np.dtype[np.float64]], first: float) -> tuple[float, ...]:
        return tuple(round(float(values[step]), 5) if step >= 0 else first for step in at)

    return Steps(
        times=tuple(round(float(time), 4) for time in times),
        still=column(curve.still, 1.0),
        low=column(low, 1.0),
        high=column(high, 1.0),
        by_agents=column(curve.estimates_KT[AGENT], 0.0),
        at_risk=tuple(round(rows.at_risk(float(time))) for time in times),
    )
