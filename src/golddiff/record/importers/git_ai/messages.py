"""The conversation that git-ai copied into a note → a transcript.

A copy says less than the client's own file: no ids, no usage, results only as text. In older builds' copies of Claude
Code a tool's result is a `user` message, told from a prompt by the call that waits for it. Copies by builds from about
1.1 on, and those of other clients, hold no results: there a `user` message is always the user's, and nothing says
whether edits were made (`success` is false). Which of the two a copy is, is read from what follows its calls.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b

import msgspec

from golddiff.record.importers.call_log import Answer, CallLog
from golddiff.record.importers.claude_code.prompts import said
from golddiff.record.importers.claude_code.records import Line
from golddiff.record.importers.codex.prompts import is_injected
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import decode, printable_type
from golddiff.record.importers.timestamps import moment
from golddiff.record.importers.tool_shapes import asked, json_text
from golddiff.types import EventKind, RawSession, Session, new_id

_CLAUDE = "claude"
"""The client whose copies may hold tool results, as `user` messages."""
_ERRORS = ("<tool_use_error>", "Error: ", "Exit code ", "The user doesn't want to ")
_NO_RESULTS = ("[Request interrupted by user", "<command-", "<local-command-", "<task-notification>")
_LINE = Line()


class Message(msgspec.Struct, frozen=True):
    """One entry of `messages`."""

    type: str
    text: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    timestamp: str | None = None


_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])
_MESSAGE = msgspec.json.Decoder(Message)


def transcript_of(
    messages: msgspec.Raw,
    tool: str | None,
    session_id: str | None,
    model: str | None,
    source_path: str,
    repository_url: str | None,
) -> RawSession | None:
    """Return the conversation as a transcript; None where nothing in it can be read."""
    try:
        records = decode(_RECORDS, messages)
    except msgspec.DecodeError:
        return None
    own_id = new_id("ses")
    log = EventLog(own_id)
    calls = CallLog(log)
    waiting: deque[str] = deque()
    skipped: Counter[str] = Counter()
    hashes = []
    with_results = tool == _CLAUDE and holds_results(records)
    for number, record in enumerate(records):
        try:
            message = decode(_MESSAGE, record)
        except msgspec.DecodeError:
            skipped["unexpected shape"] += 1
            continue
        hashes.append(blake2b(bytes(record), digest_size=8).hexdigest())
        at = moment(message.timestamp)
        text = message.text or ""
        if message.type == "tool_use":
            call_id = f"m{number}"
            arguments = json_text(message.input)
            calls.call(call_id, message.name, arguments, asked(message.name, message.input, None), at=at, model=model)
            if with_results:
                waiting.append(call_id)
        elif message.type == "user" and waiting and not text.startswith(_NO_RESULTS):
            answer = Answer(text, is_error=text.startswith(_ERRORS))
            calls.result(waiting.popleft(), answer, at=at)
        elif message.type == "user":
            _said(log, tool, text, at)
        elif message.type == "assistant":
            log.add(EventKind.MODEL_CALL, at, text=text or None, model=model)
        elif message.type == "plan":
            log.add(EventKind.NOTE, at, text=text)
        else:
            why = "not needed" if message.type == "thinking" else "unknown record"
            skipped[f"{why}: {printable_type(message.type)}"] += 1
    if not len(log):
        return None
    return log.finish(
        Session(
            id=own_id,
            source="git-ai",
            provider_session_id=session_id,
            repository_url=repository_url,
            source_path=source_path,
            record_hashes=tuple(hashes),
            skipped=dict(skipped),
        )
    )


def holds_results(records: Sequence[msgspec.Raw]) -> bool:
    """Whether a copy holds the results of tools: most runs of calls in it are followed by a `user` message.

    Without them the agent's next words or the end of its turn follow; a call that nothing follows says nothing.
    """
    answered = unanswered = 0
    before = ""
    for record in records:
        try:
            kind = decode(_MESSAGE, record).type
        except msgspec.DecodeError:
            continue
        if before == "tool_use" and kind != "tool_use":
            answered += kind == "user"
            unanswered += kind != "user"
        before = kind
    return answered > unanswered


def _said(log: EventLog, tool: str | None, text: str, at: datetime | None) -> None:
    """Enter what a `user` message says: a prompt, or what the client put in."""
    if tool == "codex" and is_injected(text):
        log.add(EventKind.NOTE, at, text=text)
        return
    if tool != _CLAUDE:
        log.add(EventKind.PROMPT, at, text=text)
        return
    found = said(_LINE, text, by_user=True)
    for note in found.notes:
        log.add(EventKind.NOTE, at, text=note)
    if found.interrupted:
        log.add(EventKind.INTERRUPTION, at)
    if found.prompt is not None:
        log.add(EventKind.PROMPT, at, text=found.prompt)
