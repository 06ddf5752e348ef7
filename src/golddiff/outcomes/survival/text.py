"""Lines as bytes: how long they are, and those of a blob."""

from __future__ import annotations

from collections.abc import Iterable

from golddiff.git import GitRepository

_HEAD = 8000
"""Bytes in which git looks for a NUL to tell binary files."""


def lengths(lines: Iterable[bytes]) -> list[int]:
    """Characters of each line without its line end; 0 for a blank one."""
    return [len(line) if line.isascii() else len(line.decode("utf-8", "replace")) for line in map(bytes.rstrip, lines)]


def text_lines(git: GitRepository, blob: bytes) -> list[bytes]:
    """Lines of a blob, cut at `\\\\n` only; none where it is binary."""
    data = git.blob(blob.decode()) or b""
    if not data or b"\0" in data[:_HEAD]:
        return []
    return [line + b"\n" for line in data.removesuffix(b"\n").split(b"\n")]
