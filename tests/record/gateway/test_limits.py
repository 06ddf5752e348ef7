"""What a key may use, over workers, restarts and clocks."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from golddiff.record.gateway import prices
from golddiff.record.gateway.clock import SECOND
from golddiff.record.gateway.keyfile import Key, KeyFile, KeyLimits
from golddiff.record.gateway.keys import ANYONE, Admission, admission_of
from golddiff.record.gateway.limits import DEFAULT_ANSWER, Limits, Reservation
from golddiff.record.gateway.refusal import Reason, Refusal
from golddiff.types import Usage

PRICED = "golddiff-test-model"
PRICE_LIST = """
version = "2026-11-21"
[[provider]]
name = "test"
source = { title = "test", url = "", as_of = "2026-11-21", read = "contract" }
[[provider.family]]
models = ["golddiff-test-*"]
rates = { input = 1, output = 10, cache_read = 0.1, cache_write = 2 }
"""
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
HOUR = 3600 * SECOND
NOON = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * SECOND


class Time:
    """A wall clock and a boot clock."""

    def __init__(self) -> None:
        self.wall, self.boot = NOON, 1000 * SECOND

    def passes(self, nanoseconds: int) -> None:
        self.wall += nanoseconds
        self.boot += nanoseconds


def open_limits(folder: Path, clock: Time | None = None, *, boot_id: int = 1) -> Limits:
    (folder / prices.FILE_NAME).write_text(PRICE_LIST)
    clock = clock or Time()
    return Limits(folder, prices.load(folder), wall=lambda: clock.wall, boot=lambda: clock.boot, boot_id=boot_id)


def make(folder: Path, **limits: float) -> tuple[Key, Admission]:
    _, key = KeyFile(folder).create("test", limits=KeyLimits(**limits))  # type: ignore[arg-type]
    return key, admission_of(key)


def ask(limits: Limits, who: Admission, *, prompt: int = 100, answer: int = 100) -> Reservation | Refusal:
    return limits.reserve(who, model=PRICED, request_bytes=4 * prompt, max_output_tokens=answer)


def passed(limits: Limits, who: Admission, times: int) -> int:
    return sum(isinstance(ask(limits, who), Reservation) for _ in range(times))


def why(found: Reservation | Refusal) -> Reason | None:
    return found.reason if isinstance(found, Refusal) else None


def test_requests_per_minute_hold_in_every_sixty_seconds(tmp_path: Path) -> None:
    clock = Time()
    _, who = make(tmp_path, requests_per_minute=100)
    limits = open_limits(tmp_path, clock)
    sent: list[int] = []
    for _ in range(600):
        sent += [clock.boot] * passed(limits, who, 3)
        clock.passes(SECOND // 2)
    most = max(sum(start <= at < start + 60 * SECOND for at in sent) for start in sent)
    assert most == 100
    assert len(sent) >= 400


def test_a_refusal_says_when_to_come_back_and_is_right(tmp_path: Path) -> None:
    clock = Time()
    _, who = make(tmp_path, requests_per_minute=2)
    limits = open_limits(tmp_path, clock)
    assert passed(limits, who, 2) == 2
    refusal = ask(limits, who)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 429
    assert dict(refusal.headers) == {"retry-after": str(refusal.retry_after)}
    assert refusal.retry_after is not None
    assert 60 <= refusal.retry_after <= 65
    clock.passes(refusal.retry_after * SECOND)
    assert why(ask(limits, who)) is None


def test_tokens_per_minute_count_what_is_reserved_and_then_what_was_used(tmp_path: Path) -> None:
    _, who = make(tmp_path, tokens_per_minute=1000)
    limits = open_limits(tmp_path)
    made = ask(limits, who, prompt=100, answer=800)
    assert isinstance(made, Reservation)
    assert why(ask(limits, who)) is Reason.TOKENS_PER_MINUTE
    limits.settle(made, Usage(input_tokens=100, output_tokens=20, cache_read_tokens=30))
    assert passed(limits, who, 10) == 4


def test_a_call_larger_than_the_limit_per_minute_may_run_alone(tmp_path: Path) -> None:
    _, who = make(tmp_path, tokens_per_minute=1000)
    limits = open_limits(tmp_path)
    assert why(ask(limits, who, prompt=5000)) is None
    assert why(ask(limits, who, prompt=1)) is Reason.TOKENS_PER_MINUTE


def test_a_token_budget_is_never_passed_even_by_what_is_only_reserved(tmp_path: Path) -> None:
    _, who = make(tmp_path, tokens_per_day=1000)
    limits = open_limits(tmp_path)
    assert passed(limits, who, 20) == 5
    refusal = ask(limits, who)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.DAY_BUDGET
    assert "1,000 of 1,000 tokens" in refusal.message
    assert refusal.retry_after == 12 * 3600 + 1
    assert ("x-should-retry", "false") in refusal.headers


def test_a_money_budget_counts_by_the_price_list(tmp_path: Path) -> None:
    key, who = make(tmp_path, usd_per_day=0.01)
    limits = open_limits(tmp_path)
    made = ask(limits, who, prompt=1000, answer=500)  # 1000 x 2 (it may be written to a cache) + 500 x 10 = 7,000 u$
    assert isinstance(made, Reservation)
    assert made.money == 7_000_000
    assert why(ask(limits, who, prompt=1000, answer=500)) is Reason.DAY_BUDGET
    limits.settle(made, Usage(input_tokens=100, output_tokens=10, cache_read_tokens=900))
    limits.flush()
    assert limits.used(key).day_money == 1000 * (100 + 10 * 10) + 90_000
    assert why(ask(limits, who, prompt=1000, answer=500)) is None


@pytest.mark.parametrize(("asked", "answers"), [(10**30, 1), (-5, 1), (None, 10**30)])
def test_absurd_numbers_in_a_request_break_nothing(tmp_path: Path, asked: int | None, answers: int) -> None:
    _, who = make(tmp_path, requests_per_minute=5, tokens_per_minute=10**15, tokens_per_day=10**15, usd_per_day=1e9)
    limits = open_limits(tmp_path)
    for _ in range(5):
        made = limits.reserve(who, model=PRICED, request_bytes=10**18, max_output_tokens=asked, answers=answers)
        assert isinstance(made, Reservation)
        assert 10**6 <= made.tokens <= 2 * 10**6


def test_several_answers_are_several_reserved(tmp_path: Path) -> None:
    _, who = make(tmp_path, tokens_per_day=1_000_000)
    made = open_limits(tmp_path).reserve(who, model=PRICED, request_bytes=0, answers=3)
    assert isinstance(made, Reservation)
    assert made.tokens == 3 * DEFAULT_ANSWER


def test_a_request_without_a_limit_for_its_answer_reserves_a_usual_one(tmp_path: Path) -> None:
    _, who = make(tmp_path, tokens_per_day=10_000)
    made = open_limits(tmp_path).reserve(who, model=PRICED, request_bytes=400)
    assert isinstance(made, Reservation)
    assert made.tokens == 100 + DEFAULT_ANSWER


@pytest.mark.parametrize("limit", list(KeyLimits.__struct_fields__))
def test_a_limit_of_zero_lets_nothing_through(tmp_path: Path, limit: str) -> None:
    _, who = make(tmp_path, **{limit: 0})
    assert passed(open_limits(tmp_path), who, 3) == 0


def test_what_was_released_can_be_used_again(tmp_path: Path) -> None:
    key, who = make(tmp_path, tokens_per_day=200, usd_per_month=10)
    limits = open_limits(tmp_path)
    for _ in range(50):
        made = ask(limits, who)
        assert isinstance(made, Reservation)
        limits.release(made)
    limits.flush()
    assert limits.used(key).day_tokens == 0
    assert limits.used(key).month_money == 0


def test_usage_that_nobody_reported_is_the_prompt_and_the_answers_length(tmp_path: Path) -> None:
    key, who = make(tmp_path, tokens_per_day=10_000)
    limits = open_limits(tmp_path)
    made = ask(limits, who, prompt=100, answer=5000)
    assert isinstance(made, Reservation)
    limits.settle(made, None, answer_tokens=7)
    limits.flush()
    assert limits.used(key).day_tokens == 107


def test_more_than_was_reserved_counts_too(tmp_path: Path) -> None:
    key, who = make(tmp_path, tokens_per_day=10_000)
    limits = open_limits(tmp_path)
    made = ask(limits, who)
    assert isinstance(made, Reservation)
    limits.settle(made, Usage(input_tokens=9_000, output_tokens=5_000))
    assert why(ask(limits, who)) is Reason.DAY_BUDGET
    assert limits.used(key).day_tokens == 14_000 or limits.pending


def test_an_answer_that_ends_in_the_next_month_does_not_lower_that_months_count(tmp_path: Path) -> None:
    clock = Time()
    clock.wall = int(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC).timestamp()) * SECOND
    key, who = make(tmp_path, tokens_per_month=1000)
    limits = open_limits(tmp_path, clock)
    made = ask(limits, who, prompt=500, answer=400)
    assert isinstance(made, Reservation)
    clock.passes(120 * SECOND)
    assert why(ask(limits, who)) is None
    limits.settle(made, Usage(input_tokens=1))
    limits.flush()
    assert limits.used(key).month_tokens == 200
    assert limits.used(key).minute_tokens == 200


def test_a_model_without_a_price_needs_a_budget_in_tokens(tmp_path: Path) -> None:
    _, money = make(tmp_path, usd_per_day=5)
    _, both = make(tmp_path, usd_per_day=5, tokens_per_day=1000)
    limits = open_limits(tmp_path)
    assert why(limits.reserve(money, model="unheard-of", request_bytes=4)) is Reason.UNPRICED_MODEL
    assert why(limits.reserve(money, model=None, request_bytes=4)) is Reason.UNPRICED_MODEL
    made = limits.reserve(both, model="unheard-of", request_bytes=400, max_output_tokens=100)
    assert isinstance(made, Reservation)
    assert not made.priced
    assert limits.unpriced == 3


def test_a_key_for_some_models_may_not_use_others(tmp_path: Path) -> None:
    _, key = KeyFile(tmp_path).create("a", models=("golddiff-test-*",))
    limits = open_limits(tmp_path)
    assert why(ask(limits, admission_of(key))) is None
    assert why(limits.reserve(admission_of(key), model="gpt-5", request_bytes=4)) is Reason.MODEL


def test_an_alias_costs_what_the_model_behind_it_costs(tmp_path: Path) -> None:
    _, key = KeyFile(tmp_path).create("a", models=("fast",), limits=KeyLimits(usd_per_day=1))
    limits = open_limits(tmp_path)
    made = limits.reserve(admission_of(key), model="fast", priced_as=PRICED, request_bytes=400)
    assert isinstance(made, Reservation)
    assert made.priced
    assert made.model == PRICED
    assert why(limits.reserve(admission_of(key), model=PRICED, priced_as="fast", request_bytes=400)) is Reason.MODEL


def test_keys_without_limits_are_counted_all_the_same(tmp_path: Path) -> None:
    key, who = make(tmp_path)
    limits = open_limits(tmp_path)
    for _ in range(3):
        made = ask(limits, who)
        assert isinstance(made, Reservation)
        limits.settle(made, Usage(input_tokens=10, output_tokens=1))
    limits.flush()
    used = limits.used(key)
    assert (used.all_requests, used.all_tokens, used.all_money) == (3, 33, 60_000)


def test_nobodys_requests_are_not_counted(tmp_path: Path) -> None:
    limits = open_limits(tmp_path)
    made = ask(limits, ANYONE)
    assert isinstance(made, Reservation)
    limits.settle(made, Usage(input_tokens=1))
    assert not limits.pending


def test_budgets_outlive_a_restart_and_a_reboot(tmp_path: Path) -> None:
    clock = Time()
    _, who = make(tmp_path, tokens_per_day=1000)
    first = open_limits(tmp_path, clock)
    assert passed(first, who, 10) == 5
    first.close()
    assert passed(open_limits(tmp_path, clock), who, 10) == 0
    clock.passes(HOUR)
    clock.boot = 5 * SECOND
    assert passed(open_limits(tmp_path, clock, boot_id=2), who, 10) == 0


def test_a_new_day_and_a_new_month_start_anew(tmp_path: Path) -> None:
    clock = Time()
    _, who = make(tmp_path, tokens_per_day=1000, tokens_per_month=6000)
    limits = open_limits(tmp_path, clock)
    allowed = []
    for _ in range(11):
        allowed.append(passed(limits, who, 10))
        clock.passes(24 * HOUR)
    assert allowed == [5, 5, 5, 5, 5, 5, 0, 0, 0, 0, 5]  # 21 to 26 November use the month up; 1 December is new


def test_a_clock_that_jumps_resets_no_budget(tmp_path: Path) -> None:
    clock = Time()
    _, who = make(tmp_path, tokens_per_day=1000, tokens_per_month=1000, requests_per_minute=50)
    limits = open_limits(tmp_path, clock)
    assert passed(limits, who, 10) == 5
    for jump in (-48 * HOUR, 240 * HOUR, 24 * HOUR, -3000 * HOUR):
        clock.wall += jump
        clock.passes(2 * SECOND)
        assert passed(limits, who, 3) == 0
        assert passed(open_limits(tmp_path, clock), who, 3) == 0


def test_a_list_of_keys_that_was_made_anew_does_not_inherit_counters(tmp_path: Path) -> None:
    _, old = make(tmp_path, tokens_per_day=1000)
    limits = open_limits(tmp_path)
    assert passed(limits, old, 10) == 5
    (tmp_path / "keys.json").unlink()
    _, new = make(tmp_path, tokens_per_day=1000)
    assert new.slot == old.slot
    assert passed(limits, new, 10) == 5


def _worker(folder: Path, who: Admission, go: object, results: object, times: int) -> None:
    limits = Limits(folder, prices.load(folder))
    go.wait()  # type: ignore[attr-defined]
    results.put((passed(limits, who, times), limits.degraded))  # type: ignore[attr-defined]


@pytest.mark.parametrize("limit", [{"requests_per_minute": 100}, {"tokens_per_day": 20_000}, {"usd_per_day": 0.12}])
def test_four_workers_together_let_through_what_one_may(tmp_path: Path, limit: dict[str, float]) -> None:
    _, who = make(tmp_path, **limit)
    open_limits(tmp_path).close()
    (tmp_path / "limits.bin").unlink()
    context = multiprocessing.get_context("fork")
    go, results = context.Event(), context.SimpleQueue()
    workers = [context.Process(target=_worker, args=(tmp_path, who, go, results, 250)) for _ in range(4)]
    for worker in workers:
        worker.start()
    go.set()
    answers = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    total, degraded = (sum(numbers) for numbers in zip(*answers, strict=True))
    assert 100 <= total <= 100 + degraded  # degraded: on a busy machine a lock may be held for a quarter of a second


def test_what_was_reserved_ahead_far_from_a_limit_goes_back_and_is_shown_to_nobody(tmp_path: Path) -> None:
    clock = Time()
    key, who = make(tmp_path, requests_per_minute=1000, tokens_per_day=100_000)
    first, second = open_limits(tmp_path, clock), open_limits(tmp_path, clock)
    made = [ask(first, who) for _ in range(3)]
    assert (first.used(key).minute_requests, first.used(key).day_tokens) == (3, 600)
    assert second.used(key).minute_requests == 16
    assert first.pending
    first.flush()
    assert (second.used(key).minute_requests, second.used(key).day_tokens) == (3, 600)
    for one in made:
        assert isinstance(one, Reservation)
        first.release(one)
    first.flush()
    assert (second.used(key).day_tokens, second.used(key).all_requests) == (0, 3)


def test_what_was_reserved_ahead_by_one_worker_lets_no_other_pass_a_limit(tmp_path: Path) -> None:
    clock = Time()
    _, who = make(tmp_path, requests_per_minute=200)
    first, second = open_limits(tmp_path, clock), open_limits(tmp_path, clock)
    assert passed(first, who, 1) == 1
    assert passed(second, who, 500) == 184
    assert passed(first, who, 500) == 15


def test_a_forked_worker_has_no_part_in_what_was_reserved_ahead(tmp_path: Path) -> None:
    _, who = make(tmp_path, requests_per_minute=200)
    limits = open_limits(tmp_path)
    assert passed(limits, who, 1) == 1
    results = multiprocessing.get_context("fork").SimpleQueue()
    child = multiprocessing.get_context("fork").Process(target=lambda: results.put(passed(limits, who, 500)))
    child.start()
    inherited = results.get()
    child.join()
    assert inherited + passed(limits, who, 500) == 199


def test_a_worker_that_forked_keeps_its_own_lock(tmp_path: Path) -> None:
    _, who = make(tmp_path, requests_per_minute=100)
    limits = open_limits(tmp_path)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def child() -> None:
        results.put((passed(limits, who, 200), limits.degraded))

    workers = [context.Process(target=child) for _ in range(2)]
    for worker in workers:
        worker.start()
    answers = [(passed(limits, who, 200), limits.degraded), *(results.get() for _ in workers)]
    for worker in workers:
        worker.join()
    total, degraded = (sum(numbers) for numbers in zip(*answers, strict=True))
    assert 100 <= total <= 100 + degraded


def test_a_worker_that_was_stopped_with_the_lock_delays_others_by_a_moment_only(tmp_path: Path) -> None:
    _, who = make(tmp_path, requests_per_minute=100)
    limits = open_limits(tmp_path)
    assert passed(limits, who, 60) == 60
    reader, writer = os.pipe()
    holder = os.fork()
    if holder == 0:
        import fcntl

        fcntl.flock(os.open(tmp_path / "limits.bin", os.O_RDWR), fcntl.LOCK_EX)
        os.write(writer, b"x")
        signal.pause()
    try:
        os.read(reader, 1)
        assert why(ask(limits, who)) is None  # goes on with its own copy: 61
        assert limits.degraded == 1
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        os.close(reader)
        os.close(writer)
    assert passed(limits, who, 60) == 39  # what was counted alone is made good
