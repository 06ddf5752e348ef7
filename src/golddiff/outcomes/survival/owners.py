"""One owner for every line: where two sessions wrote the same text, whose is the line that stands there?

Text alone cannot say whose `return None` it is that stands between the work of two sessions in one commit. The line
goes to the session whose nearest line that is its own alone is nearest in the file; then to the one that has more such
lines in it; then to the one that wrote later, since what an earlier one wrote must have been gone for it to be added
again.

How it fits: `accepted` asks once per file of a commit, so that no line's life is counted for two sessions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

_FAR = 1 << 30
_EARLY = datetime.min.replace(tzinfo=UTC)


def owners(claims: Mapping[str, AbstractSet[int]], wrote_at: Mapping[str, datetime | None]) -> dict[int, str]:
    """Line → the one session that it counts for, for every line of one file that more than one session claims.

    `claims` are each session's lines, `wrote_at` when it last wrote; ties are broken by the session's name.
    """
    counts = Counter(at for lines in claims.values() for at in lines)
    alone = {name: sorted(at for at in lines if counts[at] == 1) for name, lines in claims.items()}
    order = sorted(claims, key=lambda name: (wrote_at.get(name) or _EARLY, name), reverse=True)
    return {
        at: min(
            (name for name in order if at in claims[name]),
            key=lambda name: (_distance(alone[name], at), -len(alone[name])),
        )
        for at, count in counts.items()
        if count > 1
    }


def _distance(places: Sequence[int], at: int) -> int:
    """Lines to the nearest of `places`, which are in order."""
    index = bisect_left(places, at)
    return min((abs(at - place) for place in places[max(0, index - 1) : index + 1]), default=_FAR)
