"""Commits that name sessions."""

from __future__ import annotations

import json

from golddiff.git import GitRepository
from golddiff.outcomes.evidence import Names
from golddiff.outcomes.history import read_history
from golddiff.outcomes.names import read_names
from outcomes.world import START, World


def names(world: World, *ignore: str) -> Names:
    """Names of two sessions."""
    with GitRepository.open(world.folder) as git:
        history = read_history(git, set(), set(), START)
        return read_names(git, history, ["session-1", "session-2"], ignore)


def test_a_checkpoint_is_resolved_by_the_branch_that_stores_it(world: World) -> None:
    world.file("a.py", "a = 1\n")
    sha = world.commit("work\n\nEntire-Checkpoint: abcdef012345")
    world.file("a.py", "a = 2\n")
    world.commit("quoted: Entire-Checkpoint: abcdef012345\n\nno trailer here\n\nSigned: me")
    world.git("checkout", "-q", "--orphan", "entire/checkpoints/v1")
    world.file("ab/cdef012345/0/metadata.json", json.dumps({"session_id": "2026-03-01-session-1"}))
    world.file("ab/cdef012345/metadata.json", "not JSON")
    world.commit("checkpoint")
    world.git("checkout", "-q", "-f", "main")
    assert names(world) == Names(trailer={sha: {"session-1"}})
    assert names(world, "trailer") == Names()


def test_notes_of_git_ai_name_sessions_and_damaged_ones_nobody(world: World) -> None:
    world.file("a.py", "a = 1\n")
    good = world.commit("one")
    world.file("a.py", "a = 2\n")
    bad = world.commit("two")
    record = {"prompts": {"k": {"agent_id": {"id": "session-2"}}}, "sessions": {"s": {"agent_id": {"id": 7}}}}
    world.git("notes", "--ref", "ai", "add", "-m", f"a.py\n  k 1-4\n---\n{json.dumps(record)}", good)
    world.git("notes", "--ref", "ai", "add", "-m", "a.py\n---\n{", bad)
    assert names(world) == Names(notes={good: {"session-2"}})
    assert names(world, "notes") == Names()
