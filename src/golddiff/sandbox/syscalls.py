"""The seccomp filter: system calls that no graded program needs and that have let programs out before.

How it fits: bubblewrap installs what `seccomp_program` returns (`--seccomp FD`) just before the untrusted code
starts. Namespaces, dropped capabilities and limits are the walls; this closes what they leave open: key rings
and vsock are not namespaced, io_uring and perf have long lists of kernel bugs, `TIOCSTI` types into a terminal.

A call that no honest program makes kills it (SIGSYS, reported as a violation). A call that honest libraries
probe for is answered with an error instead.

Not covered: this is a deny list over a wide kernel; it narrows the attack surface, it does not replace it.
Method: libseccomp through pyseccomp; the list follows the defaults of Docker and systemd's `@privileged` group.
"""

from __future__ import annotations

import contextlib
import errno
import tempfile
from typing import Any

from golddiff.errors import SandboxError

__all__ = ["seccomp_program"]

KILLED = (
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "keyctl", "add_key", "request_key", "bpf",
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsmount", "fsconfig",
    "fspick", "mount_setattr", "setns", "kexec_load", "kexec_file_load", "init_module", "finit_module",
    "delete_module", "reboot", "swapon", "swapoff", "acct", "quotactl", "open_by_handle_at", "userfaultfd",
    "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "syslog", "sethostname", "setdomainname",
    "iopl", "ioperm", "lookup_dcookie", "nfsservctl", "vhangup",
)  # fmt: skip
REFUSED = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "perf_event_open", "unshare", "personality",
    "name_to_handle_at", "mknod", "mknodat", "fanotify_init", "move_pages", "migrate_pages", "pidfd_getfd",
)  # fmt: skip

_LAST_ORDINARY_FAMILY = 10  # AF_INET6; above lie netlink, packet, alg, vsock, xdp and others
_ORDINARY_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: harmless in an empty network namespace
_CLONE_NEWUSER = 0x10000000
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX


def seccomp_program() -> bytes:
    """Return the filter as the kernel's BPF bytes.

    Raises SandboxError where pyseccomp or the libseccomp library that it loads is missing.
    """
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as problem:
        raise SandboxError(
            f"cannot build the system-call filter: {problem}. Untrusted code is not run without it. "
            "Run: pip install pyseccomp, and install libseccomp (Debian, Ubuntu: apt-get install libseccomp2)."
        ) from problem
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refuse = pyseccomp.ERRNO(errno.EPERM)
    for name in KILLED:
        _add(rules, pyseccomp.KILL_PROCESS, name)
    for name in REFUSED:
        _add(rules, pyseccomp.ERRNO(errno.ENOSYS) if name.startswith("io_uring") else refuse, name)
    for request in _TERMINAL_INJECTION:
        rules.add_rule(refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.EQ, request))
    rules.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_NEWUSER, _CLONE_NEWUSER))
    # clone3 hides its flags behind a pointer; glibc falls back to clone when it does not exist.
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    rules.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.GT, _LAST_ORDINARY_FAMILY))
    for family in set(range(_LAST_ORDINARY_FAMILY)) - set(_ORDINARY_FAMILIES):
        rules.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    with tempfile.TemporaryFile() as target:
        rules.export_bpf(target)
        target.seek(0)
        return target.read()


def _add(rules: Any, action: int, name: str) -> None:
    # This architecture or an older libseccomp may not know the call: then there is nothing to forbid.
    with contextlib.suppress(OSError, ValueError):
        rules.add_rule(action, name)
