"""What `[gateway]` of golddiff.toml may hold: listener, workers, deadline, and the upstreams that exist.

How it fits: `golddiff.config` keeps the table as it was written; `read` turns it into `GatewaySettings` and names the
nearest known key where one is misspelt. Upstreams come from here and from nowhere else: nothing that a caller sends
can choose a host. Credentials are never in the file: `api_key_env` names the environment variable that holds one.

Not covered: virtual keys and their limits (`keyfile`), prices (`docs/operations.md`).
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from golddiff.errors import ConfigError

SHORTEST_SECRET = 8
"""Characters from which an upstream's credential is hidden in what the upstream says: `none` stands in many answers."""
Api = Literal["openai", "anthropic"]


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider, engine or other gateway that answers."""

    name: str
    """What records, metrics and messages call it."""
    url: str
    """Base URL as its own client takes it: `https://api.openai.com/v1`, `https://api.anthropic.com`."""
    api: Api = "openai"
    """Which API it speaks: `openai` (Chat Completions, Responses and the rest) or `anthropic` (Messages)."""
    api_key_env: str | None = None
    """Environment variable with its API key. None: no credential is sent, as a local engine needs none."""
    forward_credentials: bool = False
    """Send the caller's own credential on instead; only where `auth = "none"`, for a gateway of one person."""
    models: tuple[str, ...] = ("*",)
    """Shell patterns of the model names that it answers; the first upstream whose pattern fits is asked first."""
    aliases: dict[str, str] = {}
    """Name that callers use → model name of this upstream; only then is the `model` field rewritten."""


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole `[gateway]` table."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8383
    """Port to listen on; 0 picks a free one."""
    admin_host: str = "127.0.0.1"
    """Address of the admin port."""
    admin_port: int = 0
    """Port of /metrics, /healthz and /readyz, without authentication; 0: none."""
    workers: int = 1
    """Processes that serve; each writes a spool of its own."""
    auth: Literal["keys", "none"] = "keys"
    """`keys`: virtual keys (`golddiff keys create`). `none`: everyone, allowed on a loopback address only."""
    record: bool = True
    """Keep the calls. False: pass through only."""
    deadline_ms: float = 25.0
    """Longest that the last bytes of an answer wait for their record to be on disk, milliseconds; 0: never wait."""
    spool: str = "spool"
    """Folder of the calls on their way to the store, relative to the workspace."""
    ring_mb: int = 64
    """Memory for calls that are not written yet, per worker, MiB; what does not fit is dropped and counted."""
    history_mb: int = 64
    """Memory for recent requests, per worker, MiB: one that repeats them is stored as what it adds."""
    max_body_mb: int = 32
    """Largest request that is taken, MiB; also the most of one answer that is kept."""
    body_memory_mb: int = 512
    """Most of all requests that are under way at one time, per worker, MiB; beyond it callers get 503."""
    max_connections: int = 10_000
    """Client connections per worker; beyond them callers get 503."""
    connections_per_address: int = 0
    """Client connections per worker from one address; beyond them callers get 503. 0: as many as there are. Behind a
    reverse proxy every caller has the proxy's address."""
    attempts: int = 3
    """Tries per request over all upstreams that fit, where nothing can have been billed; 1: never again."""
    connect_timeout_sec: float = 10.0
    """Longest wait for a connection to an upstream, seconds."""
    read_timeout_sec: float = 600.0
    """Longest silence of an upstream within one answer, seconds."""
    stall_timeout_sec: float = 300.0
    """Longest that a client may leave an answer unread, seconds."""
    request_timeout_sec: float = 60.0
    """Longest that a client may take to send one request, seconds."""
    keep_alive_sec: float = 75.0
    """How long an idle client connection is kept, seconds."""
    pool_idle_sec: float = 20.0
    """How long an idle upstream connection is kept, seconds; below what the upstream keeps it for."""
    drain_sec: float = 6.0
    """How long SIGTERM lets open answers finish, seconds."""
    extra_paths: tuple[str, ...] = ()
    """Shell patterns of further paths behind /v1 that pass through unrecorded (`/files/*`): every key may use them."""
    upstreams: tuple[UpstreamSettings, ...] = ()
    """Who answers, in the order of preference."""


def read(table: Mapping[str, object]) -> GatewaySettings:
    """Return the settings of a `[gateway]` table.

    Raises:
        ConfigError: a key is unknown, or a value is of the wrong type or out of range.
    """
    _known(table, GatewaySettings, "[gateway]")
    upstreams = table.get("upstreams")
    for entry in upstreams if isinstance(upstreams, list) else ():
        if isinstance(entry, dict):
            _known(entry, UpstreamSettings, "[[gateway.upstreams]]")
    try:
        settings = msgspec.convert(dict(table), GatewaySettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"golddiff.toml, [gateway]: {error}. Correct the value and run again.") from error
    check(settings)
    return settings


def check(settings: GatewaySettings) -> None:
    """Hold settings to what a type cannot say.

    Raises:
        ConfigError: the first thing that is wrong.
    """
    for name, low, high in _RANGES:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ConfigError(f"golddiff.toml, [gateway]: {name} is {value}; allowed: {low} to {high}.")
    if settings.body_memory_mb < settings.max_body_mb:
        raise ConfigError(
            f"golddiff.toml, [gateway]: body_memory_mb is {settings.body_memory_mb}, so no request of max_body_mb "
            f"({settings.max_body_mb}) could ever be taken; give at least as much."
        )
    if settings.auth == "none" and not _loopback(settings.host):
        raise ConfigError(
            f'[gateway]: auth = "none" with host {settings.host} would let everyone on the network spend your '
            'provider\'s money; keep host = "127.0.0.1", or use keys: `golddiff keys create NAME`.'
        )
    names = [upstream.name for upstream in settings.upstreams]
    for upstream in settings.upstreams:
        if names.count(upstream.name) > 1:
            raise ConfigError(f"[[gateway.upstreams]]: the name {upstream.name!r} is given twice; names are unique.")
        _check_upstream(upstream, settings)


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("port", 0, 65535),
    ("admin_port", 0, 65535),
    ("workers", 1, 64),
    ("deadline_ms", 0, 10_000),
    ("ring_mb", 1, 65_536),
    ("history_mb", 1, 65_536),
    ("max_body_mb", 1, 1024),
    ("body_memory_mb", 1, 1_048_576),
    ("max_connections", 1, 1_000_000),
    ("connections_per_address", 0, 1_000_000),
    ("attempts", 1, 10),
    ("connect_timeout_sec", 0.01, 600),
    ("read_timeout_sec", 0.1, 86_400),
    ("stall_timeout_sec", 0.1, 86_400),
    ("request_timeout_sec", 0.1, 86_400),
    ("keep_alive_sec", 0.1, 86_400),
    ("pool_idle_sec", 0, 86_400),
    ("drain_sec", 0, 600),
)


def _check_upstream(upstream: UpstreamSettings, settings: GatewaySettings) -> None:
    where = f"upstream {upstream.name!r}"
    try:
        parts = urlsplit(upstream.url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{where}: url {upstream.url!r}: {error}. Give one like https://api.openai.com/v1.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"{where}: url {upstream.url!r} is no base URL; give one like https://api.openai.com/v1.")
    if parts.username or parts.password:
        raise ConfigError(f"{where}: its url holds a credential; name an environment variable in `api_key_env`.")
    if not parts.netloc.isascii() or not parts.path.isascii() or any(c <= " " for c in upstream.url):
        raise ConfigError(f"{where}: url {upstream.url!r} holds a space or a character that is not ASCII.")
    if port and port == settings.port and (_loopback(parts.hostname) or parts.hostname == settings.host):
        raise ConfigError(f"{where}: {upstream.url} is this gateway itself; give the provider's URL.")
    if upstream.forward_credentials and settings.auth == "keys":
        raise ConfigError(
            f'{where}: forward_credentials needs auth = "none": with auth = "keys" the caller\'s credential is a key '
            "of this gateway, which no provider knows. Name the provider's key in `api_key_env`."
        )
    if upstream.forward_credentials and upstream.api_key_env:
        raise ConfigError(f"{where}: give either api_key_env or forward_credentials, not both.")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _known(table: Mapping[str, object], kind: type[msgspec.Struct], where: str) -> None:
    fields: Any = kind.__struct_fields__
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(fields)}."
            raise ConfigError(f"golddiff.toml, {where}: unknown key `{key}`; {hint}")
