"""Which packages a repository's tests run with: named, the repository's own, installed for it, or golddiff's."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from golddiff.cli.app import console
from golddiff.git import GitRepository

__all__ = ["Packages", "chosen_packages", "install_option", "packages_option"]

packages_option = click.option(
    "--packages",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of installed packages that the tests need, pytest among them; by default what --install made, the "
    "repository's own .venv or venv, else golddiff's.",
)
install_option = click.option(
    "--install",
    is_flag=True,
    help="Install what the repository declares, by its lock file where it has one: wheels only, from pip's own index, "
    "into a cached folder. Nothing of the repository runs outside the sandbox.",
)


class Packages(msgspec.Struct, frozen=True):
    """What the tests run with."""

    folders: tuple[Path, ...]
    plugins: tuple[str, ...]
    facts: dict[str, Any]
    """For `--json`: where they are from; of an installed environment what is in it and what is not."""


def chosen_packages(git: GitRepository, named: tuple[Path, ...], allow_install: bool) -> Packages:
    """Return what to run with, and say on the terminal where that is from.

    Raises InputError where an environment is asked for that does not build.
    """
    from golddiff.config import cache_folder
    from golddiff.evaluate.tasks.environments import Environment, cached, install, of_repository

    if named:
        return Packages(named, (), {"source": "--packages"})
    recipe = of_repository(git)
    cache = cache_folder(os.environ) / "environments"
    environment = cached(recipe, cache)
    own = _own_packages(git.top)
    if environment is None and allow_install:
        console.print(f"installing {len(recipe.requirements)} requirements of {recipe.source} (once)", style="dim")
        environment = install(recipe, cache)
    if isinstance(environment, Environment):
        said = f"packages: {environment.source}, {len(environment.installed)} installed"
        console.print(said + "".join(f"\n  left out: {one}" for one in environment.left_out), style="dim", markup=False)
        facts = {name: value for name, value in msgspec.to_builtins(environment).items() if name != "folder"}
        return Packages(environment.packages, environment.plugins, facts)
    if own:
        console.print(f"packages: {own[0]}", style="dim", markup=False)
        return Packages(own, (), {"source": "the repository's own environment"})
    if len(recipe.requirements) > 1:
        said = f"packages: golddiff's own. {recipe.source} declares {len(recipe.requirements)}: --install installs them"
        console.print(said, style="dim", markup=False)
    return Packages((), (), {"source": "golddiff's own"})


def _own_packages(top: Path | None) -> tuple[Path, ...]:
    """Return the packages of the repository's own environment where it has one for this Python, with pytest in it."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    environments = (top / name for name in (".venv", "venv")) if top is not None else ()
    found = (one / "lib" / python / "site-packages" for one in environments)
    return next(((folder.resolve(),) for folder in found if (folder / "pytest").is_dir()), ())
