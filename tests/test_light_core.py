"""Recording, outcomes and reports run where there is no torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_EACH = """
import contextlib, io, json, sys
HEAVY = {"torch", "transformers", "ctranslate2", "pyarrow", "rensa", "scipy", "psycopg", "fsspec"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
from golddiff.cli import main
said = {}
for verb in sys.argv[1:]:
    sys.argv = ["golddiff", verb, "--help"]
    out, err, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    said[verb] = [code, out.getvalue(), err.getvalue()]
assert not HEAVY & sys.modules.keys()
print(json.dumps(said))
"""
_VERBS = ["report", "import", "outcomes", "show", "rights", "curate", "evaluate", "serve", "store", "demo"]


@pytest.fixture(scope="module")
def said() -> dict[str, tuple[int, str, str]]:
    """Exit code and both outputs by verb: all asked of one process, where every import of a heavy package fails."""
    command = [sys.executable, "-c", _EACH, *_VERBS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return {verb: tuple(one) for verb, one in json.loads(done.stdout).items()}


@pytest.mark.parametrize("verb", _VERBS)
def test_a_verb_can_be_asked_for_help_without_the_heavy_extras(
    said: dict[str, tuple[int, str, str]], verb: str
) -> None:
    code, out, err = said[verb]
    assert code == 0, err
    assert "Usage" in out
