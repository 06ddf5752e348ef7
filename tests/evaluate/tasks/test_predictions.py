"""Predictions of SWE-bench in all the forms that its own harness takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golddiff.errors import InputError
from golddiff.evaluate.tasks.predictions import Prediction, _judged, read_predictions
from golddiff.evaluate.tasks.repository import RepositoryTask
from golddiff.scoring.executed import Unscored

ROWS = [{"instance_id": name, "model_patch": "p", "model_name_or_path": "m", "more": 1} for name in ("a", "b")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("all.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
        ("all.json", json.dumps(ROWS)),
        ("all.json", json.dumps({str(row["instance_id"]): row for row in ROWS})),
    ],
)
def test_lines_a_list_and_an_object_of_predictions_are_the_same(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert [one.instance_id for one in read_predictions(tmp_path / name)] == ["a", "b"]


@pytest.mark.parametrize("text", ["3", "[3]", "{", '{"a": {"model_patch": "p"}}'])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "all.json").write_text(text)
    with pytest.raises(InputError, match=r"all\.json"):
        read_predictions(tmp_path / "all.json")


def test_what_a_failure_of_ours_quotes_is_redacted() -> None:
    task = RepositoryTask(
        instance_id="a", repo="r", base_commit="b", problem_statement="", patch="", test_patch="", fail_to_pass=()
    )
    answer = Prediction(instance_id="a", model_patch="p")
    found = _judged(task, answer, Unscored("out of memory: AWS_KEY=AKIAQYLPMN5HHHFPZAM2"))
    assert ("AKIA" in found.detail, "REDACTED" in found.detail) == (False, True)
