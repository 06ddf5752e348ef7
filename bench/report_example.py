"""Time the report on simulated sessions, and make the example picture of the README.

    python bench/report_example.py --sessions 60 --html /tmp/report.html
    chromium --headless --hide-scrollbars --virtual-time-budget=4000 --window-size=1200,1470 \\
        --screenshot=docs/images/report.png file:///tmp/report.html

The sessions are drawn from a fixed seed and stand for nobody's work: the page says that they are simulated.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path

from golddiff.types import Usage
from golddiff.web import page
from golddiff.web.facts import Cell, Lines, SessionFacts
from golddiff.web.lives import AGENT, PERSON, Life, Watched
from golddiff.web.summary import summarise
from golddiff.web.tasks import task_kind

PROMPTS = (
    "Add retry with backoff to the fetcher",
    "Convert the path handling in loader.py to pathlib",
    "Fix the flaky test in test_sync",
    "Write a command that exports reports as CSV",
    "Refactor the settings page so that it uses hooks",
    "Port the schema to the new migration style",
    "Add pagination to /v1/orders",
    "Make the importer resumable after Ctrl-C",
    "Speed up the diff view, it takes 4 s on large files",
    "Remove the feature flag for the new editor",
)
KEPT = {"accepted": 0.97, "revised": 0.68, "rejected": 0.0, "abandoned": 0.0, "unknown": 0.0}
MODELS = (("large-1", "claude-code", 0.0), ("medium-2", "claude-code", -0.08), ("codex-3", "codex", -0.15))
HALF_GONE_DAYS = {"large-1": 160.0, "medium-2": 70.0, "codex-3": 35.0}
"""Simulated days until half of a model's accepted lines are gone; the first days are the most dangerous."""
_WATCHED_DAYS = 30
"""The log goes on for so long after the last session."""


def session(random_: random.Random, number: int, began: datetime) -> SessionFacts:
    """One simulated session: sizes are lognormal, what is kept depends on the state and a little on the model."""
    model, agent, shift = random_.choices(MODELS, [5, 4, 3])[0]
    state = random_.choices(list(KEPT), [11, 8, 2, 3, 3])[0]
    written = max(4, int(random_.lognormvariate(4.0, 0.8)))
    names = random_.sample(["Python", "TypeScript", "Markdown", "SQL"], random_.choice([1, 1, 2]))
    cells = []
    for place, name in enumerate(names):
        part = written // len(names) + (written % len(names) if place == 0 else 0)
        share = min(1.0, max(0.0, KEPT[state] + shift + random_.gauss(0, 0.08))) if KEPT[state] else 0.0
        kept = round(part * share)
        revised = round((part - kept) * random_.uniform(0.2, 0.6)) if state == "revised" else 0
        known = Lines(written=part, kept=kept, revised=revised, dropped=part - kept - revised)
        tool = "apply_patch" if agent == "codex" else random_.choice(["Edit", "Edit", "Write"])
        lines = Lines(written=part) if state == "unknown" else known
        cells.append(Cell(model=model, tool=tool, language=name, lines=lines))
    prompts = random_.choices([1, 2, 3, 5, 8, 12], [8, 6, 4, 3, 2, 1])[0]
    title = random_.choice(PROMPTS)
    last = {"accepted": "kept", "revised": "revised", "unknown": "unknown"}.get(state, "rejected")
    return SessionFacts(
        id=f"ses_{random_.getrandbits(120):030x}"[:30],
        task=task_kind(title),
        cluster=str(number),
        title=title,
        agent=agent,
        models=(model,),
        started_at=began,
        minutes=random_.uniform(3, 90),
        prompts=prompts,
        attempts={last: 1} | ({"superseded": prompts - 1} if prompts > 1 else {}),
        rejections=random_.choice([0, 0, 0, 1, 2]),
        interruptions=random_.choice([0, 0, 0, 1]),
        usage=Usage(output_tokens=written * 60, input_tokens=written * 40, cache_read_tokens=written * 7_000),
        state=state,
        confidence=0.9,
        commits=(),
        lines=sum((cell.lines for cell in cells), Lines()),
        cells=tuple(cells),
    )


def lives(random_: random.Random, facts: Sequence[SessionFacts], until: datetime) -> Watched:
    """How long the accepted lines lived: Weibull times of shape 0.7 in groups of a few lines, seen until `until`."""
    found = []
    for fact in facts:
        for cell in fact.cells:
            left = cell.lines.kept + cell.lines.revised
            while left:
                lines = min(left, random_.randint(1, 12))
                left -= lines
                days = random_.weibullvariate(HALF_GONE_DAYS[cell.model] / log(2) ** (1 / 0.7), 0.7)
                watched = (until - (fact.started_at or until)).total_seconds() / 86_400
                cause = 0 if days >= watched else random_.choices([PERSON, AGENT], [7, 3])[0]
                found.append(
                    Life(
                        session_id=fact.id, cluster=fact.cluster, lines=lines, characters=34 * lines,
                        days=min(days, watched), commits=int(4 * min(days, watched)), cause=cause, model=cell.model,
                        agent=fact.agent, tool=cell.tool, language=cell.language, folder=cell.folder, task=fact.task,
                    )
                )  # fmt: skip
    return Watched(lives=tuple(found), observed_until=until, followed={fact.id: 0 for fact in facts if fact.lines.kept})


def main() -> None:
    """Draw sessions, build the report, write the page, print how long each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--html", type=Path, required=True)
    given = parser.parse_args()
    random_ = random.Random(given.seed)
    began = datetime(2026, 8, 3, 9, tzinfo=UTC)
    facts = []
    for number in range(given.sessions):
        began += timedelta(hours=random_.choice([5, 20, 26, 50]))
        facts.append(session(random_, number, began))
    until = began + timedelta(days=_WATCHED_DAYS)
    watched = lives(random_, facts, until)
    start = time.perf_counter()
    report = summarise("example/shop (simulated sessions)", facts, now=until, watched=watched)
    middle = time.perf_counter()
    page.write(report, given.html)
    end = time.perf_counter()
    size = given.html.stat().st_size / 1e6
    print(f"{given.sessions} sessions: numbers {middle - start:.2f} s, page {end - middle:.2f} s, {size:.1f} MB")


if __name__ == "__main__":
    main()
