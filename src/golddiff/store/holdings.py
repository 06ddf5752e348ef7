"""What holds a person's data beside the records: every place below a workspace, and what an erasure does to it.

How it fits: records are reached through lineage (`web.lineage`: session → outcomes, rows, datasets, checkpoints); what
stages, recorders and caches keep in files is not, so it is listed here, once. A folder that some stage asks the store
for and that is not in the list fails a test. docs/store.md shows the list.

Not covered: doing the erasure, which no command does yet; copies that were exported or backed up.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holding:
    """One place below the workspace folder."""

    holds: str
    erasure: str
    """What to do for the sessions of one person."""


HOLDINGS = {
    "golddiff.sqlite": Holding(
        "records and texts (or the PostgreSQL database, and the place that `blobs` names)",
        "remove the sessions, everything that lineage says was made from them, and texts that no record names",
    ),
    "lines": Holding(
        "of each repository the pass over all lines of its history, `ID` and `ID.undo`: numbers, commit ids, hashes of "
        "paths, redacted paths; no text and no session",
        "delete both files of every repository that the sessions worked in; the next `outcomes` makes them anew",
    ),
    "datasets": Holding("rows made from sessions", "build anew without them; delete the old folder"),
    "training": Holding("unfinished runs on those rows", "delete"),
    "checkpoints": Holding("what was trained on those rows", "delete those that lineage names; train anew"),
    "evaluations": Holding(
        "answers of models to tasks, reports; `answers` is a cache", "delete runs of tasks made from the sessions"
    ),
    "gateway": Holding("keys, limits, prices; `spool` holds calls until they are taken", "take or delete the spool"),
    "otlp": Holding("telemetry until it is taken", "take or delete"),
    "signals": Holding("what users said until it is taken, and what could not be read", "take or delete"),
    "hooks": Holding("what hooks noted: ids, paths and times", "delete"),
    "demo": Holding("the demo's own simulated team", "nothing: nobody's data"),
    "report.html": Holding("the last report: titles are first prompts", "delete; `golddiff report` makes it anew"),
}
"""Name below the workspace → what it holds."""
