"""What it takes to grade a change by a repository's tests: the tree, the tests that must pass, and what is protected.

How it fits: `grading` runs a `Suite` on candidates; whatever builds tasks makes suites. Everything here is trusted
and plain data. Paths are POSIX, relative to the tree. Ids are node ids of pytest (`tests/test_a.py::TestB::test_c`).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

from golddiff.errors import InputError
from golddiff.sandbox.contract import MIB, Limits

__all__ = ["Mutant", "Suite", "check_suite", "is_test", "snapshot"]

_TEST_FOLDERS = frozenset({"test", "tests", "testing", "__tests__"})
_TEST_FILE = re.compile(r"test_.*\.py|.*_test\.py|tests?\.py|conftest\.py")
_MOST_ENTRIES = 50_000

LIMITS = Limits(
    wall_sec=120.0,
    cpu_sec=120,
    memory_bytes=2048 * MIB,
    processes=64,
    file_bytes=64 * MIB,
    disk_bytes=256 * MIB,
    open_files=256,
    output_bytes=4 * MIB,
)


class Mutant(msgspec.Struct, frozen=True):
    """One assertion of one test that can be turned around, so that the test must fail for every honest change."""

    file: str
    test: str
    """Qualified name in the file: `TestB.test_c` or `test_c`."""
    site: int
    """Which of the test's assertions, from 0."""


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of one task. `grading.Grader.confirm` checks it on the accepted change and finds its mutants."""

    tree: Path
    """Folder with the repository at its base commit, as plain files: no `.git`."""
    expected: tuple[str, ...]
    """Node ids that must pass."""
    protected: Mapping[str, bytes | None] = {}
    """Files as they must be when tests run, whatever the candidate says: the accepted change's tests and what they
    need; None: must not exist. Test files that are not named here stay as they are in the tree."""
    allowed: frozenset[str] = frozenset()
    """Test configuration that the accepted change touches, so that a candidate may, too."""
    import_from: tuple[str, ...] = ("src", "")
    """Folders of the tree to import from, first one first; those that do not exist are left out."""
    packages: tuple[Path, ...] = ()
    """Folders of installed packages (`site-packages`) with pytest among them; none: those of this interpreter."""
    plugins: tuple[str, ...] = ()
    """Modules of pytest plugins that the tests need; nothing is loaded by itself."""
    limits: Limits = LIMITS
    """Of one run of the suite."""
    mutants: tuple[Mutant, ...] = ()
    """Assertions that were seen to fail when turned around, on the accepted change."""

    @property
    def files(self) -> tuple[str, ...]:
        """Test files of the expected ids, in order of first use."""
        return tuple(dict.fromkeys(identity.split("::", 1)[0] for identity in self.expected))


def is_test(path: str) -> bool:
    """Whether a file belongs to the tests: what a candidate does to it is ignored."""
    *folders, name = PurePosixPath(path).parts
    return bool(_TEST_FOLDERS & set(folders)) or _TEST_FILE.fullmatch(name) is not None


def snapshot(tree: Path, target: Path) -> None:
    """Copy a tree so that a stranger's uid can read it, and only what a commit can hold: folders, files and links.

    Links are copied, never followed. Raises InputError where it holds `.git`, through which later commits, and so the
    accepted change, could be reached, or where it is no folder or has too many files.
    """
    if not tree.is_dir():
        raise InputError(f"the suite's tree {tree} is not a folder.")
    _copy(tree, target, 0)


def _copy(source: Path, target: Path, entries: int) -> int:
    target.mkdir(mode=0o755)
    target.chmod(0o755)
    with os.scandir(source) as found:
        for entry in found:
            entries += 1
            place = target / entry.name
            if entry.name == ".git":
                raise InputError(f"{entry.path} leads to later commits; export the base commit as plain files.")
            if entries > _MOST_ENTRIES:
                raise InputError(f"the suite's tree has more than {_MOST_ENTRIES:,} files: {source}.")
            if entry.is_symlink():
                place.symlink_to(os.readlink(entry.path))
            elif entry.is_dir(follow_symlinks=False):
                entries = _copy(Path(entry.path), place, entries) if entry.name != "__pycache__" else entries
            elif entry.is_file(follow_symlinks=False):
                shutil.copyfile(entry.path, place, follow_symlinks=False)
                place.chmod(0o755 if entry.stat(follow_symlinks=False).st_mode & 0o100 else 0o644)
    return entries


def check_suite(suite: Suite) -> None:
    """Raise InputError where a suite cannot be graded at all."""
    if not suite.expected:
        raise InputError("the suite names no test that must pass.")
    strange = next((identity for identity in suite.expected if "::" not in identity), None)
    if strange:
        raise InputError(f"{strange!r} is no test id of pytest; it looks like 'tests/test_a.py::test_b'.")
