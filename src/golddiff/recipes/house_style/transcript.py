"""Write a session as a genuine Claude Code transcript (JSONL), with every record that its importer reads.

How it fits: `product` calls it; `golddiff import` must not be able to tell that nobody was there, except by what the
transcript says openly: the model is `golddiff-simulated-teacher`. The shapes follow real transcripts: one line per
content block, a tree of uuids, `toolUseResult` with `originalFile` and `structuredPatch` for edits, `stdout` for
commands, and usage repeated on every line of a message (here estimated at four characters per token).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

__all__ = ["ClaudeCodeTranscript"]

VERSION = "2.1.39"
CONTEXT = 3
_NAMESPACE = uuid.UUID("6f1c2f1e-5d0a-4a5e-9b55-90fd1fcd0e11")


@dataclass
class ClaudeCodeTranscript:
    """Records of one session, in order."""

    name: str
    """What makes ids of this session differ from others; the same name gives the same ids."""
    cwd: str
    model: str
    now: datetime
    branch: str = "main"
    lines: list[str] = field(default_factory=list)
    parent: str | None = None
    messages: int = 0

    @property
    def session_id(self) -> str:
        """Return the client's session id."""
        return str(uuid.uuid5(_NAMESPACE, self.name))

    def prompt(self, text: str) -> None:
        """The user types."""
        self._add("user", {"role": "user", "content": text}, {"permissionMode": "acceptEdits", "todos": []}, 40)

    def say(self, text: str) -> None:
        """The agent answers in words and yields."""
        self._assistant({"type": "text", "text": text}, "end_turn")

    def command(self, command: str, description: str, stdout: str) -> None:
        """The agent runs a command that succeeds."""
        given = {"command": command, "description": description}
        result = {"stdout": stdout, "stderr": "", "interrupted": False, "isImage": False}
        self._tool("Bash", given, stdout or "(no output)", result)

    def edit(self, path: str, original: str, line: int, new: str) -> str:
        """The agent replaces one line (from 1) of the file; return the text after."""
        rows = original.split("\n")
        low, high = _unique_window(rows, line - 1)
        after_rows = [*rows[: line - 1], new, *rows[line:]]
        old_string, new_string = "\n".join(rows[low:high]), "\n".join(after_rows[low:high])
        full = f"{self.cwd}/{path}"
        given = {"file_path": full, "old_string": old_string, "new_string": new_string, "replace_all": False}
        start, stop = max(0, line - 1 - CONTEXT), min(len(rows), line + CONTEXT)
        shown = [f" {row}" for row in rows[start : line - 1]] + [f"-{rows[line - 1]}", f"+{new}"]
        shown += [f" {row}" for row in rows[line:stop]]
        size = stop - start
        hunk = {"oldStart": start + 1, "oldLines": size, "newStart": start + 1, "newLines": size, "lines": shown}
        result = {
            "filePath": full,
            "oldString": old_string,
            "newString": new_string,
            "originalFile": original,
            "structuredPatch": [hunk],
            "userModified": False,
            "replaceAll": False,
        }
        self._tool("Edit", given, f"The file {full} has been updated successfully.", result)
        return "\n".join(after_rows)

    def write(self, folder: Path) -> Path:
        """Write the transcript where Claude Code would, below `folder`, and return its path."""
        home = folder / "".join(c if c.isalnum() else "-" for c in self.cwd)
        home.mkdir(parents=True, exist_ok=True)
        path = home / f"{self.session_id}.jsonl"
        path.write_text("\n".join(self.lines) + "\n", "utf-8")
        return path

    def _tool(self, name: str, given: dict[str, Any], said: str, result: dict[str, Any]) -> None:
        call = f"toolu_{uuid.uuid5(_NAMESPACE, f'{self.name} call {len(self.lines)}').hex[:24]}"
        self._assistant({"type": "tool_use", "id": call, "name": name, "input": given}, "tool_use")
        content = [{"type": "tool_result", "tool_use_id": call, "content": said}]
        extra = {"toolUseResult": result, "sourceToolAssistantUUID": self.parent}
        self._add("user", {"role": "user", "content": content}, extra, 1)

    def _assistant(self, block: dict[str, Any], stop: str) -> None:
        self.messages += 1
        size = len(json.dumps(block)) // 4 + 1
        usage = {
            "input_tokens": 4,
            "cache_creation_input_tokens": 200,
            "cache_read_input_tokens": 12_000 + 300 * self.messages,
            "output_tokens": size,
            "service_tier": "standard",
        }
        message = {
            "model": self.model,
            "id": f"msg_{uuid.uuid5(_NAMESPACE, f'{self.name} message {self.messages}').hex[:24]}",
            "type": "message",
            "role": "assistant",
            "content": [block],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }
        self._add("assistant", message, {"requestId": f"req_{self.messages:06d}"}, 5)

    def _add(self, kind: str, message: dict[str, Any], extra: dict[str, Any], seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        own = str(uuid.uuid5(_NAMESPACE, f"{self.name} record {len(self.lines)}"))
        record = {
            "parentUuid": self.parent,
            "isSidechain": False,
            "userType": "external",
            "cwd": self.cwd,
            "sessionId": self.session_id,
            "version": VERSION,
            "gitBranch": self.branch,
            "type": kind,
            "message": message,
            "uuid": own,
            "timestamp": f"{self.now:%Y-%m-%dT%H:%M:%S}.000Z",
            **extra,
        }
        self.lines.append(json.dumps(record, ensure_ascii=False))
        self.parent = own


def _unique_window(rows: list[str], index: int) -> tuple[int, int]:
    """Return the smallest range of lines around `index` whose text occurs once, as the Edit tool demands."""
    text = "\n".join(rows)
    low, high = index, index + 1
    while text.count("\n".join(rows[low:high])) > 1 and (low > 0 or high < len(rows)):
        low, high = max(0, low - 1), min(len(rows), high + 1)
    return low, high
