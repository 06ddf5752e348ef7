"""The policy says what it must, whatever the machine."""

import sys
from pathlib import Path

import pytest

from golddiff.sandbox import policy


def arguments() -> list[str]:
    return policy.bwrap_arguments(readable={"/python": Path("/somewhere")}, disk_bytes=1 << 20, libraries="/python/lib")


@pytest.mark.parametrize(
    "wanted",
    [
        ["--unshare-all"],
        ["--unshare-user"],
        ["--disable-userns"],
        ["--die-with-parent"],
        ["--new-session"],
        ["--clearenv"],
        ["--cap-drop", "ALL"],
        ["--size", "1048576", "--tmpfs", "/work"],
        ["--remount-ro", "/dev"],
        ["--remount-ro", "/"],
        ["--ro-bind", "/somewhere", "/python"],
    ],
)
def test_every_wall_is_asked_for(wanted: list[str]) -> None:
    given = arguments()
    assert any(given[start : start + len(wanted)] == wanted for start in range(len(given)))


def test_nothing_of_the_host_is_bound_writable() -> None:
    assert not {"--bind", "--dev-bind", "--share-net", "--bind-try", "--cap-add"} & set(arguments())


def test_an_interpreter_below_usr_needs_no_place_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "_base_executable", "/usr/bin/env")
    found = policy.interpreter()
    assert (found.source, found.libraries) == (None, "/usr/lib")
    assert found.executable.startswith("/usr/bin/")


def test_an_interpreter_elsewhere_appears_at_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").touch()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "_base_executable", str(tmp_path / "bin" / "python3"))
    assert policy.interpreter() == policy.Interpreter("/python/bin/python3", "/python/lib", tmp_path)


def test_folders_that_a_stranger_cannot_enter_are_mounted_where_it_can(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    prefix, seen = policy.privilege_prefix(61184, {"python": tmp_path, "usr": Path("/usr")})
    assert Path(prefix[0]).name == "unshare"
    assert seen["usr"] == Path("/usr")
    assert seen["python"] != tmp_path
    assert str(tmp_path) in prefix


def test_an_unprivileged_user_needs_no_change_of_user() -> None:
    assert policy.privilege_prefix(None, {"python": Path("/root/python")}) == ([], {"python": Path("/root/python")})
