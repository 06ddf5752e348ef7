"""How fast transcripts are decoded, and imported whole, in MB per CPU-second.

Decoding is compared with `json.loads` on the same Claude Code lines with the same rows out: type, ids, time, length of
text, tool calls, tokens. Both read the lines from memory, in interleaved rounds; the figure is the median of the
rounds' ratios, with the lowest and the highest beside it. The whole import (read, redact, store) is timed apart.

    python bench/import_.py FOLDER [--rounds 9]

FOLDER holds transcripts; files of other formats are left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from golddiff.record.importers import importer_for
from golddiff.record.importers.claude_records import LINE, Message
from golddiff.record.ingest import import_paths, transcript_files
from golddiff.store import Store

Row = tuple[Any, ...]


def with_msgspec(text: bytes) -> Row:
    """The row of one line, by the decoders that the importer uses."""
    line = LINE.decode(text)
    head = (line.type, line.uuid, line.parentUuid, line.timestamp)
    message = line.message
    if line.type not in ("user", "assistant") or not isinstance(message, Message):
        return head
    content, usage = message.content, message.usage
    if not isinstance(content, list):
        return (*head, message.id, len(content or ""), (), ())
    length = sum(len(block.text or "") for block in content)
    tokens = (usage.input_tokens, usage.output_tokens) if usage else ()
    return (*head, message.id, length, tuple(block.id for block in content if block.type == "tool_use"), tokens)


def with_json(text: bytes) -> Row:
    """The same row from the standard library's dictionaries."""
    line = json.loads(text)
    head = (line.get("type"), line.get("uuid"), line.get("parentUuid"), line.get("timestamp"))
    message = line.get("message")
    if line.get("type") not in ("user", "assistant") or not message:
        return head
    content, usage = message.get("content"), message.get("usage")
    if not isinstance(content, list):
        return (*head, message.get("id"), len(content or ""), (), ())
    length = sum(len(block.get("text") or "") for block in content)
    tokens = (usage.get("input_tokens"), usage.get("output_tokens")) if usage else ()
    calls = tuple(block["id"] for block in content if block["type"] == "tool_use")
    return (*head, message.get("id"), length, calls, tokens)


def cpu_seconds(row: Callable[[bytes], Row], lines: Iterable[bytes]) -> float:
    start = time.process_time()
    for text in lines:
        row(text)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    paths = [path for path, _ in transcript_files([str(folder) for folder in options.folders])]
    importers = {path: importer_for(path) for path in paths}
    known = [path for path, importer in importers.items() if importer is not None]
    claude = [path for path in known if (importer := importers[path]) and importer.name == "claude-code"]
    lines = [text for path in claude for text in path.read_bytes().splitlines() if text.strip()]
    megabytes = sum(map(len, lines)) / 1e6
    if not lines:
        sys.exit("no Claude Code transcript in these folders")
    if [with_msgspec(text) for text in lines] != [with_json(text) for text in lines]:
        sys.exit("the two ways give different rows: nothing was measured")

    rounds = [(cpu_seconds(with_msgspec, lines), cpu_seconds(with_json, lines)) for _ in range(options.rounds)]
    ratios = sorted(slow / fast for fast, slow in rounds)

    read_seconds = []
    for _ in range(3):
        start = time.process_time()
        for path in known:
            importer = importers[path]
            assert importer is not None
            importer.read(path)
        read_seconds.append(time.process_time() - start)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        start = time.process_time()
        import_paths(store, known)
        whole = time.process_time() - start
    all_megabytes = sum(path.stat().st_size for path in known) / 1e6
    result = {
        "lines": len(lines),
        "megabytes": round(megabytes, 2),
        "msgspec_mb_per_cpu_s": round(megabytes / statistics.median(fast for fast, _ in rounds), 1),
        "json_mb_per_cpu_s": round(megabytes / statistics.median(slow for _, slow in rounds), 1),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
        "files_imported": len(known),
        "megabytes_imported": round(all_megabytes, 2),
        "read_mb_per_cpu_s": round(all_megabytes / statistics.median(read_seconds), 1),
        "import_mb_per_cpu_s": round(all_megabytes / whole, 1),
    }
    print(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())


if __name__ == "__main__":
    main()
