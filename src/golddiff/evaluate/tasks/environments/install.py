"""A folder of packages for a recipe: made once by pip from wheels, cached by content, given to the sandbox read-only.

How it fits: `recipes` says what; `tasks build` and `tasks grade` give the folder to the grader. The only step of
grading that uses a network, and only where the operator asked for it; pip takes packages from where the operator's own
configuration says (`PIP_INDEX_URL`, `PIP_NO_INDEX` with `PIP_FIND_LINKS`, `pip.conf`), never from where the repository
says.

A repository's list of packages is untrusted, and building a package from source runs that package's code. So only
wheels are installed: pip unpacks them and runs nothing of them. Nothing in the folder is ever imported outside of the
sandbox, and inside `.pth` files take no part. What has no wheel is left out and listed; the tests that need it fail
then, and are counted. Code of the repository itself is not installed but imported from each task's own tree; a
`.dist-info` with its name, version and entry points stands for it.

Not covered: packages that exist only as source (give a folder of your own: --packages); the disk that packages take.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from importlib.metadata import PathDistribution
from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.environments.recipes import Recipe, normal_name

__all__ = ["Environment", "cached", "install", "own_installer"]

Installer = Callable[[Path, Path, Path], str]
"""(requirements file, constraints file, target folder) → what it complained about; empty where all went well."""

_BUILD_SEC = 1200.0
_ATTEMPTS = 16
_MISSING = re.compile(
    r"No matching distribution found for ([A-Za-z0-9._-]+)|Because ([A-Za-z0-9._-]+)\S* (?:was not found|has no)"
)
_DISTURBING = ("xdist", "pytest_cov", "pytest_randomly", "random_order", "pytest_sugar", "pytest_instafail", "nbval")
"""Plug-ins that reorder, spread out, repaint or measure, and that no test asks for."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Packages that are installed for a recipe."""

    digest: str
    """The recipe's."""
    source: str
    folder: str
    """Where they lie; `site-packages` of no Python."""
    plugins: tuple[str, ...]
    """Modules of the pytest plug-ins among what the repository asks for."""
    installed: tuple[str, ...]
    """`name==version`."""
    left_out: tuple[str, ...]
    """What was asked for and is not there, with the reason."""
    seconds: float

    @property
    def packages(self) -> tuple[Path, ...]:
        """As `scoring.suite.Suite` wants them."""
        return (Path(self.folder),)


def cached(recipe: Recipe, cache: Path) -> Environment | None:
    """Return what was installed for this recipe before."""
    try:
        found = msgspec.json.decode((cache / recipe.digest / "environment.json").read_bytes(), type=Environment)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if Path(found.folder).is_dir() else None


def install(recipe: Recipe, cache: Path, installer: Installer | None = None) -> Environment:
    """Return the recipe's environment, built now where it is not in `cache` yet.

    Raises:
        InputError: it does not build; says why.
    """
    before = cached(recipe, cache)
    if before:
        return before
    installer = installer or own_installer()
    cache = cache.resolve()
    started = time.monotonic()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as work:
        made = Path(work) / "made"
        site = made / "packages"
        site.mkdir(parents=True)
        left_out = [f"{line} (not a plain requirement)" for line in recipe.refused]
        left_out += _install(recipe, Path(work), site, installer)
        _stand_in(recipe, site)
        environment = Environment(
            digest=recipe.digest,
            source=recipe.source,
            folder=str(cache / recipe.digest / "packages"),
            plugins=_plugins(recipe, site),
            installed=tuple(sorted(f"{one.metadata['Name']}=={one.version}" for one in _distributions(site))),
            left_out=tuple(left_out),
            seconds=time.monotonic() - started,
        )
        (made / "environment.json").write_bytes(msgspec.json.encode(environment))
        with contextlib.suppress(OSError):  # another process was faster: then its folder stands
            shutil.rmtree(cache / recipe.digest, ignore_errors=True)
            made.rename(cache / recipe.digest)
    return environment


def own_installer() -> Installer:
    """Return what runs pip, or uv where this Python has no pip. Raises InputError where there is neither."""
    if importlib.util.find_spec("pip"):
        # -P: Python looks for no module in the current folder
        command = [sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        command += ["--no-warn-conflicts", "--progress-bar=off"]
    else:
        found = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
        if not found:
            raise InputError("neither pip nor uv is installed, so nothing can be: python -m ensurepip, or --packages.")
        command = [found, "pip", "install", "--python", sys.executable]
    command += ["--only-binary=:all:"]

    def run(requirements: Path, constraints: Path, target: Path) -> str:
        line = [*command, "--target", str(target), "--requirement", str(requirements), "--constraint", str(constraints)]
        try:
            done = subprocess.run(
                line,
                cwd="/",  # not where packages lie, nor below a folder whose settings uv would read
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_BUILD_SEC,
            )
        except subprocess.TimeoutExpired:
            return f"took longer than {_BUILD_SEC:.0f} s"
        return "" if done.returncode == 0 else done.stderr.strip() or done.stdout.strip() or str(done.returncode)

    return run


def _install(recipe: Recipe, work: Path, site: Path, installer: Installer) -> list[str]:
    """Install as much as there is, and return what there is not. Raises InputError where too little is left."""
    wanted, pins = list(recipe.requirements), list(recipe.constraints)
    left_out: list[str] = []
    for _ in range(_ATTEMPTS):
        (work / "requirements.txt").write_text("\n".join(wanted) + "\n", "utf-8")
        (work / "constraints.txt").write_text("\n".join(pins) + "\n", "utf-8")
        said = installer(work / "requirements.txt", work / "constraints.txt", site)
        if not said:
            return left_out
        match = _MISSING.search(said)
        name = normal_name(match[1] or match[2]) if match else ""
        fewer_pins = [pin for pin in pins if normal_name(pin.split("==")[0]) != name]
        fewer = [one for one in wanted if normal_name(re.split(r"[^A-Za-z0-9._-]", one)[0]) != name]
        if len(fewer_pins) < len(pins):
            left_out.append(f"the locked version of {name} (no wheel for this Python)")
            pins = fewer_pins
        elif len(fewer) < len(wanted) and name != "pytest":
            left_out.append(f"{name} (no wheel for this Python)")
            wanted = fewer
        elif pins and "conflict" in said.lower():
            left_out.append("the locked versions (they do not fit each other here)")
            pins = []
        else:
            raise InputError(f"the packages of {recipe.source} cannot be installed: {_last(said)}")
        shutil.rmtree(site)
        site.mkdir()
    raise InputError(f"the packages of {recipe.source} cannot be installed: {', '.join(left_out)}")


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.lower().startswith("error")] or said.splitlines()
    return " ".join(lines[-1].split())[:300]


def _distributions(site: Path) -> Sequence[PathDistribution]:
    return [PathDistribution(found) for found in sorted(site.glob("*.dist-info"))]


def _plugins(recipe: Recipe, site: Path) -> tuple[str, ...]:
    asked = {normal_name(re.split(r"[^A-Za-z0-9._-]", one)[0]) for one in recipe.requirements}
    modules = []
    for one in _distributions(site):
        points = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        with contextlib.suppress(ConfigError):
            points.read_string(one.read_text("entry_points.txt") or "")
        if normal_name(one.metadata["Name"] or "") in asked and points.has_section("pytest11"):
            modules += [where for _, where in points.items("pytest11")]
    return tuple(sorted(module for module in modules if not module.startswith(_DISTURBING)))


def _stand_in(recipe: Recipe, site: Path) -> None:
    """Write the metadata that an installation of the repository would leave."""
    if not recipe.project:
        return
    name = normal_name(recipe.project)
    for old in site.glob("*.dist-info"):  # the released project, which something that was asked for depends on
        if normal_name(old.name.removesuffix(".dist-info").rpartition("-")[0]) == name:
            shutil.rmtree(old)
    folder = site / f"{name.replace('-', '_')}-{recipe.version}.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {recipe.project}", f"Version: {recipe.version}", ""]
    (folder / "METADATA").write_text("\n".join(lines), "utf-8")
    points = [
        " ".join(line.split())
        for group, named in recipe.entry_points.items()
        for line in (f"[{group}]", *(f"{point} = {where}" for point, where in named.items()))
    ]
    (folder / "entry_points.txt").write_text("\n".join(points) + "\n", "utf-8")
