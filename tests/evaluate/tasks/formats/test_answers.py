"""Answers that other harnesses wrote, with what those harnesses said of them."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from golddiff.errors import InputError
from golddiff.evaluate.tasks.formats.answers import code_of, read_answers, write_judged
from golddiff.evaluate.tasks.formats.inspect_log import LoggedSample, eval_log, read_log
from golddiff.evaluate.tasks.samples import Judged
from golddiff.types import Clean, Message

ASKED = (Message("user", "say it"),)
LOGGED = [
    LoggedSample(id="a/1", messages=ASKED, target="1", answer="```python\nx = 1\n```", passed=True, model="m"),
    LoggedSample(
        id="a/1", epoch=2, messages=ASKED, target="1", answer="x = 2", passed=False, reason="wrong", model="m"
    ),
    LoggedSample(id="a/2", messages=ASKED, target="1", answer="", reason="no sandbox", model="m"),
]


def log() -> dict[str, object]:
    return eval_log(LOGGED, task="t", dataset="d", model="m", created=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"task_id": "H/0", "completion": "  pass"}, ("H/0", "  pass", None, None)),
        ({"task_id": 7, "completion": "x", "result": "passed", "passed": True}, ("7", "x", None, True)),
        ({"task_id": "H/0", "solution": "y"}, ("H/0", "y", True, None)),
        ({"doc": {"task_id": "H/0"}, "filtered_resps": [["z"]], "pass@1": 0}, ("H/0", "z", True, False)),
    ],
)
def test_a_row_of_each_harness_is_an_answer(tmp_path: Path, row: object, wanted: object) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(json.dumps(row))
    (one,) = read_answers(path)
    assert (one.task_id, one.answer, one.whole, one.passed) == wanted


def test_results_of_evalplus_keep_both_of_its_verdicts_as_one(tmp_path: Path) -> None:
    path = tmp_path / "x_eval_results.json"
    rows = [{"solution": "a", "base_status": "pass", "plus_status": status} for status in ("pass", "fail", None)]
    path.write_text(json.dumps({"eval": {"H/0": rows}}))
    assert [one.passed for one in read_answers(path)] == [True, False, True]


def test_a_log_that_we_wrote_is_read_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps(log()))
    back = read_log(path)
    assert [one.passed for one in back] == [True, False, None]
    assert [(one.id, one.epoch, one.messages, one.target, one.answer, one.model) for one in back] == [
        (one.id, one.epoch, one.messages, one.target, one.answer, one.model) for one in LOGGED
    ]
    assert [one.answer for one in read_answers(path)] == ["x = 1\n", "x = 2", ""]


def test_an_archive_is_read_like_the_json_of_it(tmp_path: Path) -> None:
    path, whole = tmp_path / "log.eval", log()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps({key: value for key, value in whole.items() if key != "samples"}))
        for number, sample in enumerate(whole["samples"]):  # type: ignore[arg-type, var-annotated]
            archive.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
    (tmp_path / "log.json").write_text(json.dumps(whole))
    assert read_log(path) == read_log(tmp_path / "log.json")


def test_an_archive_that_inspect_compressed_with_zstd_is_read(tmp_path: Path) -> None:
    whole, data, places = log(), b"", []
    header = json.dumps({key: value for key, value in whole.items() if key != "samples"})
    samples = [(f"samples/{n}.json", json.dumps(one)) for n, one in enumerate(whole["samples"])]  # type: ignore[arg-type, var-annotated]
    for name, text in [("header.json", header), *samples]:
        packed = zstandard.compress(text.encode())
        fields = (20, 0, 93, 0, 33, zlib.crc32(text.encode()), len(packed), len(text.encode()), len(name), 0)
        places.append(struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, *fields[:9], 0, 0, 0, 0, 0, len(data)) + name.encode())
        data += struct.pack("<4s5H3I2H", b"PK\3\4", *fields) + name.encode() + packed
    listed = b"".join(places)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(places), len(places), len(listed), len(data), 0)
    (tmp_path / "log.eval").write_bytes(data + listed + end)
    (tmp_path / "log.json").write_text(json.dumps(whole))
    assert read_log(tmp_path / "log.eval") == read_log(tmp_path / "log.json")
    (tmp_path / "log.eval").write_bytes(data.replace(zstandard.compress(b"")[:4], b"none") + listed + end)
    with pytest.raises(InputError, match="no log of Inspect"):
        read_log(tmp_path / "log.eval")


def test_long_texts_beside_a_sample_and_texts_in_parts_are_put_back(tmp_path: Path) -> None:
    whole = log()
    sample = whole["samples"][0]  # type: ignore[index]
    sample["input"] = "attachment://h1"
    sample["attachments"] = {"h1": "long"}
    sample["output"]["choices"][0]["message"]["content"] = [{"type": "text", "text": "a"}, {"type": "reasoning"}]
    sample["scores"] = {"s": {"value": 0.5}}
    (tmp_path / "log.json").write_text(json.dumps(whole))
    one = read_log(tmp_path / "log.json")[0]
    assert (one.messages, one.answer, one.passed) == ((Message("user", "long"),), "a", None)


def test_inspect_itself_reads_what_we_write(tmp_path: Path) -> None:
    module = pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed")
    (tmp_path / "log.json").write_text(json.dumps(log()))
    read = module.read_eval_log(str(tmp_path / "log.json"))
    assert read.results.scores[0].metrics["accuracy"].value == 0.5
    assert [sample.scores["success"].value for sample in read.samples if sample.scores] == ["C", "I"]
    assert [sample.output.completion for sample in read.samples] == [one.answer for one in LOGGED]
    assert read.samples[2].error.message == "unscored: no sandbox"


def test_verdicts_are_written_as_results_that_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write_judged(path, [Judged(task_id="H/0", completion=Clean("x"), result="passed", passed=True, model="m")])
    (one,) = read_answers(path)
    assert (one.task_id, one.answer, one.passed, one.model) == ("H/0", "x", True, "m")


def test_code_is_the_first_fenced_block_or_everything() -> None:
    assert code_of("Sure:\n```python\r\na = 1\r\n```\nand\n```\nb\n```") == "a = 1\n"
    assert code_of("    return 1") == "    return 1"


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", "{}"), ("a.eval", "no"), ("a.jsonl", '{"task_id": 1}'), ("b.jsonl", "")]
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError):
        read_answers(tmp_path / name)
