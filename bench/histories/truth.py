"""What is true of a history: who wrote every line, how long it lived, and what became of every session's work.

Read from what the builder noted, never from text. The words:

- the *main line* is the chain of first parents of the main branch; a line lives on it from the first commit that holds
  it to the first that no longer does, and may live again (a revert of a revert);
- a commit *brings* a line if its first parent lacks it and no ancestor of the commit had brought it before: these are
  the commits that the line's session should be linked to. A branch's commit and its squash both bring it. Merge
  commits bring nothing;
- a commit *touches* a session if it adds to a file, or removes from one, lines that the session wrote or took out, or
  lines that revise those: a link to it is no error, a link to any other commit is;
- the *accepted* state of a file is what the newest commit of these left that changed it: commits of the default branch
  that bring lines of the session, reverts of those and reverts of reverts, and commits by a person within `FOLLOW_UP`
  of the last that take the session's lines out of that file or move them into it (follow-up fixes). What happens
  otherwise is survival;
- a line of a session's final state is *kept* if an accepted file has it, perhaps moved, re-indented or wrapped;
  *revised* if a changed form of it is there; else *dropped*.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from bench.histories.agent import AgentSession, Writer
from bench.histories.builder import MAIN, Builder
from bench.histories.trees import Line, Tree, line_ids

FOLLOW_UP = timedelta(days=7)
"""How long after the last commit that brought its lines a person's change of them still is a revision."""


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
    undone: bool
    """Whether every commit of the default branch that brought its lines was reverted, and the revert stood."""

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
    changes = _changes(builder, shas)
    brings = _brings(builder, changes)
    for session in builder.sessions:
        truth.sessions[session.name] = _session(builder, shas, session, changes, brings)
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


class _Change(NamedTuple):
    """Lines that a commit with one parent (or none) adds and removes."""

    added: set[int]
    removed: set[int]
    touched: set[int]
    """Lines added to a file or removed from one, those that only moved to another file included."""


def _changes(builder: Builder, shas: dict[int, str]) -> dict[int, _Change]:
    found: dict[int, _Change] = {}
    for number in shas:
        commit = builder.commits[number]
        if len(commit.parents) < 2:
            before = builder.commits[commit.parents[0]].tree if commit.parents else {}
            old, new, touched = set[int](), set[int](), set[int]()
            for key in commit.tree.keys() | before.keys():
                if commit.tree.get(key) != before.get(key):
                    had, has = _lines_of(before, key), _lines_of(commit.tree, key)
                    old |= had
                    new |= has
                    touched |= had ^ has
            found[number] = _Change(new - old, old - new, touched)
    return found


def _lines_of(tree: Tree, number: int) -> set[int]:
    return line_ids({number: tree[number]}) if number in tree else set()


def _brings(builder: Builder, changes: dict[int, _Change]) -> dict[int, list[int]]:
    """Line → commits that bring it."""
    before: dict[int, int] = {}  # ancestors as bits, the commit itself included
    for number, commit in enumerate(builder.commits):
        before[number] = 1 << number
        for parent in commit.parents:
            before[number] |= before[parent]
    found: dict[int, list[int]] = defaultdict(list)
    for number in sorted(changes):
        for line in changes[number].added:
            if not any(before[number] >> other & 1 for other in found[line]):
                found[line].append(number)
    return found


def _session(
    builder: Builder,
    shas: dict[int, str],
    session: AgentSession,
    changes: dict[int, _Change],
    brings: dict[int, list[int]],
) -> SessionTruth:
    name = session.name
    by_agents = {line for line, writer in builder.writers.items() if writer.kind == "session"}
    own = {line for line in by_agents if builder.writers[line].name == name}
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
        for number, change in changes.items()
        if change.touched & related
        or (builder.commits[number].committed_at >= session.started_at and change.touched & took)
    }
    default = builder.ancestors(builder.branches[MAIN])
    linked = [number for number in sorted(changes) if number in default and shas[number] in brought]
    steps = _reverts_of(builder, linked, default)
    there: dict[int, set[int]] = {}
    last = max((builder.commits[number].committed_at for number in linked), default=None)
    for number in sorted(changes.keys() & default):
        commit = builder.commits[number]
        before = builder.commits[commit.parents[0]].tree if commit.parents else {}
        counted = number in linked or number in steps
        fixed = last is not None and last < commit.committed_at <= last + FOLLOW_UP
        fixed = fixed and not changes[number].added & by_agents
        for key in commit.tree.keys() | before.keys():
            if commit.tree.get(key) != before.get(key):
                new = _lines_of(commit.tree, key)
                if counted or (fixed and (new ^ _lines_of(before, key)) & own):
                    there[key] = new
    found = set[int]().union(*there.values())
    kept = found & final.keys()
    changed = {line for line in final.keys() - kept if any(_revises(builder, form, {line}) for form in found)}
    return SessionTruth(
        name=name,
        final=final,
        brings=dict(brought),
        touches=touches,
        landed=bool(linked),
        kept=kept,
        revised=changed,
        dropped=final.keys() - kept - changed,
        undone=bool(linked) and all(_stands_reverted(builder, number, default) for number in linked),
    )


def _reverts_of(builder: Builder, commits: list[int], default: set[int]) -> set[int]:
    """Reverts on the default branch of these commits, and reverts of reverts."""
    found: set[int] = set()
    for number, of in sorted(builder.reverts.items()):
        if number in default and (of in commits or of in found):
            found.add(number)
    return found


def _stands_reverted(builder: Builder, commit: int, default: set[int]) -> bool:
    """Whether a commit was reverted by one that was not reverted itself."""
    return any(
        number in default and not _stands_reverted(builder, number, default)
        for number, of in builder.reverts.items()
        if of == commit
    )


def _revises(builder: Builder, line: int, wanted: set[int]) -> bool:
    """Whether a line is a changed form of one of `wanted`, over any number of changes."""
    old = builder.revises.get(line)
    while old is not None:
        if old in wanted:
            return True
        old = builder.revises.get(old)
    return False
