"""Which records of a Claude Code session are live: the conversation that its newest record stands on.

Records form a tree by `parentUuid`; taking a prompt back and typing another leaves a dead branch. The tree also
forks without anyone taking anything back: the lines of one message, and the results of tools that ran side by side,
hang next to each other. So a record is live if it is an ancestor of the newest one, shares its message with such a
one, or answers a tool call of such a one.

Where a parent is not in the file (the line was damaged, or the file starts later than the session) the record
before it in the file stands in for it: damage must not throw away what came before.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import msgspec

_NO_PARENT, _LOST = -1, -2


class Node(msgspec.Struct, frozen=True, gc=False):
    """A record's place in the tree."""

    uuid: str | None
    parent: str | None
    speaks: bool = False
    """A user or assistant record of the main conversation, not housekeeping."""
    message_id: str | None = None
    calls: tuple[str, ...] = ()
    """Tool calls that it makes."""
    answers: tuple[str, ...] = ()
    """Tool calls that it brings results of."""


class Tree:
    """The records of one session, by number from 0 as they are added."""

    def __init__(self) -> None:
        self._number_of: dict[str, int] = {}
        self._parents = array("i")
        self._waiting: dict[int, str] = {}
        """Records whose parent did not come before them."""
        self.speaks = bytearray()
        """1 for each record of the main conversation that speaks."""
        self._messages = array("q")
        """Hash of the message that it is a line of, or 0."""
        self._calls = (array("i"), array("q"))
        """Record and hash of each call that one makes."""
        self._answers = (array("i"), array("q"))

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._number_of

    def __len__(self) -> int:
        return len(self.speaks)

    def add(self, node: Node) -> int:
        """Add a record and return its number."""
        number = len(self)
        if node.uuid is not None:
            self._number_of[node.uuid] = number
        parent = _NO_PARENT if node.parent is None else self._number_of.get(node.parent, _LOST)
        if parent == _LOST and node.parent is not None:
            self._waiting[number] = node.parent
        self._parents.append(parent)
        self.speaks.append(node.speaks)
        self._messages.append(hash(node.message_id) or 1 if node.message_id is not None else 0)
        for ids, (records, hashes) in ((node.calls, self._calls), (node.answers, self._answers)):
            for name in ids:
                records.append(number)
                hashes.append(hash(name))
        return number

    def silence(self, number: int) -> None:
        """Say that a record is housekeeping after all; its place stays."""
        self.speaks[number] = False
        self._messages[number] = 0

    def live(self, order: Sequence[int] | None = None) -> bytearray:
        """Return 1 for each speaking record that is live, else 0. Linear in the number of records; ends the tree.

        `order` is the numbers in order of time, where that is not the order in which they were added.
        """
        for number, uuid in self._waiting.items():
            self._parents[number] = self._number_of.get(uuid, _LOST)
        self._number_of.clear()
        speaks, parents, messages = self.speaks, self._parents, self._messages
        before, newest = array("i", [-1]) * len(self), -1
        for number in range(len(self)) if order is None else order:
            before[number] = newest
            if speaks[number]:
                newest = number
        chain, current = bytearray(len(self)), newest
        while current >= 0 and not chain[current]:
            chain[current] = True
            parent = parents[current]
            if parent == _NO_PARENT:
                break
            current = before[current] if parent == _LOST else parent
        said = {message for message, held in zip(messages, chain, strict=True) if held and message}
        live = bytearray(
            spoken and (held or message in said) for spoken, held, message in zip(speaks, chain, messages, strict=True)
        )
        made = {call for number, call in zip(*self._calls, strict=True) if live[number]}
        for number, call in zip(*self._answers, strict=True):
            if call in made and speaks[number]:
                live[number] = True
        return live


def live_records(nodes: Iterable[Node]) -> set[int]:
    """Return the indices of the speaking records that are live, of records that are all at hand."""
    tree = Tree()
    for node in nodes:
        tree.add(node)
    return {number for number, is_live in enumerate(tree.live()) if is_live}
