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
_WORD = re.compile(r"""(?:[^\s'"\\]+|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|['"\\])+""", re.DOTALL)
_QUOTE = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|['"]""", re.DOTALL)
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_WRAPPERS = frozenset(
    {
        "bunx", "command", "conda", "coverage", "env", "exec", "hatch", "nice", "nohup", "npx", "pdm", "pipenv", "pipx",
        "poetry", "rye", "stdbuf", "sudo", "time", "timeout", "uv", "uvx", "xvfb-run",
    }
)  # fmt: skip
"""Programs that run another one."""
_WITH_VALUE = frozenset(
    {
        "--directory", "--env-file", "--extra", "--group", "--index-url", "--package", "--project", "--python",
        "--signal", "--source", "--with", "--with-requirements", "-C", "-W", "-X", "-k", "-n", "-p", "-u",
    }
)  # fmt: skip
"""Their options that take the next word."""
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*")

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
    line = _without_heredocs(line[:MAX_COMMAND_CHARS])
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
    """Words of one command, with quotes removed. `shlex.split` is exact and takes three times as long."""
    return [_QUOTE.sub(lambda match: match[1] or match[2] or match[3] or "", word) for word in _WORD.findall(text)]


def _without_heredocs(line: str) -> str:
    """Leave out the texts that `<<EOF` brings; the rest of its line stays."""
    if "<<" not in line:
        return line
    kept = []
    end: str | None = None
    for part in line.split("\n"):
        if end is not None:
            if part.strip() == end:
                end = None
            continue
        match = _HEREDOC.search(part)
        if match is not None:
            end = match[2]
            part = part[: match.start()] + part[match.end() :]
        kept.append(part)
    return "\n".join(kept)


def _unwrap(words: list[str]) -> list[str]:
    while words:
        head = words[0].rsplit("/", 1)[-1]
        if _ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        elif head in _WRAPPERS:
            words = _without_options(words[1:])
            if head == "timeout":
                words = words[1:]
            elif words and words[0] == "run":
                words = _without_options(words[1:])
            if words and words[0] == "-m":
                words = words[1:]
        elif _PYTHON.fullmatch(head):
            rest = _without_options(words[1:])
            if len(rest) < 2 or rest[0] != "-m":
                return words
            words = rest[1:]
        else:
            return words
    return words


def _without_options(words: list[str]) -> list[str]:
    """Leave out leading options with their values, up to `-m`, which names what is run."""
    while words and words[0].startswith("-") and words[0] != "-m":
        words = words[2:] if words[0] in _WITH_VALUE else words[1:]
    return words
