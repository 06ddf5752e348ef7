"""Every command line that the documentation, a help text or a message shows can be given to the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from golddiff.cli import COMMANDS, application

_ROOT = Path(__file__).resolve().parents[2]
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
_SOURCES = sorted((_ROOT / "src").rglob("*.py"))
_IN_PAGES = re.compile(r"^\$ (golddiff .+)$|`(golddiff [a-z]+[^`]*)`", re.MULTILINE)
_VERBS = "|".join(COMMANDS)
_IN_SOURCES = re.compile(
    rf"^  (golddiff (?:{_VERBS})\b.*)$|`(golddiff (?:{_VERBS})\b[^`\n]*)`|\"(golddiff (?:{_VERBS}) [^\"\n]*)\"",
    re.MULTILINE,
)


def shown() -> list[tuple[str, str]]:
    places = [(path, _IN_PAGES) for path in _PAGES] + [(path, _IN_SOURCES) for path in _SOURCES]
    return [
        (path.name, next(filter(None, match.groups())))
        for path, pattern in places
        for match in pattern.finditer(path.read_text("utf-8"))
    ]


@pytest.mark.parametrize(("page", "line"), shown())
def test_a_command_that_is_shown_exists_with_its_options_and_arguments(page: str, line: str) -> None:
    words = shlex.split(line.replace("…", ""), comments=True)[1:]
    command: click.Command = application
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, f"{page}: {line}"
        command = found
    if isinstance(command, click.Group) or words == ["--help"]:
        return
    problem = ""
    try:
        _, left, _ = command.make_parser(click.Context(command)).parse_args(words)
    except click.UsageError as error:
        problem, left = error.message, []
    assert not problem or "requires an argument" in problem, f"{page}: {line}: {problem}"
    assert not left or "..." in line or any(isinstance(p, click.Argument) for p in command.params), f"{page}: {left}"
