"""What a student is asked for a task of several files, and what its answers become."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from golddiff import patch
from golddiff.errors import BudgetSpent, UpstreamError
from golddiff.evaluate.arms import Arm, Role
from golddiff.evaluate.budget import Budget
from golddiff.evaluate.run import EvaluationConfig
from golddiff.evaluate.tasks.questions import Asked, as_patch, ask, questions
from golddiff.evaluate.tasks.repository import RepositoryTask
from golddiff.prompts import edit_messages
from golddiff.providers import ScriptedUpstream
from golddiff.providers.upstream import Conversation
from golddiff.sandbox.contract import Limits

LINES = "".join(f"line {number}\n" for number in range(1, 31))
AFTER = LINES.replace("line 3\n", "line three\n").replace("line 25\n", "")
BASE = {"shop/a.py": LINES, "shop/b.py": "x = 1", "CHANGES.rst": "One\n"}
CHANGE = {"shop/a.py": AFTER, "shop/b.py": "x = 2", "CHANGES.rst": "One\nTwo\n", "shop/new.py": "y = 3\n"}
TASK = RepositoryTask(
    instance_id="shop-1",
    repo="shop",
    base_commit="b",
    problem_statement="Count in words (#12)\n\nAs was asked.",
    patch="".join(patch.render(path, BASE.get(path), text) for path, text in CHANGE.items()),
    test_patch="",
    fail_to_pass=("tests/test_a.py::test_a",),
    created_at="2026-01-02T03:04:05+00:00",
    commit="c",
)


@pytest.fixture
def asked() -> Asked:
    return questions(TASK, BASE.get)


def test_each_place_that_the_accepted_change_touches_is_a_window_with_the_subject(asked: Asked) -> None:
    assert [(one.path, one.start_line) for one in asked.questions] == [
        ("shop/a.py", 1),
        ("shop/a.py", 22),
        ("shop/b.py", 1),
    ]
    (message,) = edit_messages(asked.questions[0])
    assert message.content == "Count in words\n" + "\n".join(f"line {number}" for number in range(1, 7))
    assert asked.left_out == {"shop/new.py": "new"}


def test_fewer_lines_around_and_other_files_can_be_asked_about() -> None:
    found = questions(TASK, BASE.get, include=("*.rst", "*/b.py"), context_lines=0)
    assert [(one.path, one.before, one.after) for one in found.questions] == [
        ("shop/b.py", "x = 1", "x = 2"),
        ("CHANGES.rst", "", "Two\n"),
    ]


def test_the_accepted_windows_put_together_are_the_accepted_change(asked: Asked) -> None:
    found = as_patch(asked, {one.id: str(one.after) for one in asked.questions}, BASE.get)
    assert found == "".join(patch.render(path, BASE[path], CHANGE[path]) for path in ("shop/a.py", "shop/b.py"))


def test_a_window_without_an_update_stays_as_it_was(asked: Asked) -> None:
    answers = {one.id: str(one.after) if one.start_line == 22 else None for one in asked.questions}
    assert as_patch(asked, answers, BASE.get) == patch.render("shop/a.py", LINES, LINES.replace("line 25\n", ""))


def test_a_window_that_holds_a_secret_is_not_asked_about() -> None:
    base = LINES.replace("line 4\n", "key = 'AKIAQYLPMN5HHHFPZAM2'\n")
    after = AFTER.replace("line 4\n", "key = 'AKIAQYLPMN5HHHFPZAM2'\n")
    task = msgspec.structs.replace(TASK, patch=patch.render("a.py", base, after))
    found = questions(task, {"a.py": base}.get)
    assert [one.start_line for one in found.questions] == [22]
    assert found.left_out == {"a.py": "holds a secret"}


def test_a_task_from_elsewhere_is_asked_with_the_end_of_its_statement() -> None:
    task = msgspec.structs.replace(TASK, commit="", created_at="", problem_statement="a" * 700 + "\nthe end\n")
    assert questions(task, BASE.get).questions[0].instruction == "a" * 592 + "\nthe end"


def test_a_patch_that_does_not_fit_its_base_is_not_asked_about() -> None:
    assert questions(TASK, {"shop/a.py": LINES[7:], "shop/b.py": "x = 0"}.get).left_out == {
        "shop/a.py": "not as its patch shows it",
        "shop/b.py": "not as its patch shows it",
        "shop/new.py": "new",
    }


def test_an_arm_that_loses_a_window_has_no_prediction_for_that_task_and_the_others_keep_theirs(
    asked: Asked, tmp_path: Path
) -> None:
    other = msgspec.structs.replace(TASK, instance_id="shop-2", patch=patch.render("shop/b.py", "x = 1", "x = 2"))

    def script(messages: Conversation) -> str:
        window = messages[-1].content.partition("\n")[2]
        if "line" in window:
            raise UpstreamError("too long")
        return window.replace("1", "2")

    arm = Arm(name="student", role=Role.STUDENT, identity="checkpoint_1", upstream=ScriptedUpstream(script))
    work = [(TASK, asked, BASE.get), (other, questions(other, BASE.get), BASE.get)]
    found = ask(work, [arm], tmp_path)
    assert [(one.instance_id, one.model_name_or_path, one.model_patch) for one in found.predictions] == [
        ("shop-2", "student", other.patch)
    ]
    assert list(found.unanswered["student"]) == ["shop-1"]


def test_a_budget_ends_the_asking_and_keeps_what_was_answered(asked: Asked, tmp_path: Path) -> None:
    now = iter(range(0, 100_000, 25))
    budget = Budget(minutes=1, clock=lambda: float(next(now)))
    put: list[object] = []

    def script(messages: Conversation) -> str:
        put.append(messages)
        return messages[-1].content.partition("\n")[2]

    arm = Arm(name="student", role=Role.STUDENT, identity="checkpoint_1", upstream=ScriptedUpstream(script))
    work = [(TASK, asked, BASE.get)]
    with pytest.raises(BudgetSpent, match="1 minutes is used up"):
        ask(work, [arm], tmp_path, budget=budget, config=EvaluationConfig(batch=1))
    first = len(put)
    assert first < len(asked.questions)
    assert len(ask(work, [arm], tmp_path).predictions) == 1
    assert len(put) == len(asked.questions)


def test_nothing_is_asked_again_because_checks_have_other_limits(asked: Asked, tmp_path: Path) -> None:
    put: list[object] = []

    def script(messages: Conversation) -> str:
        put.append(messages)
        return messages[-1].content.partition("\n")[2]

    arm = Arm(name="student", role=Role.STUDENT, identity="checkpoint_1", upstream=ScriptedUpstream(script))
    for seconds in (5, 9):
        ask([(TASK, asked, BASE.get)], [arm], tmp_path, config=EvaluationConfig(limits=Limits(wall_sec=seconds)))
    assert len(put) == len(asked.questions)
