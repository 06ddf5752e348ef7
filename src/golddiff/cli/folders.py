"""What `--below FOLDER` says of many repositories: a table with a row for each, what was given to none, what failed.

`golddiff outcomes` and `golddiff report` share it. A repository that fails is a row with its reason; the exit code is
that of the failures where they agree (3 for a repository that cannot be read), else 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from golddiff.errors import GolddiffError, UsageError
from golddiff.outcomes.decide import Summary
from golddiff.outcomes.many import Everywhere, Found
from golddiff.parallel import Workers
from golddiff.types import Outcome, SessionState

_STATES = ("accepted", "revised", "rejected", "abandoned", "unknown")


def check(repo: Path | None, below: Path | None, workers: Workers) -> None:
    """Raise UsageError where options exclude each other."""
    if repo is not None and below is not None:
        raise UsageError("--repo is one repository, --below is many: give one of the two.")
    if below is None and workers != Workers():
        raise UsageError("--jobs and --ray work on many repositories at a time: give --below FOLDER too.")


def show(every: Everywhere, output: Console) -> None:
    """Print the table."""
    table = Table(title="What was kept, by repository", title_justify="left")
    table.add_column("repository", overflow="fold", ratio=1)
    for name in ("sessions", *_STATES, "lines kept"):
        table.add_column(name, justify="right", no_wrap=True)
    total: Counter[str] = Counter()
    rows = [row for row in every.rows if row.sessions or row.error]
    for row in rows:
        found = _counts(row)
        total.update(found)
        table.add_row(_name(row), *(_cells(found) if row.error is None else ["failed", *[""] * (len(_STATES) + 1)]))
    if len(rows) > 1:
        table.add_section()
        table.add_row("together", *_cells(total))
    output.print(table)


def say_counts(summaries: Sequence[Summary], output: Console) -> None:
    """Print what was decided of how many sessions, and what is in no gold diff, together for these repositories."""
    total = sum(len(summary.outcomes) for summary in summaries)
    unknown = [
        (summary, outcome)
        for summary in summaries
        for outcome in summary.outcomes
        if outcome.state is SessionState.UNKNOWN
    ]
    silent = sum(outcome.session_id not in summary.writers for summary, outcome in unknown)
    output.print(
        f"unknown: {len(unknown)} of {total} ({len(unknown) / total if total else 0:.0%})"
        + (f", of which {silent} changed no file that the transcript shows." if silent else ".")
    )
    checked, blanked = sum(summary.checked for summary in summaries), sum(summary.blanked for summary in summaries)
    if checked or blanked:
        why = f"; {blanked} blanked, since redaction changed lines that they must match" if blanked else ""
        output.print(f"{checked} gold diff(s), each applied to its base{why}.")
    excluded = sum((summary.excluded for summary in summaries), Counter[str]())
    if excluded:
        output.print(f"files of sessions whose lines do not count: {_by_kind(excluded)}.")
    no_text = sum((summary.no_text for summary in summaries), Counter[str]())
    if no_text:
        output.print(
            f"files in their commits that have no lines to compare, and are in no gold diff: {_by_kind(no_text)}."
        )


def _by_kind(counts: Counter[str]) -> str:
    return ", ".join(f"{count} × {kind}" for kind, count in counts.most_common())


def say_rest(every: Everywhere, output: Console) -> None:
    """Print what the table does not hold: counts, repositories without sessions, copies, sessions of none, failures."""
    if every.summaries:
        say_counts(every.summaries, output)
    quiet = sum(not row.sessions and row.error is None for row in every.rows)
    if quiet:
        output.print(f"{quiet} repositories without a session." if quiet > 1 else "1 repository without a session.")
    for row in every.rows:
        if row.copies:
            named = ", ".join(str(path) for path in row.copies)
            _say(output, f"{row.path} was read for its other checkouts too: {named}")
    if every.nowhere:
        _say(output, f"{len(every.nowhere)} session(s) left alone:")
        for reason, count in Counter(every.nowhere.values()).most_common():
            _say(output, f"  {count} × {reason}")
    for row in every.failed:
        _say(output, f"failed: {row.error}")


def raise_failed(every: Everywhere) -> None:
    """End with an error where a repository failed; the others are stored."""
    kinds = {type(row.error) for row in every.failed if row.error is not None}
    if kinds:
        kind = kinds.pop() if len(kinds) == 1 else GolddiffError
        raise kind(
            f"{len(every.failed)} of {len(every.rows)} repositories could not be decided (named above); what was "
            "decided of the others is stored. Correct them, then run the same command again."
        )


def as_data(every: Everywhere, as_row: Callable[[Outcome], dict[str, Any]]) -> dict[str, Any]:
    """The same as JSON data; `as_row` gives one outcome."""
    return {
        "repositories": [
            {
                "path": str(row.path),
                "name": row.repository.name if row.repository else None,
                "copies": [str(path) for path in row.copies],
                "sessions": len(row.sessions),
                "error": str(row.error) if row.error else None,
                "outcomes": [as_row(outcome) for outcome in row.summary.outcomes] if row.summary else [],
            }
            for row in every.rows
        ],
        "left_alone": every.nowhere,
    }


def _name(row: Found) -> str:
    return escape(row.repository.name if row.repository else row.path.name)


def _counts(row: Found) -> Counter[str]:
    found: Counter[str] = Counter()
    for outcome in row.summary.outcomes if row.summary else ():
        known = outcome.state.value != "unknown"
        found.update(
            {
                "sessions": 1,
                outcome.state.value: 1,
                "kept": outcome.kept_lines if known else 0,
                "written": outcome.written_lines if known else 0,
            }
        )
    return found


def _cells(found: Counter[str]) -> list[str]:
    counts = [str(found[name]) if found[name] else "" for name in ("sessions", *_STATES)]
    return [*counts, f"{found['kept']:,}/{found['written']:,}"]


def _say(output: Console, text: str) -> None:
    output.print(text, markup=False, highlight=False, soft_wrap=True)
