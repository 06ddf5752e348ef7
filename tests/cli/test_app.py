"""Every verb has help with an example and --json; errors become a message and an exit code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import pytest

from golddiff.cli import COMMANDS, application
from golddiff.cli.app import run
from golddiff.errors import GolddiffError, InputError


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        return [(path, command)]
    context = click.Context(command)
    names = command.list_commands(context)
    found = [(name, command.get_command(context, name)) for name in names]
    return [leaf for name, child in found if child for leaf in leaves(child, (*path, name))]


LEAVES = leaves(application)


def test_every_verb_of_the_table_is_a_command() -> None:
    assert {path[0] for path, _ in LEAVES} == set(COMMANDS)


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_has_help_with_an_example_and_json(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(application, [*path, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"golddiff {' '.join(path)}" in text.split("\n", 1)[1], "no example below the usage line"
    assert any("--json" in parameter.opts for parameter in command.params)


def test_an_unknown_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "imprt sessions", "import nosuch", "outcomes", "outcomes --repo nosuch", "report", "report --no-import",
        "curate --name x", "curate --name x --source git --repo .", "train --dataset x",
        "evaluate --dataset x --arm base=smollm2-135m", "accept x", "show", "show x", "rights explain x",
        "export --all --format atif", "keys revoke x", "store check", "watch --once", "hooks status", "keys list",
    ],
)  # fmt: skip
def test_a_mistyped_command_or_a_wrong_folder_leaves_the_folder_as_it_was(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    code = run(application, command.split())
    assert list(Path.cwd().iterdir()) == []
    assert code != 0 or command in ("hooks status", "keys list")
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_no_command_takes_a_workspace_for_a_folder_alone(path: tuple[str, ...], command: click.Command) -> None:
    assert command.callback is not None
    assert inspect.get_annotations(command.callback).get("workspace", "Workspace") == "Workspace"


def test_every_exit_code_is_in_the_documentation() -> None:
    table = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text()
    documented = dict(re.findall(r"^\| (\d+) \| `?(\w+)`? \|", table, re.MULTILINE))
    kinds, known = [GolddiffError], {}
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.__module__ == GolddiffError.__module__ and "exit_code" in vars(kind):
            known[str(kind.exit_code)] = kind.__name__
    assert documented == {"0": "success", "130": "stopped"} | known


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("bad path"), 3),
        (GolddiffError("no"), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
        (OSError(28, "No space left on device", "/x"), 4),
        (FileNotFoundError(2, "No such file or directory", "/x/y"), 4),
    ],
)
def test_errors_become_exit_codes(error: BaseException, code: int) -> None:
    @click.command()
    def fails() -> None:
        raise error

    assert run(fails, []) == code


def test_an_error_message_is_shown_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def fails() -> None:
        raise InputError("no [file] at /x: run `golddiff import PATH`")

    run(fails, [])
    assert "no [file] at /x: run `golddiff import PATH`" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_not_called_a_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def fails() -> None:
        raise FileNotFoundError(2, "No such file or directory", "/x/y")

    run(fails, [])
    said = capsys.readouterr().err
    assert "make the folder" in said
    assert "Free space" not in said


def test_a_workspace_setting_that_is_misspelt_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "golddiff.toml").write_text("worksapce = 'x'\n")
    monkeypatch.chdir(tmp_path)
    from golddiff import config

    with pytest.raises(InputError, match="workspace"):
        config.load(tmp_path, {})
