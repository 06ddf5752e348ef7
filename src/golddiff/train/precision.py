"""Which number format trains fastest here: bf16 autocast where the processor has instructions for it, else fp32.

On a CPU without AVX512_BF16 or AMX, bf16 matrix products are emulated and some eight times slower than fp32 (measured
on AVX2). Weights and optimiser state stay fp32 either way.
"""

from __future__ import annotations

from pathlib import Path

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""As Linux names them; `bf16` is Arm's."""


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor multiplies bf16 matrices natively; False where Linux does not say."""
    try:
        text = cpuinfo.read_text("utf-8", "replace")
    except OSError:
        return False
    for line in text.splitlines():
        name, _, flags = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return not _BF16_FLAGS.isdisjoint(flags.split())
    return False
