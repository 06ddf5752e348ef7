"""The stage `outcomes`: read sessions from the store, decide what was kept, write the outcomes back.

Writes one `Repository`, the linked `Commit`s, and per session one `Outcome` and its `Attempt`s, with lineage session →
attempt, session → outcome, repository → commit → outcome. Ids are derived, so a second run replaces what the first
wrote; an outcome of a session that turns out to belong elsewhere is removed. Everything that came from the repository
passes redaction here. A gold diff that redaction changed so that it no longer applies to its base is blanked, with
the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from golddiff import patch
from golddiff.errors import UsageError
from golddiff.git import GitRepository
from golddiff.outcomes.analyse import Analysed, Analysis, Progress, Told, analyse
from golddiff.outcomes.evidence import KINDS
from golddiff.outcomes.fates import line_fates
from golddiff.outcomes.gold import Gold, excluded_files, find_gold
from golddiff.outcomes.judge import hunk_fates, judge_attempts, judge_session
from golddiff.outcomes.later import FOLLOW_UP
from golddiff.outcomes.link import Candidate
from golddiff.outcomes.replay import AttemptState, Replay, State
from golddiff.outcomes.survival.accepted import Accepted
from golddiff.outcomes.survival.stored import forget_survival, store_survivals
from golddiff.outcomes.told import gold_of, judge_pull_requests, last_verdict, load_events, ours, weigh
from golddiff.rights.redact import redact_text
from golddiff.store import Store
from golddiff.store.repositories import commit_id, describe_repository, remember_repository
from golddiff.store.signals import SignalBook
from golddiff.types import (
    Attempt,
    AttemptFate,
    Attribution,
    Clean,
    Commit,
    CommitLink,
    Event,
    Evidence,
    LineFate,
    Outcome,
    Repository,
    Session,
    SessionState,
    Snapshot,
    derive_id,
)

METHOD = "golddiff-content-link/3"
_ABSENT_TEXT = State(True, None)


@dataclass(slots=True)
class Summary:
    """What one run decided."""

    repository: Repository
    outcomes: list[Outcome] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)
    """Sessions left alone because they belong to another repository, with the reason."""
    writers: set[str] = field(default_factory=set)
    """Sessions that changed a file as far as their transcript shows."""
    checked: int = 0
    """Gold diffs that are not empty: each was applied to its base."""
    blanked: int = 0
    """Gold diffs that no longer applied after redaction, and were blanked."""
    excluded: Counter[str] = field(default_factory=Counter)
    """Files of sessions whose lines do not count, by kind: `lock file`, `vendored or built`, `generated`."""

    @property
    def states(self) -> Counter[str]:
        """Sessions by state."""
        return Counter(outcome.state.value for outcome in self.outcomes)

    @property
    def unknown_share(self) -> float:
        """Share of sessions whose outcome could not be told; 0 where there is none."""
        return self.states[SessionState.UNKNOWN.value] / len(self.outcomes) if self.outcomes else 0.0


def parse_kinds(text: str | None) -> frozenset[str]:
    """Parse a comma-separated list of evidence kinds. Raises UsageError for an unknown one."""
    kinds = frozenset(part.strip() for part in (text or "").split(",") if part.strip())
    if unknown := sorted(kinds - set(KINDS)):
        raise UsageError(f"unknown kind of evidence {', '.join(unknown)}; there are {', '.join(KINDS)}.")
    return kinds


def compute(
    store: Store,
    path: Path,
    *,
    ignore: AbstractSet[str] = frozenset(),
    sessions: Iterable[str] | None = None,
    progress: Progress | None = None,
    follow_up: timedelta = FOLLOW_UP,
) -> Summary:
    """Decide what was kept of every session that belongs to the repository at `path`, and store it.

    `ignore` leaves kinds of evidence out; `sessions` limits the run to these ids. What a person changes of a session's
    lines within `follow_up` after its last commit is part of the outcome. Raises InputError where `path` is in no
    readable git repository.
    """
    chosen = set(sessions) if sessions is not None else None
    with GitRepository.open(path) as git:
        wanted = (session for session in store.sessions() if chosen is None or session.id in chosen)
        book = SignalBook(store)
        repository_id = describe_repository(git).id
        snapshots = store.find(Snapshot, repository_id=repository_id)
        told = Told(
            list(store.find(Attribution, repository_id=repository_id)),
            ours(book.pull_requests, git.remotes()),
            {} if "signal" in ignore else {name: said for name in book.sessions if (said := _said(book, name))},
        )

        def load(session_id: str) -> tuple[Event[Clean], ...]:
            return load_events(store, book, store.get(Session, session_id)) if book else store.events(session_id)

        analysis = analyse(git, wanted, load, ignore, progress, snapshots, told)
        with store.transaction():
            repository = remember_repository(store, git)
            summary = Summary(repository, elsewhere=analysis.elsewhere)
            links = {
                found.session.id: [candidate for candidate in found.candidates if candidate.linked]
                for found in analysis.sessions
            }
            settled: list[Accepted] = []
            for index, found in enumerate(analysis.sessions):
                if progress:
                    progress(f"judging session {index + 1} of {len(analysis.sessions)}")
                gold = find_gold(
                    git, analysis.history, links[found.session.id], found.replay, _of_others(links, found), follow_up
                )
                outcome = _settle(store, git, summary, analysis, found, book, gold, ignore)
                summary.outcomes.append(outcome)
                settled.append(Accepted(found.replay, gold, outcome))
                summary.excluded.update(gold.excluded.values())
                if found.replay.writes:
                    summary.writers.add(found.session.id)
            for session_id in analysis.elsewhere:
                for stale in store.find(Outcome, session_id=session_id, repository_id=repository.id):
                    store.remove(Outcome, stale.id)
                    drop_attempts(store, session_id, repository.id, set())
                    forget_survival(store, session_id, repository.id)
            store_survivals(store, git, analysis.history, settled, progress)
    return summary


def _said(book: SignalBook, session_id: str) -> tuple[datetime, str] | None:
    verdict = last_verdict(book.of(session_id))
    return None if verdict is None else (verdict.at, verdict.kind)


def _of_others(links: Mapping[str, Iterable[Candidate]], found: Analysed) -> set[str]:
    """Commits that other sessions are linked to."""
    return {link.sha for session_id, theirs in links.items() if session_id != found.session.id for link in theirs}


def _settle(
    store: Store,
    git: GitRepository,
    summary: Summary,
    analysis: Analysis,
    found: Analysed,
    book: SignalBook,
    gold: Gold,
    ignore: AbstractSet[str],
) -> Outcome:
    history, session, repository = analysis.history, found.session, summary.repository
    links = [candidate for candidate in found.candidates if candidate.linked]
    said = None if "signal" in ignore else last_verdict(book.of(session.id))
    if said is not None and said.kind != "reject" and not links:
        gold = gold_of(said, found.replay, session.base_commit)
        gold.excluded = excluded_files(found.replay)
    lines = line_fates(found.replay, gold)
    cut = history.cut_off_at
    verdict = judge_session(
        found.replay,
        found.candidates,
        gold,
        lines,
        found.rarity,
        session.ended_at,
        history.last_commit_at,
        whole=cut is None or (session.started_at is not None and session.started_at > cut),
    )
    pull_request = judge_pull_requests(session, book.pull_requests, git.remotes(), links, history)
    if "pull-request" in ignore:
        pull_request = None
    if gold.taken_back:  # a revert is later than the merge that it takes back
        pull_request = None
    verdict = weigh(verdict, said, pull_request)
    if verdict.state is SessionState.UNKNOWN:
        lines = []  # nothing is said of any line; where nothing was linked but the state is known, all were dropped
    reasons = list(verdict.reasons)
    clean = redact_text(gold.diff)
    if not _applies(clean, gold):
        clean = redact_text("")
        reasons.append("gold diff blanked: redaction changed lines that it must match")
    summary.checked += bool(clean)
    summary.blanked += bool(gold.files) and not clean
    reasons += [f"not in the gold diff: {path}: {why}" for path, why in gold.left_out.items()]
    reasons += [f"not counted: {path}: {why}" for path, why in gold.excluded.items()]
    reasons += [f"commit {step.sha[:10]} corrected it by hand" for step in gold.steps if step.kind == "fixed"]
    commits = [_store_commit(store, repository, analysis, candidate) for candidate in links]
    if verdict.state in (SessionState.REJECTED, SessionState.ABANDONED) and not links:
        lines = []
    counts = Counter(line.fate for line in lines)
    written = written_lines(found.replay, gold.excluded)
    dropped = counts[LineFate.DROPPED]
    if verdict.state in (SessionState.REJECTED, SessionState.ABANDONED):
        dropped = written - counts[LineFate.KEPT] - counts[LineFate.REVISED]
    outcome = Outcome(
        id=derive_id("out", session.id, repository.id),
        session_id=session.id,
        repository_id=repository.id,
        state=verdict.state,
        confidence=verdict.confidence,
        commits=tuple(_stored_link(candidate) for candidate in links),
        base=gold.base,
        gold_patch=clean,
        hunks=tuple(
            msgspec.structs.replace(hunk, path=redact_text(hunk.path)) for hunk in hunk_fates(lines, found.replay)
        ),
        written_lines=written,
        kept_lines=counts[LineFate.KEPT],
        revised_lines=counts[LineFate.REVISED],
        dropped_lines=dropped,
        reasons=tuple(redact_text(reason) for reason in reasons),
        method=METHOD,
    )
    store.put(outcome, parents=(session.id, *(commit.id for commit in commits)))
    store_attempts(store, found, gold, outcome)
    return outcome


def _applies(clean: str, gold: Gold) -> bool:
    """Whether a gold diff, as it will be stored, fits its base (redacted lines may give other text)."""
    bases = {file.path: file.base for file in gold.files.values()} | {
        file.first: file.base for file in gold.files.values()
    }
    renamed = {file.path for file in gold.files.values() if file.first != file.path}
    try:
        for parsed in patch.parse(clean):
            path = parsed.new_path or parsed.old_path or ""
            if path not in bases:
                return False
            patch.apply(parsed, None if path in renamed else bases[path])
    except patch.PatchError:
        return False
    return True


def written_lines(replay: Replay, excluded: Container[str] = ()) -> int:
    """Non-blank lines of the session in its final state, without those of `excluded` files."""
    in_states = sum(
        origin >= 0 and bool(line.strip())
        for path, state in replay.files.items()
        if state.lines is not None and path not in excluded
        for line, origin in zip(state.lines, state.origins, strict=True)
    )
    loose = (
        line
        for path, lines in replay.fragments.items()
        if not replay.files[path].known and path not in excluded
        for line, _ in lines
    )
    return in_states + sum(bool(line.strip()) for line in loose)


def _stored_link(candidate: Candidate) -> CommitLink:
    return CommitLink(
        sha=candidate.sha,
        confidence=candidate.confidence,
        evidence=tuple(
            Evidence(kind=reason.kind, weight=reason.weight, detail=redact_text(reason.detail))
            for reason in candidate.reasons
        ),
        lines_shared=candidate.lines_shared,
        lines_total=candidate.lines_total,
        on_default_branch=candidate.on_default_branch,
    )


def _store_commit(store: Store, repository: Repository, analysis: Analysis, candidate: Candidate) -> Commit:
    lines = analysis.history.commits[candidate.sha]
    commit = Commit(
        id=commit_id(repository.id, candidate.sha),
        repository_id=repository.id,
        sha=candidate.sha,
        parents=lines.facts.parents,
        committed_at=lines.facts.committed_at,
        authored_at=lines.facts.authored_at,
        subject=redact_text(lines.facts.subject),
        paths=tuple(redact_text(file.change.path) for file in lines.files),
        on_default_branch=lines.on_default_branch,
    )
    store.put(commit, parents=(repository.id,))
    return commit


def store_attempts(store: Store, found: Analysed, gold: Gold, outcome: Outcome) -> None:
    """Store a session's attempts with their fates; those that an earlier run stored are replaced."""
    states = found.replay.attempts
    kept: set[str] = set()
    for index, (state, (fate, distance)) in enumerate(
        zip(states, judge_attempts(states, gold, outcome.state, found.replay.base), strict=True)
    ):
        attempt = _attempt(found, index, state, fate, distance, outcome.repository_id)
        kept.add(attempt.id)
        store.put(attempt, parents=(found.session.id,))
    drop_attempts(store, found.session.id, outcome.repository_id, kept)


def _attempt(
    found: Analysed, index: int, state: AttemptState, fate: AttemptFate, distance: float | None, repository_id: str
) -> Attempt:
    diffs = []
    added = removed = 0
    for path in sorted(state.files):
        now, before = state.files[path], found.replay.base.get(path, _ABSENT_TEXT)
        if not now.known or not before.known:
            continue
        diff = patch.render(path, before.text, now.text)
        diffs.append(diff)
        for file in patch.parse(diff):
            for hunk in file.hunks:
                added += sum(sign == "+" for sign, _ in hunk.lines)
                removed += sum(sign == "-" for sign, _ in hunk.lines)
    return Attempt(
        id=derive_id("att", found.session.id, repository_id, index),
        session_id=found.session.id,
        index=index,
        first_event=state.first_event,
        last_event=state.last_event,
        ended_by=state.ended_by,
        ended_at=state.ended_at,
        patch=redact_text("".join(diffs)),
        paths=tuple(redact_text(path) for path in sorted(state.files)),
        added_lines=added,
        removed_lines=removed,
        tests=state.tests,
        fate=fate,
        distance=distance,
        revision=None if state.revision is None else redact_text(_rendered(state.revision)),
    )


def _rendered(revision: dict[str, tuple[State, str | None]]) -> str:
    return "".join(patch.render(path, before.text, text) for path, (before, text) in sorted(revision.items()))


def drop_attempts(store: Store, session_id: str, repository_id: str, kept: set[str]) -> None:
    """Remove this repository's attempts of a session, except `kept`; those of another repository stay."""
    stored = list(store.find(Attempt, session_id=session_id))
    ours = {derive_id("att", session_id, repository_id, attempt.index) for attempt in stored}
    for attempt in stored:
        if attempt.id in ours and attempt.id not in kept:
            store.remove(Attempt, attempt.id)


__all__ = ["METHOD", "Summary", "compute", "parse_kinds"]
