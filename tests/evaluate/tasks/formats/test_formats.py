"""Files of the field, as their own tools write them, become tasks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from golddiff.errors import InputError
from golddiff.evaluate.tasks.formats import READERS, detect, evalplus, read_tasks
from golddiff.sandbox.fake import FakeSandbox

HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": "def f():\n",
    "entry_point": "f",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
}
MBPP = {
    "task_id": 2,
    "text": "Write f.",
    "code": "def g(x):\r\n  return x\r\n",
    "test_setup_code": "import math",
    "test_list": ["assert g(1) == 1", "assert set(g((2,))) == {2}"],
    "challenge_test_list": [],
}


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_humaneval_is_read_compressed_too_and_a_row_without_tests_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(HUMANEVAL) + "\n" + json.dumps(HUMANEVAL | {"test": ""})).encode()))
    found = read_tasks(path)
    assert [task.task_id for task in found.tasks] == ["HumanEval/0"]
    assert found.dropped == {"no tests": 1}


def test_mbpp_shows_its_asserts_and_runs_them_with_their_set_up(tmp_path: Path) -> None:
    found = read_tasks(jsonl(tmp_path / "mbpp.jsonl", MBPP, MBPP | {"task_id": 3, "test_list": ["assert h(1) == 1"]}))
    (task,) = found.tasks
    assert (task.task_id, task.entry_point, task.whole) == ("Mbpp/2", "g", True)
    assert "assert g(1) == 1" in task.prompt
    assert task.test == "def check(candidate):\n    import math\n    assert g(1) == 1\n    assert set(g((2,))) == {2}\n"
    assert found.dropped == {"no assert calls a function of the accepted code": 1}


def evalplus_row(**more: object) -> dict[str, object]:
    return {
        "task_id": "HumanEval/1",
        "prompt": "def f(x):\n",
        "entry_point": "f",
        "canonical_solution": "    return x / 2\n",
        "base_input": [[1]],
        "plus_input": [[3]],
        "atol": 0,
        "contract": "",
        **more,
    }


def test_evalplus_inputs_become_asserts_of_what_the_reference_returned(tmp_path: Path) -> None:
    answers = {"f": ["0.5", "1.5"], "find_zero": ["1.0", "1.0"], "odd": ["<object>", "1"], "Diff": ["[2, 1]", "[]"]}
    rows = [
        evalplus_row(),
        evalplus_row(task_id="HumanEval/32", entry_point="find_zero", base_input=[[[-1, 1]]], plus_input=None),
        evalplus_row(task_id="HumanEval/3", entry_point="odd"),
        evalplus_row(task_id="Mbpp/769", entry_point="Diff"),
        evalplus_row(task_id="Mbpp/164", entry_point="are_equivalent"),
    ]
    sandbox = FakeSandbox(
        lambda job: json.dumps(answers.get(job.program.split("'")[1], [])[: 1 + ("[3]" in job.program)])
    )
    found = evalplus.read(jsonl(tmp_path / "plus.jsonl", *rows), sandbox)
    assert found.dropped == {
        "the reference solution returns something that is no literal": 1,
        "EvalPlus compares it in a way of its own": 1,
    }
    halves, zero, sets = (task.test for task in found.tasks)
    assert "assert _close(candidate(1), 0.5, 1e-06)" in halves
    assert "assert _close(candidate(3), 1.5, 1e-06)" in halves
    assert "{1, 2}" in sets
    assert "assert not candidate(3)" in sets
    for test, good, bad in (
        (halves, lambda x: x / 2 + 1e-9, lambda x: x / 2 + 1e-3),
        (zero, lambda x: 1.0, lambda x: 1.1),
    ):
        space: dict[str, object] = {}
        exec(test, space)
        space["check"](good)  # type: ignore[operator]
        with pytest.raises(AssertionError):
            space["check"](bad)  # type: ignore[operator]


def test_mbpp_plus_functions_are_called_with_the_tuples_that_json_lost(tmp_path: Path) -> None:
    for number, given, called in [
        (2, [[3, 4], [5, 4]], "(3, 4), (5, 4)"),
        (63, [[[3, 5], [1, 7]]], "[(3, 5), (1, 7)]"),
        (75, [[[6, 24], [7, 9]], 6], "[(6, 24), (7, 9)], 6"),
        (106, [[5], [9, 10]], "[5], (9, 10)"),
        (307, [[1, []], 1, 50], "(1, []), 1, 50"),
        (278, [[4, [5, 6]]], "(4, (5, 6))"),
        (580, [[4, [7, [8]]]], "(4, (7, (8,)))"),
        (722, [{"a": [6.2, 70]}, 6], "{'a': (6.2, 70)}, 6"),
        (252, ["1j"], "1j"),
        (3, [[1]], "[1]"),
    ]:
        row = evalplus_row(task_id=f"Mbpp/{number}", base_input=[given], plus_input=[])
        found = evalplus.read(jsonl(tmp_path / "plus.jsonl", row), FakeSandbox(lambda job: '["1"]'))
        assert f"candidate({called})" in found.tasks[0].test
    with pytest.raises(InputError, match=r"x\.jsonl:1"):
        evalplus.read(jsonl(tmp_path / "x.jsonl", evalplus_row(task_id="Mbpp/722", base_input=[[1]])), FakeSandbox())


def exercise(folder: Path, **files: object) -> None:
    for name, text in {
        ".meta/config.json": json.dumps(
            {
                "files": {
                    "solution": ["leap.py"],
                    "test": ["leap_test.py"],
                    "example": [".meta/example.py"],
                    "editor": ["data.py"],
                    **files,
                }
            }
        ),
        ".meta/example.py": "def leap(y): return True\n",
        ".docs/instructions.md": "# Leap\n",
        ".docs/instructions.append.md": "More.\n",
        "leap.py": "def leap(y):\n    pass\n",
        "leap_test.py": "from leap import leap\n",
        "data.py": "X = 1\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_exercises_of_a_track_are_found_and_those_of_other_languages_counted(tmp_path: Path) -> None:
    exercise(tmp_path / "exercises/practice/leap")
    exercise(tmp_path / "exercises/practice/other", solution=["leap.go"])
    exercise(tmp_path / "exercises/practice/two", solution=["leap.py", "data.py"])
    found = read_tasks(tmp_path)
    (task,) = found.tasks
    assert (task.task_id, task.module, task.test_file, task.files) == (
        "exercism/leap",
        "leap",
        "leap_test.py",
        {"data.py": "X = 1\n"},
    )
    assert task.prompt.startswith("# Leap\n\nMore.")
    assert "def leap(y):\n    pass" in task.prompt
    assert task.wrong == "def leap(y):\n    pass\n"
    assert found.dropped == {"of a track other than Python's": 1, "asks for more than one file": 1}
    assert read_tasks(tmp_path / "exercises/practice/leap").tasks == [task]


def test_what_lies_beside_an_exercise_is_there_for_its_tests_named_or_not(tmp_path: Path) -> None:
    exercise(tmp_path, editor=[])
    (task,) = read_tasks(tmp_path).tasks
    assert task.files == {"data.py": "X = 1\n"}


def test_an_exercise_cannot_name_files_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x")
    exercise(tmp_path / "leap", editor=["../secret.py"])
    with pytest.raises(InputError, match="lie in its folder"):
        read_tasks(tmp_path / "leap")


def test_quixbugs_tests_import_the_answer(tmp_path: Path) -> None:
    test = (
        "import pytest\n\nif pytest.use_correct:\n    from correct_python_programs.gcd import gcd\nelse:\n"
        "    from python_programs.gcd import gcd\n\n\ndef test_gcd():\n    assert pytest.run_slow or gcd(4, 2) == 2\n"
    )
    for name, text in {
        "python_programs/gcd.py": "wrong\n", "python_programs/gcd_test.py": "", "python_programs/sqrt.py": "",
        "correct_python_programs/gcd.py": "right\n", "json_testcases/gcd.json": "[[1, 1], 1]\n",
        "python_testcases/test_gcd.py": test, "python_testcases/node.py": "", "python_testcases/load_testdata.py": "",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = read_tasks(tmp_path)
    (task,) = found.tasks
    assert (task.wrong, task.canonical_solution) == ("wrong\n", "right\n")
    assert "\nfrom gcd import gcd\n" in task.test
    assert "use_correct" not in task.test
    assert "assert False or gcd" in task.test
    assert found.dropped == {"no tests in Python": 1}


def test_a_file_of_no_known_form_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for rows, said in ([{"a": 1}], "looks like that"), ([{"instance_id": "a"}], "need no import"), ([], "holds no row"):
        with pytest.raises(InputError, match=said):
            detect(jsonl(tmp_path / "x.jsonl", *rows))
    with pytest.raises(InputError, match="neither exercism nor QuixBugs"):
        detect(tmp_path)
    for name, row in (
        ("humaneval", {"task_id": 1}),
        ("mbpp", {"task_id": 1, "test_list": 3}),
        ("evalplus", {"base_input": 1}),
    ):
        with pytest.raises(InputError, match=r"x\.jsonl:1"):
            read_tasks(jsonl(tmp_path / "x.jsonl", row), name)
    assert set(READERS) == {"humaneval", "mbpp", "evalplus", "exercism", "quixbugs"}
