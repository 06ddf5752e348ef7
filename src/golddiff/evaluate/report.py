"""The evaluation as one HTML file that needs nothing else, and as JSON.

How it fits: takes a `Summary` with the tasks and scores behind it; recipes add `Section`s of their own (forgetting,
what was simulated, how long it took). Model output and repository text are untrusted: everything is escaped, data
for scripts is JSON in which no tag can start, and a content security policy lets only this file's own scripts run
and nothing be fetched or sent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from golddiff import __version__
from golddiff.errors import InputError
from golddiff.evaluate import examples, plots, terminal
from golddiff.evaluate.arms import Role
from golddiff.evaluate.summary import Recovery, Summary
from golddiff.statistics.recovered import CRRefused
from golddiff.types import EvaluationRun, Example, Score

__all__ = ["Section", "headline", "render", "write", "write_json"]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part that a recipe adds to the page. Text is escaped."""

    title: str
    paragraphs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    """Cells of a table under `columns`; the first column is left-aligned, the others right."""
    figure: dict[str, Any] | None = None
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
    page = render(run, summary, tasks, scores, title=title, note=note, before=before, after=after)
    return _replace(path, page)


def write_json(path: Path, summary: Summary) -> Path:
    """Write all numbers as JSON. Raises InputError as `write` does."""
    return _replace(path, msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n")


def headline(summary: Summary) -> str:
    """Return one sentence: what the (first) student can do, beside the base, and the capability recovered."""
    students = [arm for arm in summary.arms if arm.role == Role.STUDENT and "success" in arm.measures]
    bases = [arm for arm in summary.arms if arm.role == Role.BASE and "success" in arm.measures]
    if not students:
        best = max(summary.arms, key=lambda arm: getattr(arm.measures.get("success"), "estimate", -1.0))
        return f"{best.name} does {terminal.share(best.measures.get('success'))} of {summary.tasks} held-out tasks"
    student = max(students, key=lambda arm: arm.measures["success"].estimate)
    said = f"{student.name} does {terminal.share(student.measures['success'])} of {summary.tasks} held-out tasks"
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
    library, script = _plotly(), _text("evaluation.js")
    by_arm: dict[str, list[Score]] = {}
    for score in scores:
        by_arm.setdefault(score.arm, []).append(score)
    shown = [arm.name for arm in summary.arms if arm.role == Role.STUDENT] or [arm.name for arm in summary.arms]
    return (
        _environment()
        .get_template("evaluation.html.j2")
        .render(
            run=run,
            summary=summary,
            title=title or headline(summary),
            note=note,
            before=list(before),
            after=list(after),
            sections=list(sections),
            failures={name: examples.failing(tasks, by_arm.get(name, ())) for name in shown},
            differences=[
                (one, examples.differing(tasks, by_arm.get(one.arm, ()), by_arm.get(one.against, ())))
                for one in summary.contrasts
                if one.arm in shown
            ],
            say=terminal,
            refused=_refused,
            version=__version__,
            figures=set(figures),
            style=Markup(_text("evaluation.css")),  # noqa: S704  our own file
            library=Markup(library),  # noqa: S704  Plotly's own file
            script=Markup(script),  # noqa: S704  our own file
            data=_json(figures),
            policy=_policy(library, script),
        )
    )


def _refused(item: Recovery) -> bool:
    return isinstance(item.result, CRRefused)


def _replace(path: Path, text: str) -> Path:
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}. Give a file in a folder that exists.") from error
    return path


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("golddiff.evaluate"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    return resources.files("golddiff.evaluate").joinpath("templates", name).read_text("utf-8")


@lru_cache(maxsize=1)
def _plotly() -> str:
    """Plotly's script, out of the installed package."""
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")


def _json(data: Any) -> Markup:
    """JSON that is safe inside a script element: no `<`, so no tag or comment can start in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  escaped just above


def _policy(*scripts: str) -> str:
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
