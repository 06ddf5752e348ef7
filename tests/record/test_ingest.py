"""Files into the store: found, redacted, stored once, continued after a stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from golddiff.errors import InputError, RightsError
from golddiff.record import ingest
from golddiff.record.importers import replay
from golddiff.record.ingest import import_paths, transcript_files
from golddiff.store import Store
from golddiff.store import store as store_module
from golddiff.types import Event, EventKind, RawSession, RedactedSession, Session
from record.scripted import ClaudeScript, CodexScript, text


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "transcripts"
    folder.mkdir()
    return folder


def _script(session: str = "s1", prompts: int = 2) -> ClaudeScript:
    script = ClaudeScript(session)
    for number in range(prompts):
        script.user(f"prompt {number}")
    return script


def _changes(sessions: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in sessions.items() if count}


def test_files_folders_and_globs_are_taken_each_file_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [folder / "b.jsonl", folder / "deep" / "a.jsonl", folder / "deep" / ".git" / "c.jsonl"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    os.link(paths[0], folder / "same.jsonl")
    monkeypatch.setenv("HOME", str(folder))
    given = ["~/b.jsonl", str(folder), str(folder / "**" / "*.jsonl")]
    assert [path for path, _ in transcript_files(given)] == [paths[0], paths[1]]


def test_a_path_that_does_not_exist_stops_before_anything_is_stored(store: Store, folder: Path) -> None:
    _script().write(folder / "a.jsonl")
    with pytest.raises(InputError, match=r"nowhere does not exist.*golddiff import"):
        import_paths(store, [folder, folder / "nowhere"])
    assert store.count(Session) == 0


def test_the_home_of_nobody_is_a_clear_error(store: Store) -> None:
    with pytest.raises(InputError, match="does not know"):
        import_paths(store, ["~nobody-of-this-name/x"])


def test_no_transcript_at_all_is_an_error_that_says_where_to_look(store: Store, folder: Path) -> None:
    (folder / "notes.md").write_text("# notes")
    with pytest.raises(InputError, match=r"no transcript.*1 file.*~/.claude/projects"):
        import_paths(store, [folder])


def test_the_second_import_adds_nothing(store: Store, folder: Path) -> None:
    _script().write(folder / "a.jsonl")
    codex = CodexScript()
    codex.prompt("hello")
    codex.write(folder / "b.jsonl")
    first = import_paths(store, [folder])
    assert _changes(first.sessions) == {"new": 2}
    assert first.events == {"prompt": 3}
    again = import_paths(store, [folder])
    assert _changes(again.sessions) == {"same": 2}
    assert again.events == {}
    assert again.session_ids == first.session_ids
    assert (store.count(Session), store.count(Event)) == (2, 3)


def test_a_session_that_grew_is_updated_and_an_older_copy_changes_nothing(store: Store, folder: Path) -> None:
    short = _script(prompts=1).write(folder / "a.jsonl")
    (session,) = import_paths(store, [short]).session_ids
    long = _script(prompts=3).write(folder / "b.jsonl")
    assert _changes(import_paths(store, [long]).sessions) == {"grew": 1}
    assert _changes(import_paths(store, [short]).sessions) == {"older": 1}
    assert len(store.events(session)) == 3
    assert store.count(Session) == 1


def test_copies_of_one_session_are_one_session_in_whatever_order(store: Store, folder: Path) -> None:
    for name, prompts in (("1", 2), ("2", 4), ("3", 1)):
        _script(prompts=prompts).write(folder / name)
    summary = import_paths(store, [folder])
    assert _changes(summary.sessions) == {"new": 1, "grew": 1, "older": 1}
    assert summary.events == {"prompt": 4}
    assert len(summary.session_ids) == 1


def test_a_session_caught_while_it_is_written_grows_later(store: Store, folder: Path) -> None:
    path = _script(prompts=3).write(folder / "a.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    summary = import_paths(store, [path])
    assert [(damage.path, damage.line) for damage in summary.damaged] == [(path, 3)]
    assert summary.skipped == {"damaged line": 1}
    path.write_bytes(whole)
    assert _changes(import_paths(store, [path]).sessions) == {"grew": 1}
    assert len(store.events(summary.session_ids[0])) == 3


def test_the_same_provider_id_with_other_content_is_a_second_session(store: Store, folder: Path) -> None:
    _script().write(folder / "a.jsonl")
    other = ClaudeScript("s1")
    other.user("something else")
    other.write(folder / "b.jsonl")
    assert _changes(import_paths(store, [folder]).sessions) == {"new": 1, "diverged": 1}
    assert store.count(Session) == 2


def test_a_sub_agent_gets_its_parent_in_whatever_order_the_files_come(store: Store, folder: Path) -> None:
    agent = ClaudeScript(isSidechain=True, agentId="a7")
    agent.user("look")
    agent.write(folder / "a-first" / "agent-a7.jsonl")
    _script().write(folder / "b.jsonl")
    import_paths(store, [folder])
    (child,) = store.sessions(provider_session_id="s1/a7")
    (parent,) = store.sessions(provider_session_id="s1")
    assert child.parent_id == parent.id


def test_a_sub_agent_that_came_first_is_adopted_when_its_parent_is_there(store: Store, folder: Path) -> None:
    agent = ClaudeScript(isSidechain=True, agentId="a7")
    agent.user("look")
    path = agent.write(folder / "agent-a7.jsonl")
    import_paths(store, [path])
    (child,) = store.sessions()
    assert child.parent_id is None
    _script().write(folder / "b.jsonl")
    import_paths(store, [folder])
    assert store.get(Session, child.id).parent_id is not None


def test_nothing_is_stored_unredacted_and_the_subject_is_stated(store: Store, folder: Path) -> None:
    script = ClaudeScript()
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    script.user(f"use {secret}")
    script.assistant(text(f"not {secret}"))
    import_paths(store, [script.write(folder / "a.jsonl")], subject="person-1")
    (session,) = store.sessions()
    assert session.subject == "person-1"
    assert all(secret not in (event.text or "") for event in store.events(session.id))


def test_other_formats_empty_files_and_unreadable_ones_are_counted(store: Store, folder: Path) -> None:
    _script().write(folder / "a.jsonl")
    (folder / "gemini.jsonl").write_text('{\n  "messages": []\n}\n')
    (folder / "empty.jsonl").write_text("")
    summary = import_paths(store, [folder])
    assert summary.skipped == {"not a known format": 1, "empty file": 1}


def test_a_file_that_cannot_be_redacted_is_left_out_whole_and_the_others_are_kept(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        _script(name).write(folder / f"{name}.jsonl")

    def refuse(raw: RawSession) -> RedactedSession:
        if raw.session.provider_session_id == "a":
            raise RightsError("redaction failed")
        return redact(raw)

    redact = ingest.redact_transcript
    monkeypatch.setattr(ingest, "redact_transcript", refuse)
    summary = import_paths(store, [folder])
    assert summary.failed == {str(folder / "a.jsonl"): "redaction failed: redaction failed"}
    assert [session.provider_session_id for session in store.sessions()] == ["b"]


def _long(path: Path) -> Path:
    """A session with a secret that only its last prompt gives away."""
    script = ClaudeScript("s1")
    secret = "Zx81Qw7Rt5Yu3Io1Pa9Sk2"
    for number in range(4):
        script.user(f"prompt {number} {secret}")
        script.assistant(text(f"answer {number}"), message_id=f"m{number}")
    script.user(f'api_key="{secret}"')
    return script.write(path)


@pytest.mark.parametrize("tiny", [False, True])
def test_a_session_too_long_to_hold_is_stored_the_same(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, tiny: bool
) -> None:
    if tiny:
        monkeypatch.setattr(replay, "LONG_BYTES", 1)
        monkeypatch.setattr(replay, "WINDOW_SLOTS", 1)
    summary = import_paths(store, [_long(folder / "a.jsonl")])
    events = store.events(summary.session_ids[0])
    hidden = "[REDACTED:generic-secret]"
    prompts = [*(f"prompt {number} {hidden}" for number in range(4)), f'api_key="{hidden}"']
    assert [event.text for event in events if event.kind is EventKind.PROMPT] == prompts
    assert summary.events == {"prompt": 5, "model_call": 4}
    assert [event.sequence for event in events] == list(range(9))


def test_a_long_session_that_fails_in_the_middle_leaves_nothing_behind(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "LONG_BYTES", 1)
    monkeypatch.setattr(replay, "WINDOW_SLOTS", 1)
    written = 0

    def stop(event: Event[str], **changes: object) -> Event[str]:
        nonlocal written
        written += changes.get("session_id") is not None
        if written == 5:
            raise KeyboardInterrupt
        return replace(event, **changes)

    replace = msgspec.structs.replace
    monkeypatch.setattr(store_module.msgspec.structs, "replace", stop)
    monkeypatch.setattr(store_module, "_WRITE_ROWS", 2)
    with pytest.raises(KeyboardInterrupt):
        import_paths(store, [_long(folder / "a.jsonl")])
    monkeypatch.undo()
    assert (store.count(Session), store.count(Event)) == (0, 0)
    assert _changes(import_paths(store, [folder]).sessions) == {"new": 1}


def test_an_import_that_was_stopped_keeps_what_it_had_and_goes_on(store: Store, folder: Path) -> None:
    for name in ("a", "b", "c"):
        _script(name).write(folder / f"{name}.jsonl")

    def stop(path: Path, done: int, total: int) -> None:
        if path.name == "b.jsonl":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_paths(store, [folder], progress=stop)
    assert store.count(Session) == 2
    assert _changes(import_paths(store, [folder]).sessions) == {"same": 2, "new": 1}


def test_progress_ends_at_the_total(store: Store, folder: Path) -> None:
    _script("a").write(folder / "a.jsonl")
    _script("b").write(folder / "b.jsonl")
    seen: list[tuple[str, int, int]] = []
    import_paths(store, [folder], progress=lambda path, done, total: seen.append((path.name, done, total)))
    assert [name for name, _, _ in seen] == ["a.jsonl", "b.jsonl"]
    assert seen[-1][1] == seen[-1][2] > 0


def test_a_sub_agents_file_that_appears_later_makes_its_session_grow(store: Store, folder: Path) -> None:
    _script().write(folder / "s1.jsonl")
    import_paths(store, [folder])
    agent = ClaudeScript(isSidechain=True, agentId="a7")
    agent.user("look", uuid="x0")
    agent.write(folder / "s1" / "subagents" / "agent-a7.jsonl")
    summary = import_paths(store, [folder])
    assert _changes(summary.sessions) == {"grew": 1}
    assert summary.skipped == {"sub-agent: read with its session": 1}
    assert [event.agent for event in store.events(summary.session_ids[0])] == [None, "a7", None]
