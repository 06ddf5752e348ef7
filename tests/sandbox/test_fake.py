"""The fake answers what it was told, runs nothing and remembers what it was asked."""

from golddiff.sandbox.contract import Ending, Job, Result, Sandbox
from golddiff.sandbox.fake import FakeSandbox


def test_it_answers_with_text_or_a_whole_result() -> None:
    late = Result(ending=Ending.TIMEOUT)
    fake: Sandbox = FakeSandbox(lambda job: late if "loop" in job.candidate else "42")
    results = fake.run_jobs([Job("p", "loop"), Job("p", "x")])
    assert [result.ending for result in results] == [Ending.TIMEOUT, Ending.OK]
    assert results[1].stdout == b"42"


def test_it_remembers_its_jobs() -> None:
    fake = FakeSandbox()
    assert fake.run(["python", "program"], files={"candidate": b"text"}).stdout == b"text"
    assert fake.jobs == [Job("program", "text")]
    assert fake.describe() == "fake"
