"""Whose signals are whose: the sessions that a signal names, and the signals that speak of a session.

A sender names a session by our id, by the client's own id, or by an id of its own that it has tied to model calls
(signals of kind `call`, whose `call_id` is the gateway's or the provider's). `record.signals` uses this when it takes
signals in, `outcomes` when it decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from copy import copy

from golddiff.store.store import Store
from golddiff.types import Call, Clean, Event, EventKind, Session, Signal

PRODUCT = "product"
"""`Session.source` of a session that nothing but signals tells of."""

_KINDS = {
    "prompt": EventKind.PROMPT,
    "edit": EventKind.EDIT,
    "command": EventKind.COMMAND,
    "call": EventKind.MODEL_CALL,
    "accept": EventKind.FEEDBACK,
    "reject": EventKind.FEEDBACK,
    "revise": EventKind.FEEDBACK,
}


class SignalBook:
    """Every signal of a workspace, by session. Read once; a workspace has far fewer of them than events."""

    def __init__(self, store: Store) -> None:
        self.pull_requests: list[Signal] = []
        """Signals that speak of pull requests, in order of arrival."""
        by_key: dict[str, list[Signal]] = defaultdict(list)
        for signal in store.find(Signal):
            if signal.session is None:
                self.pull_requests.append(signal)
            else:
                by_key[signal.session].append(signal)
        self._by_session: dict[str, list[Signal]] = defaultdict(list)
        self.unknown: dict[str, int] = {}
        """Names that no session here has → signals that speak of them."""
        for key, signals in by_key.items():
            meant = sessions_of(store, key, signals)
            if not meant:
                self.unknown[key] = len(signals)
            for session_id in meant:
                self._by_session[session_id] += signals

    def __bool__(self) -> bool:
        return bool(self._by_session or self.pull_requests)

    @property
    def sessions(self) -> list[str]:
        """Sessions of the store that signals speak of."""
        return list(self._by_session)

    def only(self, session_ids: Iterable[str]) -> SignalBook:
        """The part that speaks of these sessions, and of pull requests."""
        part = copy(self)
        part._by_session = defaultdict(list, {name: found for name in session_ids if (found := self.of(name))})
        return part

    def of(self, session_id: str) -> list[Signal]:
        """Signals about one session, in order of time."""
        return sorted(self._by_session.get(session_id, ()), key=lambda signal: (signal.at, signal.id))


def sessions_of(store: Store, key: str, signals: list[Signal]) -> list[str]:
    """Ids of the sessions that `key` names; one of signals alone only where there is no other.

    `signals` are those that name `key`: their model calls may lead to a session of another name.
    """
    found = [session.id for session in store.find(Session, id=key)]
    named = list(store.sessions(provider_session_id=key))
    found += [session.id for session in named if session.source != PRODUCT]
    for signal in signals:
        if signal.kind == "call" and signal.call_id is not None:
            calls = [*store.find(Call, id=signal.call_id), *store.find(Call, response_id=signal.call_id)]
            found += [call.session_id for call in calls if call.session_id is not None]
    return list(dict.fromkeys(found)) or [session.id for session in named]


def event_of(signal: Signal, session_id: str, sequence: int) -> Event[Clean]:
    """The event that a signal about a session tells of; a verdict is feedback, its kind in `tool`."""
    kind = _KINDS[signal.kind]
    return Event[Clean](
        id=f"{session_id}/{sequence}",
        session_id=session_id,
        sequence=sequence,
        kind=kind,
        at=signal.at,
        text=signal.text,
        model=signal.model,
        tool=signal.kind if kind is EventKind.FEEDBACK else None,
        call_id=signal.call_id,
        edit=signal.edit,
        command=signal.command,
        exit_code=signal.exit_code,
    )
