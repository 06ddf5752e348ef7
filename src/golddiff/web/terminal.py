"""The report in the terminal: the headline, one bar, small tables, and what to do next.

Every text from a transcript goes through `rich.text.Text`, never through markup, so a prompt that contains
`[red]` or a link stays what the user typed.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from golddiff.statistics.shares import Measured, Refused
from golddiff.web import facts, terminal_lives, words
from golddiff.web.facts import Lines
from golddiff.web.summary import Breakdown, Report

ACCENT = "yellow"
_PARTS = (("kept", "█", ACCENT), ("revised", "▓", ACCENT), ("dropped", "▒", "bright_black"), ("unknown", "·", "dim"))


def show(report: Report, console: Console) -> None:
    """Print the whole report."""
    console.print()
    console.print(Text(report.headline + ".", style=f"bold {ACCENT}"))
    about = f"{report.name} · {words.period(report)} · {words.counted(len(report.sessions), 'session')}"
    console.print(Text(about, style="dim"))
    if not report.sessions:
        return
    if report.comparison is not None:
        terminal_lives.show_comparison(report.comparison, console)
    console.print()
    if report.lines.written:
        console.print(_fates(report, console.width))
    console.print(Text(report.coverage_sentence, style="dim"))
    console.print()
    for label, text in signals(report):
        console.print(Text(f"{label:<11}{text}"))
    for breakdown in report.breakdowns:
        if len(breakdown.groups) > 1:
            console.print()
            console.print(_breakdown(breakdown, console.width))
    if report.ten_minutes is not None:
        console.print()
        console.print(Text(words.ten_minutes(report.ten_minutes)))
    if report.lives is not None:
        terminal_lives.show(report.lives, console)
    if report.costs is not None:
        terminal_lives.show_costs(report.costs, console)
    if report.waste:
        console.print()
        console.print(_waste(report, console.width))
    if report.lines.known:
        console.print()
        console.print(Text(words.NOTE, style="dim"))


def signals(report: Report) -> list[tuple[str, str]]:
    """What happened besides lines, as label and text."""
    total = sum(report.attempts.values())
    per_session = f"; per session {words.number(report.attempts_per_session)}" if total else ""
    per_line = f"; per kept line {words.rounded(report.tokens_per_kept_line)}" if report.lines.known else ""
    counted = facts.spent(report.usage) > 0
    return [
        ("Sessions", words.states(report)),
        *([("Accepted", f"{report.acceptance} of the sessions of known outcome")] if report.lines.known else []),
        *(("Unknown" if first else "", text) for first, text in _why(report)),
        ("Attempts", f"{total} ({words.attempts(report)}){per_session}"),
        (
            "Signals",
            f"{words.counted(report.prompts, 'prompt')}, "
            f"{words.counted(report.rejections, 'rejected tool use')}, "
            f"{words.counted(report.interruptions, 'interruption')}",
        ),
        ("Tokens", f"{words.spent(report)}{per_line}" if counted else "no token counts in these sessions"),
    ]


def _why(report: Report) -> list[tuple[bool, str]]:
    lines = [f"{count} × {reason}" for reason, count in report.unknown_because.items()]
    return [(number == 0, line) for number, line in enumerate(lines)]


def bar(lines: Lines, width: int) -> Text:
    """Draw what became of the lines; parts that are there at all get at least one cell."""
    counts = [lines.kept, lines.revised, lines.dropped, lines.unknown]
    cells = [max(1, round(width * count / lines.written)) if count else 0 for count in counts]
    while sum(cells) != width and any(cells):
        largest = cells.index(max(cells))
        cells[largest] += 1 if sum(cells) < width else -1
    text = Text()
    for (_, glyph, style), size in zip(_PARTS, cells, strict=True):
        text.append(glyph * size, style=style)
    return text


def _fates(report: Report, width: int) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    table.add_column()
    lines = report.lines
    rows: list[tuple[str, int, Measured | None]] = [
        ("kept", lines.kept, report.kept),
        ("revised", lines.revised, report.revised),
        ("dropped", lines.dropped, report.dropped),
        ("unknown", lines.unknown, None),
    ]
    for (name, count, share), (_, glyph, style) in zip(rows, _PARTS, strict=True):
        size = max(1, round(max(8, min(40, width - 56)) * count / lines.written)) if count else 0
        refused = share is None or isinstance(share, Refused)
        said = Text("not counted in the shares" if share is None else str(share), style="dim" if refused else "")
        table.add_row(name, words.counted(count, "line"), said, Text(glyph * size, style=style))
    return table


def _breakdown(breakdown: Breakdown, width: int) -> Table:
    bar_width = 20 if width >= 100 else 10 if width >= 80 else 0
    with_rest = width >= 112
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(breakdown.title, style="bold", no_wrap=True, overflow="ellipsis", width=18)
    for name in ("sessions", "lines", "known"):
        table.add_column(name, justify="right", no_wrap=True)
    if bar_width:
        table.add_column("", no_wrap=True, width=bar_width)
    table.add_column("kept", min_width=14)
    if with_rest:
        table.add_column("points against the rest", no_wrap=True)
    for group in breakdown.groups:
        cells = [
            Text(group.name),
            Text(str(group.sessions)),
            Text(f"{group.lines.written:,}"),
            Text(words.percent(group.coverage)),
            *([bar(group.lines, bar_width)] if bar_width else []),
            Text(words.group_share(group), style="dim" if isinstance(group.kept, Refused) else ""),
        ]
        if with_rest:
            verdict = words.verdict(group.against_rest)
            cells.append(Text(words.difference(group.against_rest), style="dim"))
            cells[-1].append(f" {verdict}" if verdict in ("higher", "lower") else "", style=ACCENT)
        table.add_row(*cells)
    return table


def _waste(report: Report, width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Most waste", style="bold", no_wrap=True, min_width=18)
    for name, least in (("dropped", 7), ("of", 6), ("tokens", 6)):
        table.add_column(name, justify="right", no_wrap=True, min_width=least)
    table.add_column("state", no_wrap=True, min_width=9)
    table.add_column("first prompt", no_wrap=True, overflow="ellipsis", width=max(12, width - 60))
    for row in report.waste:
        table.add_row(
            Text(words.abbreviation(row.session.id)),
            f"{row.wasted:,}",
            f"{row.session.lines.written:,}",
            words.tokens(row.session.tokens),
            row.session.state,
            Text(row.session.title, overflow="ellipsis", no_wrap=True),
        )
    return table
