"""What a repository declares is read as text, whatever it says, and nothing of it is run."""

from collections.abc import Mapping

import pytest

from golddiff.evaluate.tasks.environments.recipes import Recipe, detect

PYPROJECT = """
[project]
name = "Shop.Keeper"
version = "1.2"
dependencies = ["click (>=8, <9)", "evil @ https://example.org/evil.whl", "shop-keeper[fast]"]
[project.optional-dependencies]
test = ["pytest-mock>=3 ; python_version >= '3.8'", "--index-url https://example.org"]
docs = ["sphinx"]
[project.scripts]
shop = "shop.cli:main"
[dependency-groups]
dev = ["tox", {include-group = "tests"}]
tests = ["hypothesis", {include-group = "more"}]
more = ["freezegun", {include-group = "tests"}]
"""
UV_LOCK = """
[[package]]
name = "click"
version = "8.1.7"
source = { registry = "https://example.org/simple" }
[[package]]
name = "shop-keeper"
version = "1.2"
source = { editable = "." }
[[package]]
name = "numpy"
version = "1.0"
[[package]]
name = "numpy"
version = "2.0"
"""
SETUP_PY = """
import os
from setuptools import setup
TESTS = ["hypothesis", "black>=1"]
open("/tmp/ran", "w")
setup(name="old", version=get_version(), install_requires=["tabulate"], extras_require={"test": TESTS, "docs": ["x"]})
"""


def read(files: Mapping[str, str]) -> Recipe:
    return detect(files.get)


def test_requirements_are_the_projects_and_those_of_its_tests() -> None:
    recipe = read({"pyproject.toml": PYPROJECT})
    assert recipe.requirements == (
        "click>=8, <9", "freezegun", "hypothesis", "pytest", "pytest-mock>=3 ; python_version >= '3.8'",
    )  # fmt: skip
    assert recipe.refused == ("evil @ https://example.org/evil.whl", "--index-url https://example.org")
    assert (recipe.project, recipe.version) == ("Shop.Keeper", "1.2")
    assert recipe.entry_points == {"console_scripts": {"shop": "shop.cli:main"}}


def test_a_lock_file_pins_what_it_takes_from_an_index_in_one_version() -> None:
    recipe = read({"pyproject.toml": PYPROJECT, "uv.lock": UV_LOCK})
    assert recipe.constraints == ("click==8.1.7",)
    assert recipe.source == "uv.lock + pyproject.toml"


@pytest.mark.parametrize(
    "lock",
    [
        '[[package]]\nname = "a\\n-i http://2130706433/\\nb @ http://2130706433/b\\nc"\nversion = "1"\n',
        '[[package]]\nname = "-r /file"\nversion = "1"\n',
        '[[package]]\nname = "a"\nversion = "1\\n-r /file"\n',
        "package = 3\n",
        'package = ["a"]\n',
        "[[package]]\nsource = 3\n",
        "[[package]]\nname = 3\nversion = 1\n",
        f"package = {'[' * 5000}",
    ],
)
def test_a_lock_file_says_nothing_to_pip_but_names_and_versions(lock: str) -> None:
    assert read({"uv.lock": lock}).constraints == ()


@pytest.mark.parametrize(
    "line", ["a; os_name != '${SECRET}'", "a; os_name == 'x' --config-settings=b=c", "a; os_name == 'x' # -e ."]
)
def test_a_marker_holds_no_option_and_nothing_that_pip_fills_in(line: str) -> None:
    recipe = read({"pyproject.toml": f'[project]\nname = "p"\ndependencies = ["{line}"]\n'})
    assert (recipe.requirements, recipe.refused) == (("pytest",), (line,))


@pytest.mark.parametrize(
    "files",
    [
        {f"requirements{n or ''}.txt": f"-r requirements{n + 1}.txt\n" * 9 for n in range(40)},
        {"requirements.txt": "-r a0.txt"} | {f"a{n}.txt": f"-r a{n + 1}.txt" for n in range(2000)},
        {"requirements.txt": "a" + " " * 300_000 + "b\n-r" + "=" * 300_000 + " x\n"},
        {"requirements.txt": "".join(f"-{n}\n" for n in range(30_000))},
        {"setup.py": "x = " + "-" * 100_000 + "1"},
    ],
)  # fmt: skip
def test_what_is_written_to_take_for_ever_is_read_soon(files: dict[str, str]) -> None:
    assert read(files).requirements == ("pytest",)


@pytest.mark.parametrize(
    ("files", "requirements"),
    [
        ({}, ("pytest",)),
        ({"setup.py": SETUP_PY}, ("black>=1", "hypothesis", "pytest", "tabulate")),
        ({"setup.cfg": "[options]\ninstall_requires =\n  a>1\n  b\n[options.extras_require]\ndev = c\n"},
         ("a>1", "b", "c", "pytest")),
        ({"requirements-dev.txt": "-r more/base.txt\npytest==8.1 --hash=sha256:00 # why\n-e .\n",
          "more/base.txt": "attrs\n-r ../../etc/passwd\n"}, ("attrs", "pytest==8.1")),
        ({"pyproject.toml": "[tool.poetry]\nname='p'\n[tool.poetry.dependencies]\npython='^3.8'\nrich='^13'\n"
          "g={git='https://example.org'}\n[tool.poetry.group.dev.dependencies]\npytest='*'\n"}, ("pytest", "rich")),
        ({"pyproject.toml": "no toml ["}, ("pytest",)),
        ({"pyproject.toml": "project = 3\n", "setup.py": "def (", "uv.lock": "["}, ("pytest",)),
    ],
)  # fmt: skip
def test_every_way_of_declaring_is_read(files: dict[str, str], requirements: tuple[str, ...]) -> None:
    assert read(files).requirements == requirements


def test_the_digest_is_of_what_is_installed() -> None:
    before = read({"pyproject.toml": PYPROJECT})
    assert read({"pyproject.toml": PYPROJECT + "\n[tool.other]\n", "README.md": ""}).digest == before.digest
    assert read({"pyproject.toml": PYPROJECT.replace("<9", "<10")}).digest != before.digest
