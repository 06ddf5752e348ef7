"""Which records of a Claude Code session are live: the conversation that its newest record stands on.

Records form a tree by `parentUuid`; taking a prompt back and typing another leaves a dead branch. The tree also
forks without anyone taking anything back: the lines of one message, and the results of tools that ran side by side,
hang next to each other. So a record is live if it is an ancestor of the newest one, shares its message with such a
one, or answers a tool call of such a one.

Where a parent is not in the file (the line was damaged, or the file starts later than the session) the record
before it in the file stands in for it: damage must not throw away what came before.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec


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


def live_records(nodes: Sequence[Node]) -> set[int]:
    """Return the indices of the speaking records that are live. Linear in the number of records."""
    spoken = [index for index, node in enumerate(nodes) if node.speaks]
    if not spoken:
        return set()
    index_of = {node.uuid: index for index, node in enumerate(nodes) if node.uuid is not None}
    chain: set[int] = set()
    current: int | None = spoken[-1]
    while current is not None and current not in chain:
        chain.add(current)
        parent = nodes[current].parent
        if parent is None:
            break
        before = bisect_left(spoken, current)
        current = index_of.get(parent, spoken[before - 1] if before else None)
    messages = {nodes[index].message_id for index in chain} - {None}
    calls: set[str] = set()
    for index in spoken:
        if index in chain or nodes[index].message_id in messages:
            calls.update(nodes[index].calls)
    return {
        index
        for index in spoken
        if index in chain
        or (nodes[index].message_id is not None and nodes[index].message_id in messages)
        or not calls.isdisjoint(nodes[index].answers)
    }
