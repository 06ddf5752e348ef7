"""Find the transcripts of a repository among those that agents keep on this machine.

A transcript belongs to a repository if the agent was started in it, below it, or in one of its worktrees; Codex also
states the remote, which finds sessions of worktrees that are gone. Only the heads of files are read, and only under
the agents' own folders. Nothing of the repository is run: worktrees and remotes are read from files in `.git`.

Places: Claude Code `CLAUDE_CONFIG_DIR`, else `~/.claude` and `~/.config/claude`; Codex `CODEX_HOME`, else `~/.codex`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from golddiff.record.importers.claude_records import Line as ClaudeLine
from golddiff.record.importers.codex_records import Line as CodexLine
from golddiff.record.importers.codex_records import Meta
from golddiff.record.importers.jsonl import decode, head_lines

LineT = TypeVar("LineT")

_CLAUDE = msgspec.json.Decoder(ClaudeLine)
_CODEX = msgspec.json.Decoder(CodexLine)
_META = msgspec.json.Decoder(Meta)
_NOT_IN_FOLDER_NAMES = re.compile(r"[^A-Za-z0-9]")
_REMOTE_URL = re.compile(r"^\s*url\s*=\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class _Repository:
    """Where a repository is checked out, and what it is called elsewhere."""

    roots: tuple[str, ...]
    remotes: frozenset[str]

    def holds(self, folder: str | None) -> bool:
        return folder is not None and any(folder == root or folder.startswith(root + "/") for root in self.roots)


def find_transcripts(repo: Path, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the transcripts of the repository that holds `repo`, in order of path.

    Sub-agents' files come with those of the sessions that started them. A folder without `.git` above it counts as
    a repository by itself.
    """
    repository = _repository(repo)
    home = Path(environment.get("HOME") or Path.home())
    found = {*_claude_code(repository, environment, home), *_codex(repository, environment, home)}
    return sorted(found)


def transcript_homes(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders that `find_transcripts` looks in, for messages; those that do not exist are listed as well."""
    home = Path(environment.get("HOME") or Path.home())
    return [folder / "projects" for folder in _claude_homes(environment, home)] + [
        _codex_home(environment, home) / "sessions"
    ]


def _claude_code(repository: _Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """The folder name is the working folder with other characters replaced: a hint; the records decide."""
    names = tuple(_NOT_IN_FOLDER_NAMES.sub("-", root) for root in repository.roots)
    for base in _claude_homes(environment, home):
        for folder in _folders(base / "projects"):
            if _NOT_IN_FOLDER_NAMES.sub("-", folder.name).startswith(names):
                for path in folder.rglob("*.jsonl"):
                    if repository.holds(_claude_cwd(path)):
                        yield path


def _claude_cwd(path: Path) -> str | None:
    for line in _head(path, _CLAUDE):
        if line.cwd is not None:
            return line.cwd.rstrip("/")
    return None


def _codex(repository: _Repository, environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    base = _codex_home(environment, home)
    for folder in ("sessions", "archived_sessions"):
        for path in (base / folder).rglob("*.jsonl"):
            meta = _codex_meta(path)
            if meta is None:
                continue
            url = meta.git.repository_url if meta.git else None
            same_remote = url is not None and _bare_url(url) in repository.remotes
            if same_remote or repository.holds(meta.cwd.rstrip("/") if meta.cwd else None):
                yield path


def _codex_meta(path: Path) -> Meta | None:
    for line in _head(path, _CODEX):
        if line.type == "session_meta":
            try:
                return decode(_META, line.payload)
            except msgspec.DecodeError:
                return None
    return None


def _head(path: Path, decoder: msgspec.json.Decoder[LineT]) -> Iterator[LineT]:
    """Yield the records at the start of a file, as far as it can be read."""
    try:
        for text in head_lines(path):
            try:
                line = decode(decoder, text)
            except msgspec.DecodeError:
                continue
            yield line
    except OSError:
        return


def _claude_homes(environment: Mapping[str, str], home: Path) -> list[Path]:
    given = environment.get("CLAUDE_CONFIG_DIR")
    return [Path(given).expanduser()] if given else [home / ".claude", home / ".config" / "claude"]


def _codex_home(environment: Mapping[str, str], home: Path) -> Path:
    given = environment.get("CODEX_HOME")
    return Path(given).expanduser() if given else home / ".codex"


def _folders(base: Path) -> list[Path]:
    try:
        return sorted(path for path in base.iterdir() if path.is_dir())
    except OSError:
        return []


# ---- the repository -----------------------------------------------------------------------------------------------


def _repository(start: Path) -> _Repository:
    start = Path(os.path.abspath(start))
    root = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)
    git = _git_folder(root / ".git")
    checkouts = [root]
    remotes: frozenset[str] = frozenset()
    if git is not None:
        common = git.parent.parent if git.parent.name == "worktrees" else git
        if common.name == ".git":
            checkouts.append(common.parent)
        for worktree in _folders(common / "worktrees"):
            pointer = _text(worktree / "gitdir").strip()
            if pointer.endswith("/.git"):
                checkouts.append(Path(pointer).parent)
        remotes = frozenset(_bare_url(url) for url in _REMOTE_URL.findall(_text(common / "config")))
    roots = dict.fromkeys(str(path) for checkout in checkouts for path in (checkout, checkout.resolve()))
    return _Repository(tuple(roots), remotes)


def _git_folder(git: Path) -> Path | None:
    if git.is_dir():
        return git
    pointer = _text(git).strip()
    if pointer.startswith("gitdir: "):
        return Path(os.path.normpath(git.parent / pointer.removeprefix("gitdir: ")))
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _bare_url(url: str) -> str:
    """Host and path alone: `git@host:a/b.git` and `https://user@host/a/b` are the same remote."""
    url = re.sub(r"^[a-z+]+://", "", url.strip())
    url = url.rpartition("@")[2].replace(":", "/", 1)
    return url.removesuffix("/").removesuffix(".git").lower()
