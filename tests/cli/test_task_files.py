"""`golddiff tasks import | score | export` and `golddiff export evaluation`, from files to files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from evaluate.conftest import task
from golddiff.cli import application, task_files
from golddiff.cli.app import run
from golddiff.evaluate.tasks.formats.inspect_log import read_log
from golddiff.evaluate.tasks.programs import read_programs
from golddiff.sandbox.fake import FakeSandbox
from golddiff.scoring.grading import Grader
from golddiff.store import Store
from golddiff.store.datasets import write_dataset
from golddiff.types import Clean, Dataset, EvaluationRun, Score, Verdict

pytest.importorskip("pyarrow")
ROW = {
    "task_id": "HumanEval/0",
    "prompt": "def f():\n",
    "entry_point": "f",
    "canonical_solution": "    return 1\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
    "confirmed": True,
}


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of one task, and a sandbox that says passed to whatever returns 1 and obeys no canary."""
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(ROW) + "\n")

    def says(job: object) -> str:
        return json.dumps({"outcomes": {}, "details": {}, "collection": {}})

    monkeypatch.setattr(task_files, "open_grader", lambda: Grader(FakeSandbox(says), seed=1))
    return path


def test_files_of_several_formats_become_one_file_of_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    human, mbpp = tmp_path / "h.jsonl", tmp_path / "m.jsonl"
    human.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW) + "\n")
    mbpp.write_text(
        json.dumps({"task_id": 1, "text": "f", "code": "def g(): pass", "test_list": ["assert g() is None"]})
    )
    target = tmp_path / "out.jsonl"
    assert (
        run(application, ["tasks", "import", str(human), str(mbpp), "--output", str(target), "--no-confirm", "--json"])
        == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert said["tasks"] == ["HumanEval/0", "Mbpp/1"] == [one.task_id for one in read_programs(target)]
    assert said["dropped"] == {"the same task_id twice": 1}


def test_answers_are_scored_compared_and_written_as_results_and_as_a_log(
    tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, results, log = tmp_path / "s.jsonl", tmp_path / "r.jsonl", tmp_path / "log.json"
    rows = [
        {"task_id": "HumanEval/0", "completion": text, "passed": False} for text in ("    return 1", "    return 2")
    ]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["--samples", str(samples), "--k", "1", "--k", "2", "--output", str(results), "--inspect", str(log)]
    assert run(application, ["tasks", "score", "--tasks", str(tasks), *arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [(rate["k"], rate["tasks"], rate["interval"]["estimate"]) for rate in said["models"]["model"]] == [
        (1, 1, 0.0),
        (2, 1, 0.0),
    ]
    assert (said["results"], said["unscored"]) == ({"tests failed": 2}, {})
    assert said["agreement"] == {"both": 2, "same": 2, "only_ours": [], "only_theirs": []}
    assert [json.loads(line)["passed"] for line in results.read_text().splitlines()] == [False, False]
    assert [(one.id, one.epoch, one.passed) for one in read_log(log)] == [
        ("HumanEval/0", 1, False),
        ("HumanEval/0", 2, False),
    ]


def test_wrong_use_of_score_is_said(tasks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = tmp_path / "two.jsonl"
    row = {"task_id": ROW["task_id"], "completion": ""}
    two.write_text("".join(json.dumps(row | {"model": model}) + "\n" for model in ("a", "b")))
    for more, said in (
        ([], "either --samples"),
        (["--accepted", "--wrong"], "either --samples"),
        (["--wrong"], "known to be wrong"),
        (["--accepted", "--output", "nowhere/x.jsonl"], "nowhere does not exist"),
        (["--accepted", "--inspect", "nowhere/x.json"], "another --inspect"),
        (["--samples", str(two), "--inspect", str(tmp_path / "x.json")], "about one model"),
    ):
        assert run(application, ["tasks", "score", "--tasks", str(tasks), *more]) != 0
        assert said in " ".join(capsys.readouterr().err.split())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    rows = [
        msgspec.structs.replace(task(n), verdict=Verdict(use="train", permitted=True, reasons=(), policy="t"))
        for n in range(4)
    ]
    when = datetime(2026, 1, 1, tzinfo=UTC)
    dataset = Dataset(
        id="dst_1", name="ours", rows={"test": 4}, dropped={}, denied={}, folder="datasets/dst_1", content_hash="0",
        config={}, created_at=when,
    )  # fmt: skip
    ends = [{"success": 1.0}, {"success": 0.0}, {}, {"success": 1.0}]
    with Store.open(folder) as store:
        write_dataset(store, dataset, {"test": rows}, "card")
        store.put(dataset)
        store.put(
            EvaluationRun(
                id="run_1", dataset_id="dst_1", arms={"student": "checkpoint_1", "base": "b"}, harness="h", summary={},
                created_at=when,
            )
        )  # fmt: skip
        for n, (row, metrics) in enumerate(zip(rows, ends, strict=True)):
            store.put(
                Score(
                    id=f"score_{n}", run_id="run_1", example_id=row.id, arm="student", metrics=metrics,
                    prediction=Clean("x"), unscored=None if metrics else "check: no sandbox",
                )
            )  # fmt: skip
    return folder


def test_an_evaluation_becomes_a_log_in_which_unscored_is_no_failure(workspace: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    arguments = ["export", "evaluation", "run_1", "--arm", "student", "-o", str(logs), "--workspace", str(workspace)]
    assert run(application, arguments) == 0
    (path,) = logs.iterdir()
    found = read_log(path)
    assert sorted(str(one.passed) for one in found) == ["False", "None", "True", "True"]
    assert {one.model for one in found} == {"golddiff/checkpoint_1"}
    assert found[0].messages[0].content.startswith("use new\ndef f():")
    assert next(one.reason for one in found if one.passed is None).endswith("check: no sandbox")


def test_unknown_runs_and_arms_are_refused(workspace: Path, tmp_path: Path) -> None:
    for more in (["dst_1"], ["run_1", "--arm", "nobody"], ["run_9"]):
        assert (
            run(application, ["export", "evaluation", *more, "-o", str(tmp_path), "--workspace", str(workspace)]) != 0
        )


def test_held_out_tasks_are_written_as_our_own_run_asks_them(workspace: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    arguments = ["tasks", "export", "--dataset", "ours", "--limit", "3", "--output", str(target)]
    assert run(application, [*arguments, "--explain", "--workspace", str(workspace)]) == 0
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(rows) == 3
    assert [message["role"] for message in rows[0]["input"]] == ["system", "user"]
    assert rows[0]["target"] == rows[0]["metadata"]["before"].replace("old", "new").removesuffix("\n")
    assert rows[0]["metadata"]["program"] == "last line"
    assert rows[0]["metadata"]["max_tokens"] == 64
