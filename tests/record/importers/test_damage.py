"""Whatever happens to a file, an importer reads what is left and never raises."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golddiff.record.importers import Importer, importer_for, importers
from golddiff.record.importers.contract import Reading
from record.scripted import ClaudeScript, CodexScript, text, tool
from record.scripted_agents import DIFF, AtifScript, MiniScript, OpenHandsScript, OpenHandsSdkScript, SweScript
from record.scripted_clis import CopilotScript, GeminiScript, QwenScript


def _claude() -> bytes:
    script = ClaudeScript()
    script.user("fix it")
    script.assistant(text("looking"))
    script.assistant(tool("Edit", "t1", file_path="/work/repo/a", old_string="x", new_string="y"))
    script.result("t1", "ok", {"originalFile": "x\n", "oldString": "x", "newString": "y", "userModified": True})
    script.assistant(tool("Bash", "t2", command="pytest | tail -1"), message_id="m2")
    script.result("t2", "Exit code 1\n1 failed in 0.1s", "Error: Exit code 1", error=True)
    script.user([text("[Request interrupted by user]")])
    script.user("and now", parent="u0")
    return _bytes(script)


def _codex() -> bytes:
    script = CodexScript()
    script.prompt("fix it")
    script.says("looking")
    script.exec("k1", "pytest", "1 passed in 0.1s")
    script.tokens(9, 3, 2)
    patch = "*** Begin Patch\n*** Update File: a\n@@\n-x\n+y\n*** End Patch"
    script.item("custom_tool_call", name="apply_patch", call_id="k2", input=patch)
    script.event("patch_apply_end", call_id="k2", success=True, changes={"a": {"type": "update", "unified_diff": "@@"}})
    script.item("custom_tool_call_output", call_id="k2", output="Exit code: 0\nOutput:\nSuccess.")
    script.event("thread_rolled_back", num_turns=1)
    script.event("turn_aborted", reason="interrupted")
    return _bytes(script)


def _copilot() -> bytes:
    script = CopilotScript()
    script.prompt("fix it")
    script.says("looking", {"toolCallId": "t1", "name": "bash", "arguments": '{"command": "pytest"}'})
    script.bash("t1", "pytest", "1 passed in 0.1s")
    script.start("t2", "edit", {"path": "/work/repo/a", "old_str": "x", "new_str": "y"})
    script.failed("t2", "rejected by the user", code="rejected")
    taken_back = script.prompt("more")
    script.add("session.snapshot_rewind", upToEventId=taken_back)
    script.add("abort", reason="user_initiated")
    usage = {"inputTokens": 100, "outputTokens": 7}
    script.add("session.shutdown", modelMetrics={"gpt-test-1": {"usage": usage}})
    return _bytes(script)


def _gemini() -> GeminiScript:
    script = GeminiScript()
    script.user("fix it")
    call = script.call("replace", file_path="a", old_string="x", new_string="y")
    call["resultDisplay"] = {"fileDiff": "@@ -1 +1 @@\n-x\n+y", "originalContent": "x", "newContent": "y"}
    script.says("looking", call)
    script.says("", script.call("run_shell_command", output="Output: ok\nExit Code: 1", command="pytest"))
    script.says("", script.call("write_file", status="cancelled", file_path="b", content="x"))
    return script


def _gemini_lines() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return _gemini().write_lines(Path(folder) / "x", {"$rewindTo": "m3"}, {"$set": {"kind": "main"}}).read_bytes()


def _qwen() -> bytes:
    script = QwenScript()
    start = script.user("fix it")
    script.says("", script.call("c1", "edit", file_path="a", old_string="1", new_string="2"))
    script.result("c1", "ok", display={"fileDiff": "@@", "originalContent": "1", "newContent": "2"})
    script.says("", script.call("c2", "run_shell_command", command="pytest"))
    script.result("c2", "Output: ok\nExit Code: 0", isSidechain=True, agentId="a1")
    script.user("no", parentUuid=start)
    return _bytes(script)


def _mini() -> MiniScript:
    script = MiniScript()
    script.runs("look", "ls", call="c1")
    script.prints("a", call="c1")
    script.say("user", "no: with the following message: x", interrupt_type="UserRejection")
    script.info["submission"] = DIFF
    return script


def _swe() -> SweScript:
    script = SweScript()
    script.step("open", "open src/a.py", "[File: src/a.py (2 lines total)]\n1:x\n2:y", "/testbed/src/a.py")
    script.step("edit", "edit 1:2\nz\nend_of_edit", "[File: src/a.py (1 lines total)]\n1:z", "/testbed/src/a.py")
    script.step("edit", "str_replace_editor insert /testbed/b --new_str 'a' --insert_line 3", "has been edited")
    script.step("edit", "edit 'a' 'b'", "Text replaced", "/testbed/b", search="a", replace="b")
    script.info["submission"] = DIFF
    return script


def _openhands(script: OpenHandsScript) -> OpenHandsScript:
    script.user("fix it")
    edit = script.acts("edit", "r1", path="a", command="str_replace", old_str="x", new_str="y")
    script.seen("edit", edit, "ok", prev_exist=True, old_content="x", new_content="y")
    script.seen("run", script.acts("run", "r2", command="ls"), "a", metadata={"exit_code": 0})
    return script


def _openhands_lines() -> bytes:
    script = OpenHandsSdkScript()
    script.user("fix it")
    script.calls("c1", "terminal", command="ls")
    script.answers("c1", "terminal", content=[{"type": "text", "text": "a"}], exit_code=0)
    script.calls("c2", "file_editor", command="create", path="a", file_text="x")
    return b"".join(json.dumps(event).encode() + b"\n" for event in script.events)


def _atif() -> AtifScript:
    script = AtifScript()
    script.step("user", "fix it")
    script.acts("go", ("c1", "bash", {"command": "ls"}), results=[("c1", "a", {"exit_code": 0})])
    script.acts("go", ("c2", "write_file", {"path": "a", "content": "x"}), results=[(None, "ok", None)])
    return script


class _Script(Protocol):
    def write(self, path: Path) -> Path: ...


def _bytes(script: _Script) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return script.write(Path(folder) / "x").read_bytes()


AIDER = """
# aider chat started at 2026-05-01 10:00:00

> Main model: m with architect edit format

#### fix it

```python
a.py
<<<<<<< SEARCH
x
=======
y
>>>>>>> REPLACE
```

> Tokens: 1k sent, 2 received.
> Applied edit to a.py
#### /run pytest
> 1 passed in 0.1s
"""


NAMED = {importer.name: importer for importer in importers()}
FILES = {
    name: (NAMED[name], data)
    for name, data in {
        "claude-code": _claude(),
        "codex": _codex(),
        "copilot-cli": _copilot(),
        "gemini-cli": _gemini_lines(),
        "qwen-code": _qwen(),
        "openhands": _openhands_lines(),
        "aider": AIDER.encode(),
    }.items()
}
"""Records on lines: what is whole before the damage is read."""
DOCUMENTS = {
    name: (NAMED[name], _bytes(script))
    for name, script in {
        "gemini-cli": _gemini(),
        "mini-swe-agent": _mini(),
        "openhands": _openhands(OpenHandsScript()),
        "swe-agent": _swe(),
        "atif": _atif(),
    }.items()
}
"""One JSON document: damage anywhere is damage of the whole."""
BOTH = {**{f"{name} lines": entry for name, entry in FILES.items()}, **DOCUMENTS}


_STEP = int(os.environ.get("GOLDDIFF_CUT_STEP", "29"))
"""Bytes between two cuts: 1 tries them all, which takes minutes."""
_EXAMPLES = int(os.environ.get("GOLDDIFF_FUZZ_EXAMPLES", "15"))
"""Changed files per importer and way of changing."""


def _read(importer: Importer, data: bytes) -> Reading:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return importer.read(Path(file.name))


@pytest.mark.parametrize("name", list(BOTH))
def test_a_file_is_given_to_the_importer_of_its_format(name: str, tmp_path: Path) -> None:
    importer, data = BOTH[name]
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    assert importer_for(path).name == importer.name


@pytest.mark.parametrize("name", list(FILES))
def test_cutting_a_file_at_any_byte_leaves_the_whole_records_before_it(name: str, tmp_path: Path) -> None:
    importer, data = FILES[name]
    whole = _read(importer, data).sessions[0].transcript.session.record_hashes
    path = tmp_path / "cut"
    path.write_bytes(data)
    for end in range(len(data) - 1, -1, -_STEP):
        os.truncate(path, end)
        reading = importer.read(path)
        tail = data[:end].rpartition(b"\n")[2]
        assert [damage.line for damage in reading.damaged] in ([], [data[:end].count(b"\n") + 1])
        assert bool(reading.damaged) <= bool(tail)
        for session in reading.sessions:
            hashes = session.transcript.session.record_hashes
            assert hashes == whole[: len(hashes)]


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_cutting_a_document_at_any_byte_is_damage_at_that_line(name: str, tmp_path: Path) -> None:
    importer, data = DOCUMENTS[name]
    path = tmp_path / "cut"
    path.write_bytes(data)
    for end in range(len(data.rstrip()) - 1, -1, -_STEP):
        os.truncate(path, end)
        importer.sniff(data[:end].splitlines()[:24])
        reading = importer.read(path)
        assert reading.sessions == ()
        assert bool(reading.damaged) == bool(data[:end].strip())


@pytest.mark.parametrize("name", list(BOTH))
@settings(deadline=None, max_examples=_EXAMPLES, derandomize=True, database=None)
@given(data=st.data())
def test_changed_bytes_never_stop_an_importer(name: str, data: st.DataObject) -> None:
    importer, original = BOTH[name]
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(changed) - 1))
        changed[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    importer.sniff(bytes(changed).splitlines()[:24])
    _read(importer, bytes(changed))


_SCALAR = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
_LISTS = _SCALAR | st.lists(_SCALAR, max_size=3)
_JSON = _LISTS | st.dictionaries(st.sampled_from(["type", "text", "x"]), _LISTS, max_size=3)


@pytest.mark.parametrize("name", [name for name in BOTH if name != "aider lines"])
@settings(deadline=None, max_examples=_EXAMPLES, derandomize=True, database=None)
@given(data=st.data())
def test_any_value_in_any_field_never_stops_an_importer(name: str, data: st.DataObject) -> None:
    importer, original = BOTH[name]
    whole = name in DOCUMENTS
    records = [json.loads(original)] if whole else [json.loads(line) for line in original.splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(records))
        for _ in range(8):
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and data.draw(st.booleans()):
                place = place[key]
            else:
                place[key] = data.draw(_JSON)
                break
    written = [json.dumps(record, indent=1 if whole else None) for record in records]
    _read(importer, "".join(text + "\n" for text in written).encode())
