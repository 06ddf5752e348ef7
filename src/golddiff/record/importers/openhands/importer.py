"""OpenHands' events, of the application (V0) and of the SDK (V1), in each form they are kept in.

| form | where |
|---|---|
| one event per file | `sessions/<id>/events/<n>.json`, `conversations/<id>/events/event-<n>-<uuid>.json` |
| a list of events, or `{"trajectory": […]}` | trajectories that the application exports |
| a row per task with `history` | `output.jsonl` of evaluations; several sessions per file |

A folder of events is read with its first file; the others say so and give nothing. What an event means is said in
`openhands.v0` and `openhands.v1`. Times are written without a zone, so events have none.

Format: `openhands/events/` of the OpenHands repository and the SDK's documentation of events; no published session
was at hand (docs/importers.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.documents import is_whole_record, key, read_document, states
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.heads import Head
from golddiff.record.importers.jsonl import JsonLines, decode, record_hash
from golddiff.record.importers.openhands.events import OpenHandsEvents
from golddiff.record.importers.openhands.v0 import EventsV0
from golddiff.record.importers.openhands.v1 import EventsV1
from golddiff.record.importers.submissions import add_submission
from golddiff.record.importers.untyped import string_at
from golddiff.types import RawSession, Session, Usage, new_id

_SOURCE = key("source", '"(?:agent|user|environment)"')
_SIGNS = (key("action", '"[a-z_]+"'), key("observation", '"[a-z_]+"'))
_REST = (key("args", r"\{"), key("extras", r"\{"), key("cause"))
_KIND = key(
    "kind", '"(?:SystemPrompt|Message|Action|Observation|AgentError|ConversationStateUpdate|Condensation)[A-Za-z]*"'
)
_NUMBER = re.compile(r"\d+")


class _Row(msgspec.Struct):
    """A document, or a row of an evaluation, or one event."""

    history: list[msgspec.Raw] | None = None
    trajectory: list[msgspec.Raw] | None = None
    events: list[msgspec.Raw] | None = None
    instance_id: str | None = None
    metadata: Any = None
    test_result: Any = None
    kind: str | None = None
    source: str | None = None
    action: Any = None
    observation: Any = None

    @property
    def is_event(self) -> bool:
        """One event, not a list of them."""
        return self.kind is not None or isinstance(self.action, str) or isinstance(self.observation, str)


class _State(msgspec.Struct):
    """`base_state.json`, which the SDK keeps beside its events."""

    id: str | None = None
    agent: Any = None
    workspace: Any = None


_ROW: msgspec.json.Decoder[_Row | list[msgspec.Raw]] = msgspec.json.Decoder(_Row | list[msgspec.Raw])
_EVENT = msgspec.json.Decoder(_Row)
_STATE = msgspec.json.Decoder(_State)


class OpenHands:
    """Importer of OpenHands' events and trajectories."""

    name = "openhands"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where the beginning holds events of either kind."""
        if states(head, _KIND, _SOURCE):
            return True
        return states(head, _SOURCE) and any(
            states(head, sign) and any(states(head, rest) for rest in _REST) for sign in _SIGNS
        )

    def read(self, path: Path) -> Reading:
        """Read one file; a folder of events is read with its first."""
        head = Head(path)
        if len(head) > 1 and is_whole_record(head[0]):
            return _read_lines(path)
        document = read_document(path, _ROW)
        if isinstance(document, Damage):
            return Reading(damaged=(document,))
        if isinstance(document, _Row) and document.is_event:
            return _read_folder(path)
        if isinstance(document, list):
            document = _Row(history=document)
        if document is None:
            return Reading(skipped={"unexpected shape": 1})
        return _reading([_session(path, document)], ())


def _read_lines(path: Path) -> Reading:
    """Rows of an evaluation, one session each; or the events of one session."""
    lines = JsonLines(path, msgspec.Raw)
    loose: list[msgspec.Raw] = []
    found: list[ReadSession | Counter[str]] = []
    skipped: Counter[str] = Counter()
    for raw in lines:
        try:
            row = decode(_ROW, raw)
        except msgspec.DecodeError:
            skipped["unexpected shape"] += 1
            continue
        if isinstance(row, list):
            found.append(_session(path, _Row(history=row)))
        elif row.is_event:
            loose.append(msgspec.Raw(bytes(raw)))
        else:
            found.append(_session(path, row))
    if loose:
        found.append(_session(path, _Row(history=loose)))
    return _reading(found, lines.damaged, skipped)


def _read_folder(path: Path) -> Reading:
    """All events of the folder, in the order of their numbers."""
    names = sorted((entry.name for entry in path.parent.glob("*.json")), key=_order)
    numbered = [name for name in names if _NUMBER.search(name)] or [path.name]
    if path.name in numbered and path.name != numbered[0]:
        return Reading(skipped={"event: read with its session": 1})
    events: list[msgspec.Raw] = []
    damaged: list[Damage] = []
    for name in numbered if path.name in numbered else [path.name]:
        document = read_document(path.parent / name, msgspec.json.Decoder(msgspec.Raw))
        if isinstance(document, Damage):
            damaged.append(document)
        elif document is not None:
            events.append(document)
    session_id = path.parent.parent.name if path.parent.name == "events" else None
    return _reading([_session(path, _Row(history=events), session_id)], damaged)


def _order(name: str) -> tuple[int, str]:
    match = _NUMBER.search(name)
    return (int(match[0]) if match is not None and len(match[0]) < 18 else 0, name)


def _reading(
    found: Iterable[ReadSession | Counter[str]], damaged: Sequence[Damage], skipped: Counter[str] | None = None
) -> Reading:
    left_out = skipped if skipped is not None else Counter[str]()
    sessions = []
    for entry in found:
        if isinstance(entry, Counter):
            left_out += entry
        else:
            sessions.append(entry)
    return Reading(tuple(sessions), tuple(damaged), dict(left_out))


def _session(path: Path, row: _Row, session_id: str | None = None) -> ReadSession | Counter[str]:
    """Turn a row's events into a session; counts where nobody speaks in them."""
    raws = row.history if row.history is not None else row.trajectory if row.trajectory is not None else row.events
    flat = list(_flat(raws or []))
    log_id = new_id("ses")
    log = EventLog(log_id)
    turner: OpenHandsEvents = EventsV1(log) if any(_is_v1(raw) for raw in flat[:20]) else EventsV0(log)
    turner.model = string_at(row.metadata, "llm_config", "model") or string_at(row.metadata, "llm", "model")
    state = _state(path)
    if state is not None:
        turner.model = turner.model or string_at(state.agent, "llm", "model")
        turner.cwd = string_at(state.workspace, "working_dir")
        session_id = state.id or session_id
    for raw in flat:
        turner.event(raw)
    if not turner.speaks:
        return turner.skipped + Counter({"no conversation": 1})
    add_submission(log, string_at(row.test_result, "git_patch"), turner.cwd, turner.model)
    transcript: RawSession = log.finish(
        Session(
            id=log_id,
            source=OpenHands.name,
            provider_session_id=session_id,
            cwd=turner.cwd,
            base_commit=string_at(row.metadata, "base_commit"),
            source_path=str(path),
            record_hashes=tuple(record_hash(raw) for raw in flat),
            skipped=dict(turner.skipped),
        )
    )
    if transcript.session.usage == Usage() and turner.total is not None:
        header = msgspec.structs.replace(transcript.session, usage=turner.total)
        transcript = msgspec.structs.replace(transcript, session=header)
    return ReadSession(transcript)


_PAIR = msgspec.json.Decoder(list[msgspec.Raw])


def _is_v1(raw: msgspec.Raw) -> bool:
    try:
        return decode(_EVENT, raw).kind is not None
    except msgspec.DecodeError:
        return False


def _flat(raws: Iterable[msgspec.Raw]) -> Iterator[msgspec.Raw]:
    """Events; older evaluations keep pairs of an action and its observation."""
    for raw in raws:
        if bytes(memoryview(raw)[:1]) == b"[":
            try:
                yield from decode(_PAIR, raw)
            except msgspec.DecodeError:
                yield raw
        else:
            yield raw


def _state(path: Path) -> _State | None:
    if path.parent.name != "events":
        return None
    try:
        document = read_document(path.parent.parent / "base_state.json", _STATE)
    except OSError:
        return None
    return document if isinstance(document, _State) else None
