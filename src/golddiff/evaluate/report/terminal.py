"""Evaluations in the terminal: arms, differences, capability recovered, what could not be scored; two runs compared."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from golddiff.evaluate.summary.comparison import Comparison, RecoveryChange
from golddiff.evaluate.summary.summary import FEW_CLUSTERS, Summary
from golddiff.evaluate.tasks.held_out import cluster_paths
from golddiff.statistics.intervals import Interval
from golddiff.statistics.learning import HalfPlateau, NoHalfPlateau
from golddiff.statistics.power import detectable_difference
from golddiff.types import Example

__all__ = ["show", "show_comparison"]


def show(summary: Summary, console: Console) -> None:
    """Print the whole evaluation."""
    checked = f"{summary.checked_by_running} judged by running them, {summary.checked_by_structure} by structure only"
    rest = summary.tasks - summary.checked_by_running - summary.checked_by_structure
    console.print(Text(f"{summary.tasks} held-out tasks: {checked}, {rest} by the exact text", style="bold"))
    console.print(Text(f"harness {summary.harness} · sandbox {summary.sandbox}", style="dim"))
    console.print(_arms(summary))
    if summary.contrasts:
        console.print(_contrasts(summary))
    _show_trainings(summary, console)
    _show_recoveries(summary, console)
    _show_efforts(summary, console)
    for arm in summary.arms:
        if arm.calibration:
            known = arm.calibration
            told = f"tells right from wrong {known.auroc} of the time, {points(known.overconfidence)} points too sure"
            console.print(Text(f"Confidence of {arm.name}: {told}"))
    for arm in summary.arms:
        for reason, count in arm.unscored.items():
            console.print(Text(f"Unscored, {arm.name}: {count} × {reason}", style="dim"))
    console.print(
        Text(
            f"95 % intervals: paired cluster bootstrap over {summary.clusters} clusters; "
            f"p: exact McNemar, adjusted after Holm. {summary.caution}",
            style="dim",
        )
    )
    if summary.seeds_caution:
        console.print(Text(f"Seeds: {summary.seeds_caution}.", style="dim"))


def _show_trainings(summary: Summary, console: Console) -> None:
    for training in summary.trainings:
        each = ", ".join(f"{100 * one:.1f}" for one in training.each)
        found = training.success or "no interval over seeds"
        console.print(Text(f"{training.name}, {len(training.arms)} trainings ({each} %): {found}"))
        for other, difference in training.differences.items():
            console.print(Text(f"  less {other}: {points(difference)} points"))
    if summary.learning:
        console.print(Text(f"Examples to half of the plateau (N50): {half(summary.learning.fit)}"))


def _show_recoveries(summary: Summary, console: Console) -> None:
    """Every ratio on a line; students that it is refused for by one reason share theirs."""
    places = [("", summary.recovered())]
    places += [(f" at {stage}", list(items)) for stage, items in summary.stage_recoveries.items()]
    if off := summary.off_workflow:
        places.append((f" off the workflow ({off.tasks} tasks)", off.recovered()))
    for place, items in places:
        groups: dict[tuple[str, str, str], list[str]] = {}
        for item in items:
            groups.setdefault((item.base, item.teacher, str(item)), []).append(item.student)
        for (base, teacher, said), students in groups.items():
            who = f"Capability recovered{place} by {', '.join(students)} ({base} → {teacher})"
            console.print(Text(f"{who}: {said}", style="dim" if place.startswith(" at") else ""))


def _show_efforts(summary: Summary, console: Console) -> None:
    for arm in summary.arms:
        told = dict.fromkeys(amount(one.accepted, kind) for kind, one in arm.efforts.items())
        if told:
            console.print(Text(f"One accepted patch of {arm.name}: {', '.join(told)}"))


def power(tasks: Sequence[Example]) -> str:
    """Return in words what a comparison of two arms on `tasks` can find, if tasks of one cluster are as good as apart.

    The shares of tasks on which two arms disagree are examples: nobody knows it before the run.
    """
    found = {share: detectable_difference(len(tasks), share) for share in (0.1, 0.3)} if tasks else {}
    seen = ", ".join(
        f"at least {100 * least:.0f} points where they disagree on {share:.0%} of the tasks"
        for share, least in found.items()
        if least is not None
    )
    clusters = len({path[0] for path in cluster_paths(tasks)})
    can = f"can be told apart in 8 of 10 runs if they differ by {seen}" if seen else "cannot be told apart reliably"
    return f"With these {len(tasks)} tasks from {clusters} files or repositories two arms {can}."


def show_comparison(found: Comparison, console: Console) -> None:
    """Print what changed from the first run to the second."""
    beside = f"{found.only_first} more asked by the first run only, {found.only_second} by the second only"
    console.print(Text(f"{found.shared} tasks asked by both {found.first_run} and {found.second_run}", style="bold"))
    console.print(Text(f"{beside} · harness {found.harness}", style="dim"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("arm", "first", "second", "difference in points", "won : lost", "p", "tasks"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    for change in found.changes:
        table.add_row(
            Text(change.arm if change.first_identity == change.second_identity else f"{change.arm} (another model)"),
            f"{100 * change.first:.1f} %",
            f"{100 * change.second:.1f} %",
            points(change.difference),
            f"{len(change.won)} : {len(change.lost)}",
            p_value(change.p_value),
            f"{change.tasks}" + (f", {change.left_out} unscored" if change.left_out else ""),
        )
    console.print(table)
    for recovered in found.recovered:
        _show_recovered(recovered, console)
    for side, arms in (("first", found.arms_only_first), ("second", found.arms_only_second)):
        if arms:
            console.print(Text(f"Only in the {side} run: {', '.join(arms)}", style="dim"))
    few = "" if found.clusters >= FEW_CLUSTERS else " Too few clusters: these intervals are a rough guide only."
    console.print(
        Text(
            f"95 % intervals: paired cluster bootstrap over {found.clusters} clusters; "
            f"p: exact McNemar, adjusted after Holm.{few} They speak of tasks, not of trainings.",
            style="dim",
        )
    )
    if found.off_workflow:
        console.print(Text("\nOff the workflow", style="bold"))
        show_comparison(found.off_workflow, console)


def _show_recovered(change: RecoveryChange, console: Console) -> None:
    first, second = change.first, change.second
    said = f"{first}, then {second}" if str(first) != str(second) else f"in both runs {first}"
    if change.difference:
        known = change.difference
        said += f": {known.estimate:+.2f} [{known.low:+.2f}, {known.high:+.2f}]"
    bases = " or ".join(dict.fromkeys((first.base, second.base)))
    who = f"Capability recovered by {first.student} ({bases} → {first.teacher}, {change.tasks} tasks)"
    console.print(Text(f"{who}: {said}"))


def _arms(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("arm")
    table.add_column("success", no_wrap=True)
    likely = any(arm.nll for arm in summary.arms)
    for name in ("exact %", "line F1", "delta chrF", "applied %", *(["nats / token"] if likely else []), "scored"):
        table.add_column(name, justify="right")
    for arm in summary.arms:
        exact, applied = (_number(arm.measures.get(name), 100, 1) for name in ("exact", "applied"))
        lines, characters = (_number(arm.measures.get(name), 1, 2) for name in ("line_f1", "delta_chrf"))
        success = share(arm.measures.get("success"), wide=True)
        scored = f"{arm.scored}/{summary.tasks}"
        nats = [_number(arm.nll, 1, 3)] if likely else []
        table.add_row(Text(arm.name), success, exact, lines, characters, applied, *nats, scored)
    return table


def _number(interval: Interval | None, scale: float, digits: int) -> str:
    return "–" if interval is None else f"{scale * interval.estimate:.{digits}f}"


def _contrasts(summary: Summary) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("difference in success", "", "points", "only first : only second", "p"):
        table.add_column(name, justify="left" if name in ("difference in success", "") else "right")
    for one in summary.contrasts:
        table.add_row(
            Text(one.arm),
            Text(f"less {one.against}"),
            points(one.difference),
            f"{one.only_arm} : {one.only_against}",
            p_value(one.p_adjusted),
        )
    return table


def share(interval: Interval | None, *, wide: bool = False) -> str:
    """Render a share with its interval, or a dash."""
    if interval is None:
        return "–"
    return str(interval) if wide else f"{100 * interval.estimate:.1f} %"


def points(interval: Interval) -> str:
    """Render a difference of shares in points."""
    return f"{100 * interval.estimate:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def amount(interval: Interval | None, kind: str = "") -> str:
    """Render an effort, with the unit of its kind (`usd`, `seconds`, `tokens`); words where no patch was accepted."""
    if interval is None:
        return "none accepted"
    sign, unit = {"usd": ("$", ""), "seconds": ("", " s"), "tokens": ("", " tokens")}.get(kind, ("", ""))
    high = _three_digits(interval.high) if math.isfinite(interval.high) else "no bound"
    return f"{sign}{_three_digits(interval.estimate)}{unit} [{_three_digits(interval.low)}, {high}]"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def half(fit: HalfPlateau | NoHalfPlateau) -> str:
    """Render N50, or why there is none."""
    if isinstance(fit, NoHalfPlateau):
        return f"not given: {fit.reason}"
    low = f"{fit.n50.low:.0f}" if fit.n50.low > 0 else "no bound"
    high = f"{fit.n50.high:.0f}" if math.isfinite(fit.n50.high) else "no bound"
    return f"{fit.n50.estimate:.0f} [{low}, {high}], plateau {100 * fit.plateau:.0f} points"


def p_value(value: float) -> str:
    """Render a p-value to two digits."""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"
