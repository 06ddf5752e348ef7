"""One recorded call → its records: the call with its bodies, its thread, its session and the session's events.

Everything is computed first and put into the store by the caller's transaction, so a call is there with all that it
adds or not at all. Calls come in batches, whose records are looked up and written together (`Batch`). A call that
cannot be taken apart (a fault of ours, or a redaction that failed) is kept with its bodies, without events, and says
so: nothing that was acknowledged is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import msgspec

from golddiff.errors import InputError, RightsError
from golddiff.providers.wire import (
    Part,
    PartKind,
    WireProtocol,
    client_ids,
    parse_request,
    parse_response,
)
from golddiff.record.calls import sessions
from golddiff.record.calls.batch import Batch
from golddiff.record.calls.bodies import Bodies, keep_after, keep_alone, rebuild_answer
from golddiff.record.calls.events import UNRECORDED, CallEvents, SessionEvents
from golddiff.record.calls.history import KEY_BYTES, RESULT, answer_items, answer_key, chain, items_of, keys
from golddiff.record.calls.threads import FOUND_BY, Asking, Place, candidates, look_up, place, unfind
from golddiff.record.spool.stored import StoredCall
from golddiff.rights.redact import redact_transcript
from golddiff.store import Store
from golddiff.types import Call, CleanBytes, Event, KeptBody, Record, Session, Thread, Transcript, new_id

_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What a fault of ours would raise."""


_NO_BODY = KeptBody(hash="", size=0, rest=CleanBytes(b""))


@dataclass
class Outcome:
    """What one call became."""

    relation: str
    session_id: str | None = None
    new_session: bool = False
    events: list[str] = field(default_factory=list)
    """Kinds of the events that were added."""
    damaged: tuple[str, ...] = ()
    failed: str | None = None
    """Why the call could not be taken apart: the name of the error."""


class CallStore:
    """Stores calls in the order in which they are given. Holds recent bodies in memory, nothing that matters."""

    def __init__(self, store: Store, subject: str | None = None) -> None:
        self._store = store
        self._subject = subject
        self._bodies = Bodies()

    def use(self, store: Store) -> None:
        """Store into this store from now on, which was opened anew."""
        self._store = store

    def add(self, *calls: StoredCall) -> list[Outcome]:
        """Put calls that are not in the store yet; to be called inside a transaction, once in each.

        Raises WorkspaceError where the store refuses.
        """
        batch = Batch(self._store)
        taken = [_Taken(batch, stored, self._subject) for stored in calls]
        _look_up(batch, taken)
        outcomes = [self._add(batch, one) for one in taken]
        batch.write()
        return outcomes

    def _add(self, batch: Batch, taken: _Taken) -> Outcome:
        stored = taken.stored
        call, outcome, records, base = taken.call, Outcome("other"), list[Record](), None
        if stored.protocol != "other":
            try:
                if taken.fault is not None:
                    raise taken.fault
                where = place(batch, taken.asking)
                call, outcome, records = taken.records(where)
                base = batch.known(Call, where.thread.last_call) if where.thread is not None else None
            except (RightsError, InputError, *_FAULTS) as error:
                outcome, records, base = Outcome("other", failed=type(error).__name__), [], None
                reason = f"could not be taken apart: {outcome.failed}"
                call = msgspec.structs.replace(taken.call, damaged=(*taken.call.damaged, reason))
        if base is not None:
            request = keep_after(stored.request_body, base, self._bodies.request(batch, base))
        else:
            request = keep_alone(stored.request_body)
        call = msgspec.structs.replace(call, request=request, answer=keep_alone(stored.response_body))
        batch.put(call, *records)
        self._bodies.remember(call.id, request, stored.request_body)
        return outcome


def _look_up(batch: Batch, taken: list[_Taken]) -> None:
    """Ask for what the calls of a batch need, all at once: threads, then what the threads name."""
    taken = [one for one in taken if one.fault is None and one.stored.protocol != "other"]
    look_up(batch, [one.asking for one in taken])
    keys_of = [one.found_by() for one in taken]
    for column in FOUND_BY:  # whatever else is found by what the threads will be found by
        batch.look_up(Thread, column, [value for keys in keys_of if (value := keys[column]) is not None])
    calls: list[str] = []
    events: list[str] = []
    session_ids: list[str] = []
    for one in taken:
        results = {item.part.call_id or "" for item in one.asking.items if item.kind == RESULT}
        for thread in candidates(batch, one.asking):
            waiting = [thread.waiting[call_id] for call_id in results & thread.waiting.keys()]
            calls += [thread.last_call, *(answer.call_id for answer in waiting)]
            numbers = [*(answer.first for answer in waiting), *thread.processes.values()]
            events += [f"{thread.session_id}/{number}" for number in numbers]
            session_ids.append(thread.session_id)
    batch.look_up(Call, "id", calls)
    batch.look_up(Event, "id", events)
    batch.look_up(Session, "id", session_ids)
    batch.look_up_lengths(session_ids)


def _call(stored: StoredCall) -> Call:
    """The call without its bodies, which come last: a request may rest on another."""
    return Call(
        id=stored.call_id,
        protocol=stored.protocol,
        upstream=stored.upstream,
        tries=tuple(f"{one.upstream}: {one.result}" for one in stored.attempts),
        key_id=stored.key_id,
        method=stored.method,
        path=stored.path,
        asked_model=stored.asked_model,
        started_at=stored.started_at,
        first_byte_ns=stored.first_byte_ns,
        duration_ns=stored.duration_ns,
        status=stored.status,
        streamed=stored.streamed,
        ending=stored.ending,
        headers=tuple((str(name), value) for name, value in stored.request_headers),
        answer_headers=tuple((str(name), value) for name, value in stored.response_headers),
        damaged=tuple(str(reason) for reason in stored.left_out),
        request=_NO_BODY,
        answer=_NO_BODY,
    )


class _Taken:
    """One call, taken apart."""

    def __init__(self, batch: Batch, stored: StoredCall, subject: str | None) -> None:
        self._batch = batch
        self.stored = stored
        self.call = _call(stored)
        self._subject = subject
        self._end = stored.started_at + timedelta(microseconds=stored.duration_ns // 1000)
        self.fault: Exception | None = None
        """Why it could not be taken apart."""
        if stored.protocol == "other":
            return
        try:
            self._take_apart()
        except (RightsError, InputError, *_FAULTS) as error:
            self.fault = error

    def _take_apart(self) -> None:
        stored = self.stored
        request = self._request = parse_request(stored.protocol, stored.request_body)
        self._answer = parse_response(stored.protocol, stored.response_body, stored.streamed)
        ids = self._ids = client_ids(stored.request_headers, request)
        self.asking = Asking.of(stored.key_id, stored.started_at, request, items_of(request), ids)
        self._answered = keys(answer_items(self._answer.parts))

    def found_by(self, before: bytes = b"") -> dict[str, str | None]:
        """What the thread is found by after this call; `before`: history that the request leaves out."""
        asked, answered = before + self.asking.keys, self._answered
        held = self._request.previous_response_id is not None or self._request.conversation_id is not None
        last = asked[-KEY_BYTES:]
        return {
            "asked_key": None if held else chain(self.asking.root, asked),
            "tip_key": chain(self.asking.root, asked + answered) if answered else None,
            "answer_key": (answer_key(self.stored.key_id, last, answered[:KEY_BYTES]) if answered and last else None),
        }

    def records(self, place: Place) -> tuple[Call, Outcome, list[Record]]:
        """Return the call, what it became, and the other records that it makes or changes."""
        stored, answer = self.stored, self._answer
        model = answer.model or self._request.model or stored.asked_model
        header, new_session = self._header(place)
        thread_id = place.thread.id if place.thread is not None and not place.own_thread else new_id("thr")
        agent = thread_id if place.agent == "" else place.agent
        old = place.thread
        if old is None:
            header = sessions.placed(header, self._request)
        session_events = SessionEvents(self._batch, header.id, self._batch.length(header.id))
        before = session_events.next_sequence
        call_events = CallEvents(
            session_events,
            stored.call_id,
            agent,
            header.cwd,
            old.waiting if old is not None else {},
            old.processes if old is not None else {},
        )
        call_events.asked(place.new, self._request, stored.started_at, self._earlier_calls(place))
        call_events.answered(answer, model, stored.status, self._end)
        if place.demoted is not None:
            _relabel(self._batch, session_events, place.demoted)
        models = [model, self._request.model, UNRECORDED if call_events.unrecorded else None]
        damaged = (*self._request.damaged, *answer.damaged)
        header = sessions.with_call(header, models, answer.usage, stored.started_at, self._end, bool(damaged))
        thread = self._thread(place, thread_id, header.id, agent, call_events)
        call = msgspec.structs.replace(
            self.call,
            session_id=header.id,
            thread_id=thread_id,
            relation=place.relation,
            depth=len(thread.items) // KEY_BYTES,
            model=answer.model,
            response_id=answer.response_id,
            stop_reason=answer.stop_reason,
            usage=answer.usage,
            damaged=(*self.call.damaged, *damaged),
        )
        changed = [session_events.changed[number] for number in sorted(session_events.changed)]
        redacted = redact_transcript(Transcript(header, tuple(changed)))
        others = unfind(self._batch, thread, old if old is not None and old.id == thread_id else None)
        if place.demoted is not None:
            others = [one for one in others if one.id != place.demoted.id]
            others.append(msgspec.structs.replace(place.demoted, agent=place.demoted.id))
        outcome = Outcome(
            place.relation,
            header.id,
            new_session,
            [event.kind.value for event in changed if event.sequence >= before],
            damaged,
        )
        return call, outcome, [redacted.session, *redacted.events, *others, thread]

    def _header(self, place: Place) -> tuple[Session[str], bool]:
        if place.session_id is not None:
            stored = self._batch.get(Session, place.session_id)
            return cast("Session[str]", stored), False
        header = sessions.begin(new_id("ses"), self._ids, self._request, self.stored.key_id, self._subject)
        self._batch.begin(header.id)
        return header, True

    def _earlier_calls(self, place: Place) -> dict[str, Part]:
        """Tool calls of earlier answers that this request brings results for and does not repeat."""
        if place.thread is None or not place.before:
            return {}
        wanted = {item.part.call_id for item in place.new if item.part.kind is PartKind.TOOL_RESULT}
        found: dict[str, Part] = {}
        calls = {waiting.call_id for key, waiting in place.thread.waiting.items() if key in wanted}
        for call in (self._batch.get(Call, call_id) for call_id in sorted(calls)):
            protocol = cast("WireProtocol", call.protocol)
            answer = parse_response(protocol, rebuild_answer(call), call.streamed)
            found |= {part.call_id: part for part in answer.parts if part.call_id is not None}
        return found

    def _thread(self, place: Place, thread_id: str, session_id: str, agent: str | None, events: CallEvents) -> Thread:
        asked = place.before + self.asking.keys
        found_by = self.found_by(place.before)
        return Thread(
            id=thread_id,
            session_id=session_id,
            scope=place.scope,
            root=place.root,
            asked_key=found_by["asked_key"],
            tip_key=found_by["tip_key"],
            answer_key=found_by["answer_key"],
            agent=agent,
            system=place.system,
            tools=bool(self._request.tools) or (place.thread is not None and place.thread.tools),
            items=asked + self._answered,
            asked=len(asked) // KEY_BYTES,
            turns=(place.thread.turns if place.thread is not None else 0) + (place.relation != "retry"),
            last_call=self.stored.call_id,
            ended_at=self._end,
            waiting=events.waiting,
            processes=events.processes,
        )


def _relabel(batch: Batch, events: SessionEvents, thread: Thread) -> None:
    """What was taken for the main agent's is a side task's: its events get the thread's name."""
    for event in batch.find(Event, "session_id", events.session_id):
        if event.agent is None and event.sequence not in events.changed:
            events.put(event.sequence, msgspec.structs.replace(cast("Event[str]", event), agent=thread.id))
