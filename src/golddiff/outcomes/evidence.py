"""Evidence that a commit holds a session's work, each kind in nats of log-odds.

| evidence  | what it says, in nats                                                                                    |
|-----------|----------------------------------------------------------------------------------------------------------|
| prior     | minus the log of the number of commits after the session began: any one is unlikely                      |
| content   | lines shared, each by its rarity, and the share of commit or session that they are                       |
| files     | the commit leaves a file exactly as the session once left it                                             |
| base      | the commit starts from a file exactly as the session found it, or from the commit that it began at       |
| time      | the commit came soon after the lines were written                                                        |
| command   | the session ran `git commit` and git printed this commit's id                                            |
| head      | a hook saw the commit become HEAD where the session ran, or its parent there when the agent yielded      |
| trailer   | the commit's trailer names the session (or a stored checkpoint of it, or a checkpoint claims the commit) |
| notes     | a git note on the commit names the session, or one that was imported does                                |
| trace     | an Agent Trace record of the session speaks of the commit or its parent, and of a file that it changes   |
| pull-request | a pull request from the session's branch, of its time, names the commit                               |
| signal    | the user said accept, revise or reject before the commit was made                                        |

Names can be copied and forged (a hook writes a trailer on every commit made while a session is open). They add to what
contents say and cannot replace it: where the session wrote lines and contents speak against the commit, all names
together count for `_CLAIMED_AGAINST`, and where nothing but a name speaks, `BY_NAME_ALONE` is the most that is stated.

Every constant says where it comes from. They were set by argument and looked at on two repositories; none is the
result of a search, and docs/benchmarks.md shows what a much lower and a much higher value of each would do.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from golddiff.outcomes.history import SKEW, CommitLines, History
from golddiff.outcomes.written import Place, Written
from golddiff.types import Clean, Session

NAMES = ("command", "trailer", "notes", "trace", "pull-request")
"""Kinds that say so in words."""
KINDS = ("content", "files", "base", "time", "head", *NAMES, "signal")
"""Kinds of evidence that may be ignored, besides the prior."""

ALTERNATIVES = 100
"""Places at least where the work may have gone: also in a young repository it may be in no commit, or in none yet."""
_DEPENDENCE = 0.5
"""Lines come in blocks and teams work on one topic, so rarities are not independent: half of their sum counts."""
_CONTENT_CAP = 12.0
"""Nats at most from shared lines: e^12 commits is beyond any repository read here, more certainty is not earned."""
OTHER_PATH = 0.25
"""Weight of a line found in another file than the session wrote it to: moved, or merely copied."""
_COPY_CAP = 4.0
"""Nats at most from lines in other files: copying any number of lines is one act, which anyone may do."""
REMOVED = 0.5
"""Weight of a removed line: whoever rewrites a passage removes the same lines, only one author adds the same ones."""
_NEUTRAL_SHARE = 0.1
"""Share of the commit (or session) at which coverage says nothing: a tenth, the least that the project asks for."""
_SHARE_SLOPE = 2.0
"""Nats per tenfold of that share: half of what it would be if shares of wrong links were uniform on a log scale."""
_SHARE_RANGE = (-4.0, 2.0)
"""From a thousandth of both (or nothing shared) to all of one: two powers of ten below a tenth, one above."""
_TIME_SLOPE = 0.5
"""Nats per e-fold of the delay. True delays are close to uniform on a log scale and unrelated commits uniform in
time, which would give 1; half, because a team's commits cluster in the hours when it works."""
_TIME_RANGE = (-2.0, 3.0)
"""Reached at two months, when old branches are merged, and at four minutes, when people commit what they just saw."""
_NEUTRAL_DELAY = timedelta(days=1)
"""Where a true link is as likely as a chance one: most work is committed within a day."""
_SAME_RESULT = 6.0
"""A file of the commit is byte for byte a state that the session left and had not found: one unrelated commit in
some hundreds, those that restore it and those of a parallel session in the same worktree."""
_SAME_START = 1.5
"""A file before the commit is byte for byte what the session found: true for about one in five commits near it."""
_BASE_IS_PARENT = 1.0
"""The session began at the commit's parent: less telling than a file's bytes, since many branches begin there."""
_NAMED = 8.0
"""The commit is named by the session or names it: that outweighs the prior of a few thousand commits."""
_TRACED = 4.0
"""A record speaks of the commit or of its parent (hooks write it before the commit): one of several may be meant."""
_BRANCH_MERGED = 3.0
"""The pull request came from the session's branch: one of the few branches of that time, but shared by all its work."""
_CLAIMED_AGAINST = 4.0
"""All names together where contents speak against the commit: about a third of the pairs that trailers name in the
shared data share no line (docs/benchmarks.md), so a name is worth far less there than where contents are silent."""
BY_NAME_ALONE = 2.2
"""Log-odds at most (0.90) where nothing but names speaks: just above what is stated at all."""
_BECAME_HEAD = 2.5
"""The commit was made, or pulled, in the session's own worktree while the session was open or soon after: one of about
a dozen commits. Set by argument: the shared data have no such records."""
_YIELDED_AT_PARENT = 1.5
"""As `_SAME_START`: the commit begins where the agent left off."""
_SAID_BEFORE = {"accept": 1.0, "revise": 1.0, "reject": -2.0}
"""The user's word says whether there is a commit at all, not which; what was refused is seldom committed."""

_SHARED_BRANCHES = ("main", "master", "trunk")
_BEFORE_OPENING = timedelta(days=14)
"""How long before its pull request a session on the branch may have begun."""

Weight = Callable[[int], float]
"""Rarity of a line, in nats, by its hash."""


@dataclass(slots=True)
class Names:
    """Commits that name sessions: {commit: provider session ids}, by kind of evidence."""

    trailer: dict[str, set[str]] = field(default_factory=dict)
    notes: dict[str, set[str]] = field(default_factory=dict)
    trace: dict[str, set[str]] = field(default_factory=dict)
    branches: dict[str, list[BranchMerged]] = field(default_factory=dict)
    """Pull requests by the commits that they name."""


@dataclass(frozen=True, slots=True)
class BranchMerged:
    """A pull request, as far as it leads from a session's branch to a commit."""

    branch: str
    number: int | None
    opened_at: datetime
    closed_at: datetime

    def fits(self, session: Session[Clean]) -> bool:
        """Whether the session began on the pull request's branch, at a time that fits."""
        if session.branch != self.branch or session.started_at is None or self.branch in _SHARED_BRANCHES:
            return False
        return self.opened_at - _BEFORE_OPENING <= session.started_at <= self.closed_at


@dataclass(slots=True)
class Seen:
    """What was seen and said around one session, apart from its transcript."""

    heads: list[tuple[datetime, str]] = field(default_factory=list)
    """Commits checked out in its worktree, by hooks and watching, in order of time."""
    verdict: tuple[datetime, str] | None = None
    """The last `accept`, `revise` or `reject`."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence; `run` turns it into a stored `Evidence`."""

    kind: str
    weight: float
    """Contribution to the log-odds, nats."""
    detail: str


@dataclass(slots=True)
class Shared:
    """What one commit shares with the session."""

    added: dict[Place, float] = field(default_factory=dict)
    """Weight by (path in the commit, line)."""
    removed: dict[Place, float] = field(default_factory=dict)
    copied: set[Place] = field(default_factory=set)
    """Those of `added` that the session wrote to another file."""
    latest: datetime | None = None
    """When the last of these lines was written."""


def from_content(
    found: Shared, commit: CommitLines, session_total: float, weight: Weight, same_result: bool
) -> list[Reason]:
    """What the shared lines say: their rarity, and how much of the commit or the session they are."""
    amount = sum(found.added.values()) + sum(found.removed.values())
    if not amount:
        if session_total and not same_result:  # it wrote lines, and none is here
            return [_evidence("content", _SHARE_RANGE[0], "no line shared")]
        return []
    commit_total = sum(weight(line) for file in commit.files for line in file.added) + REMOVED * sum(
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


def from_files(same: AbstractSet[str]) -> list[Reason]:
    """What files say that are exactly as the session left them."""
    return [_evidence("files", _SAME_RESULT, f"{len(same)} file(s) exactly as the session left them")] if same else []


def from_base(work: Written, commit: CommitLines) -> list[Reason]:
    """What the state before the commit says."""
    same = [f.change.old_path for f in commit.files if (f.change.old_path, f.change.old_blob) in work.starts]
    if same:
        return [_evidence("base", _SAME_START, f"{len(same)} file(s) were exactly as the session found them")]
    if work.session.base_commit is not None and work.session.base_commit in commit.facts.parents:
        return [_evidence("base", _BASE_IS_PARENT, "its parent is the commit that the session began at")]
    return []


def from_time(work: Written, commit: CommitLines, found: Shared) -> list[Reason]:
    """What the delay says between the last shared line and the commit."""
    wrote = found.latest or work.session.ended_at or work.session.started_at
    if wrote is None:
        return []
    authored = commit.facts.authored_at
    moment = authored if authored >= wrote - SKEW else commit.facts.committed_at
    delay = max(moment - wrote, timedelta(minutes=1))
    low, high = _TIME_RANGE
    value = min(high, max(low, -_TIME_SLOPE * math.log(delay / _NEUTRAL_DELAY)))
    return [_evidence("time", value, f"{_duration(delay)} after the lines were written")]


def from_names(work: Written, history: History, names: Names, ignore: AbstractSet[str]) -> dict[str, list[Reason]]:
    """Evidence by name, for the commits that have any."""
    found: dict[str, list[Reason]] = defaultdict(list)
    if "command" not in ignore and work.committed:
        for sha in history.commits:
            if any(sha.startswith(short) for short in work.committed):
                found[sha].append(_evidence("command", _NAMED, "git printed its id when the session committed"))
    provider_id = work.session.provider_session_id
    tables = (("trailer", names.trailer, _NAMED), ("notes", names.notes, _NAMED), ("trace", names.trace, _TRACED))
    for kind, table, value in tables:
        if kind not in ignore and provider_id is not None:
            for sha, ids in table.items():
                if provider_id in ids and sha in history.commits:
                    found[sha].append(_evidence(kind, value, f"its {kind} name the session"))
    for sha, pulls in names.branches.items() if "pull-request" not in ignore else ():
        fitting = [pull for pull in pulls if pull.fits(work.session)]
        if fitting and sha in history.commits:
            detail = f"pull request {fitting[-1].number} from the session's branch names it"
            found[sha].append(_evidence("pull-request", _BRANCH_MERGED, detail))
    return found


def from_seen(seen: Seen, commit: CommitLines) -> list[Reason]:
    """What hooks saw checked out around the session, and what the user said before the commit."""
    found: list[Reason] = []
    made, facts = commit.facts.committed_at, commit.facts
    heads = [sha for _, sha in seen.heads]
    before = [sha for at, sha in seen.heads if at <= made]
    if facts.sha in heads[1:] and heads[0] != facts.sha and made >= seen.heads[0][0] - SKEW:
        found.append(_evidence("head", _BECAME_HEAD, "a hook saw it checked out where the session ran"))
    elif before and before[-1] in facts.parents:
        found.append(_evidence("head", _YIELDED_AT_PARENT, "its parent was checked out when the agent yielded last"))
    if seen.verdict is not None and seen.verdict[0] <= made + SKEW:
        found.append(_evidence("signal", _SAID_BEFORE[seen.verdict[1]], f"the user had said {seen.verdict[1]}"))
    return found


def weigh_names(reasons: list[Reason], wrote: bool) -> list[Reason]:
    """The reasons, names among them worth less where contents speak against the commit; `wrote`: it wrote lines."""
    content = sum(reason.weight for reason in reasons if reason.kind in ("content", "files"))
    claimed = sum(reason.weight for reason in reasons if reason.kind in NAMES)
    if not wrote or content >= 0 or claimed <= _CLAIMED_AGAINST:
        return reasons
    return [
        replace(reason, weight=round(reason.weight * _CLAIMED_AGAINST / claimed, 2)) if reason.kind in NAMES else reason
        for reason in reasons
    ]


def _evidence(kind: str, value: float, detail: str) -> Reason:
    return Reason(kind, round(value, 2), detail)


def _duration(delay: timedelta) -> str:
    seconds = int(delay.total_seconds())
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
