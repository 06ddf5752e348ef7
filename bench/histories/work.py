"""What agents and users do to files: the edits that operations are made of."""

from __future__ import annotations

from random import Random

from bench.histories.agent import AgentSession, Writer
from bench.histories.builder import Builder
from bench.histories.content import BOILERPLATE
from bench.histories.trees import File

_DOINGS = ("function", "function", "function", "file", "revise", "remove", "boilerplate")


def turn(builder: Builder, session: AgentSession, rng: Random, doings: tuple[str, ...] = ()) -> None:
    """One attempt of a session: a prompt, some edits, perhaps a test run."""
    session.prompt(builder.wait(minutes=3), "please " + rng.choice(("go on", "add it", "make it work")))
    session.answer(builder.wait(minutes=1))
    for doing in doings or [rng.choice(_DOINGS) for _ in range(rng.randrange(1, 4))]:
        _do(builder, session, rng, doing)
    if rng.random() < 0.3:
        session.command(builder.wait(minutes=1), "python -m pytest -q", "3 passed in 0.10s")


def _do(builder: Builder, session: AgentSession, rng: Random, doing: str) -> None:
    writer = session.writer
    if doing == "file" or not builder.worktree:
        number = builder.add_file(builder.words.path(rng), builder.words.module(rng, rng.randrange(1, 3)), writer)
        builder.agent_edits(session, number, None)
        return
    number = rng.choice(sorted(builder.worktree))
    before = builder.worktree[number]
    if doing == "revise" and (places := [p for p in builder.own_lines(lambda _: True) if p[0] == number]):
        revise(builder, rng, rng.sample(places, min(len(places), rng.randrange(1, 3))), writer)
    elif doing == "remove" and len(before.lines) > 12:
        start = rng.randrange(len(before.lines) - 3)
        builder.splice(number, start, start + rng.randrange(1, 4), (), writer)
    elif doing == "boilerplate":
        boilerplate(builder, rng, number, writer)
    else:
        function(builder, rng, number, writer)
    builder.agent_edits(session, number, before)


def function(builder: Builder, rng: Random, number: int, writer: Writer) -> None:
    """Add a function between two others, or at the end."""
    file = builder.worktree[number]
    builder.splice(number, *_gap(file, rng), builder.lines(builder.words.function(rng), writer), writer)


def boilerplate(builder: Builder, rng: Random, number: int, writer: Writer) -> None:
    """Add a block that others write too."""
    lines = builder.lines(rng.choice(BOILERPLATE), writer)
    builder.splice(number, *_gap(builder.worktree[number], rng), lines, writer)


def _gap(file: File, rng: Random) -> tuple[int, int]:
    """An empty range before some `def` at the margin, or at the end."""
    places = [index for index, line in enumerate(file.lines) if line.text.startswith("def ")] + [len(file.lines)]
    at = rng.choice(places)
    return at, at


def revise(builder: Builder, rng: Random, places: list[tuple[int, int]], writer: Writer) -> None:
    """Change lines a little: each becomes a new line of this writer that is known to revise the old one."""
    for place in places:
        old = builder.line(place)
        lines = builder.lines([builder.words.revised(old.text)], writer, [old.id])
        builder.splice(place[0], place[1], place[1] + 1, lines, writer)


def rewrite(builder: Builder, rng: Random, place: tuple[int, int], writer: Writer) -> int:
    """Replace the lines around a place by other ones; returns the file's number."""
    number, index = place
    size = len(builder.worktree[number].lines)
    start, stop = max(0, index - rng.randrange(3)), min(size, index + rng.randrange(1, 5))
    texts = [builder.words.statement(rng) for _ in range(rng.randrange(2, 5))]
    builder.splice(number, start, stop, builder.lines(texts, writer), writer)
    return number
