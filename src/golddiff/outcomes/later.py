"""What happened to linked commits afterwards: reverted, applied again, corrected by hand soon after.

A commit is reverted by a later one on the same line of history that undoes it: one that says so (`This reverts commit
…`, of the commit itself or of the merge that brought it) and takes out at least half of what it did, or one that says
nothing and does exactly the opposite within `SILENT_REVERT`. A message alone is not believed, and code that is deleted
much later without a word is not reverted, it was kept for a time. What was reverted is applied again by a commit that
reverts the revert, or that brings back nearly all of it. The last step decides.

A follow-up is a commit of no known session, within a stated time of the last linked commit, that takes out or changes
lines of the session's: a revision by the user. One that only adds lines is none: every line of the session is as it
was, and the added ones are the user's own. Where it adds them between lines of the session it is counted and told
(`added_between`), since it may have been a fix; whose change a pure addition corrects is not in the history. Lines
that a fix removed or changed are what the field goes by (Śliwerski, Zimmermann and Zeller, "When do changes induce
fixes?", 2005); that fixes by addition alone cannot be traced so is known (Rezk, Kamei and McIntosh, "The ghost commit
problem when identifying fix-inducing changes", 2021).

A file that is renamed is looked for under its new name, by reverts and by follow-ups. Not followed: a rename on a
branch that was begun before the linked commit and merged after it.

How it fits: `gold` reads the accepted state after these steps; what changes later than the follow-ups is survival.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from golddiff import patch
from golddiff.git import GitRepository
from golddiff.outcomes.history import CommitLines, FileLines, History, line_hash
from golddiff.outcomes.lines import key, significant
from golddiff.outcomes.link import Candidate

FOLLOW_UP = timedelta(days=7)
"""How long after the last linked commit a change of the session's lines counts as a revision: the first horizon of the
survival curve, which tells of what changes later. Set by argument."""
SILENT_REVERT = timedelta(days=30)
"""Until when the exact opposite of a commit is a revert although it does not say so; deleted later, the code has served
its time. Twice the time after which absence counts as not kept (`judge.SETTLED`). Set by argument."""
_SAID = 0.5
"""Share of a commit that one must undo that names it: others may have changed the rest since."""
_AGAIN = 0.9
"""Share of what was reverted that must come back where the commit does not say that it reverts the revert."""
_REVERTS = re.compile(r"[Tt]his reverts commit ([0-9a-f]{7,64})")

Kind = Literal["reverted", "restored", "renamed", "fixed"]
"""`renamed`: gave a file the name under which a later commit reverted, restored or corrected it."""
_Lines = Mapping[str, AbstractSet[int]]
"""Path → the session's lines there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One later commit that decides what became of linked ones."""

    sha: str
    kind: Kind
    of: str
    """The linked commit."""
    paths: frozenset[str]
    """Files of it that count, under their new and old names."""


def later_steps(
    history: History,
    chosen: Sequence[Candidate],
    written: _Lines,
    taken: AbstractSet[str] = frozenset(),
    follow_up: timedelta = FOLLOW_UP,
) -> list[Step]:
    """Steps after the linked commits `chosen` (one line of history), oldest first.

    `written` are the session's lines by path, `taken` the commits that other sessions are linked to: those are no
    follow-ups by the user. A `follow_up` of no length leaves follow-ups out.
    """
    steps = [step for link in chosen for step in _reverts(history, link)]
    if chosen and follow_up:
        known = taken | {step.sha for step in steps if step.kind != "renamed"}
        steps += _follow_ups(history, chosen, written, known, follow_up)
    return sorted(steps, key=lambda step: -history.position[step.sha])


def added_between(
    git: GitRepository,
    history: History,
    chosen: Sequence[Candidate],
    written: _Lines,
    known: AbstractSet[str],
    within: timedelta,
) -> dict[str, int]:
    """Commit → significant lines that it added between two lines of the session, and changed none of those.

    Looked at are commits within `within` after the last linked one that are not among `known`.
    """
    if not chosen or not within:
        return {}
    known = known | {link.sha for link in chosen}
    found = {}
    for commit, lines, _ in _soon_after(history, chosen, written, within):
        sha = commit.facts.sha
        if sha in known:
            continue
        count = sum(_added_inside(git, file, lines.get(file.change.old_path, frozenset())) for file in commit.files)
        if count and _descends(history, commit, chosen[-1]):
            found[sha] = count
    return found


def _added_inside(git: GitRepository, file: FileLines, mine: AbstractSet[int]) -> int:
    """Significant lines in insertions that stand between two of `mine`; lines that say nothing are looked over."""
    if not mine or not file.added:
        return 0
    old = [key(line) for line in patch.split((git.blob(file.change.old_blob) or b"").decode("utf-8", "replace"))]
    count = 0
    for hunk in file.change.hunks:
        if hunk.removed:
            continue
        above = next(filter(significant, reversed(old[: hunk.old_start])), "")
        below = next(filter(significant, old[hunk.old_start :]), "")
        if line_hash(above) in mine and line_hash(below) in mine:
            count += sum(significant(key(line)) for line in hunk.added)
    return count


def undone(steps: Iterable[Step]) -> dict[str, str]:
    """Linked commits whose last step is a revert, with the commit that reverted them."""
    found: dict[str, str] = {}
    for step in steps:
        if step.kind == "reverted":
            found[step.of] = step.sha
        elif step.kind == "restored":
            found.pop(step.of, None)
    return found


class _Names:
    """The names that files get after the linked commits, and the commits that give them."""

    def __init__(self, linked: Sequence[Candidate], paths: Iterable[str]) -> None:
        self._linked = {link.sha for link in linked}
        self._of = linked[-1].sha
        self._names: dict[str, tuple[str, ...]] = {path: (path,) for path in paths}
        self._steps: dict[str, tuple[Step, ...]] = {}

    def of(self, path: str) -> tuple[str, ...]:
        """All names that a file had, in order; the first one stands for it under every other."""
        return self._names.get(path) or (path,)

    def steps(self, paths: Iterable[str]) -> dict[Step, None]:
        """The commits that gave files these names, oldest first."""
        return dict.fromkeys(step for path in sorted(paths) for step in self._steps.get(path, ()))

    def changed_by(self, commit: CommitLines) -> bool:
        """Whether a commit renames one of the files."""
        return any(_renames(file, self._names) for file in commit.files)

    def add(self, commit: CommitLines) -> None:
        """Take in what a commit renames; where it is a linked one, that is no step of its own."""
        pairs = [(file.change.old_path, file.change.path) for file in commit.files if _renames(file, self._names)]
        steps = {new: self._steps.get(old, ()) for old, new in pairs}
        if commit.facts.sha not in self._linked:
            for old, new in pairs:
                steps[new] += (Step(commit.facts.sha, "renamed", self._of, frozenset((old, new))),)
        self._steps |= steps
        self._names |= {new: (*self._names[old], new) for old, new in pairs}


def _reverts(history: History, link: Candidate) -> list[Step]:
    """Reverts of one commit and of its reverts, in turn."""
    first = last = history.commits[link.sha]
    commits = _later(history, link, _paths(first))
    brought_by = {link.sha} | _merges_of(history, link, commits)
    steps: dict[Step, None] = {}
    reverted = False
    for commit, names in _with_names(history, [link], commits, _paths(first)):
        said = any(sha.startswith(name) for name in _REVERTS.findall(commit.facts.message) for sha in brought_by)
        soon = commit.facts.committed_at - last.facts.committed_at <= SILENT_REVERT
        silent = soon and _opposite(last, commit, names)
        share = _undone_share(last, commit, names) if said or reverted else 0.0
        if (silent or (share >= (_SAID if said else _AGAIN))) and _descends(history, commit, link):
            kind: Kind = "restored" if reverted else "reverted"
            steps |= names.steps(_paths(commit))
            steps[Step(commit.facts.sha, kind, link.sha, frozenset(_paths(commit)))] = None
            last, reverted = commit, not reverted
            brought_by = {commit.facts.sha} if reverted else {link.sha, commit.facts.sha}
    return list(steps)


def _later(
    history: History, link: Candidate, paths: AbstractSet[str], until: datetime | None = None
) -> list[CommitLines]:
    """Commits that change one of `paths`, under any name that it gets, and may come after the link, oldest first.

    Whether they do is asked with `_descends`.
    """
    here = history.position[link.sha]
    found: set[str] = set()
    names: set[str] = set()
    new = set(paths)
    while new:
        names |= new
        shas = {sha for path in new for sha in history.by_path.get(path, ()) if history.position[sha] < here}
        if link.on_default_branch:
            shas &= history.default_commits
        if until is not None:
            shas = {sha for sha in shas if history.commits[sha].facts.committed_at <= until}
        found |= shas
        new = {file.change.path for sha in shas for file in history.commits[sha].files if _renames(file, names)} - names
    return [history.commits[sha] for sha in sorted(found, key=lambda sha: -history.position[sha])]


def _with_names(
    history: History, linked: Sequence[Candidate], commits: Iterable[CommitLines], paths: Iterable[str]
) -> Iterator[tuple[CommitLines, _Names]]:
    """Each of `commits` (see `_later`) with the names that the files `paths` had got before it."""
    oldest = linked[0]
    names = _Names(linked, paths)
    names.add(history.commits[oldest.sha])
    for commit in commits:
        yield commit, names
        if names.changed_by(commit) and _descends(history, commit, oldest):
            names.add(commit)


def _descends(history: History, commit: CommitLines, link: Candidate) -> bool:
    return link.sha in history.ancestors(commit.facts.sha, {link.sha})


def _merges_of(history: History, link: Candidate, commits: Iterable[CommitLines]) -> set[str]:
    """Merges on the default branch that brought the commit there, of those that `commits` name."""
    named = {name for commit in commits for name in _REVERTS.findall(commit.facts.message)}
    return {
        name
        for name in named
        if len(parents := history.graph.get(name, ())) > 1
        and link.sha in history.ancestors(name, {link.sha})
        and link.sha != parents[0]
        and link.sha not in history.ancestors(parents[0], {link.sha})
    }


def _follow_ups(
    history: History,
    chosen: Sequence[Candidate],
    written: _Lines,
    taken: AbstractSet[str],
    within: timedelta,
) -> list[Step]:
    newest = chosen[-1]
    known = taken | {link.sha for link in chosen}
    steps: dict[Step, None] = {}
    for commit, lines, names in _soon_after(history, chosen, written, within):
        if commit.facts.sha in known:
            continue
        gone = {line for file in commit.files for line in file.removed & lines.get(file.change.old_path, frozenset())}
        paths = {
            name
            for file in commit.files
            for name in (file.change.path, file.change.old_path)
            if gone & (file.removed | file.added)  # the lines may have gone to another file
        }
        if paths and _descends(history, commit, newest):
            steps |= names.steps(paths)
            steps[Step(commit.facts.sha, "fixed", newest.sha, frozenset(paths))] = None
    return list(steps)


def _soon_after(
    history: History, chosen: Sequence[Candidate], written: _Lines, within: timedelta
) -> Iterator[tuple[CommitLines, _Lines, _Names]]:
    """Commits that change a file of the linked ones and come at most `within` after the last, oldest first.

    With each the session's lines by the names that its files had before it. Whether a commit descends from the last
    linked one is for the caller to ask.
    """
    newest = chosen[-1]
    until = history.commits[newest.sha].facts.committed_at + within
    paths = {path for link in chosen for path in _paths(history.commits[link.sha])}
    commits = _later(history, chosen[0], paths, until)
    for commit, names in _with_names(history, chosen, commits, paths | written.keys()):
        if history.position[commit.facts.sha] < history.position[newest.sha]:
            before = {file.change.old_path for file in commit.files}
            yield commit, {path: _union(written, names.of(path)) for path in before}, names


def _union(lines: _Lines, paths: Iterable[str]) -> AbstractSet[int]:
    return frozenset(line for path in paths for line in lines.get(path, ()))


def _renames(file: FileLines, names: Container[str]) -> bool:
    return file.change.status == "R" and file.change.old_path in names


def _paths(commit: CommitLines) -> set[str]:
    return {path for file in commit.files for path in (file.change.path, file.change.old_path)}


def _opposite(earlier: CommitLines, later: CommitLines, names: _Names) -> bool:
    """Whether a commit does exactly the opposite of another, and nothing besides."""
    return len(earlier.files) == len(later.files) and all(
        any(_is_opposite(file, other, names) for other in later.files) for file in earlier.files
    )


def _is_opposite(file: FileLines, other: FileLines, names: _Names) -> bool:
    did, does = file.change, other.change
    if names.of(did.path)[0] != names.of(does.old_path)[0]:
        return False
    if (did.old_blob, did.new_blob) == (does.new_blob, does.old_blob):
        return did.old_blob != did.new_blob or did.old_path == does.path  # another rename takes none back
    return bool(file.added or file.removed) and (file.added, file.removed) == (other.removed, other.added)


def _undone_share(earlier: CommitLines, later: CommitLines, names: _Names) -> float:
    """Share of what one commit added and removed that a later one takes back in the same files."""
    added: dict[str, set[int]] = defaultdict(set)
    removed: dict[str, set[int]] = defaultdict(set)
    for file in later.files:
        for name in {names.of(file.change.path)[0], names.of(file.change.old_path)[0]}:
            added[name] |= file.added
            removed[name] |= file.removed
    back = total = 0
    for file in earlier.files:
        name = names.of(file.change.path)[0]
        total += len(file.added) + len(file.removed)
        back += len(file.added & removed[name]) + len(file.removed & added[name])
    return back / total if total else 0.0
