"""Tasks out of a repository's history: commits that change code and tests, judged by running those tests.

How it fits: `golddiff tasks build`; `sessions` makes tasks of accepted sessions, which a `Builder` runs, too. The
newest commits come first; whatever makes no task is left out, with a counted reason. For a commit that is left, the
tree of its parent gets the commit's test files and the tests are run in the sandbox twice, without the commit's other
changes and with them. Tests that pass only then decide the task. `Grader.confirm` has the last word: three runs that
agree, and canaries that work. Some commits are run at a time, so that all cores are busy.

Not covered: languages other than Python; tests that need a network, a database or another Python.
Method: SWE-bench (Jimenez et al. 2024, arXiv 2310.06770), section 2.1.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from golddiff import patch
from golddiff.errors import InputError
from golddiff.evaluate.tasks.repository import RepositoryTask, export_tree, suite_of
from golddiff.git import CommitFacts, FileChange, GitRepository
from golddiff.rights.redact import redact_text
from golddiff.scoring import admissible
from golddiff.scoring.executed import Unscored
from golddiff.scoring.grading import Grader
from golddiff.scoring.suite import Suite, is_test

__all__ = ["BuildConfig", "Builder", "Built", "Files", "build"]

AT_ONCE = 8
"""Commits or sessions whose tests are run at a time."""
NO_TEST, NO_CODE, TOO_LARGE = "changes no test", "changes no code", "too large for one task"
_RUN = "tests: "
"""How a reason begins that is about tests that were run."""


class BuildConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which commits are looked at."""

    limit: int = 50
    """Tasks wanted."""
    max_commits: int = 500
    """Newest commits of the default branch that are looked at."""
    max_source_files: int = 5
    max_lines: int = 300
    """Changed lines outside tests."""
    shortest_subject: int = 15
    """Characters; a shorter subject asks for nothing."""


@dataclass
class Built:
    """What came of it."""

    tasks: list[RepositoryTask] = field(default_factory=list)
    looked_at: int = 0
    """Commits, or sessions."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Those that make no task, by reason."""
    unconfirmed: dict[str, str] = field(default_factory=dict)
    """Commit or session → why its tests decide nothing, for those that were run."""

    def take(self, drafts: Sequence[tuple[RepositoryTask, Files]], found: Sequence[RepositoryTask | str]) -> None:
        """Take in what running them said for the drafts."""
        for (draft, _), task in zip(drafts, found, strict=True):
            if isinstance(task, RepositoryTask):
                self.tasks.append(task)
            elif task.startswith(_RUN):
                self.dropped["its tests decide nothing"] += 1
                self.unconfirmed[draft.session or draft.commit] = task.removeprefix(_RUN)
            else:
                self.dropped[task] += 1


@dataclass(frozen=True)
class Files:
    """Files as they were accepted; None: deleted."""

    change: dict[str, str | None]
    tests: dict[str, bytes | None]


@dataclass(frozen=True)
class Builder:
    """What tasks are built with, whatever they are made of."""

    git: GitRepository
    grader: Grader
    packages: tuple[Path, ...] = ()
    """Folders that hold what the tests import."""
    plugins: tuple[str, ...] = ()
    """Modules of pytest plugins that the tests need."""
    config: BuildConfig = field(default_factory=BuildConfig)
    progress: Callable[[int, int], None] = lambda looked_at, tasks: None

    def collect(self, built: Built, candidates: Iterator[tuple[RepositoryTask, Files]]) -> Built:
        """Run candidates, some at a time, until there are as many tasks as wanted or no more candidates."""
        while len(built.tasks) < self.config.limit:
            some = list(islice(candidates, min(AT_ONCE, self.config.limit - len(built.tasks))))
            if not some:
                break
            built.take(some, _decided(self, some))
        self.tell(built)
        return built

    def tell(self, built: Built) -> None:
        """Say how far it is."""
        self.progress(built.looked_at, len(built.tasks))


def build(builder: Builder, name: str) -> Built:
    """Build tasks from the default branch of the repository, which is called `name`.

    Raises:
        InputError: the repository has no commit.
    """
    git, config = builder.git, builder.config
    branch = git.default_branch()
    if branch is None:
        raise InputError("the repository has no commit yet, so there is no change to learn a task from.")
    built = Built()
    shas = list(islice(git.graph([branch[1]]), config.max_commits))
    facts = {commit.sha: commit for commit in git.commits(shas)}

    def candidates() -> Iterator[tuple[RepositoryTask, Files]]:
        for commit, changes in _changes(git, shas, facts, built, config):
            builder.tell(built)
            files = _files(git, commit, changes, config)
            if isinstance(files, str):
                built.dropped[files] += 1
            else:
                yield _draft(name, commit), files

    return builder.collect(built, candidates())


def _draft(name: str, commit: CommitFacts) -> RepositoryTask:
    return RepositoryTask(
        instance_id=f"{name.replace('/', '__')}-{commit.sha[:12]}",
        repo=name,
        base_commit=commit.parents[0],
        problem_statement=redact_text(commit.message.strip()),
        patch="",
        test_patch="",
        fail_to_pass=(),
        created_at=commit.authored_at.isoformat(),
        commit=commit.sha,
    )


def _changes(
    git: GitRepository, shas: list[str], facts: dict[str, CommitFacts], built: Built, config: BuildConfig
) -> Iterator[tuple[CommitFacts, tuple[FileChange, ...]]]:
    for sha in shas:
        built.looked_at += 1
        commit = facts[sha]
        if len(commit.parents) != 1:
            built.dropped["merge or first commit"] += 1
        elif len(commit.subject) < config.shortest_subject:
            built.dropped["subject asks for nothing"] += 1
        else:
            for _, changes in git.changes([sha]):
                yield commit, changes


def _files(
    git: GitRepository, commit: CommitFacts, changes: tuple[FileChange, ...], config: BuildConfig
) -> Files | str:
    """Return the files of a commit, or why it makes no task."""
    tests = [change for change in changes if is_test(change.path)]
    others = [change for change in changes if not is_test(change.path)]
    if not any(change.path.endswith(".py") for change in tests):
        return NO_TEST
    if not any(change.path.endswith(".py") for change in others):
        return NO_CODE
    lines = sum(len(hunk.added) + len(hunk.removed) for change in others for hunk in change.hunks)
    if len(others) > config.max_source_files or lines > config.max_lines:
        return TOO_LARGE
    if any(not change.mode.startswith("100") and change.status != "D" for change in changes):
        return "changes links or submodules"
    change: dict[str, str | None] = {}
    data: dict[str, bytes | None] = {}
    for one in changes:
        after = git.blob(one.new_blob) if one.status != "D" else None
        if one.status != "D" and after is None:
            return "a file of it is not in this clone"
        if one.status == "R":
            (data if one in tests else change)[one.old_path] = None
        if one in tests:
            data[one.path] = after
        else:
            try:
                change[one.path] = None if after is None else after.decode("utf-8")
            except UnicodeDecodeError:
                return "changes a binary file"
    reason = admissible.refusal(change, allowed=change)
    return "its change would be refused" if reason else Files(change, data)


def _decided(builder: Builder, drafts: Sequence[tuple[RepositoryTask, Files]]) -> list[RepositoryTask | str]:
    """Return each task with its change, its tests and what was seen of them, or why there is none, in order.

    `Built.take` knows the reasons that are about tests that were run.
    """
    git, grader = builder.git, builder.grader
    found = [_with_patches(git, *draft) for draft in drafts]
    with tempfile.TemporaryDirectory(prefix="golddiff-") as folder:

        def suites() -> dict[int, Suite]:
            return {
                index: suite_of(
                    task, Path(folder) / str(index), files.tests, builder.packages, files.change, builder.plugins
                )
                for index, (task, (_, files)) in enumerate(zip(found, drafts, strict=True))
                if isinstance(task, RepositoryTask)
            }

        ready = suites()
        for index, suite in ready.items():
            export_tree(git, drafts[index][0].base_commit, suite.tree)
        work = [(suite, candidate) for at, suite in ready.items() for candidate in ({}, drafts[at][1].change)]
        ends = iter(grader.all_outcomes(work))
        for index, before, after in zip(ready, ends, ends, strict=True):
            found[index] = _with_tests(found[index], before, after)
        ready = suites()
        confirmed = grader.confirm([(suite, drafts[index][1].change) for index, suite in ready.items()])
    for index, one in zip(ready, confirmed, strict=True):
        task = found[index]
        if isinstance(one, Unscored):
            found[index] = f"{_RUN}{one.reason}"
        elif isinstance(task, RepositoryTask):
            found[index] = msgspec.structs.replace(task, mutants=one.mutants)
    return found


def _with_patches(git: GitRepository, draft: RepositoryTask, files: Files) -> RepositoryTask | str:
    modules = [path for path, data in files.tests.items() if data is not None and _holds_tests(path)]
    if not modules:
        return NO_TEST
    patches = _patches(git, draft.base_commit, files)
    if patches is None:
        return "a test file is binary"
    if any(redact_text(text) != text for text in patches):
        return "holds a secret"
    return msgspec.structs.replace(
        draft, patch=patches[0], test_patch=patches[1], fail_to_pass=tuple(f"{module}::*" for module in modules)
    )


def _with_tests(
    task: RepositoryTask | str, before: dict[str, str] | Unscored, after: dict[str, str] | Unscored
) -> RepositoryTask | str:
    """Return the task with the tests that decide it: those that pass after the change, by whether they did before."""
    if isinstance(task, str):
        return task
    if isinstance(after, Unscored):
        return f"{_RUN}{after.reason}"
    passed = before if not isinstance(before, Unscored) else {}
    good = [test for test, end in after.items() if end == "passed"]
    fixed = tuple(test for test in good if passed.get(test) != "passed")
    if not fixed:
        return f"{_RUN}none of them fails before and passes after"
    return msgspec.structs.replace(
        task, fail_to_pass=fixed, pass_to_pass=tuple(test for test in good if passed.get(test) == "passed")
    )


def _patches(git: GitRepository, parent: str, files: Files) -> tuple[str, str] | None:
    """Return the accepted change and its tests as diffs to the parent; None where one is no text."""
    base = git.tree(parent)
    texts: list[str] = []
    for group in (files.change, files.tests):
        parts = []
        for path, after in group.items():
            before = git.blob(base[path]) if path in base else None
            try:
                old = None if before is None else before.decode("utf-8")
                new = after.decode("utf-8") if isinstance(after, bytes) else after
            except UnicodeDecodeError:
                return None
            parts.append(patch.render(path, old, new))
        texts.append("".join(parts))
    return texts[0], texts[1]


def _holds_tests(path: str) -> bool:
    """Whether pytest would look for tests in this file by its name."""
    name = path.rsplit("/", 1)[-1]
    return name.endswith("_test.py") or (name.startswith("test") and name.endswith(".py"))
