"""Session events → states of files, line by line with who wrote each line.

Each successful edit of the main agent or a sub-agent is applied in order. Where the transcript holds the whole file
before or after, that wins; where it holds only a replacement or hunks, these are applied to the state known so far,
or to the file at the base commit (`read_base`). An edit that fits nothing leaves the file's state unknown, and only
the lines that the edit itself shows count as written; once a later edit shows the whole file, it is placed there.
A state that the transcript shows and that we did not expect was changed by someone else: by a command of the agent if
one ran since, else by the user; those lines are not the edit tools'. Commands that may have changed files are counted,
their effect is not guessed.

An attempt is the state whenever the agent yields after changing something: the next prompt, a rejection, an
interruption, or the end.

Where snapshots were taken (`looks`), a file that differs while the agent waits for the next prompt from what it was
when the agent yielded was changed by hand: that is the attempt's revision. What differs at the yield itself was changed
by a command of the agent. After the last turn a revision is noted too, and the session's final state stays the agent's.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher
from typing import NamedTuple

from golddiff import patch
from golddiff.outcomes.lines import key, significant, tells
from golddiff.outcomes.looks import Look
from golddiff.types import Clean, Event, EventKind, FileEdit, TestRun

BASE = -1
"""Origin of a line that was there before the session."""
OTHERS = -2
"""Origin of a line that appeared during the session without an edit: the user's, or a command's."""

_WRITING_COMMAND = re.compile(
    r"(^|[\s;&|(])(sed\s+-[a-zA-Z]*i|tee|mv|cp|rm|patch|git\s+(checkout|restore|reset|stash|apply|revert|merge|rebase|"
    r"cherry-pick|pull|rm|mv)|gofmt\s+-\S*w|goimports\s+-\S*w|prettier|biome|black|isort|ruff\s+format)\b"
    r"|--(fix|write)\b|\bfmt\b|[^>0-9&]>>?\s*[\w./~$\"']"
)
_UNDOING_COMMAND = re.compile(
    r"\bgit\s+(checkout\s+(--\s|\.|HEAD)|restore\b|reset\s+--hard|stash\b(?!\s+(pop|list|show)))"
)

Reader = Callable[[str], str | None]
"""Text of a path at the session's base commit; None where it is absent there."""


class Author(NamedTuple):
    """Who wrote with one edit."""

    sequence: int
    model: str | None
    tool: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class State:
    """One file at one moment. `text` None: the file is absent. `known` false: only fragments were seen."""

    known: bool
    lines: tuple[str, ...] | None
    origins: tuple[int, ...] = ()
    """For each line the sequence number of the edit that wrote it, BASE or OTHERS."""

    @property
    def text(self) -> str | None:
        """Whole text, None where the file is absent or unknown."""
        return "".join(self.lines) if self.known and self.lines is not None else None


@dataclass(slots=True)
class Write:
    """Lines that one edit added to and removed from one file, and the whole states where known."""

    path: str
    author: Author
    added: list[str]
    removed: list[str]
    before: str | None = None
    after: str | None = None


@dataclass(slots=True)
class AttemptState:
    """The files whenever the agent yields."""

    first_event: int
    last_event: int
    ended_by: str
    ended_at: datetime | None
    files: dict[str, State]
    tests: tuple[TestRun, ...]
    revision: dict[str, tuple[State, str | None]] | None = None
    """Files that the user changed by hand before the agent went on: the state at the yield and the text after; empty
    where looks show that nothing was, None where none shows these files."""

    @property
    def revised_lines(self) -> int:
        """Lines of the session that the user took out or changed by hand before the agent went on."""
        return sum(_lost(state, text) for state, text in (self.revision or {}).values())


@dataclass(slots=True)
class Replay:
    """All that a session is known to have done to files."""

    base: dict[str, State] = field(default_factory=dict)
    """State of each touched path when the session first touched it."""
    files: dict[str, State] = field(default_factory=dict)
    """State of each touched path at the end."""
    writes: list[Write] = field(default_factory=list)
    fragments: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Lines written to paths whose state is unknown, with the edit's sequence number."""
    attempts: list[AttemptState] = field(default_factory=list)
    authors: dict[int, Author] = field(default_factory=dict)
    writing_commands: int = 0
    undone: bool = False
    """A command of the agent's threw work away (`git checkout -- …`, `git reset --hard`, …) after the last edit."""
    failed_edits: int = 0
    unplaced_edits: int = 0
    """Edits that fit no known state: their lines count, their place is unknown."""
    waiting: dict[str, list[tuple[FileEdit[Clean], Author]]] = field(default_factory=dict)
    """Those edits by path, until an edit shows the whole file: then they are placed in it."""
    user_changes: int = 0
    """Times a file was found changed by the user between two edits."""
    rejections: int = 0
    interruptions: int = 0
    last_signal: str | None = None
    """`rejection` or `interruption` where the session ended with one and no edit followed."""


def replay(
    events: tuple[Event[Clean], ...],
    place: Callable[[str], str | None],
    read_base: Reader | None,
    looks: Sequence[Look] = (),
) -> Replay:
    """Replay one session. `place` turns an edit's path into one of the repository, or None outside it.

    `looks` are at the session's files, in order of time.
    """
    result = Replay()
    ahead = deque(looks)
    model: str | None = None
    start: int | None = None
    dirty = False
    ran_command = False
    prompted = False
    tests: list[TestRun] = []

    def yield_back(event: Event[Clean] | None, reason: str, last: int) -> None:
        nonlocal start, dirty, tests
        if dirty and start is not None:
            at = event.at if event else (events[-1].at if events else None)
            result.attempts.append(AttemptState(start, last, reason, at, dict(result.files), tuple(tests)))
            start, dirty, tests = None, False, []

    def looks_until(at: datetime | None) -> list[Look]:
        return [ahead.popleft() for _ in range(sum(at is not None and look.at <= at for look in ahead))]

    for event in events:
        here = looks_until(event.at)
        if event.kind is not EventKind.PROMPT or event.agent is not None:
            for look in here:  # while the agent worked: whose change it is cannot be told
                _absorb(result, look)
        if event.model is not None:
            model = event.model
        if event.kind is EventKind.PROMPT and event.agent is None:
            if here and (here[0].cause == "yield" or ran_command):
                _absorb(result, here[0])
            yield_back(event, "prompt", event.sequence - 1)
            _revise(result, here)
            for look in here:
                _absorb(result, look)
            ran_command, prompted = False, True
            start = event.sequence
        elif event.kind in (EventKind.REJECTION, EventKind.INTERRUPTION):
            result.last_signal = event.kind.value
            result.rejections += event.kind is EventKind.REJECTION
            result.interruptions += event.kind is EventKind.INTERRUPTION
            yield_back(event, event.kind.value, event.sequence)
        elif event.kind is EventKind.COMMAND:
            if event.tests is not None:
                tests.append(event.tests)
            if event.command and not event.is_error and _WRITING_COMMAND.search(event.command):
                ran_command = True
                result.writing_commands += 1
            if event.command and not event.is_error and result.writes and _UNDOING_COMMAND.search(event.command):
                result.undone = True
        elif event.kind is EventKind.EDIT and event.edit is not None:
            start = event.sequence if start is None else start
            if event.is_error or not event.edit.success:
                result.failed_edits += 1
                continue
            author = Author(event.sequence, event.model or model, event.tool, event.at)
            if _apply(result, event.edit, author, place, read_base, "command" if ran_command else "user"):
                dirty = True
                result.undone, result.last_signal = False, None
                ran_command = ran_command and not prompted
    files = dict(result.files)
    if ahead and (ahead[0].cause == "yield" or ran_command):
        _absorb(result, ahead[0])
        files, result.files = result.files, files
    yield_back(None, "end", events[-1].sequence if events else 0)
    _revise(result, list(ahead), files)
    return result


def _absorb(result: Replay, look: Look) -> None:
    """Take what a look shows for the state of the files: lines that are new to us are others'."""
    for path, text in look.texts.items():
        state = result.files.get(path)
        if state is not None and state.known and state.text != text:
            result.files[path] = State(True, None) if text is None else _advance(state, text, OTHERS)


def _revise(result: Replay, looks: Sequence[Look], files: dict[str, State] | None = None) -> None:
    """Note at the last attempt what the looks since the agent yielded show changed; `files` is the state then."""
    if not looks or not result.attempts:
        return
    attempt = result.attempts[-1]
    foreign = frozenset[str]().union(*(look.others for look in looks))
    seen: dict[str, str | None] = {}
    for look in looks:
        seen |= look.texts
    for path, text in seen.items():
        state = (files or result.files).get(path)
        if path in foreign or state is None or not state.known:
            continue
        attempt.revision = attempt.revision or {}
        before = attempt.revision.get(path, (state, None))[0]
        if _same_text(before.text, text):
            attempt.revision.pop(path, None)  # changed and changed back
        else:
            attempt.revision[path] = (before, text)
            result.user_changes += 1


def _same_text(a: str | None, b: str | None) -> bool:
    """Whether two texts are one, line ends and a missing last one aside: transcripts differ in those."""
    return a == b or (a is not None and b is not None and a.splitlines() == b.splitlines())


def _lost(state: State, text: str | None) -> int:
    """Significant lines of the session in `state` that `text` does not hold in their place."""
    old = [key(line) for line in state.lines or ()]
    new = [key(line) for line in patch.split(text or "")]
    return sum(
        state.origins[index] >= 0 and significant(old[index])
        for i1, i2, _, _ in patch.blocks(old, new)
        for index in range(i1, i2)
    )


def _apply(
    result: Replay,
    edit: FileEdit[Clean],
    author: Author,
    place: Callable[[str], str | None],
    read_base: Reader | None,
    changed_by: str,
) -> bool:
    """Apply one edit; returns whether it lies in the repository."""
    path = place(edit.path)
    if path is None:
        return False
    result.authors[author.sequence] = author
    current = result.files.get(path)
    if current is None:
        current = _first_state(edit, path, read_base)
        result.base[path] = current
    if edit.before is not None and not _same(current, edit.before):
        if current.known and current.lines is not None:
            current = _advance(current, edit.before, OTHERS)
            result.user_changes += changed_by == "user"
        else:
            current = _place_waiting(result, path, edit.before)
    elif edit.operation == "create" and edit.before is None and current.known and current.lines is not None:
        pass  # a whole-file write over a file that we know: an update
    target = (place(edit.new_path) or path) if edit.operation == "move" and edit.new_path is not None else path
    if target != path and path in result.fragments:
        result.fragments.setdefault(target, []).extend(result.fragments.pop(path))
    before = current.text
    after, written = _result(edit, current)
    state = State(True, None) if edit.operation == "delete" else current
    if edit.operation != "delete":
        if after is None:
            state = State(False, None)
            result.unplaced_edits += 1
            if target == path:
                result.waiting.setdefault(path, []).append((edit, author))
            result.fragments.setdefault(target, []).extend((line, author.sequence) for line in written[0])
        else:
            state = _advance(current, after, author.sequence)
    if edit.operation == "move" and edit.new_path is not None:
        result.files[path] = State(True, None)
        result.base.setdefault(target, State(True, None))
    result.files[target] = state
    if current.known and state.known:
        added, removed = _difference(current, state)
    else:
        added, removed = written
    result.writes.append(Write(target, author, added, removed, before, state.text))
    return True


def _place_waiting(result: Replay, path: str, text: str) -> State:
    """The state of a file that is shown whole for the first time, after edits that had no known place in it.

    Where they can be taken back from the text one by one, what is left is the base. Where not, their lines are found
    by themselves, and the base stays unknown.
    """
    edits = result.waiting.pop(path, [])
    before: str | None = text
    for edit, _ in reversed(edits):
        before = _taken_back(edit, before) if before is not None else None
    if before is not None:
        state = State(True, *_fresh(before, BASE))
        placed = state
        for edit, author in edits:
            after = _result(edit, placed)[0]
            if after is None:
                break
            placed = _advance(placed, after, author.sequence)
        if placed.text == text:
            result.base[path] = state
            result.unplaced_edits -= len(edits)
            return placed
    lines, origins = _fresh(text, BASE)
    found = list(origins)
    written = result.fragments.get(path, [])
    matcher = SequenceMatcher(None, [line for line, _ in written], lines, autojunk=False)
    for start, at, size in matcher.get_matching_blocks():
        if tells(key(line) for line, _ in written[start : start + size]):
            found[at : at + size] = [origin for _, origin in written[start : start + size]]
    return State(True, lines, tuple(found))


def _taken_back(edit: FileEdit[Clean], text: str) -> str | None:
    """The text before an edit; None where the edit does not show for certain what that was."""
    if edit.hunks is not None and not edit.replacements:
        signs = {"+": "-", "-": "+", " ": " "}
        try:
            hunks = patch.parse_hunks(edit.hunks)
            return patch.apply_hunks(
                (patch.Hunk(None, tuple((signs[sign], line) for sign, line in hunk.lines)) for hunk in hunks), text
            )
        except patch.PatchError:
            return None
    for step in reversed(edit.replacements):
        if step.every or not step.old or not step.new or text.count(step.new) != 1:
            return None
        text = text.replace(step.new, step.old)
    return text if edit.replacements else None


def _first_state(edit: FileEdit[Clean], path: str, read_base: Reader | None) -> State:
    """State of a path before the session's first edit of it."""
    if edit.before is not None:
        return State(True, *_fresh(edit.before, BASE))
    if edit.operation == "create":
        text = read_base(path) if read_base else None
        return State(True, *_fresh(text, BASE)) if text is not None else State(True, None)
    if read_base is not None:
        text = read_base(path)
        if text is not None:
            return State(True, *_fresh(text, BASE))
    return State(False, None)


def _fresh(text: str, origin: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    lines = tuple(patch.split(text))
    return lines, (origin,) * len(lines)


def _same(state: State, text: str) -> bool:
    return state.known and (state.text or "") == text


def _result(edit: FileEdit[Clean], current: State) -> tuple[str | None, tuple[list[str], list[str]]]:
    """Text after the edit (None: it cannot be placed), and the lines that the edit itself shows added and removed."""
    added: list[str] = []
    removed: list[str] = []
    for step in edit.replacements:
        old, new = patch.split(step.old), patch.split(step.new)
        for i1, i2, j1, j2 in patch.blocks([key(line) for line in old], [key(line) for line in new]):
            removed += old[i1:i2]
            added += new[j1:j2]
    hunks: tuple[patch.Hunk, ...] = ()
    if edit.hunks is not None:
        try:
            hunks = patch.parse_hunks(edit.hunks)
        except patch.PatchError:
            hunks = ()
        if not edit.replacements:
            added += [text for hunk in hunks for sign, text in hunk.lines if sign == "+"]
            removed += [text for hunk in hunks for sign, text in hunk.lines if sign == "-"]
    if edit.after is not None:
        if not added and not removed:
            added = patch.split(edit.after)
        return edit.after, (added, removed)
    text = current.text
    if text is None and edit.operation == "create" and current.known:
        text = ""
    try:
        if text is not None and edit.replacements:
            for step in edit.replacements:
                text = patch.replace(text, step.old, step.new, every=step.every) if step.old else text + step.new
            return text, (added, removed)
        if text is not None and hunks:
            return patch.apply_hunks(hunks, text), (added, removed)
    except patch.PatchError:
        return None, (added, removed)
    if text is not None and edit.operation == "move":
        return text, (added, removed)
    return None, (added, removed)


def _advance(state: State, text: str, origin: int) -> State:
    """The state after `text` replaced it: lines that stay keep their origin, also where only white space changed."""
    old = state.lines or ()
    new = patch.split(text)
    origins: list[int] = []
    at = 0
    for i1, i2, j1, j2 in patch.blocks(old, new):
        origins += state.origins[at:i1]
        old_keys = [key(line) for line in old[i1:i2]]
        new_keys = [key(line) for line in new[j1:j2]]
        inner: list[int] = [origin] * (j2 - j1)
        cursor_a = cursor_b = 0
        for a1, a2, _b1, b2 in [*patch.blocks(old_keys, new_keys), (len(old_keys), 0, len(new_keys), 0)]:
            for offset in range(a1 - cursor_a):  # only white space differs here
                inner[cursor_b + offset] = state.origins[i1 + cursor_a + offset]
            cursor_a, cursor_b = a2, b2
        origins += inner
        at = i2
    origins += state.origins[at:]
    return State(True, tuple(new), tuple(origins))


def _difference(old: State, new: State) -> tuple[list[str], list[str]]:
    old_lines, new_lines = old.lines or (), new.lines or ()
    added: list[str] = []
    removed: list[str] = []
    for i1, i2, j1, j2 in patch.blocks(old_lines, new_lines):
        removed += old_lines[i1:i2]
        added += new_lines[j1:j2]
    return added, removed
