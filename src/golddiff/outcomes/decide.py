"""The stage `outcomes` without a store: what is known of a repository's sessions in, what is to be stored of them out.

Nothing is written here but the pass that `survival` keeps, so a decision can be made in another process or on another
machine that has the repository (`many`): `Material` and `Decision` hold records only. `run` reads the one from a
store and puts the other into it. Everything that came from the repository passes redaction here. A gold diff that
redaction changed so that it no longer applies to its base is blanked, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from golddiff import patch
from golddiff.git import GitRepository
from golddiff.outcomes.analyse import Analysed, Analysis, Progress, Told, analyse
from golddiff.outcomes.fates import line_fates
from golddiff.outcomes.gold import Gold, excluded_files, find_gold
from golddiff.outcomes.judge import hunk_fates, judge_attempts, judge_session
from golddiff.outcomes.later import FOLLOW_UP
from golddiff.outcomes.link import Candidate
from golddiff.outcomes.replay import AttemptState, Replay, State
from golddiff.outcomes.survival.accepted import Accepted
from golddiff.outcomes.survival.stored import survivals_of
from golddiff.outcomes.told import gold_of, judge_pull_requests, last_verdict, ours, weigh
from golddiff.rights.redact import redact_text
from golddiff.store.repositories import commit_id, describe_repository
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
    Survival,
    derive_id,
)

METHOD = "golddiff-content-link/3"
_ABSENT_TEXT = State(True, None)


@dataclass(frozen=True, slots=True)
class Material:
    """What a decision rests on besides the repository itself."""

    sessions: Iterable[Session[Clean]]
    """Those that may belong to the repository."""
    load: Callable[[str], tuple[Event[Clean], ...]]
    """A session's events by its id."""
    book: SignalBook
    snapshots: Sequence[Snapshot]
    """Of the repository's worktrees."""
    claims: Sequence[Attribution[Clean]]
    """Of commits of the repository."""
    outcomes: Sequence[Outcome]
    """What was decided of the repository's sessions before."""
    lines: Path | None
    """File for the pass over all lines, kept for the next time; None keeps none."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to decide."""

    ignore: frozenset[str] = frozenset()
    """Kinds of evidence that are left out."""
    follow_up: timedelta = FOLLOW_UP
    """What a person changes of a session's lines this long after its last commit is part of the outcome."""


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
    no_text: Counter[str] = field(default_factory=Counter)
    """Files that sessions' commits changed and that have no lines to compare, by kind: see `gold.NO_TEXT`."""

    @property
    def states(self) -> Counter[str]:
        """Sessions by state."""
        return Counter(outcome.state.value for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be stored of one session."""

    outcome: Outcome
    commits: list[Commit]
    attempts: list[Attempt]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of one repository, to be stored by `run.keep`."""

    summary: Summary
    settled: list[Settled]
    survivals: list[Survival]


def decide(git: GitRepository, material: Material, options: Options, progress: Progress | None = None) -> Decision:
    """Decide what was kept of every session that belongs to the repository, and how long it lived.

    Raises InputError where the history cannot be read.
    """
    book, ignore = material.book, options.ignore
    sessions = list(material.sessions)
    told = Told(
        material.claims,
        ours(book.pull_requests, git.remotes()),
        {}
        if "signal" in ignore
        else {session.id: said for session in sessions if (said := _said(book, session.id)) is not None},
    )
    analysis = analyse(git, sessions, material.load, ignore, progress, material.snapshots, told)
    summary = Summary(describe_repository(git), elsewhere=analysis.elsewhere)
    links = {
        found.session.id: [candidate for candidate in found.candidates if candidate.linked]
        for found in analysis.sessions
    }
    settled: list[Settled] = []
    accepted: list[Accepted] = []
    for index, found in enumerate(analysis.sessions):
        if progress:
            progress(f"judging session {index + 1} of {len(analysis.sessions)}")
        others = _of_others(links, found)
        gold = find_gold(git, analysis.history, links[found.session.id], found.replay, others, options.follow_up)
        one = _settle(git, summary, analysis, found, book, gold, ignore)
        settled.append(one)
        accepted.append(Accepted(found.replay, gold, one.outcome))
        summary.outcomes.append(one.outcome)
        summary.excluded.update(gold.excluded.values())
        summary.no_text.update(gold.no_text.values())
        if found.replay.writes:
            summary.writers.add(found.session.id)
    known = {outcome.session_id: outcome for outcome in material.outcomes} | {
        outcome.session_id: outcome for outcome in summary.outcomes
    }
    every = [outcome for session_id, outcome in known.items() if session_id not in analysis.elsewhere]
    lives = survivals_of(git, analysis.history, accepted, every, material.lines, progress)
    return Decision(summary, settled, list(lives))


def _said(book: SignalBook, session_id: str) -> tuple[datetime, str] | None:
    verdict = last_verdict(book.of(session_id))
    return None if verdict is None else (verdict.at, verdict.kind)


def _of_others(links: Mapping[str, Iterable[Candidate]], found: Analysed) -> set[str]:
    """Commits that other sessions are linked to."""
    return {link.sha for session_id, theirs in links.items() if session_id != found.session.id for link in theirs}


def _settle(
    git: GitRepository,
    summary: Summary,
    analysis: Analysis,
    found: Analysed,
    book: SignalBook,
    gold: Gold,
    ignore: AbstractSet[str],
) -> Settled:
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
    reasons += [
        f"commit {sha[:10]} added {count} line(s) between its lines, which stayed as they were: the user's own"
        for sha, count in gold.beside.items()
    ]
    commits = [_commit(repository, analysis, candidate) for candidate in links]
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
    return Settled(outcome, commits, attempts_of(found, gold, outcome))


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


def _commit(repository: Repository, analysis: Analysis, candidate: Candidate) -> Commit:
    lines = analysis.history.commits[candidate.sha]
    return Commit(
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


def attempts_of(found: Analysed, gold: Gold, outcome: Outcome) -> list[Attempt]:
    """A session's attempts with their fates."""
    states = found.replay.attempts
    fates = judge_attempts(states, gold, outcome.state, found.replay.base)
    return [
        _attempt(found, index, state, fate, distance, outcome.repository_id)
        for index, (state, (fate, distance)) in enumerate(zip(states, fates, strict=True))
    ]


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


__all__ = ["METHOD", "Decision", "Material", "Options", "Settled", "Summary", "attempts_of", "decide", "written_lines"]
