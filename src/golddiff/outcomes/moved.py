"""Lines of a session that were accepted in another file than it wrote them to: renamed before the commit, or moved.

A file that git never saw under the name that the session wrote it by was renamed before git first saw it, if a linked
commit makes another file whose lines are the session's by half (git's own measure of a rename). Of the rest a run of
its lines counts as moved where the session's own file no longer holds them and another file of the linked
commits has them as new lines, in the same order, at least two lines and as many letters and digits as git asks of
moved text (git-diff, `--color-moved=blocks`). Where one run went, single lines that are there as well went too.
Whether the commits are the session's at all is for `link` to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from golddiff.outcomes.history import CommitLines
from golddiff.outcomes.lines import tells

_LEAST_LINES = 2
"""One line, an import say, is easily written twice."""
_MOST_LINES = 5_000
"""Lines compared per pair of files; the time is the square of it where everything differs."""


@dataclass(slots=True)
class Moved:
    """Where the lines of one file went."""

    lines: Counter[str] = field(default_factory=Counter)
    """Keys found elsewhere, as often as they were found."""
    to: set[str] = field(default_factory=set)
    """Files that hold them now."""


def find_renamed(
    commits: Iterable[CommitLines], written: Mapping[str, AbstractSet[int]], seen: Container[str]
) -> dict[str, str]:
    """Files that `commits` make → the names, not in `seen`, by which the session wrote them. Lines are hashes."""
    made = [file for commit in commits for file in commit.files if file.change.status == "A" and file.added]
    found: dict[str, str] = {}
    for path, lines in written.items():
        if path not in seen:
            best = max(made, key=lambda file: len(file.added & lines), default=None)
            if best is not None and 2 * len(best.added & lines) >= len(best.added):
                found.setdefault(best.change.path, path)
    return found


def find_moved(missing: Mapping[str, Sequence[str]], added: Mapping[str, Sequence[str]]) -> dict[str, Moved]:
    """Match `missing` (path → the session's keys that its own file lacks) with `added` (path → new keys there)."""
    found: dict[str, Moved] = {}
    sets = {path: set(lines) for path, lines in added.items()}
    for path, lines in missing.items():
        left = list(lines[:_MOST_LINES])
        ranked = sorted(sets, key=lambda other: -len(sets[other].intersection(left)))
        for other in ranked:
            if other == path or len(sets[other].intersection(left)) < _LEAST_LINES:
                continue
            gone: set[int] = set()
            spare = Counter(added[other])
            matcher = SequenceMatcher(None, left, added[other][:_MOST_LINES], autojunk=False)
            for start, _, size in matcher.get_matching_blocks():
                run = left[start : start + size]
                if size >= _LEAST_LINES and tells(run):
                    entry = found.setdefault(path, Moved())
                    entry.lines.update(run)
                    entry.to.add(other)
                    gone.update(range(start, start + size))
                    spare.subtract(run)
            for index, line in enumerate(left):
                if gone and index not in gone and spare[line] > 0:
                    found[path].lines[line] += 1
                    spare[line] -= 1
                    gone.add(index)
            left = [line for index, line in enumerate(left) if index not in gone]
    return found
