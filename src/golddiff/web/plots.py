"""The report's interactive plots. Labels are a small HTML dialect to Plotly: text from transcripts is escaped here."""

from __future__ import annotations

import html
from collections.abc import Sequence

from golddiff.page import Figure, layout
from golddiff.types import SessionState
from golddiff.web import survival_plots, words
from golddiff.web.facts import SessionFacts
from golddiff.web.summary import Report

_STATES = (
    ("accepted or revised", (SessionState.ACCEPTED, SessionState.REVISED), "--kept"),
    ("rejected or abandoned", (SessionState.REJECTED, SessionState.ABANDONED), "--dropped"),
    ("unknown", (SessionState.UNKNOWN,), "--unknown"),
)


def figures(report: Report) -> dict[str, Figure]:
    """Return the plots that this report has data for, by the id of their place on the page."""
    found = {
        "plot-time": over_time(report.sessions),
        "plot-attempts": by_attempts(report.sessions),
        "plot-waste": waste(report),
    }
    if report.lives is not None:
        found |= survival_plots.figures(report.lives)
    return {name: figure for name, figure in found.items() if figure["data"]}


def over_time(sessions: Sequence[SessionFacts]) -> Figure:
    """Every session of known outcome: when it began, what share of its lines was kept, how many there were."""
    dated = [item for item in sessions if item.started_at is not None and item.lines.known]
    widest = 34 * min(1.0, (60 / max(1, len(dated))) ** 0.5)  # pixels; many sessions get small circles
    largest = max((item.lines.known for item in dated), default=1)
    data = []
    for name, states, colour in _STATES[:2]:
        chosen = [item for item in dated if item.state in states]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "cliponaxis": False,
                "name": name,
                "x": [item.started_at.isoformat() for item in chosen if item.started_at],
                "y": [100 * item.lines.kept / item.lines.known for item in chosen],
                "customdata": [[_label(item), item.lines.kept, item.lines.known] for item in chosen],
                "hovertemplate": "%{customdata[0]}<br>%{x|%d %b %Y %H:%M}<br>"
                "%{customdata[1]} of %{customdata[2]} lines kept<extra></extra>",
                "marker": {
                    "size": [item.lines.known for item in chosen],
                    "sizemode": "area",
                    "sizeref": 2 * largest / widest**2,
                    "sizemin": 4,
                    "color": colour,
                    "opacity": 0.75,
                    "line": {"color": "--paper", "width": 1},
                },
            }
        )
    axes = layout(330, y={"title": {"text": "lines kept, %"}, "range": [-6, 106], "dtick": 25})
    return {"data": [trace for trace in data if trace["x"]], "layout": axes}


def by_attempts(sessions: Sequence[SessionFacts]) -> Figure:
    """How many attempts sessions took, by how they ended; ten and more are one bar."""
    data = []
    labels = [*(str(number) for number in range(1, 10)), "10+"]
    for name, states, colour in _STATES:
        counts = [0] * len(labels)
        for item in sessions:
            attempts = sum(item.attempts.values())
            if attempts and item.state in states:
                counts[min(attempts, 10) - 1] += 1
        if any(counts):
            data.append(
                {
                    "type": "bar",
                    "name": name,
                    "x": labels,
                    "y": counts,
                    "marker": {"color": colour},
                    "hovertemplate": f"%{{x}} attempts<br>%{{y}} sessions, {name}<extra></extra>",
                }
            )
    axes = layout(
        300,
        x={"title": {"text": "attempts"}, "type": "category", "categoryarray": labels, "categoryorder": "array"},
        y={"title": {"text": "sessions"}, "rangemode": "tozero", "tickformat": "d"},
    )
    return {"data": data, "layout": axes | {"barmode": "stack", "bargap": 0.25}}


def waste(report: Report) -> Figure:
    """The sessions with the largest waste: their lines by fate, largest on top."""
    rows = [row.session for row in reversed(report.waste)]
    parts = (("kept", "--kept"), ("revised", "--revised"), ("dropped", "--dropped"), ("unknown", "--unknown"))
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": [words.abbreviation(item.id) for item in rows],
            "x": [getattr(item.lines, name) for item in rows],
            "customdata": [[_label(item), words.tokens(item.tokens)] for item in rows],
            "marker": {"color": colour},
            "hovertemplate": f"%{{customdata[0]}}<br>%{{x}} lines {name}<br>"
            "%{customdata[1]} tokens spent<extra></extra>",
        }
        for name, colour in parts
        if any(getattr(item.lines, name) for item in rows)
    ]
    axes = layout(
        110 + 30 * len(rows),
        x={"title": {"text": "lines written"}, "rangemode": "tozero"},
        y={"type": "category", "automargin": True, "tickfont": {"family": "ui-monospace, monospace", "size": 11}},
    )
    return {"data": data if rows else [], "layout": axes | {"barmode": "stack", "bargap": 0.3}}


def _label(session: SessionFacts) -> str:
    """First prompt in bold, then the id for `golddiff show`."""
    return f"<b>{html.escape(session.title)}</b><br>{words.abbreviation(session.id)}"
