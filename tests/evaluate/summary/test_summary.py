"""The numbers of a report: paired, honest about zeros and about what is missing."""

import msgspec
import pytest

from evaluate.conftest import arm, task
from golddiff.errors import UsageError
from golddiff.evaluate import Arm, Role, evaluate, summarise
from golddiff.evaluate.summary.summary import Summary
from golddiff.providers import ScriptedUpstream
from golddiff.sandbox.fake import FakeSandbox
from golddiff.statistics.intervals import wilson
from golddiff.statistics.recovered import Recovered
from golddiff.store import Store
from golddiff.types import Score

TASKS = [task(number, files=12) for number in range(40)]


def made(store: Store, sandbox: FakeSandbox, *arms: Arm) -> Summary:
    run = evaluate(store, TASKS, arms, dataset_id="d", sandbox=sandbox)
    return summarise(run, TASKS, list(store.find(Score, run_id=run.id)), resamples=400)


def test_nothing_right_is_not_certainty(store: Store, sandbox: FakeSandbox) -> None:
    """All draws of zeros are zero; the interval is Wilson's over the twelve files."""
    summary = made(store, sandbox, arm("none", Role.STUDENT, 0), arm("all", Role.STUDENT, 10))
    assert summary.arm("none").measures["success"] == wilson(0, 12)
    assert summary.arm("all").measures["success"] == wilson(12, 12)
    assert summary.caution == ""
    assert "rough guide" in msgspec.structs.replace(summary, clusters=9).caution


def test_the_best_untrained_arm_is_what_students_are_measured_by(store: Store, sandbox: FakeSandbox) -> None:
    summary = made(
        store,
        sandbox,
        arm("base", Role.BASE, 3),
        arm("base + R0", Role.BASE, 1, shots=2),
        arm("student", Role.STUDENT, 6),
        arm("teacher", Role.TEACHER, 9),
    )
    (recovery,) = summary.recoveries
    assert recovery.base == "base"
    assert isinstance(recovery.result, Recovered)
    assert recovery.result.ratio.estimate == pytest.approx(0.5)
    assert summary.flat()["cr:student"] == pytest.approx(0.5)
    assert summary.flat()["cr_refused:student"] is None


def test_a_teacher_that_is_hardly_better_gives_no_ratio(store: Store, sandbox: FakeSandbox) -> None:
    summary = made(
        store, sandbox, arm("base", Role.BASE, 5), arm("student", Role.STUDENT, 7), arm("teacher", Role.TEACHER, 5)
    )
    assert summary.flat()["cr:student"] is None
    assert "below 5 points" in str(summary.recoveries[0])


def test_pairs_are_tasks_that_both_arms_have_a_score_for(store: Store, sandbox: FakeSandbox) -> None:
    recorded = {one.id: one.after for one in TASKS[:10]}
    teacher = Arm(name="teacher", role=Role.TEACHER, identity="recorded", recorded=recorded)
    summary = made(store, sandbox, arm("base", Role.BASE, 1), teacher)
    (contrast,) = summary.contrasts
    assert contrast.tasks == 10
    assert (contrast.only_arm, contrast.only_against) == (9, 0)
    assert contrast.p_value == pytest.approx(2 / 2**9)
    assert contrast.nll is None
    assert summary.arm("teacher").scored == 10
    assert sum(summary.arm("teacher").unscored.values()) == 30


def test_tasks_without_an_answer_are_no_answers_of_no_length(store: Store, sandbox: FakeSandbox) -> None:
    run = evaluate(store, TASKS, [arm("student", Role.STUDENT, 8)], dataset_id="d", sandbox=sandbox)
    scores = list(store.find(Score, run_id=run.id))
    lost = [msgspec.structs.replace(score, metrics={}, unscored="model: gone") for score in scores[:20]]
    whole, half = (summarise(run, TASKS, found, resamples=100) for found in (scores, lost + scores[20:]))
    assert half.arm("student").tokens == pytest.approx(whole.arm("student").tokens, rel=0.2) != 0


def test_likelihoods_are_compared_by_tokens(store: Store, sandbox: FakeSandbox) -> None:
    summary = made(store, sandbox, arm("base", Role.BASE, 1), arm("student", Role.STUDENT, 8))
    nll = summary.arm("student").nll
    assert nll is not None
    assert nll.estimate == pytest.approx(1.2)
    assert summary.arm("student").nll_tasks == 40
    difference = summary.contrasts[0].nll
    assert difference is not None
    assert difference.estimate == pytest.approx(-0.7)


def test_several_comparisons_are_adjusted_together(store: Store, sandbox: FakeSandbox) -> None:
    summary = made(
        store,
        sandbox,
        arm("base", Role.BASE, 2),
        arm("student", Role.STUDENT, 4),
        arm("control", Role.CONTROL, 3),
    )
    assert len(summary.contrasts) == 3
    assert all(one.p_adjusted >= one.p_value for one in summary.contrasts)
    assert max(one.p_adjusted / one.p_value for one in summary.contrasts) == pytest.approx(3)


def test_arms_without_any_score_leave_the_rest_alone(store: Store, sandbox: FakeSandbox) -> None:
    silent = Arm(name="silent", role=Role.BASE, identity="s", recorded={})
    summary = made(store, sandbox, silent, arm("student", Role.STUDENT, 5))
    assert summary.contrasts == ()
    assert summary.recoveries == ()
    assert summary.arm("student").measures["success"].estimate == 0.5


def test_unanswered_format_is_a_failure_of_the_model(store: Store, sandbox: FakeSandbox) -> None:
    mute = Arm(name="mute", role=Role.STUDENT, identity="m", upstream=ScriptedUpstream(lambda _: ""))
    summary = made(store, sandbox, mute)
    assert summary.arm("mute").scored == 40
    assert summary.arm("mute").measures["applied"].estimate == 0.0


def test_there_is_nothing_to_summarise_without_tasks(store: Store, sandbox: FakeSandbox) -> None:
    run = evaluate(store, TASKS, [arm("student", Role.STUDENT, 5)], dataset_id="d", sandbox=sandbox)
    with pytest.raises(UsageError, match="no task"):
        summarise(run, [], [])
