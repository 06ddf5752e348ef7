"""Every event of the HTTP path is counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from golddiff.record.gateway.gate import Served
from golddiff.record.gateway.metrics import Metrics
from golddiff.record.gateway.observer import Observer, memory_of


def served(**changes: object) -> Served:
    usual: dict[str, object] = {
        "call_id": "call_1", "key_id": "key_1", "protocol": "openai-chat", "upstream": "main", "status": 200,
        "code": "", "ending": "complete", "first_byte_ns": 10**6, "duration_ns": 10**9, "request_bytes": 10,
        "response_bytes": 20, "attempts": 1, "streamed": False,
    }  # fmt: skip
    return Served(**usual | changes)  # type: ignore[arg-type]


@pytest.fixture
def metrics(tmp_path: Path) -> Metrics:
    return Metrics(tmp_path, 0, ["main"])


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "2xx"),
        ({"status": 429}, "4xx"),
        ({"status": 502, "code": "upstream_broke", "ending": "upstream_error"}, "5xx"),
        ({"ending": "client_gone"}, "client_gone"),
        ({"ending": "truncated"}, "truncated"),
        ({"ending": "upstream_error"}, "upstream_error"),
    ],
)
def test_a_request_is_counted_by_what_the_client_saw(metrics: Metrics, changes: dict[str, object], shown: str) -> None:
    Observer(metrics).served(served(**changes))
    assert metrics.value("golddiff_gateway_requests_total", "openai-chat", shown) == 1
    assert b"golddiff_gateway_duration_seconds_count 1\n" in metrics.render()


def test_retries_and_failures_are_counted_by_upstream(metrics: Metrics) -> None:
    Observer(metrics).served(served(attempts=3, status=504, code="upstream_timeout", ending="upstream_error"))
    assert metrics.value("golddiff_gateway_retries_total", "main") == 2
    assert metrics.value("golddiff_gateway_upstream_failures_total", "main", "upstream_timeout") == 1


def test_records_are_counted_by_state_and_drops_by_reason(metrics: Metrics) -> None:
    watch = Observer(metrics)
    for state, reason in (("acked", ""), ("late", ""), ("partial", ""), ("dropped", "enospc")):
        watch.recorded("call_1", state, reason)
        assert metrics.value("golddiff_gateway_records_total", state) == 1
    assert metrics.value("golddiff_gateway_records_dropped_total", "enospc") == 1


def test_memory_is_shown_beside_its_bounds(metrics: Metrics) -> None:
    watch = Observer(metrics)
    watch.memory = memory_of(
        SimpleNamespace(held_bytes=10), SimpleNamespace(counters={"waiting_bytes": 20, "history_bytes": 30})
    )  # type: ignore[arg-type]
    watch.look()
    text = metrics.render()
    for what, size in (("requests", 10), ("ring", 20), ("history", 30)):
        assert b'golddiff_gateway_memory_bytes{what="%b"} %d\n' % (what.encode(), size) in text
    assert metrics.value("golddiff_gateway_memory_bytes", "process") > 10 << 20


def test_refusals_are_one_number_and_no_line(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    watch = Observer(metrics)
    for _ in range(1000):
        watch.refused(401, "unknown_key")
    assert metrics.value("golddiff_gateway_refused_total", "unknown_key") == 1000
    assert not caplog.records


def test_connections_go_up_and_down(metrics: Metrics) -> None:
    watch = Observer(metrics)
    for change in (1, 1, -1):
        watch.connections(change)
    assert metrics.value("golddiff_gateway_connections") == 1


def test_what_files_failed_is_counted_once(metrics: Metrics) -> None:
    failed = [0]

    async def run() -> None:
        Observer(metrics, loop=asyncio.get_running_loop(), degraded={"limits": lambda: failed[0]})

    asyncio.run(run())
    watch = Observer(metrics, degraded={"limits": lambda: failed[0]})
    failed[0] = 3
    watch.look()
    watch.look()
    assert metrics.value("golddiff_gateway_degraded_total", "limits") == 3
