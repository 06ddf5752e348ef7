"""What a Claude Code session file becomes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from golddiff.record.importers.claude_code.importer import ClaudeCode
from golddiff.record.importers.contract import Reading
from golddiff.types import Event, EventKind, RawSession, Replacement, TestRun, Usage
from record.scripted import ClaudeScript, text, tool

REJECTED = (
    "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the "
    "new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to proceed."
)
REJECTED_WITH_WORDS = REJECTED.split(" STOP")[0] + " To tell you how to proceed, the user said:\nuse a set instead"


@pytest.fixture
def script() -> ClaudeScript:
    return ClaudeScript()


def _read(script: ClaudeScript, tmp_path: Path, name: str = "s1.jsonl") -> RawSession:
    reading = ClaudeCode().read(script.write(tmp_path / name))
    assert reading.damaged == ()
    (session,) = reading.sessions
    return session.transcript


def _kinds(transcript: RawSession) -> list[str]:
    return [event.kind.value for event in transcript.events]


def _only(transcript: RawSession, kind: EventKind) -> Event[str]:
    (event,) = (event for event in transcript.events if event.kind is kind)
    return event


def test_the_header_holds_what_the_records_say(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("add a flag")
    script.assistant(text("done"))
    script.raw(type="pr-link", sessionId="s1", prUrl="https://example.com/a/b/pull/7")
    session = _read(script, tmp_path).session
    assert (session.source, session.provider_session_id, session.agent_version) == ("claude-code", "s1", "2.1.0")
    assert (session.cwd, session.branch, session.base_commit) == ("/work/repo", "main", None)
    assert session.repository_url == "https://example.com/a/b"
    assert session.models == ("claude-test-1",)
    assert session.started_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert session.source_path == str(tmp_path / "s1.jsonl")
    assert len(session.record_hashes) == 3


def test_events_are_numbered_without_gaps_and_belong_to_the_session(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("look")
    script.assistant(tool("Read", "t1", file_path="/work/repo/a.py"), tool("Bash", "t2", command="ls"))
    script.result("t2", "a.py", {"stdout": "a.py", "stderr": "", "interrupted": False})
    script.result("t1", "x = 1", {"type": "text", "file": {}})
    transcript = _read(script, tmp_path)
    assert [event.sequence for event in transcript.events] == list(range(len(transcript.events)))
    assert {event.session_id for event in transcript.events} == {transcript.session.id}


def test_lines_of_one_message_are_one_call_whose_usage_counts_once(script: ClaudeScript, tmp_path: Path) -> None:
    """The last line's usage is the whole one: the client repeats it while the answer grows."""
    script.user("go")
    script.assistant({"type": "thinking", "thinking": "hm"}, output=2)
    script.assistant(text("First."), output=2)
    script.assistant(tool("Read", "t1", file_path="a"), output=40)
    script.result("t1", "…")
    script.assistant(text("Second."), message_id="m2", output=7)
    transcript = _read(script, tmp_path)
    calls = [event for event in transcript.events if event.kind is EventKind.MODEL_CALL]
    assert [(call.text, call.usage and call.usage.output_tokens) for call in calls] == [("First.", 40), ("Second.", 7)]
    assert transcript.session.usage == Usage(input_tokens=6, output_tokens=47, cache_read_tokens=10)


def test_a_prompt_taken_back_is_a_dead_branch_and_is_counted(script: ClaudeScript, tmp_path: Path) -> None:
    root = script.user("first")
    script.assistant(text("ok"))
    script.user("wrong way")
    script.assistant(tool("Edit", "t1", file_path="/work/repo/a", old_string="a", new_string="b"), message_id="m2")
    script.result("t1", "done", {"filePath": "/work/repo/a", "originalFile": "a"})
    script.user("right way", parent=script.records[1]["uuid"])
    script.assistant(text("good"), message_id="m3")
    transcript = _read(script, tmp_path)
    assert root == "u0"
    assert [event.text for event in transcript.events] == ["first", "ok", "right way", "good"]
    assert transcript.session.skipped == {"dead branch": 3}


def test_tools_that_ran_side_by_side_are_no_dead_branch(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    first = script.assistant(tool("Bash", "t1", command="a"))
    second = script.assistant(tool("Bash", "t2", command="b"))
    script.result("t1", "A", parent=first)
    script.result("t2", "B", parent=second)
    script.assistant(text("both ran"), message_id="m2", parent="u3")
    transcript = _read(script, tmp_path)
    assert [event.command for event in transcript.events if event.kind is EventKind.COMMAND] == ["a", "b"]
    assert transcript.session.skipped == {}


def test_a_summarised_session_goes_on_behind_its_boundary(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("start")
    last = script.assistant(text("much work"))
    script.add("system", parent=None, subtype="compact_boundary", logicalParentUuid=last)
    script.user("This session is being continued…", isCompactSummary=True)
    script.user("go on")
    transcript = _read(script, tmp_path)
    assert _kinds(transcript) == ["prompt", "model_call", "note", "prompt"]


def test_a_missing_parent_does_not_throw_away_what_came_before(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("start")
    script.assistant(text("one"))
    script.user("next", parent="gone")
    assert _kinds(_read(script, tmp_path)) == ["prompt", "model_call", "prompt"]


@pytest.mark.parametrize(
    "content",
    [
        "<command-name>/clear</command-name>\n<command-message>clear</command-message>",
        "<local-command-stdout>Bye!</local-command-stdout>",
        "<system-reminder>be brief</system-reminder>",
        "Caveat: The messages below were generated by the user while running local commands.",
        [text("<ide_opened_file>a.py</ide_opened_file>")],
    ],
)
def test_injected_text_is_a_note(script: ClaudeScript, tmp_path: Path, content: Any) -> None:
    script.user("real")
    script.user(content)
    assert _kinds(_read(script, tmp_path)) == ["prompt", "note"]


def test_text_marked_as_meta_is_a_note(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("real")
    script.user("injected by a skill", isMeta=True)
    assert _kinds(_read(script, tmp_path)) == ["prompt", "note"]


def test_a_prompt_is_told_apart_from_the_text_injected_beside_it(script: ClaudeScript, tmp_path: Path) -> None:
    script.user([text("<ide_selection>x</ide_selection>"), text("rename it"), {"type": "image", "source": {}}])
    transcript = _read(script, tmp_path)
    assert [(event.kind.value, event.text) for event in transcript.events] == [
        ("note", "<ide_selection>x</ide_selection>"),
        ("prompt", "rename it\n[image]"),
    ]


def test_a_custom_command_with_its_arguments_is_a_prompt(script: ClaudeScript, tmp_path: Path) -> None:
    script.user(
        "<command-message>review is running…</command-message>\n<command-name>/review</command-name>\n"
        "<command-args>the parser</command-args>"
    )
    assert _only(_read(script, tmp_path), EventKind.PROMPT).text == "/review the parser"


def test_a_prompt_typed_while_the_agent_worked_is_a_prompt(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("start")
    script.assistant(tool("Bash", "t1", command="sleep 9"))
    script.result("t1", "")
    queued = {"type": "queued_command", "prompt": "also the docs", "commandMode": "prompt"}
    script.raw(type="attachment", sessionId="s1", timestamp="2026-01-01T00:00:05Z", attachment=queued)
    script.raw(type="attachment", sessionId="s1", attachment={"type": "todo_reminder"})
    transcript = _read(script, tmp_path)
    assert [event.text for event in transcript.events if event.kind is EventKind.PROMPT] == ["start", "also the docs"]
    assert transcript.session.skipped == {"not needed: attachment": 1}


def test_an_edit_holds_the_file_before_the_replacement_and_the_hunks(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    call = tool("Edit", "t1", file_path="/work/repo/src/a.py", old_string="b", new_string="c", replace_all=True)
    script.assistant(call)
    patch = [{"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": [" a", "-b", "+c"]}]
    result = {
        "filePath": "/work/repo/src/a.py", "oldString": "b", "newString": "c", "originalFile": "a\nb\n",
        "structuredPatch": patch, "userModified": False, "replaceAll": True,
    }  # fmt: skip
    script.result("t1", "updated", result)
    event = _only(_read(script, tmp_path), EventKind.EDIT)
    edit = event.edit
    assert edit is not None
    assert (edit.path, edit.operation, edit.before, edit.after) == ("src/a.py", "update", "a\nb\n", None)
    assert edit.replacements == (Replacement("b", "c", True),)
    assert edit.hunks == "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    assert (edit.success, edit.user_modified) == (True, False)
    assert (event.tool, event.call_id, event.model) == ("Edit", "t1", "claude-test-1")


def test_an_edit_that_the_user_changed_first_holds_what_was_applied(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Edit", "t1", file_path="/work/repo/a", old_string="b", new_string="asked"))
    script.result("t1", "updated", {"oldString": "b", "newString": "typed", "originalFile": "b", "userModified": True})
    edit = _only(_read(script, tmp_path), EventKind.EDIT).edit
    assert edit is not None
    assert edit.user_modified
    assert edit.replacements == (Replacement("b", "typed"),)


def test_a_write_states_the_whole_file(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Write", "t1", file_path="/work/repo/a", content="new\n"))
    script.result("t1", "ok", {"type": "create", "filePath": "/work/repo/a", "content": "new\n", "originalFile": None})
    script.assistant(tool("Write", "t2", file_path="/elsewhere/b", content="two\n"), message_id="m2")
    script.result("t2", "ok", {"type": "update", "content": "two\n", "originalFile": "one\n", "structuredPatch": []})
    edits = [event.edit for event in _read(script, tmp_path).events if event.edit]
    assert [(e.path, e.operation, e.before, e.after) for e in edits] == [
        ("a", "create", None, "new\n"),
        ("/elsewhere/b", "update", "one\n", "two\n"),
    ]


def test_a_multi_edit_keeps_its_steps_in_order(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    steps = [{"old_string": "a", "new_string": "b"}, {"old_string": "b", "new_string": "c", "replace_all": True}]
    script.assistant(tool("MultiEdit", "t1", file_path="/work/repo/a", edits=steps))
    script.result("t1", "ok", {"originalFile": "a"})
    edit = _only(_read(script, tmp_path), EventKind.EDIT).edit
    assert edit is not None
    assert edit.replacements == (Replacement("a", "b"), Replacement("b", "c", True))


def test_an_edit_that_failed_or_was_never_answered_changed_nothing(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Edit", "t1", file_path="/work/repo/a", old_string="x", new_string="y"))
    script.result("t1", "<tool_use_error>String to replace not found</tool_use_error>", "Error: String…", error=True)
    script.assistant(tool("Edit", "t2", file_path="/work/repo/b", old_string="x", new_string="y"), message_id="m2")
    events = [event for event in _read(script, tmp_path).events if event.kind is EventKind.EDIT]
    assert [(event.edit and event.edit.success, event.is_error) for event in events] == [(False, True), (False, False)]


def test_a_refused_edit_is_an_edit_that_failed_and_a_rejection_with_the_users_words(
    script: ClaudeScript, tmp_path: Path
) -> None:
    script.user("go")
    script.assistant(tool("Edit", "t1", file_path="/work/repo/a", old_string="x", new_string="y"))
    script.result("t1", REJECTED_WITH_WORDS, "Error: The user doesn't want to…", error=True)
    transcript = _read(script, tmp_path)
    edit, rejection = transcript.events[-2:]
    assert edit.edit is not None
    assert not edit.edit.success
    assert (rejection.kind, rejection.tool, rejection.call_id) == (EventKind.REJECTION, "Edit", "t1")
    assert rejection.text == "use a set instead"


def test_a_refused_command_never_ran(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Bash", "t1", command="rm -rf build"))
    script.result("t1", REJECTED, "User rejected tool use", error=True)
    script.user([text("[Request interrupted by user for tool use]")])
    script.user("don't")
    transcript = _read(script, tmp_path)
    assert _kinds(transcript) == ["prompt", "model_call", "tool_call", "rejection", "interruption", "prompt"]
    assert transcript.events[3].text is None


def test_a_command_denied_by_a_rule_is_no_rejection_by_the_user(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Bash", "t1", command="curl x"))
    script.result("t1", "Permission to use Bash with command curl x has been denied.", error=True)
    assert _kinds(_read(script, tmp_path)) == ["prompt", "model_call", "tool_call", "tool_result"]


def test_a_failing_command_has_its_exit_code_and_its_test_run(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Bash", "t1", command="pytest -q"))
    output = "F.\n1 failed, 1 passed in 0.12s"
    script.result("t1", f"Exit code 1\n{output}", f"Error: Exit code 1\n{output}", error=True)
    command = _only(_read(script, tmp_path), EventKind.COMMAND)
    assert (command.command, command.exit_code, command.is_error, command.text) == ("pytest -q", 1, True, output)
    assert command.tests == TestRun(framework="pytest", passed=1, failed=1, skipped=0, errors=0, success=False)


def test_a_command_that_succeeded_has_no_exit_code_since_none_is_stated(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Bash", "t1", command="go test ./..."))
    script.result("t1", "ok  \tx/a\t0.1s", {"stdout": "ok  \tx/a\t0.1s", "stderr": "warn", "interrupted": False})
    command = _only(_read(script, tmp_path), EventKind.COMMAND)
    assert (command.exit_code, command.text) == (None, "ok  \tx/a\t0.1s\nwarn")
    assert command.tests == TestRun(framework="go test", failed=0, errors=0, success=True)


def test_a_command_put_in_the_background_is_no_test_run_yet(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Bash", "t1", command="pytest"))
    script.result("t1", "running", {"stdout": "", "stderr": "", "interrupted": False, "backgroundTaskId": "b1"})
    assert _only(_read(script, tmp_path), EventKind.COMMAND).tests is None


def test_other_tools_are_a_call_and_a_result(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(tool("Grep", "t1", pattern="x"))
    script.result("t1", [text("a.py:1"), {"type": "image"}])
    call, result = _read(script, tmp_path).events[-2:]
    assert (call.kind, call.tool, call.arguments) == (EventKind.TOOL_CALL, "Grep", '{"pattern": "x"}')
    assert (result.kind, result.text, result.call_id) == (EventKind.TOOL_RESULT, "a.py:1\n[image]", "t1")


def test_text_that_the_client_made_is_no_model_call(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.assistant(text("API Error: overloaded"), model="<synthetic>", isApiErrorMessage=True)
    transcript = _read(script, tmp_path)
    assert _kinds(transcript) == ["prompt", "note"]
    assert transcript.session.models == ()


def test_lines_of_a_sub_agent_carry_its_id_and_are_no_prompts(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    call = script.assistant(tool("Task", "t1", prompt="look around"))
    agent = {"isSidechain": True, "agentId": "a7"}
    script.user("look around", parent=None, **agent)
    script.assistant(tool("Bash", "t2", command="ls"), message_id="m2", **agent)
    script.result("t2", "a", **agent)
    script.result("t1", [text("found a")], parent=call)
    transcript = _read(script, tmp_path)
    assert [(event.kind.value, event.agent) for event in transcript.events] == [
        ("prompt", None),
        ("model_call", None),
        ("tool_call", None),
        ("note", "a7"),
        ("model_call", "a7"),
        ("command", "a7"),
        ("tool_result", None),
    ]
    assert transcript.session.skipped == {}


def _progress(script: ClaudeScript) -> None:
    script.user("go")
    call = script.assistant(tool("Task", "t1", prompt="p"))
    message = {"id": "m2", "model": "claude-small", "role": "assistant", "content": [tool("Bash", "t2", command="ls")]}
    for inner in (
        {"type": "assistant", "timestamp": "2026-01-01T00:00:09Z", "message": message},
        {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t2", "content": "a"}]}},
    ):
        script.add("progress", data={"message": inner, "type": "agent_progress", "agentId": "a7"})
    script.add("progress", data={"type": "bash_progress", "output": "…"})
    script.result("t1", "done", parent=call)


def test_what_progress_records_say_of_a_sub_agent_is_read(script: ClaudeScript, tmp_path: Path) -> None:
    _progress(script)
    transcript = _read(script, tmp_path)
    assert [(e.command, e.agent) for e in transcript.events if e.kind is EventKind.COMMAND] == [("ls", "a7")]
    assert transcript.session.models == ("claude-test-1", "claude-small")
    assert transcript.session.skipped == {"not needed: progress": 1}


def _agent_file(tmp_path: Path) -> Path:
    agent = ClaudeScript(isSidechain=True, agentId="a7")
    agent.user("look around", uuid="x0")
    agent.assistant(tool("Edit", "t9", file_path="/work/repo/a", old_string="x", new_string="y"), uuid="x1")
    agent.result("t9", "ok", {"originalFile": "x"}, uuid="x2")
    for number, record in enumerate(agent.records):
        record["timestamp"] = f"2026-01-01T00:00:01.{number}00Z"
    return agent.write(tmp_path / "s1" / "subagents" / "agent-a7.jsonl")


def test_a_sub_agents_file_beside_its_session_is_read_with_it(script: ClaudeScript, tmp_path: Path) -> None:
    """Its events stand where they happened; its progress in the session's file is not read a second time."""
    _progress(script)
    agent_path = _agent_file(tmp_path)
    transcript = _read(script, tmp_path)
    assert [(event.kind.value, event.agent) for event in transcript.events] == [
        ("prompt", None),
        ("model_call", None),
        ("tool_call", None),
        ("note", "a7"),
        ("model_call", "a7"),
        ("edit", "a7"),
        ("tool_result", None),
    ]
    assert transcript.session.skipped == {"not needed: progress": 3}
    assert len(transcript.session.record_hashes) == len(script.records) + 3
    assert ClaudeCode().read(agent_path) == Reading(skipped={"sub-agent: read with its session": 1})


def test_damage_in_a_sub_agents_file_is_reported_under_its_name(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    agent_path = _agent_file(tmp_path)
    agent_path.write_bytes(agent_path.read_bytes() + b"{oops")
    reading = ClaudeCode().read(script.write(tmp_path / "s1.jsonl"))
    assert [(damage.path, damage.line) for damage in reading.damaged] == [(agent_path, 4)]
    assert reading.sessions[0].transcript.session.skipped == {"damaged line": 1}


def test_a_sub_agents_own_file_is_a_session_with_a_parent(tmp_path: Path) -> None:
    script = ClaudeScript(isSidechain=True, agentId="a7")
    script.user("look around")
    script.assistant(text("found"))
    (session,) = ClaudeCode().read(script.write(tmp_path / "agent-a7.jsonl")).sessions
    assert session.parent_provider_id == "s1"
    assert session.transcript.session.provider_session_id == "s1/a7"
    assert [(event.kind.value, event.agent) for event in session.transcript.events] == [
        ("note", None),
        ("model_call", None),
    ]


def test_unknown_records_and_strange_shapes_are_counted(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.raw(type="brand-new", sessionId="s1")
    script.raw(type="say: secret text", sessionId="s1")
    script.raw(type="file-history-snapshot", snapshot={})
    script.raw(type="user", uuid="x", message=7)
    script.raw(type="user", uuid=["not", "a", "string"])
    transcript = _read(script, tmp_path)
    assert transcript.session.skipped == {
        "unknown record: brand-new": 1,
        "unknown record: other": 1,
        "not needed: file-history-snapshot": 1,
        "unexpected shape": 2,
    }
    assert len(transcript.session.record_hashes) == 6


def test_a_repeated_record_is_read_once(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("go")
    script.records.append(script.records[0])
    transcript = _read(script, tmp_path)
    assert _kinds(transcript) == ["prompt"]
    assert transcript.session.skipped == {"repeated record": 1}


def test_a_damaged_line_is_reported_and_the_rest_is_read(script: ClaudeScript, tmp_path: Path) -> None:
    script.user("one")
    script.user("two")
    path = script.write(tmp_path / "s1.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"type": "user", oops}\n' + lines[1] + b'{"type":"assis')
    reading = ClaudeCode().read(path)
    assert [(damage.path, damage.line) for damage in reading.damaged] == [(path, 2), (path, 4)]
    assert "cut off" in reading.damaged[1].reason
    transcript = reading.sessions[0].transcript
    assert [event.text for event in transcript.events] == ["one", "two"]
    assert len(transcript.session.record_hashes) == 2


def test_a_file_without_a_conversation_is_no_session(tmp_path: Path) -> None:
    script = ClaudeScript()
    script.raw(type="summary", summary="x", leafUuid="u")
    reading = ClaudeCode().read(script.write(tmp_path / "s1.jsonl"))
    assert reading == Reading(skipped={"not needed: summary": 1, "no conversation": 1})


def test_half_an_emoji_is_replaced_and_damages_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s1.jsonl"
    path.write_text(
        r'{"type":"user","uuid":"u","sessionId":"s","message":{"content":"a \ud83d b \\ud83d c \ud83d\ude00"}}' + "\n"
    )
    reading = ClaudeCode().read(path)
    assert reading.damaged == ()
    assert reading.sessions[0].transcript.events[0].text == "a \N{REPLACEMENT CHARACTER} b \\ud83d c \N{GRINNING FACE}"
