"""Curves of survival with their bands, as Plotly figures.

A band is the area between two steps; its colour is a page colour made translucent by `opacity`, which Plotly gives
filled traces through their fill colour only, hence the band's own names in the page's style.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from golddiff.page import Figure, layout
from golddiff.web.survival import LifeGroup, Lives, Steps

_COLOURS = ("--kept", "--series-2", "--series-3", "--dropped")
_BANDS = ("--kept-band", "--series-2-band", "--series-3-band", "--dropped-band")
MOST_CURVES = len(_COLOURS)


def figures(lives: Lives) -> dict[str, Figure]:
    """Return the plots by the id of their place: of all written lines, and by model where there are several."""
    found = {"plot-lives": written(lives.curve)}
    for breakdown in lives.breakdowns:
        shown = [group for group in breakdown.groups if group.curve is not None][:MOST_CURVES]
        if breakdown.key == "model" and len(shown) > 1:
            found["plot-lives-model"] = by_group(shown)
    return found


def written(curve: Steps | None) -> Figure:
    """Share of written lines still there, what agents overwrote below it."""
    data = [] if curve is None else _traces(curve, "still there", 0)
    if curve is not None and any(curve.by_agents):
        data.append(_line(curve, curve.by_agents, "overwritten by agents", "--dropped", dash="dot"))
    return {"data": data, "layout": _axes("of lines written, %")}


def by_group(groups: Sequence[LifeGroup]) -> Figure:
    """Share of accepted lines still there, by group."""
    data = [
        trace
        for number, group in enumerate(groups)
        if group.curve is not None
        for trace in _traces(group.curve, html.escape(group.name), number)
    ]
    return {"data": data, "layout": _axes("of lines accepted, %")}


def _traces(curve: Steps, name: str, number: int) -> list[Figure]:
    band = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": list(curve.times),
            "y": [100 * value for value in values],
            "line": {"shape": "hv", "width": 0, "color": _COLOURS[number]},
            "hoverinfo": "skip",
            "showlegend": False,
            "legendgroup": name,
            **({"fill": "tonexty", "fillcolor": _BANDS[number]} if values is curve.high else {}),
        }
        for values in (curve.low, curve.high)
    ]
    return [*band, _line(curve, curve.still, name, _COLOURS[number])]


def _line(curve: Steps, values: Sequence[float], name: str, colour: str, dash: str = "solid") -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "legendgroup": name,
        "x": list(curve.times),
        "y": [100 * value for value in values],
        "customdata": [f"{count:,}" for count in curve.at_risk],
        "line": {"shape": "hv", "width": 2, "color": colour, "dash": dash},
        "hovertemplate": f"{name}: %{{y:.0f}} %<br>%{{x:.1f}} days, %{{customdata}} lines at risk<extra></extra>",
    }


def _axes(of: str) -> Figure:
    return layout(
        340,
        x={"title": {"text": "days since the commit"}, "rangemode": "tozero"},
        y={"title": {"text": f"still there, {of}"}, "range": [0, 103], "dtick": 25},
    )
