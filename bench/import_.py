"""How fast transcripts are parsed, and imported whole, in MB per CPU-second; and what a 2 GB file takes in memory.

    python -m bench.import_ FOLDER… [--rounds 15] [--big 0.2 2] [--codex] [--write docs/benchmarks.md]

Parsing is compared with the standard library's `json` on the same Claude Code files with the same rows out (type, ids,
time, length of text, tool calls, tokens): the decoders alone on lines in memory, and the reader that the importer uses
from the file, against `json.loads` over its lines. The reader also reports damage and names every record, so that a
session that grew is told from one that diverged, which `json` does not. The last line chooses each importer as well.
Rounds are interleaved and timed with `time.process_time`; the figure is the median of the rounds' ratios, with the
quartiles beside it. Reading into events, redacting and storing are timed apart. Transcripts of other formats are left
out of the comparison, and imported.

`--big` writes files of so many GB under the temporary folder, one by one, the same records again and again with
ids of their own, and reads each in processes of their own, which state their peak memory. They are deleted afterwards.
With `--codex` they are Codex's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers import importer_for
from golddiff.record.importers.claude_code.records import LINE, Line, Message, lines_of
from golddiff.record.ingest import transcript_files
from golddiff.rights.redact import redact_transcript
from golddiff.store import Store

Row = tuple[Any, ...]

_COMPARED = {
    "memory": "decoders, lines in memory",
    "file": "reader, from the file, as it is used",
    "chosen": "choice of the importer, then the reader",
}
_PARENT = re.compile(rb'"parentUuid":(?:null|"[^"]*")')
_CALL_ID = re.compile(rb'"call_id":"([^"\\]*)"')
_ID_CHARS = 16
"""A shorter id may be a word."""
_BEGIN, _END = "<!-- bench/import begin -->", "<!-- bench/import end -->"


def typed_row(line: Line) -> Row:
    """The row of one record of the importer's."""
    message = line.message
    if type(message) is not Message or line.type not in ("user", "assistant"):
        return line.type, line.uuid, line.parentUuid, line.timestamp
    content, usage, length, calls = message.content, message.usage, 0, []
    if isinstance(content, list):
        for block in content:
            if block.text:
                length += len(block.text)
            if block.type == "tool_use":
                calls.append(block.id)
    elif content:
        length = len(content)
    tokens = (usage.input_tokens, usage.output_tokens) if usage else None
    return line.type, line.uuid, line.parentUuid, line.timestamp, message.id, length, calls, tokens


def plain_row(line: dict[str, Any]) -> Row:
    """The same row from the standard library's dictionaries."""
    get = line.get
    message = get("message")
    if not message or get("type") not in ("user", "assistant"):
        return get("type"), get("uuid"), get("parentUuid"), get("timestamp")
    content, usage, length, calls = message.get("content"), message.get("usage"), 0, []
    if isinstance(content, list):
        for block in content:
            if text := block.get("text"):
                length += len(text)
            if block["type"] == "tool_use":
                calls.append(block["id"])
    elif content:
        length = len(content)
    tokens = (usage.get("input_tokens"), usage.get("output_tokens")) if usage else None
    return get("type"), get("uuid"), get("parentUuid"), get("timestamp"), message.get("id"), length, calls, tokens


def typed_file(path: Path) -> Iterator[Row]:
    """Rows of a file as the importer reads it."""
    return map(typed_row, lines_of(path))


def chosen_file(path: Path) -> Iterator[Row]:
    """Rows of a file after its importer was chosen by content, as `golddiff import` does for each file."""
    assert importer_for(path) is not None
    return typed_file(path)


def plain_file(path: Path) -> Iterator[Row]:
    """Rows of a file with the standard library alone."""
    with path.open("rb") as stream:
        yield from map(plain_row, map(json.loads, filter(bytes.strip, stream)))


def cpu_seconds(work: Callable[[], Iterable[object]]) -> float:
    """Exhaust what `work` returns; returns the CPU time."""
    start = time.process_time()
    deque(work(), maxlen=0)
    return time.process_time() - start


def compared(ours: Callable[[], Iterable[Row]], theirs: Callable[[], Iterable[Row]], rounds: int, mb: float) -> Row:
    """MB per CPU-second of both, and the median, lower and upper quartile of the rounds' ratios."""
    pairs = [(cpu_seconds(ours), cpu_seconds(theirs)) for _ in range(rounds)]
    ratios = [slow / fast for fast, slow in pairs]
    low, _, high = statistics.quantiles(ratios, n=4)
    fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
    return round(mb / fast, 1), round(mb / slow, 1), round(statistics.median(ratios), 2), round(low, 2), round(high, 2)


def stages(paths: list[Path]) -> dict[str, float]:
    """MB per CPU-second of reading into events, redacting them, storing them, and of all three."""
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    spent = {"read": 0.0, "redact": 0.0, "store": 0.0}
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        for path in paths:
            importer = importer_for(path)
            assert importer is not None
            marks = [time.process_time()]
            reading = importer.read(path)
            marks.append(time.process_time())
            clean = [redact_transcript(read.transcript) for read in reading.sessions]
            marks.append(time.process_time())
            with store.transaction():
                for transcript in clean:
                    store.add_transcript(transcript)
            marks.append(time.process_time())
            for name, begin, end in zip(spent, marks, marks[1:], strict=False):
                spent[name] += end - begin
    rates = {f"{name} MB/CPU-s": round(megabytes / seconds, 1) for name, seconds in spent.items()}
    return {"MB imported": round(megabytes, 1), **rates, "import MB/CPU-s": round(megabytes / sum(spent.values()), 1)}


# ---- a large file -------------------------------------------------------------------------------------------------


def write_big(paths: list[Path], target: Path, gigabytes: float, *, codex: bool = False) -> None:
    """Repeat the records of `paths` up to a size, as one session in which each follows from the one before.

    Every id of a record, a message or a call becomes a UUID that ends with the number of its repetition, so that no
    event is like another and nothing is a dead branch.
    """
    texts, found = codex_texts(paths) if codex else claude_texts(paths)
    ids = {name: b"%08x-0000-4000-8000-0000\0" % number for number, name in enumerate(sorted(found))}
    parts = [ids.get(part, part) for part in b"".join(texts).split(b'"')]
    joined = b'"'.join(parts).split(b"\0")
    written, turn = 0, 0
    with target.open("wb") as stream:
        while written < gigabytes * 1e9:
            written += stream.write(f"{turn:08x}".encode().join(joined))
            turn += 1


def claude_texts(paths: list[Path]) -> tuple[list[bytes], set[bytes]]:
    """Records of Claude Code, each the child of the one before, and the ids in them."""
    ids: set[bytes] = set()
    seen: set[str] = set()
    texts = []
    parent = "none"
    for text in (text for path in paths for text in path.read_bytes().splitlines() if text.strip()):
        line = LINE.decode(text)
        if line.uuid in seen or (line.uuid is not None and len(line.uuid) <= _ID_CHARS):
            continue
        ids.update(name.encode() for name in ids_of(line))
        if line.uuid is not None:
            seen.add(line.uuid)
            text = _PARENT.sub(f'"parentUuid":"{parent}"'.encode(), text, count=1)
            parent = line.uuid
        texts.append(text + b"\n")
    return texts, ids


def codex_texts(paths: list[Path]) -> tuple[list[bytes], set[bytes]]:
    """Records of Codex without what ends a session or takes turns back, and the ids of the calls in them."""
    texts = [text + b"\n" for path in paths for text in path.read_bytes().splitlines() if text.strip()]
    return texts, {name for text in texts for name in _CALL_ID.findall(text) if len(name) > _ID_CHARS}


def pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a megabyte at a time."""
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            yield piece


def ids_of(line: Line) -> Iterator[str]:
    """Ids of a record, of its message, and of the calls in it."""
    message = line.message if isinstance(line.message, Message) else None
    blocks = message.content if message is not None and isinstance(message.content, list) else ()
    names = [line.uuid, message.id if message is not None else None]
    names += [name for block in blocks for name in (block.id, block.tool_use_id)]
    yield from (name for name in names if name and len(name) > _ID_CHARS)


def peak(path: Path, how: str) -> dict[str, float]:
    """Peak memory and CPU time of a process that reads the file: `rows` alone, `events`, or a whole `import`."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.import_", "--measure", how, str(path)], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_one(how: str, path: Path) -> None:
    """What `peak` runs."""
    start = time.process_time()
    if how == "rows":
        for _ in typed_file(path):
            pass
    elif how == "events":
        importer = importer_for(path)
        assert importer is not None
        importer.read(path)
    else:
        from golddiff.record.ingest import import_paths

        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
            import_paths(store, [path])
    # Not `ru_maxrss`, which begins at what the process had that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(
        json.dumps(
            {"peak MB": round(int(status["VmHWM"].split()[0]) / 1024), "CPU s": round(time.process_time() - start, 1)}
        )
    )


# ---- the report ---------------------------------------------------------------------------------------------------


def report(facts: dict[str, Any]) -> str:
    """The section of docs/benchmarks.md."""
    out = [
        _BEGIN,
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()} {platform.system()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, msgspec {msgspec.__version__}; load average {os.getloadavg()[0]:.1f} "
        f"when it ended; {facts['files']} files, {facts['lines']:,} records, {facts['megabytes']} MB, "
        f"{facts['rounds']} interleaved rounds.",
        "",
        "| same rows out | golddiff MB/CPU-s | `json` MB/CPU-s | ratio: median (quartiles) |",
        "|---|---|---|---|",
    ]
    for key, title in _COMPARED.items():
        ours, theirs, ratio, low, high = facts[key]
        out.append(f"| {title} | {ours} | {theirs} | **{ratio}** ({low}–{high}) |")
    out += ["", "| stage of an import | MB per CPU-second |", "|---|---|"]
    out += [f"| {name} | {value} |" for name, value in facts["stages"].items()]
    if big := facts.get("big"):
        hows = list(big[0]["found"])
        titles = [f"{how}: {what}" for how in hows for what in ("peak MB", "CPU s")]
        out += ["", f"| one session of {facts['client']}: GB, records | {' | '.join(titles)} |"]
        out += ["|---" * (len(titles) + 1) + "|"]
        for one in big:
            cells = [f"{one['found'][how][what]:,}" for how in hows for what in ("peak MB", "CPU s")]
            out.append(f"| {one['GB']}, {one['lines']:,} | {' | '.join(cells)} |")
    return "\n".join([*out, _END, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--big", type=float, nargs="*", default=[], metavar="GB", help="also read files of these sizes")
    parser.add_argument("--codex", action="store_true", help="the large files are Codex's")
    parser.add_argument("--how", nargs="*", default=["rows", "events"], choices=["rows", "events", "import"])
    parser.add_argument("--write", type=Path, help="replace the section in this file")
    parser.add_argument("--measure", choices=["rows", "events", "import"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure_one(options.measure, options.folders[0])
        return
    paths = [path for path, _ in transcript_files([str(folder) for folder in options.folders])]
    importers = {path: importer for path in paths if (importer := importer_for(path)) is not None}
    claude = [path for path, importer in importers.items() if importer.name == "claude-code"]
    lines = [text for path in claude for text in path.read_bytes().splitlines() if text.strip()]
    if not lines:
        sys.exit("no Claude Code transcript in these folders")
    for path in claude:
        if list(typed_file(path)) != list(plain_file(path)):
            sys.exit(f"the two ways give different rows for {path}: nothing was measured")

    megabytes = sum(map(len, lines)) / 1e6
    facts: dict[str, Any] = {
        "files": len(claude),
        "lines": len(lines),
        "megabytes": round(megabytes, 1),
        "rounds": options.rounds,
        "memory": compared(
            lambda: map(typed_row, map(LINE.decode, lines)),
            lambda: map(plain_row, map(json.loads, lines)),
            options.rounds,
            megabytes,
        ),
        "file": compared(
            lambda: chain.from_iterable(map(typed_file, claude)),
            lambda: chain.from_iterable(map(plain_file, claude)),
            options.rounds,
            megabytes,
        ),
        "chosen": compared(
            lambda: chain.from_iterable(map(chosen_file, claude)),
            lambda: chain.from_iterable(map(plain_file, claude)),
            options.rounds,
            megabytes,
        ),
        "stages": stages(list(importers)),
    }
    shown = [path for path, importer in importers.items() if importer.name == "codex"] if options.codex else claude
    facts["client"], facts["big"] = "Codex" if options.codex else "Claude Code", []
    for gigabytes in options.big:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "big.jsonl"
            write_big(shown, target, gigabytes, codex=options.codex)
            facts["big"].append(
                {
                    "GB": round(target.stat().st_size / 1e9, 2),
                    "lines": sum(piece.count(b"\n") for piece in pieces(target)),
                    "found": {how: peak(target, how) for how in options.how},
                }
            )
    text = report(facts)
    print(text)
    if options.write:
        old = options.write.read_text()
        start, end = old.index(_BEGIN), old.index(_END) + len(_END) + 1
        options.write.write_text(old[:start] + text + old[end:])


if __name__ == "__main__":
    main()
