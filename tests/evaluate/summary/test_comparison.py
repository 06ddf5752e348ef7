"""Two runs: paired on the tasks that both asked, and refused where that would mean nothing."""

import dataclasses

import msgspec
import pytest

from evaluate.conftest import arm, task
from golddiff.errors import UsageError
from golddiff.evaluate import Arm, EvaluationConfig, Role, evaluate
from golddiff.evaluate.summary.comparison import Comparison, compare
from golddiff.sandbox.fake import FakeSandbox
from golddiff.statistics.recovered import Recovered
from golddiff.store import Store
from golddiff.types import EvaluationRun, Score

TASKS = [task(number, files=12) for number in range(40)]


@pytest.fixture
def runs(store: Store, sandbox: FakeSandbox) -> list[tuple[EvaluationRun, list[Score]]]:
    """The first run asks tasks 0 to 29 and gets 3 of ten, the second asks 10 to 39 and gets 6 of ten."""

    def made(right: int, first: int, last: int, *more: Arm) -> tuple[EvaluationRun, list[Score]]:
        arms = [dataclasses.replace(arm("student", Role.STUDENT, right), identity=f"student of {right}"), *more]
        run = evaluate(store, TASKS[first:last], arms, dataset_id="d", sandbox=sandbox)
        return run, list(store.find(Score, run_id=run.id))

    return [made(3, 0, 30, arm("base", Role.BASE, 0)), made(6, 10, 40)]


def between(runs: list[tuple[EvaluationRun, list[Score]]]) -> Comparison:
    return compare(runs[0], runs[1], TASKS, resamples=400)


def test_only_tasks_that_both_asked_are_compared(runs: list[tuple[EvaluationRun, list[Score]]]) -> None:
    found = between(runs)
    (change,) = found.changes
    assert (found.shared, found.only_first, found.only_second) == (20, 10, 10)
    assert (change.first, change.second) == (0.3, 0.6)
    assert change.difference.estimate == pytest.approx(0.3)
    assert change.difference.low < 0.3 < change.difference.high
    assert found.arms_only_first == ("base",)


def test_what_was_won_is_named_by_task(runs: list[tuple[EvaluationRun, list[Score]]]) -> None:
    (change,) = between(runs).changes
    assert change.won == tuple(f"ex_test_{number}" for number in (13, 14, 15, 23, 24, 25))
    assert change.lost == ()
    assert change.p_value == pytest.approx(2 / 2**6)


def test_a_task_that_one_run_could_not_score_is_left_out_and_counted(
    runs: list[tuple[EvaluationRun, list[Score]]],
) -> None:
    run, scores = runs[1]
    hidden = [
        msgspec.structs.replace(one, metrics={}, unscored="no sandbox") if one.example_id == "ex_test_13" else one
        for one in scores
    ]
    (change,) = compare(runs[0], (run, hidden), TASKS, resamples=400).changes
    assert (change.tasks, change.left_out) == (19, 1)
    assert "ex_test_13" not in change.won


def test_runs_of_other_harnesses_are_refused(store: Store, sandbox: FakeSandbox) -> None:
    arms = [arm("student", Role.STUDENT, 3)]
    made = [
        evaluate(store, TASKS, arms, dataset_id="d", sandbox=sandbox, config=EvaluationConfig(max_tokens=most))
        for most in (256, 512)
    ]
    with pytest.raises(UsageError, match="different harnesses"):
        compare(*((run, list(store.find(Score, run_id=run.id))) for run in made), TASKS)  # type: ignore[misc]


def test_nothing_in_common_is_refused(runs: list[tuple[EvaluationRun, list[Score]]]) -> None:
    (one, scores), other = runs
    with pytest.raises(UsageError, match="no task in common"):
        compare((one, [score for score in scores if score.example_id < "ex_test_1"]), other, TASKS)
    renamed = msgspec.structs.replace(other[0], arms={"teacher": "x"})
    with pytest.raises(UsageError, match="no arm of one name"):
        compare((one, scores), (renamed, other[1]), TASKS)


def test_capability_recovered_stands_for_both_runs_with_the_interval_of_its_difference(
    store: Store, sandbox: FakeSandbox
) -> None:
    tasks = [task(number, files=20) for number in range(80)]

    def made(right: int) -> tuple[EvaluationRun, list[Score]]:
        arms = [
            arm("base", Role.BASE, 1),
            dataclasses.replace(arm("student", Role.STUDENT, right), identity=f"student of {right}"),
            arm("teacher", Role.TEACHER, 9),
        ]
        run = evaluate(store, tasks, arms, dataset_id="d", sandbox=sandbox)
        return run, list(store.find(Score, run_id=run.id))

    runs = [made(3), made(7)]
    (change,) = compare(*runs, tasks, resamples=400).recovered
    assert change.tasks == 80
    assert isinstance(change.first.result, Recovered)
    assert isinstance(change.second.result, Recovered)
    assert (change.first.result.ratio.estimate, change.second.result.ratio.estimate) == pytest.approx((0.25, 0.75))
    assert change.difference is not None
    assert change.difference.estimate == pytest.approx(0.5)
    assert 0 < change.difference.low < 0.5 < change.difference.high
    (same,) = compare(runs[0], runs[0], tasks, resamples=400).recovered
    assert same.difference is not None
    assert same.difference.low < 0 < same.difference.high  # that all draws agree is no certainty
    few = [one for one in tasks if one.path < "file13"][:8]
    (refused,) = compare(*runs, few, resamples=400).recovered
    assert refused.difference is None
    assert "too few" in str(refused.first)
