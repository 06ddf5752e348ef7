"""The gold diff: base → finally accepted state, limited to what the session is responsible for; and line fates.

Of the linked commits one line of history is taken: those on the default branch if there are any, else the most
certain one with its relatives. The base is the parent of the oldest of them, the accepted state of each file is what
the newest of them that changed it left. The difference of the two is cut into blocks, and a block is the session's if
at least half of its significant lines are lines that the session wrote (exactly, or revised from one that is no longer
there), or, where nothing was added, removed. Blocks of punctuation next to one of the session's belong to it; of a
pure insertion only the runs that are the session's. Everything else is the user's own and left out.

Every file's patch is applied to its base here and must give the intended text; where it does not, it is left out and
the reason kept. Left out as well: binary files, links, submodules, and files whose bytes are not UTF-8.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from golddiff import patch
from golddiff.git import GitRepository
from golddiff.outcomes.history import History
from golddiff.outcomes.lines import SIMILAR, key, significant, similarity
from golddiff.outcomes.link import Candidate
from golddiff.outcomes.replay import Replay
from golddiff.types import LineFate

RESPONSIBLE = 0.5
"""Share of a block's lines that must be the session's: the larger part decides whose change it is."""
_NEAR = 3
"""Lines between a block of punctuation and the session's block that it belongs to: the context of a diff."""
_MOST_UNMATCHED = 500
"""Lines of the session that are compared for likeness with what was accepted; a session that has more of them in one
file was rewritten, and its blocks are found by their exact lines."""
_MAX_PAIRS = 40_000
"""Comparisons of lines for likeness per block; beyond it (200 × 200 lines) a block counts as rewritten."""

Block = tuple[int, int, int, int]


@dataclass(slots=True)
class FileGold:
    """One file of the gold diff."""

    path: str
    base: str | None
    gold: str | None
    """Base with only the session's blocks applied."""
    accepted: str | None
    """The file as the last linked commit left it."""
    diff: str


@dataclass(slots=True)
class Gold:
    """What was accepted of a session."""

    base: str | None = None
    commits: tuple[Candidate, ...] = ()
    """The linked commits that it was read from, oldest first."""
    files: dict[str, FileGold] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Path → why it is not in the gold diff."""
    accepted: dict[str, str | None] = field(default_factory=dict)
    """Accepted text of every path that the linked commits changed, under each name it had."""

    @property
    def diff(self) -> str:
        """The whole gold diff."""
        return "".join(self.files[path].diff for path in sorted(self.files))


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one line that the session wrote."""

    path: str
    number: int
    """Line in the session's final state of the file, from 1; 0 where that is unknown."""
    text: str
    origin: int
    fate: LineFate
    reason: str | None


def one_line_of_history(links: Sequence[Candidate], history: History) -> tuple[Candidate, ...]:
    """The linked commits to read the accepted state from, oldest first."""
    if not links:
        return ()
    chosen = [item for item in links if item.on_default_branch]
    if not chosen:
        best = max(links, key=lambda item: (item.confidence, item.session_share))
        every = {item.sha for item in links}
        before = history.ancestors(best.sha, every)
        chosen = [
            item
            for item in links
            if item.sha == best.sha or item.sha in before or best.sha in history.ancestors(item.sha, {best.sha})
        ]
    return tuple(sorted(chosen, key=lambda item: -history.position[item.sha]))


def find_gold(git: GitRepository, history: History, links: Sequence[Candidate], replay: Replay) -> Gold:
    """Cut the gold diff out of the linked commits."""
    gold = Gold(commits=one_line_of_history(links, history))
    if not gold.commits:
        return gold
    oldest = history.commits[gold.commits[0].sha]
    gold.base = oldest.facts.parents[0] if oldest.facts.parents else None
    wrote: dict[str, list[str]] = defaultdict(list)
    removed: dict[str, set[str]] = defaultdict(set)
    for write in replay.writes:
        wrote[write.path] += [found for found in map(key, write.added) if significant(found)]
        removed[write.path].update(found for found in map(key, write.removed) if significant(found))
    ends: dict[str, tuple[str, str, str]] = {}
    """Path now → (path at base, last blob, mode)."""
    for candidate in gold.commits:
        for file in history.commits[candidate.sha].files:
            change = file.change
            first = ends.pop(change.old_path, (change.old_path, "", ""))[0] if change.status == "R" else None
            at_base = first or ends.get(change.path, (change.path, "", ""))[0]
            ends[change.path] = (at_base, change.new_blob, change.mode)
    bases = git.files_at(gold.base, [first for first, _, _ in ends.values()]) if gold.base else {}
    for path, (first, blob, mode) in ends.items():
        names = {path, first}
        base = _text(git, bases.get(first))
        accepted = _text(git, blob if blob.strip("0") else None)
        if isinstance(base, _Unreadable) or isinstance(accepted, _Unreadable) or mode in ("120000", "160000"):
            gold.left_out[path] = "a link or submodule" if mode in ("120000", "160000") else "not UTF-8 text"
            continue
        gold.accepted.update(dict.fromkeys(names, accepted))
        mine = [line for name in names for line in wrote.get(name, ())]
        gone = {line for name in names for line in removed.get(name, ())}
        if not mine and not gone:
            continue
        _cut(gold, path, first, base, accepted, mine, gone)
    return gold


class _Unreadable:
    """Marks bytes that are no text."""


def _text(git: GitRepository, blob: str | None) -> str | _Unreadable | None:
    if blob is None:
        return None
    data = git.blob(blob)
    if data is None or b"\0" in data[:8000]:
        return _Unreadable()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _Unreadable()


def _cut(
    gold: Gold, path: str, first: str, base: str | None, accepted: str | None, mine: list[str], gone: set[str]
) -> None:
    """Keep the session's blocks of one file."""
    old, new = patch.split(base or ""), patch.split(accepted or "")
    chosen = responsible(old, new, mine, gone)
    if not chosen:
        gold.left_out[path] = "no part of its change is the session's"
        return
    out: list[str] = []
    at = 0
    for i1, i2, j1, j2 in chosen:
        out += old[at:i1] + new[j1:j2]
        at = i2
    out += old[at:]
    whole = sum(j2 - j1 for _, _, j1, j2 in chosen) == len(new) and base is None
    text: str | None = "".join(out)
    if accepted is None and not text:
        text = None
    if first != path and base is not None:
        # A renamed file: told as the old one deleted and the new one created, which every tool can apply.
        diff = patch.render(first, base, None) + patch.render(path, None, text)
    else:
        diff = patch.render(path, base, accepted if whole else text)
    if not diff or not applies(diff, {first: base, **({path: None} if first != path else {})}, {path: text}):
        gold.left_out[path] = "its patch does not apply to the base"
        return
    gold.files[path] = FileGold(path, base, text, accepted, diff)


def applies(diff: str, base: dict[str, str | None], expected: dict[str, str | None]) -> bool:
    """Whether a diff applies strictly to `base` and gives `expected`."""
    try:
        result = dict(base)
        for file in patch.parse(diff):
            name = file.new_path or file.old_path
            if name is None or name not in base:
                return False
            result[name] = patch.apply(file, result[name])
    except patch.PatchError:
        return False
    return all(result.get(path) == text for path, text in expected.items())


def responsible(old: Sequence[str], new: Sequence[str], mine: Sequence[str], gone: set[str]) -> list[Block]:
    """Blocks of the change from `old` to `new` that are the session's. Lines of `mine` and `gone` are keys."""
    own = set(mine)
    accepted = set(map(key, new))
    unmatched = [line for line in dict.fromkeys(mine) if line not in accepted][:_MOST_UNMATCHED]
    chosen: list[Block] = []
    small: list[Block] = []
    for block in patch.blocks(old, new):
        i1, i2, j1, j2 = block
        added = [key(line) for line in new[j1:j2]]
        dropped = [found for found in map(key, old[i1:i2]) if significant(found)]
        hits = [line in own or _revised(line, unmatched) for line in added if significant(line)]
        if not hits:
            share = sum(line in gone for line in dropped) / len(dropped) if dropped else 0.0
            if share >= RESPONSIBLE:
                chosen.append(block)
            elif not dropped:
                small.append(block)
        elif all(hits) or (i1 < i2 and sum(hits) >= RESPONSIBLE * len(hits)):
            chosen.append(block)
        elif i1 == i2:
            chosen += _runs(block, added, hits)
    for block in small:
        if any(abs(block[0] - other[1]) <= _NEAR or abs(other[0] - block[1]) <= _NEAR for other in chosen):
            chosen.append(block)
    return sorted(chosen)


def _revised(line: str, unmatched: Sequence[str]) -> bool:
    """Whether a line is a changed form of one that the session wrote and that is not there as it was."""
    return any(similarity(line, other) >= SIMILAR for other in unmatched)


def _runs(block: Block, added: list[str], hits: list[bool]) -> list[Block]:
    """Runs of the session's lines in an insertion that is not all its own, with the punctuation in and after them."""
    i1, _, j1, _ = block
    runs: list[Block] = []
    start: int | None = None
    mine = iter(hits)
    for index, line in enumerate(added):
        if significant(line):
            if next(mine):
                start = index if start is None else start
            elif start is not None:
                runs.append((i1, i1, j1 + start, j1 + index))
                start = None
    if start is not None:
        runs.append((i1, i1, j1 + start, j1 + len(added)))
    return runs


# ------------------------------------------------------------------------------------------------------ line fates


def line_fates(replay: Replay, gold: Gold) -> list[LineOutcome]:
    """What became of every non-blank line that the session wrote and that is in its final state."""
    out: list[LineOutcome] = []
    for path, state in replay.files.items():
        if state.known and state.lines is not None:
            written = [index for index, origin in enumerate(state.origins) if origin >= 0 and key(state.lines[index])]
            if not written:
                continue
            fates, reason = _compare(state.lines, written, path, gold)
            out += [
                LineOutcome(path, index + 1, state.lines[index], state.origins[index], fates[index], reason)
                for index in written
            ]
        elif not state.known:
            lines = [(text, origin) for text, origin in replay.fragments.get(path, ()) if key(text)]
            texts = [text for text, _ in lines]
            fates, reason = _compare(texts, list(range(len(texts))), path, gold)
            out += [
                LineOutcome(path, 0, text, origin, fates[index], reason) for index, (text, origin) in enumerate(lines)
            ]
    return out


def _compare(lines: Sequence[str], written: list[int], path: str, gold: Gold) -> tuple[dict[int, LineFate], str | None]:
    if path not in gold.accepted:
        reason = gold.left_out.get(path, "the file is in no linked commit")
        return dict.fromkeys(written, LineFate.DROPPED), reason
    accepted = gold.accepted[path]
    if accepted is None:
        return dict.fromkeys(written, LineFate.DROPPED), "the file was deleted"
    ours = [key(line) for line in lines]
    theirs = [key(line) for line in patch.split(accepted)]
    fates = dict.fromkeys(written, LineFate.KEPT)
    mine = set(written)
    spare: dict[str, int] = defaultdict(int)
    changed: list[tuple[list[int], list[str]]] = []
    for i1, i2, j1, j2 in patch.blocks(ours, theirs):
        changed.append(([index for index in range(i1, i2) if index in mine], theirs[j1:j2]))
        for line in theirs[j1:j2]:
            spare[line] += 1
    for indices, candidates in changed:
        left = []
        for index in indices:
            if significant(ours[index]) and spare[ours[index]] > 0:  # moved
                spare[ours[index]] -= 1
            else:
                left.append(index)
        open_lines = [line for line in candidates if significant(line)]
        for index in left:
            fates[index] = LineFate.DROPPED
            if not significant(ours[index]) or len(left) * len(open_lines) > _MAX_PAIRS:
                continue
            best = max(open_lines, key=lambda line: similarity(ours[index], line), default="")
            if best and similarity(ours[index], best) >= SIMILAR:
                open_lines.remove(best)
                fates[index] = LineFate.REVISED
    return fates, None
