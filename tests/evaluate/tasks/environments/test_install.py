"""Wheels become a folder of packages, once; what has none is left out by name; nothing of a package runs."""

import base64
import hashlib
import zipfile
from pathlib import Path

import pytest

from golddiff.errors import InputError
from golddiff.evaluate.tasks.environments.install import Environment, cached, install, own_installer
from golddiff.evaluate.tasks.environments.recipes import Recipe

ASKED = Recipe(
    source="uv.lock",
    requirements=("gone", "pytest", "pytest-plugin>=1", "pytest-xdist"),
    constraints=("pinned==9",),
    refused=("-e .",),
    project="Shop.Keeper",
    version="1.2",
    entry_points={"console_scripts": {"shop": "shop:main"}},
)


class Index:
    """Stands for pip: has wheels for some, and says which it has not."""

    def __init__(self, *lacking: str) -> None:
        self.lacking = lacking
        self.calls = 0

    def __call__(self, requirements: Path, constraints: Path, target: Path) -> str:
        self.calls += 1
        asked = requirements.read_text() + constraints.read_text()
        missing = next((name for name in self.lacking if name in asked), None)
        (target / "half").mkdir()
        if missing:
            return f"noise\nERROR: No matching distribution found for {missing}==9\n"
        for name, points in (
            ("pytest_plugin", "[pytest11]\na = plugin.module\n"),
            ("pytest_xdist", "[pytest11]\nx = xdist.plugin\n"),
        ):
            folder = target / f"{name}-1.0.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (folder / "entry_points.txt").write_text(points)
        return ""


def test_what_has_no_wheel_is_left_out_by_name(tmp_path: Path) -> None:
    made = install(ASKED, tmp_path, Index("pinned", "gone"))
    assert made.left_out == (
        "-e . (not a plain requirement)",
        "the locked version of pinned (no wheel for this Python)",
        "gone (no wheel for this Python)",
    )
    assert made.installed == ("Shop.Keeper==1.2", "pytest_plugin==1.0", "pytest_xdist==1.0")
    assert made.plugins == ("plugin.module",)
    points = (made.packages[0] / "shop_keeper-1.2.dist-info/entry_points.txt").read_text()
    assert points == "[console_scripts]\nshop = shop:main\n"


def test_it_is_built_once(tmp_path: Path) -> None:
    index = Index()
    made = install(ASKED, tmp_path, index)
    assert install(ASKED, tmp_path, index) == made == cached(ASKED, tmp_path)
    assert index.calls == 1
    assert [path.name for path in tmp_path.iterdir()] == [ASKED.digest]


@pytest.mark.parametrize("said", ["ERROR: No matching distribution found for pytest", "ERROR: no network"])
def test_what_does_not_build_is_said_and_leaves_nothing(tmp_path: Path, said: str) -> None:
    with pytest.raises(InputError, match=said.removeprefix("ERROR: ")):
        install(ASKED, tmp_path, lambda *_: said)
    assert list(tmp_path.iterdir()) == []


def wheel(folder: Path, name: str, files: dict[str, str]) -> None:
    info = f"{name}-1.0.dist-info"
    files |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}"
        for path, text in files.items()
    ]
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as target:
        for path, text in files.items():
            target.writestr(path, text)
        target.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]))


def test_pip_unpacks_wheels_and_runs_nothing_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that exists only as source, whose set-up would run, is left out."""
    index, ran = tmp_path / "index", tmp_path / "ran"
    index.mkdir()
    wheel(
        index, "pytest", {"pytest.py": f"open({str(ran)!r}, 'w')\n", "evil.pth": f"import os; open({str(ran)!r}, 'w')"}
    )
    (index / "source-1.0.tar.gz").write_bytes(b"")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    recipe = Recipe(source="setup.py", requirements=("pytest", "source"))
    made: Environment = install(recipe, tmp_path / "cache", own_installer())
    assert made.left_out == ("source (no wheel for this Python)",)
    assert made.installed == ("pytest==1.0",)
    assert (made.packages[0] / "pytest.py").exists()
    assert not ran.exists()


def test_what_lies_beside_a_package_is_not_taken_for_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, ran = tmp_path / "target", tmp_path / "ran"
    target.mkdir()
    (target / "pip.py").write_text(f"open({str(ran)!r}, 'w')\n")
    (target / "uv.toml").write_text("no settings [")
    monkeypatch.chdir(target)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "none.txt").write_text("")
    own_installer()(tmp_path / "none.txt", tmp_path / "none.txt", target)
    assert not ran.exists()
