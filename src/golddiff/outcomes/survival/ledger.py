"""`Ledger`: every line that was ever committed, by number: where it was born, when it reached the mainline, its end.

A line's number never changes; files are arrays of numbers. Lines that one hunk adds are numbered in a row and form a
block, so what they share (commit, path, first line) is kept once: a line costs 12 bytes, whether it lives or not.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

Numbers: TypeAlias = "array[int]"
"""Line numbers in the order of a file's lines; shared between states, so never changed in place."""

NEVER = -1
"""In place of a mainline position: not reached, not ended."""
JOINED = 1 << 31
"""Numbers from here on stand for several lines that were joined into one."""


@dataclass(slots=True)
class Ledger:
    """Lines by number. Positions on the mainline count its commits from 0, oldest first."""

    length: Numbers = field(default_factory=lambda: array("I"))
    """Characters of each line when it was written, without its line end; 0: it is blank."""
    reached: Numbers = field(default_factory=lambda: array("i"))
    """Mainline position of the commit that brought it in."""
    ended: Numbers = field(default_factory=lambda: array("i"))
    """Mainline position of the first commit without it."""
    block_first: Numbers = field(default_factory=lambda: array("I"))
    """Number of the first line of each block."""
    block_commit: Numbers = field(default_factory=lambda: array("I"))
    """Position in the list of commits of the one that wrote the block."""
    block_path: Numbers = field(default_factory=lambda: array("I"))
    """Index in `paths` of the file that it was written to."""
    block_line: Numbers = field(default_factory=lambda: array("I"))
    """Its first line there, from 0."""
    joins: list[tuple[int, ...]] = field(default_factory=list)
    """Lines that later stood in one line: number `JOINED + n` of a file stands for all of `joins[n]`."""
    broken: set[int] = field(default_factory=set)
    """Lines that stood in several lines at some time."""
    paths: list[bytes] = field(default_factory=list)
    """Paths that lines were written to, as git quotes them (from a kept pass: decoded and redacted)."""
    path_numbers: dict[bytes, int] = field(default_factory=dict)
    """Index of each of `paths`."""

    def write(self, commit: int, path: bytes, line: int, lengths: Iterable[int]) -> Numbers:
        """Number the lines that a commit adds at `line` of `path`."""
        first = len(self.length)
        self.length.extend(lengths)
        count = len(self.length) - first
        self.block_first.append(first)
        self.block_commit.append(commit)
        if path not in self.path_numbers:
            self.path_numbers[path] = len(self.paths)
            self.paths.append(path)
        self.block_path.append(self.path_numbers[path])
        self.block_line.append(line)
        nothing = array("i", [NEVER]) * count
        self.reached.extend(nothing)
        self.ended.extend(nothing)
        return array("I", range(first, first + count))

    def copy(self, numbers: Numbers) -> Numbers:
        """Number lines anew that were copied: their origin stays, their life is their own."""
        out = array("I")
        for block, first, count in self.runs(numbers):
            line = self.block_line[block] + first - self.block_first[block]
            lengths = self.length[first : first + count]
            out += self.write(self.block_commit[block], self.paths[self.block_path[block]], line, lengths)
        return out

    def runs(self, numbers: Numbers) -> Iterator[tuple[int, int, int]]:
        """(block, first, count) of numbers that follow each other in one block."""
        for first, count in runs(array("I", (self.lines_of(number)[0] for number in numbers))):
            while count:
                block = self.block_of(first)
                stop = self.block_first[block + 1] if block + 1 < len(self.block_first) else len(self.length)
                taken = min(count, stop - first)
                yield block, first, taken
                first, count = first + taken, count - taken

    def joined(self, numbers: Iterable[int]) -> int:
        """The number of a line that goes on with all of `numbers`."""
        members = tuple(dict.fromkeys(line for number in numbers for line in self.lines_of(number)))
        if len(members) == 1:
            return members[0]
        self.joins.append(members)
        return JOINED + len(self.joins) - 1

    def lines_of(self, number: int) -> tuple[int, ...]:
        """The lines that a number of a file stands for."""
        return (number,) if number < JOINED else self.joins[number - JOINED]

    def block_of(self, number: int) -> int:
        """The block that a line (of joined ones the first) was written in."""
        return bisect_right(self.block_first, self.lines_of(number)[0]) - 1

    def settle(self, gone: Iterable[int], came: Iterable[int], position: int, kept: Iterable[Numbers] = ()) -> None:
        """The mainline commit at `position` no longer has the lines `gone` and has `came`; those in both stay.

        `kept` are the changed files as they are now: a line that was broken into several ends with the last of them.
        A line that comes back, as merges can bring it, goes on with its life.
        """
        reached, ended = self.reached, self.ended
        old, new = self._members(gone), self._members(came)
        lost = old - new
        if suspects := lost & self.broken:
            lost -= suspects & self._members(chain.from_iterable(kept))
        for number in lost:
            ended[number] = position
        for number in new - old:
            if reached[number] == NEVER:
                reached[number] = position
            ended[number] = NEVER

    def _members(self, numbers: Iterable[int]) -> set[int]:
        found = set(numbers)
        if self.joins:
            for number in [number for number in found if number >= JOINED]:
                found.remove(number)
                found.update(self.joins[number - JOINED])
        return found


def runs(numbers: Numbers) -> Iterator[tuple[int, int]]:
    """(first, count) of numbers that follow each other."""
    if not numbers:
        return
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last - first + 1
            first = number
        last = number
    yield first, last - first + 1
