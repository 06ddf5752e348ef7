"""The scripted teacher (**simulated**: no model is behind it) and its user.

How it fits: `product` plays each planned session with it. The first attempt is careless in the way of its family
(`Family.slip`: conversions forgotten, `Optional` taken for decoration, …) on nearly all statements where that shows,
and right on the others; so what a student could learn from first attempts is systematic, as a model's habits are.
What the user points out is repaired in the next attempt, mostly; what is still wrong after the last attempt the user
repairs by hand before committing.

Not simulated: long tasks, misunderstandings, and changes of mind.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from golddiff.recipes.house_style.config import DemoConfig
from golddiff.recipes.house_style.plan import PlannedSession
from golddiff.recipes.house_style.sites import Site

__all__ = ["COMPLAINTS", "TEACHER", "Played", "Turn", "play"]

TEACHER = "golddiff-simulated-teacher"
"""Name under which the transcripts record it."""

MOST_ATTEMPTS = 3

COMPLAINTS = {
    "f-strings": "keep what the conversion did: !r, :d, one % for %%, and no .format left",
    "annotations": "Optional means | None, also inside other types",
    "super": "no instance in there, super() knows it",
    "literals": "a set stays a set, and keys are strings",
    "isinstance": "that only tests the first class, use |",
    "keys": "that asks the method, not the mapping",
}
"""What the user says about each family's slip."""


@dataclass(frozen=True)
class Turn:
    """One prompt and the attempt that answers it."""

    prompt: str
    edits: tuple[tuple[Site, str], ...]
    """(site, text of its line from now on), in order."""


@dataclass(frozen=True)
class Played:
    """A session as it went."""

    planned: PlannedSession
    turns: tuple[Turn, ...]
    by_hand: tuple[Site, ...]
    """Sites that the user repaired before committing."""

    def first_attempt(self, site: Site) -> str:
        """Return what the teacher first wrote at `site`."""
        return next(text for one, text in self.turns[0].edits if one == site)


def play(planned: PlannedSession, wish: str, config: DemoConfig) -> Played:
    """Return the session's turns; the same seed and number give the same."""
    chance = random.Random(f"{config.seed} {planned.number}")  # noqa: S311 - a play, not a secret
    wrong = [site for site in planned.sites if site.slip_fails and chance.random() < config.slip_rate]
    first = tuple((site, site.slip if site in wrong and site.slip else site.after) for site in planned.sites)
    turns = [Turn(wish, first)]
    while wrong and planned.kept and len(turns) < MOST_ATTEMPTS:
        if len(turns) > 1 and chance.random() < 0.5:
            break  # the user is quicker by hand
        repaired = [site for site in wrong if chance.random() < config.repair_rate] or wrong[:1]
        turns.append(Turn(_complaint(planned.family, wrong), tuple((site, site.after) for site in repaired)))
        wrong = [site for site in wrong if site not in repaired]
    return Played(planned, tuple(turns), tuple(wrong))


def _complaint(family: str, wrong: list[Site]) -> str:
    places = ", ".join(f"{site.path}:{site.first_line}" for site in wrong[:6])
    more = f" and {len(wrong) - 6} more" if len(wrong) > 6 else ""
    return f"Not right yet at {places}{more}: {COMPLAINTS[family]}."
