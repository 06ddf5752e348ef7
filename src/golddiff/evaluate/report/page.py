"""The evaluation as one HTML file that needs nothing else, and as JSON.

How it fits: takes a `Summary` with the tasks and scores behind it; recipes add `Section`s of their own (forgetting,
what was simulated, how long it took).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import msgspec

from golddiff import page
from golddiff.evaluate.arms import Role
from golddiff.evaluate.report import examples, plots, terminal
from golddiff.evaluate.summary.effort import EFFORTS
from golddiff.evaluate.summary.summary import Recovery, Summary
from golddiff.statistics.learning import HalfPlateau
from golddiff.statistics.recovered import CRRefused
from golddiff.types import EvaluationRun, Example, Score

__all__ = ["Section", "headline", "render", "write", "write_json"]

FACTS = 6
"""Ratios at the top of the page; more are not read."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part that a recipe adds to the page. Text is escaped."""

    title: str
    paragraphs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    """Cells of a table under `columns`; the first column is left-aligned, the others right."""
    figure: page.Figure | None = None
    """A Plotly figure (`data`, `layout`)."""
    command: str | None = None
    """A command to try, shown as such."""


def write(
    path: Path,
    run: EvaluationRun,
    summary: Summary,
    tasks: Sequence[Example],
    scores: Sequence[Score],
    *,
    title: str | None = None,
    note: str | None = None,
    before: Sequence[Section] = (),
    after: Sequence[Section] = (),
) -> Path:
    """Write the page to `path`, replacing it only when it is complete, and return `path`.

    `title` replaces the headline; `note` is printed prominently under it (what was simulated, for example).
    Raises InputError where the folder does not exist or cannot be written.
    """
    text = render(run, summary, tasks, scores, title=title, note=note, before=before, after=after)
    return page.write(path, text)


def write_json(path: Path, summary: Summary) -> Path:
    """Write all numbers as JSON. Raises InputError as `write` does."""
    return page.write(path, msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n")


def headline(summary: Summary) -> str:
    """Return one sentence: what the (first) student can do, beside the base, and the capability recovered."""
    # A recipe's figure is that of all its trainings, not of the luckiest seed, and says more than a single one.
    students = {f"{one.name} ({len(one.arms)} trainings)": fmean(one.each) for one in summary.trainings}
    students = students or {
        arm.name: arm.measures["success"].estimate
        for arm in summary.arms
        if arm.role == Role.STUDENT and "success" in arm.measures
    }
    bases = [arm for arm in summary.arms if arm.role == Role.BASE and "success" in arm.measures]
    if not students:
        best = max(summary.arms, key=lambda arm: getattr(arm.measures.get("success"), "estimate", -1.0))
        return f"{best.name} does {terminal.share(best.measures.get('success'))} of {summary.tasks} held-out tasks"
    student = max(students, key=lambda name: students[name])
    said = f"{student} does {100 * students[student]:.1f} % of {summary.tasks} held-out tasks"
    if bases:
        base = max(bases, key=lambda arm: arm.measures["success"].estimate)
        said += f", the best untrained arm {terminal.share(base.measures['success'])}"
    return said


def render(
    run: EvaluationRun,
    summary: Summary,
    tasks: Sequence[Example],
    scores: Sequence[Score],
    *,
    title: str | None = None,
    note: str | None = None,
    before: Sequence[Section] = (),
    after: Sequence[Section] = (),
) -> str:
    """Return the whole page."""
    figures = plots.figures(summary)
    sections = (*before, *after)
    figures |= {f"plot-section-{index}": one.figure for index, one in enumerate(sections) if one.figure}
    by_arm: dict[str, list[Score]] = {}
    for score in scores:
        by_arm.setdefault(score.arm, []).append(score)
    later = plots.later_trainings(summary)
    shown = [arm.name for arm in summary.arms if arm.role == Role.STUDENT and arm.name not in later]
    shown = shown or [arm.name for arm in summary.arms]
    recovered = [one for one in summary.recovered() if _is_student(summary, one)]
    students = list(dict.fromkeys(one.student for one in recovered))
    recovered.sort(key=lambda one: students.index(one.student))
    teachers = [arm.name for arm in summary.arms if arm.role == Role.TEACHER]
    pairs = [(one.arm, one.against) for one in summary.contrasts if one.arm in shown]
    pairs += [(training.arms[0], teacher) for training in summary.trainings for teacher in teachers]
    pairs.sort(key=lambda pair: pair[1] not in teachers)
    return page.render(
        "golddiff.evaluate.report",
        "evaluation.html.j2",
        style="evaluation.css",
        figures=figures,
        run=run,
        summary=summary,
        title=title or headline(summary).replace(" %", "\N{NO-BREAK SPACE}%"),
        note=note,
        before=list(before),
        after=list(after),
        sections=list(sections),
        failures={name: examples.failing(tasks, by_arm.get(name, ())) for name in shown},
        differences=[
            (arm, against, examples.differing(tasks, by_arm.get(arm, ()), by_arm.get(against, ())))
            for arm, against in pairs
        ],
        recovered=recovered,
        facts=_facts(summary, recovered),
        off_recovered={(one.student, one.teacher): one for one in summary.off_workflow.recovered()}
        if summary.off_workflow
        else {},
        families=plots.names_of_families(summary),
        frontier=EFFORTS.get(plots.frontier_metric(summary) or ""),
        efforts={kind: words for kind, words in EFFORTS.items() if any(kind in one.efforts for one in summary.arms)},
        fitted=summary.learning is not None and isinstance(summary.learning.fit, HalfPlateau),
        say=terminal,
        refused=_refused,
    )


def _refused(item: Recovery) -> bool:
    return isinstance(item.result, CRRefused)


def _is_student(summary: Summary, item: Recovery) -> bool:
    return all(arm.role == Role.STUDENT for arm in summary.arms if item.student in (arm.name, arm.training))


def _facts(summary: Summary, recovered: Sequence[Recovery]) -> list[Recovery]:
    """The figures at the top: of the strongest teacher, the first few; all stand in the table."""
    teachers = {one.teacher: one.result.theta_teacher.estimate for one in recovered}
    best = max(teachers, key=lambda name: teachers[name], default="")
    return [one for one in recovered if one.teacher == best][:FACTS]
