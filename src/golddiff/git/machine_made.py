"""Files that no one writes by hand: lock files, vendored or built trees, generated code.

By name first, by the mark that generators leave in a file's head second. Liberal about machines: taking a lock file for
a person's work teaches a student to write lock files, and counts thousands of lines that no one read.
"""

from __future__ import annotations

import re

_VENDORED = re.compile(
    r"(?i)(?:^|/)(?:vendor|vendored|_vendor|third[_-]?party|node_modules|bower_components|site-packages|external|"
    r"dist|build|out|target|__snapshots__|\.yarn|\.venv)/"
)
_GENERATED = re.compile(
    r"(?i)(?:^|/)(?:generated|gen|autogen)/|[._-]generated\.|\.gen\.|\.g\.dart$|_pb2(?:_grpc)?\.pyi?$|\.pb\.(?:go|cc|h)$|"
    r"\.min\.(?:js|css)$|\.bundle\.js$|\.map$|\.snap$|zz_generated|mock_[^/]*\.go$|\.designer\.cs$|_string\.go$"
)
_LOCK = re.compile(
    r"(?i)(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|poetry\.lock|pdm\.lock|"
    r"uv\.lock|pipfile\.lock|cargo\.lock|composer\.lock|gemfile\.lock|go\.sum|flake\.lock|mix\.lock|[^/]*\.lock)$"
)
_MARK = re.compile(
    rb"(?i)code generated .{0,80}do not edit|@generated|this file (?:is|was) (?:auto-?)?generated|"
    rb"do not edit (?:this file|by hand|manually)"
)
_HEAD_BYTES = 2_000
"""Where generators put their mark."""


def by_name(path: str) -> str | None:
    """Why a file of this name is a machine's: `lock file`, `vendored or built`, `generated`; else None."""
    for pattern, reason in ((_LOCK, "lock file"), (_VENDORED, "vendored or built"), (_GENERATED, "generated")):
        if pattern.search(path):
            return reason
    return None


def by_mark(data: bytes) -> str | None:
    """`generated` where the head of a file says so; else None."""
    return "generated" if _MARK.search(data[:_HEAD_BYTES]) else None
