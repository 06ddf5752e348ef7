"""Every arm is asked every task: one local model in memory at a time, servers side by side meanwhile.

How it fits: `run.evaluate` hands over tasks and arms and gets what each arm said, to be judged. Arms that share a model
(base, and base with R0) are asked one after the other, so that it is opened once and its kept answers have one writer.

The running estimate is the share of answers so far that are the accepted text, which needs no sandbox; what a task's
check says comes later. A local model is asked short windows first, so its estimate begins too high.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from golddiff.errors import BudgetSpent
from golddiff.evaluate.arms import Arm
from golddiff.evaluate.asking.answers import Answer, AnswerBook, Failure, Likelihood, Question
from golddiff.evaluate.asking.likelihood import changed_lines
from golddiff.evaluate.asking.requests import LEFT, Way
from golddiff.evaluate.budget import Budget
from golddiff.parallel import Workers
from golddiff.prompts import parse_update
from golddiff.prompts.nearest import EarlierChanges
from golddiff.providers.on_demand import OnDemand
from golddiff.providers.upstream import Upstream
from golddiff.rights.redact import redact_text
from golddiff.scoring import exact_match
from golddiff.statistics.intervals import wilson
from golddiff.types import Example, Message

__all__ = ["Estimate", "Interview", "Progress", "Said", "book_of", "window_of"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is; from several threads."""

Estimate = Callable[[str, str], None]
"""Called with what is being done and what it looks like so far; from several threads."""


@dataclass(frozen=True)
class Said:
    """What one arm said, per task in order."""

    answers: list[Answer | Failure]
    changes: list[Likelihood | Failure]
    """Likelihood of the accepted changed lines."""
    own: list[Likelihood | Failure]
    """Likelihood of its own answers."""


@dataclass(frozen=True, kw_only=True)
class Interview:
    """How all arms are asked."""

    tasks: Sequence[Example]
    earlier: EarlierChanges | None
    """What R0 may show."""
    limit_of: Callable[[Example], int]
    """Most tokens of an answer."""
    harness: str
    """`run.asking_name`: answers are kept under it."""
    books: Path
    """Folder of kept answers."""
    batch: int
    likelihood: bool
    confidence: bool
    workers: Workers | None
    budget: Budget
    progress: Progress
    estimate: Estimate

    def hold(self, arms: Sequence[Arm]) -> dict[str, Said]:
        """Ask every arm and return what it said, by its name.

        Raises BudgetSpent, saying what is left, where the budget ended before the last answer.
        """
        servers, here = _groups([arm for arm in arms if arm.in_flight]), _groups([a for a in arms if not a.in_flight])
        said: dict[str, Said] = {}
        with ThreadPoolExecutor(max(1, len(servers))) as pool:
            try:
                under_way = [pool.submit(self._group, group) for group in servers]
                for group in here:
                    said |= self._group(group)
                for future in under_way:
                    said |= future.result()
            except BaseException:
                self.budget.stop()  # and wait for the requests under way, which are paid for
                raise
        self._refuse_half(arms, said)
        return said

    def _group(self, arms: Sequence[Arm]) -> dict[str, Said]:
        try:
            return {arm.name: self._arm(arm) for arm in arms}
        finally:
            for arm in arms:
                if isinstance(arm.upstream, OnDemand):
                    arm.upstream.close()

    def _arm(self, arm: Arm) -> Said:
        unknown: list[Likelihood | Failure] = [Failure.of("")] * len(self.tasks)
        if arm.upstream is None:
            return Said([_recorded(arm, task) for task in self.tasks], unknown, unknown)
        asked = [(task, arm.messages(task, self.earlier)) for task in self.tasks]
        way = Way(
            batch=self.batch,
            in_flight=arm.in_flight,
            workers=self.workers,
            opener=arm.upstream.opener if isinstance(arm.upstream, OnDemand) else None,
            budget=self.budget,
        )
        with book_of(self.books, arm, arm.upstream, self.harness) as book:
            answers = self._answers(book, arm, asked, way)
            if arm.in_flight:  # servers of chats give no likelihood of a text of ours
                return Said(answers, unknown, unknown)
            changes = self._changes(book, arm, asked, way) if self.likelihood else unknown
            own = self._own(book, arm, asked, answers, way) if self.confidence else unknown
        return Said(answers, changes, own)

    def _answers(
        self, book: AnswerBook, arm: Arm, asked: Sequence[tuple[Example, tuple[Message, ...]]], way: Way
    ) -> list[Answer | Failure]:
        what = f"{arm.name}: answers"
        right = seen = 0

        def answered(index: int, answer: Answer) -> None:
            nonlocal right, seen
            task = self.tasks[index]
            window = window_of(arm, task, answer)
            right, seen = right + (window is not None and exact_match(task.after, window)), seen + 1
            self.estimate(what, f"{wilson(right, seen)} as accepted")

        return book.ask(
            [Question(messages, self.limit_of(task)) for task, messages in asked],
            way,
            progress=lambda done: self.progress(what, done, len(asked)),
            answered=answered,
        )

    def _changes(
        self, book: AnswerBook, arm: Arm, asked: Sequence[tuple[Example, tuple[Message, ...]]], way: Way
    ) -> list[Likelihood | Failure]:
        self.progress(f"{arm.name}: likelihood", 0, len(asked))
        found = changed_lines(book, asked, way)
        self.progress(f"{arm.name}: likelihood", len(asked), len(asked))
        return found

    def _own(
        self,
        book: AnswerBook,
        arm: Arm,
        asked: Sequence[tuple[Example, tuple[Message, ...]]],
        answers: Sequence[Answer | Failure],
        way: Way,
    ) -> list[Likelihood | Failure]:
        pairs = {
            index: (messages, str(answer.text))
            for index, ((_, messages), answer) in enumerate(zip(asked, answers, strict=True))
            if isinstance(answer, Answer) and not answer.cut and answer.text
        }
        what = f"{arm.name}: confidence"
        found = book.score(list(pairs.values()), way, progress=lambda done: self.progress(what, done, len(pairs)))
        known = dict(zip(pairs, found, strict=True))
        return [known.get(index, Failure.of("no whole answer")) for index in range(len(asked))]

    def _refuse_half(self, arms: Sequence[Arm], said: dict[str, Said]) -> None:
        left = {arm.name: _count_left(said[arm.name]) for arm in arms}
        if not any(left.values()):
            return
        counted = ", ".join(f"{count} of {len(self.tasks)} of {name}" for name, count in left.items() if count)
        spent = f"{self.budget.spent:.2f} US dollars and {self.budget.elapsed_sec / 60:.1f} minutes were spent"
        raise BudgetSpent(
            f"the budget of {self.budget.ended} is used up: {spent}. Left to ask: {counted}. What was answered is "
            "kept; no scores are stored, since half a run compares other tasks. Run the same command again to go on."
        )


def _groups(arms: Sequence[Arm]) -> list[list[Arm]]:
    """Arms that share a book, which has one writer at a time, in the order of their first."""
    found: dict[tuple[str, str], list[Arm]] = {}
    for arm in arms:
        found.setdefault((arm.identity, arm.variant), []).append(arm)
    return list(found.values())


def _count_left(said: Said) -> int:
    """Tasks without an answer, or without a likelihood, because the budget ended."""
    rows = zip(said.answers, said.changes, said.own, strict=True)
    return sum(any(isinstance(one, Failure) and one.reason == LEFT for one in row) for row in rows)


def _recorded(arm: Arm, task: Example) -> Answer | Failure:
    text = (arm.recorded or {}).get(task.id)
    return Failure.of("nothing recorded for this task") if text is None else Answer(redact_text(text), False, 0)


def book_of(folder: Path, arm: Arm, upstream: Upstream, harness: str) -> AnswerBook:
    """Return the kept answers of an arm's model; other weights, another engine or another harness is another book."""
    return AnswerBook(folder, f"{arm.identity} {arm.variant}", harness, upstream, arm.price)


def window_of(arm: Arm, task: Example, answer: Answer | Failure) -> str | None:
    """Return the window that an answer leaves, or None where it leaves none."""
    if isinstance(answer, Failure) or answer.cut:
        return None
    return answer.text if arm.upstream is None else parse_update(answer.text, before=task.before)
