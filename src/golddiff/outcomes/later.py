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
problem when identifying fix-inducing changes", 2021). A file that is renamed in between is looked for under its new
name.

How it fits: `gold` reads the accepted state after these steps; what changes later than the follow-ups is survival.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from golddiff import patch
from golddiff.git import FileChange, GitRepository
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
"""`renamed`: gave a file the name under which a later commit corrected it."""
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
        steps += _follow_ups(history, chosen, written, taken | {step.sha for step in steps}, follow_up)
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
        if sha in known or not any(file.added for file in commit.files):
            continue
        count = sum(
            _added_inside(git, change, lines.get(change.old_path, frozenset()))
            for _, changes in git.changes([sha])
            for change in changes
        )
        if count and _descends(history, commit, chosen[-1]):
            found[sha] = count
    return found


def _added_inside(git: GitRepository, change: FileChange, mine: AbstractSet[int]) -> int:
    """Significant lines in insertions that stand between two of `mine`; lines that say nothing are looked over."""
    if not mine or not change.hunks:
        return 0
    old = [key(line) for line in patch.split((git.blob(change.old_blob) or b"").decode("utf-8", "replace"))]
    count = 0
    for hunk in change.hunks:
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


def _reverts(history: History, link: Candidate) -> list[Step]:
    """Reverts of one commit and of its reverts, in turn."""
    first = last = history.commits[link.sha]
    brought_by = {link.sha} | _merges_of(history, link)
    steps: list[Step] = []
    for commit in _later(history, link, _paths(first)):
        said = any(sha.startswith(name) for name in _REVERTS.findall(commit.facts.message) for sha in brought_by)
        reverted = bool(steps) and steps[-1].kind == "reverted"
        silent = commit.facts.committed_at - last.facts.committed_at <= SILENT_REVERT and _opposite(last, commit)
        share = _undone_share(last, commit) if said or reverted else 0.0
        if (silent or (share >= (_SAID if said else _AGAIN))) and _descends(history, commit, link):
            kind: Kind = "restored" if reverted else "reverted"
            steps.append(Step(commit.facts.sha, kind, link.sha, frozenset(_paths(commit))))
            last = commit
            brought_by = {commit.facts.sha} if kind == "reverted" else {link.sha, commit.facts.sha}
    return steps


def _later(history: History, link: Candidate, paths: Iterable[str]) -> list[CommitLines]:
    """Commits that change one of `paths` and may come after the link (see `_descends`), oldest first."""
    here = history.position[link.sha]
    shas = {sha for path in paths for sha in history.by_path.get(path, ()) if history.position[sha] < here}
    if link.on_default_branch:
        shas &= history.default_commits
    return [history.commits[sha] for sha in sorted(shas, key=lambda sha: -history.position[sha])]


def _descends(history: History, commit: CommitLines, link: Candidate) -> bool:
    return link.sha in history.ancestors(commit.facts.sha, {link.sha})


def _merges_of(history: History, link: Candidate) -> set[str]:
    """Merges on the default branch that brought the commit there."""
    named = {
        name
        for path in _paths(history.commits[link.sha])
        for sha in history.by_path.get(path, ())
        for name in _REVERTS.findall(history.commits[sha].facts.message)
    }
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
    for commit, lines, renames in _soon_after(history, chosen, written, within):
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
            steps |= dict.fromkeys(step for path in sorted(paths) for step in renames.get(path, ()))
            steps[Step(commit.facts.sha, "fixed", newest.sha, frozenset(paths))] = None
    return list(steps)


def _soon_after(
    history: History, chosen: Sequence[Candidate], written: _Lines, within: timedelta
) -> Iterator[tuple[CommitLines, _Lines, Mapping[str, tuple[Step, ...]]]]:
    """Commits that change a file of the linked ones and come at most `within` after the last, oldest first.

    With each the session's lines by the names that files had before it, and of every file that was renamed since then
    the commits that did it. Whether a commit descends from the last linked one is for the caller to ask.
    """
    newest = chosen[-1]
    until = history.commits[newest.sha].facts.committed_at + within
    names = {path for link in chosen for path in _paths(history.commits[link.sha])}
    while True:
        commits = [commit for commit in _later(history, newest, names) if commit.facts.committed_at <= until]
        new = {file.change.path for commit in commits for file in commit.files if _renames(file, names)} - names
        if not new:
            break
        names |= new
    lines = dict(written)
    renames: dict[str, tuple[Step, ...]] = {}
    for commit in commits:
        yield commit, lines, renames
        for file in commit.files:
            if _renames(file, lines) and _descends(history, commit, newest):
                old, new_name = file.change.old_path, file.change.path
                lines[new_name] = lines[old] | lines.get(new_name, frozenset())
                step = Step(commit.facts.sha, "renamed", newest.sha, frozenset((old, new_name)))
                renames[new_name] = (*renames.get(old, ()), step)


def _renames(file: FileLines, names: Container[str]) -> bool:
    return file.change.status == "R" and file.change.old_path in names


def _paths(commit: CommitLines) -> set[str]:
    return {path for file in commit.files for path in (file.change.path, file.change.old_path)}


def _opposite(earlier: CommitLines, later: CommitLines) -> bool:
    """Whether a commit does exactly the opposite of another, and nothing besides."""
    return len(earlier.files) == len(later.files) and all(
        any(_is_opposite(file, other) for other in later.files) for file in earlier.files
    )


def _is_opposite(file: FileLines, other: FileLines) -> bool:
    if file.change.path != other.change.old_path:
        return False
    if (file.change.old_blob, file.change.new_blob) == (other.change.new_blob, other.change.old_blob):
        return True
    return bool(file.added or file.removed) and (file.added, file.removed) == (other.removed, other.added)


def _undone_share(earlier: CommitLines, later: CommitLines) -> float:
    """Share of what one commit added and removed that a later one takes back in the same files."""
    by_path = {file.change.old_path: file for file in later.files} | {file.change.path: file for file in later.files}
    back = total = 0
    for file in earlier.files:
        other = by_path.get(file.change.path) or by_path.get(file.change.old_path)
        total += len(file.added) + len(file.removed)
        if other is not None:
            back += len(file.added & other.removed) + len(file.removed & other.added)
    return back / total if total else 0.0
