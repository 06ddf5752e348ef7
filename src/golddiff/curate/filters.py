"""What in a repository's history is no ordinary change by a person, with the reason in words.

Each function returns why something is left out, or None. Patterns are conservative about people and liberal about
machines: losing a good commit costs a row, keeping a lock file teaches the student to write lock files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from golddiff.curate.config import CurateConfig
from golddiff.git import CommitFacts, FileChange, machine_made

_SHORTEST_SUBJECT = 8
"""Characters; below it a subject ("wip", "fix", "typo") tells the student nothing about the change."""

_BOT_SUBJECT = re.compile(
    r"(?i)^(?:bump \S+ from|(?:build|chore|ci|fix|update)\(deps|update dependency|lock file maintenance|"
    r"\[pre-commit\.ci\]|pre-commit autoupdate|update pre-commit|chore\(release\)|chore: release|release v?\d|"
    r"version bump|bump version|publish$|v?\d+\.\d+\.\d+\S*$|automat(?:ed|ic)|auto-?generated|update translations|"
    r"translated using|\[bot\]|\[automated\])"
)
_BOT_TRAILER = re.compile(r"(?i)\[bot\]|dependabot|renovate|pre-commit-ci|greenkeeper|weblate|github-actions")
_REVERT = re.compile(r"(?i)^(?:revert\b|reapply\b|this reverts commit)")

_AGENTS = (
    (re.compile(r"(?i)claude|noreply@anthropic\.com"), "claude (signed commit)"),
    (re.compile(r"(?i)\bcopilot\b"), "copilot (signed commit)"),
    (re.compile(r"(?i)\bcodex\b|chatgpt|@openai\.com"), "codex (signed commit)"),
    (re.compile(r"(?i)gemini|\bjules\b"), "gemini (signed commit)"),
    (re.compile(r"(?i)cursor(?:agent|\.com| agent)|^cursor\b"), "cursor-agent (signed commit)"),
    (re.compile(r"(?i)\baider\b"), "aider (signed commit)"),
    (
        re.compile(r"(?i)\bdevin\b|openhands|\bamp\b|\bgoose\b|windsurf|opencode|\bfactory-droid\b|\bcline\b"),
        "agent (signed commit)",
    ),
)
_AGENT_KEYS = frozenset(
    {"co-authored-by", "generated-by", "assisted-by", "entire-checkpoint", "agent", "ai-agent", "model"}
)
_SIGNATURE = re.compile(r"(?im)^[ \t>*-]*([a-z][a-z-]*):[ \t]*(\S.*)$")
"""A trailer anywhere in the message: a squash merge leaves those of its commits in the middle."""
_AGENT_LINE = re.compile(r"(?im)^.*(?:generated (?:with|by)|written by|🤖).*$")

_DATA = re.compile(
    r"(?i)\.(?:svg|csv|tsv|ipynb|jsonl|ndjson|po|pot|geojson|xml|plist|pem|crt|pdf|png|jpe?g|gif|ico|woff2?|lockb|parquet|sql)$"
)


def unfit_commit(facts: CommitFacts) -> str | None:
    """Why a commit as a whole makes no rows, as far as its message and parents say."""
    if len(facts.parents) > 1:
        return "merge"
    if not facts.parents:
        return "first commit"
    if _REVERT.match(facts.subject) or "\nThis reverts commit" in facts.message:
        return "revert"
    if _BOT_SUBJECT.search(facts.subject) or any(_BOT_TRAILER.search(value) for _, value in facts.trailers):
        return "bot or release"
    if len(facts.subject) < _SHORTEST_SUBJECT or " " not in facts.subject:
        return "subject says nothing"
    return None


def unfit_size(files: Sequence[FileChange], config: CurateConfig) -> str | None:
    """Why a commit is too large to be one change. Files that are left out anyway do not count."""
    counted = [file for file in files if unfit_path(file.path) is None]
    lines = sum(len(hunk.removed) + len(hunk.added) for file in counted for hunk in file.hunks)
    if len(counted) > config.max_commit_files or lines > config.max_commit_lines:
        return "huge"
    return None


def unfit_path(path: str) -> str | None:
    """Why no file of this name makes rows."""
    if made := machine_made.by_name(path):
        return made
    if _DATA.search(path):
        return "data"
    if (
        PurePosixPath(path)
        .name.lower()
        .startswith(("changelog", "changes.", "history.", "news.", "authors", "contributors"))
    ):
        return "log of changes or names"
    return None


def unfit_file(file: FileChange) -> str | None:
    """Why one changed file makes no rows, as far as the change itself says."""
    if file.mode in ("120000", "160000"):
        return "link or submodule"
    reason = unfit_path(file.path)
    if reason:
        return reason
    if file.status == "A":
        return "new"
    if file.status == "D":
        return "deleted"
    if not file.hunks:
        return "binary, moved or only its mode changed"
    return None


def unfit_content(data: bytes | None, config: CurateConfig) -> str | None:
    """Why a file's content before the change makes no rows."""
    if data is None:
        return "content missing here"
    if len(data) > config.max_file_bytes:
        return "too large"
    if b"\0" in data:
        return "binary"
    if made := machine_made.by_mark(data):
        return made
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "not UTF-8"
    return None


def only_reformats(file: FileChange) -> bool:
    """Whether all hunks of a file together change nothing but white space, quotes and trailing commas."""
    removed = "".join(line for hunk in file.hunks for line in hunk.removed)
    added = "".join(line for hunk in file.hunks for line in hunk.added)
    return _bare(removed) == _bare(added)


def agent_of(facts: CommitFacts) -> str | None:
    """The agent that signed a commit, by trailers and the marks that agents leave in messages; else None."""
    signatures = [(key.lower(), value) for key, value in _SIGNATURE.findall(facts.message)]
    signed = [value for key, value in signatures if key in _AGENT_KEYS]
    if any(key == "entire-checkpoint" for key, _ in signatures):
        return "agent (signed commit)"
    signed += _AGENT_LINE.findall(facts.message)
    for line in signed:
        for pattern, name in _AGENTS:
            if pattern.search(line):
                return name
    return None


def _bare(text: str) -> str:
    return re.sub(r",(?=[)\]}])", "", re.sub(r"\s", "", text.replace("'", '"')))
