"""What a Codex rollout becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golddiff.record.importers.codex.importer import Codex
from golddiff.record.importers.contract import Reading
from golddiff.types import Event, EventKind, RawSession, TestRun, Usage
from record.scripted import CodexScript, exec_output

PATCH = """*** Begin Patch
*** Update File: src/a.py
@@ def f():
-    return 1
+    return 2
*** Add File: b.txt
+new
*** End Patch"""


@pytest.fixture
def script() -> CodexScript:
    return CodexScript()


def _read(script: CodexScript, tmp_path: Path) -> RawSession:
    reading = Codex().read(script.write(tmp_path / "rollout.jsonl"))
    assert reading.damaged == ()
    (session,) = reading.sessions
    return session.transcript


def _kinds(transcript: RawSession) -> list[str]:
    return [event.kind.value for event in transcript.events]


def _only(transcript: RawSession, kind: EventKind) -> Event[str]:
    (event,) = (event for event in transcript.events if event.kind is kind)
    return event


def test_the_header_holds_the_base_commit(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    session = _read(script, tmp_path).session
    assert (session.source, session.provider_session_id, session.agent_version) == ("codex", "c1", "0.142.0")
    assert (session.base_commit, session.branch) == ("a" * 40, "main")
    assert session.repository_url == "https://example.com/a/b.git"
    assert session.cwd == "/work/repo"


def test_a_prompt_occurs_once_and_injected_messages_are_notes(script: CodexScript, tmp_path: Path) -> None:
    script.item("message", role="developer", content=[{"type": "input_text", "text": "<permissions instructions>"}])
    for injected in ("# AGENTS.md instructions for /work", "<environment_context>…", "<skill>…</skill>", "unknown new"):
        script.item("message", role="user", content=[{"type": "input_text", "text": injected}])
    script.prompt("fix the bug")
    transcript = _read(script, tmp_path)
    assert _kinds(transcript) == ["note"] * 5 + ["prompt"]
    assert transcript.events[-1].text == "fix the bug"


def test_a_build_without_prompt_events_has_its_prompts_among_the_items(script: CodexScript, tmp_path: Path) -> None:
    script.item("message", role="user", content=[{"type": "input_text", "text": "<environment_context>…"}])
    script.item("message", role="user", content=[{"type": "input_text", "text": "fix"}, {"type": "input_image"}])
    transcript = _read(script, tmp_path)
    assert [(event.kind.value, event.text) for event in transcript.events][1:] == [("prompt", "fix\n[input_image]")]


def test_the_prompt_event_may_come_before_its_item(script: CodexScript, tmp_path: Path) -> None:
    script.event("user_message", message="fix")
    script.item("message", role="user", content=[{"type": "input_text", "text": "fix"}])
    assert _kinds(_read(script, tmp_path)) == ["prompt"]


def test_what_an_editor_put_before_the_request_is_a_note(script: CodexScript, tmp_path: Path) -> None:
    script.event(
        "user_message", message="# Context from my IDE setup:\n## Open tabs\na\n## My request for Codex:\nfix a\n"
    )
    transcript = _read(script, tmp_path)
    assert [(event.kind.value, event.text) for event in transcript.events][1] == ("prompt", "fix a")


def test_a_model_call_ends_with_its_token_count(script: CodexScript, tmp_path: Path) -> None:
    """Cached tokens are part of the input; a count whose total did not move is not counted again."""
    script.prompt("go")
    script.says("I will look.")
    script.exec("k1", "ls", "a\n")
    script.tokens(100, 60, 9)
    script.records.append(script.records[-1])
    script.says("Done.")
    script.tokens(120, 100, 4)
    transcript = _read(script, tmp_path)
    calls = [event for event in transcript.events if event.kind is EventKind.MODEL_CALL]
    assert [(call.text, call.model) for call in calls] == [("I will look.", "gpt-test-1"), ("Done.", "gpt-test-1")]
    assert calls[0].usage == Usage(input_tokens=40, output_tokens=9, cache_read_tokens=60)
    assert transcript.session.usage == Usage(input_tokens=60, output_tokens=13, cache_read_tokens=160)


def test_a_command_is_joined_with_its_output_and_exit_code(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("test it")
    script.exec("k1", "python -m pytest", "==== 1 failed, 2 passed in 0.10s ====\n", exit_code=1)
    command = _only(_read(script, tmp_path), EventKind.COMMAND)
    assert (command.command, command.exit_code, command.is_error) == ("python -m pytest", 1, True)
    assert command.text == "==== 1 failed, 2 passed in 0.10s ====\n"
    assert command.tests == TestRun(framework="pytest", passed=2, failed=1, skipped=0, errors=0, success=False)


def test_an_older_shell_call_has_its_output_as_json(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.call("shell", "k1", {"command": ["bash", "-lc", "go vet ./..."]})
    script.output("k1", json.dumps({"output": "bad\n", "metadata": {"exit_code": 2, "duration_seconds": 0.1}}))
    command = _only(_read(script, tmp_path), EventKind.COMMAND)
    assert (command.command, command.exit_code, command.text) == ("go vet ./...", 2, "bad\n")


def test_an_end_record_gives_the_exit_code_where_the_output_has_none(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.call("shell", "k1", {"command": ["ls", "a b"]})
    script.event("exec_command_end", call_id="k1", exit_code=1, aggregated_output="no such file")
    script.output("k1", "no such file")
    command = _only(_read(script, tmp_path), EventKind.COMMAND)
    assert (command.command, command.exit_code) == ("ls 'a b'", 1)


def test_a_command_that_goes_on_is_joined_with_the_calls_that_wait_for_it(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.call("exec_command", "k1", {"cmd": "pytest"})
    script.output("k1", exec_output("..", "Process running with session ID 7"))
    script.call("write_stdin", "k2", {"session_id": 7, "chars": ""})
    script.output("k2", exec_output(".\n3 passed in 2.00s\n", "Process exited with code 0"))
    transcript = _read(script, tmp_path)
    assert _kinds(transcript) == ["prompt", "model_call", "command", "model_call"]
    command = _only(transcript, EventKind.COMMAND)
    assert (command.text, command.exit_code) == ("...\n3 passed in 2.00s\n", 0)
    assert command.tests is not None
    assert command.tests.passed == 3


def test_a_command_that_never_ended_keeps_what_it_printed(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.call("exec_command", "k1", {"cmd": "pytest"})
    script.output("k1", exec_output("..", "Process running with session ID 7"))
    script.call("write_stdin", "k2", {"session_id": 7, "chars": "q"})
    script.output("k2", exec_output("..", "Process running with session ID 7"))
    transcript = _read(script, tmp_path)
    command = _only(transcript, EventKind.COMMAND)
    assert (command.text, command.exit_code, command.tests) == ("....", None, None)
    assert _kinds(transcript)[-2:] == ["tool_call", "tool_result"]


def test_a_patch_is_one_edit_per_file_as_the_client_applied_it(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.item("custom_tool_call", name="apply_patch", call_id="k1", input=PATCH, status="completed")
    changes = {
        "/work/repo/src/a.py": {"type": "update", "unified_diff": "@@ -4,1 +4,1 @@\n-    return 1\n+    return 2\n"},
        "/work/repo/b.txt": {"type": "add", "content": "new\n"},
        "/work/repo/c": {"type": "delete", "content": "old\n"},
        "/work/repo/d": {"type": "update", "unified_diff": "", "move_path": "/work/repo/e"},
    }
    script.event("patch_apply_end", call_id="k1", success=True, changes=changes, stdout="Success.")
    script.item("custom_tool_call_output", call_id="k1", output="Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess.")
    edits = [event.edit for event in _read(script, tmp_path).events if event.edit]
    assert [(e.path, e.operation, e.new_path, e.before, e.after, e.success) for e in edits] == [
        ("src/a.py", "update", None, None, None, True),
        ("b.txt", "create", None, None, "new\n", True),
        ("c", "delete", None, "old\n", None, True),
        ("d", "move", "e", None, None, True),
    ]
    assert edits[0].hunks == "@@ -4,1 +4,1 @@\n-    return 1\n+    return 2\n"


def test_without_the_clients_word_the_patch_itself_is_read(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.call("apply_patch", "k1", {"input": PATCH})
    script.output("k1", json.dumps({"output": "Success. Updated", "metadata": {"exit_code": 0}}))
    edits = [event.edit for event in _read(script, tmp_path).events if event.edit]
    assert [(e.path, e.hunks, e.after, e.success) for e in edits] == [
        ("src/a.py", "@@ def f():\n-    return 1\n+    return 2\n", None, True),
        ("b.txt", None, "new\n", True),
    ]


def test_a_patch_handed_to_the_shell_is_an_edit_below_its_folder(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.call("exec_command", "k1", {"cmd": f"apply_patch <<'EOF'\n{PATCH}\nEOF", "workdir": "/work/repo/pkg"})
    script.output("k1", exec_output("Success. Updated\n", "Process exited with code 0"))
    edits = [event.edit for event in _read(script, tmp_path).events if event.edit]
    assert [(e.path, e.success) for e in edits] == [("pkg/src/a.py", True), ("pkg/b.txt", True)]


def test_a_patch_that_failed_or_was_never_answered_changed_nothing(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.item("custom_tool_call", name="apply_patch", call_id="k1", input=PATCH)
    script.item("custom_tool_call_output", call_id="k1", output="apply_patch verification failed: no such lines")
    script.item("custom_tool_call", name="apply_patch", call_id="k2", input=PATCH)
    events = [event for event in _read(script, tmp_path).events if event.kind is EventKind.EDIT]
    assert len(events) == 4
    assert not any(event.edit and event.edit.success for event in events)
    assert [event.is_error for event in events] == [True, True, False, False]


@pytest.mark.parametrize("words", ["exec command rejected by user", 'failed: Rejected("rejected by user")'])
def test_a_refused_command_is_a_call_and_a_rejection(script: CodexScript, tmp_path: Path, words: str) -> None:
    script.prompt("go")
    script.call("shell", "k1", {"command": ["rm", "-r", "x"]})
    script.output("k1", words)
    assert _kinds(_read(script, tmp_path)) == ["prompt", "model_call", "tool_call", "rejection"]


@pytest.mark.parametrize("words", ["rejected by user approval settings", "The proposal was rejected by user x. " * 20])
def test_what_a_rule_refused_or_a_text_mentions_is_no_rejection(
    script: CodexScript, tmp_path: Path, words: str
) -> None:
    script.prompt("go")
    script.call("read_thread", "k1", {})
    script.output("k1", words)
    assert _kinds(_read(script, tmp_path)) == ["prompt", "model_call", "tool_call", "tool_result"]


def test_an_aborted_turn_is_an_interruption(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.call("exec_command", "k1", {"cmd": "sleep 99"})
    script.output("k1", "aborted by user after 3.2s")
    script.event("turn_aborted", reason="interrupted")
    transcript = _read(script, tmp_path)
    assert _kinds(transcript) == ["prompt", "model_call", "command", "interruption"]
    assert transcript.events[2].is_error


def test_turns_that_the_user_took_back_are_a_dead_branch(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("first")
    script.says("ok")
    script.prompt("wrong")
    script.says("hm")
    script.event("thread_rolled_back", num_turns=1)
    script.prompt("right")
    transcript = _read(script, tmp_path)
    assert [event.text for event in transcript.events] == ["first", "ok", "right"]
    assert transcript.session.skipped["dead branch"] == 2


def test_a_sub_agent_names_its_parent(tmp_path: Path) -> None:
    script = CodexScript("child", source={"subagent": {"thread_spawn": {"parent_thread_id": "c1", "depth": 1}}})
    script.prompt("look")
    (session,) = Codex().read(script.write(tmp_path / "r.jsonl")).sessions
    assert session.parent_provider_id == "c1"


def test_other_tools_are_a_call_and_a_result(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("plan")
    script.call("update_plan", "k1", {"plan": []})
    script.output("k1", [{"type": "input_text", "text": "Plan updated"}])
    call, result = _read(script, tmp_path).events[-2:]
    assert (call.kind, call.tool, call.arguments) == (EventKind.TOOL_CALL, "update_plan", '{"plan": []}')
    assert (result.kind, result.text) == (EventKind.TOOL_RESULT, "Plan updated")


def test_unknown_records_and_strange_shapes_are_counted(script: CodexScript, tmp_path: Path) -> None:
    script.prompt("go")
    script.add("brand_new")
    script.event("new_event")
    script.item("new_item")
    script.item("message", role=5)
    script.records.append({"timestamp": "x", "type": "turn_context", "payload": "text"})
    script.event("task_started")
    assert _read(script, tmp_path).session.skipped == {
        "unknown record: brand_new": 1,
        "unknown record: new_event": 1,
        "unknown record: new_item": 1,
        "unexpected shape": 2,
        "not needed: task_started": 1,
    }


def test_a_rollout_without_a_conversation_is_no_session(script: CodexScript, tmp_path: Path) -> None:
    assert Codex().read(script.write(tmp_path / "r.jsonl")) == Reading(skipped={"no conversation": 1})
