"""Credentials stay out of everything that is kept or said (P5): every carrier, every way a request can end, at DEBUG.

A real gateway with two workers and a taker runs against an upstream that echoes whatever it got. Afterwards every byte
of its workspace (spool, store with its log, counters, keys), what those hold compressed, its logs, its metrics and the
answers that it wrote itself are searched for the canaries.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import json
import logging
import random
import string
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import msgspec
import pytest
import zstandard

from golddiff.record.calls import rebuild_answer, rebuild_request
from golddiff.record.gateway import logs
from golddiff.record.gateway.keyfile import KeyFile, KeyLimits
from golddiff.record.gateway.keys import ANYONE, Admission
from golddiff.store import Store
from golddiff.types import Call
from record.gateway.fakes import STREAM_HEAD, Asked, ScriptedServer, chunk, gateway, json_answer, request, run, sends
from record.gateway.program import program

_RANDOM = random.Random(7)


def canary(prefix: str, length: int) -> str:
    return prefix + "".join(_RANDOM.choices(string.ascii_letters + string.digits, k=length))


PROVIDER_KEYS = {"MAIN_KEY": canary("plain-provider-", 30), "CLAUDE_KEY": canary("sk-" + "ant-api03-", 93) + "AA"}
_PLACES = ("goog", "cookie", "proxy", "query", "apikey", "token", "wrong", "second")
ELSEWHERE = {name: canary("canary-", 30) for name in _PLACES}
IN_BODY = [canary("gh" + "p_", 36), canary("s" + "k-proj-", 64), canary("gd" + "k_", 40)]
BODY_TEXT = f"deploy with {IN_BODY[0]} and OPENAI_API_KEY={IN_BODY[1]}, or {IN_BODY[2]}"


async def upstream(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Do what the model's name says, echoing the whole request."""
    model = json.loads(asked.body)["model"] if asked.body else "ok"
    key = (asked.header(b"authorization") or asked.header(b"x-api-key") or b"").removeprefix(b"Bearer ")
    seen = f"you are {key.decode()}: {(asked.line, asked.headers, asked.body)!r}"
    echo = json.dumps({"echo": seen, "usage": {"prompt_tokens": 9}}).encode()
    extra = b"request-id: %b\r\nwww-authenticate: %b\r\n" % (key, key)
    if model == "stream":
        events = [b"data: " + echo + b"\n\n", b"data: [DONE]\n\n"]
        writer.write(STREAM_HEAD + b"".join(chunk(event) for event in events) + b"0\r\n\r\n")
    elif model == "cut":
        writer.write(STREAM_HEAD + chunk(b"data: " + echo + b"\n\n"))
        writer.close()
    elif model == "reset":
        writer.transport.abort()
    elif model == "hang":
        await asyncio.sleep(60)
    else:
        status = {"bad": b"400 Bad Request", "denied": b"401 Unauthorized", "down": b"500 Oops"}.get(model, b"200 OK")
        writer.write(json_answer(echo, status, extra))


def ask(
    address: str, key: str, model: str, *, path: str = "/v1/chat/completions", carrier: str = "x-api-key",
    more: dict[str, str] | None = None,
) -> tuple[int, bytes]:  # fmt: skip
    """One request that carries every canary; returns status (0: broken off) and body."""
    query = f"?key={ELSEWHERE['query']}&beta=true&api_key={ELSEWHERE['apikey']}&k%65y={ELSEWHERE['token']}"
    body = {"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": BODY_TEXT}]}
    headers = {
        "content-type": "application/json",
        carrier: f"Bearer {key}" if carrier == "authorization" else key,
        "x-goog-api-key": ELSEWHERE["goog"],
        "cookie": f"session={ELSEWHERE['cookie']}",
        "proxy-authorization": f"Bearer {ELSEWHERE['proxy']}",
        **(more or {}),
    }
    request = urllib.request.Request(address + path + query, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, and every zstd frame in it, unpacked."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield path.name, data
        at = data.find(b"\x28\xb5\x2f\xfd")
        while at >= 0:
            with contextlib.suppress(zstandard.ZstdError):
                yield f"{path.name} at {at}", zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
            at = data.find(b"\x28\xb5\x2f\xfd", at + 4)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Virtual keys by what becomes of them."""
    file = KeyFile(tmp_path / "work" / "gateway")
    made = {name: file.create(name)[0] for name in ("good", "revoked")}
    file.revoke("revoked")
    made["poor"] = file.create("poor", limits=KeyLimits(tokens_per_day=1))[0]
    made["slow"] = file.create("slow", limits=KeyLimits(requests_per_minute=0))[0]
    made["narrow"] = file.create("narrow", models=("other",))[0]
    return made


def test_no_credential_is_ever_kept_or_said(tmp_path: Path, keys: dict[str, str]) -> None:
    said = run(_drive(tmp_path, keys))
    work = tmp_path / "work"
    places = {**dict(everything(work)), **said}
    with Store.open(work, write=False) as store:
        calls = list(store.find(Call))
        for call in calls:
            places[call.id] = msgspec.json.encode(call) + rebuild_request(store, call) + rebuild_answer(call)
            for event in store.events(call.session_id) if call.session_id else ():
                places[event.id] = msgspec.json.encode(event)
    assert len(calls) >= 12
    assert b"[REDACTED:" in b"".join(places.values())
    searched = {**keys, **PROVIDER_KEYS, **ELSEWHERE, **{f"body {at}": secret for at, secret in enumerate(IN_BODY)}}
    hits = [
        (name, place)
        for name, secret in searched.items()
        for place, data in places.items()
        if secret.encode() in data and not (secret in IN_BODY and place.startswith("echo"))  # the caller's own words
    ]
    assert not hits


async def _drive(tmp_path: Path, keys: dict[str, str]) -> dict[str, bytes]:
    """Run the gateway through everything; return what it said: logs, metrics and its own error answers."""
    async with ScriptedServer(upstream) as server:
        url = f"http://127.0.0.1:{server.port}"
        settings = (
            "[gateway]\nport = 0\nworkers = 2\nread_timeout_sec = 0.3\nattempts = 2\n"
            f'[[gateway.upstreams]]\nname = "main"\nurl = "{url}"\napi_key_env = "MAIN_KEY"\n'
            f'[[gateway.upstreams]]\nname = "claude"\nurl = "{url}"\napi = "anthropic"\napi_key_env = "CLAUDE_KEY"\n'
        )

        def drive() -> dict[str, bytes]:
            with program(tmp_path, settings, PROVIDER_KEYS) as running:
                return _ask_for_everything(running.address, keys)

        own = await asyncio.to_thread(drive)
    return {**own, "log": (tmp_path / "log").read_bytes(), "stdout": (tmp_path / "out").read_bytes()}


def _ask_for_everything(address: str, keys: dict[str, str]) -> dict[str, bytes]:
    """Every way a request can end; returns error answers by what they answer."""
    own: dict[str, bytes] = {}
    models = ("hang", "ok", "stream", "cut", "reset", "bad", "denied", "down")
    ways = list(product(models, ("/v1/chat/completions", "/v1/messages")))
    with ThreadPoolExecutor(4) as pool:  # those that hang wait beside the others
        answers = pool.map(lambda way: ask(address, keys["good"], way[0], path=way[1], carrier="authorization"), ways)
        for (model, path), (status, body) in zip(ways, answers, strict=True):
            if status >= 400:
                own[f"{'answer' if status in (502, 504) else 'echo'} {model} {path}"] = body
            assert status != 0 or model == "cut", (model, path)
    for carrier in ("authorization", "x-api-key", "api-key"):
        assert ask(address, keys["good"], "ok", carrier=carrier)[0] == 200
        for name, expected in (("revoked", 401), ("poor", 429), ("slow", 429), ("narrow", 403)):
            status, own[f"answer {name} {carrier}"] = ask(address, keys[name], "ok", carrier=carrier)
            assert status == expected
        status, own[f"answer wrong {carrier}"] = ask(address, ELSEWHERE["wrong"], "ok", carrier=carrier)
        assert status == 401
        other = {"api-key" if carrier == "x-api-key" else "x-api-key": ELSEWHERE["second"]}
        status, own[f"answer two {carrier}"] = ask(address, keys["good"], "ok", carrier=carrier, more=other)
        assert status == 401
    status, own["answer nowhere"] = ask(address, keys["good"], "ok", path="/v1/files")
    assert status == 404
    return own


class Panics:
    """A gate that breaks with a credential in its exception."""

    def __init__(self, where: str) -> None:
        self.where = where

    def _perhaps(self, where: str) -> None:
        if where == self.where:
            raise RuntimeError(f"Authorization: Bearer {ELSEWHERE['wrong']}")

    def admit(self, headers: object) -> Admission:
        self._perhaps("admit")
        return ANYONE

    def still_admits(self, admission: Admission) -> bool:
        self._perhaps("admit")
        return True

    def reserve(self, admission: object, fields: object, body_bytes: int, upstream_model: str | None = None) -> object:
        self._perhaps("reserve")
        return "reserved"

    def settle(self, reservation: object, call: object) -> None:
        self._perhaps("settle")


@pytest.mark.parametrize("where", ["admit", "reserve", "settle"])
def test_a_fault_of_our_own_says_its_place_and_no_credential(where: str) -> None:
    stream = io.StringIO()
    kept = logging.getLogger().handlers[:], logging.getLogger().level, sys.excepthook, threading.excepthook
    unraisable = sys.unraisablehook
    logs.install("debug", stream=stream)

    async def drive() -> list[bytes]:
        asyncio.get_running_loop().set_exception_handler(logs.loop_handler)
        async with ScriptedServer(sends(json_answer())) as server, gateway(server, gate=Panics(where)) as gate:
            secret = b"authorization: Bearer " + ELSEWHERE["wrong"].encode() + b"\r\n"
            return [await gate.ask(request(headers=secret)) for _ in range(2)]

    try:
        answers = run(drive())
    finally:
        logging.getLogger().handlers[:], level, sys.excepthook, threading.excepthook = kept
        sys.unraisablehook = unraisable
        logging.getLogger().setLevel(level)
        logging.captureWarnings(False)
        logging.raiseExceptions = True
    assert ELSEWHERE["wrong"] not in stream.getvalue() + repr(answers)
    assert any(
        line.get("error", {}).get("kind") == "RuntimeError" for line in map(json.loads, stream.getvalue().splitlines())
    )
    assert all(b"200 OK" in answer for answer in answers) == (where == "settle")
