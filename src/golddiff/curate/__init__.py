"""Curate: from accepted outcomes, or a repository's history, to a dataset that may be trained on.

    kinds/sessions.py  rows from sessions: prompts + window before → accepted change, and the first attempt
    kinds/history.py   rows from a repository's own commits
    filters.py         what in a history is no ordinary change by a person
    dedup.py           exact and near duplicates, decontamination
    split.py           by time or by path, then by repository
    arms.py            the same rows with other answers: first attempts, shuffled
    card.py            the dataset card
    build.py           all of it in order

A recipe that knows more about its rows annotates them on the way (`dataclasses.replace(row, example=…)` with `check`
and `family`) and hands them to `build`.

Not covered: preferences, trajectories, weights by survival.
"""

from golddiff.curate.config import CurateConfig
from golddiff.curate.dataset import Built, build, from_history, from_sessions
from golddiff.curate.kinds.history import rows_from_history
from golddiff.curate.kinds.sessions import rows_from_sessions
from golddiff.curate.row import Row, Tally, make_example

__all__ = [
    "Built",
    "CurateConfig",
    "Row",
    "Tally",
    "build",
    "from_history",
    "from_sessions",
    "make_example",
    "rows_from_history",
    "rows_from_sessions",
]
