"""Four workers are one gateway: one limit (A3), one list of keys (A4), and nothing left of strangers (D9)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from faults.disks import FULL
from golddiff.errors import GolddiffError
from golddiff.record.gateway.keyfile import KeyFile, KeyLimits
from golddiff.store import Store
from golddiff.types import Call
from record.gateway.fakes import ScriptedServer, json_answer, sends
from record.gateway.program import Program, program

ANSWER = b'{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}'


def ask(address: str, key: str) -> int:
    """One request on a connection of its own, so that any worker may get it; returns the status."""
    host, _, port = urlsplit(address).netloc.rpartition(":")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: %b\r\nauthorization: Bearer %b\r\nconnection: close\r\n"
    body = b'{"model": "m", "messages": []}'
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head % (host.encode(), key.encode()) + b"content-length: %d\r\n\r\n%b" % (len(body), body))
        return int(connection.recv(65_536)[9:12])


def ask_in_turn(address: str, first: int, count: int) -> list[int]:
    """Requests with keys that nobody has, on one connection; their statuses."""
    url = urlsplit(address)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=600)  # a starved machine is not what is tested
    try:
        found = []
        for number in range(first, first + count):
            headers = {"authorization": f"Bearer gdk_{number:040}"}
            connection.request("POST", "/v1/chat/completions", b'{"model": "m", "messages": []}', headers)
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
        return found
    finally:
        connection.close()


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file of the workspace that holds records."""
    return {
        path.name: path.stat().st_size for path in folder.rglob("*") if path.suffix in (".spool", ".sqlite", ".json")
    }


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    file = KeyFile(tmp_path / "work" / "gateway")
    limits = {"good": KeyLimits(), "slow": KeyLimits(requests_per_minute=20), "leaver": KeyLimits()}
    return {name: file.create(name, limits=limit)[0] for name, limit in limits.items()}


def test_four_workers_are_one_gateway(tmp_path: Path, keys: dict[str, str]) -> None:
    async def work() -> None:
        async with ScriptedServer(sends(json_answer(ANSWER))) as server:
            await asyncio.to_thread(_drive, tmp_path, keys, server.port)

    asyncio.run(work())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _drive(folder: Path, keys: dict[str, str], port: int) -> None:
    upstream = f'[[gateway.upstreams]]\nname = "main"\nurl = "http://127.0.0.1:{port}"\n'
    with program(folder, f"[gateway]\nport = 0\nadmin_port = {_free_port()}\nworkers = 4\n{upstream}") as running:
        passed = _one_limit(running, keys["slow"])
        _one_list(running, folder, keys["leaver"])
        _nothing_of_strangers(running, folder, passed + 1)


def _one_limit(running: Program, key: str) -> int:
    """Return how many calls passed."""
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(lambda _: ask(running.address, key), range(120))).count(200)
    minutes = 1 + int((time.monotonic() - began) / 60)
    assert 20 <= passed <= 20 * minutes
    return passed


def _one_list(running: Program, folder: Path, key: str) -> None:
    assert ask(running.address, key) == 200
    KeyFile(folder / "work" / "gateway").revoke("leaver")
    time.sleep(0.5)  # a worker looks at the list when a request comes, unless it did so in the last quarter of a second
    assert {ask(running.address, key) for _ in range(32)} == {401}


def _until_at_rest(work: Path, calls: int) -> None:
    """Return when the store holds these calls and the taker's turn is over: only then do files change no more.

    Whoever has the store's lock knows that nobody takes; files that were alike twice may just wait for the taker.
    """
    while True:
        with contextlib.suppress(GolddiffError), Store.open(work, make=False) as store:
            if store.count(Call) == calls:
                return
        time.sleep(0.05)


def _nothing_of_strangers(running: Program, folder: Path, calls: int) -> None:
    _until_at_rest(folder / "work", calls)
    before = sizes(folder / "work")
    memory, each = running.rss(), 25  # keys on one connection: opening one costs more than everything else
    count = 100_000 if FULL else 150
    with ThreadPoolExecutor(8) as pool:
        for statuses in pool.map(lambda first: ask_in_turn(running.address, first, each), range(0, count, each)):
            assert statuses == [401] * each
    # less is allowed: in ten minutes a segment is finished, and deleted as all of it was taken
    assert {name: size for name, size in sizes(folder / "work").items() if size > before.get(name, 0)} == {}
    with Store.open(folder / "work", write=False) as store:
        assert store.count(Call) == calls
    assert running.rss() - memory < 50 << 20, f"{(running.rss() - memory) >> 20} MiB more"
    assert running.metrics is not None
    with urllib.request.urlopen(running.metrics, timeout=20) as answer:
        text = answer.read().decode()
    assert f'golddiff_gateway_refused_total{{reason="unknown_key"}} {count}\n' in text
    assert "golddiff_gateway_workers 4\n" in text
    assert b"gdk_" not in (folder / "log").read_bytes()
