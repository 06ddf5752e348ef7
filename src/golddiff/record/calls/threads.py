"""Which earlier call a call goes on from.

A session has threads: the main agent's, one for each sub-agent, one for each side task of the client (a title, a
summary). A call belongs to the thread whose history it repeats:

- its history begins with a thread's history and the answer to it: it *continues* the thread;
- its history is the one that the thread's last call asked with: a *retry*;
- it begins like a thread but differs further on: a *branch*. If that thread's last call was still going on, two
  agents work from one beginning, and the branch is a thread of its own; else the client changed the history (the
  user went back, or old results were shortened), and the thread goes on with what differs;
- a Responses call with `previous_response_id` goes on from that response, one with `conversation` from the newest
  thread of it: such requests do not hold the history;
- otherwise it begins a thread: in the session that the client names, else in a new session.

Where the client names no session, the same opening words are no evidence: only a repeated answer joins two calls (the
last one with the words that it answers is enough, since some clients change and move all the rest), or the same
request again within ten minutes of one that got no answer.

In a session the first thread with tools is the main agent's; a thread that begins with its system prompt while it
rests is the main agent after it summarised its history; all others are sub-agents. Never more than one thread is
found by the same history: the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from hashlib import blake2b

import msgspec

from golddiff.providers.wire import ClientIds, WireRequest
from golddiff.record.calls.batch import Batch
from golddiff.record.calls.history import (
    ASSISTANT,
    CALL,
    KEY_BYTES,
    Item,
    answer_key,
    chains,
    keys,
    root_of,
    shared,
    system_hash,
)
from golddiff.types import Call, Thread

_LOOK_BACK = 64
"""Items that one call may add and still be found by the history before them."""
_FIRST_LOOKS = 6
"""Of them, those that are looked up for all calls of a batch at once; few calls add more."""
_TRIED_ANSWERS = 8
FOUND_BY = ("asked_key", "tip_key", "answer_key")
"""Columns of `Thread` that hold hashes of histories."""
_ANSWER = (ASSISTANT, CALL)
_RETRY_WITHIN = timedelta(minutes=10)
_SLACK = timedelta(milliseconds=20)
"""A call that begins this much before the last one ended still follows it: two clocks are involved."""


@dataclass(frozen=True)
class Asking:
    """One call, as far as its place needs it."""

    key_id: str | None
    started_at: datetime
    request: WireRequest
    items: list[Item]
    ids: ClientIds
    keys: bytes
    """Of the items."""
    scope: str | None
    system: str
    root: str
    chains: list[str]
    """Hash of each beginning of the history, the empty one first."""

    @classmethod
    def of(
        cls, key_id: str | None, started_at: datetime, request: WireRequest, items: list[Item], ids: ClientIds
    ) -> Asking:
        """Work out what the call is found by."""
        scope = _scope(key_id, ids)
        system = system_hash(request)
        root = root_of(scope, key_id, system, items[0].key if items else b"")
        joined = keys(items)
        return cls(key_id, started_at, request, items, ids, joined, scope, system, root, chains(root, joined))

    def beginnings(self, start: int, stop: int) -> Iterator[tuple[str, str]]:
        """Column of `Thread` and value by which the history without its last `start` to `stop - 1` items is found."""
        count = len(self.items)
        for n in range(count - start, max(0, count - min(stop, _LOOK_BACK)), -1):
            # only an answer ends with what the assistant said
            yield "tip_key" if self.items[n - 1].kind in _ANSWER else "asked_key", self.chains[n]

    def answers(self) -> Iterator[str]:
        """Values of `answer_key` of the answers that the request repeats, the last one first."""
        tried = 0
        for index in range(len(self.items) - 1, 0, -1):
            if self.items[index].kind in _ANSWER and self.items[index - 1].kind not in _ANSWER:
                yield answer_key(self.key_id, self.items[index - 1].key, self.items[index].key)
                tried += 1
                if tried == _TRIED_ANSWERS:
                    return


@dataclass(frozen=True)
class Place:
    """Where a call belongs."""

    relation: str
    """As in `types.Call`."""
    thread: Thread | None
    """Thread that it goes on from; None where it begins one."""
    session_id: str | None
    """Session that it belongs to; None where it begins one."""
    own_thread: bool
    """It gets a thread of its own, also where it goes on from another."""
    scope: str | None
    root: str
    system: str
    agent: str | None
    """For a thread of its own: its sub-agent, `` where it is one without a name, None for the main agent."""
    before: bytes
    """Keys of the history that the request leaves out because the provider holds it."""
    new: list[Item]
    """What the call adds to the session."""
    demoted: Thread | None = None
    """Thread that was taken for the main agent's and is a side task."""


def look_up(batch: Batch, askings: Iterable[Asking]) -> None:
    """Ask the store, for many calls at once, for what `place` is going to look at."""
    askings = list(askings)
    responses = [asking.request.previous_response_id for asking in askings]
    batch.look_up(Call, "response_id", [one for one in responses if one is not None])
    columns: dict[str, list[str]] = {}
    for asking in askings:
        for column, value in asking.beginnings(0, _FIRST_LOOKS):
            columns.setdefault(column, []).append(value)
    for column, values in columns.items():
        batch.look_up(Thread, column, values)
    lost = [one for one in askings if not any(batch.find(Thread, *way) for way in one.beginnings(0, _FIRST_LOOKS))]
    batch.look_up(Thread, "scope", [one.scope for one in lost if one.scope is not None])
    batch.look_up(Thread, "answer_key", [value for one in lost if one.scope is None for value in one.answers()])


def candidates(batch: Batch, asking: Asking) -> list[Thread]:
    """Return the threads that a call may go on from, as far as `look_up` asked for them."""
    found = [thread for way in asking.beginnings(0, _FIRST_LOOKS) for thread in batch.find(Thread, *way)]
    previous = asking.request.previous_response_id
    calls = batch.find(Call, "response_id", previous) if previous is not None else []
    ids = [call.thread_id for call in calls if call.thread_id is not None]
    batch.look_up(Thread, "id", ids)
    return found + [thread for one in ids if (thread := batch.known(Thread, one)) is not None]


def place(batch: Batch, asking: Asking) -> Place:
    """Say where a call belongs."""
    finder = _Finder(batch, asking)
    return finder.by_response() or finder.by_history() or finder.by_beginning() or finder.fresh()


class _Finder:
    def __init__(self, batch: Batch, asking: Asking) -> None:
        self._batch = batch
        self._asking = asking
        self._scope = asking.scope
        self._system = asking.system
        self._root = asking.root
        self._keys = asking.keys

    def by_response(self) -> Place | None:
        """The place of a call whose history the provider holds."""
        request = self._asking.request
        if request.previous_response_id is not None:
            calls = self._batch.find(Call, "response_id", request.previous_response_id)
            known = [call for call in calls if call.thread_id is not None and call.key_id == self._asking.key_id]
            if not known:
                return None
            thread = self._batch.get(Thread, known[-1].thread_id or "")
            before = thread.items[: known[-1].depth * KEY_BYTES]
        elif request.conversation_id is not None:
            threads = self._in_scope()
            if not threads:
                return None
            thread = max(threads, key=lambda thread: thread.ended_at)
            before = thread.items
        else:
            return None
        whole = before + self._keys
        if whole == thread.items[: thread.asked * KEY_BYTES] and self._keys:
            return self._on(thread, "retry", [], before)
        if len(before) == len(thread.items):
            return self._on(thread, "continues", self._asking.items, before)
        own = self._overlaps(thread)
        return self._on(thread, "branch", self._asking.items, before, own_thread=own)

    def by_history(self) -> Place | None:
        """The place of a call that repeats the whole history of a thread."""
        found = self._in_history(0, _FIRST_LOOKS)
        if found is None and len(self._asking.items) > _FIRST_LOOKS:
            rest = list(self._asking.beginnings(_FIRST_LOOKS, _LOOK_BACK))
            for column in ("tip_key", "asked_key"):
                self._batch.look_up(Thread, column, [value for name, value in rest if name == column])
            found = self._in_history(_FIRST_LOOKS, _LOOK_BACK)
        return found

    def _in_history(self, start: int, stop: int) -> Place | None:
        items = self._asking.items
        for index, (column, value) in enumerate(self._asking.beginnings(start, stop)):
            new = items[len(items) - start - index :]
            for thread in self._batch.find(Thread, column, value):
                if column == "tip_key":
                    return self._on(thread, "continues", new)
                if self._is_known(thread):
                    return (
                        self._on(thread, "continues", _without_echo(new, thread))
                        if new
                        else self._on(thread, "retry", [])
                    )
        return None

    def _is_known(self, thread: Thread) -> bool:
        """Say whether what a thread's last call asked with is more than words that anyone may begin with."""
        if self._scope is not None or thread.turns > 1:
            return True
        answered = len(thread.items) > thread.asked * KEY_BYTES
        return not answered and self._asking.started_at - thread.ended_at <= _RETRY_WITHIN

    def by_beginning(self) -> Place | None:
        """The place of a call that goes on from a thread and differs from its history somewhere."""
        if self._scope is not None:
            threads = [thread for thread in self._in_scope() if thread.root == self._root]
        else:
            threads = self._by_answer()
        best = max(threads, key=lambda thread: (shared(thread.items, self._keys), thread.ended_at), default=None)
        if best is None:
            return None
        n = shared(best.items, self._keys)
        new = _aligned(best.items[n * KEY_BYTES :], self._asking.items[n:])
        return self._on(best, "branch", new, own_thread=self._overlaps(best))

    def _by_answer(self) -> list[Thread]:
        """The thread whose last answer the request repeats, with what it answers; clients may change all else."""
        values = list(self._asking.answers())
        self._batch.look_up(Thread, "answer_key", values)
        return next((found for value in values if (found := self._batch.find(Thread, "answer_key", value))), [])

    def fresh(self) -> Place:
        """The place of a call that begins a thread."""
        session_id = agent = demoted = None
        threads = self._in_scope() if self._scope is not None else []
        if threads:
            session_id = threads[0].session_id
            mains = [thread for thread in threads if thread.agent is None]
            main = max(mains, key=lambda thread: thread.ended_at, default=None)
            if self._asking.ids.agent is not None:
                agent = self._asking.ids.agent
            elif main is None:
                agent = None
            elif not main.tools and self._asking.request.tools:
                demoted = main
            elif main.system != self._system or self._overlaps(main):
                agent = ""
        return Place(
            relation="new",
            thread=None,
            session_id=session_id,
            own_thread=True,
            scope=self._scope,
            root=self._root,
            system=self._system,
            agent=agent,
            before=b"",
            new=self._asking.items,
            demoted=demoted,
        )

    def _on(
        self, thread: Thread, relation: str, new: list[Item], before: bytes = b"", *, own_thread: bool = False
    ) -> Place:
        return Place(
            relation=relation,
            thread=thread,
            session_id=thread.session_id,
            own_thread=own_thread,
            scope=thread.scope,
            root=thread.root,
            system=thread.system,
            agent=(self._asking.ids.agent or "") if own_thread else thread.agent,
            before=before,
            new=new,
        )

    def _overlaps(self, thread: Thread) -> bool:
        return self._asking.started_at < thread.ended_at - _SLACK

    def _in_scope(self) -> list[Thread]:
        return self._batch.find(Thread, "scope", self._scope) if self._scope is not None else []


def unfind(batch: Batch, thread: Thread, before: Thread | None) -> list[Thread]:
    """Return other threads that are found by the same history as `thread`, changed so that they no longer are.

    `before` is the thread as it was, where it is stored.
    """
    changed: dict[str, Thread] = {}
    for column in FOUND_BY:
        value = getattr(thread, column)
        if value is None or (before is not None and getattr(before, column) == value):
            continue
        for other in batch.find(Thread, column, value):
            if other.id != thread.id:
                changed[other.id] = msgspec.structs.replace(changed.get(other.id, other), **{column: None})
    return list(changed.values())


def _scope(key_id: str | None, ids: ClientIds) -> str | None:
    if ids.session is None:
        return None
    data = f"{key_id or ''}\0{ids.session}".encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=16).hexdigest()


def _without_echo(new: list[Item], thread: Thread) -> list[Item]:
    """Leave out the answer that a client repeats in other words, where the thread's last call had an answer."""
    if len(thread.items) == thread.asked * KEY_BYTES:
        return new
    start = 0
    while start < len(new) and (
        new[start].kind == ASSISTANT or (new[start].kind == CALL and new[start].part.call_id in thread.waiting)
    ):
        start += 1
    return new[start:]


def _aligned(old: bytes, new: list[Item]) -> list[Item]:
    """Return what `new` holds beyond `old`: not what moved, and no other words for an answer that was recorded."""
    known = [old[at : at + KEY_BYTES] for at in range(0, len(old), KEY_BYTES)]
    added: list[Item] = []
    matcher = SequenceMatcher(None, known, [item.key for item in new], autojunk=False)
    for tag, old_start, old_stop, new_start, new_stop in matcher.get_opcodes():
        if tag not in ("insert", "replace"):
            continue
        answered = any(key[:1] == ASSISTANT for key in known[old_start:old_stop])
        added += [item for item in new[new_start:new_stop] if not (answered and item.kind == ASSISTANT)]
    return added
