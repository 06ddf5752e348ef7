"""`Life`: lines that were written together, reached the mainline together and ended together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from golddiff.git.parsing import path_text
from golddiff.outcomes.survival.forward import Followed
from golddiff.outcomes.survival.ledger import NEVER


@dataclass(frozen=True, slots=True)
class Life:
    """Lines that follow each other in the commit that wrote them, with one and the same life on the mainline."""

    path: str
    """File that they were written to, below the repository."""
    first_line: int
    """First of them in that commit's file, from 1."""
    lines: int
    """How many."""
    characters: int
    """Characters, without line ends and the white space before them."""
    born: str
    """Full SHA of the commit that wrote them."""
    born_at: datetime
    """UTC, committer date."""
    reached: str
    """Full SHA of the mainline commit that brought them in: the same, or the merge."""
    reached_at: datetime
    """UTC, committer date."""
    ended_by: str | None
    """Full SHA of the first mainline commit without them; None: alive at the tip (right-censored)."""
    ended_at: datetime | None
    """UTC, committer date."""
    commits: int
    """Mainline commits after `reached` that still had them."""


def lives(followed: Followed) -> Iterator[Life]:
    """Yield the life of every line that reached the mainline, in the order of writing.

    A line of a branch that was rewritten before the merge never reached it and is in no life.
    """
    ledger, commits, mainline = followed.ledger, followed.commits, followed.mainline
    paths = [path_text(path) for path in ledger.paths]
    starts = [*ledger.block_first, len(ledger.length)]
    for block, first in enumerate(ledger.block_first):
        stop = starts[block + 1]
        at = first
        while at < stop:
            reached, ended = ledger.reached[at], ledger.ended[at]
            last = at + 1
            while last < stop and ledger.reached[last] == reached and ledger.ended[last] == ended:
                last += 1
            if reached != NEVER:
                born, came = commits[ledger.block_commit[block]], commits[mainline[reached]]
                gone = commits[mainline[ended]] if ended != NEVER else None
                yield Life(
                    path=paths[ledger.block_path[block]],
                    first_line=ledger.block_line[block] + at - first + 1,
                    lines=last - at,
                    characters=sum(ledger.length[at:last]),
                    born=born.sha,
                    born_at=moment(born.committed_at),
                    reached=came.sha,
                    reached_at=moment(came.committed_at),
                    ended_by=gone.sha if gone else None,
                    ended_at=moment(gone.committed_at) if gone else None,
                    commits=(ended if gone else len(mainline)) - reached - 1,
                )
            at = last


def moment(seconds: int) -> datetime:
    """Seconds since the epoch as UTC; the ends of the calendar where they are beyond it."""
    return datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), UTC)
