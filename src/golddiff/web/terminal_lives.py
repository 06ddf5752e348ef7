"""Survival, costs and comparisons in the terminal: small tables below the rest of the report."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from golddiff.statistics.shares import Refused
from golddiff.web import words
from golddiff.web.compare import Comparison
from golddiff.web.costs import Costs
from golddiff.web.survival import COMPARED_AT, Horizon, LifeBreakdown, Lives

_ACCENT = "yellow"


def show(lives: Lives, console: Console) -> None:
    """Print how long accepted lines lived, and in which groups they live longer."""
    console.print()
    console.print(Text("How long it lives", style="bold"))
    until = f", looked at until {lives.observed_until:%-d %b %Y}" if lives.observed_until else ""
    console.print(
        Text(
            f"{words.counted(lives.lines, 'accepted line')} of {words.counted(lives.sessions, 'session')}{until}: "
            f"{lives.ended_by_people:,} ended by people or unknown, {lives.ended_by_agents:,} overwritten by agents",
            style="dim",
        )
    )
    for reason, count in lives.left_out.items():
        console.print(Text(f"not followed: {words.counted(count, 'line')}, {reason}", style="dim"))
    console.print(_horizons((*lives.days, *lives.commits)))
    console.print(Text(f"Half of the accepted lines are gone after: {words.median(lives.median_days)}"))
    console.print(Text(f"Accepted characters still there after {COMPARED_AT} days: {lives.retained_characters}"))
    for breakdown in lives.breakdowns:
        if breakdown.tells:
            console.print()
            console.print(_groups(breakdown))
    if untold := words.untold(lives):
        console.print(Text(untold, style="dim"))
    console.print(Text(words.LIVES_NOTE, style="dim"))


def show_costs(costs: Costs, console: Console) -> None:
    """Print what was spent and what for."""
    if not costs.dollars and not costs.unpriced_sessions:
        return
    console.print()
    console.print(Text(f"Money      ${costs.dollars:,.2f} by list price", style="bold"))
    for name, measured in (
        ("per accepted patch", costs.per_accepted_patch),
        ("per line kept or revised", costs.per_kept_line),
        ("per line still there", costs.per_surviving_line),
    ):
        console.print(Text(f"  {name:<26}{words.dollars(measured)}", style=_style(measured)))
    console.print(Text(f"  {'spent on nothing accepted':<26}{costs.wasted}", style=_style(costs.wasted)))
    if said := words.unpriced(costs):
        console.print(Text(f"  {said}", style="dim"))
    for breakdown in costs.breakdowns:
        if len(breakdown.groups) > 1:
            table = _table(breakdown.title, ("sessions", "dollars", "of them wasted"))
            table.add_column("per accepted patch")
            for group in breakdown.groups:
                table.add_row(
                    Text(group.name),
                    str(group.sessions),
                    f"{group.dollars:,.2f}",
                    f"{group.wasted_dollars:,.2f}",
                    Text(words.dollars(group.per_accepted_patch), style=_style(group.per_accepted_patch)),
                )
            console.print(table)


def show_comparison(found: Comparison, console: Console) -> None:
    """Print two sides, measure by measure."""
    console.print()
    heading = f"{found.first} ({found.sessions[0]}) against {found.second} ({found.sessions[1]} sessions)"
    console.print(Text(heading, style=f"bold {_ACCENT}"))
    wide = console.width >= 110
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", style="bold")
    if wide:
        table.add_column(found.first, overflow="fold")
        table.add_column(found.second, overflow="fold")
    table.add_column("difference")
    table.add_column("", no_wrap=True)
    for contrast in found.contrasts:
        cells = [words.measured(contrast, contrast.first), words.measured(contrast, contrast.second)] if wide else []
        refused = isinstance(contrast.difference, Refused)
        table.add_row(
            Text(contrast.name),
            *(Text(cell) for cell in cells),
            Text(words.contrast(contrast), style="dim" if refused else ""),
            Text(words.told_apart(contrast), style=_ACCENT),
        )
    console.print(table)
    console.print(
        Text(
            "Differences are first minus second, clustered by session, with intervals that hold all of them at once 95 "
            "times in 100. No experiment: the two sides may have had different tasks.",
            style="dim",
        )
    )


def _horizons(rows: tuple[Horizon, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("still there", style="bold", no_wrap=True)
    for name in ("of lines written", "of lines accepted", "overwritten by agents"):
        table.add_column(name)
    table.add_column("lines at risk", justify="right")
    for row in rows:
        cells = (row.of_written, row.of_accepted, row.by_agents)
        table.add_row(row.name, *(Text(str(cell), style=_style(cell)) for cell in cells), f"{row.at_risk:,}")
    return table


def _groups(breakdown: LifeBreakdown) -> Table:
    table = _table(breakdown.title, ("sessions", "lines", "ended"))
    table.add_column(f"still there after {COMPARED_AT} days")
    table.add_column("its lines end")
    for group in breakdown.groups:
        table.add_row(
            Text(group.name),
            str(group.sessions),
            f"{group.lines:,}",
            f"{group.ended:,}",
            Text(str(group.still), style=_style(group.still)),
            Text(words.hazard(group.hazard), style=_style(group.hazard)),
        )
    return table


def _table(title: str, counts: tuple[str, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(title, style="bold", no_wrap=True, overflow="ellipsis", width=18)
    for name in counts:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _style(found: object) -> str:
    return "dim" if found is None or isinstance(found, Refused) else ""
