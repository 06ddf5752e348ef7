import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golddiff.providers.wire import WireProtocol
from golddiff.record.calls import rebuild_answer, rebuild_request
from golddiff.record.calls.bodies import MAX_CHAIN
from golddiff.rights import permits
from golddiff.rights.provenance import provenance_of
from golddiff.store import Store
from golddiff.types import Call, EventKind, Session, Thread
from providers.wire.recorded import block, json_delta, message_start, response_events, sse, text_delta
from record.calls.world import (
    CLAUDE_SYSTEM,
    UUID,
    Claude,
    add,
    chat,
    chat_answer,
    lines,
    only_session,
    result,
    stored,
)

PYTEST = "===== 3 passed in 0.12s ====="
EDIT = {"file_path": "/home/dev/app/a.py", "old_string": "x = 1", "new_string": "x = 2"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def claude_session() -> list[Any]:
    """A prompt, an edit, a test run, a second prompt; each call with the whole history again."""
    claude = Claude()
    claude.user("<system-reminder>be brief</system-reminder>", "set x to 2")
    calls = [claude.call("I will.", ("Edit", "toolu_01AAAAAAAA", EDIT), at=0)]
    claude.user(result("toolu_01AAAAAAAA", "The file /home/dev/app/a.py has been updated."))
    calls.append(claude.call("", ("Bash", "toolu_02AAAAAAAA", {"command": "pytest -q"}), at=10))
    claude.user(result("toolu_02AAAAAAAA", PYTEST))
    calls.append(claude.call("Done.", at=20))
    claude.user("now commit")
    calls.append(claude.call("", ("Bash", "toolu_03AAAAAAAA", {"command": "git commit -m x"}), at=30))
    claude.user(result("toolu_03AAAAAAAA", "Exit code 1\nnothing to commit", is_error=True))
    calls.append(claude.call("Hm.", at=40))
    return calls


def test_a_session_of_claude_code_is_what_each_call_adds(store: Store) -> None:
    outcomes = add(store, *claude_session())
    assert [outcome.relation for outcome in outcomes] == ["new"] + ["continues"] * 4
    session = only_session(store)
    assert lines(store, session.id) == [
        "note: <system-reminder>be brief</system-reminder>",
        "prompt: set x to 2",
        "model_call: I will.",
        "edit: update a.py done",
        "model_call:",
        "command: pytest -q -> None",
        "model_call: Done.",
        "prompt: now commit",
        "model_call:",
        "command: git commit -m x -> 1",
        "model_call: Hm.",
    ]
    command = store.events(session.id)[5]
    assert (command.text, command.tests is not None and command.tests.passed) == (PYTEST, 3)
    assert (session.provider_session_id, session.cwd, session.branch) == (UUID, "/home/dev/app", "main")
    assert (session.source, session.models, session.subject) == ("gateway", ("claude-x",), "key_1")
    assert (session.usage.output_tokens, session.usage.cache_read_tokens) == (5 * 42, 500)
    assert [event.sequence for event in store.events(session.id)] == list(range(11))


def test_a_call_without_its_result_did_nothing_yet(store: Store) -> None:
    add(store, *claude_session()[:2])
    assert lines(store, only_session(store).id)[-3:] == [
        "edit: update a.py done",
        "model_call:",
        "command: pytest -q -> None",
    ]
    assert store.events(only_session(store).id)[-1].tests is None


def test_thinking_cache_markers_and_shortened_results_break_no_thread(store: Store) -> None:
    claude = Claude()
    claude.user("go")
    first = claude.call("a", ("Read", "toolu_01AAAAAAAA", {"file_path": "/x"}), at=0)
    claude.user(result("toolu_01AAAAAAAA", "long text"))
    second = claude.call("b", at=10)
    claude.messages[2]["content"][0]["content"] = "[Old tool result content cleared]"
    claude.messages[1]["content"].insert(0, {"type": "thinking", "thinking": "hm", "signature": "x"})
    claude.system = [{"type": "text", "text": "x-anthropic-billing-header: cch=0002;"}, *CLAUDE_SYSTEM[1:]]
    claude.user("more")
    outcomes = add(store, first, second, claude.call("c", at=20))
    assert [outcome.relation for outcome in outcomes] == ["new", "continues", "continues"]


def test_the_same_request_again_is_a_retry_and_the_history_goes_on_once(store: Store) -> None:
    claude = Claude()
    claude.user("go")
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    failed = stored("anthropic-messages", claude.request(), overloaded, at=0, status=529)
    retried = claude.call("hi", at=5)
    claude.user("more")
    outcomes = add(store, failed, retried, claude.call("bye", at=10))
    assert [outcome.relation for outcome in outcomes] == ["new", "retry", "continues"]
    assert lines(store, only_session(store).id) == [
        "prompt: go",
        "model_call: overloaded_error: Overloaded",
        "model_call: hi",
        "prompt: more",
        "model_call: bye",
    ]
    assert store.events(only_session(store).id)[1].is_error


def test_a_user_who_went_back_makes_a_branch_of_the_same_agent(store: Store) -> None:
    claude = Claude()
    claude.user("go")
    calls = [claude.call("one", at=0)]
    claude.user("left")
    calls.append(claude.call("two", at=10))
    del claude.messages[2:]
    claude.user("right")
    calls.append(claude.call("three", at=20))
    assert [outcome.relation for outcome in add(store, *calls)] == ["new", "continues", "branch"]
    assert lines(store, only_session(store).id)[-2:] == ["prompt: right", "model_call: three"]


def test_sub_agents_are_told_apart_by_their_system_prompt_and_by_when_they_ran(store: Store) -> None:
    main = Claude()
    main.user("find it")
    started = main.call("", ("Task", "toolu_01AAAAAAAA", {"prompt": "look"}), at=0)
    explore = [{"type": "text", "text": "You are a search specialist."}]
    left, right = Claude(system=explore), Claude(system=explore)
    left.user("look left")
    right.user("look right")
    calls = [started, left.call("l1", at=2, took=5), right.call("r1", at=2.5, took=5)]
    left.user("on")
    right.user("on")
    calls += [right.call("r2", at=9), left.call("l2", at=9.1)]
    main.user(result("toolu_01AAAAAAAA", "found"))
    calls.append(main.call("There.", at=20))
    add(store, *calls)
    session = only_session(store)
    assert [line for line in lines(store, session.id) if not line.startswith(">")] == [
        "prompt: find it",
        "model_call:",
        "tool_call: Task",
        "tool_result: found",
        "model_call: There.",
    ]
    agents = {event.text: event.agent for event in store.events(session.id) if event.agent}
    assert agents["l1"] == agents["l2"] != agents["r1"] == agents["r2"]
    assert all(event.kind is not EventKind.PROMPT for event in store.events(session.id) if event.agent)


def test_a_side_task_that_came_first_is_not_the_main_agent(store: Store) -> None:
    title = Claude(system=[{"type": "text", "text": "Write a title."}], tools=[])
    title.user("set x to 2")
    main = Claude()
    main.user("set x to 2")
    add(store, title.call("X", at=0, took=1), main.call("ok", at=0.5, took=3))
    assert lines(store, only_session(store).id) == [
        ">prompt: set x to 2",
        ">model_call: X",
        "prompt: set x to 2",
        "model_call: ok",
    ]


def test_a_summarised_history_is_still_the_main_agent(store: Store) -> None:
    claude = Claude()
    claude.user("go")
    first = claude.call("one", at=0)
    claude.messages = []
    claude.user("This session is being continued from a previous conversation that ran out of context: …")
    add(store, first, claude.call("two", at=10))
    assert lines(store, only_session(store).id)[-1] == "model_call: two"


def test_two_keys_never_share_a_session(store: Store) -> None:
    for key in ("key_1", "key_2"):
        claude = Claude()
        claude.user("go")
        add(store, claude.call("one", at=0, key_id=key))
    assert store.count(Session) == 2


def test_without_a_session_id_the_repeated_history_joins_calls(store: Store) -> None:
    first = [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}]
    ours = [*first, {"role": "assistant", "content": "hello A"}, {"role": "user", "content": "a?"}]
    theirs = [*first, {"role": "assistant", "content": "hello B"}, {"role": "user", "content": "b?"}]
    outcomes = add(
        store,
        stored("openai-chat", chat(first), chat_answer("hello A"), at=0),
        stored("openai-chat", chat(first), chat_answer("hello B"), at=60),
        stored("openai-chat", chat(ours), chat_answer("a!"), at=3700),
        stored("openai-chat", chat(theirs), chat_answer("b!"), at=3701),
    )
    assert [outcome.relation for outcome in outcomes] == ["new", "new", "continues", "continues"]
    one, two = (lines(store, session.id) for session in store.sessions())
    assert one == ["prompt: hi", "model_call: hello A", "prompt: a?", "model_call: a!"]
    assert two == ["prompt: hi", "model_call: hello B", "prompt: b?", "model_call: b!"]


@pytest.mark.parametrize(("wait", "relation"), [(30, "retry"), (3600, "new")])
def test_without_a_session_id_a_request_that_failed_is_retried_soon(store: Store, wait: float, relation: str) -> None:
    body = chat([{"role": "user", "content": "hi"}])
    failed = stored("openai-chat", body, {"error": {"message": "busy", "type": "server_error"}}, at=0, status=503)
    outcomes = add(store, failed, stored("openai-chat", body, chat_answer("hello"), at=wait))
    assert [outcome.relation for outcome in outcomes] == ["new", relation]


def test_tools_of_other_agents_become_edits_commands_and_test_runs(store: Store) -> None:
    history: list[dict[str, Any]] = [{"role": "user", "content": "fix"}]
    steps = [
        ("write_file", "call_1abcdefgh", {"file_path": "/w/new.py", "content": "x\n"}, "Successfully created file."),
        ("run_shell_command", "call_2abcdefgh", {"command": "pytest"}, f"Output: {PYTEST}\nExit Code: 0"),
        ("bash", "call_3abcdefgh", {"command": "false"}, "<returncode>1</returncode>\n<output>\n</output>"),
        ("search", "call_4abcdefgh", {"q": "x"}, "none"),
    ]
    calls = []
    for at, (name, call_id, arguments, text) in enumerate(steps):
        answer = chat_answer(None, (name, call_id, arguments))
        calls.append(stored("openai-chat", chat(history, tools=[]), answer, at=at * 10))
        history = [
            *history,
            answer["choices"][0]["message"],
            {"role": "tool", "tool_call_id": call_id, "content": text},
        ]
    calls.append(stored("openai-chat", chat(history), chat_answer("ok"), at=90))
    add(store, *calls)
    assert [line for line in lines(store, only_session(store).id) if not line.startswith("model_call")] == [
        "prompt: fix",
        "edit: create /w/new.py done",
        "command: pytest -> 0",
        "command: false -> 1",
        "tool_call: search",
        "tool_result: none",
    ]


PATCH = "*** Begin Patch\n*** Update File: a.py\n@@\n-x = 1\n+x = 2\n*** End Patch"
CODEX_HEADERS = {"session_id": UUID, "user-agent": "codex_cli_rs/0.60.0 (Linux)"}


def codex_answer(number: int, *items: dict[str, Any]) -> bytes:
    return sse(*response_events(list(items), [], id=f"resp_{number}"), named=True)


def codex_items() -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]], list[list[dict[str, Any]]]]:
    """What Codex sends first, what the model answers, and what Codex adds after each answer."""

    def user(text: str) -> dict[str, Any]:
        return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}

    first = [user("<environment_context>\n  <cwd>/home/dev/app</cwd>\n</environment_context>"), user("set x")]
    patch = {"type": "custom_tool_call", "call_id": "call_1abcdefgh", "name": "apply_patch", "input": PATCH}
    run = {
        "type": "function_call",
        "call_id": "call_2abcdefgh",
        "name": "exec_command",
        "arguments": '{"cmd":"pytest -q"}',
    }
    wait = {
        "type": "function_call",
        "call_id": "call_3abcdefgh",
        "name": "write_stdin",
        "arguments": '{"session_id":7,"chars":""}',
    }
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}
    reasoning = {"type": "reasoning", "summary": [], "encrypted_content": "Z"}
    outputs = [
        {"type": "custom_tool_call_output", "call_id": "call_1abcdefgh", "output": "Success. Updated: M a.py"},
        {
            "type": "function_call_output",
            "call_id": "call_2abcdefgh",
            "output": "Process running with session ID 7\nOutput:\n.",
        },
        {
            "type": "function_call_output",
            "call_id": "call_3abcdefgh",
            "output": f"Process exited with code 0\nOutput:\n\n{PYTEST}",
        },
    ]
    return first, [[reasoning, patch], [run], [wait], [said]], [[output] for output in outputs]


CODEX_LINES = [
    "note: <environment_context>\n  <cwd>/home/dev/app</cwd>\n</environment_context>",
    "prompt: set x",
    "model_call:",
    "edit: update a.py done",
    "model_call:",
    "command: pytest -q -> 0",
    "model_call:",
    "tool_call: write_stdin",
    "tool_result: \n" + PYTEST,
    "model_call: Done.",
]


def test_a_codex_session_that_sends_its_history(store: Store) -> None:
    history, answers, outputs = codex_items()
    calls = []
    for number, answer in enumerate(answers):
        body = {"model": "gpt-y", "instructions": "You are Codex.", "input": history, "prompt_cache_key": UUID}
        calls.append(
            stored("openai-responses", body, codex_answer(number, *answer), at=number * 10, headers=CODEX_HEADERS)
        )
        history = history + answer + (outputs[number] if number < len(outputs) else [])
    assert [outcome.relation for outcome in add(store, *calls)] == ["new", "continues", "continues", "continues"]
    session = only_session(store)
    assert lines(store, session.id) == CODEX_LINES
    command = store.events(session.id)[5]
    assert command.tests is not None
    assert command.tests.passed == 3
    assert (session.cwd, session.agent_version) == ("/home/dev/app", "codex_cli_rs/0.60.0")


def test_a_codex_session_whose_history_the_provider_holds(store: Store) -> None:
    added, answers, outputs = codex_items()
    calls = []
    for number, answer in enumerate(answers):
        body: dict[str, Any] = {"model": "gpt-y", "instructions": "You are Codex.", "input": added}
        if number:
            body["previous_response_id"] = f"resp_{number - 1}"
        calls.append(stored("openai-responses", body, codex_answer(number, *answer), at=number * 10))
        added = outputs[number] if number < len(outputs) else []
    retry = calls[-1]
    again = stored("openai-responses", retry.request_body, retry.response_body, at=60)
    outcomes = add(store, *calls, again)
    assert [outcome.relation for outcome in outcomes] == ["new", "continues", "continues", "continues", "retry"]
    assert lines(store, only_session(store).id) == [*CODEX_LINES, "model_call: Done."]


def test_an_earlier_response_that_is_gone_on_from_is_a_branch(store: Store) -> None:
    def body(text: str, previous: str | None) -> dict[str, Any]:
        return {"model": "gpt-y", "input": text} | ({"previous_response_id": previous} if previous else {})

    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]}
    outcomes = add(
        store,
        stored("openai-responses", body("a", None), codex_answer(0, said), at=0),
        stored("openai-responses", body("b", "resp_0"), codex_answer(1, said), at=10),
        stored("openai-responses", body("c", "resp_0"), codex_answer(2, said), at=20),
        stored("openai-responses", body("d", "resp_unknown"), codex_answer(3, said), at=30),
    )
    assert [outcome.relation for outcome in outcomes] == ["new", "continues", "branch", "new"]
    assert store.count(Session) == 2


def test_a_response_whose_thread_is_not_in_the_store_any_more_holds_up_no_other_call(store: Store) -> None:
    add(store, stored("openai-responses", {"model": "gpt-y", "input": "a"}, codex_answer(0), at=0))
    (thread,) = store.find(Thread)
    with store.transaction():
        store.remove(Thread, thread.id)
    body = {"model": "gpt-y", "input": "b", "previous_response_id": "resp_0"}
    outcomes = add(
        store,
        stored("openai-responses", body, codex_answer(1), at=10),
        stored("openai-responses", {"model": "gpt-y", "input": "c"}, codex_answer(2), at=20),
    )
    assert [outcome.failed for outcome in outcomes] == ["InputError", None]
    assert store.count(Call) == 3


def test_a_tool_call_that_the_stream_broke_off_in_is_no_event(store: Store) -> None:
    claude = Claude()
    claude.user("go")
    events = [message_start(), *block(0, {"type": "text", "text": ""}, text_delta("So"))]
    start = {"type": "tool_use", "id": "toolu_01AAAAAAAA", "name": "Write", "input": {}}
    events += block(1, start, json_delta('{"file_path": "/x", "con'))[:-1]
    call = stored(
        "anthropic-messages", claude.request(), sse(*events, named=True), at=0, status=200, ending="client_gone"
    )
    (outcome,) = add(store, call)
    assert outcome.damaged == ("the stream ended before message_stop",)
    assert lines(store, only_session(store).id) == ["prompt: go", "model_call: So"]
    assert only_session(store).skipped == {"damaged call": 1}


@pytest.mark.parametrize(
    ("asked", "answered", "permitted"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", False),
        ("gpt-5-codex", "gpt-5-codex", False),
        ("gpt-oss-20b", "gpt-oss-20b", True),
        ("gpt-oss-20b", "gpt-4o", False),  # an alias that hides a closed model
        ("gpt-4o", "gpt-oss-20b", False),
    ],
)
def test_provider_terms_hold_for_what_a_gateway_recorded(
    store: Store, asked: str, answered: str, permitted: bool
) -> None:
    body = chat([{"role": "user", "content": "hi"}], model=asked)
    add(store, stored("openai-chat", body, chat_answer("ok", model=answered), at=0))
    verdict = permits(provenance_of(only_session(store), None))
    assert any(reason.startswith("terms: open-weight") for reason in verdict.reasons) is permitted


def test_an_answer_that_nobody_recorded_is_of_an_unknown_model(store: Store) -> None:
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "from elsewhere"},
        {"role": "user", "content": "b"},
    ]
    add(store, stored("openai-chat", chat(history, model="gpt-oss-20b"), chat_answer("x", model="gpt-oss-20b"), at=0))
    session = only_session(store)
    assert session.models == ("gpt-oss-20b", "unrecorded-model")
    assert lines(store, session.id)[:2] == ["prompt: a", "model_call: from elsewhere"]
    verdict = permits(provenance_of(session, None))
    assert verdict.reasons[0].startswith("terms: unknown")


def test_every_body_is_rebuilt_byte_for_byte_and_the_history_is_kept_once(store: Store) -> None:
    claude = Claude()
    claude.user("x" * 20_000)
    calls = []
    for number in range(MAX_CHAIN + 4):
        calls.append(claude.call(f"answer {number} 漢🙂", at=number * 10))
        claude.user(f"go on {number}")
    add(store, *calls)
    kept = 0
    for call in calls:
        record = store.get(Call, call.call_id)
        assert rebuild_request(store, record) == call.request_body
        assert rebuild_answer(record) == call.response_body
        kept += len(record.request.rest)
    assert kept < len(calls[-1].request_body)
    assert max(record.request.chain for record in store.find(Call)) == MAX_CHAIN


@pytest.mark.parametrize("protocol", ["openai-chat", "openai-responses", "anthropic-messages", "other"])
@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"{", b"[" * 50_000, b'{"messages": 7, "input": {}}'])
def test_a_body_that_nobody_understands_is_kept_as_it_is(store: Store, protocol: WireProtocol, body: bytes) -> None:
    call = stored(protocol, body, b"\x00\xff garbage", at=0)
    add(store, call)
    record = store.get(Call, call.call_id)
    assert rebuild_request(store, record) == body
    assert rebuild_answer(record) == call.response_body


def test_a_call_that_cannot_be_taken_apart_is_kept_and_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr("golddiff.record.calls.store_call.place", fails)
    claude = Claude()
    claude.user("go")
    call = claude.call("hi", at=0)
    (outcome,) = add(store, call)
    assert outcome.failed == "ValueError"
    record = store.get(Call, call.call_id)
    assert record.damaged == ("could not be taken apart: ValueError",)
    assert rebuild_request(store, record) == call.request_body
    assert store.count(Thread) == store.count(Session) == 0


def test_secrets_that_only_the_joined_text_shows_are_redacted_in_events(store: Store) -> None:
    claude = Claude()
    claude.user("go")
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5"
    events = [message_start(), *block(0, {"type": "text", "text": ""}, text_delta(secret[:9]), text_delta(secret[9:]))]
    add(store, stored("anthropic-messages", claude.request(), sse(*events, named=True), at=0))
    assert secret not in json.dumps(lines(store, only_session(store).id))


AIDER_OK = "Ok, any changes I propose will be to those files."


def aider(done: list[tuple[str, str]], files: str, asks: str) -> dict[str, Any]:
    """A request of aider: what was said before, then the files as they are now, then what the user asks."""
    messages = [
        {"role": "system", "content": "Act as an expert software developer."},
        {"role": "user", "content": "Change get_factorial() to use math.factorial"},
        {"role": "assistant", "content": "To make this change we need to modify `mathweb/flask/app.py` to: …"},
    ]
    for role, text in done:
        messages.append({"role": role, "content": text})
    messages.append({"role": "user", "content": f"I have *added these files to the chat* …\n{files}"})
    messages.append({"role": "assistant", "content": AIDER_OK})
    return chat([*messages, {"role": "user", "content": asks}], model="gpt-oss-20b")


def test_a_client_that_moves_its_history_about_is_one_session_and_its_own_messages_are_notes(store: Store) -> None:
    said = [("user", "add a"), ("assistant", "<<<<<<< SEARCH\n=======\na\n>>>>>>> REPLACE")]
    calls = []
    for at, user in ((0, "one"), (1, "two")):  # two sessions that begin alike, side by side
        answer = chat_answer(f"{said[1][1]} for {user}", model="gpt-oss-20b")
        calls.append(stored("openai-chat", aider([], "", "add a"), answer, at=at * 10))
    for at, user in ((100, "one"), (110, "two")):
        done = [said[0], ("assistant", f"{said[1][1]} for {user}")]
        answer = chat_answer(f"b for {user}", model="gpt-oss-20b")
        calls.append(stored("openai-chat", aider(done, "a", f"now b for {user}"), answer, at=at))
    assert [outcome.relation for outcome in add(store, *calls)] == ["new", "new", "branch", "branch"]
    for session, user in zip(store.sessions(), ("one", "two"), strict=True):
        assert session.models == ("gpt-oss-20b",)
        assert [line for line in lines(store, session.id) if not line.startswith("note")] == [
            "prompt: add a",
            f"model_call: {said[1][1]} for {user}",
            f"prompt: now b for {user}",
            f"model_call: b for {user}",
        ]
