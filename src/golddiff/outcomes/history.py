"""A repository's history as the linker needs it: what each commit added and removed, and how rare each line is.

One pass over `GitRepository.changes` keeps a line only as the hash of its key, counts in how many distinct patches
each was added (rebased, cherry-picked and squashed copies of one patch count once), and indexes the lines that some
session wrote. Commits are kept whole only from the first session on; older ones count for rarity.

Left out: branches that share no history with the default branch (stored checkpoints, published pages: nothing is
accepted there), stashes and notes; merge commits (they add nothing of their own here); submodules; and files that a
commit changes by more than MAX_LINES lines (generated and data files, which no one reads).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from golddiff.git import CommitFacts, FileChange, GitRepository
from golddiff.outcomes.lines import fingerprint, key, significant

MAX_LINES = 20_000
"""Added lines of one file in one commit beyond which the file is not indexed."""
MAX_COMMITS = 50_000
"""Newest commits that are read; older ones change rarity little."""
SKEW = timedelta(minutes=2)
"""Clocks of one machine and of git's whole seconds agree within this."""
_IGNORED_REFS = ("refs/stash", "refs/notes/")


_ELSEWHERE = (0.01, 0.004, 0.001, 0.0004)
"""Share of a repository's patches that add a line which another one adds, for keys of less than `_LENGTHS` characters
and for longer ones: about what click, marshmallow, sqlite-utils and Entire's cli show (1,151 to 2,248 and 709 patches;
0.008-0.04, 0.001-0.006, 0.0005-0.002, 0.0001-0.0005)."""
_LENGTHS = (16, 30, 50)
_PRIOR_PATCHES = 100
"""Patches that those shares weigh as much as: a repository's own history counts for more when it has more. Without
them no line could be rare in a repository of two commits."""
_CLASS_BITS = 2
_KNOWN_LINES = 1 << 16
"""Lines whose hash is remembered: most lines of a history were there before, or come back (agentv: 85 of 100)."""


def line_hash(line_key: str) -> int:
    """Hash of a key, the same where only quotes and the last comma differ; within this process only, 64 bits.

    The lowest bits say how long the key is: which of `_ELSEWHERE` is its own.
    """
    found = fingerprint(line_key)
    return hash(found) >> _CLASS_BITS << _CLASS_BITS | bisect_right(_LENGTHS, len(found))


@dataclass(slots=True)
class FileLines:
    """Hashes of the significant lines that a commit added to and removed from one file."""

    change: FileChange
    added: frozenset[int]
    removed: frozenset[int]


@dataclass(slots=True)
class CommitLines:
    """One commit that may hold a session's work."""

    facts: CommitFacts
    on_default_branch: bool
    files: list[FileLines]
    cut_off: bool = False
    """Its parents are not here (a shallow clone): what it changed is unknown, and all its files look new."""


@dataclass(slots=True)
class History:
    """What was committed, and how rare each line is."""

    graph: dict[str, tuple[str, ...]]
    default_branch: str | None
    default_commits: set[str]
    paths: set[str]
    """Every path that was ever committed."""
    position: dict[str, int] = field(default_factory=dict)
    """Rank of every commit in topological order, newest first."""
    commits: dict[str, CommitLines] = field(default_factory=dict)
    """Those with changes since the first session; merges have none."""
    frequency: Counter[int] = field(default_factory=Counter)
    """Distinct patches that added each line."""
    patches: int = 0
    by_line: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    by_removed: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    by_blob: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Commits whose change results in this blob."""
    by_path: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Commits that change a path, under its old and its new name; newest first."""
    last_commit_at: datetime | None = None
    cut_off_at: datetime | None = None
    """Where the history begins in the middle, as in a shallow clone: nothing is known of what came before."""

    def weight(self, line: int, others: Mapping[int, int], sessions: int) -> float:
        """Rarity of a line in nats: minus the log of the share of patches and other sessions that hold it.

        What other repositories show of lines as long as this one counts like `_PRIOR_PATCHES` patches, but makes no
        line rarer than it is here without the one patch that may be the work itself.
        """
        seen = self.frequency.get(line, 0) + others.get(line, 0)
        usual = _PRIOR_PATCHES * _ELSEWHERE[line & ((1 << _CLASS_BITS) - 1)]
        rarity = math.log((self.patches + sessions + 1 + _PRIOR_PATCHES) / (seen + 1 + usual))
        if seen > 1:
            rarity = min(rarity, math.log((self.patches + sessions) / (seen - 1)))
        return max(0.0, rarity)

    def ancestors(self, sha: str, within: set[str]) -> set[str]:
        """Those of `within` that are ancestors of `sha`."""
        oldest = max((self.position[other] for other in within), default=-1)
        found: set[str] = set()
        seen = {sha}
        stack = list(self.graph.get(sha, ()))
        while stack:
            commit = stack.pop()
            if commit in seen:
                continue
            seen.add(commit)
            if commit in within:
                found.add(commit)
            if self.position.get(commit, oldest) < oldest:  # parents come after children in this order
                stack += self.graph.get(commit, ())
        return found


def accepted_graph(git: GitRepository) -> tuple[dict[str, tuple[str, ...]], tuple[str, str] | None]:
    """Commits that are connected to the default branch, newest first, and the default branch."""
    default = git.default_branch()
    if default is None:
        return {}, None
    tips = [sha for name, sha in git.refs().items() if not name.startswith(_IGNORED_REFS)]
    graph = git.graph(dict.fromkeys([default[1], *tips]))
    roots = {sha for sha, parents in git.graph([default[1]]).items() if not parents}
    related: set[str] = set()
    for sha in reversed(graph):
        if sha in roots or any(parent in related for parent in graph[sha]):
            related.add(sha)
    return {sha: parents for sha, parents in graph.items() if sha in related}, default


def read_history(
    git: GitRepository,
    wanted: set[int],
    wanted_removed: set[int],
    since: datetime | None,
    progress: Callable[[str], None] | None = None,
) -> History:
    """Read the history once. Lines in `wanted` are indexed in commits from `since` on."""
    graph, default = accepted_graph(git)
    default_commits = set(git.graph([default[1]])) if default else set()
    history = History(graph, default[0] if default else None, default_commits, set())
    shas = list(graph)[:MAX_COMMITS]
    facts = {commit.sha: commit for commit in git.commits(shas)}
    if facts:
        history.last_commit_at = max(commit.committed_at for commit in facts.values())
    cut_off = {sha for sha, commit in facts.items() if commit.parents and not graph[sha]}
    history.cut_off_at = max((facts[sha].committed_at for sha in cut_off), default=None)
    start = since - SKEW if since else None
    history.position = {sha: index for index, sha in enumerate(graph)}
    # Before the first session the default branch alone tells how rare a line is.
    shas = [s for s in shas if s in default_commits or start is None or (s in facts and facts[s].committed_at >= start)]
    seen: set[int] = set()
    if progress:
        progress(f"reading {len(shas):,} commits")
    for sha, changes in git.changes(shas):
        commit = facts.get(sha)
        if commit is None:
            continue
        files = [_file_lines(change) for change in changes if change.mode != "160000"]
        history.paths.update(change.path for change in changes)
        history.paths.update(change.old_path for change in changes)
        added = {line for file in files for line in file.added}
        fingerprint = hash(frozenset(added))
        if added and fingerprint not in seen:
            seen.add(fingerprint)
            history.patches += 1
            history.frequency.update(added)
        if start is not None and commit.committed_at >= start:
            history.commits[sha] = CommitLines(commit, sha in default_commits, files, sha in cut_off)
            for line in added & wanted:
                history.by_line[line].append(sha)
            for line in {line for file in files for line in file.removed} & wanted_removed:
                history.by_removed[line].append(sha)
            for file in files:
                history.by_blob[file.change.new_blob].append(sha)
                for path in {file.change.path, file.change.old_path}:
                    history.by_path[path].append(sha)
    return history


def _file_lines(change: FileChange) -> FileLines:
    size = sum(len(hunk.added) + len(hunk.removed) for hunk in change.hunks)
    if size > MAX_LINES:
        return FileLines(change, frozenset(), frozenset())
    added = _hashes(line for hunk in change.hunks for line in hunk.added)
    removed = _hashes(line for hunk in change.hunks for line in hunk.removed)
    return FileLines(change, added, removed)


def _hashes(lines: Iterable[str]) -> frozenset[int]:
    return frozenset(filter(None, map(_hash_of, lines)))


@lru_cache(_KNOWN_LINES)
def _hash_of(line: str) -> int:
    """`line_hash` of a line as it stands; 0 where it says nothing."""
    found = key(line)
    return line_hash(found) if significant(found) else 0
