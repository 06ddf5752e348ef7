"""The report as text."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from golddiff.web import terminal
from golddiff.web.summary import summarise
from web.report_sessions import BEGAN, eight, lines, session


def printed(facts: list, width: int = 130) -> str:  # type: ignore[type-arg]
    console = Console(file=io.StringIO(), width=width, color_system=None)
    terminal.show(summarise("shop", facts, now=BEGAN), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_result_comes_first_and_the_coverage_with_it() -> None:
    text = printed(eight())
    assert text.strip().startswith("You kept 40 % [")
    assert "coverage 83 %" in text
    assert "too few sessions (4)" in text
    assert "not an experiment" in text


def test_markup_in_a_prompt_is_printed_and_not_obeyed() -> None:
    facts = [session(number, lines(0, 0, 9), title="[red]stop[/red] [link=x]") for number in range(6)]
    assert "[red]stop[/red] [link=x]" in printed(facts)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_it_fits_the_terminal(width: int) -> None:
    assert max(len(line.rstrip()) for line in printed(eight(), width).splitlines()) <= width


def test_an_empty_report_is_short() -> None:
    assert "No written lines to report on yet." in printed([])


@pytest.mark.parametrize("counts", [lines(1, 1, 1, 1), lines(1000, 1), lines(0, 0, 3), lines(7, 0, 0, 90)])
def test_a_bar_is_as_wide_as_asked_and_shows_every_part(counts: object) -> None:
    bar = terminal.bar(counts, 20)  # type: ignore[arg-type]
    assert len(bar.plain) == 20
    assert len(set(bar.plain)) == sum(1 for name in ("kept", "revised", "dropped", "unknown") if getattr(counts, name))
