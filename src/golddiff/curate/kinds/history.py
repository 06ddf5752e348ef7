"""Rows from a repository's own history: commit subject + the window before → the change that people made.

Every team has one. What is no ordinary change by a person is left out and counted: merges, reverts, bots, commits
that an agent wrote or signed, huge commits, and per file what `filters` names (vendored, generated, lock files,
reformatting). `git.CommitFacts` reads no names or addresses of people, so bots and agents are told by subjects,
trailers and the marks that agents leave in messages; an agent's commit without any mark or recorded session passes
for a person's.

Commits that an agent signed, and commits that an outcome in the store links to a session, are not human history:
they become rows written by an `agent`, which `rights` judges by provider terms and consent like any session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from itertools import islice

import msgspec

from golddiff.curate import filters
from golddiff.curate.config import CurateConfig
from golddiff.curate.row import Row, Tally, make_example
from golddiff.git import CommitFacts, FileChange, GitRepository
from golddiff.patch import split
from golddiff.prompts.edit import commit_instruction
from golddiff.prompts.windows import Change, windows
from golddiff.rights import Grants, permits, redact_text
from golddiff.rights.provenance import provenance_of
from golddiff.store import Store
from golddiff.store.repositories import commit_id
from golddiff.types import Commit, Grant, Outcome, Provenance, Repository, Session

_PROGRESS_EVERY = 100


def rows_from_history(
    store: Store,
    repository: Repository,
    git: GitRepository,
    config: CurateConfig,
    tally: Tally,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Row]:
    """Yield the rows of the default branch's commits, newest first, and store the commits they come from.

    `progress` is called with the number of commits read.
    """
    branch = git.default_branch()
    if branch is None:
        tally.drop("repository without a commit")
        return
    graph = git.graph([branch[1]])
    facts = {}
    for commit in git.commits(islice(graph, config.max_commits)):
        reason = filters.unfit_commit(commit)
        if reason:
            tally.drop(f"commit: {reason}")
        else:
            facts[commit.sha] = commit
    linked = _linked_sessions(store, repository)
    for count, (sha, files) in enumerate(git.changes(facts)):
        if progress is not None and count % _PROGRESS_EVERY == 0:
            progress(count)
        reason = filters.unfit_size(files, config)
        if reason:
            tally.drop(f"commit: {reason}")
            continue
        provenance = _provenance(repository, facts[sha], linked.get(sha))
        yield from _commit_rows(store, git, config, tally, facts[sha], files, provenance)


def _linked_sessions(store: Store, repository: Repository) -> dict[str, Provenance]:
    """Where the commits come from that recorded sessions are linked to, whoever signed them.

    A commit is the same under whichever record of the repository (another clone, before it had a remote) it was
    linked. Of several sessions in one commit the one that may not be trained on speaks for it.
    """
    grants = Grants(store.find(Grant))
    found: dict[str, Provenance] = {}
    for outcome in store.find(Outcome):
        if not outcome.commits:
            continue
        provenance = provenance_of(store.get(Session, outcome.session_id), repository, outcome)
        for link in outcome.commits:
            if link.sha not in found or not permits(provenance, grants=grants).permitted:
                found[link.sha] = provenance
    return found


def _provenance(repository: Repository, facts: CommitFacts, linked: Provenance | None) -> Provenance:
    if linked is not None:
        return msgspec.structs.replace(linked, commit=facts.sha)
    agent = filters.agent_of(facts)
    return Provenance(
        written_by="agent" if agent else "human",
        model=agent,
        repository_id=repository.id,
        licence=repository.licence,
        commit=facts.sha,
    )


def _commit_rows(
    store: Store,
    git: GitRepository,
    config: CurateConfig,
    tally: Tally,
    facts: CommitFacts,
    files: tuple[FileChange, ...],
    provenance: Provenance,
) -> Iterator[Row]:
    instruction = redact_text(commit_instruction(facts.subject, config.max_instruction_chars))
    repository_id = str(provenance.repository_id)
    commit = Commit(
        id=commit_id(repository_id, facts.sha),
        repository_id=repository_id,
        sha=facts.sha,
        parents=facts.parents,
        committed_at=facts.committed_at,
        authored_at=facts.authored_at,
        subject=redact_text(facts.subject),
        paths=tuple(redact_text(file.path) for file in files),
        on_default_branch=True,
    )
    stored = False
    for file in files:
        if config.include and not any(fnmatch(file.path, pattern) for pattern in config.include):
            tally.drop("file: outside the included paths")
            continue
        before = _text_before(git, file, config, tally)
        if before is None:
            continue
        lines = split(before)
        changes = _changes(file, lines)
        if changes is None:
            tally.drop("file: patch does not fit the file")
            continue
        if filters.only_reformats(file):
            tally.drop("file: only reformats")
            continue
        for window in windows(lines, changes, config.context_lines):
            tally.seen += 1
            if not stored:
                store.put(commit, parents=(repository_id,))
                stored = True
            example = make_example(
                "history",
                instruction,
                redact_text(file.path),
                window.start_line,
                redact_text(window.before),
                redact_text(window.after),
                facts.committed_at,
                provenance,
            )
            yield Row(example, None, (commit.id,))


def _text_before(git: GitRepository, file: FileChange, config: CurateConfig, tally: Tally) -> str | None:
    reason = filters.unfit_file(file)
    if reason is None:
        data = git.blob(file.old_blob)
        reason = filters.unfit_content(data, config)
        if reason is None and data is not None:
            return data.decode("utf-8")
    tally.drop(f"file: {reason}")
    return None


def _changes(file: FileChange, lines: list[str]) -> list[Change] | None:
    """The file's hunks as changes of `lines`, or None where they do not fit. Line ends are those of the file."""
    found = []
    for hunk in file.hunks:
        start = hunk.old_start - 1 if hunk.removed else hunk.old_start
        stop = start + len(hunk.removed)
        if [line.rstrip("\n") for line in lines[start:stop]] != list(hunk.removed):
            return None
        found.append(Change(start, stop, tuple(f"{line}\n" for line in hunk.added)))
    return found
