"""`golddiff gateway`: the composition root of the gateway; nothing else puts its parts together."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from golddiff import config
from golddiff.cli.app import Workspace, console, json_option, workspace_option
from golddiff.cli.keys import FOLDER
from golddiff.errors import ConfigError, UsageError
from golddiff.record.gateway import config as gateway_config
from golddiff.record.gateway.config import SHORTEST_SECRET, GatewaySettings

if TYPE_CHECKING:
    from golddiff.record.gateway.worker import Worker

_EXAMPLE = """add to golddiff.toml, for example:

[[gateway.upstreams]]
name = "openai"
url = "https://api.openai.com/v1"
api_key_env = "OPENAI_API_KEY"

[[gateway.upstreams]]
name = "anthropic"
url = "https://api.anthropic.com"
api = "anthropic"
api_key_env = "ANTHROPIC_API_KEY"
"""


@click.command(
    epilog="""\b
Examples:
  golddiff gateway
  golddiff gateway --port 9000 --workers 2
  golddiff gateway --check
"""
)
@click.option("--host", help="Address to listen on, instead of golddiff.toml's.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, instead of golddiff.toml's; 0 picks a free one.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes, instead of golddiff.toml's.")
@click.option("--check", "only_check", is_flag=True, help="Read the configuration, say what it means, and stop.")
@click.option("--verbose", is_flag=True, help="Log every request (never its text).")
@workspace_option
@json_option
def command(
    host: str | None,
    port: int | None,
    workers: int | None,
    only_check: bool,
    verbose: bool,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Pass model calls through to their providers and keep a copy of each, on disk before the answer ends.

    Upstreams, keys and limits come from golddiff.toml. Point a client at it with one variable:
    OPENAI_BASE_URL=http://127.0.0.1:8383/v1 or ANTHROPIC_BASE_URL=http://127.0.0.1:8383. Ctrl-C or SIGTERM lets open
    answers finish. With --json the first line of standard output says where, once requests are taken.
    """
    try:
        from golddiff.record.gateway import prices
        from golddiff.record.gateway.supervisor import Child, only_gateway_of, open_listeners, supervise
        from golddiff.record.gateway.upstreams import Upstream
    except ModuleNotFoundError as missing:
        raise UsageError(f"{missing.name} is not installed. Run: pip install 'golddiff[gateway]'") from missing

    loaded = config.load(Path.cwd())
    settings = gateway_config.read(loaded.gateway)
    given = {"host": host, "port": port, "workers": workers}
    settings = msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value is not None})
    gateway_config.check(settings)
    if not settings.upstreams:
        raise ConfigError("no upstream is configured, so nobody could answer; " + _EXAMPLE)
    for upstream in settings.upstreams:
        Upstream(upstream, os.environ)  # a missing credential is said now, not by every worker
    folder = workspace if isinstance(workspace, Path) else workspace.folder
    prices.load(folder / FOLDER)
    _say_what(settings, folder)
    if only_check:
        if as_json:
            click.echo(json.dumps({"upstreams": [upstream.name for upstream in settings.upstreams], "ok": True}))
        return

    lock = only_gateway_of(folder / FOLDER)
    try:
        listeners = open_listeners(settings.host, settings.port, settings.workers)
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        raise UsageError(f"cannot listen on {where}: {error}. Choose another with --port.") from error
    admin = _admin_listener(settings)
    for sock in listeners:
        sock.listen(2048)  # from now on nobody is refused, whichever worker is up first
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{shown}:{listeners[0].getsockname()[1]}"
    if as_json:
        metrics = "http://{}:{}/metrics".format(*admin.getsockname()[:2]) if admin is not None else None
        places = {"base_url": f"{address}/v1", "anthropic_base_url": address, "metrics_url": metrics}
        click.echo(json.dumps({**places, "pid": os.getpid()}))
    _say(f"OPENAI_BASE_URL={address}/v1  ANTHROPIC_BASE_URL={address}")

    parts = _Parts(settings, folder, listeners, admin, "debug" if verbose else "info")
    children = [
        Child(f"worker {number}", parts.worker(number), died=parts.forget(number)) for number in range(settings.workers)
    ]
    if settings.record:
        children.append(Child("taker", parts.taker(workspace, loaded.subject), last=True))
    supervise(children, [*listeners, *([admin] if admin else [])], settings.drain_sec, _say)
    os.close(lock)


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _say_what(settings: GatewaySettings, folder: Path) -> None:
    from golddiff.record.gateway.keyfile import KeyFile

    where = f"[{settings.host}]" if ":" in settings.host else settings.host
    port = str(settings.port) if settings.port else "a free port"
    _say(f"address: {where}:{port}")
    for upstream in settings.upstreams:
        key = f"key from {upstream.api_key_env}" if upstream.api_key_env else "no key"
        if upstream.forward_credentials:
            key = "the caller's own key"
        _say(f"{upstream.name}: {upstream.url} ({upstream.api}), {key}")
    if settings.auth == "none":
        _say("auth = none: every program on this machine may use it")
    else:
        valid = sum(key.revoked_at is None for key in KeyFile(folder / FOLDER).read().keys)
        there = f"{valid} made" if valid else "none was made yet"
        _say(f"auth = keys: callers need a key ({there}; golddiff keys create NAME)")
    if not settings.record:
        _say("record = false: nothing is kept")
    else:
        _say(f"calls are kept in {folder}: golddiff show")


def _admin_listener(settings: GatewaySettings) -> socket.socket | None:
    from golddiff.record.gateway.worker import listen

    if not settings.admin_port:
        return None
    try:
        listener = listen(settings.admin_host, settings.admin_port)
    except OSError as error:
        where = f"{settings.admin_host} port {settings.admin_port}"
        raise UsageError(f"cannot listen on {where}: {error}. Set another admin_port in [gateway].") from error
    listener.listen(128)
    return listener


class _Parts:
    """What each process is made of; the functions run in that process."""

    def __init__(
        self,
        settings: GatewaySettings,
        folder: Path,
        listeners: Sequence[socket.socket],
        admin: socket.socket | None,
        level: str,
    ) -> None:
        self.settings = settings
        self.gateway_folder = folder / FOLDER
        self.spool_folder = folder / settings.spool
        self.listeners = listeners
        self.admin = admin
        self.level = level
        self.names = [upstream.name for upstream in settings.upstreams]
        secrets = [os.environ[each.api_key_env].strip() for each in settings.upstreams if each.api_key_env]
        self.secrets = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]

    def worker(self, number: int) -> Callable[[], None]:
        def work() -> None:
            from golddiff.record.gateway import logs
            from golddiff.record.gateway.worker import run

            logs.install(self.level, worker=number)
            for other, listener in enumerate(self.listeners):
                if other != number:
                    listener.close()
            run(lambda: self._start(number))

        return work

    async def _start(self, number: int) -> Worker:
        import asyncio

        from golddiff.record.gateway import admin, keygate, keys, limits, logs, metrics, observer, prices
        from golddiff.record.gateway.worker import Worker

        settings, loop = self.settings, asyncio.get_running_loop()
        loop.set_exception_handler(logs.loop_handler)
        counted = metrics.Metrics(self.gateway_folder, number, self.names)
        gate = None  # without keys nobody has limits, and what a call used is read when it is stored
        degraded: dict[str, Callable[[], int]] = {}
        if settings.auth == "keys":
            book = keys.KeyBook(self.gateway_folder)
            used = limits.Limits(self.gateway_folder, prices.load(self.gateway_folder))
            gate = keygate.KeyGate(book, used, loop=loop, metrics=counted)
            degraded = {"limits": lambda: used.degraded, "keys": lambda: book.failures}
        recorder = None
        if settings.record:
            from golddiff.record.spool.recorder import SpoolConfig, SpoolRecorder

            spool = SpoolConfig(ring_bytes=settings.ring_mb << 20, memory_bytes=settings.history_mb << 20)
            recorder = SpoolRecorder(self.spool_folder, str(number), config=spool, secrets=self.secrets, loop=loop)
            degraded["spool"] = lambda: recorder.counters["suspect_segments"]
        watch = observer.Observer(counted, loop=loop, degraded=degraded)
        worker = await Worker.start(
            settings, os.environ, recorder, gate=gate, watcher=watch, listener=self.listeners[number]
        )
        watch.memory = observer.memory_of(worker.service, recorder)
        if gate is not None:
            worker.at_end(gate.close)
        if self.admin is not None:
            served = await admin.serve(
                self.admin, counted.render, metrics.CONTENT_TYPE, lambda: not worker.service.draining
            )
            worker.at_end(served.close)
        return worker

    def forget(self, number: int) -> Callable[[], None]:
        def died() -> None:
            from golddiff.record.gateway.metrics import forget_gauges

            forget_gauges(self.gateway_folder, number, self.names)

        return died

    def taker(self, workspace: Workspace, subject: str | None) -> Callable[[], None]:
        def work() -> None:
            from golddiff.cli.taking import keep_taking
            from golddiff.record.gateway import logs

            logs.install(self.level)
            for listener in (*self.listeners, *([self.admin] if self.admin else [])):
                listener.close()
            keep_taking(workspace, self.spool_folder, subject=subject)

        return work
