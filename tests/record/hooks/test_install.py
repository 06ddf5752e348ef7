"""Installing everywhere, twice, and taking everything back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golddiff.errors import InputError
from golddiff.record.hooks.install import install, status, uninstall
from record.hooks.shells import environment, git, repository, tree


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user with two agents and a repository."""
    for name in (".claude", ".gemini"):
        (tmp_path / name).mkdir()
    (tmp_path / ".claude" / "settings.json").write_text('{"model": "x"}\n')
    repository(tmp_path / "repo")
    return tmp_path


def states(report: object) -> dict[str, str]:
    return {place["what"]: place["state"] for place in report.places}  # type: ignore[attr-defined]


def test_everything_is_found_installed_once_and_taken_back_byte_for_byte(home: Path) -> None:
    user, repo, workspace = environment(home), home / "repo", home / "workspace"
    before = tree(home)
    assert set(states(install(workspace, repo, environment=user))) == {
        "git post-commit",
        "git post-merge",
        "git post-rewrite",
        "claude-code",
        "gemini-cli",
    }
    once = tree(home)
    install(workspace, repo, environment=user)
    assert tree(home) == once
    assert set(states(status(workspace, repo, environment=user)).values()) == {"installed"}
    git(repo, "commit", "--allow-empty", "-qm", "one", home=home)
    assert (workspace / "hooks" / "journal").stat().st_size
    assert set(states(uninstall(workspace)).values()) == {"restored"}
    after = {path: file for path, file in tree(home).items() if not path.startswith(("workspace/", "repo/.git/"))}
    assert after == {path: file for path, file in before.items() if not path.startswith("repo/.git/")}
    assert not (repo / ".git" / "hooks").exists()
    assert not (workspace / "hooks" / "agent.sh").exists()


def test_status_says_what_was_overwritten_and_installing_again_repairs_it(home: Path) -> None:
    user, repo, workspace = environment(home), home / "repo", home / "workspace"
    install(workspace, repo, environment=user)
    hook = repo / ".git" / "hooks" / "post-commit"
    hook.write_text("#!/bin/sh\necho husky\n")
    assert states(status(workspace, repo, environment=user))["git post-commit"].startswith("changed")
    install(workspace, repo, environment=user)
    assert states(status(workspace, repo, environment=user))["git post-commit"] == "installed"
    uninstall(workspace)
    assert hook.read_text() == "#!/bin/sh\necho husky\n"


def test_a_project_gets_settings_of_its_own(home: Path) -> None:
    install(home / "w", home / "repo", clients=["claude-code"], project=True, git=False, environment=environment(home))
    assert (home / "repo" / ".claude" / "settings.local.json").exists()
    uninstall(home / "w")
    assert not (home / "repo" / ".claude").exists()


def test_two_workspaces_do_not_take_each_others_hooks(home: Path) -> None:
    user, repo = environment(home), home / "repo"
    install(home / "w1", repo, environment=user)
    install(home / "w2", repo, environment=user)
    uninstall(home / "w1")
    assert set(states(status(home / "w2", repo, environment=user)).values()) == {"installed"}
    uninstall(home / "w2")
    assert json.loads((home / ".claude" / "settings.json").read_text()) == {"model": "x"}


@pytest.mark.parametrize(("said", "told"), [({}, "nothing was installed"), ({"project": True}, "--project needs one")])
def test_outside_a_repository_nothing_is_written_that_was_not_asked_for(
    home: Path, said: dict[str, bool], told: str
) -> None:
    before = tree(home)
    with pytest.raises(InputError, match=told):
        install(home / "w", home, environment=environment(home), **said)  # type: ignore[arg-type]
    assert tree(home) == before


@pytest.mark.parametrize("said", [{"git": False}, {"clients": ["claude-code"]}])
def test_settings_that_hold_in_every_folder_are_said_to(home: Path, said: dict[str, object]) -> None:
    report = install(home / "w", home, environment=environment(home), **said)  # type: ignore[arg-type]
    assert "git post-commit" not in states(report)
    (note,) = (note for note in report.notes if "every folder" in note)
    assert "claude-code" in note
    assert str(home / "w" / "hooks" / "journal") in note
    report = install(home / "w", home / "repo", clients=["claude-code"], project=True, environment=environment(home))
    assert not any("every folder" in note for note in report.notes)


def test_an_unknown_client_is_named_with_those_that_are_known(home: Path) -> None:
    with pytest.raises(InputError, match="claude-code, codex"):
        install(home / "w", home / "repo", clients=["emacs"], environment=environment(home))


def test_an_installation_stopped_half_way_can_be_taken_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "repo" / ".git" / "hooks").mkdir()
    hook = home / "repo" / ".git" / "hooks" / "post-commit"
    hook.symlink_to("/bin/true")
    before = tree(home)

    def fails(path: Path, data: bytes, mode: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("golddiff.record.hooks.settings.replace_file", fails)
        with pytest.raises(KeyboardInterrupt):
            install(home / "w", home / "repo", environment=environment(home))
    assert tree(home) != before
    uninstall(home / "w")
    after = {path: file for path, file in tree(home).items() if not path.startswith("w/")}
    assert after == before
