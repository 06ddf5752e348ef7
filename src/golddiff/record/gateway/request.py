"""One request as it was parsed, what its head means, and the reason for which one is not taken at all.

Clients repeat their heads: all requests of a connection usually differ in nothing but length and body. So what a head
means (path, route, what an upstream is told, what is recorded) is one object, made for a connection's first request
and kept while the next ones have the same head. The length is left out of it, and who is asking is looked up anew for
every request.
"""

from __future__ import annotations

from collections.abc import Collection

from golddiff.record.capture import Headers
from golddiff.record.gateway import heads
from golddiff.record.gateway.heads import HeaderList
from golddiff.record.gateway.keys import ANYONE, Admission
from golddiff.record.gateway.paths import Route, route, split_target, without_secrets
from golddiff.record.gateway.upstreams import Upstream

_HEALTH = frozenset((b"/healthz", b"/readyz"))


class Rejected(Exception):
    """A request that is refused while it is read; the connection is closed after the answer."""

    def __init__(self, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class Head:
    """What the request line and the headers say, the length apart.

    Raises Rejected for what is not well-formed or not taken here, whoever asks.
    """

    rejection: Rejected | None = None
    """Why it does not pass, for those who may know."""
    local = False
    """For the gateway itself (health), not for an upstream."""
    expects = False
    """The client waits for `100 Continue`."""
    earlier_tries = 0
    """How often the client already tried this request, by its own word."""
    route = Route("other", None, False, "/")
    path = ""
    """Path and query as they are recorded: without credentials in the query."""
    query = b""
    recorded: Headers = ()
    """The headers that a record may hold."""
    admission: Admission = ANYONE
    """Who its last request was from."""
    _upstream: Upstream | None = None
    _sent = b""

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: HeaderList,
        http10: bool,
        *,
        extra_paths: Collection[str] = (),
        local_hosts: Collection[bytes] | None = None,
    ) -> None:
        self.method = method
        self.method_text = method.decode("ascii")
        self.target = target
        self.headers = headers
        self.http10 = http10
        host, origin = self._read(headers)
        split = split_target(target)
        if split is None:
            raise Rejected(400, "target", "the request target is not a plain absolute path.")
        if local_hosts is not None and (origin or _name_of(host) not in local_hosts):
            raise Rejected(403, "origin", "without keys this gateway answers local programs only, no web pages.")
        if target in _HEALTH:
            self.local = True
            return
        self.recorded = heads.recorded(headers)
        path, query = split
        self.query = without_secrets(query)
        self.path = f"{path}?{self.query.decode('latin-1')}" if self.query else path
        found = route(path, extra_paths)
        if found is None:
            self.rejection = Rejected(
                404, "path", "not a path of this gateway: see docs/gateway.md for those that pass."
            )
        elif method not in found.methods:
            allowed = ", ".join(sorted(each.decode("ascii") for each in found.methods))
            self.rejection = Rejected(405, "method", f"{found.rest} takes {allowed} only.", (("allow", allowed),))
        else:
            self.route = found

    def says(self, method: bytes, target: bytes, headers: HeaderList, http10: bool) -> bool:
        """Whether a request with these says the same."""
        return (
            headers == self.headers and target == self.target and method == self.method and http10 == self.http10
        )  # fmt: skip

    def has(self, name: bytes) -> bool:
        """Whether there is a header of this name (in lower case)."""
        return any(len(key) == len(name) and key.lower() == name for key, _ in self.headers)

    def for_upstream(self, upstream: Upstream) -> bytes:
        """Return the head that this upstream gets, up to its length."""
        if upstream is not self._upstream:
            target = upstream.prefix + self.route.rest.encode("ascii")
            if self.query:
                target += b"?" + self.query
            self._sent = heads.request_head(
                self.method, target, upstream.host_header, self.headers, upstream.own_headers, upstream.forward
            )
            self._upstream = upstream
        return self._sent

    def _read(self, headers: HeaderList) -> tuple[bytes, bool]:
        """Check the headers that frame or route; return the host and whether there is an origin."""
        hosts, encodings, total = 0, 0, 0
        host, origin = b"", False
        for name, value in headers:
            size = len(name)
            total += size + len(value)
            if size == 4 and name.lower() == b"host":
                hosts += 1
                host = value
            elif size == 17 and name.lower() == b"transfer-encoding":
                encodings += 1
                if encodings > 1 or self.http10 or value.strip().lower() != b"chunked":
                    raise Rejected(
                        400, "transfer_encoding", "Transfer-Encoding may only be one `chunked`, in HTTP/1.1."
                    )
            elif size == 16 and name.lower() == b"content-encoding" and value.strip().lower() != b"identity":
                raise Rejected(415, "content_encoding", "requests are taken without content encoding only.")
            elif size == 6 and name.lower() == b"expect":
                if value.strip().lower() != b"100-continue":
                    raise Rejected(400, "expect", "the only expectation known here is 100-continue.")
                self.expects = True
            elif size == 6 and name.lower() == b"origin":
                origin = True
            elif size == 23 and name.lower() == b"x-stainless-retry-count" and value.isdigit() and len(value) < 4:
                self.earlier_tries = self.earlier_tries or int(value)
        if total > heads.MAX_HEAD_BYTES:
            raise TOO_MANY_HEADERS
        if hosts != 1 and not (self.http10 and hosts == 0):
            raise Rejected(400, "host", "a request has exactly one Host header.")
        return host, origin


class Request:
    """One request; complete once it stands in a connection's queue."""

    head: Head
    target = b""
    length = b""
    """Value of Content-Length as it came; empty: there is none."""
    received = 0
    body = b""
    keep_alive = True
    admission: Admission = ANYONE
    rejection: Rejected | None = None

    def __init__(self) -> None:
        self.headers: HeaderList = []
        self.chunks: list[bytes] = []


TOO_MANY_HEADERS = Rejected(
    431, "head_size", f"request line and headers are limited to {heads.MAX_HEAD_BYTES >> 10} KiB, "
    f"{heads.MAX_HEADERS} fields."
)  # fmt: skip


def _name_of(host: bytes) -> bytes:
    """A Host header without its port."""
    return (host if host.endswith(b"]") else host.rsplit(b":", 1)[0]).lower()
