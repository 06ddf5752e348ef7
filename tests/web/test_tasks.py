"""Kinds of work, read from a prompt's words."""

from __future__ import annotations

import pytest

from golddiff.web.tasks import task_kind


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("Fix the failing test in parser.py", "fix"),
        ("please add a test for it", "add"),
        ("Write tests for the parser", "add"),
        ("More coverage of the parser", "test"),
        ("Update the README", "docs"),
        ("can you explain how does it work", "question"),
        ("Refactor it, then fix it", "refactor"),
        ("bump the dependencies", "chore"),
        ("prefix the testament", "other"),
        ("", "other"),
    ],
)
def test_the_first_word_that_names_a_kind_decides(prompt: str, kind: str) -> None:
    assert task_kind(prompt) == kind
