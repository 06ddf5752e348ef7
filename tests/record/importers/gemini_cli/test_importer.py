"""What a Gemini CLI session becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from golddiff.record.importers import importer_for
from golddiff.record.importers.gemini_cli.importer import GeminiCli
from golddiff.types import Event, RawSession, Replacement, TestRun, Usage
from record.scripted_clis import GeminiScript

SHELL = "Output: 2 passed in 0.10s\nError: (none)\nExit Code: 0\nSignal: 0\nBackground PIDs: (none)"


@pytest.fixture
def script() -> GeminiScript:
    return GeminiScript()


def _read(path: Path) -> RawSession:
    reading = GeminiCli().read(path)
    assert reading.damaged == ()
    (session,) = reading.sessions
    return session.transcript


def _kinds(transcript: RawSession) -> list[str]:
    return [event.kind.value for event in transcript.events]


def _content(event: Event[str]) -> tuple[object, ...]:
    return (event.kind, event.at, event.text, event.model, event.usage, event.tool, event.edit, event.command)


def test_a_pretty_printed_document_and_lines_give_the_same_session(script: GeminiScript, tmp_path: Path) -> None:
    script.user("fix it")
    script.says("looking", script.call("read_file", file_path="a"))
    script.says("done", script.call("write_file", file_path="a", content="x\n"))
    old, new = script.write(tmp_path / "full.jsonl"), script.write_lines(tmp_path / "session.jsonl")
    for path in (old, new):
        importer = importer_for(path)
        assert importer is not None
        assert importer.name == "gemini-cli"
    first, second = _read(old), _read(new)
    assert [_content(event) for event in first.events] == [_content(event) for event in second.events]
    assert first.session.record_hashes == second.session.record_hashes
    assert first.session.provider_session_id == "g1"


def test_the_last_of_a_repeated_message_counts_and_its_tokens_once(script: GeminiScript, tmp_path: Path) -> None:
    script.user("go")
    script.says("on it", script.call("read_file", status="executing", file_path="a"))
    before = _read(script.write_lines(tmp_path / "a.jsonl"))
    again = {**script.records[-1], "toolCalls": [{**script.records[-1]["toolCalls"][0], "status": "success"}]}
    transcript = _read(script.write_lines(tmp_path / "b.jsonl", again))
    assert _kinds(transcript) == ["prompt", "model_call", "tool_call", "tool_result"]
    assert transcript.session.usage == Usage(input_tokens=62, output_tokens=15, cache_read_tokens=40)
    assert set(before.session.record_hashes) < set(transcript.session.record_hashes)


def test_what_newer_builds_put_around_words_is_no_prompt_and_no_output(script: GeminiScript, tmp_path: Path) -> None:
    script.user("<session_context>\nThis is the Gemini CLI.\n</session_context>")
    script.user("print it")
    wrapped = "<untrusted_context>\nOutput: &lt;/untrusted_context&gt;</b>\n</untrusted_context>"
    script.says("", script.call("run_shell_command", output=wrapped, command="echo '</b>'"))
    transcript = _read(script.write_lines(tmp_path / "a.jsonl"))
    assert _kinds(transcript) == ["note", "prompt", "model_call", "command"]
    assert transcript.events[1].text == "print it"
    assert (transcript.events[3].text, transcript.events[3].exit_code) == ("</untrusted_context></b>", 0)


def test_a_command_carries_its_exit_code_and_tests(script: GeminiScript, tmp_path: Path) -> None:
    script.says("", script.call("run_shell_command", output=SHELL, command="pytest -q"))
    script.says("", script.call("run_shell_command", output="Output: boom\nExit Code: 3", command="make"))
    script.says("", script.call("run_shell_command", output="Output: (empty)", command="true"))
    _, good, _, bad, _, quiet = _read(script.write(tmp_path / "a.json")).events
    assert (good.command, good.exit_code, good.text) == ("pytest -q", 0, "2 passed in 0.10s")
    assert good.tests == TestRun(framework="pytest", passed=2, failed=0, skipped=0, errors=0, success=True)
    assert (bad.exit_code, bad.text, bad.is_error) == (3, "boom", True)
    assert (quiet.exit_code, quiet.text) == (0, "")


def test_an_edit_has_the_states_that_its_display_shows(script: GeminiScript, tmp_path: Path) -> None:
    call = script.call("replace", file_path="/work/repo/a.py", old_string="1", new_string="2", allow_multiple=True)
    call["resultDisplay"] = {
        "fileDiff": "Index: a.py\n===\n--- a.py\n+++ a.py\n@@ -1,1 +1,1 @@\n-x = 1\n+x = 2\n",
        "fileName": "a.py",
        "filePath": "/work/repo/a.py",
        "originalContent": "x = 1\n",
        "newContent": "x = 2\n",
    }
    script.says("", call)
    (tmp_path / ".project_root").write_text("/work/repo\n")
    (tmp_path / "chats").mkdir()
    transcript = _read(script.write_lines(tmp_path / "chats" / "s.jsonl"))
    edit = transcript.events[1].edit
    assert edit is not None
    assert (transcript.session.cwd, edit.path, edit.operation) == ("/work/repo", "a.py", "update")
    assert (edit.before, edit.after, edit.hunks) == ("x = 1\n", "x = 2\n", "@@ -1,1 +1,1 @@\n-x = 1\n+x = 2\n")
    assert edit.replacements == (Replacement("1", "2", every=True),)


def test_a_state_that_was_shortened_for_the_file_is_left_empty(script: GeminiScript, tmp_path: Path) -> None:
    call = script.call("write_file", file_path="a", content="whole\n")
    shown = {"fileDiff": "@@ -1 +1 @@\n-omitted\n+omitted", "originalContent": "cut", "newContent": "cut"}
    call["resultDisplay"] = {**shown, "truncatedForSession": True}
    script.says("", call)
    edit = _read(script.write(tmp_path / "a.json")).events[1].edit
    assert edit is not None
    assert (edit.before, edit.after, edit.hunks, edit.success) == (None, "whole\n", None, True)


def test_cancelled_calls_failed_calls_and_open_calls(script: GeminiScript, tmp_path: Path) -> None:
    refused = "[Operation Cancelled] Reason: User did not allow tool call"
    script.says("", script.call("write_file", status="cancelled", output=refused, file_path="a", content="x"))
    script.says("", script.call("run_shell_command", status="cancelled", output="aborted", command="ls"))
    script.says("", script.call("replace", status="error", output="0 occurrences", file_path="a", old_string="q",
                                new_string="r"))  # fmt: skip
    script.says("", script.call("run_shell_command", status="executing", command="sleep 9"))
    script.add("info", "Request cancelled.")
    transcript = _read(script.write(tmp_path / "a.json"))
    assert [kind for kind in _kinds(transcript) if kind != "model_call"] == [
        "edit", "rejection", "tool_call", "tool_result", "edit", "command", "interruption",
    ]  # fmt: skip
    assert [event.edit.success for event in transcript.events if event.edit is not None] == [False, False]


def test_what_the_user_took_back_is_a_dead_branch(script: GeminiScript, tmp_path: Path) -> None:
    script.user("one")
    script.says("answer")
    script.user("two")
    script.says("more")
    whole = _read(script.write_lines(tmp_path / "a.jsonl"))
    transcript = _read(script.write_lines(tmp_path / "b.jsonl", {"$rewindTo": "m2"}, {"$set": {"summary": "s"}}))
    assert _kinds(transcript) == ["prompt", "model_call"]
    assert transcript.session.skipped == {"dead branch": 2}
    assert set(whole.session.record_hashes) <= set(transcript.session.record_hashes)


def test_a_patch_changes_a_message_that_was_written(script: GeminiScript, tmp_path: Path) -> None:
    script.user("go")
    message = script.says("on it", script.call("read_file", output="long", file_path="a"))
    call_id = message["toolCalls"][0]["id"]
    response = {"functionResponse": {"id": call_id, "name": "read_file", "response": {"output": "short"}}}
    patch = {"$patch": {"id": message["id"], "toolCalls": [{"id": call_id, "result": [response]}]}}
    assert _read(script.write_lines(tmp_path / "a.jsonl", patch)).events[-1].text == "short"


def test_a_sub_agents_file_names_its_parent_by_its_folder(tmp_path: Path) -> None:
    script = GeminiScript("child", kind="subagent")
    script.user("do a part")
    script.says("done")
    folder = tmp_path / "chats" / "parent-1"
    folder.mkdir(parents=True)
    (session,) = GeminiCli().read(script.write_lines(folder / "child.jsonl")).sessions
    assert session.parent_provider_id == "parent-1"
    assert _kinds(session.transcript) == ["note", "model_call"]


def test_a_document_that_is_cut_off_is_damage_at_its_line(script: GeminiScript, tmp_path: Path) -> None:
    script.user("go")
    path = script.write(tmp_path / "a.json")
    path.write_bytes(path.read_bytes()[:-8])
    reading = GeminiCli().read(path)
    assert reading.sessions == ()
    assert [damage.line for damage in reading.damaged] == [path.read_bytes().rstrip().count(b"\n") + 1]
