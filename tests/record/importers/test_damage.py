"""Whatever happens to a file, an importer reads what is left and never raises."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golddiff.record.importers import Importer, importers
from golddiff.record.importers.contract import Reading
from record.scripted import ClaudeScript, CodexScript, text, tool


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


def _bytes(script: ClaudeScript | CodexScript) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return script.write(Path(folder) / "x").read_bytes()


CLAUDE, CODEX = importers()[:2]
FILES = {CLAUDE.name: (CLAUDE, _claude()), CODEX.name: (CODEX, _codex())}


def _read(importer: Importer, data: bytes) -> Reading:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return importer.read(Path(file.name))


@pytest.mark.parametrize("name", list(FILES))
def test_cutting_a_file_at_any_byte_leaves_the_whole_records_before_it(name: str, tmp_path: Path) -> None:
    importer, data = FILES[name]
    whole = _read(importer, data).sessions[0].transcript.session.record_hashes
    path = tmp_path / "cut"
    path.write_bytes(data)
    for end in range(len(data) - 1, -1, -1):
        os.truncate(path, end)
        reading = importer.read(path)
        tail = data[:end].rpartition(b"\n")[2]
        assert [damage.line for damage in reading.damaged] in ([], [data[:end].count(b"\n") + 1])
        assert bool(reading.damaged) <= bool(tail)
        for session in reading.sessions:
            hashes = session.transcript.session.record_hashes
            assert hashes == whole[: len(hashes)]


@pytest.mark.parametrize("name", list(FILES))
@settings(deadline=None, max_examples=100, derandomize=True, database=None)
@given(data=st.data())
def test_changed_bytes_never_stop_an_importer(name: str, data: st.DataObject) -> None:
    importer, original = FILES[name]
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(changed) - 1))
        changed[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    importer.sniff(bytes(changed).splitlines()[:24])
    _read(importer, bytes(changed))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("name", list(FILES))
@settings(deadline=None, max_examples=100, derandomize=True, database=None)
@given(data=st.data())
def test_any_value_in_any_field_never_stops_an_importer(name: str, data: st.DataObject) -> None:
    importer, original = FILES[name]
    records = [json.loads(line) for line in original.splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(records))
        for _ in range(4):
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and data.draw(st.booleans()):
                place = place[key]
            else:
                place[key] = data.draw(_JSON)
                break
    _read(importer, "".join(json.dumps(record) + "\n" for record in records).encode())
