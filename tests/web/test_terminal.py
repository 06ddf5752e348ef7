"""The report as text."""

from __future__ import annotations

import io
import re

import msgspec
import pytest
from rich.console import Console

from golddiff.web import terminal
from golddiff.web.compare import compare
from golddiff.web.costs import Cost
from golddiff.web.summary import summarise
from web.report_lives import followed
from web.report_sessions import BEGAN, eight, lines, session


def printed(facts: list, width: int = 130) -> str:  # type: ignore[type-arg]
    console = Console(file=io.StringIO(), width=width, color_system=None)
    terminal.show(summarise("shop", facts, now=BEGAN), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def printed_in_full(width: int = 130, priced: bool = True) -> str:
    """Of sessions whose lines were followed, with their costs and a comparison of the two models."""
    facts, watched = followed()
    costs = {fact.id: Cost(nanodollars=10**9) if priced else Cost(unpriced={"gamma": 1}) for fact in facts}
    report = summarise("shop", facts, now=BEGAN, watched=watched, costs=costs)
    report = msgspec.structs.replace(report, comparison=compare("model", facts, watched, costs))
    console = Console(file=io.StringIO(), width=width, color_system=None)
    terminal.show(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_survival_is_shown_with_intervals_lines_at_risk_and_what_was_not_followed() -> None:
    text = printed_in_full()
    assert "240 ended by people or unknown, 60 overwritten by agents" in text
    assert "not followed: 3 lines, moved away" in text
    assert re.search(r"30 days +42 % \[\d+–\d+\] +6[23] % \[\d+–\d+\] +1[23] % \[\d+–\d+\] +300", text)
    assert "Half of the accepted lines are gone after: 60 days [" in text
    assert re.search(r"beta +12 +240 +180 +25 % \[\d+–\d+\] +\d+\.\d\d × \[", text)


def test_a_comparison_shows_both_sides_and_the_interval_of_the_difference() -> None:
    text = printed_in_full()
    assert "alpha (12) against beta (12 sessions)" in text
    assert re.search(r"after 30 days +100 % \[.*\] +25 % \[.*\] +\+75 \[\+\d+ to \+\d+\] points +higher", text)
    assert re.search(r"times as fast.* 0\.\d\d × \[.*\] +live longer", text)


def test_money_is_shown_per_patch_and_line_and_what_has_no_price_is_counted() -> None:
    assert re.search(r"per accepted patch +\$1.00 \[", printed_in_full())
    without = printed_in_full(priced=False)
    assert "24 sessions with calls that have no price (gamma)" in without
    assert "no session of known outcome has a price" in without


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
    for text in (printed(eight(), width), printed_in_full(width)):
        assert max(len(line.rstrip()) for line in text.splitlines()) <= width


def test_an_empty_report_is_short() -> None:
    assert "No written lines to report on yet." in printed([])


@pytest.mark.parametrize("counts", [lines(1, 1, 1, 1), lines(1000, 1), lines(0, 0, 3), lines(7, 0, 0, 90)])
def test_a_bar_is_as_wide_as_asked_and_shows_every_part(counts: object) -> None:
    bar = terminal.bar(counts, 20)  # type: ignore[arg-type]
    assert len(bar.plain) == 20
    assert len(set(bar.plain)) == sum(1 for name in ("kept", "revised", "dropped", "unknown") if getattr(counts, name))


def test_sessions_without_token_counts_are_said_to_have_none() -> None:
    text = printed([session(number, lines(5), tokens=0) for number in range(6)])
    assert re.search(r"^Tokens +no token counts in these sessions *$", text, re.MULTILINE)
