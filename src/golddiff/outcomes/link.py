"""Which commits hold a session's work? Sessions are linked to commits by what they wrote.

For every commit that could hold a line of the session (an inverted index over the lines that sessions wrote; the
commit is not older than the line) the kinds of evidence in `evidence` are summed to log-odds that the link is right.
Links at or above `LINKED` are stated; nothing is linked by rank alone, so a session may have no commit, or several on
several branches.

A line counts for the first commit that brought it: where an ancestor brought the same line to the same file after
the session wrote it, a descendant that has it again (moved, reverted and restored, copied) shows nothing. A line that
the file already held before the session is an idiom of that file and shows nothing either. Commits that are no
ancestors of each other (a branch, and its squash on the default branch) are both linked. What a later session of the
same folder did once more (`again`) is that session's in every commit made since.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from golddiff.outcomes import evidence
from golddiff.outcomes.evidence import NAMES, Names, Reason, Seen, Shared, Weight
from golddiff.outcomes.history import SKEW, CommitLines, History
from golddiff.outcomes.written import Place, Written

LINKED = 0.85
"""Probability at which a link is stated. Wrong links poison training data, missed ones only cost coverage."""
_MOST_ODDS = 4.2
"""Log-odds stated at most (0.985): of 67 measured links none was wrong, and Laplace's rule makes that 68/69."""
_MOST_CANDIDATES = 300
"""Commits compared in full per session, those that share most first; the rest share a common line or two."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit that may hold the session's work."""

    sha: str
    confidence: float
    """Estimated probability that it does."""
    reasons: tuple[Reason, ...]
    lines_shared: int
    lines_total: int
    on_default_branch: bool
    session_share: float
    """Share of the session's writing that the commit shares, by rarity."""

    @property
    def linked(self) -> bool:
        """Whether it is certain enough to be stated."""
        return self.confidence >= LINKED


def link(
    work: Written,
    history: History,
    other_sessions: Mapping[int, int],
    sessions: int,
    names: Names,
    ignore: AbstractSet[str] = frozenset(),
    seen: Seen | None = None,
) -> list[Candidate]:
    """Every candidate commit with its confidence, best first; those at or above `LINKED` are links.

    `other_sessions` counts the other sessions that wrote a line, `sessions` is the number of sessions compared.
    `seen` is what hooks and users add.
    """

    def weight(line: int) -> float:
        return history.weight(line, other_sessions, sessions)

    shared = _shared_lines(work, history, weight)
    _leave_to_first(work, history, shared)
    named = evidence.from_names(work, history, names, ignore)
    since = work.session.started_at
    later = sum(1 for commit in history.commits.values() if since is None or commit.facts.committed_at >= since - SKEW)
    prior = -math.log(max(later, evidence.ALTERNATIVES))
    session_total = rarity(work, history, other_sessions, sessions)
    links = []
    same = _same_results(work, history, since)
    for sha in {*shared, *named, *same}:
        commit = history.commits[sha]
        if commit.cut_off:  # it keeps lines from later commits, but no one can say that it brought them
            continue
        found = shared.get(sha, Shared())
        reasons = [
            *evidence.from_content(found, commit, session_total, weight, sha in same),
            *evidence.from_files(same.get(sha, set())),
            *evidence.from_base(work, commit),
            *evidence.from_time(work, commit, found),
            *(evidence.from_seen(seen, commit) if seen is not None else ()),
            *named.get(sha, []),
        ]
        reasons = evidence.weigh_names([item for item in reasons if item.kind not in ignore], bool(session_total))
        amount = sum(found.added.values()) + sum(found.removed.values())
        own = amount or sha in same or len({item.kind for item in reasons} & set(NAMES)) > 1
        most = _MOST_ODDS if own else evidence.BY_NAME_ALONE
        odds = max(-_MOST_ODDS, min(most, prior + sum(item.weight for item in reasons)))
        links.append(
            Candidate(
                sha=sha,
                confidence=round(1 / (1 + math.exp(-odds)), 4),
                reasons=tuple(reasons),
                lines_shared=len(found.added),
                lines_total=len({(file.change.path, line) for file in commit.files for line in file.added}),
                on_default_branch=commit.on_default_branch,
                session_share=min(1.0, amount / session_total) if session_total else 0.0,
            )
        )
    return sorted(links, key=lambda item: (-item.confidence, history.position[item.sha]))


def rarity(work: Written, history: History, other_sessions: Mapping[int, int], sessions: int) -> float:
    """Summed rarity, in nats, of what a session added and (for less) removed."""

    def total(places: Iterable[Place]) -> float:
        return sum(history.weight(line, other_sessions, sessions) for _, line in places)

    return total(work.added) + evidence.REMOVED * total(work.removed)


def _shared_lines(work: Written, history: History, weight: Weight) -> dict[str, Shared]:
    """Lines that each commit shares with the session, in the session's file or (for less) in another."""
    found: dict[str, Shared] = defaultdict(Shared)
    paths_of: dict[int, dict[str, datetime | None]] = defaultdict(dict)
    for (path, line), at in work.added.items():
        paths_of[line][path] = at
    for line, written_at in paths_of.items():
        value = weight(line)
        first = min((at for at in written_at.values() if at), default=None)
        for sha in history.by_line.get(line, ()):
            commit = history.commits[sha]
            if not _in_time(commit, first):
                continue
            for file in commit.files:
                path = file.change.path
                if line not in file.added or _done_again(commit, work.again.added.get((path, line))):
                    continue
                home = path if path in written_at else file.change.old_path
                entry = found[sha]
                entry.added[path, line] = value if home in written_at else value * evidence.OTHER_PATH
                if home not in written_at:
                    entry.copied.add((path, line))
                at = written_at.get(home, first)
                if at and _in_time(commit, at):
                    entry.latest = max(entry.latest or at, at)
    for (path, line), at in work.removed.items():
        for sha in history.by_removed.get(line, ()):
            commit = history.commits[sha]
            if _done_again(commit, work.again.removed.get((path, line))):
                continue
            if _in_time(commit, at) and any(
                path in (file.change.path, file.change.old_path) and line in file.removed for file in commit.files
            ):
                entry = found[sha]
                entry.removed[path, line] = weight(line) * evidence.REMOVED
                if at:
                    entry.latest = max(entry.latest or at, at)
    return found


def _done_again(commit: CommitLines, at: datetime | None) -> bool:
    """Whether another session did it once more before the commit was made; rebased ones keep their author's time."""
    return at is not None and min(commit.facts.authored_at, commit.facts.committed_at) >= at


def _in_time(commit: CommitLines, at: datetime | None) -> bool:
    return at is None or commit.facts.committed_at >= at - SKEW


def _leave_to_first(work: Written, history: History, shared: dict[str, Shared]) -> None:
    """Take from each commit the lines that an ancestor of it already brought to the same place."""
    if len(shared) > _MOST_CANDIDATES:
        amounts = {sha: sum(entry.added.values()) + sum(entry.removed.values()) for sha, entry in shared.items()}
        for sha in sorted(amounts, key=lambda sha: -amounts[sha])[_MOST_CANDIDATES:]:
            del shared[sha]
    everyone = set(shared)
    ancestors = {sha: history.ancestors(sha, everyone) for sha in everyone}
    full = {sha: (set(entry.added), set(entry.removed)) for sha, entry in shared.items()}
    lines = {sha: {line for _, line in added} for sha, (added, _) in full.items()}
    written_to = set(work.added)
    for sha, entry in shared.items():
        for earlier in ancestors[sha]:
            added, removed = full[earlier]
            for place in list(entry.added):
                if place in added or (place not in written_to and place[1] in lines[earlier]):
                    del entry.added[place]
            for place in list(entry.removed):
                if place in removed:
                    del entry.removed[place]
    for sha in [sha for sha, entry in shared.items() if not entry.added and not entry.removed]:
        del shared[sha]


def _same_results(work: Written, history: History, since: datetime | None) -> dict[str, set[str]]:
    """Commits that bring files to exactly a state that the session left, with those files; the first ones only."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, blob in work.results:
        holders = {
            sha
            for sha in history.by_blob.get(blob, ())
            if _in_time(history.commits[sha], since)
            and not _done_again(history.commits[sha], work.again.left.get((path, blob)))
            and any(file.change.path == path and file.change.new_blob == blob for file in history.commits[sha].files)
        }
        for sha in holders:
            if not history.ancestors(sha, holders):
                found[sha].add(path)
    return found
