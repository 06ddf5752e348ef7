"""What a trajectory of SWE-agent becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golddiff.record.importers import importer_for
from golddiff.types import FileEdit, RawSession, Replacement, Usage
from record.scripted_agents import DIFF, SweScript

OPEN = "[File: src/a.py (3 lines total)]\r\n1:import os\r\n2:x = 1\r\n3:y = 2\r\n"
FILE = "/testbed/src/a.py"


@pytest.fixture
def script() -> SweScript:
    return SweScript()


def _read(path: Path) -> RawSession:
    importer = importer_for(path)
    assert importer is not None
    assert importer.name == "swe-agent"
    (session,) = importer.read(path).sessions
    return session.transcript


def _edits(transcript: RawSession) -> list[FileEdit[str]]:
    return [event.edit for event in transcript.events if event.edit is not None]


def _kinds(transcript: RawSession) -> list[str]:
    return [event.kind.value for event in transcript.events]


def test_the_header_and_the_problem(script: SweScript, tmp_path: Path) -> None:
    script.step("look", "ls -F", "src/")
    transcript = _read(script.write(tmp_path / "a.traj"))
    session = transcript.session
    assert (session.source, session.agent_version, session.cwd) == ("swe-agent", "1.1.0", "/testbed")
    assert (session.base_commit, session.models) == ("c" * 40, ("anthropic/claude-test-1",))
    assert session.usage == Usage(input_tokens=900, output_tokens=30)
    assert _kinds(transcript) == ["note", "prompt", "model_call", "command"]
    assert transcript.events[1].text == "fix it"
    assert (transcript.events[3].command, transcript.events[3].exit_code) == ("ls -F", None)


def test_lines_that_were_shown_and_replaced_are_hunks(script: SweScript, tmp_path: Path) -> None:
    script.step("open", "open src/a.py", OPEN, FILE)
    script.step("edit", "edit 2:3\nx = 2\nend_of_edit", "[File: src/a.py (2 lines total)]\n1:import os\n2:x = 2", FILE)
    script.step("again", "edit 9:9\nz\nend_of_edit", "Your proposed edit has introduced new syntax error(s).", FILE)
    edits = _edits(_read(script.write(tmp_path / "a.traj")))
    assert [(edit.path, edit.success, edit.hunks) for edit in edits] == [
        ("src/a.py", True, "@@ -2,2 +2,1 @@\n-x = 1\n-y = 2\n+x = 2\n"),
        ("src/a.py", False, None),
    ]


def test_calls_with_arguments_are_read_from_the_history(script: SweScript, tmp_path: Path) -> None:
    script.step("new", "create b.py", "[File: b.py (1 lines total)]\n1:", "/testbed/b.py", filename="b.py")
    script.step("swap", "edit 'x' 'y'", "Text replaced. Please review", FILE, search="x", replace="y")
    script.step("put", "insert 'z' 2", "[File: src/a.py (4 lines total)]", FILE, text="z", line=2)
    created, replaced, inserted = _edits(_read(script.write(tmp_path / "a.traj")))
    assert (created.path, created.operation, created.after) == ("b.py", "create", "\n")
    assert replaced.replacements == (Replacement("x", "y"),)
    assert inserted.hunks == "@@ -2,0 +3,1 @@\n+z\n"


def test_the_editor_tool_is_read_from_its_line_where_the_history_lacks_the_call(
    script: SweScript, tmp_path: Path
) -> None:
    script.step("create", "str_replace_editor create /testbed/b.py --file_text 'a\nb\n'", "File created successfully")
    line = "str_replace_editor str_replace /testbed/b.py --old_str 'a' --new_str 'c'"
    script.step("edit", line, "The file /testbed/b.py has been edited.")
    script.step("edit", line, "No replacement was performed, old_str `a` did not appear verbatim")
    created, replaced, failed = _edits(_read(script.write(tmp_path / "a.traj")))
    assert (created.path, created.after) == ("b.py", "a\nb\n")
    assert replaced.replacements == (Replacement("a", "c"),)
    assert not failed.success


def test_its_own_tools_are_tool_calls_and_the_hand_in_fills_what_no_edit_shows(
    script: SweScript, tmp_path: Path
) -> None:
    script.step("find", "find_file a.py", "src/a.py")
    script.step("create", "str_replace_editor create /testbed/new.txt --file_text 'hi\n'", "created successfully")
    script.step("sed", "sed -i s/1/2/ src/a.py", "")
    script.step("done", "submit", "")
    script.info["submission"] = DIFF.replace("\n", "\r\n")
    transcript = _read(script.write(tmp_path / "a.traj"))
    assert [kind for kind in _kinds(transcript)[2:] if kind != "model_call"] == [
        "tool_call", "tool_result", "edit", "command", "tool_call", "tool_result", "edit",
    ]  # fmt: skip
    assert [(edit.path, edit.operation) for edit in _edits(transcript)] == [
        ("new.txt", "create"),
        ("src/a.py", "update"),
    ]


def test_an_answer_without_an_action_and_a_demonstration(script: SweScript, tmp_path: Path) -> None:
    script.history.insert(1, {"role": "user", "content": "Here is a demonstration", "is_demo": True})
    script.step("hm", "", "Your output was not formatted correctly")
    transcript = _read(script.write(tmp_path / "a.traj"))
    assert _kinds(transcript) == ["note", "prompt", "model_call", "note"]
    assert transcript.session.skipped == {"not needed: system": 1, "not needed: demonstration": 1}


def test_a_history_alone_is_read(script: SweScript, tmp_path: Path) -> None:
    script.step("open", "open src/a.py", OPEN)
    script.step("edit", "edit 2:2\nx = 2\nend_of_edit", "[File: src/a.py (3 lines total)]\n2:x = 2")
    path = tmp_path / "demo.traj"
    path.write_text(json.dumps({"history": script.history}))
    transcript = _read(path)
    assert _kinds(transcript) == ["prompt", "model_call", "tool_call", "tool_result", "model_call", "edit"]
    assert [edit.hunks for edit in _edits(transcript)] == ["@@ -2,1 +2,1 @@\n-x = 1\n+x = 2\n"]


def test_state_and_configuration_may_be_strings_of_json(script: SweScript, tmp_path: Path) -> None:
    script.step("look", "ls", "a")
    script.steps[0]["state"] = json.dumps(script.steps[0]["state"])
    assert _read(script.write(tmp_path / "a.traj")).session.cwd == "/testbed"
