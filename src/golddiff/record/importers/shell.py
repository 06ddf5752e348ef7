"""The simple commands inside a shell line: enough to see which program ran, not a shell.

`cd x && FOO=1 uv run pytest -q | tail -5` is `cd x`, `pytest -q` and `tail -5`. Substitutions, functions and loops
are not followed.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_SEPARATOR = re.compile(r"(&&|\|\||;|\||\n)")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1.*?^\s*\2\s*$", re.DOTALL | re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_WRAPPERS = {
    "sudo": 0, "time": 0, "env": 0, "nice": 0, "nohup": 0, "command": 0, "exec": 0, "stdbuf": 0, "xvfb-run": 0,
    "timeout": 1, "uv": 0, "uvx": 0, "pipx": 0, "poetry": 0, "pdm": 0, "hatch": 0, "rye": 0, "pipenv": 0,
    "conda": 0, "npx": 0, "bunx": 0, "coverage": 0,
}  # fmt: skip
"""Programs that run another one, and how many words of their own come first."""

MAX_COMMAND_CHARS = 20_000
"""What is longer holds a script or a file; only its head is looked at."""


@dataclass(frozen=True)
class SimpleCommand:
    """One program with its arguments, wrappers and assignments removed."""

    words: tuple[str, ...]
    piped: bool
    """Its output goes through another program."""

    @property
    def program(self) -> str:
        """File name of the program."""
        return self.words[0].rsplit("/", 1)[-1].removesuffix(".exe")


def simple_commands(line: str) -> list[SimpleCommand]:
    """Return the commands of a shell line in order; an unreadable one is split at spaces."""
    line = _HEREDOC.sub(" ", line[:MAX_COMMAND_CHARS])
    holes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        holes.append(match[0])
        return f"\0{len(holes) - 1}\0"

    parts = _SEPARATOR.split(_QUOTED.sub(hide, line))
    found = []
    for index in range(0, len(parts), 2):
        text = re.sub(r"\0(\d+)\0", lambda match: holes[int(match[1])], parts[index])
        words = _unwrap(_split(text.strip().strip("(){}")))
        if words:
            piped = index + 1 < len(parts) and parts[index + 1] == "|"
            found.append(SimpleCommand(tuple(words), piped))
    return found


def join_command(command: object) -> str:
    """Return a command given as a string or as an argument list (`["bash", "-lc", script]` is its script)."""
    if isinstance(command, str):
        return command
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        if len(command) == 3 and command[0].rsplit("/", 1)[-1] in ("bash", "sh", "zsh") and command[1] in ("-c", "-lc"):
            return str(command[2])
        return shlex.join(command)
    return ""


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _unwrap(words: list[str]) -> list[str]:
    while words:
        head = words[0].rsplit("/", 1)[-1]
        if _ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        elif head in _WRAPPERS:
            rest = words[1:]
            while rest and (rest[0].startswith("-") and rest[0] != "-m"):
                rest = rest[1:]
            rest = rest[_WRAPPERS[head] :]
            if rest and rest[0] == "run":
                rest = rest[1:]
                while rest and rest[0].startswith("-") and rest[0] != "-m":
                    rest = rest[1:]
            if rest and rest[0] == "-m":
                rest = rest[1:]
            words = rest
        elif re.fullmatch(r"(python|pypy)[\d.]*", head) and len(words) > 2 and "-m" in words[1:-1]:
            words = words[words.index("-m") + 1 :]
        else:
            return words
    return words
