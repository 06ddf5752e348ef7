"""What aider's chat history becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from golddiff.record.importers import Reading, importer_for
from golddiff.types import RawSession, TestRun, Usage

HEAD = """
# aider chat started at 2026-05-01 10:00:00

> Aider v0.86.2
> Main model: openrouter/qwen/qwen3-coder-30b-a3b with diff edit format
> Weak model: gpt-test-mini
> Git repo: .git with 3 files
"""
BLOCK = """
Here it is.

src/a.py
```python
<<<<<<< SEARCH
x = 1
=======
x = 2
>>>>>>> REPLACE
```

"""


def _reading(tmp_path: Path, text: str) -> Reading:
    path = tmp_path / "history"
    path.write_text(text)
    importer = importer_for(path)
    assert importer is not None
    assert importer.name == "aider"
    return importer.read(path)


def _read(tmp_path: Path, text: str) -> RawSession:
    (session,) = _reading(tmp_path, text).sessions
    return session.transcript


def _kinds(transcript: RawSession) -> list[str]:
    return [event.kind.value for event in transcript.events]


def test_an_applied_block_is_an_edit(tmp_path: Path) -> None:
    said = "> Tokens: 2.3k sent, 1k cache write, 300 cache hit, 120 received. Cost: $0.01 message.  \n"
    text = (
        f"{HEAD}\n#### fix it  \n#### please  \n{BLOCK}{said}> Applied edit to src/a.py  \n> Commit 1a2b3c4 fix: it  \n"
    )
    transcript = _read(tmp_path, text)
    assert _kinds(transcript) == ["note", "prompt", "model_call", "edit", "note"]
    _, prompt, call, edit, commit = transcript.events
    assert prompt.text == "fix it\nplease"
    assert call.usage == Usage(input_tokens=1000, output_tokens=120, cache_read_tokens=300, cache_write_tokens=1000)
    assert edit.edit is not None
    assert (edit.edit.path, edit.edit.success, edit.model) == ("src/a.py", True, call.model)
    assert [(step.old, step.new) for step in edit.edit.replacements] == [("x = 1\n", "x = 2\n")]
    assert commit.text == "Commit 1a2b3c4 fix: it"
    session = transcript.session
    assert (session.provider_session_id, session.agent_version) == ("2026-05-01 10:00:00", "0.86.2")
    assert session.models == ("openrouter/qwen/qwen3-coder-30b-a3b",)
    assert session.started_at is None


def test_a_block_that_nothing_applied_has_no_success(tmp_path: Path) -> None:
    wrong = f"{BLOCK}> The LLM did not conform to the edit format.  \n"
    text = f"{HEAD}\n#### fix it  \n{wrong}{BLOCK}> Applied edit to src/a.py  \n"
    edits = [event.edit for event in _read(tmp_path, text).events if event.edit is not None]
    assert [edit.success for edit in edits] == [False, True]


@pytest.mark.parametrize(
    ("answer", "path", "operation"),
    [
        ("```python\nnew.py\n<<<<<<< ORIGINAL\n=======\nhi\n>>>>>>> UPDATED\n```\n", "new.py", "create"),
        ("```diff\n--- a/src/a.py\n+++ b/src/a.py\n@@ @@\n-x\n+y\n```\n", "src/a.py", "update"),
        ("```diff\n--- /dev/null\n+++ new.py\n@@ @@\n+y\n```\n", "new.py", "create"),
        ("*** Begin Patch\n*** Update File: src/a.py\n@@\n-x\n+y\n*** End Patch\n", "src/a.py", "update"),
        ("**src/a.py**:\n```\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n```\n", "src/a.py", "update"),
    ],
)
def test_each_edit_format_is_read(tmp_path: Path, answer: str, path: str, operation: str) -> None:
    text = f"{HEAD}\n#### fix it  \n\n{answer}\n> Applied edit to {path}  \n"
    (edit,) = (event.edit for event in _read(tmp_path, text).events if event.edit is not None)
    assert (edit.path, edit.operation, edit.success) == (path, operation, True)


def test_whole_files_are_edits_where_the_session_says_so(tmp_path: Path) -> None:
    answer = "\n#### fix it  \n\na.py\n```\nx = 2\n```\n\n> Applied edit to a.py  \n"
    assert "edit" not in _kinds(_read(tmp_path, HEAD + answer))
    transcript = _read(tmp_path, HEAD.replace("with diff", "with whole") + answer)
    edit = transcript.events[-1].edit
    assert edit is not None
    assert (edit.after, edit.success) == ("x = 2\n", True)


def test_the_editor_model_made_the_edits_of_an_architects_plan(tmp_path: Path) -> None:
    models = (
        "> Main model: o1-test with architect edit format  \n> Editor model: qwen-test with editor-diff edit format  \n"
    )
    plan = "\n#### fix it  \n\nDo this.\n\n> Edit the files? (Y)es/(N)o [Yes]: y  \n"
    text = f"{HEAD}{models}{plan}{BLOCK}> Applied edit to src/a.py  \n"
    transcript = _read(tmp_path, text)
    assert [event.model for event in transcript.events if event.model] == ["o1-test", "qwen-test", "qwen-test"]


def test_commands_and_their_output(tmp_path: Path) -> None:
    output = "> ============ 1 failed, 2 passed in 0.10s ============  \n"
    text = f"{HEAD}\n#### /run pytest -q  \n\n{output}\n#### !ls  \n\n#### go  \n\nok\n\n> Running make lint  \n"
    transcript = _read(tmp_path, text)
    assert _kinds(transcript) == ["note", "command", "command", "prompt", "model_call", "command"]
    tests, files, _, _, ran = transcript.events[1:]
    assert (tests.tool, tests.command) == ("/run", "pytest -q")
    assert tests.tests == TestRun(framework="pytest", passed=2, failed=1, skipped=0, errors=0, success=False)
    assert (files.command, files.text, ran.command, ran.tool) == ("ls", None, "make lint", "shell")


def test_what_the_user_did_besides_asking(tmp_path: Path) -> None:
    undone = "#### /undo  \n\n> Removed: 1a2b3c4 fix  \n\n#### /add b.py  \n"
    text = f"{HEAD}\n#### /ask why?  \n\nbecause\n\n> ^C KeyboardInterrupt  \n\n{undone}"
    transcript = _read(tmp_path, text)
    assert [(event.kind.value, event.text) for event in transcript.events[1:]] == [
        ("prompt", "why?"),
        ("model_call", "because"),
        ("interruption", None),
        ("rejection", None),
        ("note", "Removed: 1a2b3c4 fix"),
        ("note", "/add b.py"),
    ]


def test_a_fence_of_an_answer_is_the_answers(tmp_path: Path) -> None:
    answer = "\nLike so:\n\n```md\n#### not typed\n> not printed\n```\n\ndone\n"
    transcript = _read(tmp_path, f"{HEAD}\n#### go  \n{answer}\n#### and  \n\n```\nopen\n\n#### typed  \n")
    assert _kinds(transcript) == ["note", "prompt", "model_call", "prompt", "model_call", "prompt"]


def test_every_start_is_a_session_and_a_grown_file_has_the_same_records_first(tmp_path: Path) -> None:
    first = f"{HEAD}\n#### one  \n\nok\n"
    second = "\n# aider chat started at 2026-05-02 10:00:00\n\n#### two  \n\nok\n"
    before = _reading(tmp_path, first + second).sessions
    after = _reading(tmp_path, first + second + "\n#### three  \n\ncut o").sessions
    assert [session.transcript.session.provider_session_id for session in after] == [
        "2026-05-01 10:00:00",
        "2026-05-02 10:00:00",
    ]
    assert before[0].transcript.session.record_hashes == after[0].transcript.session.record_hashes
    assert set(before[1].transcript.session.record_hashes) < set(after[1].transcript.session.record_hashes)


def test_a_start_without_a_word_is_no_session(tmp_path: Path) -> None:
    reading = _reading(tmp_path, HEAD)
    assert reading == Reading(skipped={"no conversation": 1})
