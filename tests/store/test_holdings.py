"""The list of what a workspace holds is whole."""

from __future__ import annotations

import re
from pathlib import Path

import golddiff
from golddiff.cli.keys import FOLDER as GATEWAY
from golddiff.cli.report import PAGE
from golddiff.record.hooks.installed import FOLDER as HOOKS
from golddiff.store.holdings import HOLDINGS

_ASKED = re.compile(r"\bstore\.folder\(\s*\"([^\"]+)\"")


def test_every_folder_that_is_asked_of_the_store_is_listed() -> None:
    sources = Path(golddiff.__file__).parent.rglob("*.py")
    asked = {name for source in sources for name in _ASKED.findall(source.read_text("utf-8"))}
    assert {"lines", "training", "evaluations"} <= asked
    assert asked | {GATEWAY, HOOKS, PAGE} <= HOLDINGS.keys()


def test_the_documentation_lists_the_same_places() -> None:
    text = (Path(__file__).parents[2] / "docs" / "store.md").read_text("utf-8")
    for name, holding in HOLDINGS.items():
        assert f"| `{name}` | {holding.holds} | {holding.erasure} |" in text
