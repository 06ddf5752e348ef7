from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golddiff.errors import WorkspaceError
from golddiff.record.calls.bodies import Bodies, keep_after, keep_alone, rebuild_answer, rebuild_request
from golddiff.store import Store
from golddiff.types import Call, CleanBytes
from record.calls.world import START


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def call(call_id: str, body: bytes, base: Call | None = None, base_body: bytes = b"") -> Call:
    kept = keep_alone(CleanBytes(body)) if base is None else keep_after(CleanBytes(body), base, base_body)
    return Call(
        id=call_id,
        protocol="other",
        upstream="u",
        method="POST",
        path="/",  # type: ignore[arg-type]
        started_at=START,
        ending="complete",
        request=kept,
        answer=keep_alone(CleanBytes(b"answer")),
    )


SHARED = b"a shared beginning that is long enough to be kept once " * 8


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_body_after_any_other_is_rebuilt(store: Store, first: bytes, second: bytes, tail: bytes) -> None:
    one, two = SHARED + first + tail, SHARED + second + tail
    base = call("call_1", one)
    store.put(base, call("call_2", two, base, one))
    assert Bodies().request(store, store.get(Call, "call_2")) == two


def test_what_two_bodies_share_is_kept_once(store: Store) -> None:
    base = call("call_1", SHARED)
    grown = call("call_2", SHARED + b"more" + SHARED, base, SHARED)
    assert grown.request.base == "call_1"
    assert len(grown.request.rest) < 100


def test_a_body_that_is_not_what_was_recorded_is_an_error(store: Store) -> None:
    kept = call("call_1", b"body")
    wrong = msgspec.structs.replace(kept, request=msgspec.structs.replace(kept.request, hash="0" * 64))
    with pytest.raises(WorkspaceError, match="not what was recorded"):
        rebuild_request(store, wrong)
    damaged = msgspec.structs.replace(kept, answer=msgspec.structs.replace(kept.answer, rest=CleanBytes(b"no zstd")))
    with pytest.raises(WorkspaceError, match="damaged"):
        rebuild_answer(damaged)
