"""Tasks from a real repository that the test builds: what becomes one, what does not, and who passes it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from golddiff.cli import application
from golddiff.cli.app import run
from golddiff.cli.arms import ArmMaker
from golddiff.errors import InputError, SandboxError
from golddiff.evaluate.arms import Arm, Role
from golddiff.evaluate.tasks.building import BuildConfig, Builder, Built, build
from golddiff.evaluate.tasks.predictions import Prediction, accepted_changes, judge, read_predictions
from golddiff.evaluate.tasks.repository import RepositoryTask, export_tree, read_tasks, write_tasks
from golddiff.git import GitRepository
from golddiff.providers import ScriptedUpstream
from golddiff.providers.upstream import Conversation
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.sandbox.fake import FakeSandbox
from golddiff.scoring.grading import Grader

TEST = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
EMPTY = "def total(prices):\n    return 0\n"
SUM = "def total(prices):\n    return sum(prices)\n"


def git(folder: Path, *arguments: str) -> str:
    quiet = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    who = {f"GIT_{role}_{what}": "a@b.test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = quiet | who | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", "-C", str(folder), *arguments], env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(folder: Path, message: str, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six commits, one of which is a task."""
    folder = tmp_path_factory.mktemp("work") / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "The shop begins here", {"shop.py": EMPTY, "tests/test_names.py": "def test_a():\n    assert 1\n"})
    commit(folder, "Say what it is about", {"README.md": "A shop.\n"})
    commit(folder, "Total adds the prices up", {"shop.py": SUM, "tests/test_shop.py": TEST})
    commit(folder, "Test lists of one price", {"tests/test_one.py": TEST.replace("[1, 2]) == 3", "[4]) == 4")})
    commit(folder, "wip", {"shop.py": SUM + "\n"})
    comment = {"shop.py": "# prices\n" + SUM, "tests/test_shop.py": TEST + "\n"}
    commit(folder, "Comments change no result", comment)
    return folder


@pytest.fixture(scope="module")
def grader() -> Grader:
    try:
        return Grader(open_sandbox(workers=2), seed=5)
    except SandboxError as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="module")
def built(repository: Path, grader: Grader) -> Built:
    with GitRepository.open(repository) as opened:
        return build(Builder(opened, grader), "us/shop")


def test_a_commit_whose_tests_decide_becomes_a_task(built: Built) -> None:
    (task,) = built.tasks
    assert task.problem_statement == "Total adds the prices up"
    assert task.fail_to_pass == ("tests/test_shop.py::test_total",)
    assert "+    return sum(prices)" in task.patch
    assert "test_shop.py" in task.test_patch
    assert "test_shop.py" not in task.patch
    assert task.mutants


def test_what_makes_no_task_is_counted_with_its_reason(built: Built) -> None:
    assert built.looked_at == 6
    assert built.dropped == {
        "merge or first commit": 1,
        "changes no test": 1,
        "changes no code": 1,
        "subject asks for nothing": 1,
        "its tests decide nothing": 1,
    }
    assert list(built.unconfirmed.values()) == ["none of them fails before and passes after"]


def test_the_tree_of_a_task_leads_to_no_later_commit(built: Built, repository: Path, tmp_path: Path) -> None:
    with GitRepository.open(repository) as opened:
        export_tree(opened, built.tasks[0].base_commit, tmp_path / "tree")
    found = sorted(str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*"))
    assert found == ["README.md", "shop.py", "tests", "tests/test_names.py"]


def test_tasks_are_rows_in_the_form_of_swe_bench(built: Built, tmp_path: Path) -> None:
    write_tasks(tmp_path / "tasks.jsonl", built.tasks)
    row = json.loads((tmp_path / "tasks.jsonl").read_text())
    assert row["FAIL_TO_PASS"] == ["tests/test_shop.py::test_total"]
    assert read_tasks(tmp_path / "tasks.jsonl") == built.tasks
    theirs = {key: value for key, value in row.items() if key not in ("commit", "mutants")}
    theirs |= {"FAIL_TO_PASS": json.dumps(row["FAIL_TO_PASS"]), "environment_setup_commit": "0"}
    (tmp_path / "theirs.jsonl").write_text(json.dumps(theirs) + "\n\n")
    (read,) = read_tasks(tmp_path / "theirs.jsonl")
    assert read == msgspec.structs.replace(built.tasks[0], commit="", mutants=())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no task"),
        ("{\n", "tasks.jsonl:1: not a JSON object"),
        ('{"instance_id": "a"}\n', "tasks.jsonl:1: this is no task"),
        ('{"FAIL_TO_PASS": "[1"}\n', "FAIL_TO_PASS is neither a list"),
    ],
)
def test_a_row_that_is_no_task_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "tasks.jsonl").write_text(text)
    with pytest.raises(InputError, match=said):
        read_tasks(tmp_path / "tasks.jsonl")


def verdicts(task: RepositoryTask, repository: Path, grader: Grader, *patches: str | None) -> list[tuple[object, str]]:
    answers = [Prediction(instance_id=task.instance_id, model_patch=text) for text in patches]
    with GitRepository.open(repository) as opened:
        return [(one.resolved, one.detail) for one in judge([task], answers, opened, grader)]


def test_only_a_change_that_the_tests_accept_resolves_a_task(built: Built, repository: Path, grader: Grader) -> None:
    (task,) = built.tasks
    cheat = "--- a/tests/test_shop.py\n+++ b/tests/test_shop.py\n@@ -0,0 +1,2 @@\n+def test_total():\n+    pass\n"
    found = verdicts(task, repository, grader, task.patch, task.patch.replace("sum", "len"), cheat, None)
    assert [resolved for resolved, _ in found] == [True, False, False, False]
    assert "1 of 1 expected tests did not pass" in found[1][1]
    assert found[3][1] == "no patch in the answer"


def test_a_row_from_elsewhere_is_confirmed_first(built: Built, repository: Path, grader: Grader) -> None:
    theirs = msgspec.structs.replace(built.tasks[0], mutants=())
    assert verdicts(theirs, repository, grader, theirs.patch) == [(True, "")]
    undecided = msgspec.structs.replace(theirs, fail_to_pass=("tests/test_names.py::test_a",))
    ((resolved, detail),) = verdicts(undecided, repository, grader, theirs.patch)
    assert resolved is None
    assert "the unchanged tree passes" in detail


def test_a_prediction_for_another_task_is_refused(built: Built, repository: Path) -> None:
    strange = Prediction(instance_id="other", model_patch="")
    with (
        GitRepository.open(repository) as opened,
        pytest.raises(InputError, match="'other', which is no task"),
    ):
        judge(built.tasks, [strange], opened, Grader(FakeSandbox(lambda job: "")))


def test_no_more_tasks_than_wanted(repository: Path) -> None:
    with GitRepository.open(repository) as opened:
        found = build(Builder(opened, Grader(FakeSandbox(lambda job: "")), config=BuildConfig(max_commits=2)), "shop")
    assert (found.looked_at, found.tasks) == (2, [])


def test_the_command_line_builds_and_grades(
    built: Built, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, here = tmp_path / "tasks.jsonl", ["--repo", str(repository)]
    write_tasks(rows, built.tasks)
    assert run(application, ["tasks", "grade", "--tasks", str(rows), *here, "--accepted"]) == 0
    assert "100.0 %" in capsys.readouterr().out
    assert run(application, ["tasks", "grade", "--tasks", str(rows), *here]) == 2
    assert run(application, ["tasks", "build", *here, "--output", str(tmp_path / "no" / "x")]) == 3
    assert "the folder" in capsys.readouterr().err
    assert run(application, ["tasks", "build", *here, "--output", str(rows), "--max-commits", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dropped"] == {
        "its tests decide nothing": 1,
        "subject asks for nothing": 1,
    }


def test_an_arm_that_is_asked_on_the_command_line_writes_what_grading_reads(
    built: Built, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(messages: Conversation) -> str:
        return messages[-1].content.partition("\n")[2].replace("return 0", "return sum(prices)")

    arm = Arm(name="student", role=Role.STUDENT, identity="checkpoint_1", upstream=ScriptedUpstream(script))
    monkeypatch.setattr(ArmMaker, "make", lambda maker, specs: [arm])
    rows, answers = tmp_path / "tasks.jsonl", tmp_path / "answers.jsonl"
    write_tasks(rows, built.tasks)
    here = ["--tasks", str(rows), "--repo", str(repository)]
    asked = ["tasks", "ask", *here, "--output", str(answers), "--workspace", str(tmp_path / "workspace")]
    assert run(application, [*asked, "--arm", "student=checkpoint_1"]) == 0
    assert "1 tasks, 1 windows, 1 predictions" in capsys.readouterr().out
    assert run(application, ["tasks", "grade", *here, "--predictions", str(answers)]) == 0
    assert "100.0 %" in capsys.readouterr().out
    assert run(application, ["tasks", "grade", *here, "--predictions", str(answers), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["resolved"] for one in told["verdicts"]] == [True]
    assert (told["models"][0]["scored"], told["models"][0]["share"]["estimate"], told["comparisons"]) == (1, 1.0, [])
    assert run(application, [*asked, "--arm", "student+R0=checkpoint_1"]) == 2
    assert run(application, [*asked, "--arm", "student=checkpoint_1", "--include", "*.rs"]) == 3
    assert "changes lines of a file that matches *.rs" in capsys.readouterr().err


def test_predictions_are_read_line_by_line(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, accepted_changes(built.tasks))))
    assert read_predictions(path) == accepted_changes(built.tasks)
    path.write_text('{"instance_id": "a"}\n')
    with pytest.raises(InputError, match=r"answers\.jsonl:1: expected instance_id, model_patch"):
        read_predictions(path)
    path.write_text("")
    with pytest.raises(InputError, match="no prediction"):
        read_predictions(path)
