"""Codex CLI's rollout files (`~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl`).

What the model said and did is in `response_item` records; a `token_count` record closes a model call and carries
its usage (repeated ones, where the total did not move, are not counted again). Prompts are `user_message` events;
user messages among the items are the same prompts again, or text that the client injected. A command that goes on
in the background is joined with the `write_stdin` calls that wait for it. Reasoning is not kept.

Format: `codex-rs/protocol/src/protocol.rs` of the Codex repository, and published rollouts (docs/importers.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from golddiff.record.importers.codex.calls import CodexCalls
from golddiff.record.importers.codex.prompts import content_text, is_injected, split_request
from golddiff.record.importers.codex.records import Item, Line, Message, Meta, Source, TokenCounts, TurnContext
from golddiff.record.importers.contract import Reading
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.heads import first_record
from golddiff.record.importers.jsonl import JsonLines, decode, printable_type
from golddiff.record.importers.one_session import read_one
from golddiff.record.importers.timestamps import moment
from golddiff.types import EventKind, RawSession, Session, Usage

_KINDS = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})
_ITEM = msgspec.json.Decoder(Item)
_MESSAGE = msgspec.json.Decoder(Message)
_META = msgspec.json.Decoder(Meta)
_TURN = msgspec.json.Decoder(TurnContext)
_SOURCE = msgspec.json.Decoder(Source)
_CALLS = frozenset({"function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output", "tool_search_output"})
_REPEATED = frozenset(
    {
        "agent_message", "agent_reasoning", "context_compacted", "exec_command_begin", "item_completed",
        "mcp_tool_call_end", "patch_apply_begin", "task_complete", "task_started", "turn_diff", "web_search_end",
    }
)  # fmt: skip
"""Events that say again what the items say, or only that something began."""


class Codex:
    """Importer of Codex CLI rollouts."""

    name = "codex"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where some line is a rollout record: one of its types, with a payload."""
        return first_record(head, _LINE, _is_own) is not None

    def read(self, path: Path) -> Reading:
        """Read one file into at most one session."""
        return read_one(JsonLines(path, Line), lambda log: _Reader(path, log))


_LINE = msgspec.json.Decoder(Line)


def _is_own(line: Line) -> bool:
    return line.type in _KINDS and bool(line.payload) and line.timestamp is not None


class _Reader:
    """State of one pass over one file."""

    def __init__(self, path: Path, log: EventLog) -> None:
        self._path = path
        self._log = log
        self._meta: Meta | None = None
        self._call_slot: int | None = None
        """The model call that goes on."""
        self._answered = False
        """A tool has answered since it began."""
        self._calls = CodexCalls(self._log)
        self._total: TokenCounts | None = None
        self._prompts: list[int] = []
        self._typed: list[tuple[str, int]] = []
        """User messages among the items that no event has repeated yet, with their slots."""
        self._last_prompt: str | None = None
        """Text of the last prompt event while the item that repeats it may still come."""
        self.skipped: Counter[str] = Counter()
        self.speaks = False
        self.parent: str | None = None

    def line(self, line: Line) -> None:
        """Take in one record."""
        at = moment(line.timestamp)
        try:
            if line.type == "response_item":
                self._item(decode(_ITEM, line.payload), at)
            elif line.type == "event_msg":
                self._event(decode(_MESSAGE, line.payload), at)
            elif line.type == "session_meta":
                self._header(decode(_META, line.payload))
            elif line.type == "turn_context":
                self._calls.model = decode(_TURN, line.payload).model or self._calls.model
            elif line.type == "compacted":
                text = decode(_MESSAGE, line.payload).message
                if text:
                    self._log.add(EventKind.NOTE, at, text=text)
            else:
                self.skipped[f"unknown record: {printable_type(line.type)}"] += 1
        except msgspec.DecodeError:
            self.skipped["unexpected shape"] += 1

    def session(self, hashes: list[str], skipped: Counter[str]) -> RawSession:
        """Close the log and put the header on it."""
        if self._prompts:  # the build writes prompt events, so what they do not repeat was not typed
            for slot in (slot for _, slot in self._typed if slot < self._prompts[0]):
                self._log.update(slot, kind=EventKind.NOTE)
        self._calls.finish()
        meta = self._meta or Meta()
        git = meta.git
        return self._log.finish(
            Session(
                id=self._log.session_id,
                source=Codex.name,
                provider_session_id=meta.id,
                agent_version=meta.cli_version,
                cwd=meta.cwd,
                repository_url=git.repository_url if git else None,
                branch=git.branch if git else None,
                base_commit=git.commit_hash if git else None,
                source_path=str(self._path),
                record_hashes=tuple(hashes),
                skipped=dict(self.skipped + skipped),
            )
        )

    def _header(self, meta: Meta) -> None:
        if self._meta is not None:  # a fork repeats the header of the session that it began as
            self.skipped["not needed: session_meta"] += 1
            return
        self._meta = meta
        self._calls.cwd = meta.cwd
        if meta.source:
            try:
                source = decode(_SOURCE, meta.source)
            except msgspec.DecodeError:
                return  # a plain string: started by a person
            if source.subagent is not None and source.subagent.thread_spawn is not None:
                self.parent = source.subagent.thread_spawn.parent_thread_id

    # ---- items -----------------------------------------------------------------------------------------------

    def _item(self, item: Item, at: datetime | None) -> None:
        if item.type == "message":
            self._message(item, at)
        elif item.type == "reasoning":
            self._model_call(at)
        elif item.type in _CALLS:
            self.speaks = True
            self._model_call(at)
            self._calls.call(item, at)
        elif item.type in _OUTPUTS:
            self._answered = True
            self._calls.output(item, at)
        else:
            self.skipped[f"unknown record: {printable_type(item.type)}"] += 1

    def _message(self, item: Item, at: datetime | None) -> None:
        text = content_text(item.content)
        self.speaks = True
        if item.role == "assistant":
            slot = self._model_call(at)
            earlier = self._log.get(slot)
            joined = "\n".join(part for part in (earlier.text if earlier else None, text) if part)
            self._log.update(slot, text=joined or None)
        elif item.role == "user" and not is_injected(text):
            if text.strip() != self._last_prompt:
                kind = EventKind.NOTE if self._prompts else EventKind.PROMPT
                self._typed.append((text, self._log.add(kind, at, text=text)))
            self._last_prompt = None
        else:
            self._log.add(EventKind.NOTE, at, text=text)

    def _model_call(self, at: datetime | None) -> int:
        """Return the slot of the model call that goes on, beginning one where none does."""
        if self._call_slot is None or self._answered:
            self._call_slot = self._log.add(EventKind.MODEL_CALL, at, model=self._calls.model)
            self._answered = False
        return self._call_slot

    # ---- events ----------------------------------------------------------------------------------------------

    def _event(self, event: Message, at: datetime | None) -> None:
        kind = event.type
        if kind == "user_message":
            self._prompt(event, at)
        elif kind == "token_count":
            self._tokens(event)
        elif kind in ("patch_apply_end", "exec_command_end"):
            self._calls.report(event)
        elif kind == "turn_aborted":
            self._log.add(EventKind.INTERRUPTION, at, text=event.reason)
        elif kind == "thread_rolled_back":
            self._roll_back(event.num_turns or 0)
        elif kind in _REPEATED:
            self.skipped[f"not needed: {kind}"] += 1
        else:
            self.skipped[f"unknown record: {printable_type(kind)}"] += 1

    def _prompt(self, event: Message, at: datetime | None) -> None:
        self.speaks = True
        self._call_slot = None
        text = event.message or ""
        if event.images or event.local_images:
            text = f"{text}\n[image]".strip()
        self._last_prompt = (event.message or "").strip()
        for index, (typed, slot) in enumerate(self._typed):
            if typed.strip() == self._last_prompt:
                self._log.fill(slot, [])
                del self._typed[index]
                self._last_prompt = None
                break
        note, request = split_request(text)
        if note:
            self._log.add(EventKind.NOTE, at, text=note)
        self._prompts.append(self._log.add(EventKind.PROMPT, at, text=request))

    def _tokens(self, event: Message) -> None:
        total = event.info.total_token_usage if event.info else None
        last = event.info.last_token_usage if event.info else None
        if total is None or last is None or total == self._total:
            return
        self._total = total
        if self._call_slot is None:
            return
        cached = min(last.cached_input_tokens, last.input_tokens)
        self._log.update(
            self._call_slot,
            usage=Usage(
                input_tokens=last.input_tokens - cached,
                output_tokens=last.output_tokens,
                cache_read_tokens=cached,
            ),
        )
        self._call_slot = None

    def _roll_back(self, turns: int) -> None:
        """The user took turns back: what they held is a dead branch."""
        if 0 < turns <= len(self._prompts):
            slot = self._prompts[-turns]
            del self._prompts[-turns:]
            self.skipped["dead branch"] += self._log.cut(slot)
            self._calls.cut(slot)
            self._typed = [entry for entry in self._typed if entry[1] < slot]
            self._call_slot = None
