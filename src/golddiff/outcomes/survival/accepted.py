"""`Survival` of each session: the lives of exactly those lines of its linked commits that are the session's.

A linked commit's new lines are cut into blocks as for the gold diff, and the session's blocks are taken
(`gold.responsible`). A line of them that the session wrote as it stands is `kept`, another one `revised`. Each line
is counted from the commit that first had it, once: what the session itself wrote over in a later commit ended there.

A line on a branch that was rewritten before the merge is counted as ended by the merge. Where a revert ended lines and
another commit brought them back (`later`), their life goes on in the ones that came back. The sessions behind an end
are those linked to the ending commit, or to a commit that it merged, that changed this file there.

Left out, with a count: lines that the commit only moved or re-formatted (move-aware mode: they have an earlier origin),
and lines that another session wrote as well and that are rather its own (`owners`): no line has two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from golddiff import patch
from golddiff.git import FileChange, GitRepository
from golddiff.git.parsing import path_text
from golddiff.outcomes.gold import Gold, responsible
from golddiff.outcomes.history import History
from golddiff.outcomes.lines import fingerprint, key, significant
from golddiff.outcomes.replay import Replay
from golddiff.outcomes.survival.forward import Followed
from golddiff.outcomes.survival.ledger import NEVER
from golddiff.outcomes.survival.lives import moment
from golddiff.outcomes.survival.owners import owners
from golddiff.rights.redact import redact_text
from golddiff.types import LineFate, LivedLines, Outcome, SessionState, Survival, derive_id

METHOD = "golddiff-lines/1"
NOT_NEW = "not new in its commit: moved, re-formatted or copied"
_ANOTHERS = "another session wrote the same, nearer to it or later"
_NO_MORE_LINES = "its commit is not in the history of the branch"


@dataclass(frozen=True, slots=True)
class Accepted:
    """One session with what was accepted of it."""

    replay: Replay
    gold: Gold
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Line:
    """One accepted line."""

    path: str
    at: int
    """Line in the accepting commit's file, from 0."""
    number: int
    """Number in the ledger."""
    fate: LineFate
    key: str
    joined: bool
    """Only blank lines stand between it and the line before it in this list."""


def has_accepted(one: Accepted) -> bool:
    """Whether a session has lines whose survival can be told: accepted on the default branch, outcome known."""
    return one.outcome.state is not SessionState.UNKNOWN and any(link.on_default_branch for link in one.gold.commits)


def survivals(
    git: GitRepository,
    history: History,
    followed: Followed,
    sessions: Iterable[Accepted],
    outcomes: Iterable[Outcome],
    mode: str,
) -> Iterator[Survival]:
    """Yield the survival of every one of `sessions` that has accepted lines.

    `followed` is a pass up to the default branch, `outcomes` are all that are known in this repository: any of their
    sessions may have ended lines.
    """
    born = _Births(followed)
    enders = _enders(history, followed, outcomes)
    observed = max(followed.commits[index].committed_at for index in followed.mainline)
    accepted = {one.outcome.session_id: one for one in sessions if has_accepted(one)}
    left_out: dict[str, Counter[str]] = {name: Counter() for name in accepted}
    claimed: dict[str, dict[str, list[_Line]]] = defaultdict(dict)
    for name, one in accepted.items():
        for link in one.gold.commits:
            found = _accepted_lines(git, history, one, link.sha, born, left_out[name])
            claimed[link.sha][name] = list(found)
    for claims in claimed.values():
        _one_owner(claims, accepted, left_out)
    for name, one in accepted.items():
        groups: list[LivedLines] = []
        for link in one.gold.commits:
            lines = claimed[link.sha][name]
            groups += _groups(one, link.sha, lines, followed, born, enders, _restored(history, one, link.sha, born))
        yield Survival(
            id=derive_id("sur", one.outcome.id),
            session_id=one.outcome.session_id,
            repository_id=one.outcome.repository_id,
            outcome_id=one.outcome.id,
            branch=redact_text(history.default_branch or "HEAD"),
            tip=followed.commits[-1].sha,
            observed_until=moment(observed),
            groups=tuple(sorted(groups, key=lambda group: (group.path, group.first_line, group.accepted_at))),
            left_out=dict(left_out[name]),
            method=f"{METHOD} {mode}",
        )


def _one_owner(
    claims: dict[str, list[_Line]], accepted: Mapping[str, Accepted], left_out: Mapping[str, Counter[str]]
) -> None:
    """Take lines of one commit that several sessions claim from all but one of them."""
    wrote_at = {
        name: max((write.author.at for write in accepted[name].replay.writes if write.author.at), default=None)
        for name in claims
    }
    for path in {line.path for lines in claims.values() for line in lines}:
        places = {name: {line.at for line in lines if line.path == path} for name, lines in claims.items()}
        for at, owner in owners(places, wrote_at).items():
            for name, lines in claims.items():
                index = next((i for i, line in enumerate(lines) if (line.path, line.at) == (path, at)), None)
                if name != owner and index is not None:
                    del lines[index]
                    left_out[name][_ANOTHERS] += 1
                    if index < len(lines):
                        lines[index] = replace(lines[index], joined=False)


class _Births:
    """Which lines each commit wrote, by path and place."""

    def __init__(self, followed: Followed) -> None:
        self.position = {commit.sha: index for index, commit in enumerate(followed.commits)}
        self._ledger = followed.ledger
        self._blocks: dict[int, list[int]] = defaultdict(list)
        for block, commit in enumerate(followed.ledger.block_commit):
            self._blocks[commit].append(block)
        self._paths = [path_text(path) for path in followed.ledger.paths]

    def of(self, sha: str) -> dict[tuple[str, int], int]:
        """(path, line from 0) → number, of the lines that a commit wrote."""
        ledger = self._ledger
        found: dict[tuple[str, int], int] = {}
        for block in self._blocks.get(self.position.get(sha, NEVER), ()):
            first = ledger.block_first[block]
            stop = ledger.block_first[block + 1] if block + 1 < len(ledger.block_first) else len(ledger.length)
            path, line = self._paths[ledger.block_path[block]], ledger.block_line[block]
            for number in range(first, stop):  # a copy of the lines has the same origin; the first one is the line
                found.setdefault((path, line + number - first), number)
        return found


def _accepted_lines(
    git: GitRepository, history: History, one: Accepted, sha: str, born: _Births, left_out: Counter[str]
) -> Iterator[_Line]:
    """Lines of one linked commit that are the session's."""
    numbers = born.of(sha)
    for file in history.commits[sha].files:
        change = file.change
        if change.path in one.gold.excluded or change.mode in ("120000", "160000"):
            continue
        mine, gone = _written(one, change)
        if not mine:
            continue
        old, new = _lines(git, change.old_blob), _lines(git, change.new_blob)
        own = {fingerprint(line) for line in mine}
        last = -1
        for _, _, start, stop in responsible(old, new, mine, gone):
            for at in range(start, stop):
                line = key(new[at])
                if not line:
                    continue
                number = numbers.get((change.path, at))
                if number is None:
                    left_out[NOT_NEW if sha in born.position else _NO_MORE_LINES] += 1
                    continue
                exact = not significant(line) or fingerprint(line) in own
                joined = last >= 0 and not any(map(key, new[last + 1 : at]))
                yield _Line(change.path, at, number, LineFate.KEPT if exact else LineFate.REVISED, line, joined)
                last = at


def _written(one: Accepted, change: FileChange) -> tuple[list[str], set[str]]:
    """Keys of the significant lines that the session wrote to a file, or that were moved there, and removed from it."""
    names = {change.path, change.old_path}
    names |= {one.gold.unseen[name] for name in names & one.gold.unseen.keys()}
    mine: list[str] = []
    gone: set[str] = set()
    for write in one.replay.writes:
        if write.path in names:
            mine += [found for found in map(key, write.added) if significant(found)]
            gone.update(found for found in map(key, write.removed) if significant(found))
    for moved in one.gold.moved.values():
        if change.path in moved.to:
            mine += list(moved.lines)
    return mine, gone


def _lines(git: GitRepository, blob: str) -> list[str]:
    data = git.blob(blob) if blob.strip("0") else b""
    return patch.split((data or b"").decode("utf-8", "replace"))


def _restored(history: History, one: Accepted, sha: str, born: _Births) -> dict[str, dict[tuple[str, str], list[int]]]:
    """For each commit that reverted this one and was undone: (path, key) → numbers of the lines that came back."""
    found: dict[str, dict[tuple[str, str], list[int]]] = {}
    reverted = ""
    for step in one.gold.steps:
        if step.of == sha and step.kind == "reverted":
            reverted = step.sha
        elif step.of == sha and step.kind == "restored" and reverted:
            back: dict[tuple[str, str], list[int]] = defaultdict(list)
            numbers = born.of(step.sha)
            for change in (file.change for file in history.commits[step.sha].files):
                names = _names(one, change.path)
                for hunk in change.hunks:
                    for offset, line in enumerate(hunk.added):
                        number = numbers.get((change.path, hunk.new_start - 1 + offset))
                        if number is not None:
                            for name in names:
                                back[name, key(line)].append(number)
            found[reverted] = back
    return found


def _names(one: Accepted, path: str) -> set[str]:
    """The names that a file had since the linked commits."""
    names = {path}
    for step in reversed(one.gold.steps):
        if step.kind == "renamed" and names & step.paths:
            names |= step.paths
    return names


def _groups(
    one: Accepted,
    sha: str,
    lines: Sequence[_Line],
    followed: Followed,
    born: _Births,
    enders: Mapping[int, Mapping[str, set[str]]],
    restored: Mapping[str, Mapping[tuple[str, str], list[int]]],
) -> Iterator[LivedLines]:
    """Lines in a row with one life."""
    ledger = followed.ledger
    runs: list[tuple[tuple[str, LineFate, int, int], list[_Line]]] = []
    for line in lines:
        reached, ended = ledger.reached[line.number], ledger.ended[line.number]
        if reached == NEVER:  # rewritten on the branch
            reached = ended = followed.merged_at[born.position[sha]]
        while ended != NEVER and (back := restored.get(followed.commits[followed.mainline[ended]].sha)):
            again = back.get((line.path, line.key))
            if not again:
                break
            ended = ledger.ended[again.pop(0)]
        what = (line.path, line.fate, reached, ended)
        if line.joined and runs[-1][0] == what:
            runs[-1][1].append(line)
        else:
            runs.append((what, [line]))
    accepted_at = moment(followed.commits[born.position[sha]].committed_at) if sha in born.position else None
    for (path, fate, reached, ended), run in runs:
        assert accepted_at is not None
        alive = ended == NEVER
        gone = None if alive else followed.commits[followed.mainline[ended]]
        yield LivedLines(
            path=redact_text(path),
            first_line=run[0].at + 1,
            lines=len(run),
            characters=sum(ledger.length[line.number] for line in run),
            fate=fate,
            accepted_by=sha,
            accepted_at=accepted_at,
            ended_by=gone.sha if gone else None,
            ended_at=max(accepted_at, moment(gone.committed_at)) if gone else None,
            ended_by_sessions=() if alive else tuple(sorted(enders.get(ended, {}).get(path, ()))),
            commits_survived=max(0, (len(followed.mainline) if alive else ended) - reached - 1),
        )


def _enders(history: History, followed: Followed, outcomes: Iterable[Outcome]) -> dict[int, dict[str, set[str]]]:
    """Mainline position → path → sessions linked to what came in there and changed that path."""
    merged = {commit.sha: place for commit, place in zip(followed.commits, followed.merged_at, strict=True)}
    found: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for outcome in outcomes:
        for link in outcome.commits:
            place = merged.get(link.sha, NEVER)
            if place == NEVER or link.sha not in history.commits:
                continue
            for file in history.commits[link.sha].files:
                for path in (file.change.path, file.change.old_path):
                    found[place][path].add(outcome.session_id)
    return found
