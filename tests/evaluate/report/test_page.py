"""The report says what was measured, shows cases, and lets nothing of a model's output act."""

import html
import json
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import msgspec
import plotly.graph_objects as go
import pytest
from rich.console import Console

from evaluate.conftest import arm, task
from golddiff.errors import InputError, UsageError
from golddiff.evaluate import Arm, EvaluationConfig, Role, Summary, evaluate, report, summarise
from golddiff.evaluate.budget import Price
from golddiff.evaluate.report import plots, terminal
from golddiff.evaluate.report.examples import differing, failing
from golddiff.evaluate.summary.summary import require_same_harness
from golddiff.providers import ScriptedUpstream
from golddiff.sandbox.fake import FakeSandbox
from golddiff.statistics.intervals import Interval
from golddiff.statistics.learning import HalfPlateau
from golddiff.store import Store
from golddiff.types import EvaluationRun, Example, Score

TASKS = [task(number, executes=number % 3 > 0, family="a" if number < 12 else "b") for number in range(24)]
Made = tuple[EvaluationRun, Summary, list[Example], list[Score]]


@pytest.fixture
def made(store: Store, sandbox: FakeSandbox) -> Made:
    arms = [
        arm("base", Role.BASE, 1),
        arm("student <b>", Role.STUDENT, 7),
        Arm(name="teacher", role=Role.TEACHER, identity="r", recorded={task.id: task.after for task in TASKS[:20]}),
    ]
    run = evaluate(store, TASKS, arms, dataset_id="ds_1", sandbox=sandbox)
    scores = list(store.find(Score, run_id=run.id))
    return run, summarise(run, TASKS, scores, resamples=300), TASKS, scores


def test_the_page_holds_everything_and_loads_nothing(made: Made, tmp_path: Path) -> None:
    section = report.Section(title="Added <i>", paragraphs=("plain & simple",), columns=("x", "n"), rows=(("a", "1"),))
    path = report.write(tmp_path / "report.html", *made, note="The teacher is simulated.", after=[section])
    page = path.read_text("utf-8")
    for expected in ("student &lt;b&gt;", "The teacher is simulated.", "Added &lt;i&gt;", "plain &amp; simple"):
        assert expected in page
    assert "Capability recovered" in page
    assert "nothing recorded for this task" in page
    assert "return old(" in page
    assert 'src="' not in page.split("<script>")[0]
    assert "default-src 'none'" in html.unescape(page)


def test_markup_in_answers_stays_text(store: Store, sandbox: FakeSandbox) -> None:
    hostile = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>"
    model = ScriptedUpstream(lambda _: hostile, name="x")
    arms = [Arm(name=hostile, role=Role.STUDENT, identity=hostile, upstream=model)]
    run = evaluate(store, TASKS[:3], arms, dataset_id="d", sandbox=sandbox)
    scores = list(store.find(Score, run_id=run.id))
    page = report.render(run, summarise(run, TASKS[:3], scores, resamples=50), TASKS[:3], scores)

    class Tags(HTMLParser):
        scripts = images = 0

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.scripts += tag == "script"
            self.images += tag == "img"

    tags = Tags()
    tags.feed(page)
    assert (tags.scripts, tags.images) == (3, 0)


def test_plots_are_valid_plotly(made: Made) -> None:
    found = plots.figures(made[1])
    assert found.keys() == {"plot-success", "plot-families", "plot-failures", "plot-nll", "plot-frontier"}
    for figure in found.values():
        text = json.dumps(figure)
        for name in ("paper", "ink", "soft", "line", "kept", "revised", "dropped", "unknown"):
            text = text.replace(f'"--{name}"', '"#123456"')
        go.Figure(json.loads(text))


def test_json_holds_every_number(made: Made, tmp_path: Path) -> None:
    path = report.write_json(tmp_path / "report.json", made[1])
    again = msgspec.json.decode(path.read_bytes())
    assert [one["name"] for one in again["arms"]] == ["base", "student <b>", "teacher"]
    assert again["recoveries"][0]["student"] == "student <b>"


def test_the_terminal_shows_arms_differences_and_what_is_unscored(made: Made) -> None:
    text = StringIO()
    terminal.show(made[1], Console(file=text, width=160))
    said = text.getvalue()
    for expected in ("24 held-out tasks: 16 judged by running them, 8 by structure only", "student <b>", "less base"):
        assert expected in said
    assert "Capability recovered by student <b>" in said
    assert "Unscored, teacher: 4 × nothing recorded for this task" in said


def test_the_headline_is_one_plain_sentence(made: Made) -> None:
    assert report.headline(made[1]).startswith("student <b> does 7")
    assert "the best untrained arm 12.5 %" in report.headline(made[1])


def test_cases_show_what_differs(made: Made) -> None:
    _, _, tasks, scores = made
    students = [score for score in scores if score.arm == "student <b>"]
    (kind, cases), *_ = failing(tasks, students).items()
    assert kind == "window unchanged"
    assert [line.changed for line in cases[0].got] == [False, True]
    assert [line.changed for line in cases[0].before] == [False, True]
    pairs = differing(tasks, students, [score for score in scores if score.arm == "base"])
    assert pairs
    assert all((one.verdict == "success") != (two.verdict == "success") for one, two in pairs)


def test_runs_of_different_harnesses_are_not_compared(made: Made) -> None:
    run = made[0]
    require_same_harness(run, run)
    with pytest.raises(UsageError, match="different harnesses"):
        require_same_harness(run, msgspec.structs.replace(run, harness="older"))


def test_a_folder_that_does_not_exist_is_a_clear_error(made: Made, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        report.write(tmp_path / "none" / "report.html", *made)


def test_what_there_is_to_know_of_seeds_cost_and_confidence_is_on_the_page(store: Store, sandbox: FakeSandbox) -> None:
    students = [
        arm(f"student seed {seed}", Role.STUDENT, share, training="student", examples=10 * 4**seed)
        for seed, share in enumerate((4, 5, 6))
    ]
    arms = [arm("base", Role.BASE, 1), *students, arm("teacher", Role.TEACHER, 9, in_flight=2, price=Price(1.0, 2.0))]
    config = EvaluationConfig(confidence=True)
    run = evaluate(store, TASKS, arms, dataset_id="ds_1", sandbox=sandbox, config=config)
    scores = list(store.find(Score, run_id=run.id))
    summary = summarise(run, TASKS, scores, resamples=300)
    summary = msgspec.structs.replace(summary, off_workflow=summary)
    page = report.render(run, summary, TASKS, scores)
    for expected in (
        "Trainings that differ in their seed",
        "Where an arm falls short",
        "What an accepted patch takes",
        "not given: 3 sizes of training set",
        "Does it know when it is right?",
        "Off the workflow",
        "Where student seed 0 and teacher differ",
        '<span class="come">+     return new(',
        "2 requests in flight",
    ):
        assert expected in page, expected
    said = StringIO()
    terminal.show(summary, Console(file=said, width=200))
    assert "student, 3 trainings (" in said.getvalue()
    assert "One accepted patch of student seed 0: " in said.getvalue()
    assert "right from wrong" in said.getvalue()


def test_many_arms_are_read_in_tables_and_their_names_do_not_lie_on_each_other(
    store: Store, sandbox: FakeSandbox
) -> None:
    students = [arm(f"student-{number}", Role.STUDENT, 5) for number in range(6)]
    arms = [arm("base", Role.BASE, 1), *students, arm("teacher", Role.TEACHER, 9)]
    run = evaluate(store, TASKS, arms, dataset_id="ds_1", sandbox=sandbox, config=EvaluationConfig(confidence=True))
    scores = [
        msgspec.structs.replace(one, metrics=one.metrics | {"seconds": 1.0})  # else as this machine has time
        for one in store.find(Score, run_id=run.id)
    ]
    summary = summarise(run, TASKS, scores, resamples=300)
    found = plots.figures(summary)
    assert "plot-families" not in found
    assert '<h2>By task family</h2>\n<div class="scroll">' in report.render(run, summary, TASKS, scores)
    assert [trace["name"] for trace in found["plot-calibration"]["data"]] == [
        "as sure as right",
        "student-0",
        "student-1",
        "student-2",
    ]
    names = [trace["text"] for trace in found["plot-frontier"]["data"] if "text" in trace]
    assert ["teacher"] in names
    assert 2 <= sum(name[0].startswith("student") for name in names) <= 4  # six students lie on one point
    named = [trace for trace in found["plot-frontier"]["data"] if trace.get("text", [""])[0]]
    dearest = max(named, key=lambda trace: trace["x"][0])
    assert "left" in dearest["textposition"]  # on its right is the edge of the page
    said = StringIO()
    terminal.show(summary, Console(file=said, width=300))
    told = [line for line in said.getvalue().splitlines() if line.startswith("Capability recovered at apply")]
    assert len(told) == 1  # one reason for all of them is said once
    assert "student-0, student-1, student-2" in told[0]


def test_a_cost_without_bound_and_none_at_all_are_said_in_words() -> None:
    lucky = Interval(estimate=2.0, low=1.0, high=float("inf"), level=0.95, clusters=9, method="")
    assert terminal.amount(lucky, "usd") == "$2 [1, no bound]"
    assert terminal.amount(None, "usd") == "none accepted"
    assert terminal.amount(msgspec.structs.replace(lucky, estimate=1712.4, low=0.0123, high=20_000.0)) == (
        "1,712 [0.0123, 20,000]"
    )


def test_a_bound_of_n50_that_was_not_found_is_said_in_words() -> None:
    open_ended = Interval(estimate=200.0, low=0.0, high=float("inf"), level=0.95, clusters=9, method="")
    assert terminal.half(HalfPlateau(n50=open_ended, plateau=0.4, n0=1.0, a=1.0)) == (
        "200 [no bound, no bound], plateau 40 points"
    )
