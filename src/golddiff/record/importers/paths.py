"""Paths as tools state them → POSIX paths relative to the session's folder."""

from __future__ import annotations

import posixpath
import re

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def relative_path(path: str, cwd: str | None, folder: str | None = None) -> str:
    r"""Return `path` relative to `cwd` where it lies below it, else absolute.

    `folder` is where a relative path starts, where that is not `cwd`. Windows paths (`C:\work\a.py`) get forward
    slashes. Only the text is looked at: no file system, no symbolic links.
    """
    path = posixpath.normpath(_posix(path))
    base = posixpath.normpath(_posix(cwd)) if cwd else None
    if not _is_absolute(path):
        start = _posix(folder) if folder else base
        if start is None:
            return path
        if not _is_absolute(start) and base is not None:
            start = posixpath.join(base, start)
        path = posixpath.normpath(posixpath.join(start, path))
    if base is not None and base != "/":
        prefix = base + "/"
        if path.startswith(prefix):
            return path[len(prefix) :]
        if _DRIVE.match(base) and path.lower().startswith(prefix.lower()):
            return path[len(prefix) :]
    return path


def _posix(path: str) -> str:
    return path.replace("\\", "/") if _DRIVE.match(path) or path.startswith("\\\\") else path


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or _DRIVE.match(path) is not None
