"""What is measured: golddiff's gateway in several settings, and the peers beside it, each in a process tree of its own.

A peer that is not installed is left out and said so. Where they are looked for: `--peers FOLDER`, with `litellm/` and
`mitmproxy/` virtual environments, `portkey/node_modules` and `nginx/usr/sbin/nginx`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class System:
    """One thing that stands between client and provider."""

    name: str
    port: int
    process: subprocess.Popen[bytes] | None
    headers: str = ""
    folder: Path | None = None
    """Workspace, where records are kept."""
    home: Path | None = None
    """Where a golddiff gateway was started."""
    metrics: str = ""
    """Where a golddiff gateway that records says its numbers."""
    notes: list[str] = field(default_factory=list)

    def processes(self) -> dict[int, str]:
        """Return all pids of its tree with their names."""
        if self.process is None:
            return {}
        found = {self.process.pid: ""}
        grew = True
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    text = (entry / "stat").read_text()
                    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
                    parents[int(entry.name)] = (int(rest[1]), name)
        while grew:
            grew = False
            for pid, (parent, name) in parents.items():
                if parent in found and pid not in found:
                    found[pid] = name
                    grew = True
        return found

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by what the process does: `serving`, and `storing` for golddiff's taker."""
        spent = {"serving": 0.0, "storing": 0.0}
        for pid, name in self.processes().items():
            kind = "storing" if name.startswith("gd-taker") else "serving"
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    spent[kind] += int(task.read_text().split()[0]) / 1e9
        return spent

    def megabytes(self) -> float:
        """Resident memory of the tree, MB; pages that processes share are counted for each."""
        total = 0
        for pid, name in self.processes().items():
            if name.startswith("gd-taker"):
                continue
            with contextlib.suppress(OSError):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return total * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _start(
    name: str, arguments: list[str], port: int, log: Path, *, patience: float = 120, **options: object
) -> System:
    with log.open("wb") as file:
        process = subprocess.Popen(arguments, stdout=file, stderr=subprocess.STDOUT, **options)  # type: ignore[call-overload]
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return System(name, port, process)
        time.sleep(0.2)
    why = "ended" if process.poll() is not None else f"did not listen within {patience:.0f} s"
    process.kill()
    process.wait()
    raise RuntimeError(f"{name} {why}: {log.read_text(errors='replace')[-300:].strip()}")


OURS: dict[str, dict[str, object]] = {
    "golddiff, everything on": {"auth": "keys", "limits": True},
    "golddiff, no limits": {"auth": "keys"},
    "golddiff, no keys": {"auth": "none"},
    "golddiff, never waits (deadline 0)": {"auth": "keys", "limits": True, "deadline_ms": 0},
    "golddiff, no recording": {"auth": "keys", "limits": True, "record": False},
    "golddiff, bare": {"auth": "none", "record": False},
}
"""Name → settings; redaction, usage parsing and routing are part of every one that records."""


def start_ours(name: str, upstream: int, folder: Path, place: str | None = None) -> System:
    """Start `golddiff gateway` in a folder of its own, named `place` or after the settings."""
    home = folder / (place or name.replace(" ", "-").replace(",", "").replace("(", "").replace(")", ""))
    home.mkdir(parents=True)
    options = dict(OURS[name])
    limits = options.pop("limits", False)
    port = free_port()
    if recorded := bool(options.get("record", True)):
        options["admin_port"] = free_port()
    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    (home / "golddiff.toml").write_text(
        "[gateway]\n" + "\n".join(lines) + f'\nport = {port}\n[[gateway.upstreams]]\nname = "mock"\n'
        f'url = "http://127.0.0.1:{upstream}/v1"\nmodels = ["plain", "burst", "paced"]\napi_key_env = "BENCH_KEY"\n'
    )
    environment = dict(os.environ, BENCH_KEY="sk-bench")
    environment.pop("GOLDDIFF_WORKSPACE", None)
    program = [sys.executable, "-m", "golddiff"]
    headers = "Authorization: Bearer none\r\n"
    if options["auth"] == "keys":
        given = ["--requests-per-minute", "1000000000", "--tokens-per-day", "1000000000000000"] if limits else []
        made = subprocess.run(
            [*program, "keys", "create", "bench", *given, "--json"],
            cwd=home, env=environment, check=True, capture_output=True,
        )  # fmt: skip
        headers = f"Authorization: Bearer {json.loads(made.stdout)['key']}\r\n"
    system = _start(name, [*program, "gateway", "--json"], port, home / "log", cwd=home, env=environment)
    system.home = home
    system.headers = headers
    if recorded:
        system.folder = home / ".golddiff"
        system.metrics = f"http://127.0.0.1:{options['admin_port']}/metrics"
    return system


def start_again(system: System) -> None:
    """Start a golddiff gateway that was stopped, in its old folder and on its old port."""
    assert system.home is not None
    environment = dict(os.environ, BENCH_KEY="sk-bench")
    environment.pop("GOLDDIFF_WORKSPACE", None)
    arguments = [sys.executable, "-m", "golddiff", "gateway", "--json"]
    again = _start(system.name, arguments, system.port, system.home / "log", cwd=system.home, env=environment)
    system.process = again.process


def start_nginx(upstream: int, folder: Path, peers: Path) -> System:
    program = shutil.which("nginx") or str(peers / "nginx/usr/sbin/nginx")
    if not Path(program).exists():
        raise RuntimeError("nginx is not installed")
    port, place = free_port(), folder / "nginx"
    place.mkdir()
    (place / "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; error_log {place}/error.log crit; pid {place}/pid;
events {{ worker_connections 4096; }}
http {{ access_log off; client_max_body_size 64m; client_body_buffer_size 1m; keepalive_requests 1000000000;
 client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u;
 scgi_temp_path {place}/s;
 upstream mock {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
 server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://mock; proxy_http_version 1.1;
 proxy_set_header Connection ""; proxy_buffering off; }} }} }}
"""
    )
    return _start("nginx", [program, "-p", str(place), "-c", str(place / "nginx.conf")], port, place / "log")


def start_litellm(upstream: int, folder: Path, peers: Path) -> System:
    program = peers / "litellm/bin/litellm"
    if not program.exists():
        raise RuntimeError("LiteLLM is not installed")
    port, place = free_port(), folder / "litellm"
    place.mkdir()
    models = "".join(
        f"  - model_name: {name}\n    litellm_params:\n      model: openai/{name}\n"
        f"      api_base: http://127.0.0.1:{upstream}/v1\n      api_key: sk-bench\n"
        for name in ("plain", "burst", "paced")
    )
    (place / "config.yaml").write_text(f"model_list:\n{models}litellm_settings:\n  telemetry: false\n")
    environment = dict(os.environ, LITELLM_LOG="ERROR", LITELLM_LOCAL_MODEL_COST_MAP="True")
    environment["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"  # on loopback, for the time of the run
    arguments = [str(program), "--config", str(place / "config.yaml"), "--port", str(port), "--host", "127.0.0.1"]
    return _start("LiteLLM proxy", arguments, port, place / "log", env=environment, patience=420)


def start_mitmproxy(upstream: int, folder: Path, peers: Path) -> System:
    program = peers / "mitmproxy/bin/mitmdump"
    if not program.exists():
        raise RuntimeError("mitmproxy is not installed")
    port, place = free_port(), folder / "mitmproxy"
    place.mkdir()
    arguments = [
        str(program), "-q", "--mode", f"reverse:http://127.0.0.1:{upstream}", "--listen-host", "127.0.0.1", "-p",
        str(port), "-w", str(place / "flows"), "--set", f"confdir={place}",
    ]  # fmt: skip
    return _start("mitmproxy, saving flows", arguments, port, place / "log")


def start_portkey(upstream: int, folder: Path, peers: Path) -> System:
    program = peers / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    if not program.exists():
        raise RuntimeError("Portkey is not installed")
    port, place = free_port(), folder / "portkey"
    place.mkdir()
    environment = dict(os.environ, TRUSTED_CUSTOM_HOSTS="127.0.0.1,localhost")
    node = shutil.which("node") or "node"
    system = _start(
        "Portkey", [node, str(program), f"--port={port}", "--headless"], port, place / "log", env=environment
    )
    system.headers = (
        f"x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:{upstream}/v1\r\n"
        "Authorization: Bearer sk-bench\r\n"
    )
    return system


PEERS = {
    "nginx": start_nginx,
    "litellm": start_litellm,
    "mitmproxy": start_mitmproxy,
    "portkey": start_portkey,
}


def pin(pid: int, core: int) -> None:
    """Keep a process and the children it will have on one core, where there are two."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def stop(system: System) -> None:
    """Stop one system in order."""
    if system.process is not None:
        system.process.send_signal(signal.SIGTERM)
        try:
            system.process.wait(20)
        except subprocess.TimeoutExpired:
            system.process.kill()
            system.process.wait()


@contextlib.contextmanager
def stopped_at_end(systems: list[System]) -> Iterator[None]:
    """Stop everything that was started."""
    try:
        yield
    finally:
        for system in systems:
            if system.process is not None:
                system.process.send_signal(signal.SIGTERM)
        for system in systems:
            stop(system)
