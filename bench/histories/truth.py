"""What is true of a history: who wrote every line, how long it lived, and what became of every session's work.

Read from what the builder noted, never from text. The words:

- the *main line* is the chain of first parents of the main branch; a line lives on it from the first commit that holds
  it to the first that no longer does, and may live again (a revert of a revert);
- a commit *brings* a line if its first parent lacks it and no ancestor of the commit had brought it before: these are
  the commits that the line's session should be linked to. A branch's commit and its squash both bring it. Merge
  commits bring nothing;
- a commit *touches* a session if it adds or removes lines that the session wrote or took out, or lines that revise
  those: a link to it is no error, a link to any other commit is;
- a line of a session's final state is *kept* if the newest commit of the default branch that brought lines of the
  session to its file (or took some out) still has it, perhaps moved, re-indented or wrapped; *revised* if a changed
  form of it is there; else *dropped*.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from bench.histories.agent import AgentSession, Writer
from bench.histories.builder import MAIN, Builder
from bench.histories.trees import Line, line_ids


class Life(NamedTuple):
    """One span of a line on the main line."""

    born: str
    """Commit of the main line that first has it."""
    born_at: datetime
    ended: str | None
    """Commit of the main line that first lacks it again; None where it lives on."""
    ended_at: datetime | None
    ended_by: Writer | None
    """Who took it out."""


@dataclass(slots=True)
class LineTruth:
    """One line, over all of the history."""

    writer: Writer
    text: str
    """As it was written."""
    revises: int | None = None
    """Line that it is a changed form of."""
    lives: list[Life] = field(default_factory=list)


@dataclass(slots=True)
class SessionTruth:
    """What became of one session's work."""

    name: str
    final: dict[int, tuple[str, Line]]
    """Non-blank lines of its final state that it wrote: (path, line as the session left it)."""
    brings: dict[str, set[int]]
    """Commit → lines of the session that it brings, whichever commits can be reached from a branch."""
    touches: set[str]
    """Commits that a link to is no error."""
    landed: bool
    """Whether the main branch ever held a line of it."""
    kept: set[int]
    """Of `final`, those kept in the accepted state."""
    revised: set[int]
    dropped: set[int]
    reverted: bool
    """Whether a revert on the main line took lines of it out."""

    @property
    def nowhere(self) -> bool:
        """Whether no commit holds anything of it: its work was rejected or left lying."""
        return not self.brings and not self.touches


@dataclass(slots=True)
class Truth:
    """All that is true of a history."""

    main_line: list[str]
    """SHAs, oldest first."""
    lines: dict[int, LineTruth]
    sessions: dict[str, SessionTruth]
    by_text: dict[str, set[int]]
    """Text without white space → lines that were written with it, anywhere."""
    trees: dict[str, dict[str, tuple[Line, ...]]]
    """Commit → path → lines, for every commit that a branch reaches."""
    parents: dict[str, tuple[str, ...]]

    def alone(self, line: int) -> bool:
        """Whether its text was written only once, so that text alone tells which line it is."""
        return len(self.by_text["".join(self.lines[line].text.split())]) == 1

    def introduced(self, sha: str, path: str, line: Line) -> str:
        """The commit that brought this line, as it stands in this file, to `sha`: what a perfect blame says.

        As git's blame it goes to the first parent that has the whole file, else to the first that has the line.
        """
        while True:
            own = self.trees[sha][path]
            same = [parent for parent in self.parents[sha] if self.trees[parent].get(path) == own]
            holders = [
                (parent, name)
                for parent in (same or self.parents[sha])
                for name, lines in self.trees[parent].items()
                if line in lines
            ]
            if not holders:
                return sha
            sha, path = holders[0]


def find_truth(builder: Builder, shas: dict[int, str]) -> Truth:
    """Work out the truth of what the builder did."""
    truth = Truth([], {}, {}, defaultdict(set), {}, {})
    for number, sha in shas.items():
        commit = builder.commits[number]
        truth.trees[sha] = {file.path: file.lines for file in commit.tree.values()}
        truth.parents[sha] = tuple(shas[parent] for parent in commit.parents)
    chain = [builder.branches[MAIN]]
    while builder.commits[chain[-1]].parents:
        chain.append(builder.commits[chain[-1]].parents[0])
    chain.reverse()
    truth.main_line = [shas[number] for number in chain]
    _lives(truth, builder, shas, chain)
    added, removed = _changes(builder, shas)
    brings = _brings(builder, added)
    for session in builder.sessions:
        truth.sessions[session.name] = _session(builder, shas, session, added, removed, brings, chain)
    return truth


def _lives(truth: Truth, builder: Builder, shas: dict[int, str], chain: list[int]) -> None:
    texts: dict[int, str] = {}
    wholes = [line for number in shas for file in builder.commits[number].tree.values() for line in file.lines]
    wholes += [line for session in builder.sessions for lines in session.final.values() for line in lines]
    for line in wholes:
        if not line.part:
            texts.setdefault(line.id, line.text)
    for line_id, text in texts.items():
        truth.lines[line_id] = LineTruth(builder.writers[line_id], text, builder.revises.get(line_id))
        truth.by_text["".join(text.split())].add(line_id)
    living: set[int] = set()
    for number in chain:
        commit = builder.commits[number]
        now = line_ids(commit.tree)
        for line_id in now - living:
            entry = truth.lines.setdefault(
                line_id, LineTruth(builder.writers[line_id], "", builder.revises.get(line_id))
            )
            entry.lives.append(Life(shas[number], commit.committed_at, None, None, None))
        for line_id in living - now:
            by = [writer for at, writer in builder.removals[line_id] if at <= commit.committed_at]
            lives = truth.lines[line_id].lives
            lives[-1] = lives[-1]._replace(
                ended=shas[number], ended_at=commit.committed_at, ended_by=by[-1] if by else None
            )
        living = now


def _changes(builder: Builder, shas: dict[int, str]) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Lines that each commit with one parent (or none) adds and removes."""
    added: dict[int, set[int]] = {}
    removed: dict[int, set[int]] = {}
    for number in shas:
        commit = builder.commits[number]
        if len(commit.parents) < 2:
            before = builder.commits[commit.parents[0]].tree if commit.parents else {}
            changed = [k for k in commit.tree.keys() | before.keys() if commit.tree.get(k) != before.get(k)]
            old = line_ids({k: before[k] for k in changed if k in before})
            new = line_ids({k: commit.tree[k] for k in changed if k in commit.tree})
            added[number], removed[number] = new - old, old - new
    return added, removed


def _brings(builder: Builder, added: dict[int, set[int]]) -> dict[int, list[int]]:
    """Line → commits that bring it."""
    before: dict[int, int] = {}  # ancestors as bits, the commit itself included
    for number, commit in enumerate(builder.commits):
        before[number] = 1 << number
        for parent in commit.parents:
            before[number] |= before[parent]
    found: dict[int, list[int]] = defaultdict(list)
    for number in sorted(added):
        for line in added[number]:
            if not any(before[number] >> other & 1 for other in found[line]):
                found[line].append(number)
    return found


def _session(
    builder: Builder,
    shas: dict[int, str],
    session: AgentSession,
    added: dict[int, set[int]],
    removed: dict[int, set[int]],
    brings: dict[int, list[int]],
    chain: list[int],
) -> SessionTruth:
    name = session.name
    own = {line for line, writer in builder.writers.items() if writer.kind == "session" and writer.name == name}
    took = {line for line, events in builder.removals.items() if any(by.name == name for _, by in events)}
    forms = {line for line in builder.revises if _revises(builder, line, own)}
    final: dict[int, tuple[str, Line]] = {}
    for path, lines in session.final.items():
        final |= {line.id: (path, line) for line in lines if line.id in own and line.text.strip()}
    brought: dict[str, set[int]] = defaultdict(set)
    for line in own:
        for number in brings.get(line, ()):
            brought[shas[number]].add(line)
    related = own | forms
    touches = {
        shas[number]
        for number in added
        if (added[number] | removed[number]) & related
        or (builder.commits[number].committed_at >= session.started_at and (added[number] | removed[number]) & took)
    }
    default = builder.ancestors(builder.branches[MAIN])
    linked = [number for number in sorted(added) if number in default and shas[number] in brought]
    accepted: dict[int, set[int]] = {}
    for number in linked:
        commit = builder.commits[number]
        before = builder.commits[commit.parents[0]].tree if commit.parents else {}
        for key in commit.tree.keys() | before.keys():
            if commit.tree.get(key) != before.get(key):
                accepted[key] = {line.id for line in commit.tree[key].lines} if key in commit.tree else set()
    there = set[int]().union(*accepted.values())
    kept = there & final.keys()
    changed = {line for line in final.keys() - kept if any(_revises(builder, form, {line}) for form in there)}
    gone = {
        line
        for number in chain
        if number in builder.reverts
        for line in line_ids(builder.commits[builder.commits[number].parents[0]].tree)
        - line_ids(builder.commits[number].tree)
    }
    return SessionTruth(
        name=name,
        final=final,
        brings=dict(brought),
        touches=touches,
        landed=bool(linked),
        kept=kept,
        revised=changed,
        dropped=final.keys() - kept - changed,
        reverted=bool(gone & own),
    )


def _revises(builder: Builder, line: int, wanted: set[int]) -> bool:
    """Whether a line is a changed form of one of `wanted`, over any number of changes."""
    old = builder.revises.get(line)
    while old is not None:
        if old in wanted:
            return True
        old = builder.revises.get(old)
    return False
