"""Every command line that the documentation shows can be given to the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from golddiff.cli import application

_ROOT = Path(__file__).resolve().parents[2]
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]
_COMMAND = re.compile(r"^\$ (golddiff .+)$|`(golddiff [a-z]+[^`]*)`", re.MULTILINE)


def shown() -> list[tuple[str, str]]:
    return [
        (page.name, match[1] or match[2]) for page in _PAGES for match in _COMMAND.finditer(page.read_text("utf-8"))
    ]


@pytest.mark.parametrize(("page", "line"), shown())
def test_a_command_in_the_documentation_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = application
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, f"{page}: {line}"
        command = found
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= known | {"--help"}, f"{page}: {line}"
