"""The filter exists, or its absence is an error with the fix."""

import sys

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox.syscalls import seccomp_program


def test_the_filter_is_bpf() -> None:
    pytest.importorskip("pyseccomp", exc_type=(ImportError, RuntimeError))
    program = seccomp_program()
    assert len(program) % 8 == 0
    assert 100 < len(program) < 32768


def test_without_pyseccomp_it_refuses_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(SandboxError, match="pip install pyseccomp"):
        seccomp_program()
