"""A task from a repository: its tree at a commit, what was asked, the accepted change, and the tests that decide.

How it fits: `building` makes them out of a repository's history, `predictions` judges what models wrote for them. A
task is kept as a row of SWE-bench (Jimenez et al. 2024, arXiv 2310.06770), so that rows from elsewhere can be read and
ours given away. The tree is not kept: it is exported from the repository as plain files whenever it is needed, without
`.git`, so that no later commit can be reached from it.

The packages that tests need are folders that the caller names; `environments` makes them.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from golddiff import patch
from golddiff.errors import InputError
from golddiff.git import GitRepository
from golddiff.scoring import admissible
from golddiff.scoring.suite import Mutant, Suite

__all__ = [
    "RepositoryTask",
    "accepted_files",
    "after",
    "base_reader",
    "export_tree",
    "objects",
    "read_tasks",
    "suite_of",
    "write_tasks",
]


class RepositoryTask(msgspec.Struct, frozen=True, kw_only=True):
    """One row. Names and meanings are SWE-bench's; the last three are ours and may be missing."""

    instance_id: str
    """Unique name: repository and the accepted commit."""
    repo: str
    """Name of the repository, for people."""
    base_commit: str
    """Commit that the task starts from."""
    problem_statement: str
    """What was asked."""
    patch: str
    """The accepted change without its tests, as a unified diff to the base."""
    test_patch: str
    """The accepted change's tests, as a unified diff to the base."""
    fail_to_pass: tuple[str, ...] = msgspec.field(name="FAIL_TO_PASS")
    """Ids of tests that fail at the base and pass with the accepted change."""
    pass_to_pass: tuple[str, ...] = msgspec.field(name="PASS_TO_PASS", default=())
    """Ids of tests that pass on both."""
    created_at: str = ""
    """When the change was written, ISO 8601."""
    version: str = ""
    hints_text: str = ""
    commit: str = ""
    """The accepted commit."""
    session: str = ""
    """The accepted session that the task is made of: what was asked are its prompts, not the commit's message."""
    mutants: tuple[Mutant, ...] = ()
    """Assertions that were seen to fail when turned around (`scoring.suite`): found when the task was confirmed."""


def read_tasks(path: Path) -> list[RepositoryTask]:
    """Read rows of SWE-bench's form, one JSON object per line; lists of tests may be JSON in a string, as theirs are.

    Raises InputError with the line that cannot be read.
    """
    tasks = []
    for number, row in objects(path):
        for name in ("FAIL_TO_PASS", "PASS_TO_PASS"):
            if isinstance(row.get(name), str):
                try:
                    row[name] = json.loads(str(row[name]))
                except ValueError as error:
                    raise InputError(f"{path}:{number}: {name} is neither a list nor JSON of one ({error}).") from None
        try:
            tasks.append(msgspec.convert(row, RepositoryTask))
        except msgspec.ValidationError as error:
            raise InputError(f"{path}:{number}: this is no task in SWE-bench's form: {error}.") from error
    if not tasks:
        raise InputError(f"{path} holds no task. Build some: golddiff tasks build --repo . --output {path}")
    return tasks


def write_tasks(path: Path, tasks: Iterable[RepositoryTask]) -> None:
    """Write the rows, replacing the file. Raises InputError where it cannot be written."""
    try:
        path.write_bytes(b"".join(msgspec.json.encode(task) + b"\n" for task in tasks))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error}). Give another --output.") from error


def export_tree(git: GitRepository, commit: str, target: Path) -> None:
    """Write the regular files of `commit` below the new folder `target`; links and submodules are left out.

    Blobs are read as they are: no filter, no attribute and no checkout of git takes part. Raises InputError where the
    commit is not there.
    """
    if git.resolve(commit) is None:
        raise InputError(f"the repository has no commit {commit}. Fetch its history first: git fetch --unshallow")
    target.mkdir(parents=True)
    for path, blob in git.tree(commit).items():
        data = git.blob(blob)
        if data is not None and admissible.path_refusal(path) is None:
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)


def base_reader(task: RepositoryTask, git: GitRepository) -> Callable[[str], str | None]:
    """Return what reads a file of the base commit; None where it has no such file."""
    base = git.tree(task.base_commit)

    def read(path: str) -> str | None:
        data = git.blob(base[path]) if path in base else None
        return None if data is None else data.decode("utf-8", "surrogateescape")

    return read


def accepted_files(task: RepositoryTask, git: GitRepository) -> tuple[dict[str, str | None], dict[str, bytes | None]]:
    """Return the accepted change and its tests as whole files (None: deleted).

    Raises InputError where a patch does not fit the base commit.
    """
    read = base_reader(task, git)
    change = after(task.patch, read)
    tests = after(task.test_patch, read) if task.test_patch.strip() else {}
    return change, {
        path: None if text is None else text.encode("utf-8", "surrogateescape") for path, text in tests.items()
    }


def suite_of(
    task: RepositoryTask,
    tree: Path,
    protected: Mapping[str, bytes | None],
    packages: tuple[Path, ...],
    change: Iterable[str],
    plugins: tuple[str, ...] = (),
) -> Suite:
    """Return what the grader needs. `tree` holds the base, `change` names the files of the accepted change."""
    return Suite(
        tree=tree,
        expected=tuple(dict.fromkeys((*task.fail_to_pass, *task.pass_to_pass))),
        protected=protected,
        allowed=frozenset(path for path in change if admissible.configures_tests(path)),
        packages=packages,
        plugins=plugins,
        mutants=task.mutants,
    )


def after(text: str, read: Callable[[str], str | None]) -> dict[str, str | None]:
    """Return what a patch that people accepted makes of the files that `read` returns, as whole files (None: deleted).

    What a candidate may not touch, they may. Raises InputError where it does not fit.
    """
    named = {path for found in patch.parse(text) for path in (found.old_path, found.new_path) if path}
    return admissible.files_after(text, read, allowed=named)


def objects(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield (line number, object) of a file of JSON objects, `.gz` ones too.

    Raises InputError with the line that is none.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, msgspec.json.decode(line, type=dict[str, object])
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path} ({getattr(error, 'strerror', None) or error}).") from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}:{number}: not a JSON object ({error}).") from error
