"""The report as one HTML file that carries everything and runs nothing foreign."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import msgspec
import pytest

from golddiff.errors import InputError
from golddiff.web import page
from golddiff.web.compare import compare
from golddiff.web.costs import Cost
from golddiff.web.summary import summarise
from web.report_lives import followed
from web.report_sessions import BEGAN, eight, lines, session


def rendered(facts: list) -> str:  # type: ignore[type-arg]
    return page.render(summarise("shop", facts, now=BEGAN))


def test_the_headline_the_interval_and_the_coverage_are_on_the_page() -> None:
    html = rendered(eight())
    assert "You kept <em>40 %</em> <small>[" in html
    assert "coverage 83 %" in html
    assert "too few sessions (4)" in html


def test_survival_costs_and_a_comparison_are_on_the_page() -> None:
    facts, watched = followed()
    costs = {fact.id: Cost(nanodollars=10**9) for fact in facts}
    report = summarise("shop", facts, now=BEGAN, watched=watched, costs=costs)
    html = page.render(msgspec.structs.replace(report, comparison=compare("model", facts, watched, costs)))
    for words in ("alpha against beta", "How long it lives", "60 days", "What it cost", "$1.00", "die faster"):
        assert words in html
    for place in ("plot-lives", "plot-lives-model"):
        assert f'<div class="plot" id="{place}"' in html


def test_every_colour_of_a_plot_is_one_of_the_pages() -> None:
    facts, watched = followed()
    html = page.render(summarise("shop", facts, now=BEGAN, watched=watched))
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    style = html.split("</style>")[0]
    for name in set(re.findall(r'"(--[a-z0-9-]+)"', data[1])):
        assert f"{name}:" in style, name


def test_text_from_a_transcript_is_escaped_everywhere() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & \u2028"
    html = rendered([session(number, lines(3, 0, 9), title=evil, model=evil) for number in range(6)])
    assert "<script>alert" not in html
    assert "<img" not in html.split('<script type="application/json"')[0]
    assert "&lt;script&gt;alert(1)" in html
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert "<" not in data[1]


def test_only_the_two_scripts_of_the_page_may_run() -> None:
    html = rendered(eight())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy[1].replace("&#39;", "'")
    assert policy[1].startswith("default-src &#39;none&#39;")
    assert "unsafe-inline" not in policy[1].split("style-src")[0]


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = rendered(eight())
    own = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=|@import|url\(""", own)


@pytest.mark.parametrize(("facts", "command"), [([], "--transcripts PATH"), ([session(1, lines())], "outcomes --repo")])
def test_an_empty_page_says_what_to_run_next_and_needs_no_plots(facts: list, command: str) -> None:  # type: ignore[type-arg]
    html = rendered(facts)
    assert command in html
    if not facts:
        assert len(html) < 50_000


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    report = summarise("shop", [], now=BEGAN)
    page.write(report, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(InputError, match="cannot write"):
        page.write(report, tmp_path / "missing" / "report.html")
