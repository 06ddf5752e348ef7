"""One request and its answer: choose the upstream, pass the bytes, keep a copy, hold back the last of them.

How it fits: `connection` gives a complete request; this asks `routing` and `gate`, writes to one `upstreams` connection
at a time and writes what comes back to the client as it comes. There is no task and no queue per call: everything is a
callback of a socket, so that the cost per call stays near that of a plain proxy.

    first bytes    are written in the same turn of the event loop in which they were read; where others are
                   under way, those of an answer that came whole when the other sockets of that turn were read
    last bytes     (up to 14) wait for the record of the call to be on disk, or for the deadline (`holds`)
    a slow client  pauses reading from the upstream
    a client gone  closes the upstream's connection at once; what was received is kept as a partial call

What is asked again, and what never: `retries`. What is kept of a call, and who is told of it: `account`.
Not covered: what the bytes mean (`golddiff.providers.wire`, off the request path).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from golddiff.providers.wire.route import RouteFields, route_fields
from golddiff.record.capture import Ending
from golddiff.record.gateway import heads, retries
from golddiff.record.gateway.account import Account
from golddiff.record.gateway.request import Request
from golddiff.record.gateway.routing import Candidate, rename
from golddiff.record.gateway.upstreams import Dialled, UpstreamConnection

if TYPE_CHECKING:
    from golddiff.record.gateway.connection import ClientConnection
    from golddiff.record.gateway.service import Service

HELD_BYTES = 14
"""Most bytes of a body that wait: enough that no client takes the answer for complete (`data: [DONE]` with the empty
line behind it)."""
_ENDINGS = {"openai-chat": b"[DONE]", "anthropic-messages": b"message_stop"}
_BODILESS = frozenset((204, 304))


class Exchange:
    """One request under way."""

    connection: UpstreamConnection | None = None
    over = False
    _fields = RouteFields()
    _candidates: tuple[Candidate, ...] = ()
    _budget = 1
    _sent = False
    _dialling: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _framing: heads.Framing = "none"
    _head = b""
    _tail = b""
    _before = b""
    _ready: bytes | None = None
    _final = b""
    _paused = False

    def __init__(self, client: ClientConnection, request: Request, service: Service) -> None:
        self.client = client
        self.request = request
        self.service = service
        self.account = Account(request, service)
        self._active = service.loop.time()

    # ---- the way there

    def start(self) -> None:
        """Begin; the answer, whichever it is, goes to the client."""
        request, route = self.request, self.request.head.route
        if route.recorded or request.body[:1] == b"{":
            self._fields = fields = route_fields(request.body)
            self.account.model = fields.model
            if route.recorded and fields.problem is not None:
                return self._refuse(
                    400, "body", f"the request body is {fields.problem}: send a JSON object with a `model`."
                )
        api = route.api or ("anthropic" if request.head.has(b"anthropic-version") else "openai")
        router = self.service.router
        self._candidates = router.candidates(api, self._fields.model)
        if not self._candidates and route.api is None:
            self._candidates = router.candidates(None, None)
        if not self._candidates:
            return self._refuse(
                404,
                "model",
                f"no upstream of this gateway answers that model on {route.rest}: that takes one with "
                f'api = "{api}" whose models fit. Its operator names them in [[gateway.upstreams]] of golddiff.toml.',
            )
        if request.head.method == b"POST":
            behind = self._candidates[0].model
            refusal = self.account.reserve(self._fields, behind)
            if refusal is not None:
                return self._refuse(refusal.status, refusal.reason, refusal.message, refusal.headers)
        self._budget = max(1, self.service.settings.attempts - request.head.earlier_tries)
        self._try_next()

    def _try_next(self) -> None:
        self._timer = None
        account = self.account
        candidate = self._candidates[account.tries % len(self._candidates)]
        account.tries += 1
        account.upstream = candidate.upstream.name
        self._active = self.service.loop.time()
        connection = candidate.upstream.take()
        if connection is not None:
            self._send(connection, candidate)
        else:
            self._dialling = self.service.loop.create_task(self._dial(candidate))

    async def _dial(self, candidate: Candidate) -> None:
        try:
            connection = await candidate.upstream.dial()
        except Dialled as error:
            self._dialling = None
            self.account.tried(error.kind)
            if self.over:
                return
            if self.account.tries < self._budget:
                self._again(0.0 if self._other_is_next() else retries.pause(self.account.tries))
            else:
                self._give_up(504 if error.kind == "timeout" else 502, "unreachable", "could not be reached")
            return
        self._dialling = None
        if self.over:
            candidate.upstream.give_back(connection, self.service.loop.time())
        else:
            self._send(connection, candidate)

    def _send(self, connection: UpstreamConnection, candidate: Candidate) -> None:
        request, upstream = self.request, candidate.upstream
        body = request.body
        if candidate.model is not None:
            try:
                body = rename(body, candidate.model)
            except msgspec.DecodeError:
                upstream.give_back(connection, self.service.loop.time())
                return self._refuse(400, "body", "the request body is not a JSON object with a `model`.")
        sized = body or request.head.method == b"POST"
        head = request.head.for_upstream(upstream) + (b"content-length: %d\r\n\r\n" % len(body) if sized else b"\r\n")
        self.connection = connection
        self._sent = True
        connection.carry(self, head, body)

    def _other_is_next(self) -> bool:
        return len(self._candidates) > 1

    def _again(self, delay: float) -> None:
        self._timer = self.service.loop.call_later(delay, self._try_next)

    # ---- the way back, called by the upstream's connection

    def head(self, connection: UpstreamConnection) -> None:
        """The head of the answer is complete."""
        status = connection.status
        self.account.tried(str(status))
        if status in retries.NOT_BILLED and self.account.tries < self._budget:
            delay = 0.0 if self._other_is_next() else retries.wait(connection.headers, self.account.tries)
            if delay is not None:
                self.connection = None
                connection.abort()
                self._again(delay)
                return
        if status >= 400:
            mask = connection.upstream.masked
            connection.headers = [(name, mask(value)) for name, value in connection.headers]
        self.account.begin(status, connection.headers, connection.events)
        request = self.request
        bodiless = status in _BODILESS or request.head.method == b"HEAD"
        if bodiless:
            self._framing = "none"
        elif connection.length is not None:
            self._framing = "length"
        else:
            self._framing = "close" if request.head.http10 else "chunked"
        close = self._framing == "close" or not self._keeps_alive()
        self._head = heads.response_head(
            status, connection.reason, connection.headers, self._framing, connection.length, close
        )
        if self.client.writing_paused:
            self.pause()
        if request.head.method == b"HEAD" and not connection.over:
            self.connection = None
            connection.abort()  # its parser would wait for a body that does not come
            self._complete(b"")

    def received(self, connection: UpstreamConnection, body: bytes, over: bool) -> None:
        """Body bytes of one read; `over`: the message is complete."""
        self._active = self.service.loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if body and self.account.status >= 400:
            body = connection.upstream.masked(body)
        if body and self.account.copies:
            self.account.keep(body)
        if self._tail:
            body, self._tail = self._tail + body, b""
        if over:
            self._release_connection(connection)
            self._complete(body)
        else:
            if self.account.streamed:
                if self._is_last_event(body):
                    self._tail = body[-HELD_BYTES:]
                    self._timer = self.service.loop.call_later(self.service.holds.deadline, self._let_tail_go)
                self._before = body[-64:]  # the closing event may come in two reads
            self._write(body[:-HELD_BYTES] if self._tail else body)

    def _is_last_event(self, body: bytes) -> bool:
        """Whether the stream's closing event may be in these bytes: the end of the message usually comes next."""
        if self.service.holds.deadline <= 0 or not body.endswith((b"\n\n", b"\r\n\r\n")):
            return False
        protocol = self.request.head.route.protocol
        if protocol == "openai-responses":
            return b"event: response.completed" in body or b"event: response.incomplete" in body
        mark = _ENDINGS.get(protocol)
        return mark is not None and mark in (body if len(body) > 64 else self._before + body)[-64:]

    def _let_tail_go(self) -> None:
        self._timer = None
        tail, self._tail = self._tail, b""
        if tail:
            self._write(tail)

    def _write(self, body: bytes) -> None:
        head, self._head = self._head, b""
        self.account.passed += len(body)
        if self.over:
            return
        if self._framing == "chunked" and body:
            if len(body) <= 4096:
                self.client.transport.write(b"%b%x\r\n%b\r\n" % (head, len(body), body))
            else:
                self.client.transport.writelines((b"%b%x\r\n" % (head, len(body)), body, b"\r\n"))
        elif head and body:
            self.client.transport.writelines((head, body))
        elif head or body:
            self.client.transport.write(head or body)

    def _complete(self, body: bytes) -> None:
        """The answer is whole: `body` is what of it was not written yet."""
        ending: Ending = "truncated" if self.account.cut else "complete"
        chunked = self._framing == "chunked"
        if not self.account.recorded or self.service.holds.deadline <= 0:
            self._write(body)
            self._final = b"0\r\n\r\n" if chunked else b""
        else:
            first, tail = body[:-HELD_BYTES], body[-HELD_BYTES:]
            if not self.account.streamed and not self.service.holds.alone:
                self._ready = first
            elif first or self._head:
                self._write(first)
            self.account.passed += len(tail)
            self._final = b"%x\r\n%b\r\n0\r\n\r\n" % (len(tail), tail) if chunked and tail else tail
            if chunked and not tail:
                self._final = b"0\r\n\r\n"
        if self._ready is not None:
            self.service.write_soon(self)
        self.account.close(ending, self._finish)

    def write_ready(self) -> None:
        """Write what of the whole answer waits for nothing."""
        ready, self._ready = self._ready, None
        if ready is not None and (ready or self._head):
            self._write(ready)

    def _finish(self) -> None:
        """Write what was held back, and let the client go on."""
        if self.over:
            return
        self.write_ready()
        self.over = True
        self.account.served("complete")  # first: who has the whole answer finds it counted, in every worker's metrics
        if self._final:
            self.client.transport.write(self._final)
        self.client.exchange_over(self._framing != "close" and self._keeps_alive())

    def upstream_failed(self, connection: UpstreamConnection, kind: str) -> None:
        """The upstream's connection broke, fell silent or sent what is not HTTP."""
        self.connection = None
        connection.abort()
        if self.account.status == 0:
            self.account.tried(kind)
            if self.request.head.method in (b"GET", b"HEAD") and self.account.tries < self._budget:
                self._again(retries.pause(self.account.tries))
            elif kind == "timeout":
                self._give_up(504, "upstream_timeout", "did not answer in time")
            else:
                self._give_up(502, "upstream_broke", "broke the connection before it answered")
            return
        self.account.tried(kind)
        self._stop_timer()
        self._let_tail_go()
        if self._head:
            self._write(b"")
        ending: Ending = "truncated" if kind == "closed" else "upstream_error"
        self.over = True
        self.account.close(ending)
        self.account.served(ending)
        # Without the end of the body the client can tell that it is not whole; a body that ends with the connection
        # has no other end than a reset.
        self.client.break_off(reset=self._framing == "close")

    def _give_up(self, status: int, code: str, what: str) -> None:
        self.account.status = status
        self.over = True
        if self._sent:
            self.account.close("upstream_error")
        else:
            self.account.settle(None)
        self.account.served("upstream_error", code)
        self.client.answer_own(status, code, f"upstream {self.account.upstream!r} {what}.")

    # ---- the client's side

    def client_gone(self) -> None:
        """The client closed its connection: the upstream need not go on."""
        if self.over:
            return
        self.over = True
        self._stop_timer()
        if self._dialling is not None:
            self._dialling.cancel()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        if self.account.submitted:
            pass  # the whole answer is recorded already
        elif self._sent:
            self.account.close("client_gone")
        else:
            self.account.settle(None)  # nothing was asked
        self.account.served("client_gone")

    def cut(self) -> None:
        """The gateway stops and cannot wait any longer."""
        if self.over:
            return
        self.over = True
        self._stop_timer()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        if self._dialling is not None:
            self._dialling.cancel()
        if self._sent and not self.account.submitted:
            self.account.close("truncated")
        self.account.served("truncated")
        self.client.break_off(reset=True)

    def pause(self) -> None:
        """The client does not keep up."""
        if self.connection is not None and not self._paused:
            self._paused = True
            self.connection.transport.pause_reading()

    def resume(self) -> None:
        """The client keeps up again."""
        if self._paused:
            self._paused = False
            self._active = self.service.loop.time()
            if self.connection is not None:
                self.connection.transport.resume_reading()

    def check(self, now: float) -> None:
        """Called about once a second: has the upstream been silent for too long?"""
        connection = self.connection
        if connection is None or self._paused or now - self._active < self.service.settings.read_timeout_sec:
            return
        self.upstream_failed(connection, "timeout")

    # ---- endings

    def _keeps_alive(self) -> bool:
        return self.request.keep_alive and not self.service.draining

    def _release_connection(self, connection: UpstreamConnection) -> None:
        self.connection = None
        connection.exchange = None
        if self._paused:
            self._paused = False
            connection.transport.resume_reading()
        if connection.keep:
            connection.upstream.give_back(connection, self._active)
        else:
            connection.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer instead of an upstream; nothing of it is recorded."""
        self.over = True
        self.account.settle(None)
        self.service.watcher.refused(status, code)
        self.client.answer_own(status, code, message, headers=headers)
