"""Simple commands out of shell lines."""

from __future__ import annotations

import pytest

from golddiff.record.importers.shell import join_command, simple_commands


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ls -l", [("ls", "-l")]),
        ("cd x && A=1 B='2 3' make test", [("cd", "x"), ("make", "test")]),
        ("echo 'a && b; c | d'", [("echo", "a && b; c | d")]),
        ("sudo -E env FOO=1 go test", [("go", "test")]),
        ("(cd x; ls)", [("cd", "x"), ("ls",)]),
        ("cat <<'EOF' | sh\nrm -rf x\nEOF\nls", [("cat",), ("sh",), ("ls",)]),
        ("", []),
        ("   \n ; ", []),
        ("A=1", []),
        ("uv run -q python -m pkg.mod x", [("pkg.mod", "x")]),
        ("python script.py -m x", [("python", "script.py", "-m", "x")]),
    ],
)
def test_a_line_is_its_commands_without_wrappers(line: str, expected: list[tuple[str, ...]]) -> None:
    assert [command.words for command in simple_commands(line)] == expected


def test_a_command_knows_its_program_and_whether_it_is_piped() -> None:
    first, second = simple_commands("/usr/bin/pytest.exe -q | tail")
    assert (first.program, first.piped, second.piped) == ("pytest", True, False)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ls", "ls"),
        (["bash", "-lc", "a && b"], "a && b"),
        (["/bin/sh", "-c", "x"], "x"),
        (["ls", "a b"], "ls 'a b'"),
        (["x", 1], ""),
        (None, ""),
    ],
)
def test_an_argument_list_becomes_a_line(command: object, expected: str) -> None:
    assert join_command(command) == expected


def test_a_very_long_line_takes_no_long_time() -> None:
    assert simple_commands("a " * 1_000_000)[0].program == "a"
    assert simple_commands("<<E " * 5_000)
