"""What a later session did once more: then the earlier one's had been gone, and what a commit holds is the later one's.

Work is refused, thrown away, and asked for again; the next session often writes the same lines word for word. It could
add a line only where the file lacked it, remove one only where it was back, and leave a state only that it had not
found. So in one folder a commit after that holds the later session's work, and shows nothing of the earlier one.

Left alone: sessions in other folders (attempts side by side, of which one is taken), lines that the later session took
out elsewhere (it moved them), and whatever is less than `SKEW` apart (one edit that two transcripts hold).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from golddiff.outcomes.history import SKEW
from golddiff.outcomes.written import Written

KeyT = TypeVar("KeyT")


def note_again(works: Sequence[Written]) -> None:
    """Fill in `Written.again` of every session from the others that worked in its folder."""
    folders: dict[str, list[Written]] = defaultdict(list)
    for work in works:
        if work.session.cwd is not None:
            folders[work.session.cwd].append(work)
    for together in folders.values():
        if len(together) > 1:
            _added(together)
            for work, left in zip(together, _later([one.left_at for one in together]), strict=True):
                work.again.left = left
            for work, removed in zip(together, _later([one.removed_at for one in together]), strict=True):
                work.again.removed = removed


def _added(works: Sequence[Written]) -> None:
    """Lines that a later session added to a file, whichever file the earlier one had written them to."""
    anew: dict[int, list[tuple[str, datetime, Written]]] = defaultdict(list)
    for work in works:
        moved = {line for _, line in work.removed}
        for (path, line), at in work.added_at.items():
            if line not in moved:
                anew[line].append((path, at, work))
    for work in works:
        last: dict[int, datetime] = {}
        for (_, line), first in work.added.items():
            if first is not None:
                last[line] = max(first, last.get(line, first))
        for (_, line), at in work.added_at.items():
            if line in last:
                last[line] = max(at, last[line])
        for line, mine in last.items():
            for path, at, other in anew.get(line, ()):
                if other is not work and at > mine + SKEW:
                    known = work.again.added.get((path, line))
                    work.again.added[path, line] = at if known is None else min(at, known)


def _later(times: Sequence[dict[KeyT, datetime]]) -> Iterable[dict[KeyT, datetime]]:
    """For each table the entries that another table has later, with the earliest such time."""
    every: dict[KeyT, list[datetime]] = defaultdict(list)
    for table in times:
        for key, at in table.items():
            every[key].append(at)
    for table in times:
        found = {key: [at for at in every[key] if at > mine + SKEW] for key, mine in table.items()}
        yield {key: min(later) for key, later in found.items() if later}
