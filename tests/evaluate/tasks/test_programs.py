"""Programs and their tests: what becomes a test file, what confirms, and who passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from golddiff.errors import InputError, SandboxError
from golddiff.evaluate.tasks.programs import ProgramTask, candidate, confirm, read_programs, suite_of, write_programs
from golddiff.evaluate.tasks.samples import Sample, accepted_samples, agreement, judge, pass_rates
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.scoring.canaries import mutable
from golddiff.scoring.executed import Unscored
from golddiff.scoring.grading import Grader

ADD = ProgramTask(
    task_id="HumanEval/0",
    prompt='def add(a, b):\n    """Add."""\n',
    entry_point="add",
    canonical_solution="    return a + b\n",
    test=(
        'TEXT = """\ntwo\n  lines"""\n\n'
        "def check(candidate):\n    assert candidate(2, 3) == 5\n    assert add(1, 1) == 2\n"
    ),
    wrong="def add(a, b):\n    return a - b\n",
)
OWN = ProgramTask(
    task_id="exercism/leap",
    prompt="Leap years.",
    canonical_solution="def leap(year):\n    return year % 4 == 0\n",
    test=(
        "from leap import leap\n\ndef test_four():\n    assert leap(4) is True\n\n"
        "def test_five():\n    assert leap(5) is False\n"
    ),
    whole=True,
    module="leap",
    test_file="leap_test.py",
)


@pytest.fixture(scope="module")
def grader() -> Grader:
    try:
        return Grader(open_sandbox(), seed=1)
    except SandboxError as error:
        pytest.skip(f"no sandbox here: {error}")


def test_the_asserts_of_check_can_be_turned_around_and_its_texts_stay(tmp_path: Path) -> None:
    suite = suite_of(ADD, tmp_path)
    data = suite.protected["test_task.py"]
    assert data is not None
    assert b'"""\ntwo\n  lines"""' in data
    assert {mutant.test for mutant in mutable("test_task.py", data)} == {"test_all"}


def test_a_check_of_another_form_is_called_as_it_is(tmp_path: Path) -> None:
    for test in (
        "check = lambda candidate: None\n",
        "def check(candidate, more=1):\n    assert more\n",
        "def check(candidate): pass",
    ):
        data = suite_of(ProgramTask(task_id="1", prompt="", entry_point="f", test=test), tmp_path).protected[
            "test_task.py"
        ]
        assert data is not None
        assert data.decode().endswith("    check(f)\n")
        compile(data, "test_task.py", "exec")


def test_an_answer_continues_the_prompt_or_stands_alone() -> None:
    assert candidate(ADD, "    return 1\r\n") == {"solution.py": ADD.prompt + "    return 1\n"}
    assert candidate(ADD, "x = 1", whole=True) == {"solution.py": "x = 1"}
    assert candidate(OWN, "x = 1") == {"leap.py": "x = 1"}


def test_rows_are_written_and_read_again_and_the_same_task_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    write_programs(path, [ADD, OWN])
    assert read_programs(path) == [ADD, OWN]
    write_programs(path, [ADD, ADD])
    with pytest.raises(InputError, match="more than once"):
        read_programs(path)
    path.write_text('{"task_id": 3}\n')
    with pytest.raises(InputError, match=r"tasks\.jsonl:1"):
        read_programs(path)


def test_accepted_solutions_confirm_their_task_and_other_answers_are_judged_by_it(
    grader: Grader, tmp_path: Path
) -> None:
    hopeless = ProgramTask(
        task_id="x/1",
        prompt="",
        entry_point="f",
        canonical_solution="def f(): return 2",
        test="def check(c):\n    assert f() == 3\n",
    )
    found = confirm([ADD, OWN, hopeless], grader, tmp_path)
    assert isinstance(found[2], Unscored)
    first, second = found[:2]
    assert isinstance(first, ProgramTask)
    assert isinstance(second, ProgramTask)
    assert first.mutants
    assert second.expected == ("leap_test.py::test_four", "leap_test.py::test_five")
    equal = "class All:\n    def __eq__(self, other): return True\ndef add(a, b): return All()\n"
    samples = [
        *accepted_samples([first, second]),
        *accepted_samples([first, second], wrong=True),
        Sample(task_id="0", answer=equal, whole=True, passed=True),
        Sample(task_id="exercism/leap", answer="def leap(year): return True\n", passed=False),
    ]
    judged = judge([first, second], samples, grader)
    assert [one.passed for one in judged] == [True, True, False, False, False]
    assert judged[3].result == "tampered"
    assert [rate.interval.estimate for rate in pass_rates(judged, (1, 2)) if rate.interval] == [
        pytest.approx(5 / 12),
        pytest.approx((2 / 3 + 1) / 2),
    ]
    beside = agreement(judged)
    assert beside is not None
    assert (beside.both, beside.same, beside.only_theirs) == (2, 1, ("HumanEval/0",))


def test_an_answer_to_no_task_is_refused(grader: Grader) -> None:
    with pytest.raises(InputError, match="HumanEval/9"):
        judge([ADD], [Sample(task_id="HumanEval/9", answer="")], grader)


def test_what_a_failure_of_ours_quotes_is_redacted() -> None:
    class Failing:
        def grade(self, work: list[object]) -> list[Unscored]:
            return [Unscored("out of memory: AWS_KEY=AKIAQYLPMN5HHHFPZAM2") for _ in work]

        confirm = all_outcomes = grade

    (judged,) = judge([ADD], accepted_samples([ADD]), Failing())  # type: ignore[arg-type]
    assert (judged.result, "AKIA" in judged.detail, "REDACTED" in judged.detail) == ("unscored", False, True)
