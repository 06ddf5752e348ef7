"""The ordered log of a session's events."""

from __future__ import annotations

from datetime import UTC, datetime

from golddiff.record.importers.event_log import EventLog
from golddiff.rights.terms import Training, lookup
from golddiff.types import EventKind, Session, Usage

_T = [datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(3)]


def _finish(log: EventLog) -> list[tuple[int, str, str | None]]:
    transcript = log.finish(Session(id="ses_x", source="test"))
    return [(event.sequence, event.kind.value, event.text) for event in transcript.events]


def test_a_call_moves_to_where_its_result_came() -> None:
    log = EventLog("ses_x")
    slot = log.add(EventKind.COMMAND, _T[0], text="asked")
    log.add(EventKind.PROMPT, _T[1], text="meanwhile")
    log.move(slot, [log.event(EventKind.COMMAND, _T[2], text="ended"), log.event(EventKind.NOTE, _T[2], text="more")])
    assert _finish(log) == [(0, "prompt", "meanwhile"), (1, "command", "ended"), (2, "note", "more")]


def test_a_slot_can_be_changed_emptied_and_cut() -> None:
    log = EventLog("ses_x")
    first = log.add(EventKind.NOTE, None, text="a")
    second = log.add(EventKind.NOTE, None, text="b")
    log.update(first, text="A")
    log.fill(second, [])
    assert log.get(second) is None
    third = log.add(EventKind.NOTE, None, text="c")
    log.add(EventKind.NOTE, None, text="d")
    assert log.cut(third) == 2
    assert _finish(log) == [(0, "note", "A")]


def test_the_header_gets_times_models_and_the_sum_of_usage() -> None:
    log = EventLog("ses_x")
    log.add(EventKind.PROMPT, _T[2])
    log.add(EventKind.MODEL_CALL, _T[0], model="m1", usage=Usage(input_tokens=1, output_tokens=2))
    log.add(EventKind.MODEL_CALL, None, model="m2", usage=Usage(cache_read_tokens=3, cache_write_tokens=4))
    log.add(EventKind.MODEL_CALL, _T[1], model="m1", usage=Usage(output_tokens=5))
    session = log.finish(Session(id="ses_x", source="test")).session
    assert (session.started_at, session.ended_at, session.models) == (_T[0], _T[2], ("m1", "m2"))
    assert session.usage == Usage(input_tokens=1, output_tokens=7, cache_read_tokens=3, cache_write_tokens=4)


def test_a_call_without_a_model_beside_calls_with_one_is_not_taken_for_theirs() -> None:
    log = EventLog("ses_x")
    log.add(EventKind.MODEL_CALL, None, model="qwen3-8b")
    log.add(EventKind.MODEL_CALL, None)
    models = log.finish(Session(id="ses_x", source="test")).session.models
    assert models == ("qwen3-8b", "unnamed")
    assert [lookup(model).training for model in models] == [Training.OPEN_WEIGHT, Training.UNKNOWN]


def test_a_message_that_the_client_wrote_itself_has_no_model() -> None:
    log = EventLog("ses_x")
    log.add(EventKind.MODEL_CALL, None, model="<synthetic>", text="API Error: overloaded")
    transcript = log.finish(Session(id="ses_x", source="test"))
    assert (transcript.session.models, [event.model for event in transcript.events]) == ((), [None])


def test_a_session_that_names_no_model_names_none() -> None:
    log = EventLog("ses_x")
    log.add(EventKind.MODEL_CALL, None)
    assert log.finish(Session(id="ses_x", source="test")).session.models == ()
