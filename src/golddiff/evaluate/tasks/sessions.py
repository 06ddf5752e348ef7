"""Tasks out of accepted sessions: what the user asked an agent for, judged by the tests of what the user then kept.

How it fits: `golddiff tasks build --source sessions`. Reads the outcomes that the store holds of one repository; the
base, the gold diff and the linked commits are theirs. The instruction is what the user had asked for by the end of the
first attempt, as rows of a dataset have it (`prompts.session`). Tests are those of the gold diff and of the linked
commits, in the form of the latest of these; the `Builder` runs them before and after the gold diff.

`rights` is asked for each session (use `evaluate`): terms of a provider do not matter, since nothing is trained; the
licence and the user's consent do.

Not covered: sessions whose accepted work was never committed, and what `building` does not cover.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from golddiff import patch
from golddiff.errors import InputError
from golddiff.evaluate.tasks.building import NO_CODE, NO_TEST, TOO_LARGE, BuildConfig, Builder, Built, Files
from golddiff.evaluate.tasks.repository import RepositoryTask, after, base_reader
from golddiff.git import GitRepository
from golddiff.prompts.session import first_attempt, session_instruction
from golddiff.rights import Grants, mask_homes, permits, redact_text
from golddiff.rights.provenance import provenance_of
from golddiff.scoring.suite import is_test
from golddiff.store import Store
from golddiff.types import Attempt, Clean, EventKind, Grant, Outcome, Repository, Session, SessionState

__all__ = ["build_from_sessions"]

_KEPT = (SessionState.ACCEPTED, SessionState.REVISED)


def build_from_sessions(builder: Builder, store: Store, repository: Repository) -> Built:
    """Build tasks from the accepted sessions of `repository`."""
    git = builder.git
    built, grants = Built(), Grants(store.find(Grant))

    def candidates() -> Iterator[tuple[RepositoryTask, Files]]:
        for outcome in list(store.find(Outcome, repository_id=repository.id)):
            builder.tell(built)
            built.looked_at += 1
            draft = _draft(store, git, repository, outcome, grants)
            files = draft if isinstance(draft, str) else _files(git, draft, outcome, builder.config)
            if isinstance(draft, str) or isinstance(files, str):
                built.dropped[str(files)] += 1
            else:
                yield draft, files

    return builder.collect(built, candidates())


def _draft(
    store: Store, git: GitRepository, repository: Repository, outcome: Outcome, grants: Grants
) -> RepositoryTask | str:
    """Return the task without its tests, the gold diff as its patch, or why there is none."""
    if outcome.state not in _KEPT:
        return f"session {outcome.state.value}"
    if not outcome.gold_patch or outcome.base is None:
        return "accepted session without a change"
    if git.resolve(outcome.base) is None:
        return "its base is not in this clone"
    session = store.get(Session, outcome.session_id)
    verdict = permits(provenance_of(session, repository, outcome), use="evaluate", grants=grants)
    if not verdict.permitted:
        return f"not permitted: {verdict.reasons[0]}"
    try:
        patches = patch.parse(outcome.gold_patch)
    except patch.PatchError:
        return "gold patch unreadable after redaction"
    prompts = [event for event in store.events(session.id) if event.kind is EventKind.PROMPT and event.text]
    attempts = sorted(store.find(Attempt, session_id=session.id), key=lambda attempt: attempt.index)
    paths = [path for found in patches for path in (found.old_path, found.new_path) if path]
    asked = mask_homes(redact_text(session_instruction(prompts, first_attempt(attempts, paths))))
    if not asked:
        return "no prompt before the change"
    at = _asked_at(git, session, outcome)
    return RepositoryTask(
        instance_id=f"{repository.name.replace('/', '__')}-{session.id}",
        repo=repository.name,
        base_commit=outcome.base,
        problem_statement=asked,
        patch=outcome.gold_patch,
        test_patch="",
        fail_to_pass=(),
        created_at=at.isoformat() if at else "",
        commit=outcome.commits[0].sha if outcome.commits else "",
        session=session.id,
    )


def _asked_at(git: GitRepository, session: Session[Clean], outcome: Outcome) -> datetime | None:
    """Return the earliest that is known of session and commits: what was accepted later must not be shown (R0)."""
    times = [facts.committed_at for facts in git.commits(link.sha for link in outcome.commits)]
    return min([*times, *(at for at in (session.started_at, session.ended_at) if at)], default=None)


def _files(git: GitRepository, draft: RepositoryTask, outcome: Outcome, config: BuildConfig) -> Files | str:
    """Return the accepted files of a session, or why they make no task."""
    try:
        whole = after(draft.patch, base_reader(draft, git))
    except InputError:  # where something in it was redacted, it no longer does
        return "its gold diff does not fit its base"
    change = {path: text for path, text in whole.items() if not is_test(path)}
    tests = {
        path: None if text is None else text.encode("utf-8", "surrogateescape")
        for path, text in whole.items()
        if is_test(path)
    }
    tests |= _committed_tests(git, outcome)
    if not any(path.endswith(".py") for path in tests):
        return NO_TEST
    if not any(path.endswith(".py") for path in change):
        return NO_CODE
    lines = sum(
        sign != " "
        for found in patch.parse(draft.patch)
        if not is_test(found.new_path or found.old_path or "")
        for hunk in found.hunks
        for sign, _ in hunk.lines
    )
    return TOO_LARGE if len(change) > config.max_source_files or lines > config.max_lines else Files(change, tests)


def _committed_tests(git: GitRepository, outcome: Outcome) -> dict[str, bytes | None]:
    """Return the test files that the linked commits changed, as the latest of them left each."""
    facts = sorted(git.commits(link.sha for link in outcome.commits), key=lambda commit: commit.committed_at)
    order = {commit.sha: index for index, commit in enumerate(facts)}
    found: dict[str, tuple[int, bytes | None]] = {}
    for sha, changes in git.changes(order):
        for one in changes:
            if is_test(one.path) and one.path.endswith(".py") and order[sha] >= found.get(one.path, (-1, None))[0]:
                found[one.path] = order[sha], git.blob(one.new_blob) if one.status != "D" else None
    return {path: data for path, (_, data) in found.items()}
