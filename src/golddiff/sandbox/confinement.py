"""Limits for the first process of a sandbox, set from outside before it runs anything.

How it fits: `process` calls `confine` while bubblewrap holds the sandbox back; what the sandbox then starts inherits
the limits. They count what is inside alone, because the process has a user namespace of its own by then, and no
program has to be started inside to set them, which took a tenth of a sandbox's whole start.

Source: prlimit(2).
"""

from __future__ import annotations

import resource

from golddiff.errors import SandboxError
from golddiff.sandbox.contract import Limits

__all__ = ["confine"]


def confine(process: int, limits: Limits) -> None:
    """Limit `process`, as the user that it runs as (`stranger`). Raises SandboxError where that cannot be."""
    try:
        for kind, soft, hard in (
            (resource.RLIMIT_NPROC, limits.processes, limits.processes),
            (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
            (resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes),
            (resource.RLIMIT_CPU, limits.cpu_sec, limits.cpu_sec + 1),
            (resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
            (resource.RLIMIT_CORE, 0, 0),
        ):
            _, most = resource.prlimit(process, kind)  # where less is allowed here, that stays
            if most != resource.RLIM_INFINITY:
                soft, hard = min(soft, most), min(hard, most)
            resource.prlimit(process, kind, (soft, hard))
    except (OSError, ValueError) as problem:
        raise SandboxError(f"cannot limit what runs inside: {problem}") from problem
