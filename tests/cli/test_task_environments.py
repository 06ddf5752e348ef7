"""Tests run with the packages that were named, else installed before, else the repository's own; and that is said."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from golddiff.cli.task_environments import chosen_packages
from golddiff.evaluate.tasks import environments
from golddiff.git import GitRepository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOLDDIFF_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "requirements.txt").write_text("tabulate\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.test"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    return folder


def test_packages_are_chosen_from_the_nearest_to_the_furthest(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(recipe: environments.Recipe, cache: Path) -> environments.Environment:
        assert recipe.requirements == ("pytest", "tabulate")
        return real(recipe, cache, lambda *_: "")

    real = environments.install
    monkeypatch.setattr(environments, "install", install)
    with GitRepository.open(repository) as git:
        assert chosen_packages(git, (), False).folders == ()
        assert "requirements.txt declares 2: --install installs them" in capsys.readouterr().err
        own = repository / ".venv/lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        (own / "pytest").mkdir(parents=True)
        assert chosen_packages(git, (), False).folders == (own.resolve(),)
        installed = chosen_packages(git, (), True)
        assert installed.folders[0].is_relative_to(tmp_path / "cache/environments")
        assert json.loads(json.dumps(installed.facts))["source"] == "requirements.txt"
        assert chosen_packages(git, (), False) == installed
        assert chosen_packages(git, (tmp_path,), False).folders == (tmp_path,)
