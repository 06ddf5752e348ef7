"""Which commits hold a session's work? Sessions are linked to commits by what they wrote.

For every commit that could hold a line of the session (an inverted index over the lines that sessions wrote; the
commit is not older than the line) the evidence below is summed to log-odds that the link is right. Links at or above
`LINKED` are kept; nothing is linked by rank alone, so a session may have no commit, or several on several branches.

| evidence  | what it says, in nats                                                                                    |
|-----------|----------------------------------------------------------------------------------------------------------|
| prior     | minus the log of the number of commits after the session began: any one is unlikely                      |
| content   | lines shared, each by its rarity, and the share of commit or session that they are                       |
| files     | the commit leaves a file exactly as the session once left it                                             |
| base      | the commit starts from a file exactly as the session found it, or from the commit that it began at       |
| time      | the commit came soon after the lines were written                                                        |
| command   | the session ran `git commit` and git printed this commit's id                                            |
| trailer   | the commit's trailer names the session (or a stored checkpoint of it)                                    |
| notes     | a git note on the commit names the session                                                               |

A line counts for the first commit that brought it: where an ancestor brought the same line to the same file after
the session wrote it, a descendant that has it again (moved, reverted and restored, copied) shows nothing. A line that
the file already held before the session is an idiom of that file and shows nothing either. Commits that are no
ancestors of each other (a branch, and its squash on the default branch) are both linked.

Every constant says where it comes from. They were set by argument and looked at once on two repositories
(docs/benchmarks.md); none is the result of a search.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from golddiff.outcomes.history import CommitLines, History, line_hash
from golddiff.outcomes.lines import key, significant
from golddiff.outcomes.place import blob_id
from golddiff.outcomes.replay import Replay
from golddiff.types import Clean, Event, EventKind, Session

KINDS = ("content", "files", "base", "time", "command", "trailer", "notes")
"""Kinds of evidence that may be ignored, besides the prior."""

LINKED = 0.85
"""Probability at which a link is stated. Wrong links poison training data, missed ones only cost coverage."""
_ALTERNATIVES = 100
"""Places at least where the work may have gone: also in a young repository it may be in no commit, or in none yet."""
_DEPENDENCE = 0.5
"""Lines come in blocks and teams work on one topic, so rarities are not independent: half of their sum counts."""
_CONTENT_CAP = 12.0
"""Nats at most from shared lines: e^12 commits is beyond any repository read here, more certainty is not earned."""
_OTHER_PATH = 0.25
"""Weight of a line found in another file than the session wrote it to: moved, or merely copied."""
_COPY_CAP = 4.0
"""Nats at most from lines in other files: copying any number of lines is one act, which anyone may do."""
_REMOVED = 0.5
"""Weight of a removed line: whoever rewrites a passage removes the same lines, only one author adds the same ones."""
_NEUTRAL_SHARE = 0.1
"""Share of the commit (or session) at which coverage says nothing: a tenth, the least that the project asks for."""
_SHARE_SLOPE = 2.0
"""Nats per tenfold of that share: half of what it would be if shares of wrong links were uniform on a log scale."""
_SHARE_RANGE = (-4.0, 2.0)
_TIME_SLOPE = 0.5
"""Nats per e-fold of the delay. True delays are close to uniform on a log scale and unrelated commits uniform in
time, which would give 1; half, because a team's commits cluster in the hours when it works."""
_TIME_RANGE = (-2.0, 3.0)
_NEUTRAL_DELAY = timedelta(days=1)
_SAME_RESULT = 6.0
"""A file of the commit is byte for byte a state that the session left and had not found: one unrelated commit in
some hundreds, those that restore it and those of a parallel session in the same worktree."""
_SAME_START = 1.5
"""A file before the commit is byte for byte what the session found: true for about one in five commits near it."""
_BASE_IS_PARENT = 1.0
_NAMED = 8.0
"""The commit is named by the session or names it. Names can be copied and forged: they outweigh the prior of a few
thousand commits, not contents that say the opposite."""
_MOST_ODDS = 5.0
"""Log-odds stated at most (0.993): about one wrong link in 150 is all that the measured links can vouch for."""
_MOST_CANDIDATES = 300
"""Commits compared in full per session, those that share most first; the rest share a common line or two."""
_SKEW = timedelta(minutes=2)
_COMMITTED = re.compile(r"^\[[^\]\n]*?\b([0-9a-f]{7,40})\] ", re.MULTILINE)

Place = tuple[str, int]
"""Path and line hash."""
Weight = Callable[[int], float]


@dataclass(slots=True)
class Written:
    """What the linker looks at of one session."""

    session: Session[Clean]
    added: dict[Place, datetime | None] = field(default_factory=dict)
    """Lines written that their file did not hold before the session, with the time of the first writing."""
    removed: dict[Place, datetime | None] = field(default_factory=dict)
    results: set[tuple[str, str]] = field(default_factory=set)
    """(path, blob) of every whole state that the session left."""
    starts: set[tuple[str, str]] = field(default_factory=set)
    """(path, blob) of every whole state that the session found."""
    committed: set[str] = field(default_factory=set)
    """Abbreviated ids that `git commit` printed."""


@dataclass(slots=True)
class Names:
    """Commits that name sessions: {commit: provider session ids}, by kind of evidence."""

    trailer: dict[str, set[str]] = field(default_factory=dict)
    notes: dict[str, set[str]] = field(default_factory=dict)


def written(session: Session[Clean], events: tuple[Event[Clean], ...], replay: Replay, digits: int) -> Written:
    """Collect what a session wrote, removed, found, left and committed."""
    result = Written(session)
    idioms = {
        path: {key(line) for line in state.lines} for path, state in replay.base.items() if state.lines is not None
    }
    for write in replay.writes:
        at = write.author.at or session.started_at
        known = idioms.get(write.path, set())
        for lines, found in ((write.added, result.added), (write.removed, result.removed)):
            for line in lines:
                line_key = key(line)
                if significant(line_key) and (found is result.removed or line_key not in known):
                    found.setdefault((write.path, line_hash(line_key)), at)
        if write.after is not None:
            result.results.add((write.path, blob_id(write.after, digits)))
        if write.before:
            result.starts.add((write.path, blob_id(write.before, digits)))
    found_first = {(path, blob_id(state.text, digits)) for path, state in replay.base.items() if state.text is not None}
    result.results -= found_first
    result.starts -= result.results
    for event in events:
        if event.kind is EventKind.COMMAND and event.text and event.command and "git" in event.command:
            result.committed.update(_COMMITTED.findall(event.text))
    return result


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence; `run` turns it into a stored `Evidence`."""

    kind: str
    weight: float
    """Contribution to the log-odds, nats."""
    detail: str


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


@dataclass(slots=True)
class _Shared:
    """What one commit shares with the session."""

    added: dict[Place, float] = field(default_factory=dict)
    """Weight by (path in the commit, line)."""
    removed: dict[Place, float] = field(default_factory=dict)
    copied: set[Place] = field(default_factory=set)
    """Those of `added` that the session wrote to another file."""
    latest: datetime | None = None
    """When the last of these lines was written."""


def link(
    work: Written,
    history: History,
    other_sessions: Mapping[int, int],
    sessions: int,
    names: Names,
    ignore: AbstractSet[str] = frozenset(),
) -> list[Candidate]:
    """Every candidate commit with its confidence, best first; those at or above `LINKED` are links.

    `other_sessions` counts the other sessions that wrote a line, `sessions` is the number of sessions compared.
    """

    def weight(line: int) -> float:
        return history.weight(line, other_sessions, sessions)

    shared = _shared_lines(work, history, weight)
    _leave_to_first(work, history, shared)
    named = _named(work, history, names, ignore)
    since = work.session.started_at
    later = sum(1 for commit in history.commits.values() if since is None or commit.facts.committed_at >= since - _SKEW)
    prior = -math.log(max(later, _ALTERNATIVES))
    session_total = rarity(work, history, other_sessions, sessions)
    links = []
    same = _same_results(work, history, since)
    for sha in {*shared, *named, *same}:
        commit = history.commits[sha]
        found = shared.get(sha, _Shared())
        evidence = [
            *_content(found, commit, session_total, weight, sha in same),
            *_files(same.get(sha, set())),
            *_base(work, commit),
            *_time(work, commit, found),
            *named.get(sha, []),
        ]
        evidence = [item for item in evidence if item.kind not in ignore]
        amount = sum(found.added.values()) + sum(found.removed.values())
        odds = max(-_MOST_ODDS, min(_MOST_ODDS, prior + sum(item.weight for item in evidence)))
        links.append(
            Candidate(
                sha=sha,
                confidence=round(1 / (1 + math.exp(-odds)), 4),
                reasons=tuple(evidence),
                lines_shared=len(found.added),
                lines_total=len({(file.change.path, line) for file in commit.files for line in file.added}),
                on_default_branch=commit.on_default_branch,
                session_share=min(1.0, amount / session_total) if session_total else 0.0,
            )
        )
    return sorted(links, key=lambda item: (-item.confidence, history.commits[item.sha].position))


def rarity(work: Written, history: History, other_sessions: Mapping[int, int], sessions: int) -> float:
    """Summed rarity, in nats, of what a session added and (for less) removed."""

    def total(places: Iterable[Place]) -> float:
        return sum(history.weight(line, other_sessions, sessions) for _, line in places)

    return total(work.added) + _REMOVED * total(work.removed)


def _shared_lines(work: Written, history: History, weight: Weight) -> dict[str, _Shared]:
    """Lines that each commit shares with the session, in the session's file or (for less) in another."""
    found: dict[str, _Shared] = defaultdict(_Shared)
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
                if line not in file.added:
                    continue
                path = file.change.path
                home = path if path in written_at else file.change.old_path
                entry = found[sha]
                entry.added[path, line] = value if home in written_at else value * _OTHER_PATH
                if home not in written_at:
                    entry.copied.add((path, line))
                at = written_at.get(home, first)
                if at and _in_time(commit, at):
                    entry.latest = max(entry.latest or at, at)
    for (path, line), at in work.removed.items():
        for sha in history.by_removed.get(line, ()):
            commit = history.commits[sha]
            if _in_time(commit, at) and any(
                path in (file.change.path, file.change.old_path) and line in file.removed for file in commit.files
            ):
                entry = found[sha]
                entry.removed[path, line] = weight(line) * _REMOVED
                if at:
                    entry.latest = max(entry.latest or at, at)
    return found


def _in_time(commit: CommitLines, at: datetime | None) -> bool:
    return at is None or commit.facts.committed_at >= at - _SKEW


def _leave_to_first(work: Written, history: History, shared: dict[str, _Shared]) -> None:
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


def _content(
    found: _Shared, commit: CommitLines, session_total: float, weight: Weight, same_result: bool
) -> list[Reason]:
    amount = sum(found.added.values()) + sum(found.removed.values())
    if not amount:
        if session_total and not same_result:  # it wrote lines, and none is here
            return [_evidence("content", _SHARE_RANGE[0], "no line shared")]
        return []
    commit_total = sum(weight(line) for file in commit.files for line in file.added) + _REMOVED * sum(
        weight(line) for file in commit.files for line in file.removed
    )
    of_commit = min(1.0, amount / commit_total) if commit_total else 0.0
    of_session = min(1.0, amount / session_total) if session_total else 0.0
    share = max(of_commit, of_session, 1e-6)
    low, high = _SHARE_RANGE
    coverage = min(high, max(low, _SHARE_SLOPE * math.log10(share / _NEUTRAL_SHARE)))
    copied = sum(value for place, value in found.added.items() if place in found.copied)
    amount_counted = min(_CONTENT_CAP, _DEPENDENCE * (amount - copied) + min(_COPY_CAP, _DEPENDENCE * copied))
    detail = (
        f"{len(found.added)} added and {len(found.removed)} removed lines shared: {of_commit:.0%} of the commit and "
        f"{of_session:.0%} of the session by rarity"
    )
    return [_evidence("content", amount_counted + coverage, detail)]


def _same_results(work: Written, history: History, since: datetime | None) -> dict[str, set[str]]:
    """Commits that bring files to exactly a state that the session left, with those files; the first ones only."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, blob in work.results:
        holders = {
            sha
            for sha in history.by_blob.get(blob, ())
            if _in_time(history.commits[sha], since)
            and any(file.change.path == path and file.change.new_blob == blob for file in history.commits[sha].files)
        }
        for sha in holders:
            if not history.ancestors(sha, holders):
                found[sha].add(path)
    return found


def _files(same: AbstractSet[str]) -> list[Reason]:
    return [_evidence("files", _SAME_RESULT, f"{len(same)} files are exactly as the session left them")] if same else []


def _base(work: Written, commit: CommitLines) -> list[Reason]:
    same = [f.change.old_path for f in commit.files if (f.change.old_path, f.change.old_blob) in work.starts]
    if same:
        return [_evidence("base", _SAME_START, f"{len(same)} files were exactly as the session found them")]
    if work.session.base_commit is not None and work.session.base_commit in commit.facts.parents:
        return [_evidence("base", _BASE_IS_PARENT, "its parent is the commit that the session began at")]
    return []


def _time(work: Written, commit: CommitLines, found: _Shared) -> list[Reason]:
    wrote = found.latest or work.session.ended_at or work.session.started_at
    if wrote is None:
        return []
    authored = commit.facts.authored_at
    moment = authored if authored >= wrote - _SKEW else commit.facts.committed_at
    delay = max(moment - wrote, timedelta(minutes=1))
    low, high = _TIME_RANGE
    value = min(high, max(low, -_TIME_SLOPE * math.log(delay / _NEUTRAL_DELAY)))
    return [_evidence("time", value, f"{_duration(delay)} after the lines were written")]


def _named(work: Written, history: History, names: Names, ignore: AbstractSet[str]) -> dict[str, list[Reason]]:
    """Evidence by name, for the commits that have any."""
    found: dict[str, list[Reason]] = defaultdict(list)
    if "command" not in ignore and work.committed:
        for sha in history.commits:
            if any(sha.startswith(short) for short in work.committed):
                found[sha].append(_evidence("command", _NAMED, "git printed its id when the session committed"))
    provider_id = work.session.provider_session_id
    if provider_id is not None:
        for kind, table in (("trailer", names.trailer), ("notes", names.notes)):
            if kind in ignore:
                continue
            for sha, ids in table.items():
                if provider_id in ids and sha in history.commits:
                    found[sha].append(_evidence(kind, _NAMED, f"its {kind} name the session"))
    return found


def _evidence(kind: str, value: float, detail: str) -> Reason:
    return Reason(kind, round(value, 2), detail)


def _duration(delay: timedelta) -> str:
    seconds = int(delay.total_seconds())
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
