"""How much a key may use: requests and tokens per minute, tokens and money per day and month, over all workers.

A request reserves before it is sent and settles when its usage is known. A reservation is the most that the call may
use (its prompt by size, its answer by the limit it asked for), so that any number of requests on any number of workers
cannot pass a limit together; what was reserved too much is given back. A worker that is killed leaves its reservations
counted as used: nothing is forgotten, and the day ends it.

Settling is put together: corrections wait in the worker until the same key reserves again or `flush` is called (the
HTTP path does ten times a second), so a request costs one visit to the shared table; far from every limit, one visit
reserves for up to 64 requests, and what is not needed goes back with the next `flush`. Keys without limits visit the
table only then. Counters are in `spending`, their file in `table`, the time they run on in `clock`.

Not covered: limits over several machines; usage that a provider bills but does not report (then what was reserved, or
the length of the answer, is counted).
"""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from golddiff.record.gateway import spending
from golddiff.record.gateway.clock import SECOND, Anchor, advance, current_boot_id
from golddiff.record.gateway.keyfile import Key, KeyLimits
from golddiff.record.gateway.keys import Admission, admission_of
from golddiff.record.gateway.prices import NANODOLLARS, PriceList
from golddiff.record.gateway.refusal import Reason, Refusal
from golddiff.record.gateway.spending import Moment, Used
from golddiff.record.gateway.table import SLOT_BYTES, Table
from golddiff.types import Usage

_log = logging.getLogger(__name__)

DEFAULT_ANSWER = 4096
"""Tokens reserved for an answer whose request states no limit."""
MOST = 1_000_000
"""Tokens that a prompt, or an answer, is estimated at, at most: no model reads or writes more, and an image is far
smaller than its bytes."""
_BYTES_PER_TOKEN = 4
_LEASED = (63, 15)
"""Requests like the last one that are reserved with it, the first number that is next to nothing of every limit."""
_AMPLE = 8
"""How many times what is used and reserved must fit into every limit for that."""
_LOOK_EVERY = SECOND
_MOST_LATER = 32
_DAY = 86_400 * SECOND
_HEADER = struct.Struct("<8s4q")
_MAGIC = b"gdlimit1"


class Reservation(msgspec.Struct, frozen=True):
    """What a request may use. Hand it to `settle` or `release`, once."""

    admission: Admission
    model: str | None
    """What it is priced as."""
    counted: Moment
    """When it was counted."""
    prompt: int
    """Tokens the prompt was estimated at."""
    tokens: int
    """Tokens that were reserved; 0 where the key has no limits."""
    money: int
    """Nanodollars that were reserved; 0 where the key has no limits or the model no price."""
    priced: bool
    """Whether the model has a price; where not, only its tokens are counted."""


class _Pending(msgspec.Struct):
    """Corrections to what was counted in one moment, which wait to be written."""

    counted: Moment
    requests: int
    tokens: int
    money: int


class _Lease(msgspec.Struct):
    """What is reserved already for requests that are yet to come, in one moment."""

    process: int
    """Whose it is: a process that was forked from it has none."""
    admission: Admission
    counted: Moment
    requests: int
    tokens: int
    money: int


class Limits:
    """The limits of every key of one gateway folder, in one worker; all calls from one thread or under its lock.

    Raises:
        OSError: the table cannot be made or opened (when constructed; never later).
    """

    def __init__(
        self,
        folder: Path,
        prices: PriceList,
        *,
        wall: Callable[[], int] = time.time_ns,
        boot: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        boot_id: int | None = None,
    ) -> None:
        self._table = Table(folder)
        self._prices = prices
        self._wall = wall
        self._boot = boot
        self._boot_id = current_boot_id() if boot_id is None else boot_id
        self._pending: dict[int, tuple[Admission, list[_Pending]]] = {}
        self._leases: dict[int, _Lease] = {}
        self._later_work: list[Callable[[], None]] = []
        self._anchor = self._look()
        self._next_look = boot() + _LOOK_EVERY
        self._moment = Moment(0, 0, 0)
        self._moment_ends = 0
        self.unpriced = 0
        """Calls of models without a price, since this worker started."""

    @property
    def degraded(self) -> int:
        """How often this worker had to go on with its own counters, because the shared ones did not answer."""
        return self._table.degraded

    @property
    def pending(self) -> bool:
        """Whether `flush` has something to write."""
        return bool(self._pending or self._leases or self._later_work)

    def later(self, settling: Callable[[], None]) -> None:
        """Have this called before counters are next read or written: it settles one reservation or several.

        What settles a call reads its answer first. Many one after the other cost far less than one at a time between
        the other steps of a request.
        """
        self._later_work.append(settling)
        if len(self._later_work) >= _MOST_LATER:
            self._settle_now()

    def _settle_now(self) -> None:
        work, self._later_work = self._later_work, []
        for settling in work:
            try:
                settling()
            except Exception:  # what others used must still be counted
                _log.exception("what a call used could not be counted")

    def reserve(
        self,
        admission: Admission,
        *,
        model: str | None,
        request_bytes: int,
        max_output_tokens: int | None = None,
        answers: int = 1,
        priced_as: str | None = None,
    ) -> Reservation | Refusal:
        """Count a request and the most it may use, or say which limit it would pass; then nothing is counted.

        Args:
            admission: from `KeyBook.admit`.
            model: the name that was asked for: keys may be for some models only.
            request_bytes: size of the request's body: its prompt is estimated at a quarter, in tokens.
            max_output_tokens: the request's own limit for all its answers, where it states one.
            answers: how many answers it asks for.
            priced_as: the model behind that name, where it is an alias; None: the name itself.
        """
        if admission.models and not admission.permits(model):
            return Refusal(Reason.MODEL, f"this API key may use these models only: {', '.join(admission.models)}.")
        model = priced_as or model
        family = self._prices.lookup(model)
        if family is None and admission.slot >= 0:
            self.unpriced += 1
            if _money_only(admission.limits):
                return _UNPRICED
        prompt = request_bytes // _BYTES_PER_TOKEN
        if prompt > MOST:
            prompt = MOST
        now = self._now()
        if not admission.limited:
            return Reservation(admission, model, now, prompt, 0, 0, family is not None)
        answer = DEFAULT_ANSWER * answers if max_output_tokens is None else max_output_tokens
        if not 0 <= answer <= MOST:
            answer = MOST if answer > 0 else 0
        tokens = prompt + answer
        money = family.most(prompt, answer) if family else 0
        made = Reservation(admission, model, now, prompt, tokens, money, family is not None)
        slot = admission.slot + 1
        lease = self._leases.get(slot)
        if lease is not None:
            if (
                lease.requests
                and lease.counted is now
                and lease.admission is admission
                and lease.tokens >= tokens
                and lease.money >= money
                and lease.process == os.getpid()
            ):
                lease.requests -= 1
                lease.tokens -= tokens
                if money:
                    lease.money -= money
                return made
            self._give_back(slot)
        if self._later_work:
            self._settle_now()
        packed = None
        data = self._table.enter(slot)
        try:
            values = spending.unpack(data, admission.tag, now)
            shared = self._table.shared
            if self._pending and shared:
                _apply(values, self._pending.pop(slot, (admission, ()))[1])
            refusal = _passed(values, made)
            if refusal is None:
                more = next((count for count in _LEASED if _is_ample(values, made, count)), 0) if shared else 0
                spending.add(values, now, 1 + more, (1 + more) * made.tokens, (1 + more) * money)
                if more:
                    self._leases[slot] = _Lease(os.getpid(), admission, now, more, more * made.tokens, more * money)
            packed = spending.pack(values)
        finally:
            self._table.leave(slot, packed)
        if refusal is not None:
            return self._explain(refusal, values, made)
        if not shared:
            self._later(admission, now, 1, made.tokens, made.money)
        return made

    def settle(self, made: Reservation, usage: Usage | None, *, answer_tokens: int | None = None) -> None:
        """Put what a call really used in place of its reservation.

        Args:
            made: from `reserve`.
            usage: as the provider reported it; None where it did not.
            answer_tokens: without `usage`, the tokens that came, estimated; None: the reservation stands.
        """
        if usage is None:
            if answer_tokens is None:
                self._correct(made, made.tokens, made.money)
                return
            usage = Usage(input_tokens=made.prompt, output_tokens=answer_tokens)
        family = self._prices.lookup(made.model)
        total = usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        self._correct(made, total, family.cost(usage) if family else 0)

    def release(self, made: Reservation) -> None:
        """Give a reservation back whose call used nothing: it was not sent, or the upstream refused it."""
        self._correct(made, 0, 0)

    def flush(self) -> None:
        """Write the corrections that wait, and give back what was reserved and not needed."""
        self._settle_now()
        for slot in list(self._leases):
            self._give_back(slot)
        pending, self._pending = self._pending, {}
        for slot, (admission, corrections) in pending.items():
            packed = None
            now = self._now()
            data = self._table.enter(slot)
            try:
                if self._table.shared:
                    values = spending.unpack(data, admission.tag, now)
                    _apply(values, corrections)
                    packed = spending.pack(values)
                else:
                    self._pending[slot] = (admission, corrections)
            finally:
                self._table.leave(slot, packed)

    def used(self, key: Key) -> Used:
        """Return a key's counters as of now, for tables; what other workers have not written yet is missing."""
        slot = key.slot + 1
        values = spending.unpack(self._table.read(slot), admission_of(key).tag, self._now())
        lease = self._leases.get(slot)
        if lease is not None and lease.process == os.getpid():
            spending.add(values, lease.counted, -lease.requests, -lease.tokens, -lease.money)
        return spending.summary(values)

    def close(self) -> None:
        """Write what waits and close the table."""
        self.flush()
        self._table.close()

    def _correct(self, made: Reservation, tokens: int, money: int) -> None:
        admission = made.admission
        if admission.slot >= 0:
            uncounted = 0 if admission.limited else 1
            self._later(admission, made.counted, uncounted, tokens - made.tokens, money - made.money)

    def _give_back(self, slot: int) -> None:
        lease = self._leases.pop(slot)
        if lease.process != os.getpid():
            return
        self._later(lease.admission, lease.counted, -lease.requests, -lease.tokens, -lease.money)

    def _later(self, admission: Admission, counted: Moment, requests: int, tokens: int, money: int) -> None:
        slot = admission.slot + 1
        found = self._pending.get(slot)
        if found is None:
            self._pending[slot] = (admission, [_Pending(counted, requests, tokens, money)])
            return
        waiting = found[1]
        last = waiting[-1]
        if last.counted is counted:
            last.requests += requests
            last.tokens += tokens
            last.money += money
        else:
            waiting.append(_Pending(counted, requests, tokens, money))

    def _now(self) -> Moment:
        boot = self._boot()
        if boot < self._moment_ends:
            return self._moment
        if boot >= self._next_look:
            self._next_look = boot + _LOOK_EVERY
            self._anchor = self._look()
        step, day = boot // spending.STEP, self._anchor.at(boot) // _DAY
        if step != self._moment.step or day != self._moment.day:
            date = time.gmtime(day * 86_400)
            self._moment = Moment(step, day, date.tm_year * 12 + date.tm_mon - 1)
        self._moment_ends = min(self._next_look, (step + 1) * spending.STEP)
        return self._moment

    def _look(self) -> Anchor:
        """Move the shared anchor to now."""
        packed = None
        data = self._table.enter(0)
        try:
            magic, *numbers = _HEADER.unpack_from(data)
            old = Anchor(*numbers) if magic == _MAGIC else None
            new = advance(old, wall=self._wall(), boot=self._boot(), boot_id=self._boot_id)
            packed = _HEADER.pack(_MAGIC, new.time, new.boot, new.boot_id, new.differs_since).ljust(SLOT_BYTES, b"\0")
        finally:
            self._table.leave(0, packed)
        return new

    def _explain(self, reason: Reason, values: list[int], made: Reservation) -> Refusal:
        """Say which limit is passed, and when there may be room."""
        limits, now = made.admission.limits, self._anchor.at(self._boot())
        if reason is Reason.REQUESTS_PER_MINUTE:
            allowed = limits.requests_per_minute or 0
            wait = spending.wait_for_room(values, spending.REQUESTS, allowed - 1)
            return Refusal(reason, f"this API key may send {allowed:,} requests per minute.", wait)
        if reason is Reason.TOKENS_PER_MINUTE:
            allowed = limits.tokens_per_minute or 0
            wait = spending.wait_for_room(values, spending.TOKENS, allowed - min(made.tokens, allowed))
            said = f"this API key may use {allowed:,} tokens per minute; this request may use {made.tokens:,}."
            return Refusal(reason, said, wait)
        if reason is Reason.DAY_BUDGET:
            said = _budgets(limits.tokens_per_day, limits.usd_per_day, values, spending.DAY_TOKENS)
            return Refusal(reason, f"this API key's budget for the day (UTC) is used up: {said}.", _day_left(now))
        said = _budgets(limits.tokens_per_month, limits.usd_per_month, values, spending.MONTH_TOKENS)
        return Refusal(reason, f"this API key's budget for the month (UTC) is used up: {said}.", _month_left(now))


_UNPRICED = Refusal(
    Reason.UNPRICED_MODEL,
    "no price is on file for this model, and this API key has a budget in money only. The gateway's operator can add a "
    "price (prices.toml) or a budget in tokens (golddiff keys limit).",
)


def _money_only(limits: KeyLimits) -> bool:
    money = limits.usd_per_day is not None or limits.usd_per_month is not None
    return money and limits.tokens_per_day is None and limits.tokens_per_month is None


def _apply(values: list[int], corrections: Sequence[_Pending]) -> None:
    for one in corrections:
        spending.add(values, one.counted, one.requests, one.tokens, one.money)


def _passed(values: list[int], made: Reservation) -> Reason | None:
    """The first limit that the reservation would pass. A limit of 0 lets nothing through, whatever it would use."""
    limits, tokens, money = made.admission.limits, made.tokens, made.money
    allowed = limits.requests_per_minute
    if allowed is not None and spending.minute_requests(values) >= allowed:
        return Reason.REQUESTS_PER_MINUTE
    allowed = limits.tokens_per_minute
    # a call larger than the whole limit may run alone
    if allowed is not None and (not allowed or spending.minute_tokens(values) + min(tokens, allowed) > allowed):
        return Reason.TOKENS_PER_MINUTE
    allowed = limits.tokens_per_day
    if allowed is not None and (not allowed or values[spending.DAY_TOKENS] + tokens > allowed):
        return Reason.DAY_BUDGET
    allowed = limits.tokens_per_month
    if allowed is not None and (not allowed or values[spending.MONTH_TOKENS] + tokens > allowed):
        return Reason.MONTH_BUDGET
    if not made.priced:
        return None
    usd = limits.usd_per_day
    if usd is not None and (not usd or values[spending.DAY_MONEY] + money > usd * NANODOLLARS):
        return Reason.DAY_BUDGET
    usd = limits.usd_per_month
    if usd is not None and (not usd or values[spending.MONTH_MONEY] + money > usd * NANODOLLARS):
        return Reason.MONTH_BUDGET
    return None


def _is_ample(values: list[int], made: Reservation, more: int) -> bool:
    """Whether so many more requests like this one are so little of every limit that reserving them hinders nobody."""
    limits, times = made.admission.limits, _AMPLE
    requests, tokens, money = 1 + more, (1 + more) * made.tokens, (1 + more) * made.money
    allowed = limits.requests_per_minute
    if allowed is not None and times * (spending.minute_requests(values) + requests) > allowed:
        return False
    allowed = limits.tokens_per_minute
    if allowed is not None and times * (spending.minute_tokens(values) + tokens) > allowed:
        return False
    allowed = limits.tokens_per_day
    if allowed is not None and times * (values[spending.DAY_TOKENS] + tokens) > allowed:
        return False
    allowed = limits.tokens_per_month
    if allowed is not None and times * (values[spending.MONTH_TOKENS] + tokens) > allowed:
        return False
    usd = limits.usd_per_day
    if usd is not None and times * (values[spending.DAY_MONEY] + money) > usd * NANODOLLARS:
        return False
    usd = limits.usd_per_month
    return usd is None or times * (values[spending.MONTH_MONEY] + money) <= usd * NANODOLLARS


def _budgets(tokens: int | None, usd: float | None, values: list[int], first: int) -> str:
    said = []
    if tokens is not None:
        said.append(f"{values[first]:,} of {tokens:,} tokens")
    if usd is not None:
        said.append(f"{values[first + 1] / NANODOLLARS:,.2f} of {usd:,.2f} USD")
    return f"{' and '.join(said)} are spent or reserved, and this request may use more than is left"


def _day_left(now: int) -> int:
    """Whole seconds until the next day of UTC."""
    return (_DAY - now % _DAY) // SECOND + 1


def _month_left(now: int) -> int:
    """Whole seconds until the next month of UTC."""
    today = datetime.fromtimestamp(now // SECOND, UTC)
    year, month = divmod(today.year * 12 + today.month, 12)
    return int((datetime(year, month + 1, 1, tzinfo=UTC) - today).total_seconds()) + 1
