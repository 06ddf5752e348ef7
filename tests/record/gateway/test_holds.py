"""Every call ends in one state, and what was held back is let go once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from golddiff.record.capture import ACKED, Drop, Ending, RawCall, Verdict
from golddiff.record.gateway import holds as holds_module
from golddiff.record.gateway.holds import Holds
from record.gateway.fakes import run


def call(ending: Ending = "complete") -> RawCall:
    return RawCall(
        call_id="call_1", started_at=datetime.now(UTC), first_byte_ns=1, duration_ns=2, key_id=None, protocol="other",
        upstream="u", method="POST", path="/", asked_model=None, request_headers=(), response_headers=(),
        request_body=b"", response_body=b"", status=200, streamed=False, ending=ending,
    )  # fmt: skip


class Over:
    """A call that is over."""

    def __init__(
        self,
        let_go: Callable[[], None] | None = None,
        report: Callable[[str, str], object] = lambda *_: None,
        ending: Ending = "complete",
        size_bytes: int = 100,
    ) -> None:
        self.whole = ending == "complete"
        self.let_go = let_go
        self.report = report  # type: ignore[method-assign,assignment]
        self.size_bytes = size_bytes
        self.ending = ending

    def call(self) -> RawCall:
        return call(self.ending)

    def report(self, state: str, reason: str) -> None: ...


class Later:
    """A recorder whose verdicts come from another thread, when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[Verdict], None]] = []
        self.counters: dict[str, int] = {}

    def submit(self, call: RawCall, done: Callable[[Verdict], None]) -> None:
        self.waiting.append(done)

    def close(self, timeout: float) -> None: ...

    def say(self, verdict: Verdict) -> None:
        def work() -> None:
            for done in self.waiting:
                done(verdict)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.waiting.clear()


@pytest.mark.parametrize(
    ("deadline", "waits", "ending", "verdict", "state"),
    [
        (5.0, 0.0, "complete", ACKED, ("acked", "")),
        (0.01, 0.05, "complete", ACKED, ("late", "")),
        (0.0, 0.0, "complete", ACKED, ("late", "")),
        (5.0, 0.0, "client_gone", ACKED, ("partial", "")),
        (5.0, 0.0, "complete", Verdict(Drop.RING_FULL), ("dropped", "ring_full")),
        (0.01, 0.05, "complete", Verdict(Drop.EIO), ("dropped", "eio")),
    ],
)
def test_a_call_ends_in_one_state(
    deadline: float, waits: float, ending: Ending, verdict: Verdict, state: tuple[str, str]
) -> None:
    async def work() -> None:
        recorder = Later()
        holds = Holds(recorder, deadline, asyncio.get_running_loop())
        let_go: list[int] = []
        states: list[tuple[str, str]] = []
        for number in range(20):
            holds.submit(Over(partial(let_go.append, number), lambda s, r: states.append((s, r)), ending))
        await asyncio.sleep(waits)
        assert let_go == (list(range(20)) if waits or not deadline else [])
        recorder.say(verdict)
        await asyncio.sleep(0.02)
        assert let_go == list(range(20))
        assert states == [state] * 20
        assert holds.open == 0

    run(work())


@pytest.mark.parametrize(("under_way", "handed"), [(1, 1), (2, 0)])
def test_a_call_that_is_alone_goes_to_the_recorder_in_the_moment_it_ends(under_way: int, handed: int) -> None:
    async def work() -> None:
        recorder = Later()
        holds = Holds(recorder, 5.0, asyncio.get_running_loop(), range(under_way))
        holds.submit(Over())
        assert len(recorder.waiting) == handed
        await asyncio.sleep(0)
        assert len(recorder.waiting) == 1, "the other did not end in the same turn"

    run(work())


def test_verdicts_that_came_before_the_end_are_taken_with_it() -> None:
    async def work() -> None:
        recorder, let_go = Later(), asyncio.Event()
        holds = Holds(recorder, 5.0, asyncio.get_running_loop())
        holds.submit(Over(let_go.set))
        await asyncio.sleep(0)
        recorder.say(ACKED)
        holds.close()
        assert let_go.is_set()
        assert holds.open == 0

    run(work())


def test_a_recorder_that_never_answers_holds_nobody_back() -> None:
    async def work() -> None:
        holds = Holds(Later(), 0.02, asyncio.get_running_loop())
        let_go = asyncio.Event()
        holds.submit(Over(let_go.set))
        await asyncio.wait_for(let_go.wait(), 2)
        assert holds.open == 1

    run(work())


def test_a_verdict_that_never_comes_holds_up_none_of_the_calls_after_the_deadline() -> None:
    async def work() -> None:
        recorder, let_go = Later(), asyncio.Event()
        holds = Holds(recorder, 0.02, asyncio.get_running_loop())
        holds.submit(Over())
        await asyncio.sleep(0)
        recorder.waiting.clear()  # it is lost
        holds.submit(Over())
        until = time.monotonic() + 2
        while not recorder.waiting and time.monotonic() < until:
            await asyncio.sleep(0.005)
        assert len(recorder.waiting) == 1, "handed over at the deadline, though nobody's bytes wait for it"
        recorder.say(ACKED)
        await asyncio.sleep(0)
        holds._deadline = 60.0
        for count in (1, 2):
            let_go.clear()
            holds.submit(Over(let_go.set))
            await asyncio.sleep(0)
            assert len(recorder.waiting) == 1, f"call {count} after it goes at once"
            recorder.say(ACKED)
            await asyncio.wait_for(let_go.wait(), 2)
        assert holds.open == 1

    run(work())


def test_calls_that_end_while_the_disk_works_go_to_it_together_but_large_ones_at_once() -> None:
    async def work() -> None:
        recorder = Later()
        holds = Holds(recorder, 5.0, asyncio.get_running_loop())
        holds.submit(Over())
        await asyncio.sleep(0)
        assert len(recorder.waiting) == 1
        for _ in range(10):
            holds.submit(Over())
            await asyncio.sleep(0)
        assert len(recorder.waiting) == 1
        assert holds.open == 11
        recorder.say(ACKED)
        await asyncio.sleep(0.01)
        assert len(recorder.waiting) == 10
        holds.submit(Over())
        holds.submit(Over(size_bytes=1 << 20))
        assert len(recorder.waiting) == 12

    run(work())


def test_where_many_calls_end_they_wait_for_each_other_until_nobody_else_can_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holds_module, "_MANY_PER_SEC", 0.0)
    monkeypatch.setattr(holds_module, "_GATHER_SEC", 60.0)

    async def turns() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def work() -> None:
        recorder, connections = Later(), [1, 2, 3]
        holds = Holds(recorder, 90.0, asyncio.get_running_loop(), connections)
        holds.submit(Over())
        await turns()
        recorder.say(ACKED)
        await turns()
        holds.submit(Over())
        await turns()
        assert len(recorder.waiting) == 1, "one call that ended alone is not many"
        for _ in range(2):
            holds.submit(Over())
        recorder.say(ACKED)
        await turns()
        assert len(recorder.waiting) == 2
        recorder.say(ACKED)
        await turns()
        for _ in range(2):
            holds.submit(Over())
        await turns()
        assert recorder.waiting == []
        holds.submit(Over())
        await turns()
        assert len(recorder.waiting) == 3

    run(work())


def test_a_call_that_cannot_be_read_is_dropped_and_its_client_goes_on() -> None:
    class Broken(Over):
        def call(self) -> RawCall:
            raise ValueError("no")

    async def work() -> None:
        let_go = asyncio.Event()
        states: list[tuple[str, str]] = []
        holds = Holds(Later(), 5.0, asyncio.get_running_loop())
        holds.submit(Broken(let_go.set, lambda s, r: states.append((s, r))))
        await asyncio.wait_for(let_go.wait(), 2)
        assert states == [("dropped", "internal")]

    run(work())
