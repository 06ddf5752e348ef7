"""An evaluation scores what models answer, resumes where it was, and never turns our failures into zeros."""

from dataclasses import replace
from pathlib import Path

import pytest

from golddiff.errors import SandboxError, UpstreamError, UsageError
from golddiff.evaluate import Arm, EvaluationConfig, Role, evaluate, summarise
from golddiff.evaluate import run as run_module
from golddiff.evaluate.arms import recorded_answers
from golddiff.evaluate.budget import Price
from golddiff.evaluate.report.page import write_json
from golddiff.evaluate.summary.summary import require_same_harness
from golddiff.providers import ScriptedUpstream
from golddiff.sandbox.contract import Ending, Limits, Result
from golddiff.sandbox.fake import FakeSandbox
from golddiff.store import Store
from golddiff.types import Score

from .conftest import answering, arm, task

TASKS = [task(number, executes=number % 2 == 0, family="a" if number < 15 else "b", files=12) for number in range(30)]


def scores_of(store: Store, run_id: str, arm_name: str) -> list[Score]:
    return list(store.find(Score, run_id=run_id, arm=arm_name))


def test_the_whole_comparison(store: Store, sandbox: FakeSandbox) -> None:
    arms = [
        arm("base", Role.BASE, 1, explain=True),
        arm("base + R0", Role.BASE, 2, explain=True, shots=3),
        arm("student", Role.STUDENT, 8),
        arm("shuffled", Role.CONTROL, 0),
        Arm(
            name="teacher",
            role=Role.TEACHER,
            identity="recorded",
            recorded={task.id: task.after for task in TASKS},
        ),
    ]
    earlier = [task(number, split="train") for number in range(20)]
    run = evaluate(store, TASKS, arms, dataset_id="ds_1", earlier=earlier, sandbox=sandbox)
    summary = summarise(run, TASKS, list(store.find(Score, run_id=run.id)), resamples=500)
    thetas = {one.name: one.measures["success"].estimate for one in summary.arms}
    assert thetas == pytest.approx({"base": 0.1, "base + R0": 0.2, "student": 0.8, "shuffled": 0.0, "teacher": 1.0})
    assert [(one.student, one.base) for one in summary.recoveries] == [
        ("student", "base + R0"),
        ("shuffled", "base + R0"),
    ]
    assert str(summary.recoveries[0]).startswith("0.75 [")
    assert {(one.arm, one.against) for one in summary.contrasts} == {
        ("base", "base + R0"),
        ("student", "base + R0"),
        ("shuffled", "base + R0"),
        ("teacher", "base + R0"),
        ("student", "shuffled"),
        ("student", "teacher"),
    }
    assert (summary.checked_by_running, summary.checked_by_structure) == (15, 15)
    student = summary.arm("student")
    assert (student.executed, student.structural) == ((12, 15), (12, 15))
    assert student.failures == {"window unchanged": 6}
    assert set(student.families) == {"a", "b"}
    assert summary.flat()["theta:student"] == pytest.approx(0.8)
    assert not [one for one in scores_of(store, run.id, "teacher") if "tokens" in one.metrics]  # nobody said: not 0


def test_shots_are_asked_as_earlier_turns_and_the_format_is_explained_to_untrained_models(
    store: Store, sandbox: FakeSandbox
) -> None:
    base = arm("base", Role.BASE, 1, explain=True, shots=2)
    student = arm("student", Role.STUDENT, 1)
    earlier = [task(number, split="train") for number in range(5)]
    evaluate(store, TASKS[:1], [base, student], dataset_id="ds_1", earlier=earlier, sandbox=sandbox)
    assert isinstance(base.upstream, ScriptedUpstream)
    assert isinstance(student.upstream, ScriptedUpstream)
    roles = [message.role for message in base.upstream.calls[0]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message.role for message in student.upstream.calls[0]] == ["user"]


def test_a_second_run_asks_nothing_again_and_ends_the_same(store: Store, sandbox: FakeSandbox) -> None:
    first = evaluate(store, TASKS, [arm("student", Role.STUDENT, 8)], dataset_id="ds_1", sandbox=sandbox)
    before = scores_of(store, first.id, "student")
    again = arm("student", Role.STUDENT, 8)
    second = evaluate(store, TASKS, [again], dataset_id="ds_1", sandbox=sandbox)
    assert isinstance(again.upstream, ScriptedUpstream)
    assert again.upstream.calls == []
    assert second.id == first.id
    assert scores_of(store, second.id, "student") == before


def test_a_run_that_was_stopped_goes_on_where_it_was(store: Store, sandbox: FakeSandbox) -> None:
    upstream = answering(8)
    stopped: list[int] = []

    def stop(what: str, done: int, total: int) -> None:
        if done >= 8 and "answers" in what and not stopped:
            stopped.append(done)
            raise KeyboardInterrupt

    config = EvaluationConfig(batch=4)
    student = Arm(name="student", role=Role.STUDENT, identity="x", upstream=upstream)
    with pytest.raises(KeyboardInterrupt):
        evaluate(store, TASKS, [student], dataset_id="ds_1", sandbox=sandbox, config=config, progress=stop)
    assert list(store.find(Score)) == []
    evaluate(store, TASKS, [student], dataset_id="ds_1", sandbox=sandbox, config=config, progress=stop)
    assert len(upstream.calls) == len(TASKS)


def test_another_checkpoint_or_harness_is_asked_anew(store: Store, sandbox: FakeSandbox) -> None:
    evaluate(store, TASKS[:3], [arm("s", Role.STUDENT, 8)], dataset_id="d", sandbox=sandbox)
    other = Arm(name="s", role=Role.STUDENT, identity="other weights", upstream=answering(8))
    evaluate(store, TASKS[:3], [other], dataset_id="d", sandbox=sandbox)
    longer = arm("s", Role.STUDENT, 8)
    evaluate(store, TASKS[:3], [longer], dataset_id="d", sandbox=sandbox, config=EvaluationConfig(extra_tokens=99))
    for asked in (other, longer):
        assert isinstance(asked.upstream, ScriptedUpstream)
        assert len(asked.upstream.calls) == 3


def test_all_that_changes_a_score_makes_another_run(store: Store, sandbox: FakeSandbox) -> None:
    plain = Arm(name="t", role=Role.TEACHER, identity="big", upstream=answering(8))
    recorded = Arm(name="t", role=Role.TEACHER, identity="recorded", recorded={TASKS[0].id: "x"})
    earlier = [task(number, split="train") for number in range(2)]
    made: list[tuple[Arm, dict[str, object]]] = [
        (plain, {}),
        (replace(plain, variant="another server"), {}),
        (replace(plain, explain=True), {}),
        (replace(plain, price=Price(1, 2)), {}),
        (replace(plain, in_flight=2), {}),
        (replace(plain, shots=1), {"earlier": earlier[:1]}),
        (replace(plain, shots=1), {"earlier": earlier}),
        (plain, {"config": EvaluationConfig(likelihood=False)}),
        (plain, {"config": EvaluationConfig(confidence=True)}),
        (plain, {"config": EvaluationConfig(limits=Limits(wall_sec=1.0))}),
        (recorded, {}),
        (replace(recorded, recorded={TASKS[0].id: "y"}), {}),
    ]
    ids = [evaluate(store, TASKS[:2], [one], dataset_id="d", sandbox=sandbox, **more).id for one, more in made]  # type: ignore[arg-type]
    assert len(set(ids)) == len(ids)
    again = evaluate(store, TASKS[:2], [replace(plain)], dataset_id="d", sandbox=sandbox, earlier=earlier)
    assert again.id == ids[0]  # what no arm is shown changes nothing


def test_another_time_limit_of_checks_is_another_harness_and_keeps_the_answers(
    store: Store, sandbox: FakeSandbox
) -> None:
    student = arm("s", Role.STUDENT, 8)
    runs = [
        evaluate(store, TASKS[:3], [student], dataset_id="d", sandbox=sandbox, config=config)
        for config in (EvaluationConfig(), EvaluationConfig(limits=Limits(wall_sec=1.0)))
    ]
    with pytest.raises(UsageError, match="different harnesses"):
        require_same_harness(*runs)
    assert isinstance(student.upstream, ScriptedUpstream)
    assert len(student.upstream.calls) == 3


def test_a_time_holds_only_for_the_requests_that_were_in_flight_with_it(store: Store, sandbox: FakeSandbox) -> None:
    seconds = []
    for in_flight in (2, 3, 2):
        run = evaluate(store, TASKS, [arm("s", Role.STUDENT, 8, in_flight=in_flight)], dataset_id="d", sandbox=sandbox)
        scores = list(store.find(Score, run_id=run.id))
        seconds.append(sum("seconds" in score.metrics for score in scores))
    assert seconds == [len(TASKS), 0, len(TASKS)]


def test_a_model_that_does_not_answer_is_unscored_and_not_zero(store: Store, sandbox: FakeSandbox) -> None:
    class Broken(ScriptedUpstream):
        def complete(self, batch, max_tokens):  # type: ignore[no-untyped-def]
            raise UpstreamError("no route")

    broken = Arm(name="broken", role=Role.STUDENT, identity="b", upstream=Broken(lambda _: ""))
    run = evaluate(store, TASKS, [broken, arm("base", Role.BASE, 1)], dataset_id="d", sandbox=sandbox)
    summary = summarise(run, TASKS, list(store.find(Score, run_id=run.id)), resamples=200)
    assert summary.arm("broken").scored == 0
    assert sum(summary.arm("broken").unscored.values()) == len(TASKS)
    assert "success" not in summary.arm("broken").measures
    assert [one for one in summary.contrasts if one.arm == "broken"] == []


@pytest.mark.parametrize("in_flight", [0, 2])
def test_a_key_that_a_provider_repeats_reaches_no_file(
    store: Store, sandbox: FakeSandbox, tmp_path: Path, in_flight: int
) -> None:
    key = "AKIAQYLPMN5HHHFPZAM2"

    class Refusing(ScriptedUpstream):
        def complete(self, batch, max_tokens):  # type: ignore[no-untyped-def]
            raise UpstreamError(f"HTTP 401: incorrect key {key}")

    refused = Arm(name="r", role=Role.TEACHER, identity="r", upstream=Refusing(lambda _: ""), in_flight=in_flight)
    run = evaluate(store, TASKS[:3], [refused], dataset_id="d", sandbox=sandbox)
    scores = list(store.find(Score, run_id=run.id))
    write_json(tmp_path / "report.json", summarise(run, TASKS[:3], scores, resamples=200))
    assert {str(score.unscored)[:32] for score in scores} == {"model: HTTP 401: incorrect key ["}
    assert [path for path in tmp_path.rglob("*") if path.is_file() and key.encode() in path.read_bytes()] == []


def test_one_impossible_question_costs_only_itself(store: Store, sandbox: FakeSandbox) -> None:
    class Picky(ScriptedUpstream):
        def complete(self, batch, max_tokens):  # type: ignore[no-untyped-def]
            if any("(29)" in conversation[-1].content for conversation in batch):
                raise UpstreamError("too long")
            return super().complete(batch, max_tokens)

    inner = answering(10)
    picky = Arm(name="picky", role=Role.STUDENT, identity="p", upstream=Picky(inner._script))
    run = evaluate(store, TASKS, [picky], dataset_id="d", sandbox=sandbox)
    unscored = [score for score in store.find(Score, run_id=run.id) if score.unscored]
    assert [score.example_id for score in unscored] == ["ex_test_29"]
    assert unscored[0].unscored == "model: too long"


def test_without_a_sandbox_executed_scores_are_unscored_and_text_is_still_scored(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise SandboxError("no sandbox works on this machine: install bubblewrap")

    monkeypatch.setattr(run_module, "open_sandbox", refuse)
    tasks = [task(1), task(2, checked=False)]
    run = evaluate(store, tasks, [arm("student", Role.STUDENT, 10)], dataset_id="d")
    checked, plain = scores_of(store, run.id, "student")
    assert checked.unscored == "check: no sandbox"
    assert "success" not in checked.metrics
    assert checked.metrics["exact"] == 1.0
    assert plain.metrics["success"] == 1.0
    assert "install bubblewrap" in str(run.summary["sandbox"])


def test_a_check_that_cannot_decide_is_unscored_for_every_arm(store: Store) -> None:
    always = FakeSandbox(lambda job: '"same"')
    run = evaluate(store, [task(1)], [arm("student", Role.STUDENT, 10)], dataset_id="d", sandbox=always)
    (score,) = scores_of(store, run.id, "student")
    assert score.unscored is not None
    assert "rejects the accepted change" in score.unscored


def test_failures_are_named_by_kind(store: Store) -> None:
    def judge(job: object) -> str | Result:
        text = job.candidate  # type: ignore[attr-defined]
        if "loop" in text:
            return Result(ending=Ending.TIMEOUT)
        return '"return new(' + text.split("(")[2].split(")")[0] + ')"' if "new" in text else '"?"'

    answers = {1: "", 2: "def f():\n    return old(2)\n", 3: "x" * 900, 4: "def f():\n    return wrong(4)\n"}
    answers |= {5: "def f():\n    return loop(5)\n", 6: "```python\ndef f():"}
    script = ScriptedUpstream(lambda m: answers[int(m[-1].content.split("(")[2].split(")")[0])])
    tasks = [task(number) for number in answers]
    run = evaluate(
        store,
        tasks,
        [Arm(name="s", role=Role.STUDENT, identity="s", upstream=script)],
        dataset_id="d",
        sandbox=FakeSandbox(judge),
    )
    assert [score.failure for score in scores_of(store, run.id, "s")] == [
        "no update in the answer",
        "window unchanged",
        "cut at the token limit",
        "wrong result",
        "timeout",
        "no update in the answer",
    ]


def test_secrets_in_answers_do_not_reach_the_disk(store: Store, sandbox: FakeSandbox) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    leaking = ScriptedUpstream(lambda _: f"token = '{secret}'")
    run = evaluate(
        store,
        [task(1)],
        [Arm(name="s", role=Role.STUDENT, identity="s", upstream=leaking)],
        dataset_id="d",
        sandbox=sandbox,
    )
    (score,) = scores_of(store, run.id, "s")
    assert score.prediction is not None
    assert secret not in score.prediction
    assert not [path for path in store.root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_the_recorded_teacher_is_the_attempt_of_the_same_request() -> None:
    tasks = [task(1), task(2)]
    attempt = task(1, checked=False)
    assert recorded_answers(tasks, [attempt]) == {"ex_test_1": attempt.after}


@pytest.mark.parametrize(("tasks", "arms"), [([], 1), (TASKS[:1], 0), (TASKS[:1], 2)])
def test_it_refuses_what_is_no_evaluation(store: Store, tasks: list[object], arms: int) -> None:
    with pytest.raises(UsageError):
        evaluate(store, tasks, [arm("one", Role.BASE, 1)] * arms, dataset_id="d")  # type: ignore[arg-type]
