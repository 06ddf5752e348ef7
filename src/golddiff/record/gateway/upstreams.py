"""Connections to upstreams: one HTTP/1.1 client connection, and the pool of one upstream.

How it fits: an `exchange.Exchange` takes a connection, writes one request and gets the answer as it is parsed: `head`
once, then `received` for every read, with all body bytes of that read and whether the message is over. The pool
keeps idle connections, last used first. httptools does the framing, in its strict mode; informational answers (1xx)
are skipped; an answer without length or chunks ends with the connection.

One buffer of 64 KiB is shared by all connections of a process (each read is parsed before the next): memory does not
grow with open streams, and a slow client holds back at most that much.

Not covered: HTTP/2, proxies of the operator (HTTPS_PROXY), redirects (passed to the client, never followed).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httptools

from golddiff.errors import ConfigError
from golddiff.record.gateway.config import SHORTEST_SECRET, UpstreamSettings
from golddiff.record.gateway.heads import MAX_HEAD_BYTES, HeaderList

if TYPE_CHECKING:
    from golddiff.record.gateway.exchange import Exchange

READ_BYTES = 64 * 1024
"""Bytes of one read."""
_BUFFER = memoryview(bytearray(READ_BYTES))
_MAX_IDLE = 512


class Dialled(Exception):
    """A connection could not be made; nothing of the request was sent.

    `kind` is `connect`, `tls`, `timeout` or `own_address`.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Upstream:
    """One configured upstream: where it is, what it is told, and its idle connections."""

    def __init__(
        self, settings: UpstreamSettings, environment: Mapping[str, str], *, connect_sec: float = 10.0
    ) -> None:
        parts = urlsplit(settings.url)
        assert parts.hostname is not None
        self.settings = settings
        self.name = settings.name
        self.host = parts.hostname
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.host_header = parts.netloc.encode("ascii")
        self.prefix = _prefix(parts.path, settings.api)
        self.secret = _secret(settings, environment)
        self.own_headers = _credential(settings, self.secret)
        self.forward = settings.forward_credentials
        self.context = ssl.create_default_context() if parts.scheme == "https" else None
        if self.context is not None:
            self.context.set_alpn_protocols(["http/1.1"])
        self.idle: list[UpstreamConnection] = []
        self.connections_made = 0
        """Connections dialled since the start: a lost keep-alive shows here and nowhere else."""
        self._connect_sec = connect_sec
        self.own_port = 0
        """Port that this gateway itself listens on: on this machine that is no upstream."""

    def masked(self, data: bytes) -> bytes:
        """Return bytes of the upstream without the gateway's credential, which error answers may repeat; as long."""
        if len(self.secret) < SHORTEST_SECRET or self.secret not in data:
            return data
        return data.replace(self.secret, b"*" * len(self.secret))

    def take(self) -> UpstreamConnection | None:
        """Return an idle connection, the one used last."""
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def give_back(self, connection: UpstreamConnection, now: float) -> None:
        """Keep a connection whose answer is over."""
        if len(self.idle) >= _MAX_IDLE or connection.transport.is_closing():
            connection.abort()
            return
        connection.idle_since = now
        self.idle.append(connection)

    async def dial(self) -> UpstreamConnection:
        """Connect.

        Raises:
            Dialled: it could not be done.
        """
        loop = asyncio.get_running_loop()
        self.connections_made += 1
        try:
            async with asyncio.timeout(self._connect_sec):
                _, connection = await loop.create_connection(
                    lambda: UpstreamConnection(self),
                    self.host,
                    self.port,
                    ssl=self.context,
                    server_hostname=self.host if self.context else None,
                )
        except TimeoutError:
            raise Dialled("timeout") from None
        except ssl.SSLError:
            raise Dialled("tls") from None
        except OSError:
            raise Dialled("connect") from None
        peer = connection.transport.get_extra_info("peername")
        here = connection.transport.get_extra_info("sockname")
        if peer and peer[1] == self.own_port and (peer[0] == here[0] or ip_address(peer[0]).is_loopback):
            connection.abort()
            raise Dialled("own_address")
        return connection

    def forget_old(self, now: float, idle_sec: float) -> None:
        """Close connections that were idle for longer than that; oldest first, they lie at the bottom."""
        while self.idle and now - self.idle[0].idle_since > idle_sec:
            self.idle.pop(0).abort()

    def close(self) -> None:
        """Close every idle connection."""
        while self.idle:
            self.idle.pop().abort()


def _prefix(path: str, api: str) -> bytes:
    """What stands before the path behind /v1: both SDKs' reading of a base URL."""
    path = path.rstrip("/")
    if api == "anthropic":
        return (path if path.endswith("/v1") else path + "/v1").encode("ascii")
    return (path or "/v1").encode("ascii")


def _secret(settings: UpstreamSettings, environment: Mapping[str, str]) -> bytes:
    if settings.api_key_env is None:
        return b""
    secret = environment.get(settings.api_key_env, "").strip()
    if not secret:
        raise ConfigError(
            f"upstream {settings.name!r}: the environment variable {settings.api_key_env} is empty or not set; put the "
            "provider's API key there and start again, or leave `api_key_env` out for an engine that needs none."
        )
    if not secret.isascii() or not secret.isprintable():
        raise ConfigError(f"upstream {settings.name!r}: {settings.api_key_env} holds characters no API key has.")
    return secret.encode("ascii")


def _credential(settings: UpstreamSettings, secret: bytes) -> bytes:
    if not secret:
        return b""
    if settings.api == "anthropic":
        return b"x-api-key: " + secret + b"\r\n"
    return b"authorization: Bearer " + secret + b"\r\n"


class UpstreamConnection(asyncio.BufferedProtocol):
    """One connection to an upstream; serves one exchange at a time."""

    transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.exchange: Exchange | None = None
        self.idle_since = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.reason = b""
        self.headers: HeaderList = []
        self.length: bytes | None = None
        self.chunked = False
        self.events = False
        self.head_done = False
        self._told = False
        self.over = False
        self.keep = False
        self._head_bytes = 0

    def carry(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        """Send a request; its answer goes to `exchange`."""
        self._reset()
        self.exchange = exchange
        if body:
            self.transport.writelines((head, body))
        else:
            self.transport.write(head)

    # ---- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        self.feed(_BUFFER[:nbytes])

    def feed(self, data: memoryview | bytes) -> None:
        """Parse one read and hand over what was in it."""
        exchange = self.exchange
        if exchange is None or self.over:  # bytes that nobody asked for: this connection cannot be trusted again
            self.abort()
            return
        if not self.head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None  # a fault of our own
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._deliver(exchange)
            if self.exchange is exchange and not self.over:
                exchange.upstream_failed(self, "malformed")
            return
        if not self.head_done and self._head_bytes > MAX_HEAD_BYTES:
            exchange.upstream_failed(self, "malformed")
            return
        self._deliver(exchange)

    def _deliver(self, exchange: Exchange) -> None:
        parts = self._parts
        first = self.head_done and not self._told
        if first:
            self._told = True
            exchange.head(self)
            if self.exchange is not exchange:  # it let this connection go and tries elsewhere
                return
        if parts:
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            exchange.received(self, body, self.over)
        elif self.over or first:
            exchange.received(self, b"", self.over)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self.exchange
        if exchange is None:
            if self in self.upstream.idle:
                self.upstream.idle.remove(self)
            return
        if self.head_done and not self.over and self.length is None and not self.chunked and exc is None:
            self.over = True  # an answer without length or chunks ends with its connection
            exchange.received(self, b"", True)
        elif not self.over:
            exchange.upstream_failed(self, "reset" if exc is not None else "closed")

    def pause_writing(self) -> None:
        """The request body is in memory as a whole: nothing to hold back."""

    def resume_writing(self) -> None:
        """The same."""

    def abort(self) -> None:
        """Close at once; what is under way is dropped."""
        self.exchange = None
        self.transport.abort()

    # ---- the parser's side

    def on_status(self, status: bytes) -> None:
        self.reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_done:
            return  # a trailer: of this hop only
        self.headers.append((name, value))
        if len(name) == 14 and name.lower() == b"content-length":
            self.length = value
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            self.chunked = True
        elif len(name) == 12 and name.lower() == b"content-type" and value.startswith(b"text/event-stream"):
            self.events = True

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self.head_done = True

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if self.status < 200:
            self._reset()
            return
        self.over = True
        self.keep = self._parser.should_keep_alive()
