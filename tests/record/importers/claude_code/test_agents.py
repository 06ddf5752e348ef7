"""Files of sub-agents and the session that they belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from golddiff.record.importers.claude_code.agents import (
    agent_files,
    agent_of,
    has_own_file,
    merge_by_time,
    session_file,
)
from golddiff.record.importers.claude_code.records import Line


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    path = tmp_path / "s1" / "subagents" / "agent-a7.jsonl"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_a_sub_agents_file_is_known_by_its_place(agent: Path) -> None:
    assert agent_of(agent) == "a7"
    assert agent_of(agent.parent / "notes.jsonl") is None
    assert agent_of(agent.parent.parent / "agent-a7.jsonl") is None


def test_a_session_and_its_sub_agents_find_each_other(agent: Path, tmp_path: Path) -> None:
    main = tmp_path / "s1.jsonl"
    assert session_file(agent) is None
    main.touch()
    assert session_file(agent) == main
    assert session_file(main) is None
    assert agent_files(main) == [agent]
    assert agent_files(tmp_path / "s2.jsonl") == []


@pytest.mark.parametrize(
    ("session", "agent_id", "expected"),
    [
        ("s1", "a7", True),
        ("s1", "a8", False),
        ("../x", "a7", False),
        (None, "a7", False),
        ("s1", "../a7", False),
        ("s1", "a" * 999, False),
    ],
)
def test_only_plain_ids_are_looked_up(
    agent: Path, tmp_path: Path, session: str | None, agent_id: str, expected: bool
) -> None:
    assert has_own_file(tmp_path / "s1.jsonl", session, agent_id) is expected


def test_files_are_merged_by_time_and_keep_their_own_order() -> None:
    def line(name: str, second: int | None) -> tuple[Line, str]:
        stamp = None if second is None else f"2026-01-01T00:00:0{second}Z"
        return Line(uuid=name, timestamp=stamp), name

    main = [line("a", 1), line("b", 5), line("c", 3), line("d", None)]
    side = [line("x", None), line("y", 2), line("z", 6)]
    assert [name for _, name in merge_by_time([main, side])] == ["x", "a", "y", "b", "c", "d", "z"]
