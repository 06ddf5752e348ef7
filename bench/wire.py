"""Reading streamed answers, beside other ways to do it, and storing calls: CPU time.

    python -m bench.wire [--write]      # --write: put the table into docs/benchmarks.md

One stream of 100 deltas per protocol (a text and a tool call, usage at the end), read whole: by golddiff's
`StreamReader`, by the official client's own stream class (typed events, text and usage summed over them), and by
the standard library (`bytes.split` and `json.loads`, text and usage picked out). Every way must give the same text
and tokens. CPU time of one process, rounds interleaved, median. Then calls are stored until 7,000 are there. Not
measured: the network.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from golddiff.providers.wire import PartKind, WireProtocol, parse_response, route_fields
from golddiff.record.calls.store_call import CallStore
from golddiff.record.spool.stored import StoredCall
from golddiff.store import Store
from providers.wire.recorded import (
    MESSAGE_END,
    USAGE_CHUNK,
    block,
    chunk,
    json_delta,
    message_start,
    response_events,
    sse,
    text_delta,
    tool_piece,
)
from record.calls.world import Claude, chat, chat_answer, result, stored

ROOT = Path(__file__).resolve().parents[1]
Answer = tuple[str, int]
"""Text and output tokens."""

_BEGIN, _END = "<!-- bench/wire begin -->", "<!-- bench/wire end -->"
WORDS = [f"Wort {number} 漢 " for number in range(80)]
PIECES = [f'"k{number}": {number}, ' for number in range(20)]


def bodies() -> dict[WireProtocol, bytes]:
    """One stream for each protocol."""
    text = "".join(WORDS)
    arguments = "{" + "".join(PIECES).rstrip(", ") + "}"
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    content = [{"type": "output_text", "text": text, "annotations": []}]
    call = {"type": "function_call", "id": "f", "call_id": "call_1abcdefgh", "name": "f", "arguments": arguments}
    deltas = [{"type": "response.output_text.delta", "output_index": 0, "delta": word} for word in WORDS]
    deltas += [{"type": "response.function_call_arguments.delta", "output_index": 1, "delta": p} for p in PIECES]
    more = {"item_id": "m", "content_index": 0, "logprobs": []}
    return {
        "openai-chat": sse(
            *(chunk({"content": word}, created=1) for word in WORDS),
            chunk(tool_piece(0, "{", "call_1abcdefgh", "f"), created=1),
            *(chunk(tool_piece(0, piece), created=1) for piece in PIECES),
            chunk({}, "tool_calls", created=1),
            USAGE_CHUNK | {"created": 1},
            done=True,
        ),
        "openai-responses": sse(
            *response_events([message | {"content": content}, call], [one | more for one in deltas]), named=True
        ),
        "anthropic-messages": sse(
            message_start(),
            *block(0, {"type": "text", "text": ""}, *map(text_delta, WORDS)),
            *block(1, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, *map(json_delta, PIECES)),
            *MESSAGE_END,
            named=True,
        ),
    }


def ours(protocol: WireProtocol, body: bytes) -> Answer:
    """golddiff."""
    answer = parse_response(protocol, body, streamed=True)
    text = "".join(part.text for part in answer.parts if part.kind is PartKind.TEXT)
    return text, answer.usage.output_tokens if answer.usage else -1


def official(protocol: WireProtocol, body: bytes) -> Answer:
    """The official client of the protocol."""
    import anthropic
    import httpx2
    import openai
    from anthropic.types import RawMessageStreamEvent
    from openai.types.chat import ChatCompletionChunk
    from openai.types.responses import ResponseStreamEvent

    global _clients
    if not _clients:
        _clients = {"openai": openai.OpenAI(api_key="x"), "anthropic": anthropic.Anthropic(api_key="x")}
    request = httpx2.Request("POST", "http://localhost")
    response = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body, request=request)
    text: list[str] = []
    tokens = -1
    if protocol == "anthropic-messages":
        cast_to: Any = RawMessageStreamEvent
        for event in anthropic.Stream(cast_to=cast_to, response=response, client=_clients["anthropic"]):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text.append(event.delta.text)
            elif event.type == "message_delta":
                tokens = event.usage.output_tokens
    elif protocol == "openai-chat":
        for part in openai.Stream(cast_to=ChatCompletionChunk, response=response, client=_clients["openai"]):
            text += [choice.delta.content for choice in part.choices if choice.delta.content]
            tokens = part.usage.completion_tokens if part.usage else tokens
    else:
        cast_to = ResponseStreamEvent
        for event in openai.Stream(cast_to=cast_to, response=response, client=_clients["openai"]):
            if event.type == "response.output_text.delta":
                text.append(event.delta)
            elif event.type == "response.completed" and event.response.usage:
                tokens = event.response.usage.output_tokens
    return "".join(text), tokens


_clients: dict[str, Any] = {}


def standard(protocol: WireProtocol, body: bytes) -> Answer:
    """The standard library, by hand."""
    text: list[str] = []
    tokens = -1
    for part in body.split(b"\n\n"):
        data = part.partition(b"data: ")[2]
        if not data or data == b"[DONE]":
            continue
        event = json.loads(data)
        if protocol == "openai-chat":
            text += [choice["delta"].get("content") or "" for choice in event["choices"]]
            tokens = event["usage"]["completion_tokens"] if event.get("usage") else tokens
        elif protocol == "anthropic-messages":
            text.append(event.get("delta", {}).get("text") or "")
            tokens = event["usage"]["output_tokens"] if event["type"] == "message_delta" else tokens
        elif event["type"] == "response.output_text.delta":
            text.append(event["delta"])
        elif event["type"] == "response.completed":
            tokens = event["response"]["usage"]["output_tokens"]
    return "".join(text), tokens


WAYS: dict[str, Callable[[WireProtocol, bytes], Answer]] = {
    "golddiff": ours,
    "official client": official,
    "`json` by hand": standard,
}


def cpu_sec(run: Callable[[], object], times: int) -> float:
    """CPU seconds of one run."""
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) / times


def table() -> list[str]:
    """Measure, and return the table as Markdown."""
    lines = ["| stream | events | " + " | ".join(WAYS) + " | client / golddiff | `json` / golddiff |"]
    lines.append("|---" * (len(WAYS) + 4) + "|")
    for protocol, body in bodies().items():
        expected = ours(protocol, body)
        for name, way in WAYS.items():
            assert way(protocol, body) == expected, name
        events = parse_response(protocol, body, streamed=True).events
        rounds: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(9):
            for name, way in WAYS.items():
                rounds[name].append(cpu_sec(partial(way, protocol, body), 5))
        median = {name: statistics.median(values) for name, values in rounds.items()}
        rates = " | ".join(f"{events / median[name]:,.0f}" for name in WAYS)
        client, plain = (median[name] / median["golddiff"] for name in ("official client", "`json` by hand"))
        lines.append(f"| {protocol} | {events} | {rates} | {client:.1f} × | {plain:.2f} × |")
    return lines


def routing() -> str:
    """Measure what reading the fields that route costs, and return it in words."""
    found = []
    for size in (4, 200):
        filler = "x" * 1000
        messages = [{"role": "user", "content": filler} for _ in range(size - 1)]
        body = json.dumps({"messages": messages, "model": "m", "stream": True}).encode()
        times = 20_000 // size
        seconds = statistics.median(cpu_sec(partial(route_fields, body), times) for _ in range(9))
        found.append(f"{seconds * 1e6:.1f} µs for {len(body) / 1000:.0f} KB")
    return f"Reading the fields that route a request takes {' and '.join(found)} of CPU."


def taking() -> list[str]:
    """Measure what storing calls costs as the store fills, and return a table."""
    lines = [
        "| calls in the store | single questions, CPU ms per call | an agent's 40 turns, CPU ms per call |",
        "|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        adder = CallStore(store)
        for number in range(7):
            questions = [_question(number * 1000 + index) for index in range(1000)]
            single = _cpu_ms(store, adder, questions)
            if number % 3 == 0:
                agent = _cpu_ms(store, adder, _agent(f"0197b1de-4f4c-7bd2-a2b5-{number:012}"))
                lines.append(f"| {number * 1000:,} | {single:.2f} | {agent:.2f} |")
    return lines


def _question(number: int) -> StoredCall:
    asked = chat([{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Question {number}. " * 20}])
    return stored("openai-chat", asked, chat_answer(f"Answer {number}. " * 20), at=number)


def _agent(session: str) -> list[StoredCall]:
    """40 turns of 5 KB each, the last of which sends 200 KB."""
    claude = Claude(session)
    claude.user("fix it")
    calls = []
    for turn in range(40):
        call_id = f"toolu_{session[-2:]}{turn:08}"
        calls.append(claude.call(f"Step {turn}.", ("Bash", call_id, {"command": f"cat file_{turn}.py"}), at=turn * 10))
        claude.user(result(call_id, f"line {turn} of a file\n" * 250))
    return calls


def _cpu_ms(store: Store, adder: CallStore, calls: list[StoredCall]) -> float:
    start = time.process_time()
    for at in range(0, len(calls), 64):
        with store.transaction():
            adder.add(*calls[at : at + 64])
    return (time.process_time() - start) / len(calls) * 1e3


def main() -> None:
    """Print the figures, or write them into the documentation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    where = f"{platform.machine()} {platform.system()}, Python {platform.python_version()}"
    text = "\n".join(
        [
            f"Measured {date.today()} on {where}, other work on the machine; events per CPU second.",
            "",
            *table(),
            "",
            routing(),
            "",
            "Storing calls (parse, find the session, redact, events, bodies, transaction), in one process:",
            "",
            *taking(),
        ]
    )
    print(text)
    if arguments.write:
        path = ROOT / "docs" / "benchmarks.md"
        before, _, rest = path.read_text("utf-8").partition(_BEGIN)
        path.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{rest.partition(_END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
