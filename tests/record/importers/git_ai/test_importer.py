"""git-ai's notes: claims about lines, and the conversations that older builds copied into them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golddiff.git import GitRepository
from golddiff.record.importers.contract import Reading
from golddiff.record.importers.git_ai.importer import GitAi, Note, attributions, parse_note
from golddiff.record.importers.git_ai.messages import transcript_of
from golddiff.record.ingest import import_paths
from golddiff.store import Store
from golddiff.types import Attribution, Contributor, EventKind, LineRange, RawSession, Repository, Session
from record.bare import Bare
from record.scripted import ClaudeScript

SHA = "0123456789" * 4


def note(attestation: str, **metadata: Any) -> bytes:
    base = {"schema_version": "authorship/3.0.0", "base_commit_sha": "b" * 40, "prompts": {}}
    return f"{attestation}---\n{json.dumps({**base, **metadata})}".encode()


def agent(tool: str = "claude", session: str = "s1") -> dict[str, Any]:
    return {"tool": tool, "id": session, "model": "model-1"}


SESSIONS = note(
    'src/a.py\n  s_11111111111111::t_1 1-4,9\n  s_11111111111111::t_2 12-13\n  h_22222222222222 20\n"my file.py"\n'
    "  s_11111111111111::t_3 1\n",
    sessions={"s_11111111111111": {"agent_id": agent(), "human_author": "Someone <x@example.com>"}},
    humans={"h_22222222222222": {"author": "Someone <x@example.com>"}},
)


def parsed(data: bytes) -> Note:
    found = parse_note(data)
    assert isinstance(found, Note)
    return found


def test_traces_of_one_session_are_one_claim_with_all_its_lines() -> None:
    by_key = {claim.claim: claim for claim in attributions(parsed(SESSIONS), SHA, "x")}
    mine = by_key["s_11111111111111"]
    assert (mine.contributor, mine.provider_session_id, mine.tool, mine.model) == (
        Contributor.AI, "s1", "claude", "model-1",
    )  # fmt: skip
    assert mine.lines == (
        LineRange(path="my file.py", first_line=1, last_line=1),
        LineRange(path="src/a.py", first_line=1, last_line=4),
        LineRange(path="src/a.py", first_line=9, last_line=9),
        LineRange(path="src/a.py", first_line=12, last_line=13),
    )


def test_a_person_is_a_contributor_without_a_name() -> None:
    claims = attributions(parsed(SESSIONS), SHA, "x")
    assert [claim.contributor for claim in claims if claim.claim.startswith("h_")] == [Contributor.HUMAN]
    assert "Someone" not in str(claims)


def test_counts_of_older_builds_are_kept_as_the_tool_counted() -> None:
    entry = {"agent_id": agent(), "total_additions": 9, "accepted_lines": 5, "overriden_lines": 2}
    (claim,) = attributions(parsed(note("a\n  abcdef0 1-5\n", prompts={"abcdef0": entry})), SHA, "x")
    assert (claim.proposed_lines, claim.accepted_lines, claim.revised_lines) == (9, 5, 2)


def test_a_key_that_the_note_does_not_explain_is_of_an_unknown_contributor() -> None:
    (claim,) = attributions(parsed(note("a\n  feedbee 1\n")), SHA, "x")
    assert (claim.contributor, claim.provider_session_id) == (Contributor.UNKNOWN, None)


@pytest.mark.parametrize("bad", ["  k 4-1", "  k 0", "  k 1,,2", "  k", "  k x", "   k 1"])
def test_a_damaged_entry_is_reported_with_its_line_and_the_rest_is_read(bad: str) -> None:
    found = parsed(note(f"a\n{bad}\n  k 7\n"))
    assert [line for line, _ in found.damaged] == [2]
    assert [line.first_line for line in found.lines["k"]] == [7]


def test_json_that_is_cut_off_is_damage_at_its_line() -> None:
    found = parse_note(SESSIONS[:-20])
    assert isinstance(found, tuple)
    assert found[0] == 8


@pytest.mark.parametrize("data", [b"", b"just a note", b"a\n---\n[]", b'a\n---\n{"schema_version": "other/1"}'])
def test_notes_of_other_tools_are_none(data: bytes) -> None:
    assert parse_note(data) is None


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(data=st.data())
def test_changed_bytes_never_stop_the_parser(data: st.DataObject) -> None:
    changed = bytearray(data.draw(st.sampled_from([SESSIONS, conversation_note("claude", TALK)])))
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(changed) - 1))
        changed[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    found = parse_note(bytes(changed[: data.draw(st.integers(0, len(changed)))]))
    if isinstance(found, Note):
        attributions(found, SHA, "x")
        for entry in found.metadata.entries.values():
            if entry.messages:
                transcript_of(entry.messages, "claude", "s", None, "x", None)


TALK: list[dict[str, Any]] = [
    {"type": "user", "text": "fix it", "timestamp": "2026-01-01T00:00:00Z"},
    {"type": "assistant", "text": "looking"},
    {"type": "tool_use", "name": "Edit", "input": {"file_path": "/r/a", "old_string": "x", "new_string": "y"}},
    {"type": "tool_use", "name": "Bash", "input": {"command": "pytest"}},
    {"type": "user", "text": "The file /r/a has been updated."},
    {"type": "user", "text": "1 passed in 0.1s"},
    {"type": "thinking", "text": "hm"},
    {"type": "user", "text": "<task-notification>done</task-notification>"},
    {"type": "user", "text": "thanks"},
]


def conversation_note(tool: str, messages: list[dict[str, Any]], session: str = "s1") -> bytes:
    entry = {"agent_id": agent(tool, session), "messages": messages, "accepted_lines": 1}
    return note("a\n  abcdef0123456789 1\n", prompts={"abcdef0123456789": entry})


def transcript(tool: str, messages: list[dict[str, Any]] | None = None) -> RawSession:
    entry = parsed(conversation_note(tool, messages or TALK)).metadata.entries["abcdef0123456789"]
    found = transcript_of(entry.messages, tool, "s1", "model-1", "x", None)
    assert found is not None
    return found


def test_in_a_copy_of_claude_code_the_message_after_a_call_is_its_result() -> None:
    found = transcript("claude")
    assert [event.kind for event in found.events] == [
        EventKind.PROMPT, EventKind.MODEL_CALL, EventKind.EDIT, EventKind.COMMAND, EventKind.NOTE, EventKind.PROMPT,
    ]  # fmt: skip
    edit, command = found.events[2], found.events[3]
    assert edit.edit is not None
    assert edit.edit.success
    assert command.tests is not None
    assert command.tests.passed == 1
    assert found.session.skipped == {"not needed: thinking": 1}


def test_in_a_copy_of_claude_code_without_results_every_user_message_is_the_users() -> None:
    edit = {"file_path": "a.py", "old_string": "x", "new_string": "y"}
    found = transcript(
        "claude",
        [
            {"type": "user", "text": "change x"},
            {"type": "tool_use", "name": "Edit", "input": edit},
            {"type": "assistant", "text": "done"},
            {"type": "tool_use", "name": "Bash", "input": {"command": "make test"}},
            {"type": "assistant", "text": "all pass"},
            {"type": "tool_use", "name": "Bash", "input": {"command": "git status"}},
            {"type": "user", "text": "now z"},
        ],
    )
    assert [event.text for event in found.events if event.kind is EventKind.PROMPT] == ["change x", "now z"]
    assert [event.edit.success for event in found.events if event.edit] == [False]


def test_in_the_copies_of_others_every_user_message_is_a_prompt_and_no_edit_is_known_to_be_made() -> None:
    found = transcript("cursor")
    assert sum(event.kind is EventKind.PROMPT for event in found.events) == 5
    assert [event.edit.success for event in found.events if event.edit is not None] == [False]


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, str, str]:
    bare = Bare(tmp_path / "repo.git")
    bare.commit("refs/heads/main", {"a": "1\n"})
    bare.commit("refs/heads/main", {"a": "2\n"})
    shas = bare.write()
    first, second = shas[":1"], shas[":2"]
    files = {
        f"{first[:2]}/{first[2:]}": conversation_note("cursor", TALK[:4]),
        second: conversation_note("cursor", TALK),
        "c" * 40: b'a\n  k 1\n---\n{"schema_version": "authorship/3',
    }
    bare.commit("refs/notes/ai", dict(files))
    bare.commit("refs/notes/ai-remote/origin", {second: SESSIONS, "d" * 40: SESSIONS})
    bare.commit("refs/notes/commits", {second: b"by hand"})
    bare.write()
    return bare.folder, first, second


def read(folder: Path) -> list[Reading]:
    with GitRepository.open(folder) as git:
        return list(GitAi().read(git))


def test_every_note_is_read_once_and_the_own_ref_wins_over_the_remotes(repository: tuple[Path, str, str]) -> None:
    folder, first, second = repository
    readings = read(folder)
    claims = [(claim.revision, claim.claim) for reading in readings for claim in reading.attributions]
    key = "abcdef0123456789"
    assert sorted(claims) == sorted(
        [(first, key), (second, key), ("d" * 40, "s_11111111111111"), ("d" * 40, "h_22222222222222")]
    )
    (damage,) = [damage for reading in readings for damage in reading.damaged]
    assert (damage.path.name, damage.line) == ("c" * 40, 4)


def test_of_a_conversation_in_several_notes_the_longest_copy_is_the_session(repository: tuple[Path, str, str]) -> None:
    sessions = [session for reading in read(repository[0]) for session in reading.sessions]
    assert [(len(read.transcript.session.record_hashes), read.copy) for read in sessions] == [(len(TALK), True)]


def test_importing_a_repository_stores_claims_once_under_its_repository(
    repository: tuple[Path, str, str], tmp_path: Path
) -> None:
    with Store.open(tmp_path / "workspace") as store:
        for _ in range(2):
            summary = import_paths(store, [repository[0]])
        assert summary.attributions == {"git-ai": 4}
        assert store.count(Attribution) == 4
        (known,) = store.find(Repository)
        assert {claim.repository_id for claim in store.find(Attribution)} == {known.id}
        assert store.count(Attribution, revision=repository[2], provider_session_id="s1") == 1
        assert store.count(Session, source="git-ai") == 1


def test_a_copy_is_left_out_where_the_clients_own_transcript_is_in_the_store(
    repository: tuple[Path, str, str], tmp_path: Path
) -> None:
    script = ClaudeScript(session="s1")
    script.user("fix it")
    path = script.write(tmp_path / "s1.jsonl")
    with Store.open(tmp_path / "workspace") as store:
        summary = import_paths(store, [path, repository[0]])
        assert [session.source for session in store.sessions()] == ["claude-code"]
        assert summary.skipped["a copy of a session that is here from its own client"] == 1


def test_a_folder_inside_a_repository_is_not_asked_for_notes(repository: tuple[Path, str, str], tmp_path: Path) -> None:
    script = ClaudeScript()
    script.user("hello")
    script.write(repository[0] / "inside" / "s.jsonl")
    with Store.open(tmp_path / "workspace") as store:
        assert import_paths(store, [repository[0] / "inside"]).attributions == {}
