"""What golddiff reads of Codex CLI's rollout lines, as typed shapes; everything else in a line is never built.

One struct holds the fields of all payloads, since their names do not collide; a payload that only some kinds need
stays raw bytes.
"""

from __future__ import annotations

import msgspec


class Line(msgspec.Struct):
    """One line of the file. Lines of builds before 2025-09 have no `payload`: the item itself is the line."""

    type: str | None = None
    timestamp: str | int | float | None = None
    payload: msgspec.Raw = msgspec.Raw()


class Git(msgspec.Struct):
    """`git` of the session's header."""

    commit_hash: str | None = None
    branch: str | None = None
    repository_url: str | None = None


class Meta(msgspec.Struct):
    """`session_meta`."""

    id: str | None = None
    cwd: str | None = None
    cli_version: str | None = None
    git: Git | None = None
    source: msgspec.Raw = msgspec.Raw()


class Spawn(msgspec.Struct):
    """Who started a sub-agent."""

    parent_thread_id: str | None = None


class Subagent(msgspec.Struct):
    """`source.subagent`."""

    thread_spawn: Spawn | None = None


class Source(msgspec.Struct):
    """`source` of the header where it is an object."""

    subagent: Subagent | None = None


class TurnContext(msgspec.Struct):
    """`turn_context`: what holds for the coming turn."""

    model: str | None = None


class Content(msgspec.Struct):
    """One part of a message or of a tool's output."""

    type: str | None = None
    text: str | None = None


class Action(msgspec.Struct):
    """`action` of a local shell call."""

    command: list[str] | str | None = None


class Item(msgspec.Struct):
    """`response_item`."""

    type: str | None = None
    role: str | None = None
    content: list[Content] | str | None = None
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()
    input: str | None = None
    call_id: str | None = None
    output: msgspec.Raw = msgspec.Raw()
    action: msgspec.Raw = msgspec.Raw()


class ExecArguments(msgspec.Struct):
    """Arguments of `exec_command` (`cmd`) and of the older `shell` (`command`)."""

    cmd: str | list[str] | None = None
    command: str | list[str] | None = None
    workdir: str | None = None


class StdinArguments(msgspec.Struct):
    """Arguments of `write_stdin`; without characters it only waits for more output."""

    session_id: int | str | None = None
    chars: str | None = None


class PatchArguments(msgspec.Struct):
    """Arguments of `apply_patch` where it is an ordinary function."""

    input: str | None = None
    patch: str | None = None


class OldOutput(msgspec.Struct):
    """A tool's output in builds that wrote JSON into the string."""

    output: str
    metadata: OldMetadata | None = None


class OldMetadata(msgspec.Struct):
    """`metadata` of such an output."""

    exit_code: int | None = None


class TokenCounts(msgspec.Struct, frozen=True):
    """Tokens; `input_tokens` includes the cached ones."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


class TokenInfo(msgspec.Struct):
    """`info` of `token_count`."""

    total_token_usage: TokenCounts | None = None
    last_token_usage: TokenCounts | None = None


class Change(msgspec.Struct):
    """What `patch_apply_end` says about one file."""

    type: str | None = None
    unified_diff: str | None = None
    content: str | None = None
    move_path: str | None = None


class Message(msgspec.Struct):
    """`event_msg`."""

    type: str | None = None
    message: str | None = None
    call_id: str | None = None
    success: bool | None = None
    changes: dict[str, Change] | None = None
    info: TokenInfo | None = None
    reason: str | None = None
    num_turns: int | None = None
    exit_code: int | None = None
    aggregated_output: str | None = None
    images: list[msgspec.Raw] | None = None
    local_images: list[msgspec.Raw] | None = None
