"""The world that operations act on: commits, branches, one worktree, sessions, a clock, and a note of who did what.

Nothing is on disk here; `repository` writes the commits, `truth` reads the notes. A commit is a whole tree of lines
with identity; where an operation moves a change to another place it is carried over by `transfer`, and the worktree is
carried along when another commit is checked out, as by `git stash` around it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from bench.histories.agent import MANNERS, MODELS, TEAM, USER, AgentSession, Writer
from bench.histories.content import Words
from bench.histories.trees import File, Hunk, Line, Tree, line_ids, transfer

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MAIN = "main"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit; its number is its place in `Builder.commits`."""

    parents: tuple[int, ...]
    tree: Tree
    message: str
    author: str
    authored_at: datetime
    committed_at: datetime


class Builder:
    """The state of a history while it is made."""

    def __init__(self, seed: int, modules: int = 8) -> None:
        self.rng = Random(f"{seed}/base")
        self.words = Words()
        self.now = START
        self.commits: list[Commit] = []
        self.branches: dict[str, int] = {}
        self.current = MAIN
        self.worktree: dict[int, File] = {}
        self.sessions: list[AgentSession] = []
        self.writers: dict[int, Writer] = {}
        """Line → who wrote it."""
        self.revises: dict[int, int] = {}
        """Line → the line that it is a changed form of."""
        self.removals: dict[int, list[tuple[datetime, Writer]]] = defaultdict(list)
        """Line → when it was taken out of a worktree, and by whom."""
        self.reverts: dict[int, int] = {}
        """Commit that reverts → commit that is reverted."""
        self.thrown_away: list[str] = []
        """Texts of a session's lines that were last thrown away."""
        self._files = 0
        self._lines = 0
        for _ in range(max(1, modules)):  # a history to be rare in
            self.add_file(self.words.path(self.rng), self.words.module(self.rng), TEAM)
            self.commit("add a module", TEAM)
            self.wait(hours=5)

    # -------------------------------------------------------------------------------------------------- the clock

    def wait(self, **span: float) -> datetime:
        """Let time pass; returns the time then."""
        self.now += timedelta(**span)
        return self.now

    # ----------------------------------------------------------------------------------------------- the worktree

    @property
    def head(self) -> int | None:
        """The commit checked out, by its number."""
        return self.branches.get(self.current)

    @property
    def head_tree(self) -> Tree:
        """Its tree."""
        return self.commits[self.head].tree if self.head is not None else {}

    @property
    def dirty(self) -> bool:
        """Whether the worktree holds changes that are not committed."""
        return self.worktree != self.head_tree

    def lines(self, texts: Iterable[str], writer: Writer, revises: Sequence[int | None] = ()) -> tuple[Line, ...]:
        """New lines of one writer; `revises` names, line by line, those that they are changed forms of."""
        made = []
        for index, text in enumerate(texts):
            self._lines += 1
            self.writers[self._lines] = writer
            old = revises[index] if index < len(revises) else None
            if old is not None:
                self.revises[self._lines] = old
            made.append(Line(self._lines, text))
        return tuple(made)

    def add_file(self, path: str, texts: Iterable[str], writer: Writer) -> int:
        """A new file; returns its number."""
        self._files += 1
        self.worktree[self._files] = File(path, self.lines(texts, writer))
        return self._files

    def put(self, changed: dict[int, File], writer: Writer) -> None:
        """Replace files of the worktree, and note which lines are gone and by whom."""
        before = {line.id for number in changed for line in self.worktree[number].lines}
        self.worktree |= changed
        for line in sorted(before - {line.id for file in changed.values() for line in file.lines}):
            self.removals[line].append((self.now, writer))

    def splice(self, number: int, start: int, stop: int, lines: Sequence[Line], writer: Writer) -> None:
        """Put `lines` in place of a range of one file."""
        file = self.worktree[number]
        self.put({number: file._replace(lines=(*file.lines[:start], *lines, *file.lines[stop:]))}, writer)

    def own_lines(self, wanted: Callable[[Writer], bool], *, pending: bool = False) -> list[tuple[int, int]]:
        """(file, index) of the lines of some writers that say something; with `pending`, uncommitted ones first."""
        committed = line_ids(self.head_tree) if pending else set()
        found = [
            (number, index)
            for number, file in sorted(self.worktree.items())
            for index, line in enumerate(file.lines)
            if not line.part and len(line.text.strip()) > 18 and wanted(self.writers[line.id])
        ]
        fresh = [place for place in found if self.line(place).id not in committed]
        return fresh if pending and fresh else found

    def line(self, place: tuple[int, int]) -> Line:
        """The line at (file, index) of the worktree."""
        return self.worktree[place[0]].lines[place[1]]

    # ---------------------------------------------------------------------------------------- commits and branches

    def add_commit(
        self, parents: tuple[int, ...], tree: Tree, message: str, author: Writer, authored_at: datetime | None = None
    ) -> int:
        """Make a commit on no branch; returns its number."""
        self.commits.append(Commit(parents, dict(tree), message, author.name, authored_at or self.now, self.now))
        return len(self.commits) - 1

    def commit(self, message: str, author: Writer = USER, tree: Tree | None = None) -> int:
        """Commit the worktree (or `tree`, the rest staying in the worktree) on the current branch."""
        self.wait(minutes=2)
        parents = (self.head,) if self.head is not None else ()
        self.branches[self.current] = self.add_commit(parents, self.worktree if tree is None else tree, message, author)
        return self.branches[self.current]

    def move(self, branch: str, to: int) -> None:
        """Let a branch point to a commit; where it is checked out, the worktree's changes are carried over."""
        if branch == self.current:
            self.worktree = transfer(self.head_tree, self.worktree, self.commits[to].tree)
        self.branches[branch] = to

    def switch(self, branch: str) -> None:
        """Check out a branch, carrying uncommitted changes over."""
        if branch != self.current:
            self.worktree = transfer(self.head_tree, self.worktree, self.commits[self.branches[branch]].tree)
            self.current = branch

    def ancestors(self, commit: int) -> set[int]:
        """The commit and all before it."""
        found: set[int] = set()
        stack = [commit]
        while stack:
            number = stack.pop()
            if number not in found:
                found.add(number)
                stack += self.commits[number].parents
        return found

    def merge_base(self, a: int, b: int) -> int:
        """The newest commit that both have (histories here have few criss-crosses; the newest by time will do)."""
        return max(self.ancestors(a) & self.ancestors(b))

    def merged_tree(self, ours: int, theirs: int) -> dict[int, File]:
        """What a merge of `theirs` into `ours` leaves."""
        base = self.commits[self.merge_base(ours, theirs)].tree
        return transfer(base, self.commits[theirs].tree, self.commits[ours].tree)

    def replay(self, commits: Iterable[int], onto: int) -> int:
        """Cherry-pick commits one by one; those that change nothing there are left out. Returns the last."""
        for number in commits:
            commit = self.commits[number]
            tree = self.picked_tree(number, onto)
            if tree != self.commits[onto].tree:
                self.wait(seconds=5)
                author = Writer("", commit.author)
                onto = self.add_commit((onto,), tree, commit.message, author, commit.authored_at)
        return onto

    def picked_tree(self, commit: int, onto: int, choose: Callable[[Hunk], bool] | None = None) -> dict[int, File]:
        """The tree of `onto` with the change of one commit."""
        parents = self.commits[commit].parents
        base: Tree = self.commits[parents[0]].tree if parents else {}
        return transfer(base, self.commits[commit].tree, self.commits[onto].tree, choose)

    # --------------------------------------------------------------------------------------------------- sessions

    def begin(self, rng: Random) -> AgentSession:
        """Start a session in the worktree."""
        self.wait(minutes=10)
        session = AgentSession(
            name=f"session-{len(self.sessions) + 1}",
            manner=rng.choice(MANNERS),
            model=rng.choice(MODELS),
            base=self.head,
            branch=self.current,
            started_at=self.now,
        )
        if self.dirty and session.manner == "patch":
            session.manner = "replace"  # hunks alone can be placed at the base commit only
        self.sessions.append(session)
        return session

    def agent_edits(self, session: AgentSession, number: int, before: File | None) -> None:
        """Record what the session just did to a file of the worktree, which was `before`."""
        session.edit(self.wait(minutes=1), before, self.worktree[number])
