"""The plots hold what the sessions say, in Plotly's own terms."""

from __future__ import annotations

import json

import plotly.graph_objects as go

from golddiff.web import plots
from golddiff.web.summary import summarise
from web.report_lives import followed
from web.report_sessions import BEGAN, eight, lines, session


def valid(figure: plots.Figure) -> go.Figure:
    """Fill in colours as the page's script does; Plotly raises on anything it does not know."""
    text = json.dumps(figure)
    names = ("kept", "revised", "dropped", "unknown", "line", "soft", "ink", "paper", "series-2", "series-3")
    for name in (*names, "kept-band", "series-2-band", "series-3-band", "dropped-band"):
        text = text.replace(f'"--{name}"', '"#123456"')
    return go.Figure(json.loads(text))


def test_every_plot_is_a_valid_plotly_figure() -> None:
    found = plots.figures(summarise("shop", eight(), now=BEGAN))
    assert set(found) == {"plot-time", "plot-attempts", "plot-waste"}
    for figure in found.values():
        valid(figure)


def test_curves_of_survival_stand_in_their_bands_and_models_have_one_each() -> None:
    facts, watched = followed()
    found = plots.figures(summarise("shop", facts, now=BEGAN, watched=watched))
    for name in ("plot-lives", "plot-lives-model"):
        valid(found[name])
    low, high, still, agents = found["plot-lives"]["data"]
    assert all(a <= b <= c for a, b, c in zip(low["y"], still["y"], high["y"], strict=True))
    assert agents["name"] == "overwritten by agents"
    assert {trace["name"] for trace in found["plot-lives-model"]["data"] if "name" in trace} == {"alpha", "beta"}


def test_over_time_shows_sessions_of_known_outcome_once() -> None:
    figure = plots.over_time(eight())
    assert {trace["name"]: trace["y"] for trace in figure["data"]} == {
        "accepted or revised": [100 * 20 / 30] * 4,
        "rejected or abandoned": [0.0, 0.0],
    }


def test_attempts_are_counted_and_ten_or_more_are_one_bar() -> None:
    facts = [session(n, lines(1), attempts={"kept": 1, "superseded": n}) for n in (0, 0, 11, 30)]
    (trace,) = plots.by_attempts(facts)["data"]
    assert dict(zip(trace["x"], trace["y"], strict=True)) == {
        "1": 2, "2": 0, "3": 0, "4": 0, "5": 0, "6": 0, "7": 0, "8": 0, "9": 0, "10+": 2
    }  # fmt: skip


def test_waste_bars_add_up_to_the_lines_written() -> None:
    figure = plots.waste(summarise("shop", eight(), now=BEGAN))
    assert sum(sum(trace["x"]) for trace in figure["data"]) == 4 * 30 + 2 * 40


def test_labels_are_escaped_for_plotly() -> None:
    facts = [session(1, lines(1, 0, 2), title="<a href='http://x'>y</a>")]
    assert "<a" not in json.dumps(plots.figures(summarise("shop", facts, now=BEGAN)))


def test_without_data_there_are_no_plots() -> None:
    assert plots.figures(summarise("shop", [], now=BEGAN)) == {}
