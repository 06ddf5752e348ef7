"""What a repository says that its tests need, read as text and never run.

How it fits: `golddiff tasks build` reads a recipe from the tip of the default branch; `install` turns it into a folder
of packages. The repository may be hostile, so nothing of it is executed: TOML and INI files are parsed, of `setup.py`
only literals are taken, and of every requirement only name, extras, versions and marker. What says more than that (an
address, a path, an option such as another index) is refused and listed: the operator alone decides where packages come
from.

Requirements are those of the project and of its groups and extras for tests, or for development where none is for
tests. A lock file (`uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`) pins their versions; pip finds out which of the
locked ones are needed here.

Not covered: Poetry's own version syntax (its lock is used, else any version), Conda, `tox` and `nox` environments,
requirements that `setup.py` computes.
"""

from __future__ import annotations

import ast
import configparser
import re
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from golddiff.git import GitRepository

__all__ = ["Recipe", "detect", "normal_name", "of_repository"]

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")
_TESTING = re.compile(r"(?:unit)?tests?|testing|test[-_].*|.*[-_]tests?|pytest")
_DEVELOPING = re.compile(r"dev|develop|development|ci|all")
"""Names of groups that hold what tests need among other things: looked at where there is none for tests."""
_REQUIREMENT_FILES = tuple(
    f"{folder}{name}.txt"
    for folder in ("", "requirements/", "tests/")
    for name in (
        *("requirements", "requirements-dev", "requirements_dev", "requirements-test", "requirements_test"),
        *("requirements-tests", "dev-requirements", "test-requirements", "dev", "test", "tests"),
    )
    if folder == "requirements/" or "requirements" in name
)
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
# Name, extras, versions, marker; no "@ address", no path, no option, no ${VARIABLE} (pip would fill in the operator's).
_REQUIREMENT = re.compile(
    rf"({_NAME})\s*(\[[A-Za-z0-9._, -]*\])?"
    r"\s*\(?\s*((?:(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+\s*,?\s*)*)\)?\s*(;(?:(?!\s-)[^@\\$#])*)?"
)
_MOST = 500
"""Requirements; what is refused; characters of one line."""
_MOST_FILES = 50
"""Requirements files that one may include, itself and what they include among them."""
_UNREADABLE = (
    *(ValueError, SyntaxError, configparser.Error, TypeError, AttributeError, KeyError),
    *(RecursionError, MemoryError),  # what nests too deeply
)
_VERSION = 1


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What to install, where that was found, and what is left aside."""

    source: str
    """Files that it was read from."""
    requirements: tuple[str, ...]
    """Each a name with extras, versions and marker (PEP 508)."""
    constraints: tuple[str, ...] = ()
    """`name==version` of the lock file: hold only for what is installed anyway."""
    refused: tuple[str, ...] = ()
    """What it asks for and must not have: addresses, paths, options."""
    project: str = ""
    version: str = "0"
    """The repository's own, for `importlib.metadata`; 0 where it is computed."""
    entry_points: Mapping[str, Mapping[str, str]] = {}

    @property
    def digest(self) -> str:
        """Name by content: what is installed, for which Python and machine."""
        platform = f"{sys.implementation.cache_tag} {sysconfig.get_platform()} {_VERSION}"
        return blake2b(msgspec.json.encode((platform, self)), digest_size=12).hexdigest()


def normal_name(name: str) -> str:
    """Return a package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def detect(read: Callable[[str], str | None]) -> Recipe:
    """Return the recipe of the tree whose files `read` returns (None: absent); without any file, pytest alone."""
    found = _Found()
    for name, take in (("pyproject.toml", _pyproject), ("setup.cfg", _setup_cfg), ("setup.py", _setup_py)):
        text = read(name)
        if text is not None:
            before = len(found.wanted)
            try:
                take(text, found)
            except _UNREADABLE:
                found.refused.append(f"{name} cannot be read")
            if len(found.wanted) > before:
                found.sources.append(name)
    for name in _REQUIREMENT_FILES:
        text = read(name)
        if text is not None:
            found.sources.append(name)
            found.take(_requirement_lines(text, name, read, {name}))
    constraints: tuple[str, ...] = ()
    for name in LOCKS:
        text = read(name)
        if text is not None:
            try:
                constraints = tuple(_locked(text))
                found.sources.insert(0, name)
            except _UNREADABLE:
                found.refused.append(f"{name} cannot be read")
            break
    names = {_named(requirement) for requirement in found.wanted}
    wanted = [one for one in dict.fromkeys(found.wanted) if _named(one) != normal_name(found.project)]
    return Recipe(
        source=" + ".join(found.sources) or "nothing declared",
        requirements=tuple(sorted([*wanted, *(() if "pytest" in names else ("pytest",))]))[:_MOST],
        constraints=constraints,
        refused=tuple(dict.fromkeys(found.refused)),
        project=found.project,
        version=found.version,
        entry_points=found.entry_points,
    )


def of_repository(git: GitRepository) -> Recipe:
    """Return the recipe of the tip of the default branch."""
    branch = git.default_branch()
    tree = git.tree(branch[1]) if branch else {}

    def read(path: str) -> str | None:
        data = git.blob(tree[path]) if path in tree else None
        return None if data is None else data.decode("utf-8", "replace")

    return detect(read)


class _Found:
    """What has been read so far."""

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self.refused: list[str] = []
        self.sources: list[str] = []
        self.project = ""
        self.version = "0"
        self.entry_points: dict[str, dict[str, str]] = {}

    def take(self, lines: Iterable[object]) -> None:
        for line in lines:
            text = " ".join(str(line).split())[:_MOST]
            match = _REQUIREMENT.fullmatch(text)
            if match:
                name, extras, versions, marker = (part or "" for part in match.groups())
                self.wanted.append(f"{name}{extras}{versions.strip().rstrip(',')}{marker and ' ' + marker}")
            elif text and len(self.refused) < _MOST and text not in self.refused:
                self.refused.append(text)

    def named(self, name: object, version: object = None) -> None:
        if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._-]+", name):
            self.project = self.project or name
        if isinstance(version, str) and re.fullmatch(r"[A-Za-z0-9.+!-]+", version):
            self.version = version


def _named(requirement: str) -> str:
    return normal_name(re.match(r"[A-Za-z0-9._-]+", requirement)[0])  # type: ignore[index]


def _for_tests(groups: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    tests = [(name, group) for name, group in groups.items() if _TESTING.fullmatch(name.lower())]
    return iter(tests or [pair for pair in groups.items() if _DEVELOPING.fullmatch(pair[0].lower())])


def _pyproject(text: str, found: _Found) -> None:
    table = tomllib.loads(text)
    project = table.get("project", {})
    found.named(project.get("name"), project.get("version"))
    found.take(project.get("dependencies", ()))
    for _, extra in _for_tests(project.get("optional-dependencies", {})):
        found.take(extra)
    groups = table.get("dependency-groups", {})
    for name, _ in _for_tests(groups):
        found.take(_group(groups, name, set()))
    for kind in ("scripts", "gui-scripts"):
        if project.get(kind):
            found.entry_points["console_scripts"] = dict(project[kind])
    found.entry_points.update({name: dict(points) for name, points in project.get("entry-points", {}).items()})
    poetry = table.get("tool", {}).get("poetry", {})
    found.named(poetry.get("name"), poetry.get("version"))
    sections = [poetry.get("dependencies", {}), poetry.get("dev-dependencies", {})]
    sections += [group.get("dependencies", {}) for _, group in _for_tests(poetry.get("group", {}))]
    for section in sections:
        for name, how in section.items():
            elsewhere = isinstance(how, dict) and {"git", "path", "url", "file"} & how.keys()
            if name != "python":
                found.take([f"{name} @ {how}" if elsewhere else name])


def _group(groups: Mapping[str, Any], name: str, seen: set[str]) -> Iterator[object]:
    """Yield a dependency group's lines with those of the groups that it includes (PEP 735)."""
    if name in seen:
        return
    seen.add(name)
    for line in groups.get(name, ()):
        if isinstance(line, dict):
            yield from _group(groups, str(line.get("include-group", "")), seen)
        else:
            yield line


def _setup_cfg(text: str, found: _Found) -> None:
    table = configparser.ConfigParser(interpolation=None, strict=False)
    table.read_string(text)
    found.named(table.get("metadata", "name", fallback=None), table.get("metadata", "version", fallback=None))
    found.take(table.get("options", "install_requires", fallback="").splitlines())
    found.take(table.get("options", "tests_require", fallback="").splitlines())
    if table.has_section("options.extras_require"):
        for _, extra in _for_tests(dict(table.items("options.extras_require"))):
            found.take(extra.splitlines())


def _setup_py(text: str, found: _Found) -> None:
    tree = ast.parse(text)
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    class Named(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return constants.get(node.id, node)

    def value(node: ast.expr) -> Any:
        try:
            return ast.literal_eval(Named().visit(node))
        except ValueError:
            return None

    for call in ast.walk(tree):
        called = call.func if isinstance(call, ast.Call) else None
        if not isinstance(call, ast.Call) or getattr(called, "id", getattr(called, "attr", "")) != "setup":
            continue
        given = {keyword.arg: value(keyword.value) for keyword in call.keywords if keyword.arg}
        found.named(given.get("name"), given.get("version"))
        for name in ("install_requires", "tests_require"):
            lines = given.get(name) or ()
            found.take(lines.splitlines() if isinstance(lines, str) else lines)
        for _, extra in _for_tests(given.get("extras_require") or {}):
            found.take(extra.splitlines() if isinstance(extra, str) else extra)


def _requirement_lines(text: str, name: str, read: Callable[[str], str | None], seen: set[str]) -> Iterator[str]:
    """Yield a requirements file's lines with those of the files of the tree that it includes, each once."""
    folder = name.rpartition("/")[0]
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = " ".join(re.sub(r"(^|\s)#.*", "", line).split())
        line = re.sub(r" --hash=\S+", "", line)[:_MOST]
        include = re.fullmatch(r"(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)", line)
        if include:
            other = f"{folder}/{include[1]}" if folder else include[1]
            if other in seen:
                continue
            inside = read(other) if ".." not in other and len(seen) < _MOST_FILES else None
            if inside is None:
                yield line
            elif not line.startswith(("-c", "--constraint")):
                seen.add(other)
                yield from _requirement_lines(inside, other, read, seen)
        else:
            yield line


def _locked(text: str) -> list[str]:
    """Return `name==version` of every package that a lock file takes from an index, in one version only.

    Raises what is in `_UNREADABLE` where it is no lock file.
    """
    table = tomllib.loads(text)
    versions: dict[str, set[str]] = {}
    for package in table.get("package", table.get("packages", ())):
        source = package.get("source", {})
        elsewhere = {"git", "url", "path", "directory", "editable", "virtual", "vcs", "archive"}
        if elsewhere & source.keys() or source.get("type") in elsewhere or elsewhere & package.keys():
            continue
        name, version = package["name"], package.get("version", "")
        # pip reads options and addresses in a line of constraints, too: a name that holds a line end would be one
        if re.fullmatch(_NAME, name) and re.fullmatch(r"[A-Za-z0-9.+!-]+", version):
            versions.setdefault(normal_name(name), set()).add(version)
    return [f"{name}=={min(found)}" for name, found in sorted(versions.items()) if len(found) == 1]
