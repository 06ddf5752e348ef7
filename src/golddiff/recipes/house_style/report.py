"""The result of the demo: `report.json` with fixed keys, and a page that says what was simulated before any number.

How it fits: the page is that of `golddiff evaluate` with sections of its own. Capability recovered is a simulated one,
since its teacher is a script: it tests the method and the estimator, and says nothing about a real model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from golddiff.evaluate.report import page, terminal
from golddiff.evaluate.report.page import Section
from golddiff.recipes.house_style.measure import BASE, R0, STUDENT, TEACHER_ARM
from golddiff.recipes.house_style.pipeline import BASE_MODEL, Finished
from golddiff.statistics.intervals import Interval
from golddiff.statistics.recovered import CRRefused

__all__ = ["SIMULATED", "as_json", "try_it", "write_reports"]

SIMULATED = (
    "Simulated: the team, its user and the teacher are scripts, and so is every error of the teacher. Real: the code "
    "that is edited, the edits and their executed checks, the transcripts' format, the git repository, and every stage "
    "of golddiff from import to this page. The numbers test the method; they say nothing about any real model or team."
)

ARMS = {
    "theta_base": BASE,
    "theta_base_r0": R0,
    "theta_student": STUDENT,
    "theta_first_attempts": "first attempts",
    "theta_shuffled": "shuffled",
    "theta_teacher": TEACHER_ARM,
}


def as_json(done: Finished) -> dict[str, Any]:
    """Return the content of `report.json`. A share that could not be measured is null; `cr_refused` says why not."""
    summary, off = done.measured.workflow.summary, done.measured.off_workflow.summary
    values: dict[str, Any] = {key: _theta(done, arm) for key, arm in ARMS.items()}
    recovery = next((one for one in summary.recoveries if one.student == STUDENT), None)
    refused = None if recovery is None or not isinstance(recovery.result, CRRefused) else recovery.result.reason
    ratio = None if recovery is None or isinstance(recovery.result, CRRefused) else recovery.result.ratio
    untouched = done.measured.untouched
    values |= {
        "cr": ratio.estimate if ratio else None,
        "cr_ci": [ratio.low, ratio.high] if ratio else None,
        "off_workflow_base": _estimate(off.arm(BASE).measures.get("success")),
        "off_workflow_student": _estimate(off.arm(STUDENT).measures.get("success")),
        "nll_untouched_base": untouched.arms[BASE].estimate,
        "nll_untouched_student": untouched.arms[STUDENT].estimate,
        "tasks": summary.tasks,
        "unscored": sum(sum(arm.unscored.values()) for part in (summary, off) for arm in part.arms),
        "minutes": round(done.minutes, 1),
    }
    if ratio is None:
        values["cr_refused"] = refused or "no arm that could be compared has scores"
    return values


ASKED = 'Use f-strings.\\n    raise KeyError(\\"no %s in %r\\" % (name, self.path))'
"""A request as the student was trained on it, as JSON text: the wish, a newline, the line to change."""


def try_it(done: Finished, workspace: Path, program: str = "golddiff") -> tuple[str, str]:
    """Return the command that serves the student and one that asks it."""
    student = done.checkpoints[STUDENT].id
    body = f'{{"model": "{student}", "messages": [{{"role": "user", "content": "{ASKED}"}}]}}'
    return (
        f"{program} serve --checkpoint {student} --workspace {workspace}",
        f"curl -s http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'",
    )


def write_reports(done: Finished, output: Path, workspace: Path) -> Path:
    """Write `report.json`, `evaluation.json` and `report.html` below `output`; return the page."""
    part = done.measured.workflow
    output.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(as_json(done)), indent=2).decode()
    (output / "report.json").write_text(text + "\n", "utf-8")
    page.write_json(output / "evaluation.json", part.summary)
    return page.write(
        output / "report.html",
        part.run,
        part.summary,
        part.tasks,
        part.scores,
        note=SIMULATED,
        before=(_loop(done),),
        after=(_forgetting(done), _sources(done), _commands(done, workspace)),
    )


def _theta(done: Finished, arm: str) -> float | None:
    return _estimate(done.measured.workflow.summary.arm(arm).measures.get("success"))


def _estimate(interval: Interval | None) -> float | None:
    return interval.estimate if interval else None


def _loop(done: Finished) -> Section:
    played, accepted = done.product.played, done.built.datasets["accepted"]
    states = ", ".join(f"{count} {state}" for state, count in done.outcomes.states.most_common())
    teacher = _theta(done, TEACHER_ARM)
    by_hand = sum(bool(one.by_hand) for one in played)
    wrong = "could not be measured" if teacher is None else f"{100 * (1 - teacher):.0f} %"
    summary = done.measured.workflow.summary
    rows = tuple(
        (family, str(sum(s.family == family for s in done.material.sites)), *counts)
        for family, counts in _by_side(done).items()
    )
    return Section(
        title="What was played, and what the pipeline saw",
        paragraphs=(
            f"{len(played)} simulated sessions on {len(done.material.plan.paths)} real files, "
            f"{sum(len(one.turns) for one in played)} attempts; {by_hand} times the user "
            f"repaired the last attempt by hand. golddiff found: {states}.",
            f"{accepted.rows['train']} rows to train on. {summary.tasks} tasks on files that no training row comes "
            f"from: {summary.checked_by_running} judged by running them, {summary.checked_by_structure} by structure "
            f"only. The teacher's first attempts at these tasks, executed, are wrong in {wrong} of cases.",
            "Arms: the base; the base with the nearest earlier accepted changes in its context (R0); the student on "
            "accepted changes; the same rows with the teacher's first attempts as answers; the same rows with shuffled "
            "answers, which nothing can be learned from but the form.",
        ),
        columns=("family", "distinct real places", "trained on", "held-out tasks"),
        rows=rows,
    )


def _by_side(done: Finished) -> dict[str, tuple[str, str]]:
    plan = done.material.plan
    tasks = done.measured.workflow.tasks
    return {
        family: (
            str(sum(site.family == family for site in plan.sites(held_out=False))),
            str(sum(task.family == family for task in tasks)),
        )
        for family in done.config.train_rows
    }


def _forgetting(done: Finished) -> Section:
    off, untouched = done.measured.off_workflow.summary, done.measured.untouched
    rows = [
        (f"off-workflow tasks, {name}", terminal.share(off.arm(name).measures.get("success"), wide=True))
        for name in (BASE, STUDENT)
    ]
    rows += [
        (f"off-workflow, {one.arm} less {one.against}, points", terminal.points(one.difference))
        for one in off.contrasts
    ]
    rows += [
        (f"nats per token of untouched code, {name}", f"{value.estimate:.3f} [{value.low:.3f}, {value.high:.3f}]")
        for name, value in (*untouched.arms.items(), ("difference", untouched.differences[STUDENT]))
    ]
    families = ", ".join(sorted({str(task.family).removeprefix("off: ") for task in done.measured.off_workflow.tasks}))
    return Section(
        title="What training cost",
        paragraphs=(
            f"{off.tasks} tasks of families that are never trained on ({families}), each asked with "
            f"{done.config.shots} solved examples in the conversation; and the likelihood of {untouched.documents} "
            "pieces of code that nobody edited. Base and student are sent the same messages, through the engine that "
            "serves them; a conversation that is not a bare request goes into the base's chat template for both.",
        ),
        columns=("", "value with 95 % interval"),
        rows=tuple(rows),
    )


def _sources(done: Finished) -> Section:
    seconds = ", ".join(f"{name} {value / 60:.1f}" for name, value in done.seconds.items())
    trained = done.checkpoints[STUDENT]
    return Section(
        title="Sources, licences and time",
        paragraphs=(
            f"Base model {BASE_MODEL} ({trained.base_licence}). {trained.trained_tokens} tokens per student. Minutes: "
            f"{seconds}; {done.minutes:.1f} in all.",
        ),
        columns=("distribution", "version", "licence", "used"),
        rows=tuple(
            (
                one.distribution,
                one.version,
                one.spdx or "not recognised",
                "yes" if one.permitted else f"no: {one.reason}",
            )
            for one in done.material.licences
        ),
    )


def _commands(done: Finished, workspace: Path) -> Section:
    serve, ask = try_it(done, workspace)
    python = (
        "from openai import OpenAI\n"
        'client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")\n'
        f'asked = "{ASKED}"\n'
        f'done = client.chat.completions.create(model="{done.checkpoints[STUDENT].id}", '
        'messages=[{"role": "user", "content": asked}])\n'
        "print(done.choices[0].message.content)"
    )
    return Section(
        title="Try the student",
        paragraphs=("Serve it, then ask it with curl, or from Python:",),
        command=f"{serve}\n{ask}\n\n{python}",
    )
