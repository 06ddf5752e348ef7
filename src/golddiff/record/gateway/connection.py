"""One client connection: requests in, one at a time, each whole before it is passed on.

How it fits: the event loop calls this for every client; a complete request becomes an `exchange.Exchange`. A request is
checked as early as it can be: head size and form, credential and path when the head is complete, size while the body
comes. What is refused while it is read is answered and the connection closed, because where the next request begins can
no longer be trusted.

httptools is strict about lengths, chunks, line ends and header characters; on top of it: exactly one Host,
`Transfer-Encoding: chunked` and nothing else, no upgrades, no absolute targets, no content encoding of requests. The
body goes on with a length of its own, so chunk extensions and trailers end here.

What may be one more request with a known head is looked at when all sockets of this turn of the loop were read
(`Service.look_at`): many requests one after the other cost less than each between other work.

Requests may be pipelined; they are answered in order, and more than a few waiting ones end the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import httptools

from golddiff.record.gateway import heads
from golddiff.record.gateway.exchange import Exchange
from golddiff.record.gateway.refusal import Refusal
from golddiff.record.gateway.repeats import Repeat
from golddiff.record.gateway.request import TOO_MANY_HEADERS, Head, Rejected, Request
from golddiff.record.gateway.service import Service
from golddiff.record.gateway.upstreams import READ_BYTES

_BUFFER = memoryview(bytearray(READ_BYTES))
"""Shared by all client connections: every read is parsed before the next."""
_HIGH_WATER = 64 * 1024
_MOST_PIPELINED = 16
_LINGER_SEC = 1.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection(asyncio.BufferedProtocol):
    """The server's side of one client connection."""

    transport: asyncio.Transport

    def __init__(self, service: Service) -> None:
        self.service = service
        self.exchange: Exchange | None = None
        self.writing_paused = False
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._head: Head | None = None
        self._repeat: Repeat | None = None
        self._came_again = False
        self._head_done = False
        self._head_bytes = 0
        self._waiting: deque[Request] = deque()
        self._rejected: Rejected | None = None
        self._deaf = False
        self._since = 0.0
        self._paused_since = 0.0
        self._held_bytes = 0
        self._address = ""

    # ---- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._since = self.service.loop.time()
        self.service.connections.add(self)
        self.service.watcher.connections(1)
        if len(self.service.connections) > self.service.settings.max_connections:
            self._say_no(_TOO_MANY_CONNECTIONS)
        elif most := self.service.settings.connections_per_address:
            self._address = str((transport.get_extra_info("peername") or ("",))[0])
            self.service.addresses[self._address] += 1
            if self.service.addresses[self._address] > most:
                self._say_no(_TOO_MANY_CONNECTIONS)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if self._deaf:
            return
        if self._repeat is not None and self._request is None and nbytes < READ_BYTES:
            self.service.look_at(self, bytes(_BUFFER[:nbytes]))
        else:
            self.feed(_BUFFER[:nbytes])

    def go_on(self, data: bytes) -> None:
        """Take what was read, unless the connection ended meanwhile."""
        if not self._deaf and not self.transport.is_closing():
            self.feed(data)

    def feed(self, data: memoryview | bytes) -> None:
        """Parse one read."""
        between = self._request is None
        if self._repeat is not None and between and len(data) < READ_BYTES and self._take_repeated(bytes(data)):
            return
        rejected: Rejected | None = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            rejected = self._rejected
            if rejected is None:
                raise error.__context__ or error from None  # a fault of our own
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            rejected = Rejected(400, "malformed", "the request is not well-formed HTTP/1.1.")
        else:
            if not self._head_done and self._request is not None:
                self._head_bytes += len(data)
                if self._head_bytes > heads.MAX_HEAD_BYTES:
                    rejected = TOO_MANY_HEADERS
            elif self._came_again and between and self._repeat is None and len(self._waiting) == 1:
                self._remember(bytes(data), self._waiting[0])
        if rejected is not None:
            self._deaf = True
            self._request = None
            last = Request()
            last.rejection = rejected
            self._waiting.append(last)
        if self._waiting and self.exchange is None:
            self._begin(self._waiting.popleft())

    def _remember(self, data: bytes, request: Request) -> None:
        """Look for this request's head in the reads to come."""
        head = request.head
        if request.keep_alive and not (head.local or head.expects or head.rejection):
            self._repeat = Repeat.of(data, request.body)

    def _take_repeated(self, data: bytes) -> bool:
        """Take a read that is one more request with the same head; False: it is for the parser."""
        repeat, head, service = self._repeat, self._head, self.service
        if repeat is None or head is None or self.exchange is not None or self._waiting or self._deaf:
            return False
        body = repeat.body(data)
        if body is None or not service.gate.still_admits(head.admission):
            return False
        size = len(body)
        if size > service.most_body or service.held_bytes + size > service.most_held:
            return False
        request = Request()
        request.head = head
        request.admission = head.admission
        request.body = body
        request.received = size
        self._held_bytes += size
        service.held_bytes += size
        self._begin(request)
        return True

    def eof_received(self) -> bool:
        self._gone()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.service.connections.discard(self)
        self.service.watcher.connections(-1)
        if self._address:
            self.service.addresses[self._address] -= 1
            if not self.service.addresses[self._address]:
                del self.service.addresses[self._address]
        self._gone()

    def _gone(self) -> None:
        self._deaf = True
        self._waiting.clear()
        self._let_go(self._held_bytes)
        if self.exchange is not None:
            self.exchange.client_gone()
            self._take_exchange()
            self.transport.abort()  # what is still to be written has no reader

    def pause_writing(self) -> None:
        self.writing_paused = True
        self._paused_since = self.service.loop.time()
        if self.exchange is not None:
            self.exchange.pause()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self.exchange is not None:
            self.exchange.resume()

    # ---- the parser's side

    def on_message_begin(self) -> None:
        self._request = Request()
        self._head_done = False
        self._head_bytes = 0
        self._since = self.service.loop.time()

    def on_url(self, url: bytes) -> None:
        assert self._request is not None
        self._request.target += url
        if len(self._request.target) > heads.MAX_HEAD_BYTES:
            self._stop(TOO_MANY_HEADERS)

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        assert request is not None
        if self._head_done:
            return  # a trailer: ends here
        if len(name) == 14 and name.lower() == b"content-length":
            request.length = value
            return
        request.headers.append((name, value))
        if len(request.headers) > heads.MAX_HEADERS:
            self._stop(TOO_MANY_HEADERS)

    def on_headers_complete(self) -> None:
        request = self._request
        assert request is not None
        self._head_done = True
        rejected = self._check(request)
        if rejected is not None:
            self._stop(rejected)

    def on_body(self, body: bytes) -> None:
        request = self._request
        assert request is not None
        request.received += len(body)
        if request.received > self.service.most_body:
            self._stop(self._too_large())
        self._held_bytes += len(body)
        service = self.service
        service.held_bytes += len(body)
        if service.held_bytes > service.most_held:
            self._stop(_TOO_MUCH)
        request.chunks.append(body)

    def on_message_complete(self) -> None:
        request, self._request = self._request, None
        assert request is not None
        request.keep_alive = self._parser.should_keep_alive() and not request.head.http10
        chunks = request.chunks
        request.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        request.chunks = []
        self._head_done = False
        self._head_bytes = 0
        if len(self._waiting) >= _MOST_PIPELINED:
            self._stop(Rejected(400, "pipelining", "too many pipelined requests."))
        self._waiting.append(request)

    def _stop(self, rejected: Rejected) -> None:
        """End parsing from inside one of its callbacks."""
        if self._rejected is None:
            self._rejected = rejected
        raise rejected

    def _check(self, request: Request) -> Rejected | None:
        service, parser = self.service, self._parser
        method, http10 = parser.get_method(), parser.get_http_version() == "1.0"
        head = self._head
        self._came_again = head is not None and head.says(method, request.target, request.headers, http10)
        if head is None or not self._came_again:
            self._repeat = None
            if parser.should_upgrade() or method == b"CONNECT":
                return Rejected(501, "upgrade", "no tunnels and no other protocols here.")
            try:
                head = self._head = Head(
                    method,
                    request.target,
                    request.headers,
                    http10,
                    extra_paths=service.settings.extra_paths,
                    local_hosts=service.local_hosts,
                )
            except Rejected as rejected:
                return rejected
        request.head = head
        if head.local:
            return None
        admission = service.gate.admit(head.headers)
        if isinstance(admission, Refusal):
            return Rejected(admission.status, admission.reason, admission.message, admission.headers)
        request.admission = head.admission = admission
        if head.rejection is not None:
            return head.rejection
        if request.length:
            length = int(request.length)
            if length > service.most_body:
                return self._too_large()
            if service.held_bytes + length > service.most_held:
                return _TOO_MUCH
        if head.expects and self.exchange is None and not self._waiting:
            self.transport.write(_CONTINUE)
        return None

    def _too_large(self) -> Rejected:
        most = self.service.settings.max_body_mb
        return Rejected(413, "body_size", f"the request body is larger than {most} MiB (max_body_mb).")

    # ---- one request after the other

    def _begin(self, request: Request) -> None:
        if request.rejection is not None:
            self._say_no(request.rejection)
        elif request.head.local:
            self._local(request)
        else:
            self.exchange = exchange = Exchange(self, request, self.service)
            self.service.answering.add(self)
            exchange.start()

    def _take_exchange(self) -> Exchange | None:
        """Return the exchange that is over."""
        exchange, self.exchange = self.exchange, None
        self.service.answering.discard(self)
        return exchange

    def _say_no(self, rejected: Rejected) -> None:
        self.service.watcher.refused(rejected.status, rejected.code)
        body = heads.error_body("openai", rejected.status, rejected.code, rejected.message)
        self.transport.write(heads.own_answer(rejected.status, body, headers=rejected.headers, close=True))
        self._hang_up()

    def _hang_up(self) -> None:
        """Close after the last bytes; what the client still sends is thrown away, or it would lose the answer."""
        self._deaf = True
        self._let_go(self._held_bytes)
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.service.loop.call_later(_LINGER_SEC, self.transport.close)

    def _let_go(self, size: int) -> None:
        """Say that bodies of this size are needed no more."""
        self._held_bytes -= size
        self.service.held_bytes -= size

    def _local(self, request: Request) -> None:
        self._let_go(request.received)
        ready = not self.service.draining
        status, body = (200, b"ok\n") if ready or request.target == b"/healthz" else (503, b"draining\n")
        close = not request.keep_alive or self.service.draining
        self.transport.write(
            heads.own_answer(
                status, body, content_type=b"text/plain", close=close, head_only=request.head.method == b"HEAD"
            )
        )
        self._next(not close)

    def answer_own(self, status: int, code: str, message: str, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer the exchange's request here, in the shape that its client reads."""
        exchange = self._take_exchange()
        assert exchange is not None
        request = exchange.request
        self._let_go(request.received)
        keep = request.keep_alive and not self.service.draining
        body = heads.error_body(request.head.route.api or "openai", status, code, message)
        self.transport.write(
            heads.own_answer(status, body, headers=headers, close=not keep, head_only=request.head.method == b"HEAD")
        )
        self._next(keep)

    def exchange_over(self, keep: bool) -> None:
        """The exchange wrote its whole answer."""
        exchange = self._take_exchange()
        if exchange is not None:
            self._let_go(exchange.request.received)
        self._next(keep)

    def break_off(self, *, reset: bool) -> None:
        """The answer cannot be finished: let the client see that."""
        self._take_exchange()
        self._deaf = True
        self._waiting.clear()
        self._let_go(self._held_bytes)
        if reset:
            self.transport.abort()
        else:
            self.transport.close()

    def _next(self, keep: bool) -> None:
        self._since = self.service.loop.time()
        if not keep:
            self._waiting.clear()
            self._hang_up()
        elif self._waiting:
            self.service.loop.call_soon(self._begin_waiting)

    def _begin_waiting(self) -> None:
        if self._waiting and self.exchange is None and not self.transport.is_closing():
            self._begin(self._waiting.popleft())

    # ---- once a second, and at the end

    def check(self, now: float) -> None:
        """Close what idles, dawdles or does not read."""
        settings = self.service.settings
        if self.exchange is not None:
            if self.writing_paused and now - self._paused_since > settings.stall_timeout_sec:
                self._gone()
            else:
                self.exchange.check(now)
        elif self._deaf:
            return
        elif self._request is not None:
            if now - self._since > settings.request_timeout_sec:
                self._say_no(Rejected(408, "request_timeout", "the request took too long to arrive."))
        elif now - self._since > settings.keep_alive_sec:
            self.transport.close()

    @property
    def busy(self) -> bool:
        """Whether an answer, or a request on its way in, is not finished."""
        if self.exchange is not None or self._waiting or self.transport.get_write_buffer_size():
            return True
        return self._request is not None and not self._deaf

    def drain(self) -> None:
        """The gateway stops: close now if nothing is under way, else after the answer."""
        if not self.busy:
            self.transport.close()

    def cut(self) -> None:
        """The gateway stops now."""
        if self.exchange is not None:
            self.exchange.cut()
        else:
            self.transport.close()


_AGAIN = (("retry-after", "1"),)
_TOO_MANY_CONNECTIONS = Rejected(
    503, "connections", "this gateway serves as many connections as it may; try again.", _AGAIN
)
_TOO_MUCH = Rejected(
    503, "body_memory", "this gateway holds as many requests as its memory may (body_memory_mb); try again.", _AGAIN
)
