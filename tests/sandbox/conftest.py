"""One probed sandbox for all tests here; where none can work they are skipped with the sandbox's own reason."""

import pytest

from golddiff.errors import SandboxError
from golddiff.sandbox.bubblewrap import Bubblewrap, open_sandbox


@pytest.fixture(scope="session")
def sandbox() -> Bubblewrap:
    try:
        return open_sandbox(workers=2)
    except SandboxError as problem:
        pytest.skip(str(problem))
