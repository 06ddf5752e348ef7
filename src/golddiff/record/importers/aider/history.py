"""aider's chat history (`.aider.chat.history.md`): markdown, with several sessions in one file.

`# aider chat started at …` begins a session; `#### ` is what the user typed, `> ` what the program said, the rest are
the model's answers. Edits are blocks in an answer (`aider.edits`) and were applied where the program says so below it.
`/run`, `!` and `/test` are commands with what they printed, where the history holds that; `/undo` is a rejection.

The time at the top is local time without a zone, so events have none. A line inside a fence of an answer is the
answer's, also where it looks like a line of the others. What a user pastes may still look like one.

Format: `aider/io.py` and `coders/base_coder.py` of the package (0.86.2), and published histories (docs/importers.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from golddiff.record.importers.aider.edits import edits_of
from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import MAX_LINE_BYTES, record_hash
from golddiff.record.importers.test_runs import find_test_run
from golddiff.types import EventKind, RawSession, Session, Usage, new_id

_STARTED = re.compile(rb"^# aider chat started at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_OWN = re.compile(
    rb'^(?:# aider chat started at \d{4}-|> (?:\$ )?aider(?: |$)|> Aider v\d|<div class="chat-transcript")'
)
_MODEL = re.compile(r"(?:Main m|M)odel: (\S+?)(?: with (?:.*?)(\S+) edit format|$|,| )")
_EDITOR = re.compile(r"Editor model: (\S+) with (\S+) edit format")
_APPLIED = re.compile(r"Applied edit to (.+)")
_RUNNING = re.compile(r"Running (.+)")
_TOKENS = re.compile(
    r"Tokens: ([\d.,]+k?) sent(?:, ([\d.,]+k?) cache write)?(?:, ([\d.,]+k?) cache hit)?, ([\d.,]+k?) received"
)
_VERSION = re.compile(r"Aider v(\d[\w.+-]*)")
_RUNS = re.compile(r"(?:/run|/test|!)\s*(.*)", re.DOTALL)
_ASKS = re.compile(r"/(?:ask|code|architect|context|ok)\b\s*(.*)", re.DOTALL)
_TAGS = re.compile(r"(?:</?(?:div|br)\b[^<>]*>\s*)+")
_INTERRUPTED = "^C"
_ARCHITECT_DONE = "Edit the files?"


class Aider:
    """Importer of aider's chat histories."""

    name = "aider"

    def sniff(self, head: Sequence[bytes]) -> bool:
        """True where a line says that aider started."""
        return any(_OWN.match(line) for line in head)

    def read(self, path: Path) -> Reading:
        """Read every session of one file."""
        sessions: list[ReadSession] = []
        damaged: list[Damage] = []
        skipped: Counter[str] = Counter()
        for started, lines in _chunks(path, damaged):
            reader = _Reader(path, started)
            reader.read(lines)
            if reader.speaks:
                sessions.append(ReadSession(reader.session(lines)))
            else:
                skipped["no conversation"] += 1
        return Reading(tuple(sessions), tuple(damaged), dict(skipped))


def _chunks(path: Path, damaged: list[Damage]) -> Iterator[tuple[str | None, list[bytes]]]:
    """Yield the lines of each session with the time at its top; a last line without its end is left for later."""
    started: str | None = None
    lines: list[bytes] = []
    number = 0
    with path.open("rb") as stream:
        while line := stream.readline(MAX_LINE_BYTES):
            number += 1
            match = _STARTED.match(line)
            if match is not None:
                if any(text.strip() for text in lines):
                    yield started, lines
                started, lines = match[1].decode(), []
            elif not line.endswith(b"\n"):
                damaged.append(Damage(path, number, "cut off: the last line has no end yet"))
            else:
                lines.append(line.rstrip(b"\r\n"))
    if any(text.strip() for text in lines):
        yield started, lines


class _Reader:
    """State of one pass over one session."""

    def __init__(self, path: Path, started: str | None) -> None:
        self._path = path
        self._started = started
        self._id = new_id("ses")
        self._log = EventLog(self._id)
        self._cwd = str(path.parent) if (path.parent / ".git").exists() else None
        self._version: str | None = None
        self._model: str | None = None
        self._editor: str | None = None
        self._whole = False
        self._edits_next = False
        """The editor model answers next: the architect's plan was accepted."""
        self._call: int | None = None
        self._asked: list[int] = []
        """Edits of the last answer that nothing has said to be applied."""
        self._command: int | None = None
        self.skipped: Counter[str] = Counter()
        self.speaks = False

    def read(self, lines: Sequence[bytes]) -> None:
        """Turn the lines into events, block by block."""
        texts = [line.decode("utf-8", "replace") for line in lines]
        at = 0
        while at < len(texts):
            kind = _kind(texts[at])
            end = at + 1
            if kind == "said":
                end = _answer_end(texts, at)
                self._answer("\n".join(texts[at:end]).strip())
            else:
                while end < len(texts) and _kind(texts[end]) == kind:
                    end += 1
                block = [text[5 if kind == "typed" else 2 :].rstrip() for text in texts[at:end]]
                if kind == "typed":
                    self._typed("\n".join(block).strip())
                else:
                    self._printed(block)
            at = end

    # ---- blocks ----------------------------------------------------------------------------------------------

    def _typed(self, text: str) -> None:
        self._command = self._call = None
        self._edits_next = False
        ran, asks = _RUNS.match(text), _ASKS.match(text)
        if text in ("", "<blank>"):
            self.skipped["not needed: blank"] += 1
        elif ran is not None and ran[1].strip():
            self._command = self._log.add(EventKind.COMMAND, None, tool=text.split(None, 1)[0], command=ran[1].strip())
        elif text.startswith("/undo"):
            self._log.add(EventKind.REJECTION, None, tool="/undo")
        elif asks is not None and asks[1].strip():
            self._prompt(asks[1].strip())
        elif text.startswith(("/", "!")):
            self._log.add(EventKind.NOTE, None, text=text)
        else:
            self._prompt(text)

    def _prompt(self, text: str) -> None:
        self.speaks = True
        self._asked = []
        self._log.add(EventKind.PROMPT, None, text=text)

    def _answer(self, text: str) -> None:
        if not text or _TAGS.fullmatch(text):
            return  # a published history puts tags around its sessions
        if not self.speaks:
            self._log.add(EventKind.NOTE, None, text=text)  # what its publisher wrote above it
            return
        self._command = None
        model = self._editor if self._edits_next and self._editor else self._model
        self._edits_next = False
        self._call = self._log.add(EventKind.MODEL_CALL, None, text=text, model=model)
        self._asked = []
        for edit in edits_of(text, self._cwd, whole=self._whole):
            proposed = msgspec.structs.replace(edit, success=False)
            self._asked.append(self._log.add(EventKind.EDIT, None, edit=proposed, tool="edit block", model=model))

    def _printed(self, lines: list[str]) -> None:
        rest = []
        for line in lines:
            if not self._line(line.strip()):
                rest.append(line)
        text = "\n".join(rest).strip()
        if not text:
            return
        event = self._log.get(self._command) if self._command is not None else None
        if event is None or self._command is None:
            self._log.add(EventKind.NOTE, None, text=text)
            return
        output = "\n".join(part for part in (event.text, text) if part)
        tests = find_test_run(event.command or "", output, None, None)
        self._log.update(self._command, text=output, tests=tests)

    def _line(self, line: str) -> bool:
        """Take in a line of the program's that has a meaning of its own; False for the others."""
        if line.startswith(_INTERRUPTED):
            if "KeyboardInterrupt" in line:
                self._log.add(EventKind.INTERRUPTION, None)
        elif (applied := _APPLIED.fullmatch(line)) is not None:
            self._applied(applied[1].strip())
        elif (tokens := _TOKENS.match(line)) is not None:
            if self._call is not None:
                self._log.update(self._call, usage=_usage(*tokens.groups()))
                self._call = None
        elif (running := _RUNNING.fullmatch(line)) is not None:
            self._command = self._log.add(EventKind.COMMAND, None, tool="shell", command=running[1], model=self._model)
        elif (version := _VERSION.match(line)) is not None:
            self._version = version[1]
        elif (editor := _EDITOR.match(line)) is not None:
            self._editor = editor[1]
            self._whole = "whole" in editor[2]
        elif (model := _MODEL.match(line)) is not None:
            self._model = model[1].rstrip(",")
            self._whole = "whole" in (model[2] or "")
        else:
            self._edits_next = self._edits_next or line.startswith(_ARCHITECT_DONE)
            return False
        return True

    def _applied(self, name: str) -> None:
        """The program says that it changed a file: what the answer asked to do to it was done."""
        for slot in list(self._asked):
            event = self._log.get(slot)
            if event is not None and event.edit is not None and _same(event.edit.path, name):
                self._log.update(slot, edit=msgspec.structs.replace(event.edit, success=True))
                self._asked.remove(slot)

    def session(self, lines: Sequence[bytes]) -> RawSession:
        """Put the header on the log."""
        return self._log.finish(
            Session(
                id=self._id,
                source=Aider.name,
                provider_session_id=self._started,
                agent_version=self._version,
                cwd=self._cwd,
                source_path=str(self._path),
                record_hashes=tuple(record_hash(line) for line in lines if line.strip()),
                skipped=dict(self.skipped),
            )
        )


def _kind(line: str) -> str:
    if line.startswith("#### ") or line == "####":
        return "typed"
    return "printed" if line.startswith("> ") or line == ">" else "said"


def _answer_end(lines: Sequence[str], start: int) -> int:
    """Index after an answer. Lines inside a fence belong to it, if the fence ends before the user speaks again."""
    at = start
    while at < len(lines):
        line = lines[at]
        if line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
            closing = at + 1
            while closing < len(lines) and lines[closing].rstrip() != fence:
                if lines[closing].startswith("#### ") and not lines[closing - 1].strip():
                    break
                closing += 1
            if closing < len(lines) and lines[closing].rstrip() == fence:
                at = closing + 1
                continue
        elif _kind(line) != "said":
            return at
        at += 1
    return at


def _same(path: str, name: str) -> bool:
    return path == name or path.endswith("/" + name) or name.endswith("/" + path)


def _usage(sent: str, written: str | None, hit: str | None, received: str) -> Usage:
    """Tokens as the program prints them: rounded to hundreds from 1,000 on, to thousands from 10,000."""
    wrote, read = _count(written), _count(hit)
    return Usage(
        input_tokens=max(0, _count(sent) - wrote - read),
        output_tokens=_count(received),
        cache_read_tokens=read,
        cache_write_tokens=wrote,
    )


def _count(text: str | None) -> int:
    if not text:
        return 0
    try:
        number = float(text.removesuffix("k").replace(",", ""))
    except ValueError:
        return 0
    return round(number * (1000 if text.endswith("k") else 1)) if number < 1e12 else 0
