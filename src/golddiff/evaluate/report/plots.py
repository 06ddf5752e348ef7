"""The plots of an evaluation's page."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence

import msgspec

from golddiff.evaluate.arms import Role
from golddiff.evaluate.summary.effort import EFFORTS, on_the_frontier
from golddiff.evaluate.summary.summary import ArmSummary, Summary
from golddiff.evaluate.summary.trainings import SizeGain
from golddiff.page import Figure, error_bars, layout
from golddiff.statistics.intervals import Interval
from golddiff.statistics.learning import HalfPlateau

__all__ = ["Figure", "figures", "frontier_metric", "later_trainings", "names_of_families"]

COLOURS = {Role.BASE: "--dropped", Role.STUDENT: "--kept", Role.TEACHER: "--ink", Role.CONTROL: "--revised"}
_OPACITIES = (1.0, 0.6, 0.35)
_SYMBOLS = ("circle", "diamond", "square", "triangle-up")
"""Of arms of one role, which share its colour."""
MOST_BESIDE = 6
"""Arms beside each other in a family; more are a table."""
MOST_CURVES = 3
"""Curves in one plot; more cannot be told apart."""
_KINDS = ("--dropped", "--revised", "--soft", "--unknown", "--kept", "--ink", "--line")


def figures(summary: Summary) -> dict[str, Figure]:
    """Return the plots that there is data for, by the id of their place on the page."""
    found = {
        "plot-success": success(summary),
        "plot-families": families(summary),
        "plot-failures": failures(summary),
        "plot-nll": likelihood(summary),
        "plot-frontier": frontier(summary),
        "plot-learning": learning(summary),
        "plot-calibration": reliability(summary),
    }
    return {name: figure for name, figure in found.items() if figure["data"]}


def later_trainings(summary: Summary) -> set[str]:
    """Return the arms that a recipe's first training stands for where only one of them is shown."""
    return {name for training in summary.trainings for name in training.arms[1:]}


def names_of_families(summary: Summary) -> list[str]:
    """Return the task families, where there are several."""
    names = sorted({family for arm in summary.arms for family in arm.families})
    return names if len(names) > 1 else []


def success(summary: Summary) -> Figure:
    """Every arm's success with its interval."""
    arms = [arm for arm in reversed(summary.arms) if "success" in arm.measures]
    data = [
        _points([_name(arm)], [arm.measures["success"]], COLOURS[Role(arm.role)], arm.role, scale=100) for arm in arms
    ]
    axes = layout(
        90 + 38 * len(arms),
        x={"title": {"text": "success, %"}, "range": [-2, 102], "dtick": 20, "showgrid": True},
        y={"type": "category", "automargin": True, "showgrid": False, "range": [-0.6, len(arms) - 0.4]},
    )
    return {"data": data, "layout": axes | {"showlegend": False}}


def families(summary: Summary) -> Figure:
    """Success by task family, one colour per arm's role, side by side in each family; nothing for many arms."""
    names = names_of_families(summary)
    if not names or len(summary.arms) > MOST_BESIDE:
        return {"data": [], "layout": {}}
    data = []
    seen: Counter[str] = Counter()
    for arm in summary.arms:
        symbol, colour = _SYMBOLS[seen[arm.role] % len(_SYMBOLS)], COLOURS[Role(arm.role)]
        seen[arm.role] += 1
        intervals = [arm.families[name] for name in names if name in arm.families]
        there = [html.escape(name) for name in names if name in arm.families]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": _name(arm),
                "offsetgroup": _name(arm),
                "x": there,
                "y": [100 * one.estimate for one in intervals],
                "error_y": error_bars(intervals, 100) | {"color": colour, "thickness": 2, "width": 0},
                "marker": {"color": colour, "symbol": symbol, "size": 10},
                "hovertemplate": f"{_name(arm)}, %{{x}}<br>%{{y:.1f}} %<extra></extra>",
            }
        )
    axes = layout(340, y={"title": {"text": "success, %"}, "range": [-4, 104]}, x={"type": "category"})
    return {"data": data, "layout": axes | {"scattermode": "group", "scattergap": 0.4}}


def failures(summary: Summary) -> Figure:
    """Failures by kind, one bar per arm."""
    kinds: dict[str, int] = {}
    for arm in summary.arms:
        for kind, count in arm.failures.items():
            kinds[kind] = kinds.get(kind, 0) + count
    arms = list(reversed(summary.arms))
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": html.escape(kind),
            "y": [_name(arm) for arm in arms],
            "x": [arm.failures.get(kind, 0) for arm in arms],
            "marker": {"color": _KINDS[index % len(_KINDS)], "line": {"color": "--paper", "width": 1}},
            "hovertemplate": f"%{{y}}<br>%{{x}} tasks: {html.escape(kind)}<extra></extra>",
        }
        for index, kind in enumerate(sorted(kinds, key=lambda kind: -kinds[kind]))
    ]
    axes = layout(
        130 + 32 * len(arms),
        x={"title": {"text": "tasks failed"}, "rangemode": "tozero", "showgrid": True},
        y={"type": "category", "automargin": True, "showgrid": False},
    )
    return {"data": data, "layout": axes | {"barmode": "stack", "bargap": 0.3}}


def likelihood(summary: Summary) -> Figure:
    """Nats per token of the changed lines: lower is nearer to writing the accepted change."""
    arms = [(arm, arm.nll) for arm in reversed(summary.arms) if arm.nll is not None]
    data = [_points([_name(arm)], [nll], COLOURS[Role(arm.role)], arm.role) for arm, nll in arms if nll]
    axes = layout(
        90 + 38 * len(arms),
        x={"title": {"text": "nats per token, lower is better"}, "rangemode": "tozero", "showgrid": True},
        y={"type": "category", "automargin": True, "showgrid": False, "range": [-0.6, len(arms) - 0.4]},
    )
    return {"data": data, "layout": axes | {"showlegend": False}}


def frontier_metric(summary: Summary) -> str | None:
    """Return the effort that most arms with an accepted patch have, money first; None where fewer than two have one."""
    counts = {metric: sum(_priced(arm, metric) is not None for arm in summary.arms) for metric in EFFORTS}
    best = max(counts, key=lambda metric: counts[metric])  # the first of equals
    return best if counts[best] > 1 else None


def _priced(arm: ArmSummary, metric: str) -> Interval | None:
    effort = arm.efforts.get(metric)
    return effort.accepted if effort and "success" in arm.measures else None


def frontier(summary: Summary) -> Figure:
    """Success against what an accepted patch costs, with the arms that no other beats in both."""
    metric = frontier_metric(summary)
    if metric is None:
        return {"data": [], "layout": {}}
    arms = [(arm, cost) for arm in summary.arms if (cost := _priced(arm, metric))]
    best = on_the_frontier({arm.name: (cost.estimate, arm.measures["success"].estimate) for arm, cost in arms})
    places = {arm.name: (cost.estimate, 100 * arm.measures["success"].estimate) for arm, cost in arms}
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [places[name][0] for name in best],
            "y": [places[name][1] for name in best],
            "line": {"color": "--soft", "width": 1, "dash": "dot", "shape": "hv"},
            "hoverinfo": "skip",
        }
    ]
    labels = _labels([(arm.name, cost.estimate, arm.measures["success"].estimate) for arm, cost in arms])
    for arm, cost in arms:
        shown, colour = arm.measures["success"], COLOURS[Role(arm.role)]
        bounded = cost if math.isfinite(cost.high) else msgspec.structs.replace(cost, high=cost.estimate)
        upper = f"{cost.high:.4g}" if math.isfinite(cost.high) else "no bound"
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": [cost.estimate],
                "y": [100 * shown.estimate],
                "text": [_name(arm) if arm.name in labels else ""],
                "textposition": labels.get(arm.name, "top right"),
                "cliponaxis": False,
                "error_x": error_bars([bounded]) | {"color": colour, "thickness": 1.5, "width": 0},
                "error_y": error_bars([shown], 100) | {"color": colour, "thickness": 1.5, "width": 0},
                "marker": {"color": colour, "size": 11},
                "hovertemplate": f"<b>{_name(arm)}</b><br>{cost.estimate:.4g} [{cost.low:.4g}, {upper}] "
                f"{EFFORTS[metric]} per accepted patch<br>{html.escape(str(shown))}<extra></extra>",
            }
        )
    axes = layout(
        380,
        x={"title": {"text": f"{EFFORTS[metric]} per accepted patch"}} | _log_axis([cost for _, cost in arms]),
        y={"title": {"text": "success, %"}, "range": [-4, 108]},
    )
    return {"data": data, "layout": axes | {"showlegend": False}}


def learning(summary: Summary) -> Figure:
    """Gain over the best untrained arm by number of examples, with the fitted curve."""
    found = summary.learning
    if found is None:
        return {"data": [], "layout": {}}
    points = found.points
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [one.examples for one in points],
            "y": [100 * one.gain.estimate for one in points],
            "error_y": error_bars([one.gain for one in points], 100) | {"color": "--kept", "thickness": 2, "width": 0},
            "marker": {"color": "--kept", "size": 10},
            "text": [html.escape(one.arm) for one in points],
            "hovertemplate": "<b>%{text}</b><br>%{x} examples: %{y:.1f} points<extra></extra>",
        }
    ]
    if isinstance(found.fit, HalfPlateau):
        low, high = points[0].examples, points[-1].examples
        sizes = [low * (high / low) ** (step / 60) for step in range(61)]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": sizes,
                "y": [100 * found.fit.gain(size) for size in sizes],
                "line": {"color": "--soft", "width": 1.5},
                "hoverinfo": "skip",
            }
        )
    axes = layout(
        320,
        x={"title": {"text": "training examples"}, "type": "log", "showgrid": True} | _sizes(points),
        y={"title": {"text": "gain in success, points"}},
    )
    return {"data": data, "layout": axes | {"showlegend": False}}


def reliability(summary: Summary) -> Figure:
    """Share of tasks done by confidence; on the diagonal, confidence is the chance of success."""
    known = [(arm, arm.calibration) for arm in summary.arms if arm.calibration is not None]
    later = later_trainings(summary)
    students = [one for one in known if one[0].role == Role.STUDENT and one[0].name not in later]
    arms = (students or known)[:MOST_CURVES]  # whose confidence a router would use
    if not arms:
        return {"data": [], "layout": {}}
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [0, 100],
            "y": [0, 100],
            "name": "as sure as right",
            "line": {"color": "--soft", "width": 1, "dash": "dot"},
            "hoverinfo": "skip",
        }
    ]
    seen: Counter[str] = Counter()
    for arm, found in arms:
        opacity = _OPACITIES[min(seen[arm.role], len(_OPACITIES) - 1)]
        seen[arm.role] += 1
        colour = COLOURS[Role(arm.role)]
        done = [one.done for one in found.bins]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": _name(arm),
                "opacity": opacity,
                "x": [100 * one.confidence for one in found.bins],
                "y": [100 * one.estimate for one in done],
                "error_y": error_bars(done, 100) | {"color": colour, "thickness": 1.5, "width": 0},
                "line": {"color": colour, "width": 1.5},
                "marker": {"color": colour, "size": 8},
                "customdata": [one.tasks for one in found.bins],
                "hovertemplate": "%{x:.0f} % sure: %{y:.0f} % done of %{customdata} tasks<extra></extra>",
            }
        )
    axes = layout(
        360,
        x={"title": {"text": "confidence in its own answer, %"}, "range": [-2, 102], "showgrid": True},
        y={"title": {"text": "success, %"}, "range": [-4, 108]},
    )
    return {"data": data, "layout": axes}


_PLOT = (520, 300)
"""Pixels that names are laid out for."""
_PLACES = {"top right": (1, 1), "bottom right": (1, -1), "top left": (-1, 1), "bottom left": (-1, -1)}


def _labels(points: list[tuple[str, float, float]]) -> dict[str, str]:
    """Return where the names of (name, cost, share) go so that none lies on another; one without room has none."""
    logs = [math.log(cost) for _, cost, _ in points]
    low, width = min(logs), (max(logs) - min(logs)) or 1.0
    at = [(_PLOT[0] * (log - low) / width, _PLOT[1] * share) for log, (_, _, share) in zip(logs, points, strict=True)]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in at]
    found = {}
    for (name, _, _), (x, y) in zip(points, at, strict=True):
        for place, (right, up) in _PLACES.items():
            across, along = sorted((x + 7 * right, x + right * (7 + 6.6 * len(name)))), sorted((y, y + 17 * up))
            box = across[0], along[0], across[1], along[1]
            inside = box[0] > -40 and box[2] <= _PLOT[0]  # the right edge is that of a telephone as well
            if inside and not any(_overlap(box, other) for other in taken if other != (x - 6, y - 6, x + 6, y + 6)):
                found[name] = place
                taken.append(box)
                break
    return found


def _overlap(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _log_axis(shown: list[Interval]) -> Figure:
    """A logarithmic axis whose ticks are whole numbers of 1, 2 and 5, or of 1 alone over many decades."""
    ends = [value for one in shown for value in (one.low, one.estimate, one.high) if 0 < value < math.inf]
    low, high = math.log10(min(ends)), math.log10(max(ends))
    steps = (1, 2, 5) if high - low < 3 else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(low) - 1, math.ceil(high) + 1) for step in steps]
    return {"type": "log", "showgrid": True, "tickvals": ticks, "ticktext": [f"{tick:,.10g}" for tick in ticks]}


def _sizes(points: Sequence[SizeGain]) -> Figure:
    """Ticks at the sizes themselves."""
    sizes = sorted({one.examples for one in points})
    return {"tickvals": sizes, "ticktext": [f"{size:,}" for size in sizes]}


def _points(names: list[str], intervals: list[Interval], colour: str, kind: str, scale: float = 1) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": kind,
        "y": names,
        "x": [scale * one.estimate for one in intervals],
        "error_x": error_bars(intervals, scale) | {"color": colour, "thickness": 2, "width": 0},
        "customdata": [[scale * one.low, scale * one.high] for one in intervals],
        "marker": {"color": colour, "size": 11},
        "hovertemplate": "<b>%{y}</b><br>%{x:.3~f} [%{customdata[0]:.3~f}, %{customdata[1]:.3~f}]<extra></extra>",
    }


def _name(arm: ArmSummary) -> str:
    return html.escape(arm.name)
