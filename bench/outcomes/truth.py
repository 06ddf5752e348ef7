"""How well do outcomes agree with the truth of generated histories? One command:

    python -m bench.outcomes.truth [--each 10] [--mixed 200] [--write docs/benchmarks.md]

Every scenario of `bench.histories` is made `--each` times by itself, and `--mixed` histories chain two to six of them
with single operations in between. For every session golddiff's links, state, counts of lines and survival are set
beside the truth. `bench.outcomes.lives` does the same for the life of every line, whoever wrote it.

- a link is right if the commit touches the session's work (README.md of the generator says what that means);
- a pair (session, commit) is due if the commit brings lines of the session, clearly due if at least four of them were
  written nowhere else; merges are never due;
- a line's fate is right as far as the session's counts of kept, revised and dropped lines agree with the truth;
- a line of a survival record is right if the session wrote it, or the line that it revises.

Intervals are cluster bootstraps over histories, and Wilson's over histories where nothing is wrong. This does not say
how well golddiff does on real repositories, as `bench.link` does; it says whether what git does to history, by itself
or combined, breaks the accounting.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from bench.histories import OPERATIONS, SCENARIOS, History, SessionTruth, generate
from bench.histories.judged import Judged, judge

from golddiff.outcomes.judge import ACCEPTED_SHARE
from golddiff.statistics.intervals import cluster_bootstrap, wilson
from golddiff.types import LineFate, Outcome, SessionState, Survival

_BEGIN, _END = "<!-- bench/outcomes/truth begin -->", "<!-- bench/outcomes/truth end -->"
_CLEAR = 4
"""Lines written nowhere else that make a pair clearly due."""
_DECIDED = ("accepted", "revised", "rejected", "not kept")

Share = tuple[int, int]
"""Right, of how many."""


@dataclass(slots=True)
class Compared:
    """One session beside its truth."""

    history: str
    """Name of the history, for clustering."""
    links: Share
    due: Share
    clear: Share
    lines: Share
    survival: Share
    true_state: str
    told_state: str
    confidences: list[tuple[float, bool]] = field(default_factory=list)
    """Stated probability of every link, and whether it is right."""


def compare(name: str, history: History, judged: Judged) -> Iterator[Compared]:
    """Set every session of a history beside its truth."""
    for session_name, session in history.truth.sessions.items():
        outcome = judged.outcomes[session_name]
        links = {link.sha: link.confidence for link in outcome.commits}
        clear = [c for c, own in session.brings.items() if sum(map(history.truth.alone, own)) >= _CLEAR]
        yield Compared(
            history=name,
            links=(len(links.keys() & session.touches), len(links)),
            due=(len(links.keys() & session.brings.keys()), len(session.brings)),
            clear=(len(links.keys() & set(clear)), len(clear)),
            lines=_fates(session, outcome),
            survival=_survival(history, session_name, judged.survivals.get(session_name)),
            true_state=true_state(session),
            told_state=outcome.state.value,
            confidences=[(confidence, sha in session.touches) for sha, confidence in links.items()],
        )


def true_state(session: SessionTruth) -> str:
    """The state that a perfect judge would give; `-` where no line of it says anything."""
    if session.nowhere:
        return "not kept"
    if not session.landed:
        return "on a branch" if session.brings else "-"
    if session.undone:
        return "rejected"
    if len(session.kept) >= ACCEPTED_SHARE * len(session.final):
        return "accepted"
    return "revised" if session.kept or session.revised else "rejected"


def _fates(session: SessionTruth, outcome: Outcome) -> Share:
    """Lines whose fate may be right, of those of sessions that landed and whose outcome is known."""
    if not session.landed or outcome.state is SessionState.UNKNOWN or not session.final:
        return 0, 0
    told = (outcome.kept_lines, outcome.revised_lines, outcome.dropped_lines)
    true = (len(session.kept), len(session.revised), len(session.dropped))
    return sum(map(min, told, true)), max(len(session.final), outcome.written_lines)


def _survival(history: History, name: str, survival: Survival | None) -> Share:
    truth = history.truth
    right = total = 0
    for group in survival.groups if survival else ():
        rest = truth.trees[group.accepted_by][group.path][group.first_line - 1 :]
        for line in [line for line in rest if line.text.strip()][: group.lines]:
            own = truth.lines[line.id]
            old = truth.lines[own.revises] if group.fate is LineFate.REVISED and own.revises else own
            right += name in (own.writer.name, old.writer.name)
            total += 1
    return right, total


def programs(each: int, mixed: int) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """(group, seed, operations) of every history."""
    for place, (name, operations) in enumerate(SCENARIOS.items()):
        for seed in range(each):
            yield name, 1000 * place + seed, operations
    parts = [*SCENARIOS.values(), *SCENARIOS.values(), *((name,) for name in OPERATIONS)]
    for seed in range(mixed):
        rng = Random(f"mixed/{seed}")
        chosen = [rng.choice(parts) for _ in range(rng.randrange(2, 7))]
        yield "mixed", seed, tuple(name for names in chosen for name in names)


def share(found: Sequence[Compared], column: str) -> str:
    """One column's share with its interval; a dash where there is nothing to count."""
    rows = [getattr(one, column) for one in found]
    right, total = sum(row[0] for row in rows), sum(row[1] for row in rows)
    if not total:
        return "–"
    if right == total:  # resampling what is never wrong says nothing of how wrong it may be
        seen = len({one.history for one, row in zip(found, rows, strict=True) if row[1]})
        return f"{right:,}/{total:,} {wilson(seen, seen)}"
    interval = cluster_bootstrap([row[0] for row in rows], [row[1] for row in rows], [one.history for one in found])
    return f"{right:,}/{total:,} {interval}"


def short(found: Sequence[Compared], column: str) -> str:
    """One column's share without an interval, for the table of scenarios."""
    rows = [getattr(one, column) for one in found]
    total = sum(row[1] for row in rows)
    return f"{sum(row[0] for row in rows):,}/{total:,}" if total else "–"


def states(found: Iterable[Compared]) -> list[str]:
    """True states against told ones."""
    table: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in found:
        table[one.true_state][one.told_state] += 1
    told = [state.value for state in SessionState]
    rows = ["| truth \\ told | " + " | ".join(told) + " |", "|---" * (len(told) + 1) + "|"]
    for true in (*_DECIDED, "on a branch", "-"):
        if true in table:
            rows.append(f"| {true} | " + " | ".join(str(table[true][state] or "") for state in told) + " |")
    return rows


def calibration(found: Iterable[Compared]) -> list[str]:
    """Stated probability of links against the share that is right, and the expected calibration error."""
    pairs = [pair for one in found for pair in one.confidences]
    rows = ["| stated | mean | right | links |", "|---|---|---|---|"]
    error = 0.0
    for low, high in ((0.85, 0.9), (0.9, 0.95), (0.95, 0.98), (0.98, 1.01)):
        group = [pair for pair in pairs if low <= pair[0] < high]
        if group:
            stated, right = sum(p for p, _ in group) / len(group), sum(ok for _, ok in group) / len(group)
            error += abs(stated - right) * len(group) / len(pairs)
            rows.append(f"| {low:.2f}–{min(high, 1):.2f} | {stated:.3f} | {right:.3f} | {len(group):,} |")
    return [*rows, "", f"Expected calibration error over {len(pairs):,} links: {error:.3f}."]


def report(groups: dict[str, list[Compared]], facts: str) -> str:
    """The section of docs/benchmarks.md."""
    mixed = groups.get("mixed", [])
    every = [one for group in groups.values() for one in group]
    columns = ("links", "due", "clear", "lines", "survival")
    out = [_BEGIN, facts, "", "| | scenarios by themselves | mixed |", "|---|---|---|"]
    alone = [one for name, group in groups.items() if name != "mixed" for one in group]
    titles = (
        "links that are right",
        "commits due that are linked",
        "clearly due commits that are linked",
        "lines with the right fate",
        "lines of survival records that are the session's",
    )
    for column, title in zip(columns, titles, strict=True):
        out.append(f"| {title} | {share(alone, column)} | {share(mixed, column)} |")
    out += ["", "**States, all histories**", "", *states(every)]
    out += ["", "**Stated probability of links**", "", *calibration(every)]
    out += ["", "**By scenario**", "", "| scenario | links right | due | clearly due | lines | survival |"]
    out += ["|---|---|---|---|---|---|"]
    out += [
        f"| {name} | " + " | ".join(short(found, column) for column in columns) + " |"
        for name, found in groups.items()
        if name != "mixed"
    ]
    return "\n".join([*out, _END, ""])


def main() -> None:
    """Make the histories, compare, print, and write the section where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=10, help="histories of every scenario by itself")
    parser.add_argument("--mixed", type=int, default=200, help="histories that chain scenarios")
    parser.add_argument("--write", type=Path, help="replace the section in this file")
    arguments = parser.parse_args()
    groups: dict[str, list[Compared]] = defaultdict(list)
    histories = commits = 0
    making = 0.0
    for group, seed, operations in programs(arguments.each, arguments.mixed):
        with tempfile.TemporaryDirectory() as folder:
            began = _cpu()
            history = generate(seed, operations, Path(folder) / "repository")
            making += _cpu() - began
            histories, commits = histories + 1, commits + len(history.truth.trees)
            groups[group] += compare(f"{group}/{seed}", history, judge(history))
    sessions = sum(map(len, groups.values()))
    facts = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()} {platform.system()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}: {histories:,} histories, {commits:,} commits, {sessions:,} sessions. "
        f"Making a history took {1000 * making / histories:.0f} ms of CPU, git included."
    )
    text = report(groups, facts)
    print(text)
    if arguments.write:
        old = arguments.write.read_text()
        start, end = old.index(_BEGIN), old.index(_END) + len(_END) + 1
        arguments.write.write_text(old[:start] + text + old[end:])


def _cpu() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


if __name__ == "__main__":
    main()
