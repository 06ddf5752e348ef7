"""A sandbox for tests that runs nothing: a function decides what came back.

How it fits: tests of scoring and evaluation that are not about containment use this, so that they are fast and
run on machines without user namespaces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from golddiff.errors import SandboxError
from golddiff.sandbox.contract import Batch, Ending, Job, Limits, Result

__all__ = ["FakeSandbox"]


class FakeSandbox:
    """Answers every job with `answer(job)`: text to print on standard output, or a whole `Result`."""

    def __init__(self, answer: Callable[[Job], str | Result] = lambda job: job.candidate) -> None:
        self.answer = answer
        self.jobs: list[Job] = []
        """Every job that was asked for, in order."""

    def describe(self) -> str:
        """Return `fake`."""
        return "fake"

    def run(
        self, argv: Sequence[str], *, files: Mapping[str, bytes] | None = None, limits: Limits | None = None
    ) -> Result:
        """Answer as if the last argument were a program and the first file its candidate."""
        candidate = next(iter((files or {}).values()), b"").decode()
        return self.run_jobs([Job(argv[-1], candidate)])[0]

    def run_batches(self, batches: Sequence[Batch]) -> list[list[Result] | SandboxError]:
        """Answer each job in order; raises nothing."""
        return [self.run_jobs(batch.jobs) for batch in batches]

    def run_jobs(self, jobs: Sequence[Job], *, limits: Limits | None = None) -> list[Result]:
        """Answer each job in order."""
        self.jobs.extend(jobs)
        return [self._result(job) for job in jobs]

    def _result(self, job: Job) -> Result:
        answer = self.answer(job)
        if isinstance(answer, Result):
            return answer
        return Result(ending=Ending.OK, exit_code=0, stdout=answer.encode())
