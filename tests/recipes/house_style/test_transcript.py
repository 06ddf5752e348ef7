"""A written transcript has the records that Claude Code writes."""

import json
from datetime import UTC, datetime
from pathlib import Path

from golddiff.recipes.house_style.transcript import ClaudeCodeTranscript

TEXT = "a\nb\na\nc\n"


def written(tmp_path: Path) -> list[dict]:
    transcript = ClaudeCodeTranscript("name", "/home/team/product", "some-model", datetime(2026, 1, 1, tzinfo=UTC))
    transcript.prompt("Do it.")
    assert transcript.edit("x.py", TEXT, 3, "A") == "a\nb\nA\nc\n"
    transcript.command("pytest", "Run tests", "1 passed in 0.1s\n")
    transcript.say("Done.")
    return [json.loads(line) for line in transcript.write(tmp_path).read_text().splitlines()]


def test_records_form_one_branch(tmp_path: Path) -> None:
    records = written(tmp_path)
    assert records[0]["parentUuid"] is None
    assert [one["parentUuid"] for one in records[1:]] == [one["uuid"] for one in records[:-1]]
    assert len({one["sessionId"] for one in records}) == 1


def test_an_edit_names_a_text_that_occurs_once_and_holds_the_file_before(tmp_path: Path) -> None:
    edit = written(tmp_path)[2]["toolUseResult"]
    assert edit["originalFile"] == TEXT
    assert TEXT.count(edit["oldString"]) == 1
    assert TEXT.replace(edit["oldString"], edit["newString"]) == "a\nb\nA\nc\n"
    assert edit["structuredPatch"][0]["lines"] == [" a", " b", "-a", "+A", " c", " "]


def test_the_same_name_gives_the_same_transcript(tmp_path: Path) -> None:
    assert written(tmp_path / "one") == written(tmp_path / "two")
