"""Several trainings of one recipe are one arm with seeds; sizes of training set make a learning curve."""

import msgspec
import pytest

from evaluate.conftest import arm, task
from golddiff.evaluate import Arm, Role, evaluate, report, summarise
from golddiff.evaluate.summary.summary import Summary
from golddiff.sandbox.fake import FakeSandbox
from golddiff.statistics.learning import HalfPlateau, NoHalfPlateau
from golddiff.statistics.recovered import Recovered
from golddiff.store import Store
from golddiff.types import Score

TASKS = [task(number, files=12) for number in range(40)]
OTHERS = (arm("base", Role.BASE, 1), arm("teacher", Role.TEACHER, 10), arm("shuffled", Role.CONTROL, 2))


def made(store: Store, sandbox: FakeSandbox, *arms: Arm) -> Summary:
    run = evaluate(store, TASKS, arms, dataset_id="d", sandbox=sandbox)
    return summarise(run, TASKS, list(store.find(Score, run_id=run.id)), resamples=400)


def test_three_trainings_are_one_arm_whose_interval_holds_the_seeds(store: Store, sandbox: FakeSandbox) -> None:
    trained = [
        arm(f"student seed {seed}", Role.STUDENT, share, training="student") for seed, share in enumerate((5, 6, 7))
    ]
    summary = made(store, sandbox, *OTHERS, *trained)
    (training,) = summary.trainings
    assert training.each == pytest.approx((0.5, 0.6, 0.7))
    assert training.success is not None
    assert training.success.estimate == pytest.approx(0.6)
    alone = summary.arm("student seed 1").measures["success"]
    assert training.success.high - training.success.low > 1.5 * (alone.high - alone.low)
    assert set(training.differences) == {"base", "teacher", "shuffled"}
    assert training.differences["base"].estimate == pytest.approx(0.5)
    assert isinstance(training.recoveries[0].result, Recovered)
    assert training.recoveries[0].result.ratio.estimate == pytest.approx(5 / 9)
    assert summary.seeds_caution == ""
    assert not [one for one in summary.contrasts if one.arm.startswith("student")]  # compared as one, not one by one
    assert [one.student for one in summary.recoveries] == ["shuffled"]
    (locate,) = summary.stage_recoveries["locate"]
    assert locate.student == "student"
    assert isinstance(locate.result, Recovered)
    together, alone = locate.result.theta_student, summary.arm("student seed 1").stages["locate"]
    assert together.estimate == pytest.approx(0.6)
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    assert (summary.flat()["theta:student"], summary.flat()["cr:student"]) == pytest.approx((0.6, 5 / 9))
    assert report.headline(summary).startswith("student (3 trainings) does 60.0 % of 40")  # not the luckiest seed


def test_two_trainings_say_nothing_of_seeds_and_the_report_says_so(store: Store, sandbox: FakeSandbox) -> None:
    trained = [arm(f"student seed {seed}", Role.STUDENT, 5, training="student") for seed in range(2)]
    summary = made(store, sandbox, *OTHERS, *trained)
    assert summary.trainings[0].success is None
    assert summary.trainings[0].differences == {}
    assert "small differences are not carried" in summary.seeds_caution
    assert "small differences" in made(store, sandbox, *OTHERS, arm("student", Role.STUDENT, 5)).seeds_caution
    assert made(store, sandbox, *OTHERS).seeds_caution == ""


def test_ratios_of_several_teachers_are_all_kept(store: Store, sandbox: FakeSandbox) -> None:
    arms = [*OTHERS, arm("teacher-2", Role.TEACHER, 6), arm("student", Role.STUDENT, 5)]
    kept = made(store, sandbox, *arms).flat()
    assert kept["cr:student of teacher"] == pytest.approx(4 / 9)
    assert kept["cr:student of teacher-2"] == pytest.approx(4 / 5)


def test_a_training_without_others_is_compared_like_any_arm(store: Store, sandbox: FakeSandbox) -> None:
    summary = made(store, sandbox, *OTHERS, arm("student seed 0", Role.STUDENT, 5, training="student"))
    assert summary.trainings == ()
    assert ("student seed 0", "teacher") in [(one.arm, one.against) for one in summary.contrasts]
    assert "student seed 0" in [one.student for one in summary.recoveries]


def test_trainings_that_all_do_everything_are_no_certainty(store: Store, sandbox: FakeSandbox) -> None:
    trained = [arm(f"student seed {seed}", Role.STUDENT, 10, training="student") for seed in range(3)]
    (training,) = made(store, sandbox, *OTHERS, *trained).trainings
    assert training.success is not None
    assert 0.5 < training.success.low < training.success.high == 1
    assert training.differences["teacher"].low < 0 < training.differences["teacher"].high


def test_sizes_of_training_set_make_a_curve_or_a_reason(store: Store, sandbox: FakeSandbox) -> None:
    sizes = {10: 3, 40: 6, 160: 8, 640: 9, 2560: 9}
    trained = [arm(f"student-{size}", Role.STUDENT, share, examples=size) for size, share in sizes.items()]
    summary = made(store, sandbox, *OTHERS, *trained)
    assert summary.learning is not None
    assert [point.examples for point in summary.learning.points] == list(sizes)
    assert isinstance(summary.learning.fit, HalfPlateau)
    assert 10 < summary.learning.fit.n50.estimate < 60
    assert msgspec.json.decode(msgspec.json.encode(summary))["learning"]["fit"]["plateau"] > 0.5
    few = made(store, sandbox, *OTHERS, *trained[:2])
    assert few.learning is not None
    assert isinstance(few.learning.fit, NoHalfPlateau)
    assert made(store, sandbox, *OTHERS, trained[0]).learning is None
