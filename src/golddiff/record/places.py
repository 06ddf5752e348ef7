"""Where each agent keeps its transcripts on this machine, and which of them belong to a repository.

| agent | place | belongs by |
|---|---|---|
| Claude Code | `projects/` of `CLAUDE_CONFIG_DIR`, else `~/.claude`, `~/.config/claude` | folder in its records |
| Codex | `sessions/`, `archived_sessions/` of `CODEX_HOME`, else `~/.codex` | working folder, remote |
| Copilot CLI | `session-state/` of `COPILOT_HOME`, else `~/.copilot` | working folder, repository root, remote |
| Gemini CLI | `~/.gemini/tmp/<project>/chats/` | `.project_root` beside it, or a folder named by the path's hash |
| Qwen Code | `projects/` of `QWEN_HOME`, else `~/.qwen` | the working folder in its records |
| OpenHands | `~/.openhands/conversations/` | the working folder in `base_state.json` |
| mini-swe-agent | `~/.config/mini-swe-agent/` | the working folder in its configuration |
| aider | `.aider.chat.history.md` in a checkout, or `AIDER_CHAT_HISTORY_FILE` | lying there |

A folder's name is a hint; what the files say decides. Only heads are read, as far as needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from golddiff.record.checkout import Repository, folders
from golddiff.record.importers.claude_code.records import Line as ClaudeLine
from golddiff.record.importers.codex.records import Line as CodexLine
from golddiff.record.importers.codex.records import Meta
from golddiff.record.importers.heads import Head, head_records
from golddiff.record.importers.jsonl import decode

LineT = TypeVar("LineT")
Place = Callable[[Repository, Mapping[str, str], Path], Iterator[Path]]
"""Yields an agent's transcripts of a repository, given the environment and the home folder."""

_NOT_IN_FOLDER_NAMES = re.compile(r"[^A-Za-z0-9]")
_MINI_CWD = re.compile(rb'"cwd"\s*:\s*("(?:[^"\\\\]|\\\\.)*")')
_MAX_SMALL_FILE = 1 << 20


class _CopilotContext(msgspec.Struct):
    cwd: str | None = None
    gitRoot: str | None = None
    repository: str | None = None
    repositoryHost: str | None = None


class _CopilotData(msgspec.Struct):
    context: _CopilotContext | None = None


class _CopilotLine(msgspec.Struct):
    type: str | None = None
    data: msgspec.Raw = msgspec.Raw()


_CLAUDE = msgspec.json.Decoder(ClaudeLine)
_CODEX = msgspec.json.Decoder(CodexLine)
_META = msgspec.json.Decoder(Meta)
_COPILOT = msgspec.json.Decoder(_CopilotLine)
_COPILOT_DATA = msgspec.json.Decoder(_CopilotData)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_TEXT = msgspec.json.Decoder(str)


def claude_homes(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Folders that Claude Code keeps its files in."""
    given = environment.get("CLAUDE_CONFIG_DIR")
    return [Path(given).expanduser()] if given else [home / ".claude", home / ".config" / "claude"]


def home_of(variable: str, default: str) -> Callable[[Mapping[str, str], Path], Path]:
    """Return how to find an agent's folder: from an environment variable, else below the home folder."""

    def find(environment: Mapping[str, str], home: Path) -> Path:
        given = environment.get(variable)
        return Path(given).expanduser() if given else home / default

    return find


codex_home = home_of("CODEX_HOME", ".codex")
copilot_home = home_of("COPILOT_HOME", ".copilot")
qwen_home = home_of("QWEN_HOME", ".qwen")


def claude_code(repository: Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Sessions with the files of their sub-agents."""
    for base in claude_homes(environment, home):
        yield from _by_folder_name(repository, base / "projects")


def qwen_code(repository: Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Sessions, archived ones too."""
    for path in _by_folder_name(repository, qwen_home(environment, home) / "projects"):
        if not path.name.endswith(".ledger.jsonl"):
            yield path


def _by_folder_name(repository: Repository, base: Path) -> Iterator[Path]:
    """Both clients name a folder after the working folder, with other characters replaced."""
    names = tuple(_NOT_IN_FOLDER_NAMES.sub("-", root) for root in repository.roots)
    for folder in folders(base):
        if _NOT_IN_FOLDER_NAMES.sub("-", folder.name).startswith(names):
            for path in folder.rglob("*.jsonl"):
                if repository.holds(_cwd(path)):
                    yield path


def _cwd(path: Path) -> str | None:
    return next((line.cwd for line in _head(path, _CLAUDE) if line.cwd is not None), None)


def codex(repository: Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Rollouts; the remote finds those of worktrees that are gone."""
    base = codex_home(environment, home)
    for folder in ("sessions", "archived_sessions"):
        for path in (base / folder).rglob("*.jsonl"):
            meta = _codex_meta(path)
            if meta is None:
                continue
            if repository.is_remote(meta.git.repository_url if meta.git else None) or repository.holds(meta.cwd):
                yield path


def _codex_meta(path: Path) -> Meta | None:
    for line in _head(path, _CODEX):
        if line.type == "session_meta":
            try:
                return decode(_META, line.payload)
            except msgspec.DecodeError:
                return None
    return None


def copilot_cli(repository: Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Event files, in a folder per session or (older builds) alone."""
    base = copilot_home(environment, home) / "session-state"
    for path in [*base.glob("*/events.jsonl"), *base.glob("*.jsonl")]:
        context = _copilot_context(path)
        if context is None:
            continue
        named = f"{context.repositoryHost or 'github.com'}/{context.repository}" if context.repository else None
        if repository.holds(context.cwd) or repository.holds(context.gitRoot) or repository.is_remote(named):
            yield path


def _copilot_context(path: Path) -> _CopilotContext | None:
    for line in _head(path, _COPILOT):
        if line.type in ("session.start", "session.resume"):
            try:
                return decode(_COPILOT_DATA, line.data).context
            except msgspec.DecodeError:
                return None
    return None


def gemini_cli(repository: Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Sessions of the projects that are checkouts; newer builds name a project's root, older ones hash it."""
    hashes = {sha256(root.encode("utf-8", "surrogateescape")).hexdigest() for root in repository.roots}
    for project in folders(home / ".gemini" / "tmp"):
        root = _small_text(project / ".project_root")
        if project.name in hashes or repository.holds(root.strip() or None):
            for pattern in ("*.json", "*.jsonl"):
                yield from (project / "chats").rglob(pattern)


def openhands(repository: Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """The first event of each conversation: its folder is read with it."""
    for conversation in folders(home / ".openhands" / "conversations"):
        state = _small_object(conversation / "base_state.json")
        workspace = state.get("workspace")
        folder = workspace.get("working_dir") if isinstance(workspace, dict) else None
        if isinstance(folder, str) and repository.holds(folder):
            yield from sorted((conversation / "events").glob("event-*.json"))[:1]


def mini_swe_agent(repository: Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Trajectories of runs at the keyboard; those of benchmarks lie where their user said."""
    for path in (home / ".config" / "mini-swe-agent").rglob("*.traj.json"):
        head = b"\n".join(_lines(path))
        for match in _MINI_CWD.finditer(head):
            try:
                folder = decode(_TEXT, match[1])
            except msgspec.DecodeError:
                continue
            if repository.holds(folder):
                yield path
                break


def aider(repository: Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """The chat history of each checkout."""
    given = environment.get("AIDER_CHAT_HISTORY_FILE")
    for root in repository.roots:
        path = Path(root) / (given or ".aider.chat.history.md")
        if path.is_file() and repository.holds(str(path)):
            yield path


PLACES: tuple[Place, ...] = (
    claude_code, codex, copilot_cli, gemini_cli, qwen_code, openhands, mini_swe_agent, aider,
)  # fmt: skip


def _head(path: Path, decoder: msgspec.json.Decoder[LineT]) -> Iterator[LineT]:
    """Yield the records at the start of a file, as far as it can be read."""
    return head_records(_lines(path), decoder)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        yield from Head(path)
    except OSError:
        return


def _small_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_SMALL_FILE).decode("utf-8", "replace")
    except OSError:
        return ""


def _small_object(path: Path) -> dict[str, Any]:
    try:
        return decode(_OBJECT, _small_text(path).encode())
    except msgspec.DecodeError:
        return {}
