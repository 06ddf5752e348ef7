"""What bubblewrap is told: which folders are visible, as whom the code runs, and with which interpreter.

How it fits: `bubblewrap` starts the commands that this module builds; nothing here starts anything, so that the
whole policy can be read and tested as text. bubblewrap's defaults are not a policy: without these arguments code
keeps root's capabilities, survives its parent and sees an unsized writable root.

Two situations need care. Started by root, the sandbox must not map to the host's uid 0, so a real unprivileged
uid is taken first; and that uid often cannot read where root's Python or the wheel's `bwrap` lie (`/root`), so
those folders are bind-mounted, in a mount namespace of our own, at a place that everyone can read. The mounts
vanish with the process; nothing is left on the host.

Source: bubblewrap(1) of 0.8.0 and 0.11.0, whose options used here are the same.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from functools import cache
from pathlib import Path

import msgspec

from golddiff.errors import SandboxError

__all__ = [
    "Interpreter",
    "bwrap_arguments",
    "interpreter",
    "privilege_prefix",
    "stage_prefix",
    "unprivileged_uid",
]

SEEN_AS = 65534
"""Uid and gid inside."""
_DYNAMIC_UIDS = range(61184, 65520)  # systemd's DynamicUser range: nobody's files belong to these
_STAGES = ("/mnt", "/media", "/srv", "/opt")
_STAGE_SCRIPT = """set -eu
stage=$1; shift
mount -t tmpfs -o mode=0755,size=64k tmpfs "$stage"
while [ "$1" != -- ]; do mkdir "$stage/$1"; mount --rbind "$2" "$stage/$1"; shift 2; done; shift
exec "$@"
"""


class Interpreter(msgspec.Struct, frozen=True):
    """A Python as it is seen inside the sandbox."""

    executable: str
    libraries: str
    """For LD_LIBRARY_PATH: a shared libpython is linked by a path that does not exist inside."""
    source: Path | None
    """Folder of the host that must appear at /python; None where it lies below /usr."""


def interpreter() -> Interpreter:
    """Return the base interpreter of this process (not its virtual environment) as the sandbox will see it.

    Raises SandboxError where it cannot be located.
    """
    prefix = Path(sys.base_prefix).resolve()
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if not executable.is_relative_to(prefix):
        executable = prefix / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not executable.exists():
        raise SandboxError(f"cannot find this Python's base interpreter: {executable} does not exist")
    if prefix.is_relative_to("/usr"):
        return Interpreter(str(executable), str(prefix / "lib"), None)
    return Interpreter(str("/python" / executable.relative_to(prefix)), "/python/lib", prefix)


def unprivileged_uid() -> int | None:
    """Return the uid to become before starting a sandbox, or None where this process is unprivileged already.

    Each process of ours takes another one, since the kernel counts processes by uid.
    """
    if os.geteuid() != 0:
        return None
    return _DYNAMIC_UIDS[os.getpid() % len(_DYNAMIC_UIDS)]


def readable_by_all(path: Path) -> bool:
    """Whether a stranger's uid can enter this folder (or execute this file) through all its parents."""
    path = path.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def privilege_prefix(uid: int | None, folders: dict[str, Path]) -> tuple[list[str], dict[str, Path]]:
    """Return the command that drops to `uid` with `folders` readable, and where those folders are then found.

    The command is a prefix: bubblewrap's own argument list follows. Raises SandboxError where a tool is missing.
    """
    enter, seen = stage_prefix(uid, folders)
    if uid is None:
        return enter, seen
    drop = [_tool("setpriv"), f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", "--"]
    return enter + drop, seen


def stage_prefix(uid: int | None, folders: dict[str, Path]) -> tuple[list[str], dict[str, Path]]:
    """Return the prefix that mounts those folders which `uid` cannot enter where it can, and where all are found."""
    if uid is None:
        return [], folders
    hidden = {name: path for name, path in folders.items() if not readable_by_all(path)}
    if not hidden:
        return [], folders
    stage = next(
        (
            place
            for place in _STAGES
            if os.path.isdir(place) and not any(path.is_relative_to(place) for path in folders.values())
        ),
        None,
    )
    if stage is None:
        raise SandboxError(f"need one of {', '.join(_STAGES)} as a mount point for the sandbox's interpreter")
    pairs = [part for name, path in hidden.items() for part in (name, str(path))]
    enter = [_tool("unshare"), "--mount", "--propagation", "private", "--"]
    staged = {name: Path(stage) / name for name in hidden}
    return [*enter, _tool("sh"), "-c", _STAGE_SCRIPT, "stage", stage, *pairs, "--"], folders | staged


def bwrap_arguments(*, readable: dict[str, Path], disk_bytes: int, libraries: str) -> list[str]:
    """Return bubblewrap's arguments up to, not including, descriptors and the command.

    `readable` maps places inside to folders of the host that are bound there read-only.
    """
    arguments = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
    arguments += ["--cap-drop", "ALL", "--uid", str(SEEN_AS), "--gid", str(SEEN_AS), "--hostname", "sandbox"]
    arguments += _system()
    for place, folder in readable.items():
        arguments += ["--ro-bind", str(folder), place]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--size", str(disk_bytes), "--tmpfs", "/work"]
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work", "--clearenv"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/work",
        "TMPDIR": "/work",
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": libraries,
        "PYTHONHASHSEED": "0",  # the order of sets must not differ between two runs of one evaluation
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    return arguments


@cache
def _system() -> tuple[str, ...]:
    """Return the arguments for the system's programs and libraries."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if os.path.islink(f"/{name}"):
            arguments += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
        elif os.path.isdir(f"/{name}"):
            arguments += ["--ro-bind", f"/{name}", f"/{name}"]
    return tuple(arguments)


def _tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise SandboxError(f"{name} is not installed; on Debian and Ubuntu: apt-get install util-linux mount")
    return found
