"""The gold diff: base → finally accepted state, limited to what the session is responsible for.

Of the linked commits one line of history is taken: those on the default branch if there are any, else the most
certain one with its relatives. The base is the parent of the oldest of them, the accepted state of each file is what
the newest of them that changed it left, or of the commits that reverted, restored or corrected them (`later`). The
difference of the two is cut into blocks, and a block is the session's if at least half of its significant new lines
are lines that the session wrote (exactly, or revised from one that is no longer there; lines that the block only
re-indents are not new), or, where nothing was added, removed. Blocks of punctuation next to one of the session's
belong to it; of a pure insertion only the runs that are the session's. Lines that a formatter broke or joined are
still the session's, and so are those that were moved to another file before the commit (`moved`). Everything else is
the user's own and left out.

Every file's patch is applied to its base here and must give the intended text; where it does not, it is left out and
the reason kept. Left out as well: binary files, links, submodules, and files whose bytes are not UTF-8 (`NO_TEXT`).
Lock files, vendored and generated files are no one's writing: they are in no gold diff and their lines are not counted
at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta

from golddiff import patch
from golddiff.git import GitRepository, machine_made
from golddiff.outcomes.history import History, line_hash
from golddiff.outcomes.later import FOLLOW_UP, Step, added_between, later_steps, undone
from golddiff.outcomes.lines import SIMILAR, bare, key, significant, similarity, tells
from golddiff.outcomes.link import Candidate
from golddiff.outcomes.moved import Moved, find_moved, find_renamed
from golddiff.outcomes.replay import Replay

RESPONSIBLE = 0.5
"""Share of a block's lines that must be the session's: the larger part decides whose change it is."""
_NEAR = 3
"""Lines between a block of punctuation and the session's block that it belongs to: the context of a diff."""
_MOST_UNMATCHED = 500
"""Lines of the session that are compared for likeness with what was accepted; a session that has more of them in one
file was rewritten, and its blocks are found by their exact lines."""
_MAX_PAIRS = 40_000
"""Comparisons of lines for likeness per block; beyond it (200 × 200 lines) a block counts as rewritten."""

BINARY, NOT_UTF8, LINK, SUBMODULE, NOT_HERE = "binary", "not UTF-8", "link", "submodule", "not in this clone"
NO_TEXT = frozenset({BINARY, NOT_UTF8, LINK, SUBMODULE, NOT_HERE})
"""Why a file has no lines that could be compared."""
_MODES = {"120000": LINK, "160000": SUBMODULE}

Block = tuple[int, int, int, int]


@dataclass(slots=True)
class FileGold:
    """One file of the gold diff."""

    path: str
    first: str
    """Its name at the base."""
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
    excluded: dict[str, str] = field(default_factory=dict)
    """Path → why none of its lines count: `lock file`, `vendored or built`, `generated`."""
    accepted: dict[str, str | None] = field(default_factory=dict)
    """Accepted text of every path that the linked commits changed, under each name it had."""
    bases: dict[str, str | None] = field(default_factory=dict)
    """Text at the base of every path in `accepted`."""
    unseen: dict[str, str] = field(default_factory=dict)
    """File that was renamed before git first saw it → the name by which the session wrote it."""
    moved: dict[str, Moved] = field(default_factory=dict)
    """Path that the session wrote to → lines of it that were accepted elsewhere."""
    steps: list[Step] = field(default_factory=list)
    """What happened to the linked commits afterwards."""
    beside: dict[str, int] = field(default_factory=dict)
    """Later commit within the follow-up window → lines that it only added between lines of the session."""

    @property
    def no_text(self) -> dict[str, str]:
        """Files that the linked commits changed and that have no lines, with the kind: one of `NO_TEXT`."""
        return {path: why for path, why in self.left_out.items() if why in NO_TEXT}

    @property
    def undone(self) -> dict[str, str]:
        """Linked commits that were reverted and not restored, with the commit that did it."""
        return undone(self.steps)

    @property
    def taken_back(self) -> bool:
        """Whether every linked commit was reverted and not restored."""
        return bool(self.commits) and self.undone.keys() >= {candidate.sha for candidate in self.commits}

    @property
    def diff(self) -> str:
        """The whole gold diff."""
        return "".join(self.files[path].diff for path in sorted(self.files))


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


def find_gold(
    git: GitRepository,
    history: History,
    links: Sequence[Candidate],
    replay: Replay,
    taken: AbstractSet[str] = frozenset(),
    follow_up: timedelta = FOLLOW_UP,
) -> Gold:
    """Cut the gold diff out of the linked commits.

    `taken` are commits that other sessions are linked to; a person's changes of the session's lines within `follow_up`
    after the last linked commit belong to the accepted state.
    """
    gold = Gold(commits=one_line_of_history(links, history), excluded=excluded_files(replay))
    if not gold.commits:
        return gold
    oldest = history.commits[gold.commits[0].sha]
    gold.base = oldest.facts.parents[0] if oldest.facts.parents else None
    wrote: dict[str, list[str]] = defaultdict(list)
    removed: dict[str, set[str]] = defaultdict(set)
    for write in replay.writes:
        wrote[write.path] += [found for found in map(key, write.added) if significant(found)]
        removed[write.path].update(found for found in map(key, write.removed) if significant(found))
    hashes = {path: set(map(line_hash, lines)) for path, lines in wrote.items()}
    gold.unseen = find_renamed((history.commits[link.sha] for link in gold.commits), hashes, history.paths)
    for path, before in gold.unseen.items():
        hashes[path] = hashes.get(path, set()) | hashes[before]
    gold.steps = later_steps(history, gold.commits, hashes, taken, follow_up)
    known = taken | {step.sha for step in gold.steps if step.kind != "renamed"}
    gold.beside = added_between(git, history, gold.commits, hashes, known, follow_up)
    changed = _changed_files(git, history, gold)
    gold.moved = _find_moved(wrote, changed, gold)
    for file in changed:
        names = {file.path, file.first}
        mine = [line for name in names for line in wrote.get(name, ())]
        for found in gold.moved.values():
            if file.path in found.to:
                mine += list(found.lines)
        gone = {line for name in names for line in removed.get(name, ())}
        if mine or gone:
            _cut(gold, file, mine, gone)
    return gold


def excluded_files(replay: Replay) -> dict[str, str]:
    """Files of a session that machines write, with the kind: their lines are no one's."""
    found = {}
    for path, state in replay.files.items():
        why = machine_made.by_name(path) or machine_made.by_mark((state.text or "").encode("utf-8", "surrogatepass"))
        if why:
            found[path] = why
    return found


@dataclass(slots=True)
class _Changed:
    """One file between the base and the accepted state."""

    path: str
    first: str
    """Its name at the base."""
    base: str | None
    accepted: str | None


def _changed_files(git: GitRepository, history: History, gold: Gold) -> list[_Changed]:
    """Files that the linked commits and the steps after them changed; those that cannot be read are left out."""
    only: dict[str, AbstractSet[str] | None] = {}
    for step in gold.steps:
        some = only.get(step.sha, frozenset()) if step.kind in ("fixed", "renamed") else None
        only[step.sha] = None if some is None else some | step.paths
    only |= {candidate.sha: None for candidate in gold.commits}
    ends: dict[str, tuple[str, str, str]] = {}
    """Path now → (path at base, last blob, mode)."""
    for sha in sorted(only, key=lambda sha: -history.position[sha]):
        paths = only[sha]
        for file in history.commits[sha].files:
            change = file.change
            if paths is not None and change.path not in paths:
                continue
            first = ends.pop(change.old_path, (change.old_path, "", ""))[0] if change.status == "R" else None
            at_base = first or ends.get(change.path, (gold.unseen.get(change.path, change.path), "", ""))[0]
            ends[change.path] = (at_base, change.new_blob, change.mode)
    bases = git.files_at(gold.base, [first for first, _, _ in ends.values()]) if gold.base else {}
    found = []
    for path, (first, blob, mode) in ends.items():
        base = _text(git, bases.get(first))
        accepted = _text(git, blob if blob.strip("0") else None)
        unreadable = next((text for text in (accepted, base) if isinstance(text, _Unreadable)), None)
        if unreadable is not None or mode in _MODES:
            gold.left_out[path] = _MODES.get(mode) or (unreadable.why if unreadable else BINARY)
            continue
        assert not isinstance(base, _Unreadable)
        assert not isinstance(accepted, _Unreadable)
        head = (accepted if accepted is not None else base or "").encode("utf-8", "surrogatepass")
        if why := gold.excluded.get(path) or machine_made.by_name(path) or machine_made.by_mark(head):
            gold.excluded |= {path: why, first: why}
            continue
        gold.accepted.update(dict.fromkeys((path, first), accepted))
        gold.bases.update(dict.fromkeys((path, first), base))
        found.append(_Changed(path, first, base, accepted))
    return found


def _find_moved(wrote: Mapping[str, Sequence[str]], changed: Sequence[_Changed], gold: Gold) -> dict[str, Moved]:
    """Lines of the session that its own file lacks in the accepted state and that another one has as new lines."""
    missing: dict[str, list[str]] = {}
    for path, lines in wrote.items():
        there = Counter(map(key, patch.split(gold.accepted.get(path) or "")))
        there.subtract(map(key, patch.split(gold.bases.get(path) or "")))  # what the base had is not the session's
        lost = []
        for line in dict.fromkeys(lines):
            there[line] -= 1
            if there[line] < 0:
                lost.append(line)
        if lost:
            missing[path] = lost
    if not missing:
        return {}
    added = {}
    for file in changed:
        old, new = patch.split(file.base or ""), patch.split(file.accepted or "")
        own = set(wrote.get(file.path, ())) | set(wrote.get(file.first, ()))
        lines = [key(line) for _, _, j1, j2 in patch.blocks(old, new) for line in new[j1:j2]]
        added[file.path] = [line for line in lines if significant(line) and line not in own]
    return find_moved(missing, added)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Bytes that are no text."""

    why: str


def _text(git: GitRepository, blob: str | None) -> str | _Unreadable | None:
    if blob is None:
        return None
    data = git.blob(blob)
    if data is None:
        return _Unreadable(NOT_HERE)
    if b"\0" in data[:8000]:
        return _Unreadable(BINARY)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _Unreadable(NOT_UTF8)


def _cut(gold: Gold, file: _Changed, mine: list[str], gone: set[str]) -> None:
    """Keep the session's blocks of one file."""
    path, first, base, accepted = file.path, file.first, file.base, file.accepted
    old, new = patch.split(base or ""), patch.split(accepted or "")
    chosen = responsible(old, new, mine, gone)
    if not chosen:
        gold.left_out[path] = "no part of its change is the session's" if base != accepted else "nothing of it is left"
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
    gold.files[path] = FileGold(path, first, base, text, accepted, diff)


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
    text = "".join(map(bare, mine))
    accepted = set(map(key, new))
    unmatched = [line for line in dict.fromkeys(mine) if line not in accepted][:_MOST_UNMATCHED]
    chosen: list[Block] = []
    small: list[Block] = []
    for block in patch.blocks(old, new):
        i1, i2, j1, j2 = block
        added = [key(line) for line in new[j1:j2]]
        dropped = [found for found in map(key, old[i1:i2]) if significant(found)]
        telling = [line for line in added if significant(line)]
        hits = _with_reformatted([line in own for line in telling], telling, text)
        hits = [hit or _revised(line, unmatched) for hit, line in zip(hits, telling, strict=True)]
        if not hits:
            share = sum(line in gone for line in dropped) / len(dropped) if dropped else 0.0
            if share >= RESPONSIBLE:
                chosen.append(block)
            elif not dropped:
                small.append(block)
        elif all(hits) or (i1 < i2 and any(hits) and sum(hits) >= RESPONSIBLE * _new(telling, dropped, hits)):
            chosen.append(block)
        elif i1 == i2:
            chosen += _runs(block, added, hits)
    for block in small:
        if any(abs(block[0] - other[1]) <= _NEAR or abs(other[0] - block[1]) <= _NEAR for other in chosen):
            chosen.append(block)
    return sorted(chosen)


def _new(telling: Sequence[str], dropped: Sequence[str], hits: Sequence[bool]) -> int:
    """Lines of a block that are new: the session's, and those that the block did not only re-indent."""
    spare = Counter(dropped)
    new = 0
    for line, hit in zip(telling, hits, strict=True):
        carried = not hit and spare[line] > 0
        spare[line] -= carried
        new += not carried
    return new


def _revised(line: str, unmatched: Sequence[str]) -> bool:
    """Whether a line is a changed form of one that the session wrote and that is not there as it was."""
    return any(similarity(line, other) >= SIMILAR for other in unmatched)


def _with_reformatted(hits: list[bool], lines: list[str], text: str) -> list[bool]:
    """The hits, and runs of other lines that `text` (bare) holds when they are joined: a formatter broke its lines."""
    found = list(hits)
    start = 0
    for index in range(len(lines) + 1):
        if index < len(lines) and not hits[index]:
            continue
        run = lines[start:index]
        if run and tells(run) and "".join(map(bare, run)) in text:
            found[start:index] = [True] * len(run)
        start = index + 1
    return found


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
