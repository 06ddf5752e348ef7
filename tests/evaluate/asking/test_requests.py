"""Requests in flight: kept as they come, never overdrawn, never paid for twice; workers give the same answers."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from evaluate.conftest import Answering, answering, arm, task
from golddiff.errors import BudgetSpent, UpstreamError
from golddiff.evaluate import Arm, EvaluationConfig, Role, evaluate
from golddiff.evaluate.budget import Budget, Price
from golddiff.parallel import Workers
from golddiff.providers import Completion, ScriptedUpstream
from golddiff.providers.on_demand import OnDemand
from golddiff.sandbox.fake import FakeSandbox
from golddiff.store import Store
from golddiff.types import Score

TASKS = [task(number, files=12) for number in range(30)]


class Server(ScriptedUpstream):
    """Charges ten tokens a request, and notes how many it serves at once."""

    meet = 0
    """Requests that wait until four of them are there."""

    def __init__(self, inner: ScriptedUpstream) -> None:
        super().__init__(inner._script)
        self.now = self.most = self.begun = 0
        self._guard, self._four = threading.Lock(), threading.Barrier(4, timeout=5)

    def complete(self, batch: Sequence[object], max_tokens: int) -> list[Completion]:
        with self._guard:
            self.now, self.begun = self.now + 1, self.begun + 1
            self.most, first = max(self.most, self.now), self.begun <= self.meet
        if first:
            self._four.wait()
        found = [
            Completion(text=one.text, finish_reason=one.finish_reason, prompt_tokens=8, completion_tokens=2)
            for one in super().complete(batch, max_tokens)  # type: ignore[arg-type]
        ]
        with self._guard:
            self.now -= 1
        return found


def served(server: ScriptedUpstream, **more: object) -> Arm:
    return Arm(name="teacher", role=Role.TEACHER, identity="t", upstream=server, in_flight=4, **more)  # type: ignore[arg-type]


def test_a_server_is_asked_side_by_side_while_a_local_model_answers(store: Store, sandbox: FakeSandbox) -> None:
    server = Server(answering(9))
    server.meet = 4
    arms = [served(server, price=Price(1.0, 10.0)), arm("base", Role.BASE, 1)]
    estimates: dict[str, str] = {}
    run = evaluate(store, TASKS, arms, dataset_id="d", sandbox=sandbox, estimate=estimates.__setitem__)
    assert server.most == 4
    assert len(server.calls) == len(TASKS)
    scores = list(store.find(Score, run_id=run.id, arm="teacher"))
    assert [score.example_id for score in scores] == [one.id for one in TASKS]
    assert sum(score.metrics["success"] for score in scores) == 27
    assert scores[0].metrics["usd"] == pytest.approx(28e-6)
    assert all(score.metrics["seconds"] > 0 for score in scores)
    assert estimates["teacher: answers"].startswith("90.0 % [")
    assert estimates["teacher: checks"].endswith("pass")


def test_money_ends_a_run_cleanly_and_the_same_command_goes_on(store: Store, sandbox: FakeSandbox) -> None:
    server, price = Server(answering(9)), Price(1000.0, 1000.0)
    assert price.most(served(server).messages(TASKS[0], None), 64) > 0.1
    spent = 0.0
    for _ in range(4):
        budget = Budget(usd=0.2)
        with pytest.raises(BudgetSpent, match="of 30 of teacher") as ended:
            evaluate(store, TASKS, [served(server, price=price)], dataset_id="d", sandbox=sandbox, budget=budget)
        assert budget.spent <= 0.2
        assert "no scores are stored" in str(ended.value)
        spent += budget.spent
    assert not list(store.find(Score))
    evaluate(store, TASKS, [served(server, price=price)], dataset_id="d", sandbox=sandbox)
    assert len(server.calls) == len(TASKS)
    assert spent > 0.1  # every call made use of what it was given


def test_a_local_model_with_a_price_waits_for_what_is_under_way_elsewhere(store: Store, sandbox: FakeSandbox) -> None:
    student = arm("student", Role.STUDENT, 8, price=Price(1.0, 1.0))
    budget = Budget(usd=1.0)
    assert budget.admit(1.0)  # a server's request, which turns out to be nearly free
    threading.Timer(0.02, lambda: budget.settle(1.0, 0.01)).start()
    run = evaluate(store, TASKS, [student], dataset_id="d", sandbox=sandbox, budget=budget)
    assert len(list(store.find(Score, run_id=run.id))) == len(TASKS)
    assert budget.ended is None


def test_time_ends_a_run_before_the_next_batch(store: Store, sandbox: FakeSandbox) -> None:
    ticks = iter(range(0, 10_000, 20))
    budget = Budget(minutes=1, clock=lambda: float(next(ticks)))
    student = arm("student", Role.STUDENT, 8)
    with pytest.raises(BudgetSpent, match=r"budget of 1 minutes .* of 30 of student"):
        evaluate(
            store, TASKS, [student], dataset_id="d", sandbox=sandbox, budget=budget, config=EvaluationConfig(batch=8)
        )
    assert isinstance(student.upstream, ScriptedUpstream)
    assert 8 <= len(student.upstream.calls) < 30


def test_a_request_that_fails_is_not_asked_again_with_its_neighbours(store: Store, sandbox: FakeSandbox) -> None:
    class Picky(Server):
        def complete(self, batch: Sequence[object], max_tokens: int) -> list[Completion]:
            if any("(7)" in conversation[-1].content for conversation in batch):  # type: ignore[index]
                raise UpstreamError("refused")
            return super().complete(batch, max_tokens)

    server = Picky(answering(9))
    run = evaluate(store, TASKS, [served(server)], dataset_id="d", sandbox=sandbox)
    unscored = [score for score in store.find(Score, run_id=run.id) if score.unscored]
    assert [(score.example_id, score.unscored) for score in unscored] == [("ex_test_7", "model: refused")]
    assert len(server.calls) == len(TASKS) - 1


def test_one_model_is_in_memory_at_a_time_and_none_where_all_answers_are_kept(
    store: Store, sandbox: FakeSandbox
) -> None:
    models = [OnDemand(Answering(share)) for share in (1, 8)]
    open_together: list[int] = []

    def progress(what: str, done: int, total: int) -> None:
        open_together.append(sum(model.is_open for model in models))

    arms = [
        Arm(name=f"student-{index}", role=Role.STUDENT, identity=f"m{index}", upstream=model)
        for index, model in enumerate(models)
    ]
    evaluate(store, TASKS, arms, dataset_id="d", sandbox=sandbox, progress=progress)
    assert max(open_together) == 1
    open_together.clear()
    evaluate(store, TASKS, arms, dataset_id="d", sandbox=sandbox, progress=progress)
    assert max(open_together) == 0


@pytest.mark.parametrize("ray", [None, "local"])
def test_workers_give_the_same_scores(tmp_path: Path, sandbox: FakeSandbox, ray: str | None) -> None:
    if ray:
        pytest.importorskip("ray", reason="Ray is an optional extra: pip install 'golddiff[ray]'")
    found = []
    config = EvaluationConfig(batch=8, confidence=True)
    for name, workers in (("here", None), ("there", Workers(jobs=2, ray=ray))):
        with Store.open(tmp_path / name) as store:
            student = Arm(name="student", role=Role.STUDENT, identity="m", upstream=OnDemand(Answering(8)))
            run = evaluate(store, TASKS, [student], dataset_id="d", sandbox=sandbox, config=config, workers=workers)
            scores = list(store.find(Score, run_id=run.id))
        found.append([(one.id, one.prediction, one.metrics | {"seconds": 0.0}) for one in scores])
    assert found[0] == found[1]
    assert "answer_nll" in found[0][0][2]
