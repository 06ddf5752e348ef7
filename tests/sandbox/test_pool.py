"""Batches are shared out so that no worker waits while there is work worth a server, and none meets another."""

import threading
import time

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox.contract import Batch, Domain, Ending, Job, LateStart, Result
from golddiff.sandbox.pool import run_batches


class Server:
    """Answers with its batch's name and its own number; a job may say what goes wrong."""

    started: list["Server"]
    lock = threading.Lock()

    def __init__(self, batch: Batch, patient: bool) -> None:
        self.name, self.patient = batch.domain.prepare, patient
        self.closed = 0
        with self.lock:
            self.beside = [other for other in self.started if not other.closed]
            self.started.append(self)
            number = len([other for other in self.started if other.name == self.name])
        self.closed = 1  # unless it starts
        if self.name == "does not start":
            raise SandboxError("no")
        late = {"first starts late": number == 1, "second starts late": number == 2, "starts late": not patient}
        if late.get(self.name) or (self.name == "only the first starts" and number > 1):
            raise LateStart("not yet")
        self.closed = 0

    def ask(self, job: Job, *, patient: bool = False) -> Result | None:
        if job.program == "dies" or (job.program == "dies once" and len(self.started) == 1):
            return None
        if job.program == "silent" and not patient:
            return None
        time.sleep(float(job.candidate or 0))
        return Result(ending=Ending.OK, stdout=self.name.encode(), reason=str(id(self)))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def _none_started() -> None:
    Server.started = []


def batch(name: str, count: int, seconds: float = 0.0, program: str = "") -> Batch:
    return Batch(jobs=[Job(program, str(seconds))] * count, domain=Domain(prepare=name))


def served(results: list[Result] | SandboxError) -> set[bytes]:
    assert isinstance(results, list)
    return {result.stdout for result in results}


def slow(batch: Batch, patient: bool) -> Server:
    """Start a server that a short job is not worth."""
    time.sleep(0.05)
    return Server(batch, patient)


def test_every_batch_has_servers_of_its_own_and_results_in_order() -> None:
    found = run_batches([batch("a", 3), batch("b", 1), batch("c", 2)], slow, 2)
    assert [served(results) for results in found] == [{b"a"}, {b"b"}, {b"c"}]
    assert [len(results) for results in found if isinstance(results, list)] == [3, 1, 2]
    assert sorted(server.name for server in Server.started) == ["a", "b", "c"]
    assert all(server.closed == 1 for server in Server.started)


def test_long_jobs_of_one_batch_are_shared_out() -> None:
    (results,) = run_batches([batch("a", 6, 0.02)], Server, 3)
    assert isinstance(results, list)
    assert len({result.reason for result in results}) == 3


def test_a_few_short_jobs_are_not_worth_a_second_server() -> None:
    run_batches([batch("a", 5)], slow, 4)
    assert len(Server.started) == 1


def test_a_server_that_dies_is_replaced_once_and_then_the_job_is_to_blame() -> None:
    (once,) = run_batches([batch("a", 1, program="dies once")], Server, 1)
    assert served(once) == {b"a"}
    (twice,) = run_batches([Batch(jobs=[Job("dies", ""), Job("", "")], domain=Domain(prepare="b"))], Server, 1)
    assert isinstance(twice, list)
    assert [result.ending for result in twice] == [Ending.VIOLATION, Ending.OK]
    assert all(server.closed == 1 for server in Server.started)


def test_a_job_at_which_its_server_fell_silent_is_waited_for_longer() -> None:
    (results,) = run_batches([batch("a", 1, program="silent")], Server, 1)
    assert served(results) == {b"a"}


def test_a_server_that_starts_late_is_tried_again_alone_and_patiently() -> None:
    late, other = run_batches([batch("starts late", 3), batch("b", 2, 0.03)], slow, 3)
    assert served(late) == {b"starts late"}
    assert served(other) == {b"b"}
    again = next(server for server in Server.started if server.patient)
    assert again.beside == []
    assert [server.name for server in Server.started].count("starts late") == 2


def test_a_late_second_server_is_tried_again_beside_the_first() -> None:
    (results,) = run_batches([batch("second starts late", 6, 0.03)], Server, 2)
    assert isinstance(results, list)
    assert len(results) == 6
    assert {result.stdout for result in results} == {b"second starts late"}
    first, late, again = Server.started
    assert {result.reason for result in results} == {str(id(first)), str(id(again))}
    assert not late.patient
    assert not again.patient


def test_a_batch_begun_again_alone_is_shared_out_once_its_server_stands() -> None:
    (results,) = run_batches([batch("first starts late", 9, 0.03)], Server, 3)
    assert isinstance(results, list)
    assert len({result.reason for result in results}) == 3
    assert [server.patient for server in Server.started] == [False, True, False, False]


def test_servers_that_never_start_beside_another_are_given_up() -> None:
    (results,) = run_batches([batch("only the first starts", 5, 0.03)], Server, 2)
    assert served(results) == {b"only the first starts"}
    assert 2 < len(Server.started) < 20


def test_a_batch_that_cannot_be_served_fails_alone_with_the_reason_and_not_at_once() -> None:
    bad, good, empty = run_batches([batch("does not start", 2), batch("b", 2), batch("c", 0)], Server, 2)
    assert isinstance(bad, SandboxError)
    assert str(bad) == "no"
    assert [server.patient for server in Server.started if server.name == "does not start"] == [False, True]
    assert served(good) == {b"b"}
    assert empty == []


def test_nothing_to_do_is_no_work() -> None:
    assert run_batches([], Server, 2) == []
    assert Server.started == []
