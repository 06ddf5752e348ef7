"""Changes that end no line's life: renames, moved blocks, white space, wrapped lines.

All are made by a user in the worktree, and committed by whatever commits next, so they come before and after the
commit that holds a session's work.
"""

from __future__ import annotations

from random import Random

from bench.histories.agent import USER, Writer
from bench.histories.builder import Builder
from bench.histories.content import wrapped
from bench.histories.trees import File, Line


def of_session(writer: Writer) -> bool:
    """Whether a session wrote it."""
    return writer.kind == "session"


def _target(builder: Builder, rng: Random) -> tuple[int, int] | None:
    """A place, preferably one that a session wrote."""
    places = builder.own_lines(of_session, pending=True) or builder.own_lines(lambda _: True)
    return rng.choice(places) if places else None


def _around(file: File, index: int, rng: Random) -> tuple[int, int]:
    """The block around a line: from its `def` to the next, or some lines of it."""
    starts = [i for i, line in enumerate(file.lines) if line.text.startswith(("def ", "class "))]
    start = max((i for i in starts if i <= index), default=index)
    stop = min((i for i in starts if i > index), default=len(file.lines))
    return (start, stop) if stop - start < 25 else (index, min(index + rng.randrange(1, 6), len(file.lines)))


def rename_file(builder: Builder, rng: Random) -> None:
    """Give a file another name."""
    if place := _target(builder, rng):
        file = builder.worktree[place[0]]
        folder, _, name = file.path.rpartition("/")
        path = rng.choice((f"{folder}/new_{name}", f"lib/{name}"))
        if path not in {other.path for other in builder.worktree.values()}:
            builder.put({place[0]: file._replace(path=path)}, USER)


def move_within(builder: Builder, rng: Random) -> None:
    """Move a block to another place of its file."""
    if place := _target(builder, rng):
        file = builder.worktree[place[0]]
        start, stop = _around(file, place[1], rng)
        rest = file.lines[:start] + file.lines[stop:]
        gaps = [i for i, line in enumerate(rest) if line.text.startswith("def ") and i != start] or [len(rest)]
        at = rng.choice(gaps)
        builder.put({place[0]: file._replace(lines=rest[:at] + file.lines[start:stop] + rest[at:])}, USER)


def move_across(builder: Builder, rng: Random) -> None:
    """Move a block to another file."""
    place = _target(builder, rng)
    others = [number for number in sorted(builder.worktree) if place and number != place[0]]
    if place and others:
        source, target = builder.worktree[place[0]], rng.choice(others)
        start, stop = _around(source, place[1], rng)
        goal = builder.worktree[target]
        at = rng.choice([i for i, line in enumerate(goal.lines) if line.text.startswith("def ")] or [len(goal.lines)])
        builder.put(
            {
                place[0]: source._replace(lines=source.lines[:start] + source.lines[stop:]),
                target: goal._replace(lines=goal.lines[:at] + source.lines[start:stop] + goal.lines[at:]),
            },
            USER,
        )


def indent(builder: Builder, rng: Random) -> None:
    """Indent a block further."""
    if place := _target(builder, rng):
        file = builder.worktree[place[0]]
        start, stop = _around(file, place[1], rng)
        inner = tuple(line._replace(text="    " + line.text) if line.text else line for line in file.lines[start:stop])
        builder.put({place[0]: file._replace(lines=file.lines[:start] + inner + file.lines[stop:])}, USER)


def line_ends(builder: Builder, rng: Random) -> None:
    """Change a file's line ends, to `\\r\\n` or back."""
    if place := _target(builder, rng):
        file = builder.worktree[place[0]]
        ending = "" if any(line.text.endswith("\r") for line in file.lines) else "\r"
        lines = tuple(line._replace(text=line.text.rstrip("\r") + ending) for line in file.lines)
        builder.put({place[0]: file._replace(lines=lines)}, USER)


def wrap_lines(builder: Builder, rng: Random) -> None:
    """Break long lines of a file into several, token for token."""
    if place := _target(builder, rng):
        file = builder.worktree[place[0]]
        lines: list[Line] = []
        for index, line in enumerate(file.lines):
            texts = wrapped(line.text) if not line.part and (index == place[1] or rng.random() < 0.3) else None
            if texts is None:
                lines.append(line)
            else:
                lines += [Line(line.id, text, part + 1) for part, text in enumerate(texts)]
        builder.put({place[0]: file._replace(lines=tuple(lines))}, USER)
