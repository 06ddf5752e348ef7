"""Sessions too long to hold: their events are made from the file each time, and are those of a log that holds all."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from golddiff.record.importers import importer_for, replay
from golddiff.record.importers.contract import ChangedWhileRead
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.replay import ReplayedEvents, read_through
from golddiff.record.ingest import import_paths
from golddiff.store import ImportChange, Store
from golddiff.types import Event, EventKind, RawSession, RedactedSession, Session, Transcript, Usage
from record.importers.test_damage import BOTH
from record.scripted import ClaudeScript, text, tool


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is long, and an event is let go of as soon as another comes."""
    monkeypatch.setattr(replay, "LONG_BYTES", 1)
    monkeypatch.setattr(replay, "WINDOW_SLOTS", 1)


def _read(path: Path) -> RawSession:
    importer = importer_for(path)
    assert importer is not None
    (session,) = importer.read(path).sessions
    return session.transcript


def _plain(transcript: RawSession) -> tuple[Session[str], list[Event[str]]]:
    """Without the ids that differ from reading to reading."""
    header = msgspec.structs.replace(transcript.session, id="")
    return header, [msgspec.structs.replace(event, id="", session_id="") for event in transcript.events]


@pytest.mark.parametrize("name", ["claude-code", "codex", "copilot-cli"])
def test_a_session_that_is_read_again_each_time_is_the_one_that_was_held(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(BOTH[f"{name} lines"][1])
    held = _read(path)
    request.getfixturevalue("tiny")
    again = _read(path)
    assert isinstance(again.events, ReplayedEvents)
    assert _plain(again) == _plain(again) == _plain(held)
    assert again.events.kinds == Counter(event.kind for event in held.events)
    assert [event.id for event in again.events] == [f"{again.session.id}/{n}" for n in range(len(held.events))]
    assert (len(again.events), again.events[-1]) == (len(held.events), list(again.events)[-1])
    assert again.events[1:3] == tuple(again.events)[1:3]


def test_files_of_sub_agents_are_merged_by_time_again(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    main, agent = ClaudeScript(), ClaudeScript()
    main.user("fix it")
    agent.user("look", uuid="a0")
    main.assistant(tool("Bash", "t1", command="ls"))
    agent.assistant(text("found"), uuid="a1", message_id="m2")
    main.result("t1", "ok")
    path = main.write(tmp_path / "s1.jsonl")
    agent.write(tmp_path / "s1" / "subagents" / "agent-a7.jsonl")
    held = _plain(_read(path))
    assert {event.agent for event in held[1]} == {None, "a7"}
    request.getfixturevalue("tiny")
    assert _plain(_read(path)) == held


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_done_to_a_log_however_late_a_log_that_lets_go_says_the_same(seed: int) -> None:
    def script(log: EventLog) -> Generator[None, None, RawSession]:
        dice = random.Random(seed)
        slots = [log.add(EventKind.PROMPT, None, text="first")]
        for step in range(60):
            slot = dice.choice(slots)
            told = [log.event(EventKind.COMMAND, None, text=f"{step}.{n}") for n in range(dice.randrange(3))]
            match dice.choice(("add", "add", "add", "join", "fill", "move", "cut" if step % 20 == 0 else "add")):
                case "join":
                    earlier = log.get(slot)
                    log.update(slot, text=f"{earlier.text if earlier else ''}+{step}", usage=Usage(output_tokens=1))
                case "fill":
                    log.fill(slot, told)
                case "move":
                    slots.append(log.move(slot, told))
                case "cut":
                    cuts.append(log.cut(slot))
                    slots = [one for one in slots if one < slot] + [log.add(EventKind.INTERRUPTION, None)]
                case _:
                    slots.append(log.add(EventKind.MODEL_CALL, None, text=str(step), model=f"m{step % 3}"))
            yield
        return log.finish(Session(id="ses_x", source="test"))

    cuts: list[int] = []
    held = read_through("ses_x", script, long=False)
    counted, cuts = cuts, []
    again = read_through("ses_x", script, long=True)
    assert held is not None
    assert again is not None
    assert Transcript(again.session, tuple(again.events)) == held
    assert again.events != held.events
    assert cuts[-len(counted) :] == counted


def _long(path: Path) -> Path:
    script = ClaudeScript()
    for number in range(40):
        script.user(f"prompt {number}")
        script.assistant(text("x" * 500), message_id=f"m{number}")
    return script.write(path)


@pytest.mark.usefixtures("tiny")
def test_what_a_file_gains_while_it_is_read_waits_for_the_next_import(tmp_path: Path) -> None:
    path = _long(tmp_path / "x.jsonl")
    transcript = _read(path)
    before = _plain(transcript)
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0] + b'{"type"')
    assert _plain(transcript) == before


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("change", ["cut", "other", "gone"])
def test_a_file_that_changes_while_it_is_read_gives_nothing(change: str, tmp_path: Path) -> None:
    path = _long(tmp_path / "x.jsonl")
    transcript = _read(path)
    lines = path.read_bytes().splitlines(keepends=True)
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(b"".join(lines[:-1] if change == "cut" else [*lines[1:], lines[0]]))
    with pytest.raises(ChangedWhileRead, match=r"changed while it was read|gone"):
        list(transcript.events)


@pytest.mark.usefixtures("tiny")
def test_an_import_stores_a_long_session_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _long(tmp_path / "x.jsonl")
    with Store.open(tmp_path / "first") as store:
        summary = import_paths(store, [path])
        assert (summary.sessions["new"], dict(summary.events)) == (1, {"prompt": 40, "model_call": 40})
        assert len(store.events(summary.session_ids[0])) == 80
    with Store.open(tmp_path / "second") as store:
        keep = store.add_transcript

        def change_and_keep(transcript: RedactedSession) -> tuple[ImportChange, str]:
            path.write_bytes(b"{}\n")
            return keep(transcript)

        monkeypatch.setattr(store, "add_transcript", change_and_keep)
        summary = import_paths(store, [path])
        assert next(iter(summary.failed.values())).startswith("changed while it was read")
        assert (store.count(Session), store.count(Event)) == (0, 0)
