"""Calls to record, and a recorder's verdicts collected."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from golddiff.record.capture import RawCall, Verdict
from golddiff.record.spool import recorder
from golddiff.record.spool.files import CreateFile, SegmentFile, create_file
from golddiff.types import new_id


def raw_call(request: bytes = b"{}", response: bytes = b"ok", **fields: Any) -> RawCall:
    """A call with nothing special about it but what is asked for."""
    values: dict[str, Any] = {
        "call_id": new_id("call"),
        "started_at": datetime(2026, 11, 21, 12, tzinfo=UTC),
        "first_byte_ns": 1_000,
        "duration_ns": 2_000,
        "key_id": "key_1",
        "protocol": "anthropic-messages",
        "upstream": "main",
        "method": "POST",
        "path": "/v1/messages",
        "asked_model": "a-model",
        "request_headers": (("content-type", "application/json"),),
        "response_headers": (("request-id", "req_1"),),
        "status": 200,
        "streamed": False,
        "ending": "complete",
    }
    return RawCall(request_body=request, response_body=response, **(values | fields))


def conversation(turns: int, seed: str = "a", text_bytes: int = 400) -> list[bytes]:
    """The requests of one agent: each holds all that was said before."""
    messages: list[dict[str, str]] = []
    bodies = []
    for turn in range(turns):
        role = "user" if turn % 2 == 0 else "assistant"
        messages.append({"role": role, "content": f"{seed} {turn} " * (text_bytes // 6)})
        bodies.append(json.dumps({"model": "m", "messages": messages, "tools": []}, separators=(",", ":")).encode())
    return bodies


def record_together(
    folder: Path, calls: list[RawCall], *, create_file: CreateFile = create_file, **config: Any
) -> Verdicts:
    """Record the calls while a disk waits for all of them, so that they are one commit."""
    all_wait, verdicts = threading.Event(), Verdicts()

    def create(path: Path) -> SegmentFile:
        assert all_wait.wait(60)
        return create_file(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "_TURN_SEC", 60.0)
        writer = recorder.SpoolRecorder(folder, "0", config=recorder.SpoolConfig(**config), create=create)
        for call in calls:
            writer.submit(call, verdicts.done(call))
        all_wait.set()
        verdicts.wait(len(calls))
        writer.close(30)
    return verdicts


class Verdicts:
    """Collects verdicts and waits for them."""

    def __init__(self) -> None:
        self.of: dict[str, Verdict] = {}
        self._changed = threading.Condition()

    def done(self, call: RawCall) -> Any:
        def say(verdict: Verdict) -> None:
            with self._changed:
                assert call.call_id not in self.of, "a verdict was given twice"
                self.of[call.call_id] = verdict
                self._changed.notify_all()

        return say

    def wait(self, count: int, timeout: float = 60.0) -> None:
        """Return when `count` verdicts were given."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of) >= count, timeout), f"{len(self.of)} of {count} verdicts"

    @property
    def acked(self) -> set[str]:
        return {call_id for call_id, verdict in self.of.items() if verdict.acked}

    def dropped(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for verdict in self.of.values():
            if verdict.drop is not None:
                counts[str(verdict.drop)] = counts.get(str(verdict.drop), 0) + 1
        return counts
