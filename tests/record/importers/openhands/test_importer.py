"""What events of OpenHands become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golddiff.record.importers import Reading, importer_for
from golddiff.types import RawSession, Replacement, TestRun, Usage
from record.scripted import write_lines
from record.scripted_agents import DIFF, OpenHandsScript, OpenHandsSdkScript


@pytest.fixture
def script() -> OpenHandsScript:
    return OpenHandsScript()


@pytest.fixture
def sdk() -> OpenHandsSdkScript:
    return OpenHandsSdkScript()


def _reading(path: Path) -> Reading:
    importer = importer_for(path)
    assert importer is not None
    assert importer.name == "openhands"
    return importer.read(path)


def _read(path: Path) -> RawSession:
    (session,) = _reading(path).sessions
    return session.transcript


def _kinds(transcript: RawSession) -> list[str]:
    return [event.kind.value for event in transcript.events]


def test_a_command_carries_its_exit_code_and_tests(script: OpenHandsScript, tmp_path: Path) -> None:
    script.user("fix it")
    run = script.acts("run", "r1", command="pytest -q")
    metadata = {"exit_code": 1, "working_dir": "/workspace/a"}
    script.seen("run", run, "1 failed in 0.10s", command="pytest -q", metadata=metadata)
    waits = script.acts("run", "r2", command="sleep 9")
    script.seen("run", waits, "no change", metadata={"exit_code": -1})
    transcript = _read(script.write(tmp_path / "t.json"))
    assert _kinds(transcript) == ["prompt", "model_call", "command", "model_call", "command"]
    command = transcript.events[2]
    assert (command.command, command.exit_code, command.tool) == ("pytest -q", 1, "tool_run")
    assert command.tests == TestRun(framework="pytest", passed=0, failed=1, skipped=0, errors=0, success=False)
    assert transcript.events[4].exit_code is None
    assert transcript.session.cwd == "/workspace/a"
    assert command.at is None


def test_calls_of_one_response_are_one_model_call(script: OpenHandsScript, tmp_path: Path) -> None:
    script.acts("read", "r1", path="a")
    script.acts("read", "r1", path="b")
    transcript = _read(script.write(tmp_path / "t.json"))
    assert _kinds(transcript) == ["model_call", "tool_call", "tool_call"]
    assert transcript.events[0].text == "say r1"
    assert transcript.session.models == ("openrouter/qwen/qwen3-coder-30b-a3b",)
    assert transcript.session.usage == Usage(input_tokens=40, output_tokens=10, cache_read_tokens=60)


def test_an_edit_has_the_states_that_its_observation_shows(script: OpenHandsScript, tmp_path: Path) -> None:
    swap = script.acts("edit", "r1", path="/w/a.py", command="str_replace", old_str="1", new_str="2")
    script.seen("edit", swap, "edited", path="/w/a.py", prev_exist=True, old_content="1\n", new_content="2\n")
    wrong = script.acts("edit", "r2", path="/w/a.py", command="str_replace", old_str="9", new_str="2")
    script.seen("error", wrong, "No replacement was performed")
    new = script.acts("write", "r3", path="/w/b.py", content="x\n")
    script.seen("write", new, "", path="/w/b.py")
    edits = [event.edit for event in _read(script.write(tmp_path / "t.json")).events if event.edit is not None]
    assert [(edit.path, edit.operation, edit.before, edit.after, edit.success) for edit in edits] == [
        ("/w/a.py", "update", "1\n", "2\n", True),
        ("/w/a.py", "update", None, None, False),
        ("/w/b.py", "create", None, "x\n", True),
    ]
    assert edits[0].replacements == (Replacement("1", "2"),)


def test_what_the_user_did(script: OpenHandsScript, tmp_path: Path) -> None:
    script.user("one")
    refused = script.acts("run", "r1", command="rm -r build")
    script.seen("user_rejected", refused, "keep it")
    script.add("user", action="change_agent_state", args={"agent_state": "stopped"})
    script.add("user", action="run", args={"command": "ls"})
    script.add("environment", observation="agent_state_changed", extras={"agent_state": "running"})
    transcript = _read(script.write(tmp_path / "t.json"))
    assert _kinds(transcript) == ["prompt", "model_call", "tool_call", "rejection", "interruption", "note"]
    assert transcript.session.skipped == {"not needed: agent_state_changed": 1}


def test_a_delegate_is_a_sub_agent(script: OpenHandsScript, tmp_path: Path) -> None:
    task = script.acts("delegate", "r1", agent="BrowsingAgent", inputs={"task": "look"})
    script.acts("read", "r2", path="a")
    script.seen("delegate", task, "found")
    script.acts("finish", "r3", final_thought="done")
    transcript = _read(script.write(tmp_path / "t.json"))
    agents = [event.agent for event in transcript.events]
    assert agents == [None, None, "BrowsingAgent", "BrowsingAgent", None, None, None]


def test_a_folder_of_events_is_one_session(script: OpenHandsScript, tmp_path: Path) -> None:
    for number in range(12):
        script.user(f"prompt {number}")
    events = script.write_folder(tmp_path / "conversation-1")
    transcript = _read(events / "0.json")
    assert [event.text for event in transcript.events] == [f"prompt {number}" for number in range(12)]
    assert transcript.session.provider_session_id == "conversation-1"
    assert _reading(events / "10.json") == Reading(skipped={"event: read with its session": 1})


def test_an_evaluations_rows_are_sessions_and_its_patch_their_edits(script: OpenHandsScript, tmp_path: Path) -> None:
    script.user("fix it")
    metadata = {"llm_config": {"model": "gpt-test-1"}}
    row = {"instance_id": "i1", "metadata": metadata, "history": script.events, "test_result": {"git_patch": DIFF}}
    pairs = {**row, "history": [[script.events[0], script.events[0]]], "test_result": {}}
    reading = _reading(write_lines(tmp_path / "output.jsonl", [row, pairs, {"instance_id": "i2"}]))
    first, second = (session.transcript for session in reading.sessions)
    assert _kinds(first) == ["prompt", "edit", "edit"]
    assert first.session.models == ("gpt-test-1",)
    assert _kinds(second) == ["prompt", "prompt"]
    assert reading.skipped == {"no conversation": 1}


def test_the_sdks_events(sdk: OpenHandsSdkScript, tmp_path: Path) -> None:
    sdk.add("agent", kind="SystemPromptEvent", system_prompt={"text": "…"})
    sdk.user("fix it")
    sdk.calls("c1", "terminal", command="pytest -q")
    sdk.calls("c2", "file_editor", command="str_replace", path="/w/a.py", old_str="1", new_str="2")
    text = [{"type": "text", "text": "1 passed in 0.10s"}]
    sdk.answers("c1", "terminal", content=text, exit_code=0, metadata={"working_dir": "/w"})
    shown = {"path": "/w/a.py", "prev_exist": True, "old_content": "1\n", "new_content": "2\n"}
    sdk.answers("c2", "file_editor", **shown)
    sdk.calls("c3", "terminal", "r2", command="rm -r build")
    sdk.add("user", kind="UserRejectObservation", tool_call_id="c3", rejection_reason="keep it")
    sdk.calls("c4", "terminal", "r3", command="oops")
    sdk.add("agent", kind="AgentErrorEvent", tool_call_id="c4", error="no such tool")
    sdk.add("user", kind="PauseEvent")
    transcript = _read(sdk.write(tmp_path / "t.json"))
    assert _kinds(transcript) == [
        "prompt", "model_call", "command", "edit", "model_call", "tool_call", "rejection", "model_call", "command",
        "interruption",
    ]  # fmt: skip
    command, edit = transcript.events[2], transcript.events[3].edit
    assert (command.exit_code, command.tests is not None, transcript.session.cwd) == (0, True, "/w")
    assert edit is not None
    assert (edit.before, edit.after, edit.success) == ("1\n", "2\n", True)
    assert transcript.events[6].text == "keep it"
    assert transcript.events[8].is_error


def test_the_sdks_state_names_model_folder_and_tokens(sdk: OpenHandsSdkScript, tmp_path: Path) -> None:
    sdk.user("fix it")
    counted = {"accumulated_token_usage": {"prompt_tokens": 100, "completion_tokens": 10, "cache_read_tokens": 60}}
    value = {"usage_to_metrics": {"agent": counted, "condenser": counted}}
    sdk.add("environment", kind="ConversationStateUpdateEvent", key="stats", value=value)
    sdk.add("agent", kind="MessageEvent", llm_message={"role": "assistant", "content": "done"})
    events = sdk.write_folder(tmp_path / "c1")
    state = {"id": "conversation-9", "agent": {"llm": {"model": "litellm_proxy/gpt-test-1"}}}
    (tmp_path / "c1" / "base_state.json").write_text(json.dumps({**state, "workspace": {"working_dir": "/w"}}))
    session = _read(events / "0.json").session
    assert (session.provider_session_id, session.cwd) == ("conversation-9", "/w")
    assert session.models == ("litellm_proxy/gpt-test-1",)
    assert session.usage == Usage(input_tokens=80, output_tokens=20, cache_read_tokens=120)
