"""Redaction: the one door from text as it came (`str`) to text that may be stored (`Clean`).

Every string of a transcript is searched in one pass for the anchors of all rules (`rights.patterns`); only rules
whose anchor was seen run, each on google-re2, so the work grows linearly with the text whatever it holds. A match
becomes `[REDACTED:<kind>]`. Runs of base64 are decoded and searched as well. A secret found anywhere in a transcript
is hidden everywhere in it, also where nothing around it gives it away.

Fails closed: whatever goes wrong, `RightsError` is raised and nothing is returned; its message never holds the text.

Paths and names of home folders (`/home/alice`) stay in the workspace, because linking a session to a repository
needs them; `mask_homes` takes them out of rows that leave it as training data.

Not covered: personal data such as names and mail addresses; a secret cut by a line break (PEM blocks are found),
encrypted, compressed, or in base64 that is URL-safe or holds a binary file; a short password in prose. Redaction
lowers a risk, it does not remove it.
"""

from __future__ import annotations

import binascii
import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache
from typing import Any, TypeVar, cast, overload

import msgspec
import re2

from golddiff.errors import RightsError
from golddiff.rights.patterns import BASE64_RUN, RULES, Rule
from golddiff.types import Attribution, Clean, Event, RawSession, RedactedSession, Session, Transcript

__all__ = ["mask_homes", "redact_attribution", "redact_document", "redact_text", "redact_transcript"]

_MAX_DFA_BYTES = 64 << 20
"""Memory for one automaton's states; re2's default of 8 MiB makes the joint search start over too often."""

_SHORTEST_REPEATED = 12
"""Bytes of the shortest secret that is hidden elsewhere in its transcript: shorter ones occur by accident."""

_SECRETS_PER_PATTERN = 200

_TEXTLESS = (Enum, bool, int, float, datetime)
"""Field types without text of their own; enum members are ours even where they are strings."""

_OWN_FIELDS = frozenset({"id", "session_id", "parent_id", "record_hashes"})
"""Fields that golddiff itself makes: ids and hashes, which must stay as they are."""

StructT = TypeVar("StructT", bound=msgspec.Struct)


def redact_text(text: str) -> Clean:
    """Return `text` with every secret replaced by `[REDACTED:<kind>]`, and lone surrogates by U+FFFD.

    Raises RightsError, with nothing of the text in it, where the engine fails.
    """
    return Clean(Redactor().redact(text))


def redact_fields(fields: Sequence[str]) -> tuple[Clean, ...]:
    """Return every short text redacted; one pass over all of them where, as nearly always, there is nothing to hide.

    Raises RightsError, with nothing of the texts in it, where the engine fails.
    """
    redactor = Redactor()
    together = "\n".join(fields)
    if redactor.redact(together) is together:
        return tuple(Clean(field) for field in fields)
    return tuple(Clean(redactor.redact(field)) for field in fields)


def redact_transcript(raw: RawSession) -> RedactedSession:
    """Return the transcript with all its strings redacted: texts, arguments, file contents, paths, names.

    Of a transcript whose events are made as they are asked for, all are read here for their secrets, and redacted
    once more while they are gone through.

    Raises RightsError where any of them fails: a transcript is redacted whole or not at all.
    """
    redactor = Redactor()
    session = redactor.redact_struct(raw.session)
    if not isinstance(raw.events, tuple):
        for event in raw.events:
            redactor.redact_struct(event)
        session = redactor.redact_struct(session, again=True) if redactor.secrets else session
        return Transcript(cast("Session[Clean]", session), _RedactedEvents(raw.events, redactor))
    events = [redactor.redact_struct(event) for event in raw.events]
    if redactor.secrets:
        session = redactor.redact_struct(session, again=True)
        events = [redactor.redact_struct(event, again=True) for event in events]
    return Transcript(cast("Session[Clean]", session), tuple(cast("list[Event[Clean]]", events)))


def redact_attribution(raw: Attribution[str]) -> Attribution[Clean]:
    """Return the claim with all its strings redacted. Raises RightsError where any of them fails."""
    return cast("Attribution[Clean]", Redactor().redact_struct(raw))


def redact_document(document: Any) -> Clean:
    """Return a JSON value as one line of JSON with every string in it redacted, keys included.

    A secret found in one place is hidden in all places. Raises RightsError where anything fails, and for values that
    JSON does not have.
    """
    redactor = Redactor()
    try:
        redacted = redactor.redact_value(document)
        if redactor.secrets:
            redacted = redactor.redact_value(redacted, again=True)
        return Clean(msgspec.json.encode(redacted).decode())
    except Exception:
        raise RightsError(FAILED) from None


def mask_homes(text: Clean) -> Clean:
    """Return `text` with the names of home folders replaced: `/home/alice/x` becomes `/home/user/x`."""
    try:
        return Clean(_home().sub(lambda match: match.group(1) + "user", text))
    except Exception:
        raise RightsError(FAILED) from None


FAILED = (
    "redaction failed, so nothing was stored of this text; "
    "report it with the kind of file (never the text) and import the other transcripts without it"
)


class _RedactedEvents(Sequence[Event[Clean]]):
    """Events that are redacted as they are asked for, by a redactor that knows all their secrets."""

    def __init__(self, events: Sequence[Event[str]], redactor: Redactor) -> None:
        self._events = events
        self._redactor = redactor

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event[Clean]]:
        return map(self._redacted, self._events)

    @overload
    def __getitem__(self, index: int) -> Event[Clean]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Event[Clean], ...]: ...
    def __getitem__(self, index: int | slice) -> Event[Clean] | tuple[Event[Clean], ...]:
        if isinstance(index, slice):
            return tuple(map(self._redacted, self._events[index]))
        return self._redacted(self._events[index])

    def _redacted(self, event: Event[str]) -> Event[Clean]:
        redacted = self._redactor.redact_struct(event)
        if self._redactor.secrets:
            redacted = self._redactor.redact_struct(redacted, again=True)
        return cast("Event[Clean]", redacted)


class Redactor:
    """Redacts many strings and remembers the secrets it found; `rights.bodies` uses it for bytes."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        """Secret → kind."""
        self._ranks: dict[str, int] = {}
        """Secret that was found here → index of the rule that names its kind."""
        self._patterns: list[Any] | None = None

    def redact(self, text: str) -> str:
        try:
            try:
                data = text.encode()
            except UnicodeEncodeError:  # half of a pair, from a transcript cut inside an escape
                text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                data = text.encode()
            redacted = self.redact_bytes(data)
            return text if redacted is data else redacted.decode(errors="replace")
        except Exception:
            raise RightsError(FAILED) from None

    def repeat(self, text: str) -> str:
        """Hide the secrets found so far, wherever they stand in `text`."""
        try:
            for pattern in self._known():
                text = pattern.sub(lambda match: f"[REDACTED:{self.secrets[match.group()]}]", text)
            return text
        except Exception:
            raise RightsError(FAILED) from None

    def _known(self) -> list[Any]:
        """The secrets found so far as patterns, so that many of them still mean few passes; longest first."""
        if self._patterns is None:
            known = sorted(self.secrets, key=len, reverse=True)
            chunks = [known[at : at + _SECRETS_PER_PATTERN] for at in range(0, len(known), _SECRETS_PER_PATTERN)]
            options = re2.Options()
            options.max_mem = _MAX_DFA_BYTES
            self._patterns = [re2.compile("|".join(map(re2.escape, chunk)), options) for chunk in chunks]
        return self._patterns

    def redact_struct(self, struct: StructT, *, again: bool = False) -> StructT:
        """Return a copy of `struct` with every string in it redacted, but for ids and hashes of our own."""
        changes = {}
        for name in _text_fields(type(struct)):
            value = getattr(struct, name)
            new = self.redact_value(value, again=again)
            if new is not value:
                changes[name] = new
        return msgspec.structs.replace(struct, **changes) if changes else struct

    def redact_value(self, value: Any, *, again: bool = False) -> Any:
        """Return `value` (a string, a struct, or a container of them) redacted."""
        if value is None or isinstance(value, _TEXTLESS):
            return value
        if isinstance(value, str):
            return self.repeat(value) if again else self.redact(value)
        if isinstance(value, msgspec.Struct):
            return self.redact_struct(value, again=again)
        if isinstance(value, tuple):
            items = tuple(self.redact_value(item, again=again) for item in value)
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        if isinstance(value, dict):
            return {self.redact_value(key, again=again): self.redact_value(v, again=again) for key, v in value.items()}
        if isinstance(value, list):
            return [self.redact_value(item, again=again) for item in value]
        raise RightsError(f"redaction does not know how to read a {type(value).__name__}; nothing was stored")

    def redact_bytes(self, data: bytes) -> bytes:
        """Return `data` redacted, the same object where nothing was found; raises whatever the engine raises."""
        seen = _anchors().Match(data)
        if not seen:  # the usual case: no rule can match
            return data
        rules = _rules()
        waiting = sorted(seen)  # the order of the rules is their rank
        while waiting:
            index = waiting.pop(0)
            redacted = self._apply(rules[index], data) if index < len(rules) else self._redact_base64(data)
            if redacted is not data:
                data = redacted  # `[REDACTED:…-token]` may begin a match, so the anchors that are there now count
                waiting = [later for later in sorted(_anchors().Match(data) or ()) if later > index]
        return data

    def repeat_bytes(self, data: bytes) -> bytes:
        """Hide the secrets found so far, wherever they stand in `data`; the same object where none does."""
        for secret in sorted(self.secrets, key=lambda secret: (-len(secret), secret)):
            data = data.replace(secret.encode(), f"[REDACTED:{self.secrets[secret]}]".encode())
        return data

    def _found(self, secret: str, kind: str, rank: int) -> None:
        """Remember a secret; of several kinds that of the first rule, however the text was cut, but never a new one."""
        if rank < self._ranks.get(secret, -1 if secret in self.secrets else rank + 1):
            self.secrets[secret] = kind
            self._ranks[secret] = rank

    def _apply(self, rule: _Compiled, data: bytes) -> bytes:
        pieces = []
        end = 0
        group = 1 if rule.regex.groups else 0
        for match in rule.regex.finditer(data):
            start, stop = match.span(group)
            secret = data[start:stop]
            before = data[max(end, start - 2) : start]  # what was redacted just before is no letter
            if (
                b"[REDACTED:" in secret
                or data[max(0, start - 10) : start] == b"[REDACTED:"
                or not rule.rule.check(secret, before)
            ):
                continue
            if len(secret) >= _SHORTEST_REPEATED:
                self._found(secret.decode(errors="replace"), rule.rule.kind, rule.rank)
            pieces += [data[end:start], f"[REDACTED:{rule.rule.kind}]".encode()]
            end = stop
        return b"".join([*pieces, data[end:]]) if pieces else data

    def _redact_base64(self, data: bytes) -> bytes:
        pieces = []
        end = 0
        for match in _base64_run().finditer(data):
            start, stop = match.span()
            if not _is_text(_decode_base64(data[start : min(stop, start + 64)])):
                continue  # an image, a signature, a hash, a path: told by its first bytes
            decoded = _decode_base64(data[start:stop])
            if not _is_text(decoded):
                continue
            inner = Redactor()
            if inner.redact_bytes(decoded) is decoded:
                continue
            kind = next(iter(inner.secrets.values()), "secret")
            for secret, inner_kind in inner.secrets.items():
                self._found(secret, inner_kind, len(_rules()))
            pieces += [data[end:start], f"[REDACTED:base64-{kind}]".encode()]
            end = stop
        return b"".join([*pieces, data[end:]]) if pieces else data


def holds_nothing(data: bytes, known: frozenset[str] = frozenset()) -> bool:
    """Say whether `data` holds no secret: none of those that are known, and no anchor of a rule.

    One pass over the text, and an automaton is kept for a few sets of known secrets. Raises what the engine raises.
    """
    return not (_anchors_and(known) if known else _anchors()).Match(data)


@dataclass(frozen=True)
class _Compiled:
    rule: Rule
    regex: Any
    rank: int


@cache
def _text_fields(struct_type: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name in struct_type.__struct_fields__ if name not in _OWN_FIELDS)


def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes in, bytes out: no decoding, and no byte is invalid
    options.max_mem = _MAX_DFA_BYTES
    options.log_errors = False
    return options


@cache
def _rules() -> tuple[_Compiled, ...]:
    return tuple(_Compiled(rule, re2.compile(rule.pattern, _options()), rank) for rank, rule in enumerate(RULES))


@cache
def _anchors() -> Any:
    """All anchors as one automaton: the indices of the rules that may match, in one pass over the text."""
    return _together([])


@lru_cache(maxsize=4)
def _anchors_and(known: frozenset[str]) -> Any:
    """The same with secrets that are known behind them."""
    return _together([re2.escape(secret.encode()) for secret in sorted(known)])


def _together(others: list[bytes]) -> Any:
    anchors = re2.Set.SearchSet(_options())
    for pattern in (*(rule.anchor for rule in RULES), BASE64_RUN, *others):
        anchors.Add(pattern)
    anchors.Compile()
    return anchors


@cache
def _base64_run() -> Any:
    return re2.compile(BASE64_RUN, _options())


@cache
def _home() -> Any:
    return re2.compile(r"(/(?:home|Users)/|[A-Za-z]:\\{1,4}Users\\{1,4})[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _decode_base64(run: bytes) -> bytes:
    """Return the decoded bytes (of as much as makes whole bytes), or nothing where `run` is no base64."""
    run = run.rstrip(b"=")
    if len(run) % 4 == 1:
        run = run[:-1]
    try:
        return binascii.a2b_base64(run + b"=" * (-len(run) % 4))
    except binascii.Error:
        return b""


def _is_text(decoded: bytes) -> bool:
    """UTF-8 but for a character cut at the end. Random bytes fail this within the first few."""
    try:
        return bool(decoded) and codecs.utf_8_decode(decoded, "strict", False) is not None
    except UnicodeDecodeError:
        return False
