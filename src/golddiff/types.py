"""The records that stages pass to each other through the store: frozen, versioned, plain data.

How it fits: `record` makes `Transcript[str]` (unredacted, memory only); `rights.redact` turns it into
`Transcript[Clean]`; `store` accepts nothing else. `Clean` is the type gate: a string that redaction has seen.
Every text that came from a user, a model or a repository is `Clean` in every record below, so unredacted text
that would reach the disk is a type error.

Records that can be recomputed carry derived ids (`derive_id`: same inputs, same id), so a stage that runs again
replaces its own rows. Sessions carry ids of our own (`new_id`), never a provider's.

Not covered here: how records are stored (`store.schema`) and what may be done with them (`rights`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import ClassVar, Generic, NewType, TypeAlias, TypeVar

import msgspec

Clean = NewType("Clean", str)
"""Text that `rights.redact` has seen. Only that module may construct it (a test holds it to that)."""

CleanBytes = NewType("CleanBytes", bytes)
"""Bytes of a body that redaction has seen. Only `rights.bodies` makes them, and what reads them back from disk."""

TextT = TypeVar("TextT", bound=str)

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_LETTERS = _CROCKFORD.encode() * 8
"""The letter of each byte, by its last five bits."""


def new_id(prefix: str, random_bits: Callable[[int], int] = secrets.randbits) -> str:
    """Return `prefix_` plus 26 characters (48 bits of milliseconds, 80 random bits): unique, sorted by time.

    `random_bits`: where the bits come from, for who makes so many ids that a call to the system for each counts.
    """
    now = time.time_ns() // 1_000_000
    letters = random_bits(128).to_bytes(16, "little").translate(_LETTERS).decode()  # five bits of each byte
    return f"{prefix}_{_second(now >> 10)}{_PAIRS[now & 1023]}{letters}"


@lru_cache(maxsize=2)
def _second(number: int) -> str:
    """The first eight letters of the milliseconds, which change about once a second."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in (30, 20, 10, 0)])


def derive_id(prefix: str, *parts: str | bytes | int | float | None) -> str:
    """Return `prefix_` plus 24 hex digits of BLAKE2b over `parts`: the same inputs always give the same id."""
    digest = blake2b(digest_size=12)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"{prefix}_{digest.hexdigest()}"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every stored record."""

    id: str
    """Our own id: a prefix that names the type, then `new_id` or `derive_id`."""
    schema_version: int = 1
    """Version of this record's shape; raised when a field changes meaning, with a migration in `store`."""


# --------------------------------------------------------------------------------------------------------------
# Sessions and events


class EventKind(StrEnum):
    """What happened."""

    PROMPT = "prompt"  # the user typed this; injected text is NOTE
    NOTE = "note"  # text injected by the client: system reminders, command output, summaries
    MODEL_CALL = "model_call"  # one assistant message, merged over its lines; carries usage
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    EDIT = "edit"
    COMMAND = "command"  # call and result joined; a test run is a command with `tests`
    REJECTION = "rejection"  # the user refused a tool use
    INTERRUPTION = "interruption"
    FEEDBACK = "feedback"  # accept, reject or revise, said explicitly


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one model call, as the provider counted them."""

    input_tokens: int = 0
    """Prompt tokens that no cache served."""
    output_tokens: int = 0
    """Generated tokens, reasoning included."""
    cache_read_tokens: int = 0
    """Prompt tokens served from the provider's cache."""
    cache_write_tokens: int = 0
    """Prompt tokens written to the provider's cache."""


class TestRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a test command reported. Counts are None where its output does not say."""

    __test__: ClassVar[bool] = False

    framework: str
    """`pytest`, `unittest`, `go test` or another runner's name."""
    passed: int | None = None
    """Tests that passed."""
    failed: int | None = None
    """Tests that failed."""
    skipped: int | None = None
    """Tests that were skipped."""
    errors: int | None = None
    """Tests that could not run."""
    success: bool | None = None
    """Whether the run was green; None where neither output nor exit code says."""


class Replacement(msgspec.Struct, Generic[TextT], frozen=True):
    """One search-and-replace step of an edit."""

    old: TextT
    """Text to find."""
    new: TextT
    """Text to put in its place."""
    every: bool = False
    """Replace every occurrence instead of the only one."""


class FileEdit(msgspec.Struct, Generic[TextT], frozen=True, kw_only=True):
    """A change that a tool made to one file, with as much of the states before and after as is known."""

    path: str
    """POSIX path relative to the session's `cwd` where it lies below it, else absolute."""
    operation: str
    """`create`, `update`, `delete` or `move`."""
    new_path: str | None = None
    """Destination of a move."""
    before: TextT | None = None
    """Whole file before, where the transcript holds it."""
    after: TextT | None = None
    """Whole file after, where the transcript holds it or a whole-file write states it."""
    replacements: tuple[Replacement[TextT], ...] = ()
    """Steps in order, where the tool replaces text."""
    hunks: TextT | None = None
    """Unified-diff hunks (`@@` and body) where the transcript gives those; may lack line numbers."""
    user_modified: bool = False
    """The client says that the user changed the proposed edit before it was applied."""
    success: bool = True
    """False where the tool reported that nothing was changed."""


class Event(Record, Generic[TextT], frozen=True, kw_only=True):
    """One thing that happened in a session, in order."""

    session_id: str
    """Session it belongs to."""
    sequence: int
    """Position in the session, from 0, without gaps."""
    kind: EventKind
    """What happened."""
    at: datetime | None = None
    """UTC; None where the format does not say."""
    agent: str | None = None
    """Id of the sub-agent that did it; None for the main agent."""
    text: TextT | None = None
    """Prompt, assistant text, tool result or command output."""
    model: str | None = None
    """Model that answered, for model calls and what follows from them."""
    usage: Usage | None = None
    """Tokens of this model call."""
    tool: str | None = None
    """Tool name as the client calls it."""
    call_id: str | None = None
    """Joins a tool call to its result, inside this session only."""
    arguments: TextT | None = None
    """Tool arguments as JSON, for calls that are neither edit nor command."""
    edit: FileEdit[TextT] | None = None
    """The file change, for edits."""
    command: TextT | None = None
    """Shell command as given to the tool."""
    exit_code: int | None = None
    """None where the transcript does not say."""
    tests: TestRun | None = None
    """What the command reported, where it ran tests."""
    is_error: bool = False
    """The tool or the provider reported a failure."""


class Session(Record, Generic[TextT], frozen=True, kw_only=True):
    """One user task with an agent: the header; its events are stored apart."""

    source: str
    """Importer that read it: `claude-code`, `codex`, …"""
    provider_session_id: str | None = None
    """The client's own id: a hint for matching, never a key."""
    parent_id: str | None = None
    """Session that started this one as a sub-agent, where it is a session of its own."""
    agent_version: str | None = None
    """Version of the client that wrote the transcript."""
    models: tuple[str, ...] = ()
    """Models in order of first use, without synthetic ones; `unnamed` for calls that name none where others do."""
    cwd: TextT | None = None
    """Working directory at the start, home folder abbreviated."""
    repository_url: TextT | None = None
    """Remote of the repository, where the format says."""
    branch: TextT | None = None
    """Branch at the start, where the format says."""
    base_commit: str | None = None
    """Commit checked out when it began, where the format says."""
    started_at: datetime | None = None
    """UTC, of its first event that has a time."""
    ended_at: datetime | None = None
    """UTC, of its last event that has a time."""
    source_path: TextT | None = None
    """File it was last read from."""
    record_hashes: tuple[str, ...] = ()
    """BLAKE2b-64 of every raw record, in file order: tells a session that grew from one that diverged."""
    skipped: dict[str, int] = {}
    """Records that were not understood, counted by reason."""
    usage: Usage = Usage()
    """Sum over model calls, each counted once."""
    subject: str | None = None
    """Whose data this is, for consent and erasure: an opaque id, never a name."""


class Transcript(msgspec.Struct, Generic[TextT], frozen=True):
    """A session with its events in order."""

    session: Session[TextT]
    """The header."""
    events: Sequence[Event[TextT]]
    """Everything that happened, in order; a tuple, but of a very long session they are made as they are asked for."""


RawSession: TypeAlias = Transcript[str]
"""What importers return: unredacted, for memory only. The store refuses it by type."""

RedactedSession: TypeAlias = Transcript[Clean]


# --------------------------------------------------------------------------------------------------------------
# Model calls that a gateway recorded


class KeptBody(msgspec.Struct, frozen=True, kw_only=True):
    """The redacted bytes of a request or an answer: what they share with an earlier request, and the rest."""

    hash: str
    """SHA-256 of the whole body, in hexadecimal."""
    size: int
    """Bytes of the whole body."""
    base: str | None = None
    """Call whose request body the shared bytes are from; None where the body stands alone."""
    prefix: int = 0
    """Bytes that it begins with as `base` does."""
    suffix: int = 0
    """Bytes that it ends with as `base` does."""
    chain: int = 0
    """Bodies that have to be rebuilt before this one."""
    rest: CleanBytes
    """The bytes between the two, as one zstd frame."""


class Call(Record, frozen=True, kw_only=True):
    """One model call that passed a gateway, with its bodies; `id` is the gateway's, given when it began."""

    session_id: str | None = None
    """Session it belongs to; None where its protocol is not understood."""
    thread_id: str | None = None
    """Thread of that session."""
    relation: str = "other"
    """To the calls before: `new`, `continues`, `retry` (the same request again), `branch` (the history was changed),
    or `other` (a protocol that is not understood)."""
    depth: int = 0
    """Items of the thread's history after its answer."""
    protocol: str
    """Wire protocol, as in `providers.wire`."""
    upstream: str
    """Name of the upstream in the gateway's configuration."""
    tries: tuple[str, ...] = ()
    """Every attempt at an upstream: its name and how it ended."""
    key_id: str | None = None
    """Virtual key that it was made with."""
    method: str
    """HTTP method."""
    path: Clean
    """Path and query of the request."""
    asked_model: str | None = None
    """Model that the client named."""
    model: str | None = None
    """Model that the answer names."""
    response_id: str | None = None
    """The provider's id of the answer: a hint, never a key."""
    started_at: datetime
    """UTC, from the gateway's wall clock."""
    first_byte_ns: int = 0
    """Nanoseconds to the first byte of the answer, monotonic; 0: there was none."""
    duration_ns: int = 0
    """Nanoseconds to the end, monotonic."""
    status: int = 0
    """HTTP status that the client saw; 0: none."""
    streamed: bool = False
    """The answer came as server-sent events."""
    ending: str
    """How the answer ended, as in `record.capture`."""
    stop_reason: str | None = None
    """Why the model stopped, in the protocol's own word."""
    usage: Usage | None = None
    """Tokens, as the provider counted them."""
    headers: tuple[tuple[str, Clean], ...] = ()
    """Recorded headers of the request: session ids, beta flags, the client's name."""
    answer_headers: tuple[tuple[str, Clean], ...] = ()
    """Recorded headers of the answer."""
    damaged: tuple[str, ...] = ()
    """What of its bodies could not be read, in words."""
    request: KeptBody
    """The redacted request."""
    answer: KeptBody
    """The redacted answer."""


class Waiting(msgspec.Struct, frozen=True):
    """A tool call that has no result yet."""

    call_id: str
    """Call of the model that asked for it."""
    first: int
    """Sequence number of its first event."""
    events: int
    """How many events it has."""


class Thread(Record, frozen=True, kw_only=True):
    """One line of calls in a session, where each repeats the history of the one before and adds to it."""

    session_id: str
    """Session it belongs to."""
    scope: str | None = None
    """Hash of the key and the client's session id; None where the client gave none."""
    root: str
    """Hash of what a thread begins with: scope, start of the system prompt, first item."""
    asked_key: str | None = None
    """Hash of the history that the last call asked with, in the newest thread that has it; None in the others."""
    tip_key: str | None = None
    """Hash of the history with the answer to that call, likewise."""
    answer_key: str | None = None
    """Hash of the last answer with what it answers, likewise: finds the thread where all before was changed."""
    agent: str | None = None
    """Sub-agent that it is; None for the main agent."""
    system: str = ""
    """Hash of the start of its system prompt."""
    tools: bool = False
    """Its calls offer tools."""
    items: bytes = b""
    """Hashes of the items of its history, 8 bytes each, the answer to the last call included."""
    asked: int = 0
    """How many of them the last call asked with."""
    turns: int = 0
    """Calls that added to it; retries are not counted."""
    last_call: str
    """Id of that call."""
    ended_at: datetime
    """UTC, end of that call."""
    waiting: dict[str, Waiting] = {}
    """Tool calls without a result, by the provider's id."""
    processes: dict[str, int] = {}
    """Commands that go on: the agent's id of the process → sequence number of the command's event."""


# --------------------------------------------------------------------------------------------------------------
# What became of them


class SessionState(StrEnum):
    """Outcome of a session."""

    ACCEPTED = "accepted"
    REVISED = "revised"  # accepted after the user changed it
    REJECTED = "rejected"
    ABANDONED = "abandoned"
    UNKNOWN = "unknown"  # evidence below the threshold; its share is always printed


class AttemptFate(StrEnum):
    """Outcome of an attempt."""

    KEPT = "kept"
    REVISED = "revised"
    SUPERSEDED = "superseded"  # a later attempt replaced it
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # the session's outcome is unknown


class LineFate(StrEnum):
    """Outcome of a hunk or line."""

    KEPT = "kept"
    REVISED = "revised"
    DROPPED = "dropped"


class Repository(Record, frozen=True, kw_only=True):
    """A git repository that sessions worked in."""

    name: str
    """Folder or remote name, for people."""
    url: Clean | None = None
    """Remote that it was cloned from, without credentials."""
    licence: str | None = None
    """SPDX id; None where no licence was recognised (then nothing in it is trainable)."""
    licence_source: Clean | None = None
    """File that the licence was read from, or who stated it."""


class Commit(Record, frozen=True, kw_only=True):
    """Facts of one commit; `id` is derived from repository and SHA."""

    repository_id: str
    """Repository that holds it."""
    sha: str
    """Full SHA."""
    parents: tuple[str, ...] = ()
    """SHAs of its parents, the first parent first."""
    committed_at: datetime
    """Committer date in UTC."""
    authored_at: datetime | None = None
    """Author date in UTC."""
    subject: Clean
    """First line of its message."""
    paths: tuple[str, ...] = ()
    """Paths it changes against its first parent."""
    on_default_branch: bool | None = None
    """Whether the default branch holds it; None where there is no such branch."""


class SnapshotFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a worktree that differs from the commit checked out there."""

    path: str
    """POSIX path below the worktree's root."""
    text: Clean | None = None
    """Whole text; None where the commit holds the file and the worktree does not, and where `unknown` says why."""
    redacted: bool = False
    """Redaction changed the text, so it is not the file's and is compared with nothing."""
    unknown: str | None = None
    """Why the text is not kept: `too large`, `binary`, `not UTF-8`, `not a regular file`."""


class Snapshot(Record, frozen=True, kw_only=True):
    """The tracked and new files of a worktree at one moment; files not listed are as in `head`."""

    repository_id: str
    """Repository that the worktree belongs to."""
    root: Clean
    """The worktree's folder on this machine."""
    cause: str
    """`start` (watching began), `yield` (the agent handed back to the user) or `rest` (files stopped changing)."""
    taken_at: datetime
    """UTC."""
    head: str | None = None
    """Commit checked out, as a full SHA; None before the first commit."""
    source: str | None = None
    """Client that yielded: `claude-code`, `codex`, …; None where no client said so."""
    provider_session_id: str | None = None
    """The client's id of the session that yielded."""
    files: tuple[SnapshotFile, ...] = ()
    """Files that differ from `head`, by path."""
    left_out: dict[str, int] = {}
    """Files that differ, or may, and are not listed, by reason; empty: every file that differs is listed."""


class Signal(Record, frozen=True, kw_only=True):
    """What a user, a product or a forge said about a session, apart from its transcript. Append-only."""

    kind: str
    """`accept`, `reject`, `revise`, `prompt`, `edit`, `command`, `call`, or of a pull request `merged`,
    `closed` or `reopened`."""
    at: datetime
    """UTC, when it happened."""
    via: str
    """How it came: `cli`, `http`, `github` or `gitlab`."""
    session: str | None = None
    """Session it is about: our id or the client's own; None for pull requests."""
    by: Clean | None = None
    """Who said it, as the sender names them."""
    text: Clean | None = None
    """A prompt, a command's output, or a note."""
    patch: Clean | None = None
    """Unified diff of what was accepted, for `accept` and `revise`."""
    edit: FileEdit[Clean] | None = None
    """The file change, for `edit`."""
    command: Clean | None = None
    """Shell command, for `command`."""
    exit_code: int | None = None
    """Of the command; None where it was not said."""
    call_id: str | None = None
    """Id of a model call, as the gateway or the provider gave it."""
    model: str | None = None
    """Model behind an edit or a call, where it was said."""
    repository_url: Clean | None = None
    """Remote of the repository, for pull requests."""
    branch: Clean | None = None
    """Branch that the pull request comes from."""
    commits: tuple[str, ...] = ()
    """Full SHAs that the pull request names: its head, and the commit that merged it."""
    opened_at: datetime | None = None
    """UTC, when the pull request was opened."""
    number: int | None = None
    """Number of the pull request."""


class Attempt(Record, frozen=True, kw_only=True):
    """The state of the files when the agent yields back to the user."""

    session_id: str
    """Session it belongs to."""
    index: int
    """From 0, in order."""
    first_event: int
    """Sequence number of its first event."""
    last_event: int
    """Inclusive range of event sequence numbers."""
    ended_by: str
    """`prompt` (the user answered), `interruption`, `rejection` or `end`."""
    ended_at: datetime | None = None
    """UTC, of its last event that has a time."""
    patch: Clean
    """Unified diff against the session's base, over the paths touched so far."""
    paths: tuple[str, ...] = ()
    """Paths that differ from the base, sorted."""
    added_lines: int = 0
    """Added lines of `patch`."""
    removed_lines: int = 0
    """Removed lines of `patch`."""
    tests: tuple[TestRun, ...] = ()
    """Test runs that happened during it, in order."""
    fate: AttemptFate = AttemptFate.UNKNOWN
    """What became of it."""
    distance: float | None = None
    """Share of its added lines (of its removed lines, if it added none) that was not accepted, 0 to 1; None where the
    outcome is unknown."""
    revision: Clean | None = None
    """Unified diff of what the user changed by hand in its files before the agent went on; None where no snapshot
    shows those files between the two, empty where one does and nothing was changed."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to believe a link."""

    kind: str
    """`content`, `files`, `time`, `base`, `trailer`, `notes`."""
    weight: float
    """Contribution to the log-odds of the link."""
    detail: Clean
    """What was seen, in words."""


class CommitLink(msgspec.Struct, frozen=True, kw_only=True):
    """A session's share in a commit."""

    sha: str
    """Full SHA of the commit."""
    confidence: float
    """Estimated probability that the link is right, 0 to 1."""
    evidence: tuple[Evidence, ...] = ()
    """Every reason, for and against."""
    lines_shared: int = 0
    """Added lines of the commit that the session wrote."""
    lines_total: int = 0
    """Added lines of the commit."""
    on_default_branch: bool | None = None
    """Whether the default branch holds it; None where there is no such branch."""


class HunkFate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lines that the session wrote last in one hunk of one file."""

    path: str
    """File below the repository."""
    start_line: int
    """First line in the session's final state of the file, from 1."""
    fate: LineFate
    """What became of most of its lines."""
    kept: int = 0
    """Lines found unchanged."""
    revised: int = 0
    """Lines found changed."""
    dropped: int = 0
    """Lines not found."""
    model: str | None = None
    """Model that wrote it."""
    tool: str | None = None
    """Tool that wrote it."""
    reason: str | None = None
    """Why, where there is something to say."""


class Contributor(StrEnum):
    """Who wrote lines, as another tool says."""

    HUMAN = "human"
    AI = "ai"
    MIXED = "mixed"  # a person changed a model's lines, or a model a person's
    UNKNOWN = "unknown"


class LineRange(msgspec.Struct, Generic[TextT], frozen=True, kw_only=True):
    """Lines of one file, as they stand in the attribution's revision."""

    path: TextT
    """POSIX path below the repository."""
    first_line: int
    """From 1."""
    last_line: int
    """Inclusive."""
    content_hash: str | None = None
    """`<algorithm>:<hex>` of the lines, where the tool gives it."""


class Attribution(Record, Generic[TextT], frozen=True, kw_only=True):
    """What another tool claims about who wrote lines of a commit: evidence for outcomes, not an outcome.

    `id` is derived from source, repository, revision and claim. Counts are None where the tool does not state them.
    """

    source: str
    """Importer that read it: `git-ai`, `agent-trace`, `entire`."""
    claim: str
    """The tool's own name for this claim; unique in source, repository and revision."""
    repository_id: str | None = None
    """Repository that it speaks of, where that is known."""
    vcs: str = "git"
    """Version control system of `revision`."""
    revision: str | None = None
    """Commit whose line numbers these are, where the tool says."""
    contributor: Contributor = Contributor.UNKNOWN
    """Who wrote the lines."""
    provider_session_id: str | None = None
    """The client's id of the session that wrote them."""
    tool: str | None = None
    """Client that the session ran in, as the tool names it."""
    model: str | None = None
    """Model, as the tool names it."""
    at: datetime | None = None
    """UTC, when the claim was made."""
    lines: tuple[LineRange[TextT], ...] = ()
    """The lines; empty where the tool only counts them."""
    paths: tuple[TextT, ...] = ()
    """Files that the tool names without lines."""
    proposed_lines: int | None = None
    """Lines that the session added before the commit."""
    accepted_lines: int | None = None
    """Of the session's lines, those in the commit."""
    revised_lines: int | None = None
    """Of the session's lines, those that a person changed before the commit."""
    human_added_lines: int | None = None
    """Lines that a person added to the commit."""
    human_removed_lines: int | None = None
    """Lines that a person removed in the commit."""
    committed_lines: int | None = None
    """Lines that the commit adds in all, as the tool counts."""
    url: TextT | None = None
    """Where the tool keeps the conversation."""
    source_path: TextT | None = None
    """File or git object that it was read from."""


class Outcome(Record, frozen=True, kw_only=True):
    """What the user kept of one session in one repository; `id` is derived from both."""

    session_id: str
    """Session that this is the outcome of."""
    repository_id: str
    """Repository that it was looked for in."""
    state: SessionState
    """What the user did with the work."""
    confidence: float
    """Estimated probability that `state` is right, 0 to 1."""
    commits: tuple[CommitLink, ...] = ()
    """Commits that hold its work, most confident first."""
    base: str | None = None
    """Commit that `gold_patch` applies to."""
    gold_patch: Clean
    """Base → finally accepted state, limited to what the session is responsible for; empty if nothing."""
    hunks: tuple[HunkFate, ...] = ()
    """Fate of each hunk of the session's final state."""
    written_lines: int = 0
    """Non-blank lines in the session's final state that it added; kept + revised + dropped where known."""
    kept_lines: int = 0
    """Of `written_lines`, those found unchanged in the accepted state."""
    revised_lines: int = 0
    """Of `written_lines`, those found changed."""
    dropped_lines: int = 0
    """Of `written_lines`, those not found."""
    reasons: tuple[str, ...] = ()
    """Signals behind `state`, in words."""
    method: str
    """Name and version of the method that decided."""


class LivedLines(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted lines of one session that stood together in one file and had the same life."""

    path: str
    """File below the repository, as it was called in the accepting commit."""
    first_line: int
    """First of the lines in the accepting commit's file, from 1; they follow each other."""
    lines: int
    """How many lines; blank ones are left out."""
    characters: int
    """Characters of these lines as they were first committed, without line ends."""
    fate: LineFate
    """`kept` (the session's own line) or `revised` (a changed form of one, or in a block that is the session's)."""
    accepted_by: str
    """Full SHA of the linked commit that they are counted from."""
    accepted_at: datetime
    """UTC, committer date of that commit."""
    ended_by: str | None = None
    """Full SHA of the mainline commit (first parents of the branch's tip) that no longer has them; None: alive."""
    ended_at: datetime | None = None
    """UTC, committer date of that commit, not before `accepted_at`; None: alive when last seen (right-censored)."""
    ended_by_sessions: tuple[str, ...] = ()
    """Sessions linked to the ending commit, or to what it merged, that wrote to this file, sorted; may hold the
    session itself. Empty while the lines are alive, and where no known session did it."""
    commits_survived: int = 0
    """Mainline commits after the one that accepted them (or brought them in) that still had them."""


class Survival(Record, frozen=True, kw_only=True):
    """How long the accepted lines of one outcome lived; `id` is derived from the outcome.

    There is none for an outcome without a linked commit on the default branch: it says nothing about survival.
    """

    session_id: str
    """Session that wrote the lines."""
    repository_id: str
    """Repository that they live in."""
    outcome_id: str
    """Outcome whose linked commits hold them."""
    branch: str
    """Ref whose mainline was followed."""
    tip: str
    """Full SHA of its last commit that was read."""
    observed_until: datetime
    """UTC: latest committer date of a mainline commit that was read; lines without an end are censored here."""
    groups: tuple[LivedLines, ...] = ()
    """The lines, by path and line number; no line is in two groups."""
    left_out: dict[str, int] = {}
    """Lines of the outcome that are in no group, by reason."""
    method: str
    """Name, version and mode of the method that followed them."""


# --------------------------------------------------------------------------------------------------------------
# Training data


class Message(msgspec.Struct, frozen=True):
    """One message of an OpenAI-style chat: what `prompts` makes, renderers turn into tokens, and servers receive."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str
    """Its text."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one row may be used, with every reason. Made by `rights.permits` only."""

    use: str
    """`train` or `evaluate`."""
    permitted: bool
    """True only where every gate says yes."""
    reasons: tuple[str, ...]
    """`gate: decision (detail)` for terms, licence and consent, the refusing ones first."""
    policy: str
    """Version of the policy and of the provider-terms file."""


class Grant(Record, frozen=True, kw_only=True):
    """A written permission, or its withdrawal, as the operator recorded it. Append-only: the latest one counts."""

    gate: str
    """`terms`, `licence` or `consent`."""
    applies_to: str
    """terms: model or provider; licence: repository id or name; consent: subject, session id, or `*` for everyone."""
    granted: bool
    """False withdraws an earlier one."""
    states: str | None = None
    """licence: the SPDX id that holds."""
    by: Clean
    """Who gave it."""
    document: Clean
    """Where it is written: a file, a contract, a message."""
    recorded_at: datetime
    """UTC, when it was recorded here."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a row comes from: what `rights` decides on and what erasure follows."""

    written_by: str
    """`agent` (a model proposed it), `human` (a person's commit) or `simulated` (a scripted teacher)."""
    provider: str | None = None
    """Provider of the model, as named in the terms file."""
    model: str | None = None
    """Model name as recorded."""
    repository_id: str | None = None
    """Repository that the row's code comes from."""
    licence: str | None = None
    """SPDX id of that code."""
    session_id: str | None = None
    """Session it comes from."""
    outcome_id: str | None = None
    """Outcome it comes from."""
    commit: str | None = None
    """SHA of the commit that accepted it."""
    subject: str | None = None
    """Whose data it is: the opaque id of the session."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """An executed test of one row, run in the sandbox and judged outside it."""

    program: Clean
    """Python program; reads the candidate text from the file named by argv[1], prints one JSON value and falls
    off its end: one that exits in any other way did not finish (`sandbox.contract`). Standard library only."""
    expected: Clean
    """JSON that the program's output must equal; compared in the trusted parent."""
    executes: bool = True
    """False where the program only inspects structure and never runs the candidate."""


class Example(Record, frozen=True, kw_only=True):
    """Instruction + file window before → accepted window after; `id` is derived from the content."""

    kind: str
    """`accepted`, `attempt` (the first attempt of the same row), `history` or a study's own kind."""
    instruction: Clean
    """What the user asked for, or the commit's subject."""
    path: str
    """POSIX path of the file below its repository."""
    start_line: int
    """First line of the window in the file before, from 1."""
    before: Clean
    """Text of the window before the change, with its line ends."""
    after: Clean
    """Text of the window that was accepted."""
    at: datetime
    """When the change was accepted; the split is by this time."""
    provenance: Provenance
    """Who wrote it, under which terms, from which session or commit."""
    verdict: Verdict | None = None
    """A row without a verdict stops the build."""
    check: Check | None = None
    """Executed test; None where the row has none."""
    family: str | None = None
    """Task family, for stratified reports."""
    split: str | None = None
    """`train` or `test`."""


class Dataset(Record, frozen=True, kw_only=True):
    """A built dataset; `id` is derived from its rows and their split."""

    name: str
    """Name that the operator gave."""
    rows: dict[str, int]
    """Rows by split."""
    dropped: dict[str, int]
    """Dropped rows by reason."""
    denied: dict[str, int]
    """Rows without the right to be used, by reason; not part of `dropped`."""
    folder: str
    """Folder below the workspace: `<split>.parquet`, `manifest.json`, `README.md`."""
    content_hash: str
    """BLAKE2b-256 over the rows, their order and their split."""
    config: dict[str, str | int | float | bool | None]
    """Settings of the build, as given."""
    created_at: datetime
    """UTC."""


class Checkpoint(Record, frozen=True, kw_only=True):
    """Trained weights; `id` is derived from the weights and what made them."""

    base_model: str
    """Hugging Face id, local folder or checkpoint it was trained from."""
    base_licence: str | None
    """SPDX id of the base model; None where unknown."""
    dataset_id: str | None
    """Dataset it was trained on."""
    recipe: str
    """Name of the recipe, `r1` and so on."""
    config: dict[str, str | int | float | bool | None]
    """Settings of the recipe, as used."""
    seed: int
    """Seed of data order and initialisation."""
    code_version: str
    """golddiff's version, with the git commit where it ran from a checkout."""
    folder: str
    """Folder below the workspace: `model.safetensors`, tokenizer, `manifest.json`, `losses.json`."""
    weights_hash: str
    """SHA-256 of `model.safetensors`."""
    trained_tokens: int
    """Tokens seen in training, padding not counted."""
    final_loss: float | None
    """Mean loss of the last steps, nats per completion token."""
    created_at: datetime
    """UTC."""


class Score(Record, frozen=True, kw_only=True):
    """How one arm did on one task. `unscored` says why there is no score; that is never a 0."""

    run_id: str
    """Evaluation run it belongs to."""
    example_id: str
    """Task."""
    arm: str
    """Arm."""
    metrics: dict[str, float] = {}
    """Metric name → value."""
    prediction: Clean | None = None
    """What the model answered."""
    failure: str | None = None
    """Why the answer is no success, by kind; None for a success and where there is no score."""
    detail: Clean | None = None
    """What the executed check said, cut."""
    unscored: Clean | None = None
    """Why there is no score; None where there is one."""


class EvaluationRun(Record, frozen=True, kw_only=True):
    """One evaluation: which arms ran on which dataset, under which harness."""

    dataset_id: str
    """Dataset whose test split was used."""
    arms: dict[str, str]
    """Arm name → checkpoint id or model name."""
    harness: str
    """Name and version of tasks, prompts and scoring; runs of different harnesses are not compared."""
    summary: dict[str, float | int | str | None]
    """Headline numbers of the report."""
    report: str | None = None
    """Report file below the workspace."""
    created_at: datetime
    """UTC."""
